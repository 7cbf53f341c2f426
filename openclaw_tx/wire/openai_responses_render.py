# -*- test-case-name: tests.wire.test_openai_responses_render -*-
"""C{POST /v1/responses}: results and stream events become bytes. Pure (spec 1.4, OpenAI API reference).

A response holds one message item with the whole text and one item for each call of a client's tool. Ids derive from
the run's, so that the same run is always the same response.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from openclaw_tx.errors import ErrorInfo
from openclaw_tx.values import RunEvent, RunResult, TextDelta, ToolCall, Usage
from openclaw_tx.wire.openai_chat_render import encode
from openclaw_tx.wire.openai_responses import ResponsesRequest

Status = Literal["in_progress", "completed", "incomplete"]

NUMBER = b"\0"
"""Where a frame's number goes. JSON text never holds this byte."""


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

    def failed(self, failure: ErrorInfo) -> dict[str, object]:
        """The object of a run that failed in the middle of its stream."""
        return {**self._shell, "status": "failed", "error": _error(failure)}

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
        output.extend(self.call(index, call, "incomplete") for index, call in enumerate(result.cut_calls))
        return encode(self.closed(result, output))

    def message(self, result: RunResult | None) -> dict[str, object]:
        """The message item.

        @param result: None = it has only begun.
        """
        item: dict[str, object] = {"type": "message", "id": self.message_id, "role": "assistant"}
        if result is None:
            return {**item, "content": [], "status": "in_progress"}
        phase = "commentary" if result.tool_calls or result.cut_calls else "final_answer"
        said = [part(result.content, refusal=False)] if result.content.strip() else []
        declined = [part(result.refused, refusal=True)] if result.refusal else []
        return {**item, "content": [*said, *declined], "phase": phase, "status": status_of(result)}

    def call(self, index: int, call: ToolCall, status: Status) -> dict[str, object]:
        """The item of a tool call."""
        return {
            "type": "function_call",
            "id": self.call_item_id(index),
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments or "{}" if status == "completed" else call.arguments,
            "status": status,
        }

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


def part(text: str, *, refusal: bool) -> dict[str, object]:
    """A content part: what the model said, or how it declined to."""
    if refusal:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


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

    Items are numbered as they begin. All are closed at the end, the message first if it began first: until then a
    model may still say something.
    """

    def __init__(self, response: Response) -> None:
        self._response = response
        self._next = 0
        self._items = 0
        self._message_at: int | None = None
        self._calls: dict[int, tuple[int, ToolCall]] = {}
        """Index of each tool call -> position among the items, and the call without its arguments."""
        self._parts: list[bool] = []
        """The parts of the message in their order: whether each is its refusal."""
        self._text_before = self._text_after = b""

    def opened(self) -> bytes:
        """The response is created and in progress."""
        response = self._response.open()
        return event("response.created", response=response) + event("response.in_progress", response=response)

    def text_begins(self) -> bytes:
        """The part for text begins, and with it the message item, if it has not; nothing when the part has."""
        if False in self._parts:
            return b""
        begun = self._begin(refusal=False)
        delta = event("response.output_text.delta", **self._place(refusal=False), logprobs=[], delta="")
        self._text_before, self._text_after = delta.rsplit(b'""', 1)
        return begun

    def text(self, escaped: bytes) -> bytes:
        """A piece of the text."""
        return self._text_before + b'"' + escaped + b'"' + self._text_after

    def aside(self, event: RunEvent) -> bytes:
        """A refusal, which is a part of its own; nothing else shows."""
        return self._decline(event.text) if type(event) is TextDelta and event.refusal else b""

    def _decline(self, text: str) -> bytes:
        begun = b"" if True in self._parts else self._begin(refusal=True)
        return begun + event("response.refusal.delta", **self._place(refusal=True), delta=text)

    def tool_call(self, index: int, call_id: str, name: str) -> bytes:
        """The item of a tool call begins."""
        at, call = self._calls[index] = self._items, ToolCall(id=call_id, name=name, arguments="")
        self._items += 1
        item = self._response.call(index, call, "in_progress")
        return event("response.output_item.added", output_index=at, item=item)

    def arguments(self, index: int, text: str) -> bytes:
        """More of its arguments."""
        return event(
            "response.function_call_arguments.delta",
            item_id=self._response.call_item_id(index),
            output_index=self._calls[index][0],
            delta=text,
        )

    def finish(self, result: RunResult) -> bytes:
        """Close every item in its order, and the response."""
        items: dict[int, object] = {}
        frames: dict[int, bytes] = {}
        if self._message_at is not None:
            at = self._message_at
            said = [part(result.refused if refusal else result.content, refusal=refusal) for refusal in self._parts]
            items[at] = {**self._response.message(result), "content": said}
            frames[at] = b"".join(map(self._part_done, said, self._parts))
        for index, call in enumerate(result.tool_calls):
            at = self._calls[index][0]
            items[at] = self._response.call(index, call, "completed")
            frames[at] = event(
                "response.function_call_arguments.done",
                item_id=self._response.call_item_id(index),
                output_index=at,
                arguments=call.arguments or "{}",
            )
        for index, call in enumerate(result.cut_calls):
            begun = b"" if index in self._calls else self._begun(index, call)
            at = self._calls[index][0]
            items[at] = self._response.call(index, call, "incomplete")
            frames[at] = begun  # nothing says that its arguments are done
        closed = [
            frames[at] + event("response.output_item.done", output_index=at, item=items[at]) for at in sorted(items)
        ]
        response = self._response.closed(result, [items[at] for at in sorted(items)])
        return b"".join(closed) + event(f"response.{status_of(result)}", response=response)

    def _begun(self, index: int, call: ToolCall) -> bytes:
        """A call that was cut off and did not show as it came, as when an earlier answer is told again."""
        begun = self.tool_call(index, call.id, call.name)
        return begun + self.arguments(index, call.arguments) if call.arguments else begun

    def failed(self, failure: ErrorInfo) -> bytes:
        """The response has failed; what was said of it stays as it is."""
        return event("response.failed", response=self._response.failed(failure))

    def stamp(self, frames: bytes) -> bytes:
        """Give events their numbers: frames that were joined while they waited leave no hole."""
        first, *rest = frames.split(NUMBER)
        out = [first]
        for piece in rest:
            out += (b"%d" % self._next, piece)
            self._next += 1
        return b"".join(out)

    def _begin(self, *, refusal: bool) -> bytes:
        """A part of the message begins."""
        item = b""
        if self._message_at is None:
            self._message_at = self._items
            self._items += 1
            item = event("response.output_item.added", output_index=self._message_at, item=self._response.message(None))
        self._parts.append(refusal)
        begun = part("", refusal=refusal)
        return item + event("response.content_part.added", **self._place(refusal=refusal), part=begun)

    def _part_done(self, said: dict[str, object], refusal: bool) -> bytes:
        place = self._place(refusal=refusal)
        if refusal:
            done = event("response.refusal.done", **place, refusal=said["refusal"])
        else:
            done = event("response.output_text.done", **place, logprobs=[], text=said["text"])
        return done + event("response.content_part.done", **place, part=said)

    def _place(self, *, refusal: bool) -> dict[str, Any]:
        """Where the part for text, or the refusal, stands."""
        index = self._parts.index(refusal)
        return {"item_id": self._response.message_id, "output_index": self._message_at, "content_index": index}


def event(kind: str, **fields: object) -> bytes:
    """One event, L{NUMBER} in the place of its C{sequence_number}."""
    body = encode({"type": kind, **fields})
    return b"event: " + kind.encode("ascii") + b"\ndata: " + body[:-1] + b',"sequence_number":' + NUMBER + b"}\n\n"


__all__ = ["EventWriter", "Response", "event", "part", "status_of", "usage_object"]
