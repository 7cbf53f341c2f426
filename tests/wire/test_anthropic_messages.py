# -*- test-case-name: tests.wire.test_anthropic_messages -*-
"""The codec of Anthropic's Messages API."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.values import AssistantMessage, Sampling, ToolChoice, ToolSpec, Usage
from openclaw_tx.wire.anthropic_messages import BUDGETS, AnthropicDialect, encode_request, thinks_adaptively
from openclaw_tx.wire.history import BEGINNING, BLANK, IMAGE_OMITTED, NO_RESULT
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

API = "anthropic-messages"
PLAIN = AnthropicDialect(provider="p", cache_control=False, images=True)
MARK = {"cache_control": {"type": "ephemeral"}}

encoded = encoder(encode_request, PLAIN)


def text(words: str) -> dict[str, Any]:
    """A block of text."""
    return {"type": "text", "text": words}


class EncodeTests(SynchronousTestCase):
    """L{encode_request}."""

    def test_least(self) -> None:
        """The system prompt stands apart, and the limit that Anthropic wants is the model's."""
        self.assertEqual(
            encoded(user("hi"), system="S"),
            {
                "model": "m",
                "max_tokens": 8192,
                "stream": True,
                "system": [text("S")],
                "messages": [{"role": "user", "content": [text("hi")]}],
            },
        )

    def test_tool_round(self) -> None:
        """Arguments are an object; results are a user's blocks, with their images and whether they failed."""
        messages = encoded(
            user("w?"),
            called(call(), call("t", "c2", ""), text="Let me see."),
            result("", "c1", PICTURE),
            result("boom", "c2", is_error=True),
        )["messages"]
        picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}
        self.assertEqual(
            messages[1:],
            [
                {
                    "role": "assistant",
                    "content": [
                        text("Let me see."),
                        {"type": "tool_use", "id": "c1", "name": "get_weather", "input": {"city": "Paris"}},
                        {"type": "tool_use", "id": "c2", "name": "t", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "c1", "content": [picture]},
                        {"type": "tool_result", "tool_use_id": "c2", "content": [text("boom")], "is_error": True},
                    ],
                },
            ],
        )

    def test_failed_results(self) -> None:
        """Anthropic refuses a failure without words, and one with images: these stand after all results."""
        content = encoded(
            called(call(), call("t", "c2"), call("t", "c3")),
            result(" ", "c1", is_error=True),
            result("boom", "c2", PICTURE, is_error=True),
            result("", "c3"),
        )["messages"][-1]["content"]
        self.assertEqual(
            content,
            [
                {"type": "tool_result", "tool_use_id": "c1", "content": [text(BLANK)], "is_error": True},
                {"type": "tool_result", "tool_use_id": "c2", "content": [text("boom")], "is_error": True},
                {"type": "tool_result", "tool_use_id": "c3"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}},
            ],
        )

    def test_turns(self) -> None:
        """Users and assistant take turns, a user first; what is empty is filled; results stand before what is said."""
        messages = encoded(
            AssistantMessage(text="old"),
            user("a"),
            user(" "),
            called(call()),
            user("stop"),
            called(call(arguments="not json")),
        )["messages"]
        self.assertEqual([message["role"] for message in messages], ["user", "assistant"] * 3 + ["user"])
        self.assertEqual(messages[0]["content"], [text(BEGINNING)])
        self.assertEqual(messages[2]["content"], [text("a"), text(BLANK)])
        cut, stop = messages[4]["content"]
        self.assertEqual((cut["content"], cut["is_error"], stop), ([text(NO_RESULT)], True, text("stop")))
        self.assertEqual(messages[5]["content"][0]["input"], {"input": "not json"})

    def test_ids(self) -> None:
        """Anthropic takes its own alphabet only, and no id twice."""
        messages = encoded(
            user("x"),
            called(call(call_id="call:1|a")),
            result("r", "call:1|a"),
            called(call()),
            result(),
            called(call()),
        )["messages"]
        first, second, third = (messages[place]["content"][0]["id"] for place in (1, 3, 5))
        self.assertRegex(first, r"^[0-9a-f]{32}$")
        self.assertEqual((second, messages[2]["content"][0]["tool_use_id"]), ("c1", first))
        self.assertNotIn(third, ("c1", first))
        self.assertEqual(messages[6]["content"][0]["tool_use_id"], third)

    def test_blind_model(self) -> None:
        """A model that sees nothing is told so, in messages and in results."""
        blind = AnthropicDialect(cache_control=False)
        messages = encoded(user("look", PICTURE), called(call()), result("", "c1", PICTURE), dialect=blind)["messages"]
        self.assertEqual(messages[0]["content"], [text("look"), text(IMAGE_OMITTED)])
        self.assertEqual(messages[2]["content"][0]["content"], [text(IMAGE_OMITTED)])

    def test_tools(self) -> None:
        """Schemas are objects; each way to choose, and one call at a time."""
        bare = ToolSpec(name="t", description="", parameters={})
        tools = encoded(user("hi"), tools=(WEATHER, bare))["tools"]
        self.assertEqual(tools[0], {"name": "get_weather", "description": "d", "input_schema": WEATHER.parameters})
        self.assertEqual(tools[1], {"name": "t", "input_schema": {"type": "object", "properties": {}}})
        alone, free = Sampling(parallel_tool_calls=False), Sampling()
        for choice, sampling, shaped in (
            (ToolChoice(), free, None),
            (ToolChoice(), alone, {"type": "auto", "disable_parallel_tool_use": True}),
            (ToolChoice(mode="none"), alone, {"type": "none"}),
            (ToolChoice(mode="required"), free, {"type": "any"}),
            (
                ToolChoice(mode="named", name="t"),
                alone,
                {"type": "tool", "name": "t", "disable_parallel_tool_use": True},
            ),
        ):
            body = encoded(user("hi"), tools=(bare,), tool_choice=choice, sampling=sampling)
            self.assertEqual(body.get("tool_choice"), shaped)

    def test_sampling(self) -> None:
        """Temperature ends at 1 and comes before top_p; blank stop sequences, seed and penalties are not sent; from
        Claude 4.7 on neither temperature nor top_p."""
        sampling = Sampling(max_tokens=9, temperature=1.5, top_p=0.5, seed=1, presence_penalty=1.0, stop=("a", "\n"))
        body = encoded(user("hi"), sampling=sampling)
        self.assertEqual((body["max_tokens"], body["temperature"], body["stop_sequences"]), (9, 1.0, ["a"]))
        self.assertFalse({"top_p", "seed", "presence_penalty"} & set(body))
        self.assertEqual(encoded(user("hi"), sampling=Sampling(top_p=0.5))["top_p"], 0.5)
        new = encoded(user("hi"), sampling=sampling, model="claude-opus-4-7")
        self.assertFalse({"top_p", "temperature"} & set(new))

    def test_cache_marks(self) -> None:
        """The system prompt, with the tools before it, and the conversation so far."""
        marked = AnthropicDialect()
        body = encoded(user("a"), called(call()), result(), system="S", tools=(WEATHER,), dialect=marked)
        self.assertEqual(body["system"], [text("S") | MARK])
        self.assertEqual(body["messages"][-1]["content"][-1]["cache_control"], MARK["cache_control"])
        self.assertEqual(json.dumps(body).count("cache_control"), 2)
        body = encoded(user("a"), tools=(WEATHER,), dialect=marked)
        self.assertIn("cache_control", body["tools"][-1])
        self.assertNotIn("cache_control", json.dumps(encoded(user("a"), system="S", tools=(WEATHER,))))


class ThinkingTests(SynchronousTestCase):
    """How a model is told to think, and gets back what it thought."""

    def test_budget(self) -> None:
        """Thinking is added to the limit on the answer, and takes the place of temperature."""
        body = encoded(user("hi"), sampling=Sampling(max_tokens=100, temperature=0.5, reasoning_effort="high"))
        self.assertEqual(body["thinking"], {"type": "enabled", "budget_tokens": BUDGETS["high"]})
        self.assertEqual(body["max_tokens"], 100 + BUDGETS["high"])
        self.assertNotIn("temperature", body)

    def test_known_limit(self) -> None:
        """A model's longest answer holds, and leaves at least 1024 tokens for the answer; or there is no thinking."""
        for limit, asked, wanted in ((10_000, 8000, (10_000, 8976)), (4096, 4096, (4096, 3072)), (1500, 1500, None)):
            dialect = AnthropicDialect(max_tokens_cap=limit)
            body = encoded(user("hi"), sampling=Sampling(max_tokens=asked, reasoning_effort="high"), dialect=dialect)
            thinking = body.get("thinking")
            found = None if thinking is None else (body["max_tokens"], thinking["budget_tokens"])
            self.assertEqual(found, wanted)

    def test_adaptive(self) -> None:
        """From Claude 4.6 on an effort takes the place of the budget, by the id or by the configuration."""
        for model, effort, level in (
            ("claude-opus-4-6", "minimal", "low"),
            ("claude-opus-4-6", "xhigh", "max"),
            ("claude-opus-4-7", "xhigh", "xhigh"),
            ("claude-opus-4-7", "max", "max"),
            ("anthropic/claude-sonnet-5", "medium", "medium"),
        ):
            body = encoded(user("hi"), sampling=Sampling(reasoning_effort=effort), model=model)
            self.assertEqual(body["thinking"], {"type": "adaptive", "display": "summarized"})
            self.assertEqual(body["output_config"], {"effort": level})
        forced = AnthropicDialect(adaptive=True)
        body = encoded(user("hi"), sampling=Sampling(reasoning_effort="low"), dialect=forced)
        self.assertEqual(body["thinking"]["type"], "adaptive")

    def test_which_are_adaptive(self) -> None:
        """Ids of all ages, and of other hosts."""
        for model, adaptive in (
            ("claude-3-7-sonnet-20250219", False),
            ("claude-opus-4-20250514", False),
            ("us.anthropic.claude-sonnet-4-20250514-v1:0", False),
            ("claude-haiku-4-5-20251001", False),
            ("claude-opus-4.6", True),
            ("claude-sonnet-4-6", True),
            ("claude-mythos-preview", True),
            ("claude-opus-5-5", True),
            ("MiniMax-M2", False),
        ):
            self.assertEqual(thinks_adaptively(model), adaptive, model)

    def test_not_asked_for(self) -> None:
        """No effort, an unknown one, a model that can not, and a tool that is forced: no thinking."""
        asked = Sampling(reasoning_effort="high")
        self.assertNotIn("thinking", encoded(user("hi")))
        self.assertNotIn("thinking", encoded(user("hi"), sampling=Sampling(reasoning_effort="none")))
        self.assertNotIn("thinking", encoded(user("hi"), sampling=asked, dialect=AnthropicDialect(thinking=False)))
        for choice in (ToolChoice(mode="required"), ToolChoice(mode="named", name="get_weather")):
            self.assertNotIn("thinking", encoded(user("hi"), sampling=asked, tools=(WEATHER,), tool_choice=choice))

    def test_signed_thinking_goes_back(self) -> None:
        """Blocks as they came and where they stood, also the redacted one; to the same model of the same provider."""
        message = again(read_events(API, *STREAMS[API]["tools"])[1])
        asked = Sampling(reasoning_effort="high")
        history = (user("w?"), message, result("sunny", "toolu_01T1x"), result("noon", "toolu_01T2x"))
        body = encoded(*history, sampling=asked)
        self.assertEqual(
            body["messages"][1]["content"][:3],
            [
                {"type": "thinking", "thinking": "Two cities, two calls.", "signature": "EqQBCg=="},
                {"type": "redacted_thinking", "data": "EmwKAhgB"},
                text("Let me look."),
            ],
        )
        self.assertEqual([block["type"] for block in body["messages"][1]["content"][3:]], ["tool_use"] * 2)
        self.assertIn("thinking", body)
        for other in ({"model": "other"}, {"dialect": AnthropicDialect(provider="q")}, {"sampling": Sampling()}):
            body = encoded(*history, **{"sampling": asked, **other})
            self.assertNotIn("EqQBCg==", json.dumps(body))
            self.assertNotIn("thinking", body)

    def test_round_begun_without_thinking(self) -> None:
        """It ends without, also when somebody spoke meanwhile; a new question may be thought about again, and a model
        that thinks adaptively at any time."""
        asked = Sampling(reasoning_effort="high")
        begun = (user("w?"), called(call()), result())
        self.assertNotIn("thinking", encoded(*begun, sampling=asked))
        self.assertNotIn("thinking", encoded(*begun, user("hurry"), sampling=asked))
        self.assertIn("thinking", encoded(*begun, AssistantMessage(text="sunny"), user("and now?"), sampling=asked))
        self.assertIn("thinking", encoded(*begun, sampling=asked, model="claude-opus-5"))


class ReadTests(SynchronousTestCase):
    """L{openclaw_tx.wire.anthropic_events.MessageReader}, beyond what all readers do."""

    def finish(self, reason: str, *before: dict[str, Any]) -> tuple[str, str]:
        """How an answer ends, and with what text."""
        last = {"type": "message_delta", "delta": {"stop_reason": reason}}
        reply = read_events(API, *before, last, {"type": "message_stop"})[1]
        return reply.finish_reason, reply.text

    def test_finish_reasons(self) -> None:
        """Anthropic's words in ours."""
        for reason, wanted in (
            ("end_turn", "stop"),
            ("stop_sequence", "stop"),
            ("pause_turn", "stop"),
            ("max_tokens", "length"),
            ("model_context_window_exceeded", "length"),
            ("refusal", "content_filter"),
            ("tool_use", "stop"),
            ("brand_new", "stop"),
        ):
            self.assertEqual(self.finish(reason), (wanted, ""))

    def test_error_event(self) -> None:
        """An overload in mid-stream."""
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        found = self.assertRaises(UpstreamError, read_events, API, *STREAMS[API]["text"][:3], error)
        self.assertEqual((found.type, found.message), ("overloaded_error", "Overloaded"))

    def test_counts(self) -> None:
        """A later event's counts win; what it leaves out stays."""
        events = [
            {"type": "message_start", "message": {"usage": {"input_tokens": 5, "output_tokens": 1}}},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"input_tokens": None, "cache_read_input_tokens": 7, "output_tokens": 3},
            },
        ]
        self.assertEqual(
            read_events(API, *events)[1].usage, Usage(prompt_tokens=12, completion_tokens=3, cached_tokens=7)
        )

    def test_arguments_at_once(self) -> None:
        """Some servers put them into the block's start; a name that is missing is an error."""
        start = {"type": "content_block_start", "index": 0}
        block = {"type": "tool_use", "id": "", "name": "f", "input": {"a": 1}}
        stop = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}}
        ended = {"type": "content_block_stop", "index": 0}
        reply = read_events(API, {**start, "content_block": block}, ended, stop)[1]
        self.assertEqual([(c.id, c.name, c.arguments) for c in reply.tool_calls], [("made-1", "f", '{"a":1}')])
        nameless = {"type": "tool_use", "id": "x"}
        self.assertRaises(UpstreamError, read_events, API, {**start, "content_block": nameless}, ended, stop)

    def test_unsigned_thinking(self) -> None:
        """It is shown, and not kept: nobody takes it back."""
        start = {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "hm"}}
        tool = {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "i", "name": "f"},
        }
        stops = [{"type": "content_block_stop", "index": index} for index in (0, 1)]
        reply = read_events(API, start, tool, *stops, {"type": "message_stop"})[1]
        self.assertEqual((reply.reasoning, reply.opaque, reply.finish_reason), ("hm", "", "tool_calls"))

    def test_whole(self) -> None:
        """A message that was not streamed."""
        content = [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "x"},
            {"type": "tool_use", "id": "i", "name": "f", "input": {"a": 1}},
        ]
        body = {"type": "message", "content": content, "stop_reason": "tool_use", "usage": {"input_tokens": 3}}
        reply = read_whole(API, body)[1]
        self.assertEqual((reply.reasoning, reply.text, reply.tool_calls[0].arguments), ("hm", "x", '{"a":1}'))
        self.assertEqual((reply.finish_reason, reply.usage.prompt_tokens), ("tool_calls", 3))
        for wrong in ({"type": "error", "error": {"message": "m"}}, {"x": 1}):
            self.assertRaises(UpstreamError, read_whole, API, wrong)
