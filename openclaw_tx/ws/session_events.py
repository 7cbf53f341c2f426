# -*- test-case-name: tests.ws.test_session_events -*-
"""C{sessions.changed} and C{session.message}: what becomes of sessions, told to who subscribed and may know of them.

Both are told when the change is durable: a client that asks for the session then, finds it as it was told. What a run
was asked is told when it begins, and what it answered when that is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from openclaw_tx.auth.actions import may
from openclaw_tx.interfaces import Models, Run, RunEngine
from openclaw_tx.values import Entry, RunStarted, SessionChange, SessionEntry, Target
from openclaw_tx.ws.connection import Connection
from openclaw_tx.ws.hub import Hub
from openclaw_tx.ws.rpc.history import message_row, numbered
from openclaw_tx.ws.rpc.rows import at_work, run_fields, session_row

NO_RUN = dict.fromkeys(("status", "startedAt", "endedAt", "runtimeMs", "lastRunId", "lastRunError"))
CLEARED = NO_RUN | dict.fromkeys(
    ("label", "displayName", "thinkingLevel", "icon", "color", "category", "pinnedAt", "markedUnreadAt")
)
"""Clients put what an event says into the row that they have: what is true no more has to be said."""


class SessionEvents:
    """Listens to the store and to the engine."""

    def __init__(self, hub: Hub, engine: RunEngine, models: Models, now_ms: Callable[[], int]) -> None:
        self._hub = hub
        self._engine = engine
        self._models = models
        self._now_ms = now_ms

    def changed(self, change: SessionChange) -> None:
        """A session is another one now."""
        if not self._hub.subscriptions:
            return
        head: dict[str, Any] = {"sessionKey": change.key, "agentId": change.agent_id, "ts": self._now_ms()}
        if change.run_id:
            head["runId"] = change.run_id
        ended = change.run_id if change.reason == "run" else ""
        snapshot = self._snapshot(change.entry, ended) if change.entry is not None else {}
        for number, message in enumerate(change.messages):
            if number in change.told:
                continue
            row = numbered(message_row(message), change.position + number)
            payload = {
                **snapshot,
                **head,
                "message": row,
                "messageId": row["__openclaw"]["id"],
                "messageSeq": row["__openclaw"]["seq"],
            }
            self._hub.tell_if("session.message", payload, self._hears_messages(change), droppable=False)
        if change.reason == "begin":
            return
        why: dict[str, Any] = {"reason": change.reason}
        if change.reason == "run":
            why = {"phase": "end" if change.ok else "error"}
        elif change.reason == "inject":
            why = {"phase": "message"}
        self._hub.tell_if("sessions.changed", {**snapshot, **head, **why}, self._hears(change.key, change.agent_id))

    def on_batch(self, run: Run, entries: Sequence[Entry]) -> None:
        """A listener of the engine: a run that has begun is at work in its session."""
        if not self._hub.subscriptions or run.request.stateless:
            return
        if not any(type(entry.event) is RunStarted for entry in entries):
            return
        request = run.request
        payload = {
            "sessionKey": request.session_key,
            "agentId": request.agent_id,
            "runId": request.run_id,
            "phase": "start",
            **NO_RUN,
            **run_fields(None, self._at_work(request.session_key, "")),
            "ts": self._now_ms(),
        }
        self._hub.tell_if("sessions.changed", payload, self._hears(request.session_key, request.agent_id))

    def _snapshot(self, entry: SessionEntry, ended: str) -> dict[str, Any]:
        """A session's row, once as C{session} and once more in the payload itself, as clients of today read it."""
        row = CLEARED | session_row(entry, self._models, self._at_work(entry.key, ended))
        return {**row, "session": row}

    def _at_work(self, key: str, ended: str) -> list[Run]:
        """Runs of a session that have not ended; the one that was just stored has."""
        return [run for run in at_work(self._engine).get(key, ()) if run.request.run_id != ended]

    def _hears(self, key: str, agent_id: str) -> Callable[[Connection], bool]:
        target = Target(agent_id=agent_id, session_key=key)
        subscriptions = self._hub.subscriptions
        return lambda one: subscriptions.hears_all(one.number) and may(one.principal, "sessions.list", target)

    def _hears_messages(self, change: SessionChange) -> Callable[[Connection], bool]:
        target = Target(agent_id=change.agent_id, session_key=change.key)
        subscriptions, key = self._hub.subscriptions, change.key
        return lambda one: subscriptions.hears(one.number, key) and may(one.principal, "chat.history", target)


__all__ = ["SessionEvents"]
