# -*- test-case-name: tests.runs.test_manual -*-
"""Summarising a session because somebody asked for it (spec 4.6)."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred

from openclaw_tx.errors import GatewayError
from openclaw_tx.runs.choices import choose
from openclaw_tx.runs.compactor import ConversationCompactor, Subject
from openclaw_tx.runs.context import since_mark
from openclaw_tx.runs.dialogue import Dialogue
from openclaw_tx.runs.lanes import Lanes
from openclaw_tx.runs.rooms import Premises
from openclaw_tx.values import Compacted, RunRequest, Usage

MAX_MESSAGES = 4000
"""Messages of a transcript that are looked at."""
MAX_INSTRUCTIONS = 2000
"""Characters of instructions; the rest is cut."""


class SessionCompactor:
    """Implements L{openclaw_tx.interfaces.Compactor}: in the session's lane, so never beside one of its runs."""

    def __init__(
        self,
        premises: Premises,
        compactor: ConversationCompactor,
        lanes: Lanes,
        lane_of: Callable[[str], str],
    ) -> None:
        """
        @param lane_of: name of the lane of a session key.
        """
        self._premises = premises
        self._compactor = compactor
        self._lanes = lanes
        self._lane_of = lane_of
        self._stopped = False
        self._live: set[Deferred[Compacted]] = set()

    async def compact(self, session_key: str, instructions: str = "") -> Compacted:
        """See L{openclaw_tx.interfaces.Compactor.compact}."""
        if self._stopped:
            raise GatewayError("gateway_draining", "The gateway is shutting down.", retry_after=5)
        lane = self._lane_of(session_key)
        if self._lanes.waiting(lane) >= self._premises.settings().agents.defaults.max_queued_per_session:
            raise GatewayError("queue_full", "Too many runs are waiting; try again shortly.", retry_after=1)
        work = Deferred.fromCoroutine(self._in_lane(lane, session_key, instructions[:MAX_INSTRUCTIONS]))
        self._live.add(work)
        try:
            return await work
        except CancelledError:
            if self._stopped:
                raise GatewayError("gateway_draining", "The gateway is shutting down.") from None
            raise
        finally:
            self._live.discard(work)

    def stop(self) -> None:
        """Take no more, and give up what is at work."""
        self._stopped = True
        for work in list(self._live):
            work.cancel()

    async def _in_lane(self, lane: str, session_key: str, instructions: str) -> Compacted:
        turn = self._lanes.enter(lane)
        if turn is not None:
            await turn
        try:
            return await self._work(session_key, instructions)
        finally:
            self._lanes.leave(lane)

    async def _work(self, session_key: str, instructions: str) -> Compacted:
        rooms, premises = self._premises.rooms, self._premises
        entry = await rooms.sessions.get(session_key)
        agent = rooms.agents.get(entry.agent_id) if entry is not None else None
        if entry is None or agent is None:
            raise GatewayError("session_not_found", "There is no such session.")
        asked = RunRequest(run_id="", agent_id=agent.id, session_key=session_key, messages=())
        choice = choose(rooms.models, agent, asked, entry.settings, premises.settings().agents.defaults, premises.log)
        subject = Subject(
            choice=choice, session=entry, agent_id=agent.id, name=session_key, traceparent="", spend=_unspent
        )
        stored = await rooms.sessions.transcript(session_key, MAX_MESSAGES)
        keep = self._compactor.limits(choice).keep
        dialogue = Dialogue(since_mark(stored), ())
        return await self._compactor.compact(dialogue, subject, keep, decisive=True, instructions=instructions)


def _unspent(usage: Usage) -> None:
    """The result tells what it has cost."""


__all__ = ["SessionCompactor"]
