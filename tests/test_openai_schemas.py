# -*- test-case-name: tests.test_openai_schemas -*-
"""Every object that a client gets is what OpenAI publishes, what its own client believes, and what we say ourselves.

Three judges: OpenAI's published schemas (tests/wire/openai_schemas.json names their source), the pydantic models of the
C{openai} package in strict mode, and C{/openapi.json}.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from openai.types import CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.shared import ErrorObject
from pydantic import TypeAdapter

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import CODES
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.gateway import TOKEN
from openclaw_tx.testing.http import MemoryResponse
from openclaw_tx.values import Embeddings, Usage

PUBLISHED = json.loads((Path(__file__).parent / "wire" / "openai_schemas.json").read_text("utf-8"))
CHAT = "/v1/chat/completions"
HELLO = {"model": "openclaw", "messages": [{"role": "user", "content": "hi"}]}
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
FLAT = [{"type": "function", "name": "look", "parameters": {"type": "object"}}]
UNKNOWN = Usage()
FULL = Usage(prompt_tokens=9, completion_tokens=4, cached_tokens=3, reasoning_tokens=2)
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)

CONFIG = {
    "gateway": {"http": {"endpoints": {"responses": {"enabled": True}}}},
    "agents": {"defaults": {"reasoningContent": True}},
}


UNTOLD = {
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "permissions-policy",
    "referrer-policy",
    "transfer-encoding",
    "x-accel-buffering",
    "x-content-type-options",
}
"""Headers that the document says nothing of: they are HTTP's, and no client of the API goes by them."""


class RecordingGateway(MemoryGateway):
    """Keeps every answer with what was asked."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.answers: list[tuple[str, str, MemoryResponse]] = []
        super().__init__(config)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        token: str | None = TOKEN,
        headers: Mapping[str, str] | None = None,
    ) -> MemoryResponse:
        """As the gateway has it."""
        answer = super().request(method, path, body, token=token, headers=headers)
        self.answers.append((method, path.partition("?")[0], answer))
        return answer


class SchemaTests(SynchronousTestCase):
    """The whole gateway in memory."""

    def setUp(self) -> None:
        """Start it, and read its own document."""
        self.memory = RecordingGateway(CONFIG)
        self.addCleanup(self.memory.close)
        self.model = self.memory.model
        self.own = self.memory.get("/openapi.json", token=None).json()

    def tearDown(self) -> None:
        """Whatever was asked: the document has the status, every header, and each line of a stream."""
        self.memory.flush()
        for method, path, answer in self.memory.answers:
            operation = self._operation(method, path)
            if operation is None:
                continue
            self.assertIn(str(answer.code), operation["responses"], path)
            told = operation["responses"][str(answer.code)]
            self.assertLessEqual(
                set(answer.headers) - UNTOLD, {name.lower() for name in told["headers"]}, (path, answer.code)
            )
            if answer.headers.get("content-type", "").startswith("text/event-stream"):
                schema = told["content"]["text/event-stream"]["x-openclaw-event-schema"]
                for event in answer.events():
                    if event != "[DONE]":
                        self._check(event, {**schema, "components": self.own["components"]}, path)

    def _operation(self, method: str, path: str) -> Any:
        """What the document has; None = it has no such path, or method."""
        for known, item in self.own["paths"].items():
            if re.fullmatch(re.sub("{[^}]*}", "[^/]+", known), path):
                return item.get(method.lower())
        return None

    def published(self, value: Any, name: str) -> Any:
        """Hold a value against a schema of OpenAI's."""
        self._check(value, {"$ref": f"#/$defs/{name}", "$defs": PUBLISHED["$defs"]}, name)
        return value

    def ours(self, value: Any, name: str) -> Any:
        """Hold a value against a component of our own document."""
        self._check(value, {"$ref": f"#/components/schemas/{name}", "components": self.own["components"]}, name)
        return value

    def _check(self, value: Any, schema: dict[str, Any], name: str) -> None:
        found = [
            f"{list(error.absolute_path)}: {error.message}" for error in Draft202012Validator(schema).iter_errors(value)
        ]
        self.assertEqual(found, [], name)

    def completion(self, answer: MemoryResponse) -> Any:
        """A whole answer, judged."""
        self.assertEqual(answer.code, 200, answer.body)
        value = self.ours(self.published(answer.json(), "CreateChatCompletionResponse"), "ChatCompletion")
        ChatCompletion.model_validate(value, strict=True)
        self.assertLessEqual({"role", "content", "refusal"}, set(value["choices"][0]["message"]))
        self.assertIsNone(value["choices"][0]["logprobs"])
        return value

    def chunks(self, answer: MemoryResponse) -> list[Any]:
        """A stream, judged chunk by chunk. C{usage: null} is what OpenAI sends though its schema has no null there."""
        *chunks, done = answer.events()
        self.assertEqual(done, "[DONE]")
        for chunk in chunks:
            self.ours(chunk, "ChatCompletionChunk")
            ChatCompletionChunk.model_validate(chunk, strict=True)
            shown = {name: value for name, value in chunk.items() if name != "usage" or value is not None}
            self.published(shown, "CreateChatCompletionStreamResponse")
        return chunks

    def error(self, value: Any) -> Any:
        """An error's body, judged."""
        self.ours(self.published(value, "ErrorResponse"), "ErrorResponse")
        self.assertEqual(set(value["error"]), {"message", "type", "param", "code"})
        ErrorObject.model_validate(value["error"], strict=True)
        return value["error"]

    def response(self, value: Any) -> Any:
        """A response object, judged; strict as far as JSON goes, where a time is a number."""
        self.ours(value, "Response")
        Response.model_validate_json(json.dumps(value), strict=True)
        return value

    def response_events(self, answer: MemoryResponse) -> list[Any]:
        """The events of a response, judged one by one."""
        *events, done = answer.events()
        self.assertEqual(done, "[DONE]")
        for event in events:
            self.ours(event, "ResponseEvent")
            EVENTS.validate_json(json.dumps(event), strict=True)
            if "response" in event:
                self.response(event["response"])
        return events

    # -- chat completions

    def test_completion(self) -> None:
        """Plain, with all there is to know about usage, and with nothing."""
        self.model.say("yes", usage=FULL)
        known = self.completion(self.memory.post(CHAT, HELLO))
        self.assertEqual(known["usage"]["prompt_tokens_details"], {"cached_tokens": 3})
        self.model.say("yes", usage=UNKNOWN)
        self.assertNotIn("usage", self.completion(self.memory.post(CHAT, HELLO)))

    def test_completion_tool_calls(self) -> None:
        """With calls of the client's tools."""
        self.model.call_tool("look", {"at": 1}, text="wait")
        value = self.completion(self.memory.post(CHAT, {**HELLO, "tools": TOOLS}))
        self.assertEqual(value["choices"][0]["finish_reason"], "tool_calls")

    def test_completion_refusal_and_thoughts(self) -> None:
        """A refusal has no content; thinking stands beside the answer."""
        answer = self.memory.post(CHAT, HELLO)
        self.model.calls[0].reasoning("hm")
        self.model.calls[0].refuse("no")
        self.model.calls[0].finish()
        self.memory.flush()
        message = self.completion(answer)["choices"][0]["message"]
        self.assertEqual((message["content"], message["refusal"]), (None, "no"))
        self.assertEqual(message["reasoning_content"], "hm")

    def test_chunks(self) -> None:
        """Every chunk of streams with everything that can be asked for."""
        asked: list[dict[str, Any]] = [
            {},
            {"stream_options": {"include_usage": True}},
            {"stream_options": {"include_usage": True, "continuous_usage_stats": True, "openclaw_events": True}},
        ]
        for options in asked:
            for usage in (FULL, UNKNOWN):
                stream = self.memory.post(CHAT, {**HELLO, "stream": True, "tools": TOOLS, **options})
                call = self.model.calls[-1]
                call.reasoning("hm")
                call.text("wait", " a bit")
                call.call_tool("look", {"long": "x" * 600})
                call.finish(usage=usage)
                self.memory.flush()
                reasons = [c["choices"][0]["finish_reason"] for c in self.chunks(stream) if c["choices"]]
                self.assertEqual((reasons[-1], set(reasons[:-1])), ("tool_calls", {None}))

    def test_chunks_refusal(self) -> None:
        """A streamed refusal."""
        stream = self.memory.post(CHAT, {**HELLO, "stream": True})
        self.model.calls[0].refuse("I", " won't")
        self.model.calls[0].finish()
        self.memory.flush()
        said = [c["choices"][0]["delta"].get("refusal", "") for c in self.chunks(stream)]
        self.assertEqual("".join(said), "I won't")

    def test_chunks_error(self) -> None:
        """A failure in mid-stream is an error object, and then it is over."""
        stream = self.memory.post(CHAT, {**HELLO, "stream": True})
        self.model.calls[0].text("half")
        self.memory.advance(1)
        self.model.calls[0].fail("provider_overloaded")
        self.memory.flush()
        *chunks, error, done = stream.events()
        self.assertEqual((len(chunks), done), (2, "[DONE]"))
        self.assertRaises(self.failureException, self.ours, error, "ChatCompletionChunk")
        self.assertEqual(self.error(error)["code"], "provider_overloaded")

    # -- errors

    def test_errors(self) -> None:
        """Refusals of every kind of route."""
        post, get = self.memory.post, self.memory.get
        answers = [
            post(CHAT, {"messages": 7}),
            post(CHAT, {**HELLO, "n": 2}),
            post(CHAT, b"{"),
            post("/v1/responses", {"model": "x", "input": "hi", "nope": 1}),
            post("/v1/runs", {"message": 1}),
            post("/v1/embeddings", {"model": "openclaw", "input": ""}),
            get("/v1/models/openclaw%2Fnobody"),
            get("/v1/runs/nobody"),
            get("/v1/runs/nobody/events?after=x"),
            get("/nowhere"),
            get(CHAT),
            get("/v1/models", token=None),
        ]
        codes = {self.error(answer.json())["code"] for answer in answers}
        self.assertEqual(len(codes), 7, codes)

    def test_every_code_of_a_failed_run(self) -> None:
        """Whatever a model fails with, the answer is an error of the status that the document has for it."""
        told = self.own["paths"][CHAT]["post"]["responses"]
        for code, kind in CODES.items():
            if code.startswith("provider_") or code in ("context_length_exceeded", "local_model_not_installed"):
                self.model.fail(code)
                answer = self.memory.post(CHAT, HELLO)
                self.memory.advance(60, steps=60)
                while not answer.finished and self.model.calls and not self.model.calls[-1].done.called:
                    self.model.calls[-1].fail(code)
                    self.memory.advance(60, steps=60)
                self.assertEqual((self.error(answer.json())["code"], answer.code), (code, kind.status))
                self.assertIn(code, told[str(answer.code)]["description"])

    def test_headers(self) -> None:
        """Answers of all kinds carry what the document says of them, in the places where it says so."""
        post, told = self.memory.post, self.own["paths"]
        self.model.say("yes")
        once = {"Idempotency-Key": "k"}
        whole = post(CHAT, HELLO, headers=once)
        again = post(CHAT, HELLO, headers=once)
        self.model.fail("provider_rejected")
        failed = post(CHAT, HELLO)
        started = post("/v1/runs", HELLO)
        events = self.memory.get(f"{started.headers['location']}/events?after=999")
        denied = self.memory.get("/v1/models", token="wrong")
        self.memory.advance(1)
        for answer, path, method, names in (
            (whole, CHAT, "post", ("Server-Timing", "X-Openclaw-Run-Id", "X-Openclaw-Session-Key", "X-Openclaw-Model")),
            (again, CHAT, "post", ("Idempotency-Replayed",)),
            (failed, CHAT, "post", ("X-Openclaw-Run-Id", "X-Openclaw-Session-Key", "X-Should-Retry")),
            (started, "/v1/runs", "post", ("Location", "X-Openclaw-Run-Id")),
            (events, "/v1/runs/{id}/events", "get", ("X-Openclaw-Run-Id",)),
            (denied, "/v1/models", "get", ("WWW-Authenticate",)),
        ):
            for name in names:
                self.assertIn(name.lower(), answer.headers, (path, answer.code))
                self.assertIn(name, told[path][method]["responses"][str(answer.code)]["headers"])

    def test_run_events_error(self) -> None:
        """A watcher that is given up is told so in the document's words."""
        started = self.memory.post("/v1/runs", HELLO)
        watch = self.memory.get(f"{started.headers['location']}/events")
        self.memory.gateway.reload(
            {**self.memory.config, "gateway": {**self.memory.config["gateway"], "auth": {"token": "other"}}}
        )
        self.memory.advance(60, steps=60)
        *_, last = watch.events()
        self.assertEqual(self.error(last)["code"], "invalid_api_key")

    # -- the rest

    def test_models(self) -> None:
        """The list, and one of them."""
        listed = self.memory.get("/v1/models").json()
        self.ours(self.published(listed, "ListModelsResponse"), "ModelList")
        one = self.memory.get("/v1/models/openclaw%2Fbeta").json()
        for value in (*listed["data"], one):
            self.ours(self.published(value, "Model"), "Model")
            Model.model_validate(value, strict=True)

    def test_embeddings(self) -> None:
        """Floats and base64."""
        from openclaw_tx.wire.openai_embeddings import render

        found = Embeddings(vectors=((0.5, 1.0), (0.0, 2.0)), usage=Usage(prompt_tokens=3), provider="p", model="m")
        for encoding in ("float", "base64"):
            value = json.loads(render(found, "openclaw", encoding))  # type: ignore[arg-type]
            self.ours(value, "EmbeddingList")
            if encoding == "float":
                self.published(value, "CreateEmbeddingResponse")
                CreateEmbeddingResponse.model_validate(value, strict=True)

    def test_runs_and_capabilities(self) -> None:
        """What is our own, held against our own document."""
        started = self.memory.post("/v1/runs", HELLO)
        run = self.ours(started.json(), "Run")
        self.model.calls[0].text("yes")
        self.model.calls[0].finish()
        self.memory.flush()
        ended = self.ours(self.memory.get(f"/v1/runs/{run['id']}").json(), "Run")
        self.assertEqual((started.code, ended["status"]), (202, "ok"))
        for event in self.memory.get(f"/v1/runs/{run['id']}/events").events():
            self.ours(event, "RunEvent")
        self.ours(self.memory.get("/v1/capabilities").json(), "Capabilities")
        self.ours(self.memory.get("/healthz").json(), "Health")
        self.ours(self.memory.get("/readyz").json(), "Readiness")
        tool = self.memory.post("/tools/invoke", {"name": "session_status", "args": {}})
        self.ours(tool.json(), "ToolsInvokeResult")
        self.ours(self.memory.post("/tools/invoke", {"name": "nope"}).json(), "ToolsInvokeError")

    # -- responses

    def ask(self, **fields: Any) -> MemoryResponse:
        """A response."""
        return self.memory.post("/v1/responses", {"model": "openclaw", "input": "hi", **fields})

    def test_response(self) -> None:
        """Plain, cut short, with calls, and without usage."""
        self.model.say("yes", usage=FULL)
        self.response(self.ask(metadata={"a": "b"}, instructions="be", temperature=0.5).json())
        self.model.say("yes", usage=UNKNOWN)
        self.assertIsNone(self.response(self.ask(store=False).json())["usage"])
        self.model.say("ye", reason="length")
        self.assertEqual(self.response(self.ask().json())["status"], "incomplete")
        self.model.call_tool("look", {}, text="wait")
        value = self.response(self.ask(tools=FLAT).json())
        self.assertEqual([item["type"] for item in value["output"]], ["message", "function_call"])

    def test_response_events(self) -> None:
        """Every event: text, calls, a refusal, a failure."""
        self.model.call_tool("look", {"at": 1}, text="wait")
        kinds = [event["type"] for event in self.response_events(self.ask(stream=True, tools=FLAT))]
        self.assertEqual((kinds[0], kinds[-1]), ("response.created", "response.completed"))
        refused = self.ask(stream=True)
        self.model.calls[-1].refuse("no")
        self.model.calls[-1].finish()
        self.memory.flush()
        self.assertIn("response.refusal.done", [event["type"] for event in self.response_events(refused)])
        stream = self.ask(stream=True)
        self.model.calls[-1].text("half")
        self.memory.advance(1)
        self.model.calls[-1].fail("provider_overloaded")
        self.memory.flush()
        failed = self.response_events(stream)
        self.assertEqual(failed[-1]["type"], "response.failed")

    def test_schemas_bite(self) -> None:
        """The judges are no rubber stamps."""
        self.model.say("yes")
        good = self.memory.post(CHAT, HELLO).json()
        for name in ("refusal", "content"):
            bad = json.loads(json.dumps(good))
            del bad["choices"][0]["message"][name]
            self.assertRaises(self.failureException, self.published, bad, "CreateChatCompletionResponse")
        del good["choices"][0]["logprobs"]
        self.assertRaises(self.failureException, self.published, good, "CreateChatCompletionResponse")
