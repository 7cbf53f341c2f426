# -*- test-case-name: tests.test_agents_together -*-
"""Runs that a tool starts, and what goes on of them after the tool has answered."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from openclaw_tx.deferreds import spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Run, RunEngine
from openclaw_tx.values import Principal, RunRequest, TextPart, UserMessage

MAX_WORK = 256
"""Conversations between agents and sub-agents that go on at a time; more are refused."""


class Background:
    """Starts runs, and keeps hold of what waits for them. Nothing here outlives the engine: a run that it does not take
    any more ends the work that wanted it."""

    def __init__(
        self, engine: Callable[[], RunEngine], new_id: Callable[[], str], seconds: Callable[[], float]
    ) -> None:
        """
        @param engine: the engine, once there is one.
        """
        self._engine = engine
        self._new_id = new_id
        self._seconds = seconds
        self._log = Logger()
        self._work: set[Deferred[Any]] = set()

    def run(
        self,
        principal: Principal,
        agent_id: str,
        session_key: str,
        text: str,
        *,
        prefix: str = "run",
        run_id: str = "",
        **fields: Any,
    ) -> Run:
        """Start a run with one message.

        @param prefix: begins the id that is made for it.
        @param run_id: its id; "" = one is made.
        @param fields: further fields of L{RunRequest}.
        @raise GatewayError: as L{RunEngine.start}.
        """
        message = UserMessage(content=(TextPart(text=text),), timestamp_ms=int(self._seconds() * 1000))
        request = RunRequest(
            run_id=run_id or f"{prefix}_{self._new_id()}",
            agent_id=agent_id,
            session_key=session_key,
            messages=(message,),
            **fields,
        )
        return self._engine().start(request, principal)

    def live(self) -> list[Run]:
        """Runs that have not ended."""
        return list(self._engine().live())

    def check_room(self) -> None:
        """See that there is room for more work, before something is started that needs it.

        @raise GatewayError: C{queue_full}.
        """
        if len(self._work) >= MAX_WORK:
            raise GatewayError("queue_full", "Too many agents are talking to each other; try again later.")

    def go_on(self, work: Coroutine[Deferred[Any], Any, Any], what: str) -> None:
        """Have work done that nobody waits for.

        @raise GatewayError: C{queue_full}: there is too much of it.
        """
        try:
            self.check_room()
        except GatewayError:
            work.close()
            raise
        done = spawn(work, self._log, what)
        if not done.called:
            self._work.add(done)
            done.addBoth(lambda _: self._work.discard(done))


__all__ = ["MAX_WORK", "Background"]
