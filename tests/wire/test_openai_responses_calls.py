# -*- test-case-name: tests.wire.test_openai_responses_calls -*-
"""The codec of OpenAI's Responses API, as the one who asks."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.values import AssistantMessage, Sampling, ToolChoice, ToolSpec
from openclaw_tx.wire.history import IMAGE_OMITTED
from openclaw_tx.wire.openai_responses_calls import ResponsesDialect, encode_request
from openclaw_tx.wire.upstream import UpstreamError
from tests.wire.vendors import (
    PICTURE,
    STREAMS,
    WEATHER,
    again,
    call,
    called,
    encoder,
    read_events,
    read_whole,
    result,
    user,
)

API = "openai-responses"
SEEING = ResponsesDialect(provider="p", images=True)
INCLUDE = ["reasoning.encrypted_content"]

encoded = encoder(encode_request, SEEING)


class EncodeTests(SynchronousTestCase):
    """L{encode_request}."""

    def test_least(self) -> None:
        """The system prompt as instructions; nothing is to be kept."""
        self.assertEqual(
            encoded(user("hi"), system="S"),
            {
                "model": "m",
                "stream": True,
                "instructions": "S",
                "input": [{"role": "user", "content": "hi"}],
                "store": False,
            },
        )
        self.assertNotIn("store", encoded(user("hi"), dialect=ResponsesDialect(store=False)))

    def test_tool_round(self) -> None:
        """Messages, calls and outputs stand side by side; outputs hold images."""
        items = encoded(
            user("look", PICTURE),
            called(call(), call("t", "c2", ""), text="Let me see."),
            result("seen", "c1", PICTURE),
            result("noon", "c2"),
        )["input"]
        picture = {"type": "input_image", "image_url": "data:image/png;base64,QUJD"}
        self.assertEqual(
            items,
            [
                {"role": "user", "content": [{"type": "input_text", "text": "look"}, picture]},
                {"role": "assistant", "content": "Let me see."},
                {
                    "type": "function_call",
                    "call_id": "c1",
                    "name": "get_weather",
                    "arguments": '{"city":"Paris"}',
                },
                {"type": "function_call", "call_id": "c2", "name": "t", "arguments": "{}"},
                {
                    "type": "function_call_output",
                    "call_id": "c1",
                    "output": [{"type": "input_text", "text": "seen"}, picture],
                },
                {"type": "function_call_output", "call_id": "c2", "output": "noon"},
            ],
        )
        blind = encoded(user("look", PICTURE), dialect=ResponsesDialect())["input"]
        self.assertEqual(blind[0]["content"], f"look\n{IMAGE_OMITTED}")

    def test_tools(self) -> None:
        """Tools are flat here, their strictness is said; each way to choose."""
        strict = ToolSpec(name="t", description="", parameters={}, strict=True)
        tools = encoded(user("hi"), tools=(WEATHER, strict), sampling=Sampling(parallel_tool_calls=False))
        self.assertEqual(
            tools["tools"],
            [
                {
                    "type": "function",
                    "name": "get_weather",
                    "description": "d",
                    "parameters": WEATHER.parameters,
                    "strict": False,
                },
                {
                    "type": "function",
                    "name": "t",
                    "description": "",
                    "parameters": {"type": "object", "properties": {}},
                    "strict": True,
                },
            ],
        )
        self.assertIs(tools["parallel_tool_calls"], False)
        for choice, shaped in (
            (ToolChoice(), None),
            (ToolChoice(mode="none"), "none"),
            (ToolChoice(mode="required"), "required"),
            (ToolChoice(mode="named", name="t"), {"type": "function", "name": "t"}),
        ):
            self.assertEqual(encoded(user("hi"), tools=(strict,), tool_choice=choice).get("tool_choice"), shaped)

    def test_sampling(self) -> None:
        """What exists here, with OpenAI's least limit."""
        sampling = Sampling(max_tokens=3, temperature=0.5, top_p=0.1, seed=1, stop=("a",), frequency_penalty=1.0)
        body = encoded(user("hi"), sampling=sampling)
        self.assertEqual((body["max_output_tokens"], body["temperature"], body["top_p"]), (16, 0.5, 0.1))
        self.assertFalse({"seed", "stop", "frequency_penalty", "max_tokens"} & set(body))

    def test_response_format(self) -> None:
        """The schema stands flat; a model that is not held to it is not told."""
        schema = {"name": "n", "schema": {"type": "object"}, "strict": True}
        wanted = Sampling(response_format={"type": "json_schema", "json_schema": schema})
        self.assertEqual(encoded(user("hi"), sampling=wanted)["text"], {"format": {"type": "json_schema", **schema}})
        loose = Sampling(response_format={"type": "json_object"})
        self.assertEqual(encoded(user("hi"), sampling=loose)["text"], {"format": {"type": "json_object"}})
        none = ResponsesDialect(response_format=False)
        self.assertNotIn("text", encoded(user("hi"), sampling=loose, dialect=none))

    def test_reasoning(self) -> None:
        """Asked for, with summaries, it comes encrypted and excludes temperature; a model that always reasons gets no
        effort when none is asked for."""
        asked = Sampling(reasoning_effort="xhigh", temperature=0.5)
        body = encoded(user("hi"), sampling=asked)
        self.assertEqual((body["reasoning"], body["include"]), ({"effort": "xhigh", "summary": "auto"}, INCLUDE))
        self.assertNotIn("temperature", body)
        always = encoded(user("hi"), sampling=Sampling(temperature=0.5), dialect=ResponsesDialect(reasoning=True))
        self.assertEqual(always["include"], INCLUDE)
        self.assertFalse({"reasoning", "temperature"} & set(always))
        never = encoded(user("hi"), sampling=asked, dialect=ResponsesDialect(reasoning_effort=False))
        self.assertFalse({"reasoning", "include"} & set(never))

    def test_cache_key(self) -> None:
        """The conversation's name goes out as a digest, and only where that is known."""
        named = ResponsesDialect(prompt_cache_key=True)
        session = "agent:main:alice@example.com"
        key = encoded(user("hi"), session=session, dialect=named)["prompt_cache_key"]
        self.assertRegex(key, r"^[0-9a-f]{32}$")
        self.assertEqual(encoded(user("x"), session=session, dialect=named)["prompt_cache_key"], key)
        self.assertNotIn("prompt_cache_key", encoded(user("hi"), dialect=named))
        self.assertNotIn("prompt_cache_key", encoded(user("hi"), session="s"))

    def test_reasoning_goes_back(self) -> None:
        """Encrypted items as they came, each before the call that it led to, and to nobody but their maker."""
        message = again(read_events(API, *STREAMS[API]["tools"])[1])
        history = (user("w?"), message, result("sunny", "call_1"), result("noon", "call_2"))
        items = encoded(*history)["input"]
        self.assertEqual(
            items[1],
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "Two cities, two calls."}],
                "encrypted_content": "gAAAA==",
            },
        )
        self.assertEqual([item.get("type") for item in items[2:]], ["function_call"] * 2 + ["function_call_output"] * 2)
        for other in ({"model": "other"}, {"dialect": ResponsesDialect(provider="q")}):
            self.assertNotIn("reasoning", [item.get("type") for item in encoded(*history, **other)["input"]])

    def test_broken_history(self) -> None:
        """An answer that says nothing and a result without call do not go out as such."""
        items = encoded(AssistantMessage(), result("late", "x"), user("hi"))["input"]
        self.assertEqual([item["role"] for item in items], ["user", "user"])


class ReadTests(SynchronousTestCase):
    """L{openclaw_tx.wire.openai_responses_events.ResponseReader}, beyond what all readers do."""

    def test_ends(self) -> None:
        """Complete, cut short by length, by a filter."""
        for kind, response, wanted in (
            ("completed", {"status": "completed"}, "stop"),
            ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}, "length"),
            ("incomplete", {"incomplete_details": {"reason": "content_filter"}}, "content_filter"),
            ("incomplete", {"status": "incomplete", "incomplete_details": None}, "length"),
        ):
            event = {"type": f"response.{kind}", "response": response}
            self.assertEqual(read_events(API, event)[1].finish_reason, wanted)

    def test_failures(self) -> None:
        """A response that failed, an error event in both shapes."""
        for event, wanted in (
            (
                {"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "m"}}},
                ("m", "rate_limit_exceeded"),
            ),
            ({"type": "error", "code": "server_error", "message": "m", "param": None}, ("m", "server_error")),
            ({"type": "error", "error": {"code": "c", "message": "m"}}, ("m", "c")),
            ({"type": "response.failed"}, ("", "")),
        ):
            found = self.assertRaises(UpstreamError, read_events, API, event)
            self.assertEqual((found.message, found.code), wanted)

    def test_refusal(self) -> None:
        """What the model says to decline is text, marked as such."""
        item = {"type": "message", "content": []}
        reply = read_events(
            API,
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.refusal.delta", "output_index": 0, "delta": "I can't."},
            {"type": "response.completed", "response": {}},
        )[1]
        self.assertEqual((reply.text, reply.refusal, reply.finish_reason), ("I can't.", True, "stop"))

    def test_told_late(self) -> None:
        """Items that come only when they are done, or only with the end, are told once and whole."""
        message = {"type": "message", "content": [{"type": "output_text", "text": "x"}]}
        tool = {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}'}
        reasoning = {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}]}
        done = [
            {"type": "response.output_item.done", "output_index": index, "item": item}
            for index, item in enumerate((reasoning, message, tool))
        ]
        end = {"type": "response.completed", "response": {"output": [reasoning, message, tool]}}
        for stream in ([*done, end], [end]):
            reply = read_events(API, *stream)[1]
            self.assertEqual((reply.reasoning, reply.text), ("hm", "x"))
            self.assertEqual([(c.id, c.arguments) for c in reply.tool_calls], [("c", '{"a":1}')])

    def test_not_announced(self) -> None:
        """Text of an item that nobody announced is told once, whatever is numbered how."""
        message = {"type": "message", "content": [{"type": "output_text", "text": "x"}], "phase": "commentary"}
        reasoning = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]}
        tool = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
        text = {"type": "response.output_text.delta", "output_index": 0, "delta": "x"}
        end = {"type": "response.completed", "response": {"output": [message, tool]}}
        thought = {"type": "response.reasoning_text.delta", "output_index": 0, "delta": "hm"}
        done = {"type": "response.output_item.done", "output_index": 0}
        thoughts_end = {"type": "response.completed", "response": {"output": [{**reasoning, "id": "r"}, message]}}
        for stream, thoughts, calls in (
            ([text, end], "", 1),
            ([text, {**done, "item": message}, end], "", 1),
            ([thought, text, {**done, "item": reasoning}, {**done, "item": message}], "hm", 0),
            ([{**thought, "item_id": "r"}, {**text, "output_index": 1}, thoughts_end], "hm", 0),
        ):
            reply = read_events(
                API, *stream, *([] if stream[-1]["type"] == end["type"] else [{**end, "response": {}}])
            )[1]
            self.assertEqual((reply.reasoning, reply.text, len(reply.tool_calls)), (thoughts, "x", calls), stream)

    def test_other_places_at_the_end(self) -> None:
        """The response at the end need not hold all that was streamed: an item is known by its id, too."""
        tools = [{"type": "function_call", "call_id": name, "name": name, "arguments": "{}"} for name in ("a", "b")]
        message = {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "x"}]}
        for places in ((1, 2, 3), (0, 0, 0), (3, 2, 1)):
            events: list[dict[str, object]] = []
            for place, item in zip(places, (message, *tools), strict=True):
                told = {"output_index": place, "item": item}
                events += [{"type": f"response.output_item.{what}", **told} for what in ("added", "done")]
            reply = read_events(
                API, *events, {"type": "response.completed", "response": {"output": [message, *tools]}}
            )[1]
            self.assertEqual((reply.text, [c.id for c in reply.tool_calls]), ("x", ["a", "b"]), places)

    def test_arguments_in_part(self) -> None:
        """What was streamed of them is not told again."""
        added = {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}
        reply = read_events(
            API,
            {"type": "response.output_item.added", "output_index": 0, "item": added},
            {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": '{"a"'},
            {"type": "response.output_item.done", "output_index": 0, "item": {**added, "arguments": '{"a":1}'}},
            {"type": "response.completed", "response": {}},
        )[1]
        self.assertEqual(reply.tool_calls[0].arguments, '{"a":1}')

    def test_encrypted_late(self) -> None:
        """Azure gives the encrypted content only with the end."""
        reasoning = {"type": "reasoning", "id": "r", "summary": []}
        tool = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
        reply = read_events(
            API,
            {"type": "response.output_item.done", "output_index": 0, "item": reasoning},
            {"type": "response.output_item.done", "output_index": 1, "item": tool},
            {
                "type": "response.completed",
                "response": {"output": [{**reasoning, "encrypted_content": "late"}, tool]},
            },
        )[1]
        self.assertIn("late", reply.opaque)

    def test_several_summaries(self) -> None:
        """Parts of the thinking stand apart; the phase of a message goes back with it."""
        message = {"type": "message", "phase": "commentary", "content": [{"type": "output_text", "text": "x"}]}
        tool = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
        delta = {"type": "response.reasoning_summary_text.delta", "output_index": 0}
        reply = read_events(
            API,
            {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning"}},
            {**delta, "delta": "a"},
            {"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 1},
            {**delta, "delta": "b"},
            {"type": "response.output_item.done", "output_index": 1, "item": message},
            {"type": "response.output_item.done", "output_index": 2, "item": tool},
            {"type": "response.completed", "response": {}},
        )[1]
        self.assertEqual(reply.reasoning, "a\n\nb")
        sent = encoded(user("hi"), again(reply), result("r", "c"))["input"]
        self.assertEqual(sent[1], {"role": "assistant", "content": "x", "phase": "commentary"})

    def test_whole(self) -> None:
        """A response that was not streamed."""
        body = {
            "object": "response",
            "status": "completed",
            "error": None,
            "output": [{"type": "message", "content": [{"type": "output_text", "text": "x"}]}],
            "usage": {"input_tokens": 3, "output_tokens": 1},
        }
        reply = read_whole(API, body)[1]
        self.assertEqual((reply.text, reply.finish_reason, reply.usage.prompt_tokens), ("x", "stop", 3))
        for wrong in ({"error": {"message": "m"}}, {"x": 1}):
            self.assertRaises(UpstreamError, read_whole, API, wrong)
