# -*- test-case-name: tests.test_crashes -*-
"""How the session that started a sub-agent hears of its end, also when the process did not live to tell it.

A report is a run of the parent's session whose id is made of the sub-agent's. So the ledger knows which ends have been
told: what a process has left untold, the next one tells when it starts.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from openclaw_tx.deferreds import Gate
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Run, Sessions, SystemEvents
from openclaw_tx.tools.background import Background
from openclaw_tx.values import Entry, Principal, RunResult, SessionEntry, StoredRun

MAX_RESULT = 20_000
"""Characters of a sub-agent's answer that its parent is told; the rest is in the sub-agent's session."""

PREFIX = "announce_"
"""Begins the id of a report; the id of the sub-agent's run follows."""


class ChildReports:
    """Reports the ends of sub-agents."""

    def __init__(
        self,
        sessions: Sessions,
        events: SystemEvents,
        background: Background,
        stand_in: Callable[[StoredRun, SessionEntry], Principal],
        follow: Callable[[Run], Coroutine[Deferred[Any], Any, None]],
    ) -> None:
        """
        @param stand_in: as whom the end of a run is told to a session when whoever asked for it is gone.
        @param follow: takes what comes of a report to who asked, where that was over a channel.
        """
        self._sessions = sessions
        self._events = events
        self._background = background
        self._stand_in = stand_in
        self._follow = follow
        self._log = Logger()

    async def told(
        self, result: RunResult, what: str, principal: Principal, agent_id: str, session_key: str, channel: str
    ) -> bool:
        """Tell a session of the end of one of its sub-agents, in a turn of its own.

        @param what: the name of its task.
        @param principal: who asked for it.
        @return: it is told, or will be while the process lives; False = that is for the next process to do.
        """
        if is_cut_off(result):
            return False
        if result.abort_reason == "reset":
            return True  # there is nobody to be told: the conversation is over
        text = announcement(result, what)
        if result.status == "aborted":
            # Whoever stopped it knows. The agent hears of it with its next message.
            self._events.add(session_key, text)
            return True
        try:
            return await _begun(self._start(result.run_id, text, principal, agent_id, session_key, channel))
        except GatewayError as error:
            if error.info.code == "gateway_draining":
                return False
            self._events.add(session_key, text)
            return True

    async def left_behind(self) -> None:
        """Tell what processes that are gone have left untold.

        @raise GatewayError: C{storage_unavailable}.
        """
        for run in await self._sessions.untold(PREFIX):
            child = await self._sessions.get(run.session_key)
            parent = await self._parent(run, child)
            if child is None or parent is None or run.result is None:
                continue
            text = announcement(run.result, child.label or child.title or "a task that was not begun")
            principal, channel = self._stand_in(run, parent), child.settings.channel
            try:
                report = self._start(run.run_id, text, principal, parent.agent_id, parent.key, channel)
                self._background.go_on(self._tidied(report, child), f"report of {run.run_id}")
            except GatewayError as error:
                # It is tried again when the store is tidied next.
                self._log.warn("{key} is not told yet: {error}", key=parent.key, error=error.info.message)

    async def _parent(self, run: StoredRun, child: SessionEntry | None) -> SessionEntry | None:
        """The session to be told; None = there is nothing to tell, or nobody: the conversation is over."""
        if run.result is None or child is None or not child.settings.spawned_by:
            return None
        if not is_cut_off(run.result) and (run.status == "aborted" or not child.settings.cleanup):
            return None  # whoever stopped it knows; what has no cleanup was told by a version that named reports anew
        parent = await self._sessions.get(child.settings.spawned_by)
        return parent if parent is not None and parent.created_at_ms <= run.queued_at_ms else None

    async def _tidied(self, report: Run, child: SessionEntry) -> None:
        if await _begun(report) and child.settings.cleanup == "delete":
            await self._sessions.delete(child.key)

    def _start(
        self, child_run: str, text: str, principal: Principal, agent_id: str, session_key: str, channel: str
    ) -> Run:
        run_id = f"{PREFIX}{child_run}"
        report = self._background.run(
            principal, agent_id, session_key, text, run_id=run_id, trigger="announce", channel=channel
        )
        try:
            self._background.go_on(self._follow(report), f"answer of {run_id}")
        except GatewayError as error:
            self._log.warn("the answer of {run} stays in its session: {error}", run=run_id, error=error.info.message)
        return report


async def _begun(run: Run) -> bool:
    """Wait until a run has begun or ended.

    @return: it has begun, so the ledger knows it.
    """
    moved = Gate()

    def push(entries: Sequence[Entry]) -> None:
        moved.open()

    stop = run.watch(push)
    try:
        await moved.wait()
    finally:
        stop()
    return run.started_at_ms > 0


def is_cut_off(result: RunResult) -> bool:
    """Whether a run ended because its process did."""
    return result.status == "interrupted" or result.abort_reason == "shutdown"


def announcement(result: RunResult, what: str) -> str:
    """What the parent is told."""
    name = what if len(what) <= 80 else f"{what[:77]}..."
    took = max(0, result.ended_at_ms - (result.started_at_ms or result.ended_at_ms)) // 1000
    tokens = (result.usage.prompt_tokens or 0) + (result.usage.completion_tokens or 0)
    said = result.text if len(result.text) <= MAX_RESULT else f"{result.text[:MAX_RESULT]} [cut]"
    spent = f"{took} s, {tokens} tokens, "
    if is_cut_off(result):
        how, spent = "was cut off when the gateway went down, and does not go on", ""
    elif result.status == "aborted":
        how = "was stopped"
    else:
        how = f"failed: {result.problem}" if result.problem else "is done"
    return (
        f"[Sub-agent report, not a message of the user]\nThe sub-agent for {name!r} {how} "
        f"({spent}session {result.session_key}).\n\n"
        f"{said or '(It said nothing.)'}\n\n"
        "Tell the user what matters of it in your own words. If there is nothing to tell, answer NO_REPLY."
    )


__all__ = ["PREFIX", "ChildReports", "announcement", "is_cut_off"]
