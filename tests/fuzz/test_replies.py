# -*- test-case-name: tests.fuzz.test_replies -*-
"""What providers send: streams cut anywhere, chunks that are nearly right, errors in any shape."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import AssistantMessage, ModelEvent, ReasoningDelta, TextDelta, ToolCallDelta
from openclaw_tx.wire.anthropic_events import MessageReader
from openclaw_tx.wire.google_events import GenerateContentReader
from openclaw_tx.wire.history import as_object
from openclaw_tx.wire.lines import LineDecoder
from openclaw_tx.wire.ollama_chat import ChatReader
from openclaw_tx.wire.openai_chunks import ChunkReader
from openclaw_tx.wire.openai_responses_events import ResponseReader
from openclaw_tx.wire.openai_vectors import decode_reply
from openclaw_tx.wire.replay import Piece, seal, unseal
from openclaw_tx.wire.replies import Framing, ReplyReader
from openclaw_tx.wire.sse import SseDecoder
from openclaw_tx.wire.upstream import UpstreamError, decode_error
from tests.fuzz.limits import bounded, examples
from tests.fuzz.material import documents, nearly, repetitions, values, written

USAGE = {"prompt_tokens": 3, "completion_tokens": "4", "prompt_tokens_details": {"cached_tokens": 1}}
CALL = {"index": 0, "id": "c", "function": {"name": "look", "arguments": '{"a"'}}
ERROR = {"error": {"message": "no", "type": "t", "code": 429, "status": "x", "details": [{"retryDelay": "3.5s"}]}}
CHUNKS = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "he", "reasoning_content": "hm"}}]},
    {"choices": [{"delta": {"content": [{"text": "l"}, {"thinking": [{"text": "?"}]}], "tool_calls": [CALL]}}]},
    {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}], "refusal": "no"}}]},
    {"choices": [{"message": {"content": "whole", "tool_calls": [CALL]}, "finish_reason": "stop"}], "usage": USAGE},
    {"choices": [], "usage": USAGE},
    ERROR,
]
MESSAGES = [
    {"type": "message_start", "message": {"usage": {"input_tokens": 3, "cache_read_input_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "hm"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "he"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "llo"}},
    {"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "id": "c", "name": "look"}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 4}},
    {"type": "message_stop"},
    {"type": "message", "content": [{"type": "tool_use", "name": "look", "input": {}}], "stop_reason": "end_turn"},
    {"type": "error", **ERROR},
]
CANDIDATES = [
    {"candidates": [{"index": 0, "content": {"parts": [{"text": "he"}, {"text": "hm", "thought": True}]}}]},
    {"candidates": [{"content": {"parts": [{"functionCall": {"name": "look", "args": {"a": 1}, "id": "c"}}]}}]},
    {"candidates": [{"content": {"parts": [{"text": "", "thoughtSignature": "s"}]}, "finishReason": "STOP"}]},
    {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4}, "promptFeedback": {"blockReason": "X"}},
    [{"candidates": []}],
    ERROR,
]
LINES = [
    {"message": {"content": "he", "thinking": "hm"}, "done": False},
    {"message": {"tool_calls": [{"function": {"name": "look", "arguments": {"a": 1}}}]}},
    {"message": {}, "done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 4},
    {"error": "no"},
]
ITEM = {"type": "function_call", "id": "i", "call_id": "c", "name": "look", "arguments": "{}"}
EVENTS = [
    {"type": "response.output_item.added", "output_index": 0, "item": ITEM},
    {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": '{"a":1}'},
    {"type": "response.output_item.done", "output_index": 0, "item": {**ITEM, "arguments": '{"a":1}'}},
    {"type": "response.output_item.added", "output_index": 1, "item": {"type": "message", "phase": "commentary"}},
    {"type": "response.output_text.delta", "output_index": 1, "delta": "he"},
    {"type": "response.refusal.delta", "output_index": 1, "delta": "no"},
    {"type": "response.reasoning_summary_text.delta", "output_index": 2, "summary_index": 1, "delta": "hm"},
    {"type": "response.output_item.done", "output_index": 2, "item": {
        "type": "reasoning", "summary": [{"text": "hm"}], "encrypted_content": "e"}},
    {"type": "response.completed", "response": {"output": [ITEM], "status": "completed",
        "usage": {"input_tokens": 3, "output_tokens": 4}}},
    {"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}},
    {"output": [{"type": "message", "content": [{"type": "output_text", "text": "he"}]}, ITEM], "status": "completed"},
    {"type": "error", "code": "x", "message": "no"},
]  # fmt: skip

READERS: dict[Callable[[Callable[[], str]], ReplyReader], list[Any]] = {
    ChunkReader: CHUNKS,
    MessageReader: MESSAGES,
    GenerateContentReader: CANDIDATES,
    ChatReader: LINES,
    ResponseReader: EVENTS,
}
"""What reads a vendor's answers, and pieces of those."""


def new_ids() -> Callable[[], str]:
    """Makes ids."""
    numbers = itertools.count(1)
    return lambda: f"made{next(numbers)}"


class ReaderTests(SynchronousTestCase):
    """Chunks in any order, each nearly right."""

    @examples(225)
    @given(st.data(), st.sampled_from(list(READERS)))
    def test_any_stream(self, data: st.DataObject, make: Any) -> None:
        """There is an answer, or the one declared error; what was told while it came is what the answer says."""
        seeds = READERS[make]
        pieces = data.draw(
            st.lists(documents(*seeds) | st.sampled_from(seeds).map(written) | st.just(b"[DONE]"), max_size=8)
        )
        self.check(make(new_ids()), pieces)

    def test_seeds(self) -> None:
        """All pieces in their order make an answer with everything in it, so the others begin with something."""
        for make, seeds in READERS.items():
            reader = make(new_ids())
            whole = [seed for seed in seeds if isinstance(seed, dict) and not seed.get("error") and "code" not in seed]
            self.assertTrue(self.check(reader, [*map(written, whole), b"[DONE]"]), make)
            reply = reader.reply("p", "m")
            self.assertTrue(reply.text.startswith("he"), (make, reply))
            self.assertEqual(reply.tool_calls[0].name, "look", make)
            self.assertIn("hm", reply.reasoning, make)

    def check(self, reader: ReplyReader, pieces: list[bytes]) -> bool:
        """Read the pieces; whether an answer came of it."""
        events: list[ModelEvent] = []
        with bounded():
            try:
                for piece in pieces:
                    reader.read(piece, events)
                reader.finish(events)
            except UpstreamError as error:
                self.assertIsInstance(error.message, str)
                return False
        reply = reader.reply("p", "m")
        self.assertEqual(reply.text, "".join(event.text for event in events if isinstance(event, TextDelta)))
        self.assertEqual(reply.reasoning, "".join(event.text for event in events if isinstance(event, ReasoningDelta)))
        for index, call in enumerate(reply.tool_calls):
            told = [event for event in events if isinstance(event, ToolCallDelta) and event.index == index]
            self.assertEqual("".join(event.arguments for event in told), call.arguments)
            self.assertEqual((told[0].id, told[0].name), (call.id, call.name))
            self.assertTrue(call.id and call.name)
        self.assertEqual(bool(reply.tool_calls), reply.finish_reason == "tool_calls" or bool(reply.tool_calls))
        if reply.opaque:
            message = AssistantMessage(text=reply.text, opaque=reply.opaque, provider="p", model="m")
            self.assertTrue(unseal(message, reader.api, "p", "m"))
        return True

    @examples(110)
    @given(st.data(), st.sampled_from(list(READERS)))
    def test_any_whole(self, data: st.DataObject, make: Any) -> None:
        """The answer of a provider that did not stream."""
        body = data.draw(documents(*READERS[make]))
        reader, events = make(new_ids()), []
        with bounded():
            try:
                reader.read_whole(body, events)
                reader.finish(events)
            except UpstreamError:
                return
        self.assertEqual(reader.reply("p", "m").text, "".join(e.text for e in events if isinstance(e, TextDelta)))

    @examples(65)
    @given(documents(ERROR, {"error": "no"}, [ERROR], {"detail": {"x": 1}}), st.integers(100, 599))
    def test_errors(self, body: bytes, status: int) -> None:
        """Whatever the shape, there is an error with words and the status."""
        with bounded():
            error = decode_error(status, body)
        self.assertEqual(error.status, status)
        for text in (error.message, error.type, error.code):
            self.assertIsInstance(text, str)

    @examples(65)
    @given(documents({"data": [{"embedding": [1, 0.5], "index": 0}, {"embedding": "AACAPw=="}], "usage": USAGE}))
    def test_vectors(self, body: bytes) -> None:
        """As many vectors as texts, of one length and of numbers, or the one error."""
        with bounded():
            try:
                vectors, _ = decode_reply(body, 2)
            except UpstreamError:
                return
        self.assertEqual(len(vectors), 2)
        self.assertEqual(len({len(vector) for vector in vectors}), 1)


class FramingTests(SynchronousTestCase):
    """Bytes into payloads."""

    @examples(135)
    @given(
        st.sampled_from([SseDecoder, LineDecoder]),
        st.lists(st.sampled_from([b"data: {}", b"data:x", b": ping", b"id: 1", b"\n", b"\r\n", b"\r", b"\xef\xbb\xbf",
            b"event: y", b"data", b" ", b"\xff\xc3"]), max_size=14).map(b"".join),
        st.lists(st.integers(0, 20), max_size=8),
    )  # fmt: skip
    def test_cuts(self, make: Callable[[], Framing], stream: bytes, cuts: list[int]) -> None:
        """However the network cuts a stream, the payloads are those of the whole; and of a plain reader."""
        whole = make()
        expected = whole.feed(stream) + whole.finish()
        decoder, found, rest = make(), [], stream
        for size in cuts:
            found += decoder.feed(rest[:size])
            rest = rest[size:]
        found += decoder.feed(rest) + decoder.finish()
        self.assertEqual(found, expected)
        slowly = make()
        each = [payload for at in range(len(stream)) for payload in slowly.feed(stream[at : at + 1])]
        self.assertEqual(each + slowly.finish(), expected)
        self.assertEqual(expected, plain_events(stream) if make is SseDecoder else plain_lines(stream))

    @examples(25)
    @given(st.sampled_from([SseDecoder, LineDecoder]), st.lists(st.binary(max_size=40), max_size=12))
    def test_bounded(self, make: Callable[[int], Framing], pieces: list[bytes]) -> None:
        """What is held has a bound; over it there is the declared error."""
        decoder = make(50)
        try:
            for piece in pieces:
                decoder.feed(piece)
        except GatewayError as error:
            self.assertEqual(error.info.code, "provider_error")
            self.assertGreater(sum(map(len, pieces)), 40)

    @examples(15)
    @given(st.sampled_from([SseDecoder, LineDecoder]), repetitions('data: \r\n{}[]"\\,x'))
    def test_long(self, make: Callable[[], Framing], text: str) -> None:
        """In one piece or in many small ones, time goes with the length."""
        data = text.encode()
        for size in (len(data), 7):
            decoder = make()
            with bounded():
                for start in range(0, len(data), size):
                    decoder.feed(data[start : start + size])
                decoder.finish()


def plain_events(stream: bytes) -> list[bytes]:
    """Server-sent events as the standard tells it, and the last one without its blank line."""
    lines = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    found: list[bytes] = []
    data: list[bytes] = []
    for line in [*lines, b""]:
        name, _, value = line.partition(b":")
        if not line and data:
            found.append(b"\n".join(data))
            data = []
        elif line and name == b"data":
            data.append(value.removeprefix(b" "))
    return found


def plain_lines(stream: bytes) -> list[bytes]:
    """Lines that are not blank."""
    return [line.strip() for line in stream.split(b"\n") if line.strip()]


class KeptTests(SynchronousTestCase):
    """What goes back to a vendor."""

    @examples(45)
    @given(st.lists(st.tuples(st.sampled_from(["thought", "text", "call"]), values), max_size=4))
    def test_sealed(self, pieces: list[tuple[Any, Any]]) -> None:
        """It comes out as it went in, for its own model alone."""
        kept = [Piece(kind=kind, data=json_only(data)) for kind, data in pieces]
        message = AssistantMessage(opaque=seal("api", kept), provider="p", model="m")
        if message.opaque:
            self.assertEqual(unseal(message, "api", "p", "m"), kept)
        for other in (("other", "p", "m"), ("api", "q", "m"), ("api", "p", "n")):
            self.assertEqual(unseal(message, *other), [])

    @examples(65)
    @given(documents({"api": "api", "pieces": [{"kind": "text", "data": {"a": 1}}]}))
    def test_any_opaque(self, text: bytes) -> None:
        """What can not be read is nothing."""
        message = AssistantMessage(opaque=text.decode("utf-8", "replace"), provider="p", model="m")
        with bounded():
            self.assertIsInstance(unseal(message, "api", "p", "m"), list)

    @examples(45)
    @given(nearly({"a": 1}))
    def test_arguments(self, value: Any) -> None:
        """Arguments of a call are an object for vendors that want one, whatever the model wrote."""
        with bounded():
            self.assertIsInstance(as_object(written(value).decode("ascii")), dict)


def json_only(value: Any) -> Any:
    """Without numbers and texts that JSON has not."""
    try:
        return json.loads(json.dumps(value, allow_nan=False).encode().decode("unicode_escape").encode("utf-8"))
    except (ValueError, UnicodeError):
        return None
