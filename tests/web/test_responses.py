# -*- test-case-name: tests.web.test_responses -*-
"""The Responses API: requests become runs, and runs become responses."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing import MemoryGateway
from openclaw_tx.values import Fetched, FetchLimits, ImagePart, Sampling, ToolChoice
from openclaw_tx.web.responses import MAX_REFERENCES
from tests.web.responses import PATH, Case, reference, said

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
PICTURE = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n0000").decode()


class ResponsesTests(Case):
    """One response at a time."""

    def test_answer(self) -> None:
        """Text in, response out."""
        found = self.answered("Hello", instructions="be brief", max_output_tokens=9, metadata={"a": "b"})
        self.assertEqual(found["output"][0]["content"][0]["text"], "Hello")
        self.assertEqual((found["status"], found["model"], found["metadata"]), ("completed", "openclaw", {"a": "b"}))
        self.assertEqual(found["usage"]["total_tokens"], 15)
        (request,) = self.model.requests
        self.assertEqual(said(request.messages), ["u:hi"])
        self.assertEqual(request.sampling, Sampling(max_tokens=9))
        self.assertTrue(request.system.endswith("be brief"))

    def test_headers(self) -> None:
        """The run is the response."""
        self.model.say("x")
        response = self.ask(user="Carol")
        self.assertEqual(response.headers["x-openclaw-run-id"], response.json()["id"])
        self.assertEqual(response.headers["x-openclaw-session-key"], "agent:main:openresponses-user:carol")
        self.assertRegex(response.json()["id"], "^resp_[0-9a-f-]{36}$")

    def test_stream(self) -> None:
        """The same answer, event by event; what openai's own types make of it is in every event."""
        self.model.say("Hel", "lo")
        response = self.ask(stream=True)
        self.assertEqual(response.headers["content-type"], "text/event-stream; charset=utf-8")
        *events, done = response.events()
        self.assertEqual(done, "[DONE]")
        for event in events:
            EVENTS.validate_python(event, strict=True)
        self.assertEqual([event["sequence_number"] for event in events], list(range(10)))
        self.assertEqual([event["delta"] for event in events if "delta" in event], ["Hel", "lo"])
        self.assertEqual(events[-1]["response"]["id"], response.headers["x-openclaw-run-id"])
        names = [line[7:] for line in response.text().split("\n") if line.startswith("event: ")]
        self.assertEqual(names, [event["type"] for event in events])

    def test_agent_model_and_channel(self) -> None:
        """Chosen as with chat."""
        found = self.answered("x", model="openclaw:beta")
        self.assertEqual(found["model"], "openclaw:beta")
        self.model.say("x")
        response = self.ask(headers={"x-openclaw-agent-id": "beta"}, model="gpt-4o")
        self.assertIn(":beta:", response.headers["x-openclaw-session-key"])
        self.assertEqual(response.json()["model"], "gpt-4o")
        self.assertEqual(self.refused(400, "model", model="openclaw:nope")["message"], "Unknown agent 'nope'.")
        self.refused(400, "x-openclaw-message-channel", headers={"x-openclaw-message-channel": "no pe"})
        self.refused(404, None, headers={"x-openclaw-model": "nope/nope"})

    def test_tool_round(self) -> None:
        """A call ends the response; its output continues it, by id or with the whole conversation resent."""
        for by_id in (True, False):
            self.model.call_tool("get_weather", {"city": "Oslo"}, text="let me see")
            first = self.ask("weather?", tools=[TOOL]).json()
            message, call = first["output"]
            self.assertEqual(
                (first["status"], message["phase"], call["name"]), ("completed", "commentary", "get_weather")
            )
            output = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
            if by_id:
                self.answered("It is sunny.", [output], tools=[TOOL], previous_response_id=first["id"])
            else:
                items = [{"role": "user", "content": "weather?"}, message, call, output]
                self.answered("It is sunny.", items, tools=[TOOL])
            messages = self.model.requests[-1].messages
            self.assertEqual(said(messages), ["u:weather?", "a:let me see", "t:sunny"])
            self.assertEqual([c.id for c in messages[1].tool_calls], [call["call_id"]])  # type: ignore[union-attr]

    def test_references(self) -> None:
        """Items of earlier responses are named by their ids, as Vercel's AI SDK does, also after a restart."""
        self.model.call_tool("get_weather", {"city": "Oslo"}, text="let me see")
        first = self.ask("weather?", tools=[TOOL]).json()
        output = {"type": "function_call_output", "call_id": first["output"][1]["call_id"], "output": "sunny"}
        items = [{"role": "user", "content": "weather?"}, *map(reference, first["output"]), output]
        second = self.answered("It is sunny.", items, tools=[TOOL])
        messages = self.model.requests[-1].messages
        self.assertEqual(said(messages), ["u:weather?", "a:let me see", "t:sunny"])
        self.assertEqual(messages[2].tool_name, "get_weather")  # type: ignore[union-attr]
        self.memory.advance(1200, 20)
        items += [*map(reference, second["output"]), {"role": "user", "content": "sure?"}]
        self.answered("Yes.", items, store=False)
        self.assertEqual(
            said(self.model.requests[-1].messages),
            ["u:weather?", "a:let me see", "t:sunny", "a:It is sunny.", "u:sure?"],
        )

    def test_references_in_a_session(self) -> None:
        """They are known again like anything else that is resent."""
        first = self.answered("one", "1", user="u")
        items = [{"role": "user", "content": "1"}, *map(reference, first["output"]), {"role": "user", "content": "2"}]
        self.answered("two", items, user="u")
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2"])

    def test_references_to_nothing(self) -> None:
        """An answer that is not there is not left out in silence; what was never an item here is."""
        forgotten = self.answered("x", store=False)["output"][0]["id"]
        for item_id in (forgotten, "msg_0c3e1a52-8f0e-4f0e-9c3e-0123456789ab"):
            items = [{"role": "user", "content": "1"}, {"type": "item_reference", "id": item_id}]
            error = self.refused(404, "input[1].id", text=items)
            self.assertEqual(
                (error["code"], error["message"]), ("run_not_found", f"Item with id '{item_id}' not found.")
            )
        self.answered("x", [{"role": "user", "content": "1"}, {"type": "item_reference", "id": "rs_1"}])
        many = [reference({"id": f"msg_0c3e1a52-8f0e-4f0e-9c3e-{number:012}"}) for number in range(MAX_REFERENCES + 1)]
        self.refused(400, "input", text=many)

    def test_reference_to_what_is_under_way(self) -> None:
        """Its end is awaited: what a client has seen of it is only the beginning."""
        self.ask("1", stream=True)
        (live,) = self.memory.gateway.engine.live()
        item = reference({"id": live.request.run_id.replace("resp", "msg")})
        second = self.ask([{"role": "user", "content": "1"}, item, {"role": "user", "content": "2"}])
        self.assertFalse(second.finished)
        self.model.say("two")
        self.model.calls[0].text("one")
        self.model.calls[0].finish()
        self.memory.flush()
        self.assertEqual(second.code, 200)
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2"])

    def test_fields_as_they_were_sent(self) -> None:
        """What a run finds wrong is told by the names of this API, streamed or not."""
        body = {"model": "openclaw", "input": "hi", "text": {"format": {"type": "json_object"}}}
        for stream in (False, True):
            self.model.say("no")
            self.model.say("no")
            response = self.memory.post(PATH, {**body, "stream": stream})
            error = response.json()["error"]
            self.assertEqual(error["param"], "text.format")
            self.assertIn("`text.format`", error["message"])
        flat = {"type": "function", "name": "agents_list"}
        nested = {"type": "function", "function": {"name": "agents_list"}}
        self.refused(400, "tools[1].name", tools=[TOOL, flat])
        self.refused(400, "tools[0].function.name", tools=[nested])

    def test_tool_choice(self) -> None:
        """Forced and not met: the same error as with chat."""
        self.model.say("no")
        response = self.ask(tools=[TOOL], tool_choice={"type": "function", "name": "get_weather"})
        self.assertEqual((response.code, response.json()["error"]["code"]), (502, "tool_choice_unmet"))
        self.assertEqual(self.model.requests[0].tool_choice, ToolChoice(mode="named", name="get_weather"))

    def test_files_and_images(self) -> None:
        """A file's text is in the system prompt, an image in the message."""
        parts = [
            {"type": "input_text", "text": "sum it up"},
            {"type": "input_file", "filename": "n.txt", "file_data": "data:text/plain;base64,c2VjcmV0IHBsYW4="},
            {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="},
        ]
        self.answered("x", [{"role": "user", "content": parts}])
        (request,) = self.model.requests
        self.assertIn('<file name="n.txt">\nsecret plan\n</file>', request.system)
        self.assertEqual(said(request.messages), ["u:sum it up\n[file: n.txt]"])
        self.assertEqual(len(request.messages[0].content), 2)  # type: ignore[union-attr]

    def test_nothing_said(self) -> None:
        """T22: never made up."""
        self.model.say("")
        response = self.ask()
        self.assertEqual((response.code, response.json()["error"]["code"]), (502, "empty_response"))

    def test_length(self) -> None:
        """Cut off by the token limit: incomplete, streamed and not."""
        self.model.say("half an", reason="length")
        found = self.ask().json()
        self.assertEqual(
            (found["status"], found["incomplete_details"]), ("incomplete", {"reason": "max_output_tokens"})
        )
        self.model.say("half an", reason="length")
        *_, last, _ = self.ask(stream=True).events()
        self.assertEqual((last["type"], last["response"]["status"]), ("response.incomplete", "incomplete"))

    def test_bad_requests(self) -> None:
        """What the parser refuses is an error reply, also for a stream; see the parser's tests for every field."""
        self.refused(400, "nope", nope=1)
        self.refused(400, "input", text="", stream=True)
        self.refused(400, "input[0].type", text=[{"type": "zzz"}])
        self.refused(400, "x-openclaw-session-key", headers={"x-openclaw-session-key": "agent:main:subagent:x"})
        for body in (b"{", b"[]", b""):
            self.assertEqual(self.memory.post(PATH, body).code, 400)

    def test_idempotency(self) -> None:
        """A repetition is the same response to the byte, streamed or not."""
        for stream in (False, True):
            headers = {"Idempotency-Key": f"k-{stream}"}
            self.model.say("once")
            first = self.ask(stream=stream, headers=headers)
            second = self.ask(stream=stream, headers=headers)
            self.assertEqual(second.headers.get("idempotency-replayed"), "true")
            self.assertEqual(first.body, second.body)
        self.assertEqual(len(self.model.calls), 2)


class NamesTests(Case):
    """C{modelMap}."""

    config = {
        "gateway": {
            "http": {
                "endpoints": {
                    "responses": {
                        "enabled": True,
                        "strictModel": True,
                        "modelMap": {"gpt-4o": "openclaw/beta", "fast": "scripted/model", "broken": "nope/nope"},
                    }
                }
            }
        }
    }

    def test_model_map(self) -> None:
        """An agent, or a model of the default agent, as with chat; and an earlier response's agent where it fits."""
        for name, agent in (("gpt-4o", "beta"), ("fast", "main")):
            self.model.say("ok")
            response = self.ask(model=name)
            self.assertEqual((response.code, response.json()["model"]), (200, name))
            self.assertTrue(response.headers["x-openclaw-session-key"].startswith(f"agent:{agent}:"))
            self.answered("ok", model=name, previous_response_id=response.json()["id"])
        self.assertEqual(self.refused(404, None, model="broken")["code"], "model_not_found")
        self.refused(400, "model", model="gpt-5")


class PrincipalTests(Case):
    """Whose response it is."""

    config = {
        "gateway": {
            "auth": {"mode": "trusted-proxy", "trustedProxy": {"userHeader": "x-user", "allowLoopback": True}},
            "trustedProxies": ["127.0.0.1"],
            "http": {"endpoints": {"responses": {"enabled": True}}},
        }
    }

    def test_of_somebody_else(self) -> None:
        """Is not found, in the same words as one that never was."""
        headers = {"x-user": "ann", "x-forwarded-for": "203.0.113.9"}
        first = self.answered("one", "1", headers)
        self.answered("two", "2", headers, previous_response_id=first["id"])
        error = self.refused(
            404, "previous_response_id", previous_response_id=first["id"], headers={**headers, "x-user": "bob"}
        )
        self.assertEqual(error["message"], f"Previous response with id '{first['id']}' not found.")
        items = [*map(reference, first["output"]), {"role": "user", "content": "2"}]
        self.answered("two", items, headers)
        self.refused(404, "input[0].id", text=items, headers={**headers, "x-user": "bob"})

    def test_scopes(self) -> None:
        """Writing takes C{operator.write}, another model C{operator.admin}."""
        for scopes, more in (("operator.read", {}), ("operator.write", {"x-openclaw-model": "a/b"})):
            headers = {"x-user": "ann", "x-forwarded-for": "203.0.113.9", "x-openclaw-scopes": scopes, **more}
            self.assertEqual(self.refused(403, None, headers=headers)["code"], "insufficient_scope")


class Pictures:
    """A L{openclaw_tx.interfaces.Fetcher} that always gets the same picture."""

    async def fetch(self, url: str, limits: FetchLimits, headers: Mapping[str, str] | None = None) -> Fetched:
        """The picture."""
        return Fetched(url=url, status=200, content_type="image/png", body=b"\x89PNG\r\n\x1a\n")


class ImageUrlTests(SynchronousTestCase):
    """Images by URL: this endpoint's own switch."""

    def test_fetched(self) -> None:
        """Where it is allowed; chat's switch does not count here."""
        body = {
            "model": "m",
            "input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x/"}]}],
        }
        for allowed in (False, True):
            endpoints = {
                "responses": {"enabled": True, "images": {"allowUrl": allowed}},
                "chatCompletions": {"images": {"allowUrl": not allowed}},
            }
            memory = MemoryGateway({"gateway": {"http": {"endpoints": endpoints}}}, fetcher=Pictures())
            self.addCleanup(memory.close)
            memory.model.say("nice")
            response = memory.post(PATH, body)
            if allowed:
                (image,) = memory.model.requests[0].messages[0].content  # type: ignore[union-attr]
                self.assertEqual(image, ImagePart(data="iVBORw0KGgo=", mime_type="image/png"))
            else:
                error = response.json()["error"]
                self.assertEqual((error["code"], error["param"]), ("invalid_image", "input[0].content[0]"))


class SwitchTests(SynchronousTestCase):
    """The endpoint's own switch."""

    def test_off_by_default(self) -> None:
        """404 for every method, without authentication (D1); chat is not concerned."""
        memory = MemoryGateway()
        self.addCleanup(memory.close)
        for method in ("POST", "GET"):
            response = memory.request(method, PATH, b"{}", token=None)
            self.assertEqual((response.code, response.json()["error"]["code"]), (404, "endpoint_disabled"))
            self.assertIn("gateway.http.endpoints.responses.enabled", response.json()["error"]["message"])

    def test_on_alone(self) -> None:
        """With chat off: models are listed (spec 1.2), chat is 404."""
        endpoints = {"responses": {"enabled": True}, "chatCompletions": {"enabled": False}}
        memory = MemoryGateway({"gateway": {"http": {"endpoints": endpoints}}})
        self.addCleanup(memory.close)
        self.assertEqual(memory.get("/v1/models").json()["data"][0]["id"], "openclaw")
        self.assertEqual(memory.get("/v1/models/openclaw").code, 200)
        self.assertEqual(memory.post("/v1/chat/completions", {}).code, 404)
        memory.model.say("x")
        self.assertEqual(memory.post(PATH, {"model": "m", "input": "hi"}).code, 200)

    def test_both_off(self) -> None:
        """No models either."""
        memory = MemoryGateway({"gateway": {"http": {"endpoints": {"chatCompletions": {"enabled": False}}}}})
        self.addCleanup(memory.close)
        self.assertEqual(memory.get("/v1/models").json()["error"]["code"], "endpoint_disabled")

    def test_hot(self) -> None:
        """A reload switches it with the next request."""
        memory = MemoryGateway()
        self.addCleanup(memory.close)
        memory.config["gateway"]["http"]["endpoints"]["responses"] = {"enabled": True, "maxBodyBytes": 100}
        memory.gateway.reload(memory.config)
        memory.model.say("x")
        self.assertEqual(memory.post(PATH, {"model": "m", "input": "hi"}).code, 200)
        self.assertEqual(memory.post(PATH, {"model": "m", "input": "x" * 100}).code, 413)

    def test_method_and_authentication(self) -> None:
        """405 before 401, as recorded."""
        memory = MemoryGateway(Case.config)
        self.addCleanup(memory.close)
        response = memory.get(PATH, token=None)
        self.assertEqual((response.code, response.headers["allow"]), (405, "POST"))
        response = memory.post(PATH, {}, token="wrong")
        memory.advance(1)
        self.assertEqual((response.code, response.json()["error"]["code"]), (401, "invalid_api_key"))

    def test_strict_model(self) -> None:
        """D5: the operator's own switch."""
        memory = MemoryGateway(
            {"gateway": {"http": {"endpoints": {"responses": {"enabled": True, "strictModel": True}}}}}
        )
        self.addCleanup(memory.close)
        response = memory.post(PATH, {"model": "gpt-4o", "input": "x"})
        self.assertEqual((response.code, response.json()["error"]["param"]), (400, "model"))
