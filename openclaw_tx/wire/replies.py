# -*- test-case-name: tests.wire.test_replies -*-
"""An answer under construction: what the readers of all vendors' streams have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import msgspec

from openclaw_tx.values import (
    FinishReason,
    ModelEvent,
    ModelReply,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from openclaw_tx.wire.halves import Halves, read_piece
from openclaw_tx.wire.pieces import Pieces
from openclaw_tx.wire.replay import Piece, seal
from openclaw_tx.wire.upstream import UpstreamError

T = TypeVar("T")

MAX_TOOL_CALLS = 256
"""Most tool calls in one answer."""


class Framing(Protocol):
    """Cuts a stream of bytes into payloads: L{openclaw_tx.wire.sse.SseDecoder} or
    L{openclaw_tx.wire.lines.LineDecoder}."""

    def feed(self, data: bytes) -> list[bytes]:
        """
        @raise GatewayError: a payload is larger than the bound.
        """

    def finish(self) -> list[bytes]: ...


class OpenCall:
    """A tool call under construction.

    @ivar id: unlike that of any other call of the answer.
    @ivar given: the id that the provider gave it, by which later pieces name it; "" = none.
    """

    __slots__ = ("announced", "arguments", "given", "held", "id", "index", "name", "piece")

    def __init__(self, index: int, call_id: str, name: str, given: str = "") -> None:
        self.index = index
        self.piece = Piece(kind="call")
        self.id = call_id
        self.given = given
        self.name = name
        self.arguments = Pieces()
        self.held: list[str] = []  # pieces that came before the name
        self.announced = False


class ReplyReader:
    """Turns payloads into events and, at the end, into the whole reply. A vendor's reader says how, in L{read}.

    @cvar api: the API it reads, as in the configuration.
    @ivar done: nothing more is to be read.
    """

    api = ""

    def __init__(self, new_id: Callable[[], str]) -> None:
        """
        @param new_id: makes an id for a tool call that came without one of its own.
        """
        self.done = False
        self._new_id = new_id
        self._text = Pieces()
        self._reasoning = Pieces()
        self._calls: list[OpenCall] = []
        self._pieces: list[Piece] = []
        self._reason: FinishReason | None = None
        self._refused = False
        self._usage = Usage()
        self._halves: Halves | None = None
        """Once the provider has sent half a surrogate pair."""

    @property
    def finished(self) -> bool:
        """The answer is complete, even if the stream goes on."""
        return self.done or self._reason is not None

    def read(self, payload: bytes, events: list[ModelEvent]) -> None:
        """Read one payload and append what it brought to C{events}.

        @raise UpstreamError: the provider reports an error, or sent something that can not be read.
        """
        raise NotImplementedError

    def read_whole(self, body: bytes, events: list[ModelEvent]) -> None:
        """Read the reply of a provider that did not stream.

        @raise UpstreamError: as L{read}.
        """
        self.read(body, events)

    def finish(self, events: list[ModelEvent]) -> None:
        """The answer is over: complete what can be completed. Calls of one that was cut short stay as they came.

        @raise UpstreamError: it broke off without an end.
        """
        if not self.finished:
            raise UpstreamError("The provider's answer broke off before its end.")
        if self._halves is not None:
            self._think(self._halves.rest("thought"), events)
            self._say(self._halves.rest("text"), events)
            self._decline(self._halves.rest("refusal"), events)
            for call in self._calls:
                self._grow(call, self._halves.rest(call), events)
        if self._reason in ("length", "content_filter"):
            return
        for call in self._calls:
            if not call.name:
                raise UpstreamError("The provider sent a tool call without a name.")
            if not call.arguments.text.strip():
                call.arguments.clear()
                call.arguments.grow("{}")
                events.append(ToolCallDelta(index=call.index, id="", name="", arguments="{}"))

    def reply(self, provider: str, model: str) -> ModelReply:
        """The whole answer; valid after L{finish}.

        Where its reason is C{length} or C{content_filter}, the last call may lack anything, its name included.
        """
        reason = self._reason or "stop"
        if self._calls and reason == "stop":
            reason = "tool_calls"
        elif not self._calls and reason == "tool_calls":
            reason = "stop"
        return ModelReply(
            text=self._text.text,
            reasoning=self._reasoning.text,
            tool_calls=tuple(ToolCall(id=c.id, name=c.name, arguments=c.arguments.text) for c in self._calls),
            finish_reason=reason,
            usage=self._usage,
            provider=provider,
            model=model,
            refusal=self._refused,
            opaque=seal(self.api, self._pieces) if self._calls else "",
        )

    def _decoded(self, decoder: msgspec.json.Decoder[T], payload: bytes) -> T:
        """What C{payload} holds.

        @raise UpstreamError: it can not be read.
        """
        try:
            return decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                found = read_piece(decoder, payload)
                if found is not None:
                    self._halves = self._halves or Halves()
                    return found
        raise UpstreamError("The provider sent a chunk that can not be read.")

    def _say(self, text: str, events: list[ModelEvent], *, refusal: bool = False) -> None:
        if self._halves is not None:
            text = self._halves.join("refusal" if refusal else "text", text)
        if text:
            self._refused = self._refused or refusal
            if not self._pieces or self._pieces[-1].kind != "text":
                self._pieces.append(Piece(kind="text"))
            self._text.append(text)
            if len(self._text) >= self._text.most:
                self._text.join()
            events.append(TextDelta(text=text, refusal=refusal))

    def _decline(self, text: str, events: list[ModelEvent]) -> None:
        self._say(text, events, refusal=True)

    def _think(self, text: str, events: list[ModelEvent]) -> None:
        if self._halves is not None:
            text = self._halves.join("thought", text)
        if text:
            self._reasoning.grow(text)
            events.append(ReasoningDelta(text=text))

    def _open(self, call_id: str, name: str) -> OpenCall:
        """Begin a tool call; nobody is told before its name is known.

        @param call_id: "" = make one. So is for one that another call of this answer has already: its result would be
            taken for the other's, by the client as well as by us.
        @raise UpstreamError: there are too many.
        """
        if len(self._calls) >= MAX_TOOL_CALLS:
            raise UpstreamError(f"The provider sent more than {MAX_TOOL_CALLS} tool calls in one answer.")
        is_free = bool(call_id) and all(call.id != call_id for call in self._calls)
        call = OpenCall(len(self._calls), call_id if is_free else self._new_id(), name, call_id)
        self._calls.append(call)
        self._pieces.append(call.piece)
        return call

    def _grow(self, call: OpenCall, arguments: str, events: list[ModelEvent]) -> None:
        """Add a piece of its arguments, "" for none, and tell what can be told."""
        if self._halves is not None:
            arguments = self._halves.join(call, arguments)
        if arguments:
            call.arguments.grow(arguments)
            call.held.append(arguments)
        if not call.name:
            return  # the first event of a call carries its name
        if not call.announced or call.held:
            told, call.announced = call.announced, True
            events.append(
                ToolCallDelta(
                    index=call.index,
                    id="" if told else call.id,
                    name="" if told else call.name,
                    arguments="".join(call.held),
                )
            )
            call.held.clear()


def as_text(value: Any) -> str:
    """Arguments of a call as JSON text, whether they came as text or as a value; "" for none."""
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode("utf-8")


__all__ = ["MAX_TOOL_CALLS", "Framing", "OpenCall", "ReplyReader", "as_text"]
