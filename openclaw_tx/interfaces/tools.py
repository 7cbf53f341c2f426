"""What an agent can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.interfaces.models import Agents
from openclaw_tx.values import Agent, Fetched, FetchLimits, ToolResult, ToolSpec, Usage


class ToolContext(Protocol):
    """What a tool may know of the run that calls it."""

    @property
    def agent(self) -> Agent: ...

    @property
    def agents(self) -> Agents:
        """The agents that whoever asks may use; a tool tells of no others."""

    @property
    def session_key(self) -> str: ...

    @property
    def run_id(self) -> str: ...

    @property
    def model(self) -> str:
        """The model ref of the run."""

    @property
    def usage(self) -> Usage:
        """What the run has used so far."""

    @property
    def clock(self) -> IReactorTime: ...

    def sees_session(self, session_key: str) -> bool:
        """Whether whoever asks may know of a session, there or not; a tool tells of no others.

        @param session_key: a whole one, C{agent:<id>:<name>}.
        """


class Tool(Protocol):
    """Something an agent can do."""

    @property
    def spec(self) -> ToolSpec: ...

    async def call(self, arguments: Mapping[str, Any], context: ToolContext) -> ToolResult:
        """Do it. Arguments have been validated against the spec's schema. An exception becomes an error result;
        cancelling must stop the work within a second."""


class Tools(Protocol):
    """The tools an agent may use under the policy of the moment."""

    def allowed(self, agent: Agent, model_ref: str) -> Sequence[Tool]:
        """Tools left by the narrowing chain (spec 7.2), in a stable order."""


class Fetcher(Protocol):
    """Fetches URLs that clients or models chose, and never anything but the public internet."""

    async def fetch(self, url: str, limits: FetchLimits, headers: Mapping[str, str] | None = None) -> Fetched:
        """GET a URL, following redirects. An answer of any status is one. Cancelling closes the connection.

        @param headers: sent along, e.g. C{Accept}.
        @raise FetchFailed: it may not be fetched, or could not be.
        """
