# -*- test-case-name: tests.wire.test_openai_chat_render -*-
"""Chat completion results: values to bytes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import (
    MessageEnded,
    ReasoningDelta,
    RunResult,
    TextDelta,
    ToolCall,
    ToolEnded,
    ToolStarted,
    Usage,
)
from openclaw_tx.wire.openai_chat import StreamExtras
from openclaw_tx.wire.openai_chat_render import (
    FRAGMENT,
    ChunkWriter,
    completion,
    encode,
    error_body,
    escape,
    usage_object,
)


def result(**fields: Any) -> RunResult:
    """A run that went well."""
    return RunResult(run_id="chatcmpl_1", session_key="k", agent_id="main", status="ok", **fields)


def payloads(data: bytes) -> list[Any]:
    """The JSON of each frame."""
    blocks = data.split(b"\n\n")
    assert blocks.pop() == b""
    assert all(block.startswith(b"data: ") and b"\n" not in block for block in blocks)
    return [json.loads(block[6:]) for block in blocks]


class CompletionTests(SynchronousTestCase):
    """Whole answers."""

    def test_all_keys_of_the_schema(self) -> None:
        """Required keys are there, null where there is nothing to say."""
        usage = Usage(prompt_tokens=3, completion_tokens=4, cached_tokens=2, reasoning_tokens=1)
        answer = json.loads(completion(result(payloads=("a", "b"), usage=usage), 7, "gpt-4o"))
        fingerprint = answer.pop("system_fingerprint")
        self.assertTrue(fingerprint)
        self.assertEqual(
            answer,
            {
                "id": "chatcmpl_1",
                "object": "chat.completion",
                "created": 7,
                "model": "gpt-4o",
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": "a\n\nb", "refusal": None},
                        "logprobs": None,
                        "finish_reason": "stop",
                    }
                ],
                "usage": {
                    "prompt_tokens": 3,
                    "completion_tokens": 4,
                    "total_tokens": 7,
                    "prompt_tokens_details": {"cached_tokens": 2},
                    "completion_tokens_details": {"reasoning_tokens": 1},
                },
            },
        )

    def test_unknown_usage_is_not_zero(self) -> None:
        """Null as a whole unless both totals are known; details only as far as they are."""
        self.assertIsNone(usage_object(Usage()))
        self.assertIsNone(usage_object(Usage(prompt_tokens=3)))
        self.assertEqual(
            usage_object(Usage(prompt_tokens=0, completion_tokens=0)),
            {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        )
        self.assertNotIn("usage", json.loads(completion(result(payloads=("a",)), 7, "m")))

    def test_tool_calls(self) -> None:
        """T17: the reason is C{tool_calls} exactly when there are some; arguments are never empty or null."""
        calls = (ToolCall(id="c1", name="f", arguments=""),)
        choice = json.loads(completion(result(tool_calls=calls, finish_reason="stop"), 7, "m"))["choices"][0]
        self.assertEqual(choice["finish_reason"], "tool_calls")
        self.assertEqual(
            choice["message"]["tool_calls"],
            [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        )
        choice = json.loads(completion(result(payloads=("x",), finish_reason="tool_calls"), 7, "m"))["choices"][0]
        self.assertEqual(choice["finish_reason"], "stop")
        self.assertNotIn("tool_calls", choice["message"])

    def test_t33_length(self) -> None:
        """The other reasons pass."""
        for reason in ("length", "content_filter"):
            answer = json.loads(completion(result(payloads=("x",), finish_reason=reason), 7, "m"))
            self.assertEqual(answer["choices"][0]["finish_reason"], reason)

    def test_error_has_four_keys(self) -> None:
        """Also where there is nothing to put in them."""
        error = json.loads(error_body(GatewayError("run_failed", "x").info))
        self.assertEqual(error, {"error": {"message": "x", "type": "api_error", "param": None, "code": "run_failed"}})


class ChunkTests(SynchronousTestCase):
    """Pieces of a stream."""

    def setUp(self) -> None:
        """A writer."""
        self.chunks = ChunkWriter("chatcmpl_1", 7, 'm"\u2028', StreamExtras())

    def test_t15_constant_frame(self) -> None:
        """Every chunk has the same id, created and model, and a choice with index, delta and finish_reason."""
        data = (
            self.chunks.opened()
            + self.chunks.text_begins()
            + self.chunks.text(escape("a"))
            + self.chunks.tool_call(0, "c", "f")
            + self.chunks.arguments(0, "{}")
            + self.chunks.finish(result())
        )
        for chunk in payloads(data):
            self.assertEqual((chunk["id"], chunk["created"], chunk["model"]), ("chatcmpl_1", 7, 'm"\u2028'))
            self.assertEqual(chunk["object"], "chat.completion.chunk")
            (choice,) = chunk["choices"]
            self.assertEqual(set(choice), {"index", "delta", "finish_reason"})
            self.assertNotIn("usage", chunk)
        self.assertEqual(payloads(self.chunks.opened())[0]["choices"][0]["delta"], {"role": "assistant"})

    def test_t18_usage(self) -> None:
        """Null on other chunks, and a chunk of its own without choices, only when asked for."""
        chunks = ChunkWriter("r", 7, "m", StreamExtras(include_usage=True))
        role, text, finish, usage = payloads(
            chunks.opened()
            + chunks.text(b"x")
            + chunks.finish(result(usage=Usage(prompt_tokens=1, completion_tokens=2)))
        )
        self.assertEqual([chunk["usage"] for chunk in (role, text, finish)], [None] * 3)
        self.assertEqual(usage["choices"], [])
        self.assertEqual(usage["usage"], {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
        self.assertIsNone(payloads(chunks.finish(result()))[1]["usage"])

    @given(st.lists(st.text(st.characters(codec=None), max_size=20), max_size=5))
    @settings(max_examples=100, deadline=None, database=None)
    def test_t07_any_text_survives(self, pieces: list[str]) -> None:
        """Quotes, control characters, line separators, half surrogates: one line each, joined pieces join."""
        one = payloads(self.chunks.text(b"".join(map(escape, pieces))))
        self.assertEqual(len(one), 1)
        mended = "".join(piece.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for piece in pieces)
        self.assertEqual(one[0]["choices"][0]["delta"]["content"], mended)

    def test_t26_arguments(self) -> None:
        """Fragments of bounded length that join to what went in, characters whole."""
        text = json.dumps({"city": "\U0001f43e" * 400}, ensure_ascii=False)
        chunks = payloads(self.chunks.arguments(1, text))
        pieces = [chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] for chunk in chunks]
        self.assertEqual("".join(pieces), text)
        self.assertTrue(all(0 < len(piece) <= FRAGMENT for piece in pieces))

    def test_t26_whole_call(self) -> None:
        """Id and name once, then the arguments."""
        first, second = payloads(self.chunks.tool_call(1, "c", "f") + self.chunks.arguments(1, "{}"))
        self.assertEqual(
            first["choices"][0]["delta"]["tool_calls"],
            [{"index": 1, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}],
        )
        self.assertEqual(second["choices"][0]["delta"]["tool_calls"], [{"index": 1, "function": {"arguments": "{}"}}])

    def test_half_surrogates_in_structures(self) -> None:
        """Also deep inside, and as keys."""
        self.assertEqual(json.loads(encode({"a\ud800": ["b\udc00", 1]})), {"a\ufffd": ["b\ufffd", 1]})


class AsideTests(SynchronousTestCase):
    """What a client may have asked for besides the answer."""

    EVENTS = (
        ToolStarted(call_id="c", name="f", arguments={"a": "\u2028"}),
        ToolEnded(call_id="c", name="f", is_error=True, text="secret"),
        ReasoningDelta(text='a"b'),
        MessageEnded(usage=Usage(prompt_tokens=1, completion_tokens=2)),
    )

    def told(self, reasoning: bool = False, **extras: bool) -> list[dict[str, Any]]:
        """All chunks for the events."""
        chunks = ChunkWriter("r", 7, "m", StreamExtras(**extras), reasoning=reasoning)
        return payloads(b"".join(map(chunks.aside, self.EVENTS)))

    def test_nothing_unless_asked(self) -> None:
        """Not a byte."""
        self.assertEqual(self.told(), [])
        self.assertEqual(self.told(include_usage=True), [])

    def test_openclaw_events(self) -> None:
        """An object of ours beside a choice that adds nothing; a tool's result is not in it."""
        chunks = self.told(openclaw_events=True)
        self.assertEqual(
            [chunk["openclaw"] for chunk in chunks],
            [
                {"type": "tool.started", "call_id": "c", "name": "f", "arguments": {"a": "\u2028"}},
                {"type": "tool.completed", "call_id": "c", "name": "f", "is_error": True},
                {"type": "reasoning.delta", "text": 'a"b'},
            ],
        )
        for chunk in chunks:
            self.assertEqual(chunk["choices"], [{"index": 0, "delta": {}, "finish_reason": None}])
            self.assertEqual((chunk["id"], chunk["object"]), ("r", "chat.completion.chunk"))

    def test_reasoning(self) -> None:
        """A delta of its own, for agents that show it."""
        (chunk,) = self.told(reasoning=True)
        self.assertEqual(chunk["choices"][0]["delta"], {"reasoning_content": 'a"b'})
        answer = json.loads(completion(result(payloads=("x",)), 7, "m", "thought"))
        self.assertEqual(answer["choices"][0]["message"]["reasoning_content"], "thought")
        self.assertNotIn(b"reasoning_content", completion(result(payloads=("x",)), 7, "m"))

    def test_continuous_usage(self) -> None:
        """Null until it is known, then on every chunk; the usage chunk is a wish of its own."""
        chunks = ChunkWriter("r", 7, "m", StreamExtras(continuous_usage=True))
        usage = Usage(prompt_tokens=1, completion_tokens=2)
        more = Usage(prompt_tokens=3, completion_tokens=4)
        data = (
            chunks.opened()
            + chunks.aside(MessageEnded(usage=usage))
            + chunks.text(b"x")
            + chunks.finish(result(usage=more))
        )
        found = [chunk["usage"] and chunk["usage"]["total_tokens"] for chunk in payloads(data)]
        self.assertEqual(found, [None, 3, 3, 7])

    def test_refusal(self) -> None:
        """Where the schema has it, and not as content."""
        chunks = ChunkWriter("r", 7, "m", StreamExtras())
        (chunk,) = payloads(chunks.aside(TextDelta(text="no", refusal=True)))
        self.assertEqual(chunk["choices"][0]["delta"], {"refusal": "no"})
        self.assertEqual(chunks.aside(TextDelta(text="yes")), b"")
        message = json.loads(completion(result(payloads=("no",), refusal=True), 7, "m"))["choices"][0]["message"]
        self.assertEqual((message["content"], message["refusal"]), (None, "no"))
