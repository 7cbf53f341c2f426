# -*- test-case-name: tests.wire.test_openai_completions -*-
"""The codec of OpenAI's Chat Completions as spoken by model servers, good ones and odd ones."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.values import (
    AssistantMessage,
    ImagePart,
    ModelEvent,
    ModelReply,
    ReasoningDelta,
    Sampling,
    TextDelta,
    ToolCall,
    ToolChoice,
    ToolResultMessage,
    ToolSpec,
    Usage,
)
from openclaw_tx.wire.history import IMAGE_OMITTED, NO_RESULT
from openclaw_tx.wire.openai_chunks import ChunkReader
from openclaw_tx.wire.openai_completions import Dialect, encode_request
from openclaw_tx.wire.replies import MAX_TOOL_CALLS
from openclaw_tx.wire.upstream import UpstreamError
from tests.wire.vendors import again, encoder, result, told_calls, user

WEATHER = ToolSpec(name="get_weather", description="d", parameters={"type": "object"})


encoded = encoder(encode_request, Dialect())


class EncodeTests(SynchronousTestCase):
    """L{encode_request}."""

    def test_least(self) -> None:
        """Nothing is sent that was not asked for, but the wish for a stream and its usage."""
        self.assertEqual(
            encoded(user("hi"), system="S"),
            {
                "model": "m",
                "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "hi"}],
                "stream": True,
                "stream_options": {"include_usage": True},
            },
        )

    def test_dialect(self) -> None:
        """Each field of a dialect decides what it says it does."""
        dialect = Dialect(
            max_tokens_field="max_completion_tokens",
            developer_role=True,
            store=True,
            usage_in_streaming=False,
            reasoning_effort=False,
            return_progress=True,
        )
        body = encoded(user("hi"), system="S", dialect=dialect, sampling=Sampling(max_tokens=5, reasoning_effort="low"))
        self.assertEqual(body["messages"][0]["role"], "developer")
        self.assertEqual(
            {name: value for name, value in body.items() if name not in ("messages", "model")},
            {"stream": True, "store": False, "return_progress": True, "max_completion_tokens": 5},
        )

    def test_sampling(self) -> None:
        """Every parameter goes out under OpenAI's name; zeros are values."""
        sampling = Sampling(
            max_tokens=9,
            temperature=0.0,
            top_p=0.5,
            frequency_penalty=0.0,
            presence_penalty=-1.0,
            seed=0,
            stop=("a", "b"),
            response_format={"type": "json_object"},
            reasoning_effort="low",
            parallel_tool_calls=False,
        )
        body = encoded(user("hi"), sampling=sampling, tools=(WEATHER,))
        wanted = {name: getattr(sampling, name) for name in Sampling.__struct_fields__} | {"stop": ["a", "b"]}
        self.assertEqual({name: body[name] for name in wanted}, wanted)
        self.assertNotIn("parallel_tool_calls", encoded(user("hi"), sampling=sampling))

    def test_tools(self) -> None:
        """Tools and each way to choose; without tools there is no choice."""
        strict = ToolSpec(name="t", description="", parameters={}, strict=True)
        body = encoded(user("hi"), tools=(WEATHER, strict))
        self.assertEqual(
            body["tools"],
            [
                {
                    "type": "function",
                    "function": {"name": "get_weather", "description": "d", "parameters": {"type": "object"}},
                },
                {
                    "type": "function",
                    "function": {
                        "name": "t",
                        "description": "",
                        "parameters": {"type": "object", "properties": {}},
                        "strict": True,
                    },
                },
            ],
        )
        self.assertNotIn("tool_choice", body)
        for choice, shaped in (
            (ToolChoice(mode="none"), "none"),
            (ToolChoice(mode="required"), "required"),
            (ToolChoice(mode="named", name="t"), {"type": "function", "function": {"name": "t"}}),
        ):
            self.assertEqual(encoded(user("hi"), tools=(strict,), tool_choice=choice)["tool_choice"], shaped)
        self.assertNotIn("tool_choice", encoded(user("hi"), tool_choice=ToolChoice(mode="required")))

    def test_images(self) -> None:
        """An image goes as a data URI to a model that sees; one that does not is told so."""
        picture = ImagePart(data="QUJD", mime_type="image/png")
        seeing = encoded(user("look", picture), dialect=Dialect(images=True))["messages"][0]["content"]
        self.assertEqual(
            seeing,
            [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
            ],
        )
        self.assertEqual(encoded(user("look", picture))["messages"][0]["content"], f"look\n{IMAGE_OMITTED}")
        self.assertEqual(encoded(user("a", "b"), dialect=Dialect(images=True))["messages"][0]["content"], "a\nb")

    def test_images_of_tools(self) -> None:
        """A tool's message can not hold images: they follow as a user's, when all results of the turn are told."""
        picture = ImagePart(data="QUJD", mime_type="image/png")
        calls = tuple(ToolCall(id=name, name="read", arguments="{}") for name in ("1", "2"))
        messages = encoded(
            user("look"),
            AssistantMessage(tool_calls=calls),
            ToolResultMessage(tool_call_id="1", tool_name="read", text="one", images=(picture,)),
            ToolResultMessage(tool_call_id="2", tool_name="read", text="two"),
            dialect=Dialect(images=True),
        )["messages"]
        self.assertEqual([message["role"] for message in messages], ["user", "assistant", "tool", "tool", "user"])
        self.assertEqual(
            messages[-1]["content"],
            [
                {"type": "text", "text": "Images from the tool read:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
            ],
        )

    def test_tool_round(self) -> None:
        """Calls and results keep their ids; thinking is never sent back; empty arguments become an object."""
        messages = encoded(
            user("w?"),
            AssistantMessage(reasoning="hm", tool_calls=(ToolCall(id="1", name="get_weather", arguments=""),)),
            ToolResultMessage(tool_call_id="1", text="sunny"),
        )["messages"]
        self.assertEqual(
            messages[1:],
            [
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
                    ],
                },
                {"role": "tool", "tool_call_id": "1", "content": "sunny"},
            ],
        )

    def test_cache_key(self) -> None:
        """The conversation's name goes out as a digest, where that is known to be understood."""
        key = encoded(user("hi"), session="s", dialect=Dialect(prompt_cache_key=True))["prompt_cache_key"]
        self.assertRegex(key, r"^[0-9a-f]{32}$")
        self.assertNotIn("prompt_cache_key", encoded(user("hi"), session="s"))
        self.assertNotIn("prompt_cache_key", encoded(user("hi"), dialect=Dialect(prompt_cache_key=True)))

    def test_mistral_ids(self) -> None:
        """Nine letters or digits, in calls and results alike."""
        call = ToolCall(id="call_1", name="f", arguments="{}")
        messages = encoded(
            user("x"),
            AssistantMessage(tool_calls=(call,)),
            ToolResultMessage(tool_call_id="call_1", text="r"),
            dialect=Dialect(mistral_tool_ids=True),
        )["messages"]
        self.assertRegex(messages[1]["tool_calls"][0]["id"], r"^[A-Za-z0-9]{9}$")
        self.assertEqual(messages[2]["tool_call_id"], messages[1]["tool_calls"][0]["id"])

    def test_short_ids(self) -> None:
        """OpenAI takes 40 characters; other vendors' ids, which are in the conversation as well, may have more."""

        def ids(given: str, dialect: Dialect, model: str = "m") -> tuple[str, str]:
            said = AssistantMessage(tool_calls=(ToolCall(id=given, name="f", arguments="{}"),))
            answer = ToolResultMessage(tool_call_id=given, text="r")
            messages = encoded(user("x"), said, answer, dialect=dialect, model=model)["messages"]
            return messages[1]["tool_calls"][0]["id"], messages[2]["tool_call_id"]

        short = Dialect(short_tool_ids=True)
        self.assertEqual(ids("c" * 40, short), ("c" * 40, "c" * 40))
        made, answered = ids("c" * 41, short)
        self.assertRegex(made, r"^[0-9a-f]{32}$")
        self.assertEqual(made, answered)
        self.assertEqual(ids("c" * 41, Dialect(), "openai/gpt-5"), (made, made))
        self.assertEqual(ids("c" * 41, Dialect()), ("c" * 41, "c" * 41))

    def test_broken_history_is_mended(self) -> None:
        """A call without result, a result without call and an empty answer: providers refuse them, so none goes out."""
        calls = (ToolCall(id="1", name="a", arguments="{}"), ToolCall(id="2", name="b", arguments="{}"))
        messages = encoded(
            ToolResultMessage(tool_call_id="0", tool_name="z", text="late"),
            AssistantMessage(),
            AssistantMessage(text="x", tool_calls=calls),
            ToolResultMessage(tool_call_id="2", text="two"),
            user("go on"),
            AssistantMessage(tool_calls=calls[:1]),
        )["messages"]
        self.assertEqual(
            [(m["role"], m.get("tool_call_id"), m["content"]) for m in messages],
            [
                ("user", None, "Result of the tool z:\nlate"),
                ("assistant", None, "x"),
                ("tool", "1", NO_RESULT),
                ("tool", "2", "two"),
                ("user", None, "go on"),
                ("assistant", None, None),
                ("tool", "1", NO_RESULT),
            ],
        )


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    """A chunk with one choice."""
    return json.dumps({"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **more}).encode()


def calls(*pieces: dict[str, Any]) -> bytes:
    """A chunk with pieces of tool calls."""
    return chunk({"tool_calls": list(pieces)})


def read(*payloads: bytes) -> tuple[list[ModelEvent], ModelReply]:
    """Everything that a stream of these payloads says."""
    numbers = count(1)
    reader = ChunkReader(lambda: f"made-{next(numbers)}")
    events: list[ModelEvent] = []
    for payload in payloads:
        reader.read(payload, events)
    reader.finish(events)
    return events, reader.reply("p", "m")


class ReadTests(SynchronousTestCase):
    """L{ChunkReader}."""

    def test_text(self) -> None:
        """Deltas come out one by one, equal ones too; null content and choices that are empty or null say nothing."""
        events, reply = read(
            chunk({"role": "assistant", "content": None}),
            chunk({"content": "ha"}),
            chunk({"content": "ha"}),
            b'{"choices":[]}',
            b'{"choices":null,"x":1}',
            chunk({"content": ""}, "stop"),
            b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}',
            b"[DONE]",
        )
        self.assertEqual(events, [TextDelta(text="ha"), TextDelta(text="ha")])
        self.assertEqual(
            reply,
            ModelReply(
                text="haha",
                reasoning="",
                tool_calls=(),
                finish_reason="stop",
                usage=Usage(prompt_tokens=3, completion_tokens=2),
                provider="p",
                model="m",
            ),
        )

    def test_text_with_the_finish(self) -> None:
        """Text in the chunk that also ends the answer is not lost, nor is text that starts with C{<}."""
        self.assertEqual(read(chunk({"content": "<b"}), chunk({"content": "ye"}, "stop"))[1].text, "<bye")

    def test_snapshot(self) -> None:
        """A last chunk that repeats the whole answer does not double it, in C{delta} or in C{message}."""
        parts = [chunk({"content": "The quick brown fox "}), chunk({"content": "jumps over the lazy dog."})]
        whole = "The quick brown fox jumps over the lazy dog."
        self.assertEqual(read(*parts, chunk({"content": whole}, "stop"))[1].text, whole)
        last = json.dumps({"choices": [{"message": {"content": whole}, "finish_reason": "stop"}]}).encode()
        self.assertEqual(read(*parts, last)[1].text, whole)
        self.assertEqual(read(last)[1].text, whole)

    def test_reasoning(self) -> None:
        """Both names for thinking, not twice when both come; a list of parts holds text and thinking."""
        events, reply = read(
            chunk({"reasoning_content": "a", "reasoning": "a"}),
            chunk({"reasoning": "b"}),
            chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "c"}]}, 5]}),
            chunk({"content": [{"type": "text", "text": "d"}], "reasoning": {"odd": 1}}, "stop"),
        )
        self.assertEqual(
            events,
            [ReasoningDelta(text="a"), ReasoningDelta(text="b"), ReasoningDelta(text="c"), TextDelta(text="d")],
        )
        self.assertEqual((reply.reasoning, reply.text), ("abc", "d"))

    def test_refusal_is_text(self) -> None:
        """OpenAI's refusal is what the model said."""
        self.assertEqual(read(chunk({"refusal": "no"}), chunk({}, "stop"))[1].text, "no")

    def test_usage(self) -> None:
        """Cached and reasoning tokens; numbers as text; what is no number is unknown, not 0."""
        usage = {
            "prompt_tokens": "12",
            "completion_tokens": 3.0,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 2},
        }
        self.assertEqual(
            read(chunk({"content": "x"}, "stop", usage=usage))[1].usage,
            Usage(prompt_tokens=12, completion_tokens=3, cached_tokens=0, reasoning_tokens=2),
        )
        for odd in (None, "many", [], {"prompt_tokens": -1, "completion_tokens": True, "prompt_tokens_details": 3}):
            self.assertEqual(read(chunk({"content": "x"}, "stop", usage=odd))[1].usage, Usage())
        inside = {"choices": [{"delta": {}, "finish_reason": "stop", "usage": {"prompt_tokens": 4}}]}
        self.assertEqual(read(json.dumps(inside).encode())[1].usage, Usage(prompt_tokens=4))
        hit = {"prompt_tokens": 9, "prompt_cache_hit_tokens": 5}
        self.assertEqual(read(chunk({}, "stop", usage=hit))[1].usage.cached_tokens, 5)

    def test_parallel_calls(self) -> None:
        """Two calls, interleaved by index: id and name once, arguments joined, C{{}} for none."""
        events, reply = read(
            calls(
                {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
                {"index": 1, "id": "b", "function": {"name": "g"}},
            ),
            calls({"index": 0, "function": {"arguments": '{"x":'}}),
            calls({"index": 1, "id": "b", "function": {"name": "g", "arguments": None}}),
            calls({"index": 0, "id": "", "function": {"name": None, "arguments": "1}"}}),
            chunk({}, "tool_calls"),
            b"[DONE]",
        )
        wanted = [ToolCall(id="a", name="f", arguments='{"x":1}'), ToolCall(id="b", name="g", arguments="{}")]
        self.assertEqual(list(reply.tool_calls), wanted)
        self.assertEqual(told_calls(events), wanted)
        self.assertEqual(reply.finish_reason, "tool_calls")

    def test_goes_back(self) -> None:
        """Thinking goes back with the calls that it led to, and what stood beside a call with that; to nobody else."""
        extra = {"google": {"thought_signature": "signed"}}
        function = {"name": "f", "arguments": "{}"}
        reply = read(
            chunk({"reasoning_content": "h"}),
            chunk({"content": "x", "reasoning_content": "m"}),
            calls({"index": 0, "id": "a", "function": function, "extra_content": extra}),
            calls({"index": 1, "id": "b", "function": function}),
            b"[DONE]",
        )[1]
        talk = (user("hi"), again(reply), result("r", "a"), result("r", "b"))
        said = encoded(*talk, dialect=Dialect(provider="p"))["messages"][1]
        self.assertEqual((said["content"], said["reasoning_content"]), ("x", "hm"))
        self.assertEqual([call.get("extra_content") for call in said["tool_calls"]], [extra, None])
        for dialect, model in ((Dialect(provider="q"), "m"), (Dialect(provider="p"), "n"), (Dialect(), "m")):
            said = encoded(*talk, dialect=dialect, model=model)["messages"][1]
            self.assertNotIn("reasoning_content", said)
            self.assertNotIn("extra_content", said["tool_calls"][0])
        other = read(chunk({"reasoning": "hm"}), calls({"index": 0, "id": "a", "function": function}), b"[DONE]")[1]
        self.assertEqual((other.reasoning, other.opaque), ("hm", ""))

    def test_odd_calls(self) -> None:
        """Ids that are missing, numbers or late, arguments as objects, indexes that are missing or all the same."""
        for pieces, wanted in (
            ([{"index": 0, "function": {"name": "f", "arguments": "{}"}}], [("made-1", "f", "{}")]),
            ([{"id": 7, "function": {"name": "f", "arguments": {"a": 1}}}], [("7", "f", '{"a":1}')]),
            (
                [
                    {"id": "a", "function": {"name": "f"}},
                    {"function": {"arguments": "[1"}},
                    {"function": {"arguments": "]"}},
                ],
                [("a", "f", "[1]")],
            ),
            (
                [
                    {"index": 0, "function": {"name": "f", "arguments": '{"x":1}'}},
                    {"index": 0, "function": {"name": "f", "arguments": '{"x":'}},
                    {"index": 0, "function": {"name": "f", "arguments": "2}"}},
                    {"index": 0, "id": "", "function": {"name": "g", "arguments": {}}},
                    {"index": 0, "function": {"name": "g", "arguments": ""}},
                ],
                [("made-1", "f", '{"x":1}'), ("made-2", "f", '{"x":2}'), ("made-3", "g", "{}")],
            ),
            (
                [{"function": {"name": "f", "arguments": "1"}}, {"function": {"name": "f", "arguments": "2"}}],
                [("made-1", "f", "1"), ("made-2", "f", "2")],
            ),
            (
                [
                    {"index": 0, "id": "a", "function": {"name": "f", "arguments": "1"}},
                    {"index": 0, "id": "b", "function": {"name": "g", "arguments": "2"}},
                    {"index": 0, "function": {"arguments": "3"}},
                ],
                [("a", "f", "1"), ("b", "g", "23")],
            ),
            (
                [
                    {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x":'}},
                    {"index": 1, "id": "a", "function": {"name": "g", "arguments": '{"y":'}},
                    {"index": 1, "id": "a", "function": {"name": "g", "arguments": "2}"}},
                    {"index": 0, "id": "a", "function": {"name": "f", "arguments": "1}"}},
                ],
                [("a", "f", '{"x":1}'), ("made-1", "g", '{"y":2}')],
            ),
            (
                [
                    {"id": "a", "function": {"name": "f", "arguments": '{"x":1}'}},
                    {"id": "a", "function": {"name": "f", "arguments": '{"y":'}},
                    {"id": "a", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "a", "function": {"arguments": "}"}},
                ],
                [("a", "f", '{"x":1}'), ("made-1", "f", '{"y":{}}')],
            ),
            (
                [
                    {"index": "1", "id": "a", "function": {"arguments": "1"}},
                    {"index": "1", "function": {"name": "f", "arguments": "2"}},
                ],
                [("a", "f", "12")],
            ),
        ):
            events, reply = read(*(calls(piece) for piece in pieces), b"[DONE]")
            shaped = [ToolCall(id=a, name=b, arguments=c) for a, b, c in wanted]
            self.assertEqual(list(reply.tool_calls), shaped)
            self.assertEqual(told_calls(events), shaped)

    def test_one_id_for_two_calls_in_a_whole_reply(self) -> None:
        """Where calls have no index."""
        function = {"name": "f", "arguments": '{"x":1}'}
        message = {"content": None, "tool_calls": [{"id": "a", "type": "function", "function": function}] * 2}
        body = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
        reader, events = ChunkReader(lambda: "made"), []  # type: ignore[var-annotated]
        reader.read_whole(json.dumps(body).encode(), events)
        reader.finish(events)
        wanted = [ToolCall(id=each, name="f", arguments='{"x":1}') for each in ("a", "made")]
        self.assertEqual(list(reader.reply("p", "m").tool_calls), wanted)
        self.assertEqual(told_calls(events), wanted)

    def test_call_without_name(self) -> None:
        """What can not be called is an error, not a silent nothing."""
        self.assertRaises(UpstreamError, read, calls({"index": 0, "id": "a"}), b"[DONE]")

    def test_too_many_calls(self) -> None:
        """A model that calls without end is stopped."""
        flood = [calls({"index": n, "function": {"name": "f"}}) for n in range(MAX_TOOL_CALLS + 1)]
        self.assertRaises(UpstreamError, read, *flood)

    def test_finish_reasons(self) -> None:
        """Foreign words are translated; the reason fits what was said; a missing one is made up after [DONE]."""
        call = calls({"index": 0, "id": "a", "function": {"name": "f"}})
        for reason, wanted in (
            ("stop", "stop"),
            ("length", "length"),
            ("max_tokens", "length"),
            ("content_filter", "content_filter"),
            ("eos", "stop"),
            ("tool_calls", "stop"),
        ):
            self.assertEqual(read(chunk({"content": "x"}, reason))[1].finish_reason, wanted)
        for reason, wanted in (("stop", "tool_calls"), ("function_call", "tool_calls"), ("length", "length")):
            self.assertEqual(read(call, chunk({}, reason))[1].finish_reason, wanted)
        self.assertEqual(read(call, b"[DONE]")[1].finish_reason, "tool_calls")
        self.assertEqual(read(chunk({"content": "x"}), b"[DONE]")[1].finish_reason, "stop")

    def test_cut_off(self) -> None:
        """Without [DONE] or a finish reason the answer is not complete, whatever it says."""
        for payloads in ((), (chunk({"content": "x"}),), (calls({"index": 0, "id": "a", "function": {"name": "f"}}),)):
            self.assertRaises(UpstreamError, read, *payloads)
        for reason in ("error", "abort"):
            self.assertRaises(UpstreamError, read, chunk({"content": "x"}, reason), b"[DONE]")

    def test_no_errors(self) -> None:
        """A message beside a code that says that all is well, or beside an answer."""
        for fine in ({"code": 200, "message": "success"}, {"code": 0, "message": "ok"}, {"message": "hello"}):
            self.assertEqual(read(json.dumps(fine).encode(), chunk({"content": "x"}), b"[DONE]")[1].text, "x")
        self.assertEqual(read(chunk({"content": "x"}, "stop", code=1, message="m"), b"[DONE]")[1].text, "x")

    def test_errors(self) -> None:
        """Error objects in each shape that servers send in mid-stream."""
        for payload, wanted in (
            ({"error": {"message": "m", "type": "t", "code": None}}, ("m", None, "t", "")),
            ({"error": {"message": "m", "code": 429}}, ("m", 429, "", "429")),
            ({"error": "m"}, ("m", None, "", "")),
            ({"object": "error", "message": "m", "type": "t", "code": 400}, ("m", 400, "t", "400")),
            (
                {"code": "DataInspectionFailed", "message": "m", "request_id": "r"},
                ("m", None, "", "DataInspectionFailed"),
            ),
            ({"error": {"message": "m", "code": "c"}, "choices": [{"finish_reason": "error"}]}, ("m", None, "", "c")),
        ):
            error = self.assertRaises(UpstreamError, read, json.dumps(payload).encode())
            self.assertEqual((error.message, error.status, error.type, error.code), wanted)
        self.assertEqual(read(chunk({"content": "x"}, "stop", error=None))[1].text, "x")

    def test_unreadable(self) -> None:
        """Broken JSON, wrong types, invalid UTF-8 and deep nesting are errors of the provider."""
        deep = b'{"error":' + b"[" * 5000 + b"]" * 5000 + b"}"
        for payload in (b"{", b"[]", b'"x"', b'{"choices":3}', b'{"choices":[{"delta":{"content":1}}]}', b"\xff", deep):
            self.assertRaises(UpstreamError, read, payload, b"[DONE]")

    def test_nothing_counts_after_done(self) -> None:
        """[DONE] is the end, with blanks around it too; empty payloads and progress are no events."""
        events, reply = read(b"", b" ", b'{"prompt_progress":{"total":5}}', chunk({"content": "x"}), b" [DONE]", b"{")
        self.assertEqual((events, reply.text), ([TextDelta(text="x")], "x"))

    def test_other_candidates(self) -> None:
        """Only the first candidate is the answer."""
        two = {"choices": [{"index": 1, "delta": {"content": "no"}}, {"index": 0, "delta": {"content": "yes"}}]}
        self.assertEqual(read(json.dumps(two).encode(), b"[DONE]")[1].text, "yes")

    def test_whole_reply(self) -> None:
        """A reply that was not streamed says the same."""
        call = {"id": "a", "function": {"name": "f", "arguments": "{}"}}
        message = {"content": "x", "reasoning_content": "r", "tool_calls": [call, {**call, "id": "b"}]}
        body = {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 1}}
        reader = ChunkReader(lambda: "new")
        events: list[ModelEvent] = []
        reader.read_whole(json.dumps(body).encode(), events)
        reader.finish(events)
        reply = reader.reply("p", "m")
        self.assertEqual((reply.text, reply.reasoning, reply.usage), ("x", "r", Usage(prompt_tokens=1)))
        self.assertEqual([made.id for made in reply.tool_calls], ["a", "b"])
        self.assertEqual(told_calls(events), list(reply.tool_calls))
        for odd in (b"{}", b'{"choices":[]}', b'{"error":"x"}', b"<html>"):
            self.assertRaises(UpstreamError, ChunkReader(lambda: "new").read_whole, odd, [])

    @given(
        st.binary(max_size=60)
        | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps).map(str.encode)
    )
    def test_any_bytes(self, payload: bytes) -> None:
        """Whatever comes, it is read or it is the provider's error."""
        try:
            ChunkReader(lambda: "new").read(payload, [])
        except UpstreamError:
            pass
