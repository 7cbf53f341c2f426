# -*- test-case-name: tests.web.test_chat_extras -*-
"""Chat completions over the whole gateway: structured output, thinking, events, images by URL, models and channels."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import FetchFailed
from openclaw_tx.testing import MemoryGateway, MemoryResponse, ScriptedModel
from openclaw_tx.values import AssistantMessage, Fetched, FetchLimits, ImagePart, Sampling, Usage, UserMessage

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
FORMAT = {"type": "json_schema", "json_schema": {"name": "number", "strict": True, "schema": SCHEMA}}
PNG = b"\x89PNG\r\n\x1a\npicture"


class GatewayCase(SynchronousTestCase):
    """A gateway, and words to talk to it."""

    def start(self, config: Mapping[str, Any] | None = None, **more: Any) -> MemoryGateway:
        """Start it."""
        self.gateway = MemoryGateway(config, **more)
        self.addCleanup(self.gateway.close)
        self.model = self.gateway.model
        return self.gateway

    def ask(self, content: Any = "hi", headers: Mapping[str, str] | None = None, **fields: Any) -> MemoryResponse:
        """One user message."""
        body = {"messages": [{"role": "user", "content": content}], **fields}
        return self.gateway.post("/v1/chat/completions", body, headers=headers)

    def deltas(self, response: MemoryResponse, key: str = "content") -> str:
        """What a stream's deltas add up to."""
        chunks = [event for event in response.events() if isinstance(event, dict)]
        return "".join(choice["delta"].get(key) or "" for chunk in chunks for choice in chunk.get("choices", ()))

    def error(self, response: MemoryResponse) -> tuple[int, str, str | None]:
        """Status, code and param of a refusal with all four keys."""
        error = response.json()["error"]
        self.assertEqual(set(error), {"message", "type", "param", "code"})
        return response.code, error["code"], error["param"]


class StructuredTests(GatewayCase):
    """C{response_format}."""

    def test_good(self) -> None:
        """An answer that matches is the answer; a provider that does not know the field gets the schema in words."""
        self.start()
        self.model.say('{"n": 1}')
        answer = self.ask(response_format=FORMAT).json()
        self.assertEqual(answer["choices"][0]["message"]["content"], '{"n": 1}')
        self.assertIn('"required":["n"]', self.model.requests[0].system)
        self.assertEqual(self.model.requests[0].sampling, Sampling(response_format=FORMAT))

    def test_provider_that_holds(self) -> None:
        """The prompt stays as it is."""
        self.start(model=ScriptedModel(response_format=True))
        self.model.say('{"n": 1}')
        self.assertEqual(self.ask(response_format=FORMAT).code, 200)
        self.assertNotIn("JSON Schema", self.model.requests[0].system)

    def test_repaired(self) -> None:
        """The model is told what is wrong; usage counts both; the session holds the answer only."""
        self.start()
        self.model.say("Sure! It is one.", usage=Usage(prompt_tokens=3, completion_tokens=4))
        self.model.say('```json\n{"n": 1}\n```', usage=Usage(prompt_tokens=5, completion_tokens=6))
        answer = self.ask(response_format=FORMAT, user="u").json()
        self.assertEqual(answer["choices"][0]["message"]["content"], '{"n": 1}')
        self.assertEqual(answer["usage"]["total_tokens"], 18)
        first, second = self.model.requests
        bad, told = second.messages[len(first.messages) :]
        self.assertEqual(bad, AssistantMessage(text="Sure! It is one."))
        assert isinstance(told, UserMessage)
        self.assertIn("not valid JSON", told.text)
        self.model.say("ok")
        self.ask("next", user="u")
        texts = [message.text for message in self.model.requests[2].messages]
        self.assertEqual(texts, ["hi", '{"n": 1}', "next"])

    def test_failed(self) -> None:
        """After the last attempt: an error that is not worth a retry, streamed or not."""
        for stream in (False, True):
            self.start()
            self.model.say('{"n": "1"}')
            self.model.say('{"n": "2"}')
            response = self.ask(response_format=FORMAT, stream=stream)
            self.assertEqual(self.error(response), (502, "structured_output_failed", "response_format"))
            self.assertEqual(response.headers["x-should-retry"], "false")
            self.assertIn('"n" must be an integer', response.json()["error"]["message"])
            self.assertEqual(len(self.model.calls), 2)

    def test_repairs_are_configured(self) -> None:
        """None, or a few."""
        for repairs in (0, 3):
            self.start({"agents": {"defaults": {"structuredOutput": {"maxRepairs": repairs}}}})
            for _ in range(repairs + 1):
                self.model.say("no")
            self.assertEqual(self.ask(response_format={"type": "json_object"}).code, 502)
            self.assertEqual(len(self.model.calls), repairs + 1)

    def test_stream_is_withheld(self) -> None:
        """Where the provider does not hold the model to the format, nothing shows before it was checked."""
        self.start()
        response = self.ask(response_format=FORMAT, stream=True)
        self.model.calls[0].text('{"n"', ": true}")
        self.gateway.flush()
        self.assertEqual(self.deltas(response), "")
        self.model.calls[0].finish()
        self.model.calls[1].text('{"n": 1}')
        self.model.calls[1].finish()
        self.gateway.flush()
        self.assertEqual(self.deltas(response), '{"n": 1}')
        self.assertEqual(response.events()[-1], "[DONE]")

    def test_stream_passes(self) -> None:
        """Where it does, JSON passes as it comes."""
        self.start(model=ScriptedModel(response_format=True))
        response = self.ask(response_format=FORMAT, stream=True)
        self.model.calls[0].text(" ", '{"n"')
        self.gateway.flush()
        self.assertEqual(self.deltas(response), ' {"n"')
        self.model.calls[0].text(": 1}")
        self.model.calls[0].finish()
        self.gateway.flush()
        self.assertEqual(self.deltas(response), ' {"n": 1}')
        self.assertEqual(response.events()[-2]["choices"][0]["finish_reason"], "stop")

    def test_stream_that_passed_can_not_be_mended(self) -> None:
        """T24: an error frame without a finish chunk, and no second attempt that would be glued to the first."""
        self.start(model=ScriptedModel(response_format=True))
        response = self.ask(response_format=FORMAT, stream=True)
        self.model.calls[0].text('{"n": ')
        self.model.calls[0].text("1} I hope this helps")
        self.model.calls[0].finish()
        self.gateway.flush()
        *chunks, error, done = response.events()
        self.assertEqual((error["error"]["code"], done), ("structured_output_failed", "[DONE]"))
        self.assertEqual([choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]], [None] * 3)
        self.assertEqual(len(self.model.calls), 1)

    def test_prose_never_passes(self) -> None:
        """Prose of a provider that claims to hold the format is withheld and repaired like any other."""
        self.start(model=ScriptedModel(response_format=True))
        self.model.say("Sure! ", "Here it is.")
        self.model.say('{"n": 1}')
        response = self.ask(response_format=FORMAT, stream=True)
        self.assertEqual(self.deltas(response), '{"n": 1}')

    def test_no_prose_between_tools(self) -> None:
        """What the agent says on the way to its tools is not part of the answer, streamed or not."""
        for holds in (False, True):
            for stream in (False, True):
                self.start(model=ScriptedModel(response_format=holds))
                self.model.call_tool("agents_list", {}, text="Let me look.")
                self.model.say('{"n": 1}')
                response = self.ask(response_format=FORMAT, stream=stream)
                text = self.deltas(response) if stream else response.json()["choices"][0]["message"]["content"]
                self.assertEqual(text, '{"n": 1}')

    def test_json_before_tools(self) -> None:
        """JSON that was shown and then turns out not to be the answer: no tool runs for an answer nobody can use."""
        self.start(model=ScriptedModel(response_format=True))
        response = self.ask(response_format=FORMAT, stream=True)
        self.model.calls[0].text('{"n": 1}')
        self.model.calls[0].call_tool("agents_list", {})
        self.model.calls[0].finish()
        self.gateway.flush()
        self.assertEqual(response.events()[-2]["error"]["code"], "structured_output_failed")
        self.assertEqual(len(self.model.calls), 1)

    def test_untouched(self) -> None:
        """What elsewhere would be a directive for channels, or silence, is data: the JSON comes as the model wrote it,
        but for thinking before it, and whatever the pieces."""
        wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
        texts = (
            '{"quote":"[[reply_to: 5]] was here"}',
            '{"a":\n[["[[reply_to_current]]  y"]],\n"b": "```\\nMEDIA:/tmp/a.png"}\n',
            '"NO_REPLY"',
        )
        said = [(text, pieces) for text in texts for pieces in ((text,), text, ("<think>h", "m</think>", *text))]
        for holds in (False, True):
            self.start(model=ScriptedModel(response_format=holds))
            for text, pieces in said:
                self.model.say(*pieces)
                answer = self.ask(response_format=wanted).json()
                self.assertEqual(answer["choices"][0]["message"]["content"], text)
                self.model.say(*pieces)
                self.assertEqual(self.deltas(self.ask(response_format=wanted, stream=True)), text)

    def test_cut_short(self) -> None:
        """T33: an answer at its limit says C{length}, as it stands: asking again would not make it longer."""
        for stream in (False, True):
            self.start()
            self.model.say('{"n": ', reason="length")
            response = self.ask(response_format=FORMAT, stream=stream, max_tokens=3)
            choice = response.events()[-2]["choices"][0] if stream else response.json()["choices"][0]
            self.assertEqual(choice["finish_reason"], "length")
            self.assertEqual(self.deltas(response) if stream else choice["message"]["content"], '{"n": ')

    def test_refusal(self) -> None:
        """A refusal is no broken answer: it is shown where the schema has it, streamed or not."""
        for stream in (False, True):
            self.start()
            response = self.ask(response_format=FORMAT, stream=stream)
            self.model.calls[0].refuse("I can ", "not.")
            self.model.calls[0].finish()
            self.gateway.flush()
            self.assertEqual(len(self.model.calls), 1)
            if stream:
                self.assertEqual(self.deltas(response), "")
                self.assertEqual(self.deltas(response, "refusal"), "I can not.")
            else:
                message = response.json()["choices"][0]["message"]
                self.assertEqual((message["content"], message["refusal"]), (None, "I can not."))

    def test_refusal_without_format(self) -> None:
        """The same as it comes."""
        self.start()
        response = self.ask(stream=True)
        self.model.calls[0].refuse("I can ", "not do that for you.")
        self.model.calls[0].finish()
        self.gateway.flush()
        self.assertEqual((self.deltas(response), self.deltas(response, "refusal")), ("", "I can not do that for you."))

    def test_forced_tool(self) -> None:
        """A client's tool that must be called is the answer; the format has no say."""
        self.start()
        self.model.call_tool("f", {"a": 1}, text="calling")
        tool = {"type": "function", "function": {"name": "f"}}
        response = self.ask(response_format=FORMAT, tools=[tool], tool_choice="required")
        choice = response.json()["choices"][0]
        self.assertEqual((choice["finish_reason"], choice["message"]["content"]), ("tool_calls", ""))

    def test_bad_schema(self) -> None:
        """What answers can not be checked against is refused before a model is asked."""
        self.start()
        for schema, words in (
            ({"type": "text"}, "type must be"),
            ({"properties": {"a": {"$ref": "#/$defs/a"}}}, "properties.a.$ref must"),
            ({"items": 5}, "items must be an object or a boolean"),
        ):
            wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
            response = self.ask(response_format=wanted)
            self.assertEqual(self.error(response), (400, "invalid_request", "response_format.json_schema.schema"))
            self.assertIn(words, response.json()["error"]["message"])
        self.assertEqual(self.model.calls, [])


class StreamExtrasTests(GatewayCase):
    """What a stream may carry besides the answer."""

    def play(self, config: Mapping[str, Any] | None = None, **fields: Any) -> MemoryResponse:
        """A run that thinks, calls a tool, and answers."""
        self.start(config)
        response = self.ask(stream=True, **fields)
        self.model.calls[0].reasoning("hm ")
        self.model.calls[0].call_tool("agents_list", {}, call_id="c1")
        self.model.calls[0].finish(usage=Usage(prompt_tokens=1, completion_tokens=2))
        self.model.calls[1].reasoning("so")
        self.model.calls[1].text("done")
        self.model.calls[1].finish(usage=Usage(prompt_tokens=3, completion_tokens=4))
        self.gateway.flush()
        return response

    def test_nothing_unless_asked(self) -> None:
        """T28: tools and thinking leave no trace."""
        response = self.play()
        for word in ("openclaw_tx-", "agents_list", "hm", "reasoning", "usage"):
            self.assertEqual(word in response.text(), word == "openclaw_tx-", word)
        self.assertEqual(self.deltas(response), "done")

    def test_events(self) -> None:
        """Tools and thinking in order, on chunks that are valid and empty."""
        response = self.play(stream_options={"openclaw_events": True})
        chunks = [event for event in response.events() if isinstance(event, dict) and "openclaw" in event]
        self.assertEqual(
            [chunk["openclaw"] for chunk in chunks],
            [
                {"type": "reasoning.delta", "text": "hm "},
                {"type": "tool.started", "call_id": "c1", "name": "agents_list", "arguments": {}},
                {"type": "tool.completed", "call_id": "c1", "name": "agents_list", "is_error": False},
                {"type": "reasoning.delta", "text": "so"},
            ],
        )
        self.assertTrue(all(chunk["choices"][0]["delta"] == {} for chunk in chunks))
        self.assertEqual(self.deltas(response), "done")

    def test_reasoning_content(self) -> None:
        """By configuration, of all agents or of one."""
        on = {"agents": {"defaults": {"reasoningContent": True}}}
        self.assertEqual(self.deltas(self.play(on), "reasoning_content"), "hm so")
        agents = [{"id": "main", "reasoningContent": False}, {"id": "beta"}]
        some = {"agents": {"defaults": {"reasoningContent": True}, "list": agents}}
        self.assertEqual(self.deltas(self.play(some), "reasoning_content"), "")
        self.assertEqual(self.deltas(self.play(some, model="openclaw/beta"), "reasoning_content"), "hm so")

    def test_reasoning_of_a_whole_answer(self) -> None:
        """In the message."""
        for shown in (False, True):
            self.start({"agents": {"defaults": {"reasoningContent": shown}}})
            response = self.ask()
            self.model.calls[0].reasoning("hm", " ok")
            self.model.calls[0].text("yes")
            self.model.calls[0].finish()
            self.gateway.flush()
            message = response.json()["choices"][0]["message"]
            self.assertEqual(
                (message["content"], message.get("reasoning_content")), ("yes", "hm ok" if shown else None)
            )

    def test_continuous_usage(self) -> None:
        """It grows with each model call."""
        response = self.play(stream_options={"continuous_usage_stats": True})
        totals = [event["usage"] and event["usage"]["total_tokens"] for event in response.events()[:-1]]
        self.assertEqual(list(dict.fromkeys(totals)), [None, 3, 10])
        self.assertTrue(all(event["choices"] for event in response.events()[:-1]))


class Web:
    """A fetcher (L{openclaw_tx.interfaces.Fetcher}) that a test answers.

    @ivar asked: URL and limits of each fetch.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, FetchLimits]] = []
        self.pages: dict[str, bytes | Exception] = {}
        self.cancelled = 0

    async def fetch(self, url: str, limits: FetchLimits, headers: Mapping[str, str] | None = None) -> Fetched:
        """What the test put there; everything else takes for ever."""
        self.asked.append((url, limits))
        page = self.pages.get(url)
        if page is None:
            try:
                await Deferred(lambda _: None)
            except CancelledError:
                self.cancelled += 1
                raise
        if isinstance(page, Exception):
            raise page
        assert page is not None
        status = 404 if page == b"none" else 200
        return Fetched(url=url, status=status, content_type="text/html", body=page)


class ImageTests(GatewayCase):
    """Images by URL."""

    def begin(self, **chat: Any) -> Web:
        """A gateway that may fetch."""
        self.web = Web()
        images = {"allowUrl": True, **chat.pop("images", {})}
        endpoint = {"enabled": True, "images": images, **chat}
        config = {"gateway": {"http": {"endpoints": {"chatCompletions": endpoint}}}}
        self.start(config, fetcher=self.web)
        return self.web

    def show(self, *urls: str) -> MemoryResponse:
        """A message with images."""
        return self.ask(
            [{"type": "text", "text": "look"}, *({"type": "image_url", "image_url": {"url": u}} for u in urls)]
        )

    def test_fetched(self) -> None:
        """They reach the model in their places, with the type of their bytes; the limits are the configured ones."""
        web = self.begin(images={"urlAllowlist": ["*.example"], "maxBytes": 99, "maxRedirects": 1, "timeoutMs": 2500})
        web.pages = {"https://a.example/1": PNG, "https://a.example/2": b"GIF89a"}
        self.model.say("nice")
        self.assertEqual(self.show("https://a.example/1", "https://a.example/2").code, 200)
        (message,) = self.model.requests[0].messages
        assert isinstance(message, UserMessage)
        self.assertEqual(
            message.content[1:],
            (
                ImagePart(data=base64.b64encode(PNG).decode(), mime_type="image/png"),
                ImagePart(data=base64.b64encode(b"GIF89a").decode(), mime_type="image/gif"),
            ),
        )
        limits = FetchLimits(max_bytes=99, max_redirects=1, timeout_s=2.5, hosts=("*.example",))
        self.assertEqual([found for _, found in web.asked], [limits] * 2)

    def test_sent_again(self) -> None:
        """Who sends a request again under its key gets its answer, whatever has become of the image."""
        web = self.begin()
        web.pages = {"https://a.example/1": PNG}
        self.model.say("nice")
        picture = {"type": "image_url", "image_url": {"url": "https://a.example/1"}}
        body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "look"}, picture]}]}
        key = {"Idempotency-Key": "look-1"}
        first = self.gateway.post("/v1/chat/completions", body, headers=key)
        web.pages = {"https://a.example/1": b"none"}
        again = self.gateway.post("/v1/chat/completions", body, headers=key)
        self.assertEqual((first.code, again.code, again.body), (200, 200, first.body))
        self.assertEqual(len(web.asked), 1)

    def test_off(self) -> None:
        """By default nothing is fetched."""
        web = Web()
        self.start(fetcher=web)
        self.assertEqual(self.error(self.show("https://a.example/1")), (400, "invalid_image", "messages[0].content[1]"))
        self.assertEqual((web.asked, self.model.calls), ([], []))

    def test_refused(self) -> None:
        """T19 of the asks: one text for all reasons, C{param} names the part, and the others are not waited for."""
        web = self.begin(maxTotalImageBytes=2 * len(PNG) - 1)
        web.pages = {
            "https://a.example/1": PNG,
            "https://private.example/": FetchFailed("10.0.0.1 is not a public address"),
            "https://page.example/": b"<html>",
            "https://gone.example/": b"none",
        }
        for url in (
            "https://private.example/",
            "https://page.example/",
            "https://gone.example/",
            "https://a.example/1",
        ):
            response = self.show("https://a.example/1", url)
            self.assertEqual(self.error(response), (400, "invalid_image", "messages[0].content[2]"))
            self.assertEqual(response.json()["error"]["message"], "Invalid image_url content in `messages`.")
        self.assertEqual(self.model.calls, [])
        response = self.show("https://private.example/", "https://slow.example/")
        self.assertEqual(self.error(response)[2], "messages[0].content[1]")
        self.assertEqual(web.cancelled, 1)

    def test_types(self) -> None:
        """Only those allowed."""
        web = self.begin(images={"allowedMimes": ["image/gif"]})
        web.pages = {"https://a.example/1": PNG}
        self.assertEqual(self.show("https://a.example/1").code, 400)

    def test_count(self) -> None:
        """No more than configured, counted before anything is fetched."""
        web = self.begin(maxImageParts=1)
        response = self.show("https://a.example/1", "https://a.example/2")
        self.assertEqual((self.error(response)[2], web.asked), ("messages[0].content[2]", []))

    def test_t13_disconnect(self) -> None:
        """A client that goes away while its images are fetched ends the fetch; no run begins."""
        web = self.begin()
        response = self.show("https://slow.example/1", "https://slow.example/2")
        self.assertEqual(len(web.asked), 2)
        response.disconnect()
        self.gateway.flush()
        self.assertEqual((web.cancelled, self.model.calls), (2, []))


class HeaderTests(GatewayCase):
    """Models and channels."""

    def proxy(self, scopes: str) -> dict[str, str]:
        """Headers of somebody who comes through an identity-aware proxy."""
        return {"x-forwarded-for": "192.0.2.1", "x-user": "ann", "x-openclaw-scopes": scopes}

    def test_channel(self) -> None:
        """A slug, in lower case; the prompt tells of it."""
        self.start()
        self.model.say("ok")
        self.assertEqual(self.ask(headers={"x-openclaw-message-channel": "Slack"}).code, 200)
        self.assertIn("slack", self.model.requests[0].system)
        for bad in ("a b", "../x", "x" * 65, "-x", "a\tb"):
            response = self.ask(headers={"x-openclaw-message-channel": bad})
            self.assertEqual(self.error(response), (400, "invalid_request", "x-openclaw-message-channel"))
        self.assertEqual(len(self.model.calls), 1)

    def test_model_header(self) -> None:
        """Another model for one run; unknown ones, and ones that are not allowed, are 404."""
        self.start()
        self.model.say("ok")
        response = self.ask(headers={"x-openclaw-model": "model"})
        self.assertEqual((response.code, response.headers["x-openclaw-model"]), (200, "scripted/model"))
        self.model.say("ok")
        self.assertEqual(self.ask(stream=True).headers["x-openclaw-model"], "scripted/model")
        for ref in ("nope/nope", "scripted/other"):
            response = self.ask(headers={"x-openclaw-model": ref})
            self.assertEqual(self.error(response)[:2], (404, "model_not_found"))

    def test_model_header_takes_admin(self) -> None:
        """Of people behind a proxy only an admin may choose; a shared secret is one."""
        proxy = {"allowLoopback": True, "userHeader": "x-user", "requiredHeaders": ["x-openclaw-scopes"]}
        auth = {"mode": "trusted-proxy", "token": None, "trustedProxy": proxy}
        self.start({"gateway": {"auth": auth, "trustedProxies": ["127.0.0.1"]}})
        body = {"messages": [{"role": "user", "content": "hi"}]}
        for scopes, status in (("operator.write", 403), ("operator.admin", 200)):
            if status == 200:
                self.model.say("ok")
            headers = {**self.proxy(scopes), "x-openclaw-model": "scripted/model"}
            response = self.gateway.post("/v1/chat/completions", body, token=None, headers=headers)
            self.assertEqual(response.code, status, response.text())
        self.assertEqual(len(self.model.calls), 1)

    def test_model_map(self) -> None:
        """Names that clients have built in: an agent, or a model of the default agent; echoed as they came."""
        names = {"gpt-4o": "openclaw/beta", "fast": "scripted/model", "broken": "nope/nope"}
        endpoint = {"enabled": True, "strictModel": True, "modelMap": names}
        self.start({"gateway": {"http": {"endpoints": {"chatCompletions": endpoint}}}})
        for name, agent in (("gpt-4o", "beta"), ("fast", "main")):
            self.model.say("ok")
            response = self.ask(model=name)
            self.assertEqual((response.code, response.json()["model"]), (200, name))
            self.assertTrue(response.headers["x-openclaw-session-key"].startswith(f"agent:{agent}:"))
        self.assertEqual(self.error(self.ask(model="broken"))[:2], (404, "model_not_found"))
        self.assertEqual(self.error(self.ask(model="gpt-5"))[:2], (400, "invalid_request"))
