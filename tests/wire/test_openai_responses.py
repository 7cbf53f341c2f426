# -*- test-case-name: tests.wire.test_openai_responses -*-
"""Requests of the Responses API: what they mean, and every field that can be wrong."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

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
    UserMessage,
)
from openclaw_tx.wire.openai_chat_images import ImageRules
from openclaw_tx.wire.openai_chat_messages import MAX_MESSAGES
from openclaw_tx.wire.openai_responses import ResponsesRequest, parse

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n0000").decode()
PICTURE = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}


def read(rules: ImageRules | None = None, **fields: Any) -> ResponsesRequest:
    """A request with these fields."""
    return parse(json.dumps({"model": "openclaw", "input": "hi", **fields}).encode(), rules)


def user(text: str) -> UserMessage:
    """What a user said."""
    return UserMessage(content=(TextPart(text=text),))


class MeaningTests(SynchronousTestCase):
    """Good requests."""

    def test_least(self) -> None:
        """A model and a text: everything else has its default."""
        self.assertEqual(
            read(),
            ResponsesRequest(
                model="openclaw",
                messages=(user("hi"),),
                instructions=None,
                context="",
                sampling=Sampling(),
                text_format={"type": "text"},
                tools=(),
                tool_choice=ToolChoice(),
                stream=False,
                store=True,
                previous_response_id=None,
                user=None,
                metadata={},
            ),
        )

    def test_everything(self) -> None:
        """Every field that counts arrives where it belongs."""
        schema = {"type": "object"}
        request = read(
            instructions="INS",
            input=[{"role": "developer", "content": "DEV"}, {"role": "user", "content": "q"}],
            max_output_tokens=9,
            temperature=0.5,
            top_p=1,
            reasoning={"effort": "low", "summary": "auto"},
            parallel_tool_calls=False,
            text={"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}, "verbosity": "low"},
            stream=True,
            store=False,
            previous_response_id="resp_1",
            user="u",
            metadata={"a": "b"},
            truncation="auto",
        )
        self.assertEqual(request.extra_system, "INS\n\nDEV")
        self.assertEqual(request.messages, (user("q"),))
        self.assertEqual(
            request.sampling,
            Sampling(
                max_tokens=9,
                temperature=0.5,
                top_p=1,
                reasoning_effort="low",
                parallel_tool_calls=False,
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": schema, "strict": True},
                },
            ),
        )
        self.assertEqual((request.stream, request.store, request.user), (True, False, "u"))
        self.assertEqual((request.previous_response_id, request.metadata), ("resp_1", {"a": "b"}))

    def test_null_is_absent(self) -> None:
        """In every field that need not be there."""
        names = "instructions tools tool_choice stream store previous_response_id user metadata max_output_tokens text"
        names += " temperature top_p reasoning truncation max_tool_calls include top_logprobs parallel_tool_calls"
        names += " service_tier prompt_cache_key background conversation prompt stream_options safety_identifier"
        self.assertEqual(read(**dict.fromkeys(names.split())), read())

    def test_harmless_fields(self) -> None:
        """What SDKs send and what changes nothing here."""
        self.assertEqual(
            read(
                include=["reasoning.encrypted_content"],
                service_tier="auto",
                prompt_cache_key="k",
                safety_identifier="s",
                stream_options={"include_obfuscation": False},
                max_tool_calls=3,
                background=False,
                top_logprobs=0,
            ),
            read(),
        )

    def test_references(self) -> None:
        """An item of an earlier response is asked for by its id, and read in the reference's place once it is known."""
        uuid = "0c3e1a52-8f0e-4f0e-9c3e-0123456789ab"
        items = [
            {"role": "user", "content": "a"},
            {"type": "item_reference", "id": f"msg_{uuid}"},
            {"type": "item_reference", "id": f"msg_{uuid}_1"},
            {"type": "item_reference", "id": f"call_{uuid}_0"},
            {"type": "item_reference", "id": f"call_{uuid}_0"},
            {"type": "item_reference", "id": "rs_1"},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
        ]
        asked = read(input=items)
        places = {f"msg_{uuid}": "input[1].id", f"msg_{uuid}_1": "input[2].id", f"call_{uuid}_0": "input[3].id"}
        self.assertEqual((asked.references, asked.messages), (places, ()))
        known = {
            f"msg_{uuid}": {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
            f"msg_{uuid}_1": None,
            f"call_{uuid}_0": {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        }
        found = parse(json.dumps({"model": "openclaw", "input": [*items[:4], *items[5:]]}).encode(), None, known)
        self.assertEqual(found.references, {})
        call = ToolCall(id="c1", name="f", arguments="{}")
        self.assertEqual(
            found.messages,
            (
                user("a"),
                AssistantMessage(text="b", tool_calls=(call,), stop_reason="tool_calls"),
                ToolResultMessage(tool_call_id="c1", tool_name="f", text="one"),
            ),
        )

    def test_text_after_calls(self) -> None:
        """What the model said after its calls belongs to the answer that the outputs are for, not behind these."""
        call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
        output = {"type": "function_call_output", "call_id": "c1", "output": "one"}
        after = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "c"}]}
        for before, text in (([], "c"), ([{"role": "assistant", "content": "b"}], "b\nc")):
            found = read(input=[{"role": "user", "content": "a"}, *before, call, after, output]).messages
            self.assertEqual([message.text for message in found], ["a", text, "one"])

    def test_many_calls(self) -> None:
        """The time that it takes is in proportion to their number, which has a bound."""
        call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
        found = read(
            input=[{"role": "user", "content": "a"}, *[call] * (MAX_MESSAGES - 2), {"role": "user", "content": "b"}]
        )
        self.assertEqual(len(found.messages), 3)
        error = self.assertRaises(GatewayError, read, input=[call] * (MAX_MESSAGES + 1))
        self.assertEqual(error.info.param, "input")

    def test_conversation(self) -> None:
        """Items become a conversation: a call joins the answer it was part of; its result knows the tool's name."""
        request = read(
            input=[
                {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
                {"type": "reasoning", "id": "rs", "summary": []},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "let me see"}]},
                {"type": "item_reference", "id": "x"},
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"x":1}'},
                {"type": "function_call", "call_id": "c2", "name": "g", "arguments": ""},
                {"type": "function_call_output", "call_id": "c1", "output": "one"},
                {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
            ]
        )
        self.assertEqual(
            request.messages,
            (
                user("a\nb"),
                AssistantMessage(
                    text="let me see",
                    tool_calls=(
                        ToolCall(id="c1", name="f", arguments='{"x":1}'),
                        ToolCall(id="c2", name="g", arguments="{}"),
                    ),
                    stop_reason="tool_calls",
                ),
                ToolResultMessage(tool_call_id="c1", tool_name="f", text="one"),
                ToolResultMessage(tool_call_id="c2", tool_name="g", text="two"),
            ),
        )

    def test_last_item(self) -> None:
        """No older question is answered in the place of a message that says nothing; items that stand for nothing by
        themselves are not the last word."""
        asked, answered = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
        error = self.assertRaises(GatewayError, read, input=[asked, answered, {"role": "user", "content": ""}])
        self.assertEqual((error.info.code, error.info.param), ("invalid_request", "input[2].content"))
        thought: dict[str, Any] = {"type": "reasoning", "id": "r", "summary": []}
        called = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
        for rest in ([thought], [thought, answered], [thought, called], [thought, called, called, thought]):
            self.assertEqual(read(input=[asked, *rest]).messages, (user("q"),))

    def test_call_without_answer_before_it(self) -> None:
        """It is an answer of its own; the next answer's call does not join it."""
        first, second = (
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": ""},
        )
        request = read(input=[{"role": "user", "content": "q"}, first, second, {**first, "call_id": "c2"}, second])
        calls = [m.tool_calls for m in request.messages if isinstance(m, AssistantMessage)]
        self.assertEqual([[call.id for call in each] for each in calls], [["c1"], ["c2"]])

    def test_result_of_an_earlier_response(self) -> None:
        """It may stand alone: the call is in the session."""
        request = read(input=[{"type": "function_call_output", "call_id": "c", "output": "r"}])
        self.assertEqual(request.messages, (ToolResultMessage(tool_call_id="c", text="r"),))
        request.require_message()

    def test_refusal_is_text(self) -> None:
        """A client sends back what the model declined to say."""
        parts = [{"type": "refusal", "refusal": "no"}]
        request = read(input=[{"role": "user", "content": "q"}, {"role": "assistant", "content": parts}, *_more()])
        self.assertEqual(request.messages[1], AssistantMessage(text="no"))

    def test_tools(self) -> None:
        """D8: flat and nested, also in one request; so with the choice."""
        flat = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
        nested = {"type": "function", "function": {"name": "g"}}
        for choice in ({"type": "function", "name": "g"}, {"type": "function", "function": {"name": "g"}}):
            request = read(tools=[flat, nested], tool_choice=choice)
            self.assertEqual(
                [(t.name, t.description, t.strict) for t in request.tools], [("f", "d", True), ("g", "", None)]
            )
            self.assertEqual(request.tool_choice, ToolChoice(mode="named", name="g"))

    def test_images(self) -> None:
        """C{data:} URIs and OpenClaw's own C{source}; those of the last user message, and of function outputs."""
        source = {"type": "input_image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
        image = ImagePart(data=PNG, mime_type="image/png")
        earlier = {"role": "user", "content": [PICTURE]}
        request = read(input=[earlier, {"role": "user", "content": [PICTURE, source]}])
        self.assertEqual([m.content for m in request.messages], [(TextPart(text="[image]"),), (image, image)])
        output = {"type": "function_call_output", "call_id": "c", "output": [PICTURE]}
        request = read(input=[*_more(), output])
        self.assertEqual(request.messages[-1], ToolResultMessage(tool_call_id="c", images=(image,)))

    def test_image_urls(self) -> None:
        """Where they are allowed they are left to be fetched."""
        url = {"type": "input_image", "image_url": "https://example.com/a.png"}
        source = {"type": "input_image", "source": {"type": "url", "url": "https://example.com/b.png"}}
        request = read(ImageRules(allow_url=True), input=[{"role": "user", "content": [url, source]}])
        self.assertEqual([where.url[-5:] for where in request.image_urls], ["a.png", "b.png"])
        self.assertEqual(request.image_urls[1].param, "input[0].content[1]")

    def test_files(self) -> None:
        """A file's text is in the system prompt, behind the instructions; its place in the message is marked."""
        data = base64.b64encode(b"a,b\n1,2").decode()
        part = {"type": "input_file", "filename": "t.csv", "file_data": f"data:text/csv;base64,{data}"}
        request = read(
            instructions="INS", input=[{"role": "system", "content": "SYS"}, {"role": "user", "content": [part]}]
        )
        self.assertEqual(request.messages, (user("[file: t.csv]"),))
        self.assertTrue(request.extra_system.startswith("INS\n\nSYS\n\n"))
        self.assertTrue(request.extra_system.endswith('<file name="t.csv">\na,b\n1,2\n</file>'))

    def test_nothing_to_answer(self) -> None:
        """As recorded."""
        for empty in ("", "  ", [], [{"role": "system", "content": "S"}], [{"role": "user", "content": []}]):
            error = self.assertRaises(GatewayError, read(input=empty).require_message)
            self.assertEqual((str(error), error.info.param), ("Missing user message in `input`.", "input"))

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        ["type", "role", "content", "text", "call_id", "output", "name", "source", "image_url"]
                    ),
                    inner
                    | st.sampled_from(
                        [
                            "message",
                            "user",
                            "assistant",
                            "input_text",
                            "input_image",
                            "input_file",
                            "function_call",
                            "base64",
                        ]
                    ),
                    max_size=5,
                )
            ),
            max_leaves=12,
        )
    )
    @settings(max_examples=300, deadline=None, database=None)
    def test_any_input(self, value: Any) -> None:
        """Whatever comes is read or refused by name; nothing else is ever raised."""
        try:
            read(input=value)
        except GatewayError as error:
            self.assertEqual((error.info.param or "")[:5], "input")


def _more() -> list[dict[str, Any]]:
    return [{"role": "user", "content": "and now?"}]


class FaultTests(SynchronousTestCase):
    """Bad requests: one clear error that names the field."""

    def fault(self, param: str | None, message: str = "", code: str = "invalid_request", **fields: Any) -> None:
        """These fields are refused."""
        error = self.assertRaises(GatewayError, read, **fields)
        self.assertEqual((error.info.code, error.info.param), (code, param), str(error))
        if message:
            self.assertEqual(str(error), message)

    def test_body(self) -> None:
        """No JSON, no object, no model, no input."""
        for body, message, param in (
            (b"", "model: Invalid input: expected string, received undefined", "model"),
            (b"{}", "model: Invalid input: expected string, received undefined", "model"),
            (b"[1]", "Invalid input: expected object, received array", None),
            (b'{"model":null}', "model: Invalid input: expected string, received null", "model"),
            (b'{"model":"m"}', "input: Invalid input", "input"),
            (b'{"model":"m","input":null}', "input: Invalid input", "input"),
            (b'{"model":"m","input":{}}', "input: Invalid input", "input"),
        ):
            error = self.assertRaises(GatewayError, parse, body)
            self.assertEqual((str(error), error.info.param), (message, param))
        for body in (b"{", b"\xff", b'{"model":NaN}', b"[" * 100_000):
            self.assertEqual(self.assertRaises(GatewayError, parse, body).info.code, "invalid_request")

    def test_longest_strings(self) -> None:
        """What is echoed has a bound."""
        schema = {"type": "json_schema", "schema": {}}
        for param, good, bad in (
            ("model", {"model": "m" * 256}, {"model": "m" * 257}),
            ("user", {"user": "u" * 512}, {"user": "u" * 513}),
            (
                "text.format.name",
                {"text": {"format": {**schema, "name": "n" * 64}}},
                {"text": {"format": {**schema, "name": "n" * 65}}},
            ),
        ):
            read(**good)
            self.fault(param, **bad)

    def test_unknown_keys(self) -> None:
        """Strict at the top."""
        self.fault("messages", 'Unrecognized key: "messages"', messages=[])
        self.fault("max_tokens", max_tokens=1)
        self.fault("x" * 64, **{"x" * 100: 1})

    def test_what_would_change_the_answer(self) -> None:
        """Refused rather than ignored."""
        for name, value in (
            ("background", True),
            ("conversation", "conv_1"),
            ("prompt", {"id": "p"}),
            ("context_management", [{}]),
            ("moderation", {"model": "m"}),
            ("top_logprobs", 3),
        ):
            self.fault(name, code="unsupported_parameter", **{name: value})
        self.fault("include[1]", code="unsupported_parameter", include=["x", "message.output_text.logprobs"])

    def test_types(self) -> None:
        """Each field has one."""
        for name, value, message in (
            ("model", 1, "model: Invalid input: expected string, received number"),
            ("instructions", [], "instructions: Invalid input: expected string, received array"),
            ("user", 1, "user: Invalid input: expected string, received number"),
            ("previous_response_id", 1, "previous_response_id: Invalid input: expected string, received number"),
            ("stream", "yes", "stream: Invalid input: expected boolean, received string"),
            ("store", 1, "store: Invalid input: expected boolean, received number"),
            ("parallel_tool_calls", "x", "parallel_tool_calls: Invalid input: expected boolean, received string"),
            ("max_output_tokens", 0, "max_output_tokens: Too small: expected number to be >0"),
            ("max_output_tokens", 1.5, "max_output_tokens: Invalid input: expected int, received number"),
            ("max_output_tokens", "9", "max_output_tokens: Invalid input: expected number, received string"),
            ("max_tool_calls", 0, "max_tool_calls: Too small: expected number to be >0"),
            ("temperature", 3, "`temperature` must be between 0 and 2."),
            ("top_p", -1, "`top_p` must be between 0 and 1."),
            ("truncation", "always", "`truncation` must be one of auto, disabled."),
            ("include", "x", "include: Invalid input: expected array, received string"),
            ("reasoning", "low", "reasoning: Invalid input: expected object, received string"),
            ("text", "json", "text: Invalid input: expected object, received string"),
            ("metadata", [], "metadata: Invalid input: expected object, received array"),
            ("tools", {}, "tools: Invalid input: expected array, received object"),
            ("service_tier", 1, "service_tier: Invalid input: expected string, received number"),
            ("stream_options", "x", "stream_options: Invalid input: expected object, received string"),
        ):
            self.fault(name, message, **{name: value})
        self.fault("include[0]", include=[1])
        self.fault("reasoning.effort", reasoning={"effort": 1})
        self.fault("reasoning.effort", reasoning={"effort": "HIGH"})
        self.fault("reasoning.summary", reasoning={"summary": 1})

    def test_text_format(self) -> None:
        """Kind, name and schema."""
        for param, text in (
            ("text.verbosity", {"verbosity": "loud"}),
            ("text.format", {"format": "json"}),
            ("text.format.type", {"format": {"type": "yaml"}}),
            ("text.format.type", {"format": {}}),
            ("text.format.name", {"format": {"type": "json_schema", "schema": {}}}),
            ("text.format.schema", {"format": {"type": "json_schema", "name": "n"}}),
            ("text.format.schema", {"format": {"type": "json_schema", "name": "n", "schema": []}}),
            ("text.format.strict", {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": 1}}),
        ):
            self.fault(param, text=text)
        self.assertEqual(
            read(text={"format": {"type": "json_object"}}).sampling.response_format, {"type": "json_object"}
        )
        self.assertIsNone(read(text={"format": None}).sampling.response_format)

    def test_metadata(self) -> None:
        """OpenAI's bounds."""
        self.fault("metadata", metadata={str(n): "" for n in range(17)})
        self.fault("metadata", metadata={"k" * 65: ""})
        self.fault("metadata.k", metadata={"k": "v" * 513})
        self.fault("metadata.k", metadata={"k": 1})
        full = {f"{n:064}": "v" * 512 for n in range(16)}
        self.assertEqual(read(metadata=full).metadata, full)

    def test_tools(self) -> None:
        """The path is that of the form that was sent."""
        flat = {"type": "function", "name": "f"}
        for param, tools in (
            ("tools[0]", ["x"]),
            ("tools[0].type", [{"type": "web_search"}]),
            ("tools[0].type", [{"name": "f"}]),
            ("tools[0].name", [{"type": "function"}]),
            ("tools[0].name", [{"type": "function", "name": " "}]),
            ("tools[0].function.name", [{"type": "function", "function": {}}]),
            ("tools[0].function.name", [{"type": "function", "function": None, "name": "f"}]),
            ("tools[0].description", [{**flat, "description": 1}]),
            ("tools[0].parameters", [{**flat, "parameters": "x"}]),
            ("tools[0].strict", [{**flat, "strict": "x"}]),
            ("tools[1].name", [flat, flat]),
            ("tools[1].function.name", [flat, {"type": "function", "function": {"name": "f"}}]),
            ("tools", [{"type": "function", "name": f"f{n}"} for n in range(129)]),
        ):
            self.fault(param, tools=tools)
        for param, choice in (
            ("tool_choice", 1),
            ("tool_choice", "sometimes"),
            ("tool_choice.type", {"type": "allowed_tools"}),
            ("tool_choice.name", {"type": "function"}),
            ("tool_choice.name", {"type": "function", "name": "zzz"}),
            ("tool_choice.function.name", {"type": "function", "function": {"name": "zzz"}}),
        ):
            self.fault(param, tools=[flat], tool_choice=choice)
        self.fault("tool_choice", tool_choice="required")

    def test_items(self) -> None:
        """Each item and part by its path."""
        for param, item in (
            ("input[1]", "x"),
            ("input[1].type", {}),
            ("input[1].type", {"type": "zzz"}),
            ("input[1].type", {"type": "computer_call_output"}),
            ("input[1].role", {"type": "message", "content": "x"}),
            ("input[1].role", {"role": "tool", "content": "x"}),
            ("input[1].content", {"role": "user"}),
            ("input[1].content", {"role": "user", "content": 1}),
            ("input[1].content[0]", {"role": "user", "content": ["x"]}),
            ("input[1].content[0].type", {"role": "user", "content": [{"type": "input_audio"}]}),
            ("input[1].content[0].text", {"role": "user", "content": [{"type": "input_text"}]}),
            ("input[1].content[0].refusal", {"role": "assistant", "content": [{"type": "refusal"}]}),
            ("input[1].content[0].type", {"role": "assistant", "content": [PICTURE]}),
            ("input[1].content[0].type", {"role": "system", "content": [{"type": "input_file"}]}),
            ("input[1].call_id", {"type": "function_call", "name": "f", "arguments": "{}"}),
            ("input[1].name", {"type": "function_call", "call_id": "c", "arguments": "{}"}),
            ("input[1].arguments", {"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}),
            ("input[1].call_id", {"type": "function_call_output", "output": "x"}),
            ("input[1].output", {"type": "function_call_output", "call_id": "c"}),
            ("input[1].output[0]", {"type": "function_call_output", "call_id": "c", "output": [1]}),
            ("input[1].output[0].type", {"type": "function_call_output", "call_id": "c", "output": [{"type": "x"}]}),
        ):
            self.fault(param, input=[{"role": "user", "content": "q"}, item])

    def test_images(self) -> None:
        """One text for every fault, as with chat; uploaded files there are none."""
        message = "Invalid image_url content in `input`."
        for part in (
            {"type": "input_image"},
            {"type": "input_image", "image_url": "https://example.com/a.png"},
            {"type": "input_image", "image_url": "data:image/png;base64,%%%"},
            {"type": "input_image", "image_url": f"data:image/tiff;base64,{PNG}"},
            {"type": "input_image", "source": {"type": "base64", "data": PNG}},
            {"type": "input_image", "source": {"type": "base64", "media_type": "image/png"}},
            {"type": "input_image", "source": {"type": "url"}},
        ):
            self.fault("input[0].content[0]", message, "invalid_image", input=[{"role": "user", "content": [part]}])
        self.fault(
            "input[0].content[8]",
            message,
            "invalid_image",
            input=[{"role": "user", "content": [PICTURE] * 9}],
        )
        for kind in ("input_image", "input_file"):
            part = {"type": kind, "file_id": "file-1"}
            self.fault(
                "input[0].content[0].file_id",
                code="unsupported_parameter",
                input=[{"role": "user", "content": [part]}],
            )
        self.fault("input[0].content[0].source", input=[{"role": "user", "content": [{**PICTURE, "source": "x"}]}])
