# -*- test-case-name: tests.chat.test_flow -*-
"""When a chat message becomes a run: at once, or after what is at work in its session (spec 3.9).

Four modes say what happens to one that comes while the agent is at work. C{collect}: it waits, and all that wait make
one turn. C{followup}: a turn each. C{interrupt}: the run is aborted. C{steer}: the run reads it after its next tools;
where it reads no more, C{followup}. What waits is held in memory: when the gateway stops, it gets in line with the runs
that may still end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from openclaw_tx.auth.actions import ADMIN
from openclaw_tx.chat.known import KnownMessages
from openclaw_tx.chat.queue import MessageQueue, QueueFull, Turn
from openclaw_tx.chat.values import ChatMessage, Notice
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_sessions import QueueDrop
from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.interfaces import Run, RunEngine
from openclaw_tx.listeners import Listeners
from openclaw_tx.values import Entry, Principal, RunEnded, SessionSettings, TextPart, UserMessage

MAX_SESSIONS = 1000
"""Sessions in which messages may wait; in more they are refused."""

MODES = ("collect", "followup", "interrupt", "steer")
DROPPED = "too many messages were waiting; this one was left out"

Listener = Callable[[Notice], None]


class Options(NamedTuple):
    """What happens to messages of a session while its agent is at work."""

    mode: str
    debounce_ms: int
    cap: int
    drop: QueueDrop


class ChatFlow:
    """Starts runs of chat messages through the engine.

    @ivar known: what waits, and what was given up.

    Bounds: C{messages.queue.cap} messages in a session, L{MAX_SESSIONS} sessions; above, C{messages.queue.drop} and
    C{queue_full}.
    """

    def __init__(self, engine: RunEngine, settings: Callable[[], Config], clock: IReactorTime) -> None:
        """
        @param settings: gives the configuration of the moment.
        """
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._log = Logger()
        self._queues: dict[str, MessageQueue[ChatMessage]] = {}
        self.known = KnownMessages(lambda: int(clock.seconds() * 1000))
        self._newest: dict[str, float] = {}
        """Session -> when its newest waiting message came."""
        self._timers: dict[str, IDelayedCall] = {}
        self._listeners: Listeners[Notice] = Listeners(self._log, "chat notices")
        self._unsubscribe: Callable[[], None] | None = None
        self._closed = False

    # -- for the desk

    def options(self, channel: str, session: SessionSettings | None, wanted: str = "") -> Options:
        """The options of a session: the message's own, the session's, the channel's, the configuration's."""
        queue = self._settings().messages.queue
        set_ = session or SessionSettings()
        debounce = set_.queue_debounce_ms
        if debounce is None:
            debounce = queue.debounce_ms_by_channel.get(channel, queue.debounce_ms)
        drop = set_.queue_drop if set_.queue_drop in ("summarize", "old", "new") else queue.drop
        mode = wanted or set_.queue_mode or queue.by_channel.get(channel, queue.mode)
        return Options(mode if mode in MODES else queue.mode, debounce, set_.queue_cap or queue.cap, drop)  # type: ignore[arg-type]

    def send(self, message: ChatMessage, session: SessionSettings | None) -> None:
        """Have the agent read a message, now or later. One that waits, was read or given up before does nothing.

        @param session: what is set for its session.
        @raise GatewayError: C{queue_full}, or as L{RunEngine.start}.
        """
        key = message.request.session_key
        if self._closed:
            raise GatewayError("gateway_draining", "The gateway is shutting down.", retry_after=5)
        if self._repeats(message):
            return
        self.known.leave(message)
        options = self.options(message.request.channel, session, message.queue_mode)
        live = self.live(key)
        if options.mode == "interrupt":
            self._interrupt(live, message.principal)
            self.forget(key, "interrupt", message.principal)
            self._engine.start(message.request, message.principal)
        elif not live and key not in self._queues:
            self._engine.start(message.request, message.principal)
        elif options.mode == "steer" and message.plain and self._steered(live, message):
            self._tell(message, "final")
        else:
            self._wait(message, options)

    def withdraw(self, message: ChatMessage, reason: str) -> None:
        """Forget one message that waits, and tell its sender.

        @param reason: as for L{forget}.
        """
        key = message.request.session_key
        queue = self._queues[key]
        queue.remove(message)
        if not len(queue):
            self._tidy(key)
        self._abort(message, reason)

    def waiting(self, session_key: str) -> int:
        """How many messages wait in a session."""
        queue = self._queues.get(session_key)
        return len(queue) if queue is not None else 0

    def forget(self, session_key: str, reason: str, principal: Principal | None = None) -> list[str]:
        """Forget what waits in a session, and tell its senders.

        @param reason: C{stop}, C{reset} ...
        @param principal: only what he sent, unless he is an administrator; None = all.
        @return: the run ids.
        """
        queue = self._queues.get(session_key)
        waiting = queue.items if queue is not None else []
        gone = [message for message in waiting if principal is None or _commands(principal, message.principal)]
        for message in gone:
            self.withdraw(message, reason)
        return [message.request.run_id for message in gone]

    def live(self, session_key: str) -> list[Run]:
        """Runs of a session that have not ended."""
        return [run for run in self._engine.live() if run.request.session_key == session_key]

    # -- for the surfaces

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hand C{listener} every notice.

        @return: ends the subscription.
        """
        return self._listeners.subscribe(listener)

    def notify(self, notice: Notice) -> None:
        """Tell all listeners."""
        self._listeners.tell(notice)

    def close(self) -> None:
        """Take nothing more. What waits gets in line at the engine, which knows for how long runs may still go on:
        there it is carried out, or ends as other runs do that had not begun. Called while the engine admits runs."""
        self._closed = True
        for key, queue in list(self._queues.items()):
            while (turn := queue.take()) is not None:
                self._begin(turn)
            self._tidy(key)

    # -- inside

    def _interrupt(self, live: Sequence[Run], principal: Principal) -> None:
        for run in live:
            if _commands(principal, run.principal):
                run.abort("interrupt")

    def _steered(self, live: Sequence[Run], message: ChatMessage) -> bool:
        mine = (run for run in live if run.principal.id == message.principal.id)
        return any(run.steer(message.text, message.carried) for run in mine)

    def _repeats(self, message: ChatMessage) -> bool:
        """Whether a message was taken before.

        @raise GatewayError: as L{KnownMessages.before}; C{idempotency_key_conflict}: a run of its id is another one's.
        """
        if self.known.before(message) is not None:
            return True
        run = self._engine.get(message.request.run_id)
        if run is None:
            return False
        message.check(run.principal.id, run.request.fingerprint)
        return run.outcome is None or not run.outcome.came_to_nothing

    def _wait(self, message: ChatMessage, options: Options) -> None:
        key = message.request.session_key
        queue = self._queues.get(key)
        if queue is None:
            if len(self._queues) >= MAX_SESSIONS:
                raise GatewayError(
                    "queue_full", "Messages wait in too many sessions; try again shortly.", retry_after=1
                )
            queue = MessageQueue()
        merges = options.mode == "collect" and message.plain
        group = f"{message.principal.id} {message.request.thinking} {message.request.model}" if merges else ""
        try:
            gone = queue.add(message.text, message, group=group, cap=options.cap, drop=options.drop)
        except QueueFull:
            what = f"{options.cap} messages wait in this session; try again when the agent has answered."
            raise GatewayError("queue_full", what) from None
        self._queues[key] = queue
        self.known.wait(message)
        self._newest[key] = self._clock.seconds() + options.debounce_ms / 1000
        for old in gone:
            # Where the next turn tells of it, it is not said again.
            full = GatewayError("queue_full", DROPPED, should_retry=options.drop != "summarize")
            self._give_up(old, full.info)
        if self._unsubscribe is None:
            self._unsubscribe = self._engine.subscribe(self._on_batch)
        self._schedule(key)

    def _on_batch(self, run: Run, entries: Sequence[Entry]) -> None:
        key = run.request.session_key
        if key in self._queues and type(entries[-1].event) is RunEnded:
            self._schedule(key)

    def _schedule(self, key: str) -> None:
        """Have the next turn begin when the session is idle and it has been quiet for long enough."""
        timer = self._timers.pop(key, None)
        if timer is not None and timer.active():
            timer.cancel()
        if self.live(key):
            return  # its end will come here again
        pause = 0.0
        if self._queues[key].next_group:
            pause = max(0.0, self._newest[key] - self._clock.seconds())
        self._timers[key] = self._clock.callLater(pause, self._next, key)

    def _next(self, key: str) -> None:
        self._timers.pop(key, None)
        queue = self._queues[key]
        if self.live(key):
            return
        turn = queue.take()
        if not len(queue):
            self._tidy(key)
        if turn is not None:
            self._begin(turn)
        if key in self._queues and not self.live(key):
            self._schedule(key)

    def _begin(self, turn: Turn[ChatMessage]) -> None:
        *merged, own = turn.items
        for message in turn.items:
            self.known.leave(message)
        request = replace(own.request, carried=tuple(message.carried for message in merged))
        if turn.text != own.text:
            said = request.messages[0]
            assert isinstance(said, UserMessage)
            others = (part for part in said.content if not isinstance(part, TextPart))
            content = (TextPart(text=turn.text), *others)
            request = replace(request, messages=(replace(said, content=content),))
        try:
            self._engine.start(request, own.principal)
        except GatewayError as error:
            for message in turn.items:
                if self._closed:
                    self._abort(message, "shutdown")
                else:
                    self._give_up(message, error.info)
            return
        for message in merged:
            self._tell(message, "final")

    def _abort(self, message: ChatMessage, reason: str) -> None:
        error = GatewayError("run_aborted", f"The run was aborted ({reason}).")
        if reason == "shutdown":
            error = GatewayError("gateway_draining", "The gateway shut down before the run began.", retry_after=5)
        self._give_up(message, error.info, reason)

    def _give_up(self, message: ChatMessage, error: ErrorInfo, abort_reason: str = "") -> None:
        """No run will read a message: remember that, and tell its sender."""
        self.known.give_up(message, error, abort_reason)
        self._tell(message, "aborted" if abort_reason else "error", abort_reason or error.message)

    def _tidy(self, key: str) -> None:
        self._queues.pop(key, None)
        self._newest.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer is not None and timer.active():
            timer.cancel()
        if not self._queues and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _tell(self, message: ChatMessage, state: str, reason: str = "") -> None:
        request = message.request
        self.notify(
            Notice(
                run_id=request.run_id,
                session_key=request.session_key,
                agent_id=request.agent_id,
                owner_id=message.principal.id,
                state=state,  # type: ignore[arg-type]
                reason=reason,
            )
        )


def _commands(principal: Principal, owner: Principal) -> bool:
    """Whether somebody may take back what another one began."""
    return principal.id == owner.id or ADMIN in principal.scopes


__all__ = ["MODES", "ChatFlow", "Options"]
