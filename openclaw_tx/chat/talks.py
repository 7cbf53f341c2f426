# -*- test-case-name: tests.channels.test_webhook -*-
"""Chat for who speaks in somebody's name: messages go in, what is to be said comes out whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from openclaw_tx.auth.actions import ADMIN
from openclaw_tx.chat.commands import is_stop
from openclaw_tx.chat.desk import ChatDesk
from openclaw_tx.chat.values import ChatMessage, Notice
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Run, RunEngine, Sessions
from openclaw_tx.sessions.send_policy import check_send
from openclaw_tx.values import (
    RESTARTED_TEXT,
    Entry,
    Outcome,
    Principal,
    RunEnded,
    RunRequest,
    RunResult,
    TextPart,
    UserMessage,
)

NOTHING = Outcome()
NOT_ALLOWED = Outcome(text="You may not do that here.")
STOPPED = Outcome(text="Stopped.")
RESTARTED = Outcome(text=RESTARTED_TEXT)
MUTE = Outcome(text="I was stopped before I could say anything.")
IDLE = Outcome(text="Nothing was at work.")


class Talks:
    """Implements L{openclaw_tx.interfaces.Conversations}. Those who wait bound what is held here."""

    def __init__(self, desk: ChatDesk, engine: RunEngine, sessions: Sessions, settings: Callable[[], Config]) -> None:
        """
        @param settings: the configuration of the moment.
        """
        self._desk = desk
        self._engine = engine
        self._sessions = sessions
        self._settings = settings
        self._waiting: dict[str, list[Deferred[Outcome]]] = {}
        self._subscribed: list[Callable[[], None]] = []

    async def take(self, request: RunRequest, text: str, principal: Principal) -> None:
        """See L{openclaw_tx.interfaces.Conversations.take}.

        @raise GatewayError: as L{ChatDesk.take}; C{invalid_request}: C{session.sendPolicy} lets nobody speak there.
        """
        if is_stop(text):
            self._settle(request.run_id, self._stop(request.session_key, principal))
            return
        message = ChatMessage(request=request, text=text, principal=principal)
        if self._desk.command_in(message) is None:
            [said] = request.messages
            assert isinstance(said, UserMessage)
            whole = "".join(part.text for part in said.content if isinstance(part, TextPart))
            message = ChatMessage(request=request, text=whole, principal=principal)
            entry = await self._sessions.get(request.session_key)
            check_send(self._settings().session.send_policy, request.session_key, entry, request.channel)
        try:
            await self._desk.take(message)
        except GatewayError as error:
            if error.info.code != "insufficient_scope":
                raise
            self._settle(request.run_id, NOT_ALLOWED)

    def outcome(self, run_id: str) -> Deferred[Outcome]:
        """See L{openclaw_tx.interfaces.Conversations.outcome}."""
        waiting: Deferred[Outcome] = Deferred(lambda _: self._forget(run_id, waiting))
        self._waiting.setdefault(run_id, []).append(waiting)
        if not self._subscribed:
            self._subscribed = [self._engine.subscribe(self._on_batch), self._desk.flow.subscribe(self._on_notice)]
        return waiting

    def close(self) -> None:
        """See L{openclaw_tx.interfaces.Conversations.close}."""
        for run_id in list(self._waiting):
            self._settle(run_id, NOTHING)

    # -- inside

    def _stop(self, session_key: str, principal: Principal) -> Outcome:
        """Abort what somebody has at work in a session, and forget what waits there."""
        forgotten = self._desk.flow.forget(session_key, "stop", principal)
        mine = [
            run
            for run in self._engine.live()
            if session_key in (run.request.session_key, run.request.spawned_by)
            and (run.principal.id == principal.id or ADMIN in principal.scopes)
        ]
        aborted = [run for run in mine if run.abort("stop")]
        return STOPPED if aborted or forgotten else IDLE

    def _on_batch(self, run: Run, entries: Sequence[Entry]) -> None:
        event = entries[-1].event
        if type(event) is RunEnded and run.request.run_id in self._waiting:
            self._settle(run.request.run_id, outcome_of(event.result))

    def _on_notice(self, notice: Notice) -> None:
        if notice.state == "aborted":
            self._settle(notice.run_id, RESTARTED if notice.reason == "shutdown" else NOTHING)
        else:
            self._settle(notice.run_id, Outcome(text=notice.text if notice.state == "final" else notice.reason))

    def _settle(self, run_id: str, outcome: Outcome) -> None:
        for waiting in self._waiting.pop(run_id, []):
            waiting.callback(outcome)
        self._rest()

    def _forget(self, run_id: str, waiting: Deferred[Outcome]) -> None:
        left = [one for one in self._waiting.pop(run_id, []) if one is not waiting]
        if left:
            self._waiting[run_id] = left
        self._rest()

    def _rest(self) -> None:
        if not self._waiting:
            subscribed, self._subscribed = self._subscribed, []
            for stop in subscribed:
                stop()


def outcome_of(result: RunResult) -> Outcome:
    """What is to be said of a run: its answer, or in plain words that there is none. An abort that somebody wanted is
    no news."""
    if not result.problem:
        return Outcome(text=result.text.strip(), media=result.media)
    code = result.error.code if result.error is not None else ""
    if result.abort_reason == "timeout" or code == "run_timeout":
        return Outcome(text="That took too long, and was given up.")
    if result.abort_reason == "shutdown":
        return RESTARTED
    if result.status == "aborted":
        return NOTHING
    if result.status == "ok":
        return MUTE
    return Outcome(text=f"That did not work ({code or 'run_failed'}). Please try again later.")


__all__ = ["Talks", "outcome_of"]
