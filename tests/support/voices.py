"""How the scripted model server (L{tests.support.upstream}) speaks: what it hears in a request and what it answers, in
the shapes of each vendor's API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Piece = tuple[str, str]
"""C{("think", text)}, C{("text", text)}, C{("call", name)} or C{("args", piece of JSON)}."""


class Voice:
    """One API. Text that goes out is the body of the answer as it stands.

    @cvar path: what a request's path holds.
    """

    path = ""
    content_type = "text/event-stream"

    def heard(self, body: dict[str, Any]) -> list[tuple[str, str]]:
        """The messages as C{("user", text)}, C{("tool", result)} and other roles, in order."""
        raise NotImplementedError

    def begin(self, body: dict[str, Any]) -> Iterator[str]:
        """What comes before anything is said."""
        yield from ()

    def piece(self, body: dict[str, Any], piece: Piece) -> Iterator[str]:
        """A piece of the answer."""
        raise NotImplementedError

    def end(self, body: dict[str, Any], finish: str, usage: tuple[int, int] | None) -> Iterator[str]:
        """The end.

        @param finish: C{stop}, C{length}, C{tool_calls}, any other word, or C{none} to leave it out.
        """
        raise NotImplementedError

    def error(self, message: str) -> Iterator[str]:
        """An error in mid-stream."""
        yield sse({"error": {"message": message, "type": "server_error", "code": None}})

    def refusal(self, status: int, message: str) -> dict[str, Any]:
        """The body of an error status."""
        return {"error": {"message": message, "type": "stub_error", "code": None}}


def sse(value: dict[str, Any], name: str = "") -> str:
    """An event."""
    return (f"event: {name}\n" if name else "") + f"data: {json.dumps(value)}\n\n"


def words(content: Any) -> str:
    """The text of a message's content, whichever way it is written."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = content.get("parts") or []
    return "\n".join(part.get("text") or "" for part in content or [])


class Completions(Voice):
    """OpenAI's Chat Completions."""

    path = "/chat/completions"

    def heard(self, body: dict[str, Any]) -> list[tuple[str, str]]:
        """As they stand."""
        return [(message["role"], words(message["content"])) for message in body["messages"]]

    def begin(self, body: dict[str, Any]) -> Iterator[str]:
        """The role."""
        yield self.chunk(body, {"role": "assistant", "content": None})

    def piece(self, body: dict[str, Any], piece: Piece) -> Iterator[str]:
        """A delta."""
        kind, text = piece
        if kind == "call":
            call = {"index": 0, "id": f"call_stub_{len(body['messages'])}", "type": "function"}
            yield self.chunk(body, {"tool_calls": [{**call, "function": {"name": text, "arguments": ""}}]})
        elif kind == "args":
            yield self.chunk(body, {"tool_calls": [{"index": 0, "function": {"arguments": text}}]})
        else:
            yield self.chunk(body, {"content" if kind == "text" else "reasoning_content": text})

    def end(self, body: dict[str, Any], finish: str, usage: tuple[int, int] | None) -> Iterator[str]:
        """Finish reason, usage if asked for, C{[DONE]}."""
        if finish != "none":
            yield self.chunk(body, {}, finish)
        if usage is not None and (body.get("stream_options") or {}).get("include_usage"):
            yield sse({**self.frame(body, "chat.completion.chunk"), "choices": [], "usage": self.usage(usage)})
        yield "data: [DONE]\n\n"

    def error(self, message: str) -> Iterator[str]:
        """An error object, and C{[DONE]} all the same."""
        yield from super().error(message)
        yield "data: [DONE]\n\n"

    def whole(self, body: dict[str, Any], text: str, call: tuple[str, str] | None, usage: Any) -> dict[str, Any]:
        """The answer as one JSON object."""
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if call is not None:
            function = {"name": call[0], "arguments": call[1]}
            message = {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "call_stub_0", "type": "function", "function": function}],
            }
        choice = {"index": 0, "message": message, "finish_reason": "stop" if call is None else "tool_calls"}
        counts = None if usage is None else self.usage(usage)
        return {**self.frame(body, "chat.completion"), "choices": [choice], "usage": counts}

    def chunk(self, body: dict[str, Any], delta: dict[str, Any], finish: str | None = None) -> str:
        """A chunk with one choice."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return sse({**self.frame(body, "chat.completion.chunk"), "choices": [choice]})

    def frame(self, body: dict[str, Any], kind: str) -> dict[str, Any]:
        """What every object bears."""
        return {"id": "chatcmpl-stub", "object": kind, "created": 1, "model": body.get("model")}

    def usage(self, usage: tuple[int, int]) -> dict[str, int]:
        """Token counts."""
        return {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}


class Messages(Voice):
    """Anthropic's Messages."""

    path = "/v1/messages"

    def __init__(self) -> None:
        self._block = ""
        self._index = -1

    def heard(self, body: dict[str, Any]) -> list[tuple[str, str]]:
        """A result of a tool is a part of a user's message."""
        found: list[tuple[str, str]] = []
        for message in body["messages"]:
            for part in message["content"]:
                if part["type"] == "tool_result":
                    found.append(("tool", words(part.get("content"))))
                else:
                    found.append((message["role"], part.get("text", "")))
        return found

    def begin(self, body: dict[str, Any]) -> Iterator[str]:
        """The message's head, and a ping."""
        yield self.event("message_start", message={"id": "msg_stub", "role": "assistant", "content": [], "usage": {}})
        yield self.event("ping")

    def piece(self, body: dict[str, Any], piece: Piece) -> Iterator[str]:
        """A block for each kind of piece, and deltas in it."""
        kind, text = piece
        if kind == "call" or (kind != "args" and kind != self._block):
            yield from self._stop()
            self._block = kind
            self._index += 1
            blocks = {
                "text": {"type": "text", "text": ""},
                "think": {"type": "thinking", "thinking": "", "signature": ""},
                "call": {"type": "tool_use", "id": f"toolu_{len(body['messages'])}", "name": text, "input": {}},
            }
            yield self.event("content_block_start", index=self._index, content_block=blocks[kind])
        deltas = {
            "text": {"type": "text_delta", "text": text},
            "think": {"type": "thinking_delta", "thinking": text},
            "args": {"type": "input_json_delta", "partial_json": text},
        }
        if kind in deltas:
            yield self.event("content_block_delta", index=self._index, delta=deltas[kind])

    def end(self, body: dict[str, Any], finish: str, usage: tuple[int, int] | None) -> Iterator[str]:
        """The reason with the counts, and the end of the message."""
        yield from self._stop()
        reason = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}.get(finish, finish)
        counts = {} if usage is None else {"input_tokens": usage[0], "output_tokens": usage[1]}
        yield self.event("message_delta", delta={"stop_reason": None if finish == "none" else reason}, usage=counts)
        yield self.event("message_stop")

    def error(self, message: str) -> Iterator[str]:
        """An C{error} event."""
        yield self.event("error", error={"type": "api_error", "message": message})

    def refusal(self, status: int, message: str) -> dict[str, Any]:
        """An error with its type."""
        return {"type": "error", "error": {"type": "stub_error", "message": message}, "request_id": "req_stub"}

    def _stop(self) -> Iterator[str]:
        if self._block == "think":
            signature = {"type": "signature_delta", "signature": f"signed-{self._index}"}
            yield self.event("content_block_delta", index=self._index, delta=signature)
        if self._block:
            yield self.event("content_block_stop", index=self._index)
        self._block = ""

    def event(self, kind: str, **more: Any) -> str:
        """An event with its name."""
        return sse({"type": kind, **more}, kind)


class Responses(Voice):
    """OpenAI's Responses."""

    path = "/responses"

    def __init__(self) -> None:
        self._kind = ""
        self._index = -1
        self._said: dict[str, str] = {}

    def heard(self, body: dict[str, Any]) -> list[tuple[str, str]]:
        """Messages and outputs of tools; calls and reasoning say nothing."""
        return [
            (item.get("role", "tool"), words(item.get("content", item.get("output"))))
            for item in body["input"]
            if item.get("type", "message") in ("message", "function_call_output")
        ]

    def begin(self, body: dict[str, Any]) -> Iterator[str]:
        """The response's head."""
        yield self.event("response.created", response={"id": "resp_stub", "status": "in_progress", "output": []})

    def piece(self, body: dict[str, Any], piece: Piece) -> Iterator[str]:
        """An item for each kind of piece, and deltas in it."""
        kind, text = piece
        if kind != "args" and kind != self._kind:
            yield from self._stop()
            self._kind = kind
            self._index += 1
            self._said = {"name": text, "call_id": f"call_{len(body['input'])}"} if kind == "call" else {}
            yield self.event("response.output_item.added", output_index=self._index, item=self._item())
        names = {
            "text": "response.output_text.delta",
            "think": "response.reasoning_summary_text.delta",
            "args": "response.function_call_arguments.delta",
        }
        if kind in names:
            self._said["text"] = self._said.get("text", "") + text
            yield self.event(names[kind], output_index=self._index, delta=text)

    def end(self, body: dict[str, Any], finish: str, usage: tuple[int, int] | None) -> Iterator[str]:
        """The response as a whole, but for its output."""
        yield from self._stop()
        counts = None if usage is None else {"input_tokens": usage[0], "output_tokens": usage[1]}
        if finish == "length":
            why = {"reason": "max_output_tokens"}
            response = {"status": "incomplete", "incomplete_details": why, "usage": counts}
            yield self.event("response.incomplete", response=response)
        elif finish != "none":
            yield self.event("response.completed", response={"status": "completed", "usage": counts})

    def error(self, message: str) -> Iterator[str]:
        """A response that failed."""
        error = {"code": "server_error", "message": message}
        yield self.event("response.failed", response={"status": "failed", "error": error})

    def _stop(self) -> Iterator[str]:
        if self._kind:
            yield self.event("response.output_item.done", output_index=self._index, item=self._item(done=True))
        self._kind = ""

    def _item(self, done: bool = False) -> dict[str, Any]:
        said = self._said.get("text", "")
        if self._kind == "call":
            return {"type": "function_call", "id": "fc_stub", **self._said, "arguments": said}
        if self._kind == "text":
            content = [{"type": "output_text", "text": said}] if done else []
            return {"type": "message", "id": "msg_stub", "role": "assistant", "content": content}
        sealed = {"encrypted_content": f"sealed-{self._index}"} if done else {}
        return {"type": "reasoning", "id": "rs_stub", "summary": [{"type": "summary_text", "text": said}], **sealed}

    def event(self, kind: str, **more: Any) -> str:
        """An event with its name."""
        return sse({"type": kind, **more}, kind)


class WholeCalls(Voice):
    """An API whose calls come whole."""

    def __init__(self) -> None:
        self.call: tuple[str, str] | None = None

    def piece(self, body: dict[str, Any], piece: Piece) -> Iterator[str]:
        """Text and thinking at once; a call is kept for the end."""
        kind, text = piece
        if kind == "call":
            self.call = (text, "")
        elif kind == "args" and self.call is not None:
            self.call = (self.call[0], self.call[1] + text)
        else:
            yield self.delta(kind, text)

    def delta(self, kind: str, text: str) -> str:
        """A piece of text or thinking."""
        raise NotImplementedError


class GenerateContent(WholeCalls):
    """Google's Gemini."""

    path = ":streamGenerateContent"

    def heard(self, body: dict[str, Any]) -> list[tuple[str, str]]:
        """A result of a tool is a part of a user's content."""
        found: list[tuple[str, str]] = []
        for content in body["contents"]:
            for part in content["parts"]:
                if "functionResponse" in part:
                    found.append(("tool", str(part["functionResponse"]["response"].get("output"))))
                else:
                    found.append((content["role"], part.get("text", "")))
        return found

    def delta(self, kind: str, text: str) -> str:
        """One for each piece."""
        return self.chunk({"text": text, **({"thought": True} if kind == "think" else {})})

    def end(self, body: dict[str, Any], finish: str, usage: tuple[int, int] | None) -> Iterator[str]:
        """The call, if any, the reason and the counts."""
        if self.call is not None:
            name, arguments = self.call
            call = {"name": name, "args": json.loads(arguments or "{}")}
            yield self.chunk({"functionCall": call, "thoughtSignature": "signed"})
        reason = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS"}.get(finish, finish)
        candidate = {"content": {"role": "model"}, "index": 0}
        if finish != "none":
            candidate["finishReason"] = reason
        counts = {} if usage is None else {"promptTokenCount": usage[0], "candidatesTokenCount": usage[1]}
        yield sse({"candidates": [candidate], "usageMetadata": counts})

    def error(self, message: str) -> Iterator[str]:
        """An error object in place of a chunk."""
        yield sse({"error": {"code": 500, "message": message, "status": "INTERNAL"}})

    def refusal(self, status: int, message: str) -> dict[str, Any]:
        """An error with its status."""
        return {"error": {"code": status, "message": message, "status": "STUB"}}

    def chunk(self, part: dict[str, Any]) -> str:
        """A chunk with one part."""
        return sse({"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}]})


class OllamaChat(WholeCalls):
    """Ollama's own chat."""

    path = "/api/chat"
    content_type = "application/x-ndjson"

    def heard(self, body: dict[str, Any]) -> list[tuple[str, str]]:
        """As they stand."""
        return [(message["role"], message["content"]) for message in body["messages"]]

    def delta(self, kind: str, text: str) -> str:
        """One for each piece."""
        return self.line({"content": "", "thinking": text} if kind == "think" else {"content": text})

    def end(self, body: dict[str, Any], finish: str, usage: tuple[int, int] | None) -> Iterator[str]:
        """The call, if any, and the last line with reason and counts."""
        if self.call is not None:
            name, arguments = self.call
            call = {"function": {"name": name, "arguments": json.loads(arguments or "{}")}}
            yield self.line({"content": "", "tool_calls": [call]})
        if finish == "none":
            return
        counts = {} if usage is None else {"prompt_eval_count": usage[0], "eval_count": usage[1]}
        yield self.line({"content": ""}, done=True, done_reason="length" if finish == "length" else "stop", **counts)

    def error(self, message: str) -> Iterator[str]:
        """A line that is an error."""
        yield json.dumps({"error": message}) + "\n"

    def refusal(self, status: int, message: str) -> dict[str, Any]:
        """A text."""
        return {"error": message}

    def line(self, message: dict[str, Any], **more: Any) -> str:
        """A line."""
        said = {"role": "assistant", **message}
        return json.dumps({"model": "stub", "message": said, "done": False, **more}) + "\n"


VOICES: tuple[type[Voice], ...] = (Completions, Messages, Responses, GenerateContent, OllamaChat)
"""All there are, to be told by the path of a request."""


def voice_of(path: str) -> Voice | None:
    """Who is asked."""
    return next((voice() for voice in VOICES if voice.path in path), None)
