"""What an agent can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.interfaces.models import Agents
from openclaw_tx.values import (
    Agent,
    Approval,
    ApprovalEnd,
    ApprovalsSnapshot,
    Decision,
    Fetched,
    FetchLimits,
    Principal,
    ToolEvent,
    ToolResult,
    ToolSpec,
    Usage,
)


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

    @property
    def principal(self) -> Principal:
        """Who asks; what the tool starts on its own is started as it."""

    @property
    def call_id(self) -> str:
        """Of the model's tool call; "" when a client calls the tool itself."""

    @property
    def channel(self) -> str: ...

    @property
    def stateless(self) -> bool:
        """The run's session ends with it: nothing can be sent to it later."""

    @property
    def spawned_by(self) -> str:
        """Key of the session that started this run as a sub-agent; "" = it is none."""

    def report(self, event: ToolEvent) -> None:
        """Tell whoever watches the run; at most a few a second."""

    def sees_session(self, session_key: str) -> bool:
        """Whether whoever asks may know of a session, there or not; a tool tells of no others.

        @param session_key: a whole one, C{agent:<id>:<name>}.
        """


class Tool(Protocol):
    """Something an agent can do."""

    @property
    def spec(self) -> ToolSpec:
        """What models are told of it. It is asked for now and then and must not change; a L{ToolSource} whose tools do
        has new ones."""

    async def call(self, arguments: Mapping[str, Any], context: ToolContext) -> ToolResult:
        """Do it. Arguments have been validated against the spec's schema. An exception becomes an error result;
        cancelling must stop the work within a second."""


@runtime_checkable
class ConcurrentTool(Protocol):
    """A L{Tool} that only looks: calls of such tools that a model makes together run together."""

    @property
    def concurrent(self) -> bool: ...


@runtime_checkable
class ConditionalTool(Protocol):
    """A L{Tool} that there is only for some agents or models, whatever the policy allows."""

    def offered(self, agent: Agent, model_ref: str) -> bool:
        """Whether it can be used, by the configuration of the moment. Pure and quick: asked once for each agent and
        model after a change of the configuration."""


@runtime_checkable
class AliasedTool(Protocol):
    """A L{Tool} whose parameters have other names too, which models know from elsewhere."""

    @property
    def aliases(self) -> Mapping[str, str]:
        """Other name -> name in the schema. Callers put the names of the schema in before they validate."""


class ToolSource(Protocol):
    """Tools that come and go while the gateway runs."""

    @property
    def version(self) -> int:
        """Another number after each change of L{tools}."""

    def tools(self) -> Sequence[Tool]:
        """Those of the moment, in a stable order."""


class Tools(Protocol):
    """The tools an agent may use under the policy of the moment."""

    def allowed(self, agent: Agent, model_ref: str, *, subagent: bool = False) -> Sequence[Tool]:
        """Tools left by the narrowing chain (spec 7.2), in a stable order.

        @param subagent: for a run that another run has spawned, which may do less.
        """


class Approvals(Protocol):
    """People's words on what agents want to do. Everything fails closed."""

    async def ask(self, approval: Approval) -> Decision | None:
        """Wait for a person's word.

        @return: None = nobody answered in time, which denies. Cancelling it takes the question back.
        @raise GatewayError: C{queue_full}: too many questions wait; C{invalid_request}: its id waits already.
        """

    def resolve(self, approval_id: str, decision: Decision, by: Principal) -> bool:
        """Answer. False when there is no such question (any more).

        @raise GatewayError: C{invalid_request}: C{allow-always} where that is no possible answer.
        """

    def pending(self) -> Sequence[Approval]:
        """Those that wait, oldest first."""

    def subscribe(self, listener: Callable[[Approval | ApprovalEnd], None]) -> Callable[[], None]:
        """Tell C{listener} of every question and how it came out.

        @return: ends the subscription.
        """


class ApprovalsFile(Protocol):
    """The file C{exec-approvals.json}: what may run without a question."""

    async def get(self) -> ApprovalsSnapshot:
        """As it stands. A file that can not be used is moved aside, and one that denies everything put in its place.

        @raise GatewayError: C{storage_unavailable}: the disk does not let it be read or written.
        """

    async def set(self, file: dict[str, Any], base_hash: str | None) -> ApprovalsSnapshot:
        """Replace it.

        @param base_hash: C{hash} of what was edited; None = there was no file.
        @raise GatewayError: C{invalid_request}: it was changed meanwhile, or is not of the right form;
            C{storage_unavailable}.
        """


class Fetcher(Protocol):
    """Fetches URLs that clients or models chose, and never anything but the public internet."""

    async def fetch(self, url: str, limits: FetchLimits, headers: Mapping[str, str] | None = None) -> Fetched:
        """GET a URL, following redirects. An answer of any status is one. Cancelling closes the connection.

        @param headers: sent along, e.g. C{Accept}.
        @raise FetchFailed: it may not be fetched, or could not be.
        """


class Poster(Protocol):
    """Posts to URLs of the configuration, through the same door: the public internet, and this machine if wanted."""

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float, loopback: bool = False
    ) -> int:
        """POST a body; redirects are not followed. Cancelling closes the connection.

        @param loopback: let it go to this machine.
        @return: the status of the answer.
        @raise FetchFailed: it may not go there, or there was no answer in time.
        """
