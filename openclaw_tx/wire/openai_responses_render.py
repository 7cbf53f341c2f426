# -*- test-case-name: tests.wire.test_openai_responses_render -*-
"""C{POST /v1/responses}: results become response objects. Pure (spec 1.4, OpenAI API reference).

A response holds one message item with the whole text and one item for each call of a client's tool. Ids derive from
the run's, so that the same run is always the same response.
"""

from __future__ import annotations

from collections.abc import Sequence

from openclaw_tx.errors import ErrorInfo
from openclaw_tx.values import RunResult, ToolCall, Usage
from openclaw_tx.wire.openai_chat_render import encode
from openclaw_tx.wire.openai_responses import ResponsesRequest, as_sent
from openclaw_tx.wire.openai_responses_items import Status, call_item, message_item, part


class Items:
    """The items of one response."""

    def __init__(self, run_id: str) -> None:
        """
        @param run_id: C{resp_<uuid>}.
        """
        uuid = run_id.partition("_")[2]
        self.message_id = f"msg_{uuid}"
        self._call_id = f"call_{uuid}"

    def all(self, result: RunResult) -> list[dict[str, object]]:
        """All of them, when the run has ended."""
        output = [self.message(result)] if result.text.strip() else []
        output.extend(self.call(index, call, "completed") for index, call in enumerate(result.tool_calls))
        output.extend(self.call(index, call, "incomplete") for index, call in enumerate(result.cut_calls))
        return output

    def message(self, result: RunResult) -> dict[str, object]:
        """The message item."""
        content = [part(result.content, refusal=False)] if result.content.strip() else []
        if result.refusal:
            content.append(part(result.refused, refusal=True))
        return message_item(self.message_id, content, status_of(result), phase_of(result))

    def call(self, index: int, call: ToolCall, status: Status) -> dict[str, object]:
        """The item of a tool call."""
        return call_item(self.call_item_id(index), call, status)

    def call_item_id(self, index: int) -> str:
        """Id of the item of a tool call."""
        return f"{self._call_id}_{index}"


class Response(Items):
    """One response: what the request decided of it, and how a result completes it."""

    def __init__(self, run_id: str, created_at: int, request: ResponsesRequest) -> None:
        """
        @param run_id: C{resp_<uuid>}.
        @param created_at: Unix seconds.
        """
        super().__init__(run_id)
        self._nested_tools = request.nested_tools
        self._shell = _shell(run_id, created_at, request)

    def open(self) -> dict[str, object]:
        """The object while the run is under way."""
        return {**self._shell, "status": "in_progress"}

    def failed(self, failure: ErrorInfo, output: Sequence[object]) -> dict[str, object]:
        """The object of a run that failed in the middle of its stream.

        @param output: the items that had begun.
        """
        failure = as_sent(failure, nested_tools=self._nested_tools)
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
        return encode(self.closed(result, self.all(result)))


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


def phase_of(result: RunResult) -> str:
    """What the message is: the answer, or words on the way to calls."""
    return "commentary" if result.tool_calls or result.cut_calls else "final_answer"


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


__all__ = ["Items", "Response", "phase_of", "status_of", "usage_object"]
