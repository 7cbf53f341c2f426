# -*- test-case-name: tests.wire.test_ollama_chat -*-
"""The codec of Ollama's own API."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.values import Sampling, ToolChoice, ToolSpec
from openclaw_tx.wire.history import IMAGE_OMITTED
from openclaw_tx.wire.ollama_chat import OllamaDialect, encode_request
from openclaw_tx.wire.upstream import UpstreamError
from tests.wire.vendors import PICTURE, STREAMS, WEATHER, call, called, encoder, read_events, read_whole, result, user

API = "ollama"
SEEING = OllamaDialect(images=True)

encoded = encoder(encode_request, SEEING)


class EncodeTests(SynchronousTestCase):
    """L{encode_request}."""

    def test_least(self) -> None:
        """Nothing is sent that was not asked for."""
        messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "hi"}]
        self.assertEqual(encoded(user("hi"), system="S"), {"model": "m", "messages": messages, "stream": True})

    def test_tool_round(self) -> None:
        """Arguments are an object, results go by name; images are a list beside the text, those of results in a
        user's message."""
        messages = encoded(user("look", PICTURE), called(call(), text="Let me see."), result("sunny", "c1", PICTURE))[
            "messages"
        ]
        self.assertEqual(
            messages,
            [
                {"role": "user", "content": "look", "images": ["QUJD"]},
                {
                    "role": "assistant",
                    "content": "Let me see.",
                    "tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}],
                },
                {"role": "tool", "tool_name": "get_weather", "content": "sunny"},
                {"role": "user", "content": "Images from the tool get_weather:", "images": ["QUJD"]},
            ],
        )
        blind = encoded(user("look", PICTURE), dialect=OllamaDialect())["messages"]
        self.assertEqual(blind, [{"role": "user", "content": f"look\n{IMAGE_OMITTED}"}])

    def test_tools(self) -> None:
        """OpenAI's shape. A choice can only be made by offering less."""
        other = ToolSpec(name="t", description="", parameters={})
        both = ["get_weather", "t"]
        for choice, offered in (
            (ToolChoice(), both),
            (ToolChoice(mode="required"), both),
            (ToolChoice(mode="named", name="t"), ["t"]),
            (ToolChoice(mode="none"), None),
        ):
            tools = encoded(user("hi"), tools=(WEATHER, other), tool_choice=choice).get("tools")
            self.assertEqual(tools and [tool["function"]["name"] for tool in tools], offered)

    def test_options(self) -> None:
        """Ollama's names, and the context to run the model with."""
        sampling = Sampling(max_tokens=9, temperature=0.0, top_p=0.5, seed=1, presence_penalty=1.0, stop=("a",))
        body = encoded(user("hi"), sampling=sampling, dialect=OllamaDialect(context_window=32_768))
        self.assertEqual(
            body["options"],
            {
                "num_predict": 9,
                "temperature": 0.0,
                "top_p": 0.5,
                "seed": 1,
                "presence_penalty": 1.0,
                "stop": ["a"],
                "num_ctx": 32_768,
            },
        )

    def test_thinking(self) -> None:
        """Yes or nothing said; only one family has levels."""
        asked = Sampling(reasoning_effort="xhigh")
        self.assertIs(encoded(user("hi"), sampling=asked)["think"], True)
        self.assertEqual(encoded(user("hi"), sampling=asked, model="gpt-oss:20b")["think"], "high")
        most = Sampling(reasoning_effort="max")
        self.assertEqual(encoded(user("hi"), sampling=most, model="gpt-oss:20b")["think"], "high")
        self.assertNotIn("think", encoded(user("hi")))
        self.assertNotIn("think", encoded(user("hi"), sampling=asked, dialect=OllamaDialect(thinking=False)))

    def test_response_format(self) -> None:
        """A schema or just JSON, unless there are tools: held to a form the model could not call them."""
        schema = {"type": "object"}
        wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
        for form, sent in ((wanted, schema), ({"type": "json_object"}, "json"), ({"type": "text"}, None)):
            body = encoded(user("hi"), sampling=Sampling(response_format=form))
            self.assertEqual(body.get("format"), sent)
        held = Sampling(response_format=wanted)
        self.assertNotIn("format", encoded(user("hi"), sampling=held, tools=(WEATHER,)))
        self.assertNotIn("format", encoded(user("hi"), sampling=held, dialect=OllamaDialect(response_format=False)))


class ReadTests(SynchronousTestCase):
    """L{openclaw_tx.wire.ollama_chat.ChatReader}, beyond what all readers do."""

    def test_ends(self) -> None:
        """Complete or cut short by length; a model that was only loaded said nothing."""
        for reason, wanted in (("stop", "stop"), ("length", "length"), ("load", "stop")):
            self.assertEqual(read_events(API, {"done": True, "done_reason": reason})[1].finish_reason, wanted)

    def test_error_line(self) -> None:
        """A text, after what was said."""
        found = self.assertRaises(UpstreamError, read_events, API, STREAMS[API]["text"][0], {"error": "out of memory"})
        self.assertEqual(found.message, "out of memory")

    def test_ids(self) -> None:
        """Made where there are none, kept where newer versions give them."""
        calls = [{"id": "o1", "function": {"name": "f"}}, {"function": {"name": "g", "arguments": {}}}]
        reply = read_events(API, {"message": {"tool_calls": calls}}, {"done": True})[1]
        self.assertEqual([(c.id, c.arguments) for c in reply.tool_calls], [("o1", "{}"), ("made-1", "{}")])

    def test_whole(self) -> None:
        """One object, as without a stream."""
        reply = read_whole(API, {"message": {"content": "x"}, "done": True, "eval_count": 1})[1]
        self.assertEqual((reply.text, reply.usage.completion_tokens), ("x", 1))
        self.assertRaises(UpstreamError, read_whole, API, {"error": "m"})
