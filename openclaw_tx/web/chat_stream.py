# -*- test-case-name: tests.web.test_chat_stream -*-
"""A run as a stream of chat completion chunks (spec 1.1, design decisions 9 and 10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from openclaw_tx.deferreds import Gate
from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.interfaces import Run
from openclaw_tx.values import Entry, MessageEnded, RunEnded, RunResult, RunStarted, TextDelta, ToolCallDelta
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.sse import EventStream, Frames
from openclaw_tx.wire.openai_chat_render import DONE, ChunkWriter, error_frame, escape, finish_reason


class StreamOptions(NamedTuple):
    """How a stream behaves."""

    include_usage: bool
    keep_alive: float
    """Seconds between keep-alives; 0 = none."""
    hold: float
    """Most seconds the status is held back, so that a failure can still have one of its own."""
    still_valid: Callable[[], bool]
    """Whether the credential is still good; asked now and then."""


class ChatStream:
    """Watches one run and renders its journal.

    The status goes out with the first sign of life of the model, or after C{hold} seconds. Until then a failure is an
    ordinary error reply. Reasoning and the agent's own tools are not part of the answer and do not show.
    """

    def __init__(
        self,
        run: Run,
        exchange: Exchange,
        chunks: ChunkWriter,
        options: StreamOptions,
        clock: IReactorTime,
        log: Logger,
    ) -> None:
        self._run = run
        self._exchange = exchange
        self._chunks = chunks
        self._options = options
        self._clock = clock
        self._log = log
        self._stream = EventStream(exchange, clock, keep_alive=options.keep_alive, check=self._check_credential)
        self._opened = False
        self._over = False
        self._refused: ErrorInfo | None = None
        self._settled = Gate()
        self._hold: IDelayedCall | None = None
        self._blank = ""
        """Blank text at the start of a message: shown only if the message goes on to say something."""
        self._speaking = False
        self._spoke = False
        self._calls: dict[int, bool] = {}
        """Index of each tool call shown -> whether any of its arguments were."""

    async def follow(self) -> None:
        """Stream the run to its end; a client that goes away aborts it.

        @raise GatewayError: the run failed before the status went out.
        """
        self._hold = self._clock.callLater(self._options.hold, self._hold_ended)
        stop = self._run.watch(self._push)
        try:
            await self._settled.wait()
            if self._refused is None:
                await self._stream.ended.wait()
        except CancelledError:
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
            self._log.failure("stream of run {id} failed", id=self._run.request.run_id)
            self._exchange.abort()

    def _take(self, entries: Sequence[Entry]) -> None:
        last = entries[-1].event
        result = last.result if type(last) is RunEnded else None
        failure = None if result is None else failure_of(result)
        if not self._opened:
            if failure is not None:
                self._refuse(failure)
                return
            if all(type(entry.event) is RunStarted for entry in entries):
                return
        frames = Frames(self._chunks.text)
        if not self._opened:
            self._open(frames)
        for entry in entries:
            event = entry.event
            if type(event) is TextDelta:
                self._text(event.text, frames)
            elif type(event) is MessageEnded:
                self._blank = ""
                self._spoke = self._spoke or self._speaking
                self._speaking = False
            elif type(event) is ToolCallDelta:
                self._tool_call(event, frames)
        if result is not None:
            self._over = True
            if failure is None:
                self._finish(result, frames)
            else:
                frames.add(error_frame(failure))
            frames.add(DONE)
        if frames.size:
            self._stream.push(frames)
        if result is not None:
            self._end()

    def _text(self, text: str, frames: Frames) -> None:
        """Texts of several messages are joined as the whole answer joins them: by a blank line."""
        if not self._speaking:
            self._blank += text
            if not self._blank.strip():
                return
            text = f"\n\n{self._blank}" if self._spoke else self._blank
            self._blank = ""
            self._speaking = True
        frames.add_text(escape(text))

    def _tool_call(self, event: ToolCallDelta, frames: Frames) -> None:
        if event.index not in self._calls:
            self._calls[event.index] = False
            frames.add(self._chunks.tool_call(event.index, event.id, event.name))
        if event.arguments:
            self._calls[event.index] = True
            frames.add(self._chunks.arguments(event.index, event.arguments))

    def _finish(self, result: RunResult, frames: Frames) -> None:
        for index, call in enumerate(result.tool_calls):
            if index not in self._calls:
                frames.add(self._chunks.whole_tool_call(index, call))
            elif not self._calls[index]:
                frames.add(self._chunks.arguments(index, call.arguments or "{}"))
        frames.add(self._chunks.finish(finish_reason(result)))
        if self._options.include_usage:
            frames.add(self._chunks.usage(result.usage))

    # -- when the status goes out, and how it ends

    def _open(self, frames: Frames) -> None:
        self._opened = True
        self._stop_holding()
        self._stream.open()
        frames.add(self._chunks.role())

    def _hold_ended(self) -> None:
        self._hold = None
        frames = Frames(self._chunks.text)
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
        self._stream.push(error_frame(revoked.info) + DONE)
        self._end()
        self._run.abort("revoked")


def failure_of(result: RunResult) -> ErrorInfo | None:
    """Why a result is no answer; None when it is one. An answer that says nothing is not made up for."""
    if result.status == "aborted" and result.abort_reason == "shutdown":
        return GatewayError("gateway_restarting", "The gateway is shutting down; the run was stopped.").info
    if result.status != "ok":
        return result.error or GatewayError("run_failed", "internal error").info
    if not result.tool_calls and not result.text.strip() and result.finish_reason != "content_filter":
        return GatewayError("empty_response", f"The model {result.provider}/{result.model} said nothing.").info
    return None


__all__ = ["ChatStream", "StreamOptions", "failure_of"]
