# -*- test-case-name: tests.workers.test_crew -*-
"""The part that a process has among those of one gateway, as the composition root asks for it.

L{Crew} itself is the part of a process that is alone: everything is as it would be without it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from twisted.application.service import IService

from openclaw_tx.auth.methods import GatewayAuthenticator
from openclaw_tx.config.schema import Config
from openclaw_tx.interfaces import Agents, Authenticator, Elsewhere, Models, RunEngine, Tool, ToolSource
from openclaw_tx.runs.engine import Engine
from openclaw_tx.tally import Measured


class CrewRooms(NamedTuple):
    """What other processes may ask of this one, or it of them."""

    agents: Agents
    authenticator: Authenticator
    limited: Callable[[Any], bool]
    """Whether a principal has limits, which are counted in one place."""
    tools: Callable[[], Sequence[Tool]]
    """All tools there are."""
    sources: Sequence[ToolSource]
    """Those that come and go."""
    recover: Callable[[], Awaitable[object]]
    """Close what processes have left behind that are gone."""
    measured: Callable[[], dict[str, Measured]]
    """What was counted here."""


class Crew:
    """A process that is alone.

    @ivar is_chief: it has all that is shared.
    @ivar elsewhere: serves what this process does not; None = it serves everything.
    @ivar members: how many processes there are to be.
    """

    is_chief = True
    members = 1
    elsewhere: Elsewhere | None = None

    def entropy(self, size: int) -> bytes:
        """What keys the digests by which principals are told apart; the same in all processes."""
        return secrets.token_bytes(size)

    def share(self, settings: Callable[[], Config]) -> Callable[[], Config]:
        """The settings that this process's engine goes by."""
        return settings

    def tools(self, own: Iterable[Tool], sources: Sequence[ToolSource]) -> tuple[list[Tool], list[ToolSource]]:
        """The tools as runs of this process call them."""
        return list(own), list(sources)

    def everywhere(self, engine: Engine) -> RunEngine:
        """The engine as surfaces see it: with the runs of all processes that belong there."""
        return engine

    def admitted(self, admission: RunEngine, engine: Engine, agents: Agents, models: Models) -> RunEngine:
        """What starts runs for clients."""
        return admission

    def authenticator(self, own: Authenticator, guard: GatewayAuthenticator) -> Authenticator:
        """Who says who is asking."""
        return own

    def join(self, rooms: CrewRooms) -> None:
        """The rooms are there."""

    def services(self) -> list[IService]:
        """What runs as long as the gateway does."""
        return []

    def others(self) -> Sequence[Mapping[str, Measured]]:
        """What other processes have counted."""
        return ()

    def about(self) -> Mapping[str, object]:
        """What a readiness probe tells of other processes."""
        return {}

    def count(self) -> int:
        """Processes that serve at the moment."""
        return 1

    async def drained(self, seconds: float) -> None:
        """This process's runs have ended: tell others, and wait for theirs if they need this one, C{seconds} at
        most."""

    async def answered(self, seconds: float) -> None:
        """This process's answers are out: wait for those that pass through it."""


def shared(settings: Callable[[], Config], count: int, *, chief: bool) -> Callable[[], Config]:
    """Settings with a process's own share of C{agents.defaults.maxConcurrent}: relays have an equal one each, rounded
    down, and the chief what is left. Together they have what is configured, never more.

    @param count: all processes.
    """
    known: Config | None = None
    own: Config | None = None

    def mine() -> Config:
        nonlocal known, own
        config = settings()
        if own is None or config is not known:
            whole = config.agents.defaults.max_concurrent
            each = whole // count
            part = whole - each * (count - 1) if chief else each
            defaults = replace(config.agents.defaults, max_concurrent=part)
            known, own = config, replace(config, agents=replace(config.agents, defaults=defaults))
        return own

    return mine


def common_entropy(key: bytes, size: int) -> bytes:
    """Bytes that all who have C{key} come to, and nobody else.

    @param size: 32 at most.
    """
    return hmac.digest(key, b"credentials", "sha256")[:size]


__all__ = ["Crew", "CrewRooms", "common_entropy", "shared"]
