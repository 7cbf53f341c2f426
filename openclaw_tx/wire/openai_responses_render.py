# -*- test-case-name: tests.wire.test_openai_responses_render -*-
"""C{POST /v1/responses}: results and stream events become bytes. Pure (spec 1.4, OpenAI API reference).

A response holds one message item with the whole text and one item for each call of a client's tool. Ids derive from
the run's, so that the same run is always the same response.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from openclaw_tx.errors import ErrorInfo
from openclaw_tx.values import MessageEnded, RunEvent, RunResult, TextDelta, ToolCall, Usage
from openclaw_tx.wire.openai_chat_render import encode, escape
from openclaw_tx.wire.openai_responses import ResponsesRequest
from openclaw_tx.wire.openai_responses_items import (
    NUMBER,
    GrowingCall,
    GrowingMessage,
    Status,
    call_item,
    event,
    message_item,
)


class Response:
    """One response: what the request decided of it, and how a result completes it."""

    def __init__(self, run_id: str, created_at: int, request: ResponsesRequest) -> None:
        """
        @param run_id: C{resp_<uuid>}.
        @param created_at: Unix seconds.
        """
        uuid = run_id.partition("_")[2]
        self.message_id = f"msg_{uuid}"
        self._call_id = f"call_{uuid}"
        self._shell = _shell(run_id, created_at, request)

    def open(self) -> dict[str, object]:
        """The object while the run is under way."""
        return {**self._shell, "status": "in_progress"}

    def failed(self, failure: ErrorInfo, output: Sequence[object]) -> dict[str, object]:
        """The object of a run that failed in the middle of its stream.

        @param output: the items that had begun.
        """
        return {**self._shell, "status": "failed", "error": _error(failure), "output": output}

    def closed(self, result: RunResult, output: Sequence[object]) -> dict[str, object]:
        """The object of a run that ended well."""
        status = status_of(result)
        reason = "content_filter" if result.finish_reason == "content_filter" else "max_output_tokens"
        return {
            **self._shell,
            "status": status,
            "completed_at": result.ended_at_ms // 1000 if status == "completed" else None,
            "incomplete_details": {"reason": reason} if status == "incomplete" else None,
            "output": output,
            "usage": usage_object(result.usage),
        }

    def whole(self, result: RunResult) -> bytes:
        """The body of an answer that is not streamed."""
        output: list[object] = [self.message(result)] if result.text.strip() else []
        output.extend(self.call(index, call, "completed") for index, call in enumerate(result.tool_calls))
        return encode(self.closed(result, output))

    def message(self, result: RunResult) -> dict[str, object]:
        """The message item."""
        phase = "commentary" if result.tool_calls else "final_answer"
        return message_item(self.message_id, result.text, status_of(result), phase, refusal=result.refusal)

    def call(self, index: int, call: ToolCall, status: Status) -> dict[str, object]:
        """The item of a tool call."""
        return call_item(self.call_item_id(index), call, status)

    def call_item_id(self, index: int) -> str:
        """Id of the item of a tool call."""
        return f"{self._call_id}_{index}"


def _shell(run_id: str, created_at: int, request: ResponsesRequest) -> dict[str, object]:
    """Every key of the object, with what is known from the beginning. What has no effect here reads as not set."""
    sampling, choice = request.sampling, request.tool_choice
    tools = [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description or None,
            "parameters": tool.parameters,
            "strict": tool.strict,
        }
        for tool in request.tools
    ]
    return {
        "id": run_id,
        "object": "response",
        "created_at": created_at,
        "status": "in_progress",
        "model": request.model,
        "output": [],
        "usage": None,
        "error": None,
        "incomplete_details": None,
        "completed_at": None,
        "background": False,
        "instructions": request.instructions,
        "max_output_tokens": sampling.max_tokens,
        "max_tool_calls": None,
        "metadata": request.metadata,
        "parallel_tool_calls": sampling.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": None,
        "reasoning": {"effort": sampling.reasoning_effort, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": request.store,
        "temperature": sampling.temperature,
        "text": {"format": request.text_format},
        "tool_choice": {"type": "function", "name": choice.name} if choice.mode == "named" else choice.mode,
        "tools": tools,
        "top_logprobs": 0,
        "top_p": sampling.top_p,
        "truncation": "disabled",
        "user": request.user,
    }


def status_of(result: RunResult) -> Status:
    """C{incomplete} when the model was stopped before it was done."""
    return "incomplete" if result.finish_reason in ("length", "content_filter") else "completed"


def usage_object(usage: Usage) -> dict[str, object] | None:
    """Token counts; None when the totals are not known. The details are not optional: 0 when they are not known."""
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens or 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _error(failure: ErrorInfo) -> dict[str, object]:
    """C{error} of a response. Its codes are a closed list of OpenAI's; ours is beside it."""
    status = failure.kind.status
    code = "rate_limit_exceeded" if status == 429 else "invalid_prompt" if status in (400, 413) else "server_error"
    return {
        "code": code,
        "message": failure.message,
        "type": failure.kind.type,
        "param": failure.param,
        "openclaw_code": failure.code,
    }


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
        self._closed: list[object] = []
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
        """A message item begins, and its one part; nothing when it has, or has to wait."""
        return b"" if isinstance(self._latest, GrowingMessage) else self._begin(self._new_message(refusal=False))

    def said(self, text: str) -> bool:
        """See L{openclaw_tx.web.run_stream.StreamWriter.said}."""
        message = self._latest
        assert isinstance(message, GrowingMessage)
        message.add(text)
        return message is self._open

    def aside(self, event: RunEvent) -> bytes:
        """A refusal, unless the message has begun with text, or it would have to wait; nothing else shows."""
        if type(event) is MessageEnded:
            return self._message_ended()
        if type(event) is not TextDelta or not event.refusal:
            return b""
        begun = b""
        if not isinstance(self._latest, GrowingMessage) and not self._waits():
            begun = self._begin(self._new_message(refusal=True))
        message = self._open
        if not isinstance(message, GrowingMessage) or not message.refusal:
            return b""
        message.add(event.text)
        return begun + message.frame(escape(event.text))

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
        frames = []
        while self._open is not None:
            frames.append(self._close(result))
            if self._waiting:
                frames.append(self._show(self._waiting.pop(0)))
        response = self._response.closed(result, self._closed)
        return b"".join(frames) + event(f"response.{status_of(result)}", response=response)

    def failed(self, failure: ErrorInfo) -> bytes:
        """The response has failed; what was said of it stays as it is, and the item that was open is incomplete."""
        output = list(self._closed)
        if isinstance(self._open, GrowingMessage):
            output.append(self._open.item(self._open.said, "incomplete", "final_answer"))
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

    def _new_message(self, *, refusal: bool) -> GrowingMessage:
        item_id = self._response.message_id
        if self._messages:
            item_id += f"_{self._messages}"
        self._messages += 1
        return GrowingMessage(item_id, refusal=refusal)

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
            calls = () if result is None else result.tool_calls[item.index : item.index + 1]
            call = calls[0] if calls and calls[0].id == item.call_id else item.call
            closed = item.item(call, "completed")
            self._closed.append(closed)
            return item.end(closed)
        last = result is not None and not self._waiting
        alone = last and self._messages == 1
        text = result.text if result is not None and alone else item.said
        commented = not last or (result is not None and bool(result.tool_calls))
        status = status_of(result) if result is not None and last else "completed"
        closed = item.item(text, status, "commentary" if commented else "final_answer")
        self._closed.append(closed)
        return item.end(text, closed)


def _no_text(escaped: bytes) -> bytes:
    """There is no message yet that it could be a piece of."""
    raise AssertionError("text before its message")


__all__ = ["EventWriter", "Response", "event", "status_of", "usage_object"]
