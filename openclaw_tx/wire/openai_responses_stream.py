# -*- test-case-name: tests.wire.test_openai_responses_render -*-
"""The stream of C{POST /v1/responses}: events become bytes, one item after the other. Pure (spec 1.4, OpenAI API
reference).
"""

from __future__ import annotations

from collections.abc import Callable

from openclaw_tx.errors import ErrorInfo
from openclaw_tx.values import MessageEnded, RunEvent, RunResult, TextDelta, ToolCall
from openclaw_tx.wire.openai_responses_items import NUMBER, GrowingCall, GrowingMessage, Status, event
from openclaw_tx.wire.openai_responses_render import Response, phase_of, status_of


class EventWriter:
    """The events of one stream; L{openclaw_tx.web.run_stream.StreamWriter}.

    Items follow one another, as OpenAI's do: each is closed before the next one begins, for clients put what they are
    told with the item that is open. A model may say things side by side; then the first goes out as it comes, and what
    would begin behind it waits until the first is known to be complete: its arguments are whole, or the answer has
    ended. What waits is bounded by what a run may say (L{openclaw_tx.runs.reader.MAX_TEXT}).
    """

    def __init__(self, response: Response) -> None:
        self._response = response
        self._next = 0
        self._closed: list[dict[str, object]] = []
        """Items that are complete, in their order."""
        self._open: GrowingMessage | GrowingCall | None = None
        self._waiting: list[GrowingMessage | GrowingCall] = []
        self._messages = 0
        self._calls: dict[int, GrowingCall] = {}
        self.text: Callable[[bytes], bytes] = _no_text
        """A piece of the text of the message that is open."""

    def opened(self) -> bytes:
        """The response is created and in progress."""
        response = self._response.open()
        return event("response.created", response=response) + event("response.in_progress", response=response)

    def text_begins(self) -> bytes:
        """The part for text begins, and with it a message item; nothing when they have, or have to wait."""
        message, begun = self._talk()
        begun += message.begin_part(refusal=False)
        return begun

    def said(self, text: str) -> bool:
        """See L{openclaw_tx.web.run_stream.StreamWriter.said}."""
        message = self._latest
        assert isinstance(message, GrowingMessage)
        message.add(text)
        return message is self._open

    def aside(self, event: RunEvent) -> bytes:
        """A refusal, which is a part of its own, unless it has to wait; nothing else shows."""
        if type(event) is MessageEnded:
            return self._message_ended()
        return self._decline(event.text) if type(event) is TextDelta and event.refusal else b""

    def _decline(self, text: str) -> bytes:
        message, begun = self._talk()
        begun += message.begin_part(refusal=True)
        message.add(text, refusal=True)
        return begun + message.declined(text) if message is self._open else begun

    def tool_call(self, index: int, call_id: str, name: str) -> bytes:
        """The item of a tool call begins, unless it has to wait."""
        call = self._calls[index] = GrowingCall(self._response.call_item_id(index), index, call_id, name)
        return self._begin(call)

    def arguments(self, index: int, text: str) -> bytes:
        """More of its arguments. What comes after they were whole is none."""
        call = self._calls[index]
        if call is not self._open:
            if call in self._waiting:
                call.add(text)
            return b""
        call.add(text)
        frames = call.delta(text)
        if self._waiting and text.rstrip().endswith("}"):
            frames += self._go_on()
        return frames

    def finish(self, result: RunResult) -> bytes:
        """Close every item in its order, and the response."""
        frames: list[bytes] = []
        for index, call in enumerate(result.cut_calls):
            if index not in self._calls:  # as when an earlier answer is told again
                frames.append(self.tool_call(index, call.id, call.name))
                if call.arguments:
                    frames.append(self.arguments(index, call.arguments))
        while self._open is not None:
            frames.append(self._close(result))
            if self._waiting:
                frames.append(self._show(self._waiting.pop(0)))
        response = self._response.closed(result, self._output(result))
        return b"".join(frames) + event(f"response.{status_of(result)}", response=response)

    def _output(self, result: RunResult) -> list[dict[str, object]]:
        """The items in the end: of an answer that was cut off in one call, none is to be done."""
        cut = {call.id for call in result.cut_calls}
        return [{**item, "status": "incomplete"} if item.get("call_id") in cut else item for item in self._closed]

    def failed(self, failure: ErrorInfo) -> bytes:
        """The response has failed; what was said of it stays as it is, and the item that was open is incomplete."""
        output = list(self._closed)
        if isinstance(self._open, GrowingMessage):
            output.append(self._open.item(self._open.texts(), "incomplete", "final_answer"))
        elif self._open is not None:
            output.append(self._open.item(self._open.call, "incomplete"))
        return event("response.failed", response=self._response.failed(failure, output))

    def stamp(self, frames: bytes) -> bytes:
        """Give events their numbers: frames that were joined while they waited leave no hole."""
        first, *rest = frames.split(NUMBER)
        out = [first]
        for piece in rest:
            out += (b"%d" % self._next, piece)
            self._next += 1
        return b"".join(out)

    # -- one item after the other

    @property
    def _latest(self) -> GrowingMessage | GrowingCall | None:
        return self._waiting[-1] if self._waiting else self._open

    def _talk(self) -> tuple[GrowingMessage, bytes]:
        """The message that what is said now belongs to, and its beginning if it is a new one."""
        if isinstance(self._latest, GrowingMessage):
            return self._latest, b""
        item_id = self._response.message_id
        if self._messages:
            item_id += f"_{self._messages}"
        self._messages += 1
        message = GrowingMessage(item_id)
        return message, self._begin(message)

    def _waits(self) -> bool:
        """Whether an item that would begin now has to wait."""
        return bool(self._waiting) or (isinstance(self._open, GrowingCall) and not self._open.complete())

    def _begin(self, item: GrowingMessage | GrowingCall) -> bytes:
        if self._waits():
            self._waiting.append(item)
            return b""
        return (self._close() if self._open is not None else b"") + self._show(item)

    def _show(self, item: GrowingMessage | GrowingCall) -> bytes:
        self._open = item
        frames = item.begin(len(self._closed))
        if isinstance(item, GrowingMessage):
            self.text = item.frame
        return frames

    def _go_on(self) -> bytes:
        """Have those that wait begin, as far as what is before them is complete."""
        frames: list[bytes] = []
        while self._waiting and not (isinstance(self._open, GrowingCall) and not self._open.complete()):
            frames += (self._close(), self._show(self._waiting.pop(0)))
        return b"".join(frames)

    def _message_ended(self) -> bytes:
        """A call that is complete now stays so; of others only the result of the run can tell."""
        if self._waiting or not isinstance(self._open, GrowingCall) or not self._open.complete():
            return b""
        return self._close()

    def _close(self, result: RunResult | None = None) -> bytes:
        """The item that is open is complete.

        @param result: how the run ended; None = it goes on.
        """
        item, self._open = self._open, None
        assert item is not None
        if isinstance(item, GrowingCall):
            closed = item.item(*_settled(item, result))
            frames = item.end(closed)
        elif result is None or self._waiting:
            texts = item.texts()
            closed = item.item(texts, "completed", "commentary")
            frames = item.end(texts, closed)
        else:
            texts = {False: result.content, True: result.refused} if self._messages == 1 else item.texts()
            closed = item.item(texts, status_of(result), phase_of(result))
            frames = item.end(texts, closed)
        self._closed.append(closed)
        return frames


def _settled(item: GrowingCall, result: RunResult | None) -> tuple[ToolCall, Status]:
    """A call as the run left it.

    @param result: None = the run goes on, and the call is whole.
    """
    if result is None:
        return item.call, "completed"
    ended = result.tool_calls[item.index : item.index + 1]
    if ended and ended[0].id == item.call_id:
        return ended[0], "completed"
    return item.call, "incomplete"


def _no_text(escaped: bytes) -> bytes:
    """There is no message yet that it could be a piece of."""
    raise AssertionError("text before its message")


__all__ = ["EventWriter"]
