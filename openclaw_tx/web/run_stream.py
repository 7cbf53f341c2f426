# -*- test-case-name: tests.web.test_chat_stream -*-
"""A run as the answer to a request, streamed or whole (spec 1.1, 1.4, design decisions 9 and 10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from openclaw_tx.deferreds import Gate
from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.interfaces import Run
from openclaw_tx.values import (
    Entry,
    MessageEnded,
    ModelAnswered,
    RunEnded,
    RunEvent,
    RunResult,
    RunStarted,
    TextDelta,
    ToolCallDelta,
)
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.joined import Joined
from openclaw_tx.web.sse import EventStream, Frames
from openclaw_tx.web.timing import show_timing
from openclaw_tx.wire.openai_chat_render import DONE, escape


class StreamOptions(NamedTuple):
    """How a stream behaves."""

    keep_alive: float
    """Seconds between keep-alives; 0 = none."""
    hold: float
    """Most seconds the status is held back, so that a failure can still have one of its own."""
    still_valid: Callable[[], bool]
    """Whether the credential is still good; asked now and then."""


class StreamWriter(Protocol):
    """One stream in one dialect. Each method gives frames, or nothing."""

    def opened(self) -> bytes:
        """The status goes out."""

    def text_begins(self) -> bytes:
        """What comes before text that follows on nothing, on the end of a message, or on a tool call."""

    def said(self, text: str) -> bool:
        """The model says more.

        @return: whether it is to be written now, by L{text} as it is at this moment. False: the writer keeps it.
        """

    def text(self, escaped: bytes) -> bytes:
        """A piece of the answer; pieces may have been joined. Called when it is written."""

    def tool_call(self, index: int, call_id: str, name: str) -> bytes:
        """A tool call begins."""

    def arguments(self, index: int, text: str) -> bytes:
        """More of a tool call's arguments."""

    def finish(self, result: RunResult) -> bytes:
        """The run ended well; its text and tool calls have been written."""

    def failed(self, failure: ErrorInfo) -> bytes:
        """It ends with an error."""

    def aside(self, event: RunEvent) -> bytes:
        """An event that is neither plain text nor a call of a client's tool; a piece of a refusal is one."""

    def stamp(self, frames: bytes) -> bytes:
        """See L{EventStream}."""


class RunStream:
    """Watches one run and renders its journal.

    The status goes out with the first sign of life of the model, or after C{hold} seconds. Until then a failure is an
    ordinary error reply. Reasoning and the agent's own tools are not part of the answer and do not show.
    """

    __slots__ = (
        "_calls",
        "_clock",
        "_declined",
        "_exchange",
        "_flowing",
        "_hold",
        "_log",
        "_opened",
        "_options",
        "_over",
        "_refused",
        "_run",
        "_said",
        "_settled",
        "_stream",
        "_writer",
    )

    def __init__(
        self,
        run: Run,
        exchange: Exchange,
        writer: StreamWriter,
        options: StreamOptions,
        clock: IReactorTime,
        log: Logger,
    ) -> None:
        self._run = run
        self._exchange = exchange
        self._writer = writer
        self._options = options
        self._clock = clock
        self._log = log
        self._stream = EventStream(
            exchange,
            clock,
            keep_alive=options.keep_alive,
            check=self._check_credential,
            error=writer.failed,
            stamp=writer.stamp,
        )
        self._opened = False
        self._over = False
        self._refused: ErrorInfo | None = None
        self._settled = Gate()
        self._hold: IDelayedCall | None = None
        self._said = Joined()
        self._declined = Joined()
        self._flowing = False
        """What is said next can be written right behind what was written last."""
        self._calls: dict[int, bool] = {}
        """Index of each tool call shown -> whether any of its arguments were."""

    async def follow(self) -> None:
        """Stream the run to its end; a client that goes away aborts it.

        @raise GatewayError: the run failed before the status went out; C{replay_gap}: its beginning is no longer held.
        """
        stop = _nothing
        self._hold = self._clock.callLater(self._options.hold, self._hold_ended)
        try:
            stop = self._run.watch(self._push)
            await self._settled.wait()
            if self._refused is None:
                await self._stream.ended.wait()
        except (CancelledError, GatewayError):
            self._run.abort("disconnect")
            raise
        finally:
            stop()
            self._stop_holding()
            self._stream.close()
        if self._refused is not None:
            raise GatewayError.from_info(self._refused)

    def _push(self, entries: Sequence[Entry]) -> None:
        """Takes a batch of the journal. Must not raise: the run is not to suffer from its watcher."""
        if self._over:
            return
        try:
            self._take(entries)
        except Exception:
            self._over = True
            self._log.failure("stream of run {run} failed", run=self._run.request.run_id)
            self._exchange.abort()

    def _take(self, entries: Sequence[Entry]) -> None:
        last = entries[-1].event
        if type(last) is TextDelta and self._flowing and len(entries) == 1 and self._more(last):
            return
        result = last.result if type(last) is RunEnded else None
        failure = None if result is None else failure_of(result)
        if not self._opened:
            if failure is not None:
                self._refuse(failure)
                return
            if all(type(entry.event) is RunStarted for entry in entries):
                return
        frames = Frames(self._writer.text)
        if not self._opened:
            self._name_model(entries)
            self._open(frames)
        for entry in entries:
            event = entry.event
            if type(event) is TextDelta:
                if event.refusal:
                    self._decline(event.text, frames)
                else:
                    self._text(event.text, frames)
            elif type(event) is MessageEnded:
                self._said.ended()
                self._declined.ended()
                self._flowing = False
                frames.add(self._writer.aside(event))
            elif type(event) is ToolCallDelta:
                self._tool_call(event, frames)
            else:
                frames.add(self._writer.aside(event))
        if result is not None:
            self._over = True
            if failure is None:
                self._finish(result, frames)
            else:
                frames.add(self._writer.failed(failure))
            frames.add(DONE)
        if frames.size:
            self._stream.push(frames)
        if result is not None:
            self._end()

    def _more(self, event: TextDelta) -> bool:
        """One more piece of what is being said, the short way: most of what a stream sends is this.

        @return: whether it was sent.
        """
        if event.refusal or not self._stream.push_now(self._writer.text(escape(event.text))):
            return False
        self._writer.said(event.text)
        return True

    def _text(self, text: str, frames: Frames) -> None:
        if not self._said.speaking:
            text = self._said.begin(text)
            if not text:
                return
        if not self._flowing:
            frames.add(self._writer.text_begins())
            frames.text_frame = self._writer.text
        self._flowing = self._writer.said(text)
        if self._flowing:
            frames.add_text(escape(text))

    def _decline(self, text: str, frames: Frames) -> None:
        shown = text if self._declined.speaking else self._declined.begin(text)
        if shown:
            frames.add(self._writer.aside(TextDelta(text=shown, refusal=True)))

    def _tool_call(self, event: ToolCallDelta, frames: Frames) -> None:
        if event.index not in self._calls:
            self._calls[event.index] = False
            self._flowing = False
            frames.add(self._writer.tool_call(event.index, event.id, event.name))
        if event.arguments:
            self._calls[event.index] = True
            frames.add(self._writer.arguments(event.index, event.arguments))

    def _finish(self, result: RunResult, frames: Frames) -> None:
        for index, call in enumerate(result.tool_calls):
            if index not in self._calls:
                frames.add(self._writer.tool_call(index, call.id, call.name))
            if not self._calls.get(index):
                frames.add(self._writer.arguments(index, call.arguments or "{}"))
        frames.add(self._writer.finish(result))

    # -- when the status goes out, and how it ends

    def _name_model(self, entries: Sequence[Entry]) -> None:
        """Headers can tell which model answers only if it has by the time they go out."""
        for entry in entries:
            if type(entry.event) is ModelAnswered:
                self._exchange.set_header("X-Openclaw-Model", f"{entry.event.provider}/{entry.event.model}")

    def _open(self, frames: Frames) -> None:
        self._opened = True
        self._stop_holding()
        show_timing(self._exchange, self._run.times)
        self._stream.open()
        frames.add(self._writer.opened())

    def _hold_ended(self) -> None:
        self._hold = None
        frames = Frames(self._writer.text)
        self._open(frames)
        self._stream.push(frames)

    def _stop_holding(self) -> None:
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None

    def _refuse(self, failure: ErrorInfo) -> None:
        self._over = True
        self._refused = failure
        self._settled.open()

    def _end(self) -> None:
        self._stream.end()
        self._settled.open()

    def _check_credential(self) -> None:
        """A secret that was changed ends what it had opened."""
        if self._over or self._options.still_valid():
            return
        self._over = True
        revoked = GatewayError("invalid_api_key", "The credential of this stream is no longer valid.")
        self._stream.push(self._writer.failed(revoked.info) + DONE)
        self._end()
        self._run.abort("revoked")


def _nothing() -> None:
    """Nothing was begun that would have to be ended."""


async def whole_result(run: Run) -> RunResult:
    """Wait for a run that is not streamed; a client that goes away aborts it.

    @raise GatewayError: the run failed, or said nothing.
    """
    try:
        result = await run.result()
    except CancelledError:
        run.abort("disconnect")
        raise
    failure = failure_of(result)
    if failure is not None:
        raise GatewayError.from_info(failure)
    return result


def failure_of(result: RunResult) -> ErrorInfo | None:
    """Why a result is no answer; None when it is one, be it a silent one (the engine tells those from empty ones)."""
    if result.status == "ok":
        return None
    return result.error or GatewayError("run_failed", "internal error").info


__all__ = ["RunStream", "StreamOptions", "StreamWriter", "failure_of", "whole_result"]
