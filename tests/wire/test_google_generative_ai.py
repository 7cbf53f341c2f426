# -*- test-case-name: tests.wire.test_google_generative_ai -*-
"""The codec of Google's Gemini API."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.values import AssistantMessage, Sampling, ToolChoice, ToolSpec
from openclaw_tx.wire.google_generative_ai import (
    BUDGETS,
    NO_SIGNATURE,
    GoogleDialect,
    encode_request,
    holds_with_tools,
)
from openclaw_tx.wire.history import BEGINNING, BLANK, IMAGE_OMITTED
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

API = "google-generative-ai"
SEEING = GoogleDialect(provider="p", images=True)
OLD, NEW = "gemini-2.5-flash", "gemini-3-flash-preview"
SHOWN = {"inlineData": {"mimeType": "image/png", "data": "QUJD"}}

encoded = encoder(encode_request, SEEING, OLD)


def config(model: str = OLD, **sampling: Any) -> dict[str, Any]:
    """The generation settings for these parameters."""
    found: dict[str, Any] = encoded(user("hi"), model=model, sampling=Sampling(**sampling))["generationConfig"]
    return found


class EncodeTests(SynchronousTestCase):
    """L{encode_request}."""

    def test_least(self) -> None:
        """The system prompt stands apart; the model stands in the URL."""
        self.assertEqual(
            encoded(user("hi"), system="S"),
            {
                "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
                "systemInstruction": {"parts": [{"text": "S"}]},
            },
        )

    def test_tool_round(self) -> None:
        """As many results as calls, in their order, by name; errors apart; images in a content after them."""
        contents = encoded(
            user("w?", PICTURE),
            called(call(), call("t", "c2", ""), text="Let me see."),
            result("boom", "c2", is_error=True),
            result("sunny", "c1", PICTURE),
        )["contents"]
        self.assertEqual(
            contents,
            [
                {"role": "user", "parts": [{"text": "w?"}, SHOWN]},
                {
                    "role": "model",
                    "parts": [
                        {"text": "Let me see."},
                        {"functionCall": {"name": "get_weather", "args": {"city": "Paris"}}},
                        {"functionCall": {"name": "t", "args": {}}},
                    ],
                },
                {
                    "role": "user",
                    "parts": [
                        {"functionResponse": {"name": "get_weather", "response": {"output": "sunny"}}},
                        {"functionResponse": {"name": "t", "response": {"error": "boom"}}},
                    ],
                },
                {"role": "user", "parts": [{"text": "Images from the tool get_weather:"}, SHOWN]},
            ],
        )

    def test_images_in_results(self) -> None:
        """From Gemini 3 on they stand inside; a model that sees nothing is told so."""
        history = (user("w?"), called(call()), result("sunny", "c1", PICTURE))
        contents = encoded(*history, model=NEW)["contents"]
        self.assertEqual(len(contents), 3)
        self.assertEqual(contents[2]["parts"][0]["functionResponse"]["parts"], [SHOWN])
        blind = encoded(*history, dialect=GoogleDialect(), model=NEW)["contents"]
        self.assertEqual(blind[3]["parts"][1], {"text": IMAGE_OMITTED})

    def test_turns(self) -> None:
        """A user first; neighbours of a role are one content, but nothing joins the results of tools."""
        contents = encoded(
            AssistantMessage(text="old"), user("a"), user(""), called(call()), result(), user("b"), user("c")
        )["contents"]
        self.assertEqual(
            [(content["role"], len(content["parts"])) for content in contents],
            [("user", 1), ("model", 1), ("user", 2), ("model", 1), ("user", 1), ("user", 2)],
        )
        self.assertEqual(contents[0]["parts"], [{"text": BEGINNING}])
        self.assertEqual(contents[2]["parts"], [{"text": "a"}, {"text": BLANK}])

    def test_tools(self) -> None:
        """Declarations in Google's schema; an object without properties is left out; each way to choose."""
        schema = {**WEATHER.parameters, "$schema": "x", "additionalProperties": False}
        tools = (
            ToolSpec(name="a", description="d", parameters=schema),
            ToolSpec(name="b", description="", parameters={"type": "object", "properties": {}}),
        )
        body = encoded(user("hi"), tools=tools)
        self.assertEqual(
            body["tools"],
            [
                {
                    "functionDeclarations": [
                        {"name": "a", "description": "d", "parameters": WEATHER.parameters},
                        {"name": "b", "description": ""},
                    ]
                }
            ],
        )
        self.assertNotIn("toolConfig", body)
        for choice, shaped in (
            (ToolChoice(mode="none"), {"mode": "NONE"}),
            (ToolChoice(mode="required"), {"mode": "ANY"}),
            (ToolChoice(mode="named", name="a"), {"mode": "ANY", "allowedFunctionNames": ["a"]}),
        ):
            body = encoded(user("hi"), tools=tools, tool_choice=choice)
            self.assertEqual(body["toolConfig"], {"functionCallingConfig": shaped})

    def test_sampling(self) -> None:
        """Google's names; a seed of 32 bits; penalties are not sent."""
        self.assertEqual(
            config(max_tokens=9, temperature=1.5, top_p=0.5, seed=2**40 + 5, stop=("a",), presence_penalty=1.0),
            {"maxOutputTokens": 9, "temperature": 1.5, "topP": 0.5, "seed": 5, "stopSequences": ["a"]},
        )

    def test_response_format(self) -> None:
        """With tools only from Gemini 3 on: before, Google refuses both together."""
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
        wanted = Sampling(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}})
        shaped = {
            "responseMimeType": "application/json",
            "responseSchema": {"type": "object", "properties": {"a": {"type": "integer"}}},
        }
        for model, tools, sent in ((OLD, (), shaped), (OLD, (WEATHER,), None), (NEW, (WEATHER,), shaped)):
            body = encoded(user("hi"), model=model, tools=tools, sampling=wanted)
            self.assertEqual(body.get("generationConfig"), sent)
        loose = config(response_format={"type": "json_object"})
        self.assertEqual(loose, {"responseMimeType": "application/json"})
        self.assertNotIn("generationConfig", encoded(user("x"), sampling=Sampling(response_format={"type": "text"})))
        never = GoogleDialect(response_format=False)
        self.assertNotIn("generationConfig", encoded(user("x"), sampling=wanted, dialect=never))
        self.assertEqual(
            [holds_with_tools(name) for name in (OLD, NEW, "gemini-flash-latest", "gemma-3")], [0, 1, 1, 0]
        )

    def test_thinking(self) -> None:
        """A budget with 2.5, a level from 3 on, nothing before; the limit on the answer is raised by as much."""
        self.assertEqual(
            config(reasoning_effort="high", max_tokens=10),
            {
                "maxOutputTokens": 10 + BUDGETS["high"],
                "thinkingConfig": {"includeThoughts": True, "thinkingBudget": BUDGETS["high"]},
            },
        )
        capped = GoogleDialect(max_tokens_cap=100)
        most = Sampling(reasoning_effort="high", max_tokens=90)
        self.assertEqual(encoded(user("x"), sampling=most, dialect=capped)["generationConfig"]["maxOutputTokens"], 100)
        for model, effort, level in (
            (NEW, "minimal", "minimal"),
            (NEW, "xhigh", "high"),
            (NEW, "max", "high"),
            ("gemini-3-pro-preview", "minimal", "low"),
            ("gemini-3-pro-preview", "medium", "high"),
            ("gemini-3.1-pro", "medium", "medium"),
        ):
            thinking = config(model, reasoning_effort=effort)["thinkingConfig"]
            self.assertEqual(thinking, {"includeThoughts": True, "thinkingLevel": level})
        asked = Sampling(reasoning_effort="high")
        for more in ({"model": "gemini-2.0-flash"}, {"dialect": GoogleDialect(thinking=False)}):
            self.assertNotIn("generationConfig", encoded(user("hi"), sampling=asked, **more))

    def test_signatures_go_back(self) -> None:
        """On the part that they came with, to their maker; a call by somebody else says so, where one is wanted."""
        chunk = {"candidates": [{"content": {"parts": [{"text": "Look."}, {"text": "", "thoughtSignature": "T1"}]}}]}
        reply = read_events(API, chunk, *STREAMS[API]["tools"])[1]
        message = AssistantMessage(
            text=reply.text, tool_calls=reply.tool_calls, provider="p", model=NEW, opaque=reply.opaque
        )
        history = (user("w?"), message, result("sunny", "made-1"), result("noon", "made-2"))
        parts = encoded(*history, model=NEW)["contents"][1]["parts"]
        self.assertEqual([part.get("thoughtSignature") for part in parts], ["T1", "CiQB", None])
        for model, dialect, signatures in (
            (NEW, GoogleDialect(provider="q"), [None, NO_SIGNATURE, None]),
            (OLD, SEEING, [None, None, None]),
        ):
            parts = encoded(*history, model=model, dialect=dialect)["contents"][1]["parts"]
            self.assertEqual([part.get("thoughtSignature") for part in parts], signatures)
        self.assertEqual(again(reply).opaque, reply.opaque)


class ReadTests(SynchronousTestCase):
    """L{openclaw_tx.wire.google_events.GenerateContentReader}, beyond what all readers do."""

    def test_finish_reasons(self) -> None:
        """Google's words in ours; a failure of the model is no answer."""
        for reason, wanted in (
            ("STOP", "stop"),
            ("MAX_TOKENS", "length"),
            ("SAFETY", "content_filter"),
            ("RECITATION", "content_filter"),
            ("PROHIBITED_CONTENT", "content_filter"),
        ):
            self.assertEqual(read_events(API, {"candidates": [{"finishReason": reason}]})[1].finish_reason, wanted)
        for reason in ("MALFORMED_FUNCTION_CALL", "OTHER", "SOMETHING_NEW"):
            found = self.assertRaises(UpstreamError, read_events, API, {"candidates": [{"finishReason": reason}]})
            self.assertIn(reason, found.message)
        unsaid = {"candidates": [{"finishReason": "FINISH_REASON_UNSPECIFIED"}]}
        self.assertRaises(UpstreamError, read_events, API, unsaid)

    def test_blocked_prompt(self) -> None:
        """A prompt that Google does not answer ends the answer."""
        reply = read_events(API, {"promptFeedback": {"blockReason": "SAFETY"}})[1]
        self.assertEqual((reply.text, reply.finish_reason), ("", "content_filter"))

    def test_error_in_the_stream(self) -> None:
        """An error object in place of a chunk, with its wait."""
        error = {
            "code": 429,
            "message": "m",
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s"}],
        }
        found = self.assertRaises(UpstreamError, read_events, API, STREAMS[API]["text"][0], {"error": error})
        self.assertEqual((found.status, found.type, found.retry_after), (429, "RESOURCE_EXHAUSTED", 37.5))

    def test_ids_and_other_candidates(self) -> None:
        """An id that Google gives is kept; candidates that nobody asked for are not read."""
        call_part = {"functionCall": {"id": "g1", "name": "f", "args": {}}}
        reply = read_events(
            API,
            {"candidates": [{"content": {"parts": [call_part]}}, {"index": 1, "content": {"parts": [{"text": "no"}]}}]},
            {"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 1}},
            {"usageMetadata": {"promptTokenCount": 2, "candidatesTokenCount": 3}},
        )[1]
        self.assertEqual((reply.text, reply.tool_calls[0].id), ("", "g1"))
        self.assertEqual((reply.usage.prompt_tokens, reply.usage.completion_tokens), (2, 3))

    def test_whole(self) -> None:
        """One object, and the list of them that comes without C{alt=sse}."""
        for body in (
            STREAMS[API]["text"],
            {"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}]},
        ):
            self.assertEqual(read_whole(API, body)[1].finish_reason, "stop")
        self.assertRaises(UpstreamError, read_whole, API, {"error": {"code": 500, "message": "m"}})
        self.assertRaises(UpstreamError, read_whole, API, {})
