# -*- test-case-name: tests.wire.test_openai_chat -*-
"""Chat completion requests: bytes to values."""

from __future__ import annotations

import base64
import json
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.shared import ReasoningEffort

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import (
    AssistantMessage,
    ImagePart,
    Sampling,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolResultMessage,
    ToolSpec,
    UserMessage,
)
from openclaw_tx.wire.large_json import LARGE
from openclaw_tx.wire.openai_chat import ChatRequest, parse
from openclaw_tx.wire.openai_fields import EFFORTS

WEATHER = {"type": "function", "function": {"name": "get_weather"}}
OPTIONAL = (
    *("model", "user", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p"),
    *("frequency_penalty", "presence_penalty", "seed", "stop", "response_format", "reasoning_effort"),
    *("parallel_tool_calls", "tools", "tool_choice", "n", "logprobs", "top_logprobs", "modalities", "audio"),
    *("functions", "function_call", "logit_bias", "store", "metadata"),
)
WORDS = ("user", "assistant", "tool", "text", "image_url", "function")
KEYS = ("role", "content", "type", "url", "tool_calls", "name", "id", *WORDS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner | st.sampled_from(WORDS), max_size=4)
    ),
    max_leaves=20,
)
MAGIC = b"\x89PNG\r\n\x1a\n"
PNG = "data:image/png;base64," + base64.b64encode(MAGIC).decode()


def read(*messages: Any, **fields: Any) -> ChatRequest:
    """Parse a request with these messages and fields."""
    return parse(json.dumps({"messages": list(messages), **fields}).encode())


def user(content: Any) -> dict[str, Any]:
    """A user entry."""
    return {"role": "user", "content": content}


def said(text: str) -> UserMessage:
    """A user message."""
    return UserMessage(content=(TextPart(text=text),))


def image(url: Any = PNG) -> dict[str, Any]:
    """An image part."""
    return {"type": "image_url", "image_url": {"url": url}}


class RefusedMixin(SynchronousTestCase):
    """Looks at refusals."""

    def refused(self, body: Any, message: str, param: str | None, code: str = "invalid_request") -> None:
        """C{body} (bytes, or fields) is refused with exactly this."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        error = self.assertRaises(GatewayError, parse, data)
        self.assertEqual((str(error), error.info.param, error.info.code), (message, param, code))


class BodyTests(RefusedMixin):
    """Bytes that are a request, and bytes that are not."""

    def test_empty_body_is_an_empty_object(self) -> None:
        """Which then lacks a message."""
        for body in (b"", b"  \r\n", b"{}"):
            request = parse(body)
            self.assertEqual((request.model, request.messages, request.stream), (None, (), False))
            error = self.assertRaises(GatewayError, request.require_message)
            self.assertEqual(str(error), "Missing user message in `messages`.")
            self.assertEqual(error.info.param, "messages")

    def test_not_an_object(self) -> None:
        """The text names what came instead."""
        for body, kind in ((b"[1]", "array"), (b"null", "null"), (b'"hi"', "string"), (b"3", "number")):
            self.refused(body, f"Invalid input: expected object, received {kind}", None)

    def test_t36_hostile_bytes(self) -> None:
        """Broken JSON, NaN, bad UTF-8, endless nesting and numbers: one clear refusal each."""
        for body in (
            b"{",
            b'{"messages": [1,]}',
            b'{"temperature": NaN}',
            b'{"temperature": Infinity}',
            b'{"temperature": 1e999}',
            b'{"user": "\xff"}',
            b'{"messages": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
            b'{"messages": ' + b'{"a":' * 10_000,
            b"\xef\xbb\xbf{}",
            b"messages=hi",
        ):
            error = self.assertRaises(GatewayError, parse, body)
            self.assertEqual(error.info.code, "invalid_request", body[:40])
            self.assertLess(len(str(error)), 200)
        self.refused(b'{"temperature": -1e999}', "The body is not valid JSON: a number is out of range", None)

    def test_t36_half_surrogates(self) -> None:
        """They are U+FFFD, as when JavaScript reads them and sends them on; whatever the size of the body."""
        for pad in ("", "x" * LARGE):
            body = b'{"user": "\\ud800", "messages": [{"role": "user", "content": "a\\ud83d%b"}]}' % pad.encode()
            request = parse(body)
            self.assertEqual((request.user, request.messages), ("\ufffd", (said("a\ufffd" + pad),)))
        self.refused(b'{"user": "\\ud800}', "The body is not valid JSON: Input data was truncated", None)

    def test_t36_duplicate_keys(self) -> None:
        """The last one counts, as in JavaScript: what was checked is what is used."""
        request = parse(b'{"user": 5, "user": "a", "messages": [], "messages": [{"role":"user","content":"x"}]}')
        self.assertEqual((request.user, request.messages), ("a", (said("x"),)))

    def test_wrong_types(self) -> None:
        """Each field has the recorded gateway's text and is named."""
        for fields, message in (
            ({"messages": "hi"}, "messages: Invalid input: expected array, received string"),
            ({"model": 7}, "model: Invalid input: expected string, received number"),
            ({"user": 5}, "user: Invalid input: expected string, received number"),
            ({"stream": "yes"}, "stream: Invalid input: expected boolean, received string"),
            ({"stream": 1}, "stream: Invalid input: expected boolean, received number"),
            ({"tools": {}}, "tools: Invalid input: expected array, received object"),
            ({"stream_options": True}, "stream_options: Invalid input: expected object, received boolean"),
        ):
            self.refused(fields, message, next(iter(fields)))
        self.refused(
            {"stream": True, "stream_options": {"include_usage": "x"}},
            "stream_options.include_usage: Invalid input: expected boolean, received string",
            "stream_options.include_usage",
        )

    def test_longest_model(self) -> None:
        """It is echoed with every chunk, so it has a bound."""
        self.assertEqual(read(user("x"), model="m" * 256).model, "m" * 256)
        self.refused({"model": "m" * 257}, "`model` has at most 256 characters.", "model")

    def test_null_is_absent(self) -> None:
        """T33: every optional field may be null."""
        request = read(user("x"), **dict.fromkeys(OPTIONAL))
        self.assertEqual(request.sampling, Sampling())
        self.assertEqual((request.tools, request.tool_choice, request.stream), ((), ToolChoice(), False))

    def test_stream_and_usage(self) -> None:
        """The two switches of a stream."""
        request = read(user("x"), stream=True, stream_options={"include_usage": True})
        self.assertTrue(request.stream and request.options.include_usage)
        self.assertFalse(read(user("x"), stream=True, stream_options={}).options.include_usage)

    def test_t32_what_is_refused(self) -> None:
        """Fields that would change the meaning of the answer are refused by name..."""
        for fields, param in (
            ({"n": 2}, "n"),
            ({"n": 1.5}, "n"),
            ({"n": 0}, "n"),
            ({"logprobs": True}, "logprobs"),
            ({"top_logprobs": 5}, "top_logprobs"),
            ({"modalities": ["text", "audio"]}, "modalities"),
            ({"audio": {"voice": "x"}}, "audio"),
            ({"functions": [{"name": "f"}]}, "functions"),
            ({"function_call": "auto"}, "function_call"),
            ({"logit_bias": {"1": -100}}, "logit_bias"),
            ({"web_search_options": {"a": 1}}, "web_search_options"),
            ({"web_search_options": {}}, "web_search_options"),
            ({"audio": {}}, "audio"),
            ({"function_call": {}}, "function_call"),
        ):
            error = self.assertRaises(GatewayError, read, user("x"), **fields)
            self.assertEqual((error.info.code, error.info.param), ("unsupported_parameter", param))
            self.assertIn(f"`{param}`", str(error))
        self.refused({"n": "2"}, "n: Invalid input: expected number, received string", "n")
        self.refused({"n": True}, "n: Invalid input: expected number, received boolean", "n")

    def test_t32_what_is_ignored(self) -> None:
        """...and harmless ones are not, whatever is in them."""
        request = read(
            user("x"),
            n=1,
            logprobs=False,
            modalities=["text"],
            functions=[],
            logit_bias={},
            store=True,
            metadata={"a": "b"},
            service_tier="auto",
            prediction={},
            whatever=[1],
        )
        self.assertEqual(request.messages, (said("x"),))
        self.assertEqual(read(user("x"), n=1.0).messages, (said("x"),))

    @given(JSON)
    @settings(max_examples=150, deadline=None, database=None)
    def test_anything_at_all(self, value: Any) -> None:
        """Whatever JSON comes, the answer is a request or a refusal, never another exception."""
        for body in (value, {"messages": value, "tools": value}, {"messages": [value], "tool_choice": value}):
            try:
                parse(json.dumps(body).encode())
            except GatewayError:
                pass


class MessageTests(RefusedMixin):
    """Which messages count, what they say, which is current (spec 1.1)."""

    def test_text_extraction(self) -> None:
        """Strings as they are; text parts joined by newlines; other parts of earlier turns say nothing."""
        parts = [
            {"type": "text", "text": "a"},
            {"type": "input_text", "text": "b"},
            {"type": "whatever", "input_text": "c"},
            {"type": "refusal", "refusal": "no"},
            {"type": "text", "text": 5},
            "d",
            None,
        ]
        request = read(user(parts), {"role": "assistant", "content": "A"}, user("now"))
        self.assertEqual(request.messages, (said("a\nb\nc"), AssistantMessage(text="A"), said("now")))
        self.assertEqual(read(user(parts[:3])).messages, (said("a\nb\nc"),))
        self.assertEqual(read(user("  x ")).messages, (said("  x "),))

    def test_skipped_entries(self) -> None:
        """No objects, unknown roles, and entries that say nothing."""
        request = read("hi", 5, None, [], {"role": "robot", "content": "x"}, {"content": "x"}, user(""), user("  "))
        self.assertEqual(request.messages, ())
        for content in (None, [], [{"type": "text", "text": " "}], {"a": 1}, 5):
            self.assertEqual(read(user(content)).messages, (), content)

    def test_t34_system_and_developer(self) -> None:
        """Both go to the system prompt, in order, wherever they stand."""
        request = read(
            {"role": "system", "content": "one"},
            user("x"),
            {"role": "developer", "content": [{"type": "text", "text": "two"}]},
            {"role": "system", "content": " "},
        )
        self.assertEqual(request.extra_system, "one\n\ntwo")
        self.assertEqual(request.messages, (said("x"),))

    def test_system_only(self) -> None:
        """S26: there is nothing to answer."""
        request = read({"role": "system", "content": "be brief"})
        self.assertRaises(GatewayError, request.require_message)

    def test_current_is_the_last_of_a_user_or_tool(self) -> None:
        """What follows it is dropped; what precedes it stays structure."""
        request = read(
            user("U1"), {"role": "assistant", "content": "A1"}, user("U2"), {"role": "assistant", "content": "prefill"}
        )
        self.assertEqual(request.messages, (said("U1"), AssistantMessage(text="A1"), said("U2")))

    def test_assistant_only(self) -> None:
        """The last thing said becomes the prompt."""
        request = read({"role": "assistant", "content": "A1"}, {"role": "assistant", "content": "A2"})
        self.assertEqual(request.messages, (AssistantMessage(text="A1"), said("A2")))

    def test_t34_tool_round(self) -> None:
        """Calls and results keep their ids; C{content: null} is fine beside calls; an empty result completes one."""
        call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"X"}'}}
        other = {"id": "call_2", "type": "function", "function": {"name": "get_time", "arguments": None}}
        request = read(
            user("weather?"),
            {"role": "assistant", "content": None, "tool_calls": [call, other]},
            {"role": "tool", "tool_call_id": "call_2", "content": ""},
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "sunny"}]},
        )
        self.assertEqual(
            request.messages,
            (
                said("weather?"),
                AssistantMessage(
                    tool_calls=(
                        ToolCall(id="call_1", name="get_weather", arguments='{"city":"X"}'),
                        ToolCall(id="call_2", name="get_time", arguments="{}"),
                    ),
                    stop_reason="tool_calls",
                ),
                ToolResultMessage(tool_call_id="call_2", tool_name="get_time"),
                ToolResultMessage(tool_call_id="call_1", tool_name="get_weather", text="sunny"),
            ),
        )

    def test_t34_legacy_functions(self) -> None:
        """A function message is a tool result, matched to the call by name."""
        request = read(
            user("x"),
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"},
        )
        call, result = request.messages[1:]
        assert isinstance(call, AssistantMessage)
        assert isinstance(result, ToolResultMessage)
        self.assertEqual((result.tool_call_id, result.tool_name), (call.tool_calls[0].id, "f"))

    def test_refusals_of_the_assistant(self) -> None:
        """They are what it said, in the shape of our own answers and as parts; beside text both count."""
        for answer, text in (
            ({"content": None, "refusal": "I will not."}, "I will not."),
            ({"content": "", "refusal": "I will not."}, "I will not."),
            ({"content": [{"type": "refusal", "refusal": "I will not."}]}, "I will not."),
            ({"content": [{"type": "text", "text": "Hm."}, {"type": "refusal", "refusal": "No."}]}, "Hm.\nNo."),
            ({"content": "Yes.", "refusal": None}, "Yes."),
            ({"content": "Hm.", "refusal": "No."}, "Hm.\nNo."),
            ({"content": [{"type": "refusal", "refusal": "No."}], "refusal": "No."}, "No."),
        ):
            request = read(user("U1"), {"role": "assistant", **answer}, user("U2"))
            self.assertEqual(request.messages, (said("U1"), AssistantMessage(text=text), said("U2")), answer)
        for answer in ({"refusal": ""}, {"refusal": 5}, {"content": [{"type": "refusal", "refusal": 5}]}):
            request = read(user("U1"), {"role": "assistant", **answer}, user("U2"))
            self.assertEqual(request.messages, (said("U1"), said("U2")), answer)

    def test_broken_tool_calls(self) -> None:
        """The path in the error leads to the spot."""
        good = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        for calls, param in (
            ("x", "messages[1].tool_calls"),
            ([good, 5], "messages[1].tool_calls[1]"),
            ([{**good, "id": ""}], "messages[1].tool_calls[0].id"),
            ([{**good, "type": "custom"}], "messages[1].tool_calls[0].type"),
            ([{**good, "function": None}], "messages[1].tool_calls[0].function"),
            ([{**good, "function": {"name": ""}}], "messages[1].tool_calls[0].function.name"),
            ([{**good, "function": {"name": "f", "arguments": {}}}], "messages[1].tool_calls[0].function.arguments"),
        ):
            error = self.assertRaises(
                GatewayError, read, user("x"), {"role": "assistant", "tool_calls": calls}, user("y")
            )
            self.assertEqual((error.info.code, error.info.param), ("invalid_request", param))
        error = self.assertRaises(GatewayError, read, {"role": "tool", "tool_call_id": 5, "content": "x"})
        self.assertEqual(error.info.param, "messages[0].tool_call_id")


class ImageTests(RefusedMixin):
    """Images of the last user message (spec 1.1 Images)."""

    def refused_image(self, part: Any, *, at: int = 0) -> None:
        """The part is refused and named."""
        error = self.assertRaises(GatewayError, read, user([{"type": "text", "text": "see"}, *[image()] * at, part]))
        self.assertEqual(str(error), "Invalid image_url content in `messages`.")
        self.assertEqual(error.info.code, "invalid_image")
        self.assertEqual(error.info.param, f"messages[0].content[{at + 1}]")

    def test_data_uri(self) -> None:
        """Accepted as an object or a bare string, beside text or alone."""
        data = PNG.partition(",")[2]
        picture = ImagePart(data=data, mime_type="image/png")
        self.assertEqual(
            read(user([{"type": "text", "text": "see"}, image()])).messages[0],
            UserMessage(content=(TextPart(text="see"), picture)),
        )
        alone = read(user([{"type": "image_url", "image_url": f"DATA:image/PNG;charset=x;BASE64,{data}"}]))
        self.assertEqual(alone.messages, (UserMessage(content=(picture,)),))

    def test_refused(self) -> None:
        """Nothing is fetched, nothing that is no image passes."""
        for url in (
            "http://127.0.0.1:1/a.png",
            "https://example.com/a.png",
            "file:///etc/passwd",
            "data:text/plain;base64,aGVsbG8=",
            "data:image/svg+xml;base64,aGVsbG8=",
            "data:image/png,abc",
            "data:image/png;base64,",
            "data:image/png;base64,a b c",
            "data:image/png;base64,aGVsbG8",
            "data:image/png;base64,aGVsbG8gd29ybGQ=",
            "data:image/png;base64,\u00e9",
            "data:image/png",
            "",
            5,
            None,
        ):
            self.refused_image(image(url))
        self.refused_image({"type": "image_url"})

    def test_limits(self) -> None:
        """At most eight, at most 10 MiB each, at most 20 MiB together."""
        self.assertEqual(len(read(user([image()] * 8)).messages[0].content), 8)  # type: ignore[union-attr]
        self.refused_image(image(), at=8)
        big = "data:image/png;base64," + base64.b64encode(MAGIC.ljust(10 * 1024 * 1024)).decode()
        self.assertEqual(len(read(user([image(big)] * 2)).messages), 1)
        larger = base64.b64encode(MAGIC.ljust(10 * 1024 * 1024 + 1)).decode()
        self.refused_image(image("data:image/png;base64," + larger))
        error = self.assertRaises(GatewayError, read, user([image(big), image(big), image()]))
        self.assertEqual(error.info.param, "messages[0].content[2]")

    def test_only_the_last_user_message(self) -> None:
        """Earlier images are not even looked at; a message that was nothing else leaves a mark."""
        request = read(
            user([image("http://x/")]),
            {"role": "assistant", "content": "ok"},
            user([image()]),
            {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "r"},
        )
        first, _, third, *_ = request.messages
        self.assertEqual(first, said("[image]"))
        assert isinstance(third, UserMessage)
        self.assertIsInstance(third.content[0], ImagePart)


class SamplingTests(RefusedMixin):
    """Generation parameters."""

    def test_all(self) -> None:
        """Everything arrives."""
        schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
        request = read(
            user("x"),
            max_tokens=5,
            temperature=0,
            top_p=1,
            frequency_penalty=-2,
            presence_penalty=2.0,
            seed=-1.0,
            stop=["a", "b"],
            response_format=schema,
            reasoning_effort="low",
            parallel_tool_calls=False,
        )
        self.assertEqual(
            request.sampling,
            Sampling(
                max_tokens=5,
                temperature=0,
                top_p=1,
                frequency_penalty=-2,
                presence_penalty=2.0,
                seed=-1,
                stop=("a", "b"),
                response_format=schema,
                reasoning_effort="low",
                parallel_tool_calls=False,
            ),
        )

    def test_the_newer_limit_wins(self) -> None:
        """Both are checked, C{max_completion_tokens} counts."""
        self.assertEqual(read(user("x"), max_tokens=5, max_completion_tokens=3).sampling.max_tokens, 3)
        self.assertEqual(read(user("x"), max_tokens=5, max_completion_tokens=None).sampling.max_tokens, 5)
        self.refused(
            {"max_tokens": 0, "max_completion_tokens": 3},
            "max_tokens: Too small: expected number to be >0",
            "max_tokens",
        )

    def test_refused(self) -> None:
        """With the recorded gateway's texts."""
        for fields, message in (
            ({"max_tokens": 1.5}, "max_tokens: Invalid input: expected int, received number"),
            ({"max_tokens": "5"}, "max_tokens: Invalid input: expected number, received string"),
            ({"max_tokens": True}, "max_tokens: Invalid input: expected number, received boolean"),
            ({"max_tokens": 2**60}, "max_tokens: Too big: expected int to be <=9007199254740991"),
            ({"max_completion_tokens": -1}, "max_completion_tokens: Too small: expected number to be >0"),
            ({"temperature": 3}, "`temperature` must be between 0 and 2."),
            ({"temperature": -0.1}, "`temperature` must be between 0 and 2."),
            ({"temperature": "hot"}, "temperature: Invalid input: expected number, received string"),
            ({"top_p": 1.5}, "`top_p` must be between 0 and 1."),
            ({"frequency_penalty": 3}, "`frequency_penalty` must be between -2.0 and 2.0."),
            ({"presence_penalty": -3}, "`presence_penalty` must be between -2.0 and 2.0."),
            ({"seed": 1.5}, "`seed` must be an integer."),
            ({"seed": 2**63}, "`seed` must be an integer."),
            ({"stop": 3}, "stop: Invalid input"),
            ({"stop": ""}, "Invalid stop: stop entries must be non-empty strings"),
            ({"stop": [5]}, "Invalid stop: stop entries must be non-empty strings"),
            ({"stop": ["a", "b", "c", "d", "e"]}, "Invalid stop: stop supports at most 4 sequences"),
            ({"response_format": "json"}, "Invalid response_format: response_format must be an object"),
            ({"reasoning_effort": 1}, "reasoning_effort: Invalid input: expected string, received number"),
            *(
                ({"reasoning_effort": bad}, f"`reasoning_effort` must be one of {', '.join(EFFORTS)}.")
                for bad in ("HIGH", "bogus", "", "off", " low")
            ),
        ):
            self.refused(fields, message, next(iter(fields)))

    def test_reasoning_effort(self) -> None:
        """All that the official client can say."""
        said = get_args(get_args(ReasoningEffort)[0])
        self.assertEqual(EFFORTS, said)
        for effort in said:
            self.assertEqual(read(user("x"), reasoning_effort=effort).sampling.reasoning_effort, effort)

    def test_response_format(self) -> None:
        """C{text} is the default; schemas need a name."""
        self.assertIsNone(read(user("x"), response_format={"type": "text"}).sampling.response_format)
        for kind in ({"type": "yaml"}, {}):
            self.refused(
                {"response_format": kind},
                "Invalid response_format: response_format.type must be text, json_object, or json_schema",
                "response_format.type",
            )
        for schema in (None, {}, {"name": 5}, "x"):
            error = self.assertRaises(
                GatewayError, read, response_format={"type": "json_schema", "json_schema": schema}
            )
            self.assertEqual(error.info.param, "response_format.json_schema")


class ToolTests(RefusedMixin):
    """Client tools and the choice among them."""

    def test_tools(self) -> None:
        """A minimal and a full one."""
        full = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
        request = read(user("x"), tools=[WEATHER, {"type": "function", "function": full}])
        self.assertEqual(
            request.tools,
            (
                ToolSpec(name="get_weather", description="", parameters={"type": "object", "properties": {}}),
                ToolSpec(name="f", description="d", parameters={"type": "object"}, strict=True),
            ),
        )

    def test_choices(self) -> None:
        """The four kinds."""
        named = {"type": "function", "function": {"name": "get_weather"}}
        for choice, expected in (
            (None, ToolChoice()),
            ("auto", ToolChoice()),
            ("none", ToolChoice(mode="none")),
            ("required", ToolChoice(mode="required")),
            (named, ToolChoice(mode="named", name="get_weather")),
        ):
            self.assertEqual(read(user("x"), tools=[WEATHER], tool_choice=choice).tool_choice, expected)
        self.assertEqual(read(user("x"), tool_choice="auto").tool_choice, ToolChoice())

    def test_refused(self) -> None:
        """With the recorded gateway's texts."""
        zzz = {"type": "function", "function": {"name": "zzz"}}
        for fields, text, param in (
            ({"tools": ["x"]}, "each tool must be an object", "tools[0]"),
            ({"tools": [WEATHER, {"type": "custom"}]}, "only function tools are supported", "tools[1].type"),
            (
                {"tools": [{"type": "function", "function": {}}]},
                "tool.function.name is required",
                "tools[0].function.name",
            ),
            ({"tools": [WEATHER, WEATHER]}, "duplicate tool name: get_weather", "tools[1].function.name"),
            ({"tools": [WEATHER] * 129}, "at most 128 tools are supported", "tools"),
            (
                {"tools": [WEATHER], "tool_choice": zzz},
                "tool_choice requested unknown tool: zzz",
                "tool_choice.function.name",
            ),
            ({"tool_choice": zzz}, "tool_choice requested unknown tool: zzz", "tool_choice.function.name"),
            (
                {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools"}},
                "tool_choice allowed_tools is not supported",
                "tool_choice.type",
            ),
            (
                {"tools": [WEATHER], "tool_choice": "maybe"},
                "tool_choice must be a string or object",
                "tool_choice",
            ),
            ({"tool_choice": "required"}, "tool_choice=required but no tools were provided", "tool_choice"),
        ):
            self.refused(fields, f"Invalid tools/tool_choice: {text}", param)

    def test_wrong_types_inside(self) -> None:
        """Described by their path."""
        for extra, param in (
            ({"description": 5}, "tools[0].function.description"),
            ({"parameters": []}, "tools[0].function.parameters"),
            ({"strict": "x"}, "tools[0].function.strict"),
        ):
            error = self.assertRaises(
                GatewayError, read, tools=[{"type": "function", "function": {"name": "f", **extra}}]
            )
            self.assertEqual(error.info.param, param)
