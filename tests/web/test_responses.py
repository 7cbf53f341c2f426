# -*- test-case-name: tests.web.test_responses -*-
"""The Responses API: requests become runs, runs become responses, and one response continues another."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from openai.types.responses import Response as OpenAIResponse
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import Endpoints, GatewaySection, Http
from openclaw_tx.config.schema_gateway import Responses as Settings
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.http import MemoryResponse
from openclaw_tx.values import (
    AssistantMessage,
    CompactionMessage,
    Fetched,
    FetchLimits,
    ImagePart,
    MessageEnded,
    RunStarted,
    Sampling,
    TextDelta,
    TextPart,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResultMessage,
    UserMessage,
)
from openclaw_tx.web.responses import MAX_REFERENCES
from tests.support.fakes import ANSWERED, ScriptedRun
from tests.support.web import Client, Harness

PATH = "/v1/responses"
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
PICTURE = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n0000").decode()
DAY = 24 * 3600


def said(messages: Any) -> list[str]:
    """The conversation in short."""
    short = {UserMessage: "u", AssistantMessage: "a", ToolResultMessage: "t"}
    return [f"{short[type(message)]}:{message.text}" for message in messages]


def reference(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item of a response by its id alone."""
    return {"type": "item_reference", "id": item["id"]}


class Case(SynchronousTestCase):
    """The whole gateway in memory, with both endpoints on."""

    config: dict[str, Any] = {"gateway": {"http": {"endpoints": {"responses": {"enabled": True}}}}}

    def setUp(self) -> None:
        """Start it."""
        self.memory = MemoryGateway(self.config)
        self.addCleanup(self.memory.close)
        self.model = self.memory.model

    def ask(self, text: Any = "hi", headers: dict[str, str] | None = None, **fields: Any) -> MemoryResponse:
        """A request."""
        return self.memory.post(PATH, {"model": "openclaw", "input": text, **fields}, headers=headers)

    def answered(self, answer: str, text: Any = "hi", headers: dict[str, str] | None = None, **fields: Any) -> Any:
        """A request and its response object."""
        self.model.say(answer)
        response = self.ask(text, headers, **fields)
        self.assertEqual(response.code, 200, response.text())
        found = response.json()
        OpenAIResponse.model_validate(found, strict=True)
        return found

    def keys(self) -> list[str]:
        """Keys of the stored sessions."""
        client = self.memory.websocket()
        client.connect()
        rows = client.request("sessions.list")["payload"]["sessions"]
        client.close()
        return sorted(row["key"] for row in rows)

    def refused(self, status: int, param: str | None, **fields: Any) -> Any:
        """It is refused, and no model is asked."""
        before = len(self.model.calls)
        response = self.ask(**fields)
        error = response.json()["error"]
        self.assertEqual((response.code, error["param"]), (status, param), error)
        self.assertEqual(set(error), {"message", "type", "param", "code"})
        self.assertEqual(len(self.model.calls), before)
        return error


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


class ContinuingTests(Case):
    """C{previous_response_id}, C{user}, C{store}."""

    def test_chain(self) -> None:
        """Each response knows what came before; instructions are not carried over."""
        first = self.answered("one", "1", instructions="INS")
        second = self.answered("two", "2", previous_response_id=first["id"])
        self.answered("three", "3", previous_response_id=second["id"], stream=False)
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2", "a:two", "u:3"])
        self.assertNotIn("INS", self.model.requests[-1].system)
        self.assertEqual(second["previous_response_id"], first["id"])
        (key,) = self.keys()
        self.assertRegex(key, "^agent:main:openresponses:[0-9a-f-]{36}$")

    def test_apart(self) -> None:
        """Responses that do not name an earlier one know nothing of each other."""
        self.answered("one", "1")
        self.answered("two", "2")
        self.assertEqual(said(self.model.requests[-1].messages), ["u:2"])
        self.assertEqual(len(self.keys()), 2)

    def test_after_restart(self) -> None:
        """The ledger knows earlier responses when the engine's memory does not."""
        first = self.answered("one", "1")
        self.memory.advance(1200, 20)
        self.assertIsNone(self.memory.gateway.engine.get(first["id"]))
        self.answered("two", "2", previous_response_id=first["id"])
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2"])

    def test_while_it_runs(self) -> None:
        """A response that is not complete can be continued: the next one waits for it."""
        first = self.ask("1", stream=True)
        (live,) = self.memory.gateway.engine.live()
        run_id = live.request.run_id
        self.assertFalse(first.finished)
        second = self.ask("2", previous_response_id=run_id)
        self.assertEqual(len(self.model.calls), 1)
        self.model.say("two")
        self.model.calls[0].text("one")
        self.model.calls[0].finish()
        self.memory.flush()
        self.assertEqual(second.json()["output"][0]["content"][0]["text"], "two")
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2"])

    def test_user(self) -> None:
        """A user's responses share a session, apart from that of chat completions."""
        first = self.answered("one", "1", user="Carol")
        self.answered("two", "2", user="carol")
        self.answered("three", "3", user="CAROL", previous_response_id=first["id"])
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2", "a:two", "u:3"])
        self.model.say("x")
        self.memory.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "c"}], "user": "carol"})
        self.assertEqual(said(self.model.requests[-1].messages), ["u:c"])

    def test_resent_history_does_not_double(self) -> None:
        """A client that resends everything to a session, as with chat."""
        self.answered("one", "1", user="u")
        items = [
            {"role": "user", "content": "1"},
            {"role": "assistant", "content": "one"},
            {"role": "user", "content": "2"},
        ]
        self.answered("two", items, user="u")
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2"])

    def test_not_found(self) -> None:
        """Unknown, malformed, another API's, and not kept: 404 with the field."""
        self.model.say("x")
        chat = self.memory.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "c"}], "user": "u"})
        forgotten = self.answered("x", store=False)
        for response_id in ("resp_nope", "x" * 5000, "\0", chat.json()["id"], forgotten["id"]):
            error = self.refused(404, "previous_response_id", previous_response_id=response_id)
            self.assertEqual((error["code"], error["type"]), ("run_not_found", "invalid_request_error"))
        self.assertEqual(
            self.refused(404, "previous_response_id", previous_response_id="resp_nope")["message"],
            "Previous response with id 'resp_nope' not found.",
        )

    def test_other_agent_or_session(self) -> None:
        """A response belongs to its agent and to its session: naming another one is an error."""
        first = self.answered("one", model="openclaw:beta")
        self.refused(400, "previous_response_id", previous_response_id=first["id"], model="openclaw:main")
        self.refused(400, "previous_response_id", previous_response_id=first["id"], user="u")
        self.refused(
            400,
            "previous_response_id",
            previous_response_id=first["id"],
            headers={"x-openclaw-session-key": "agent:beta:x"},
        )
        self.answered("two", "2", previous_response_id=first["id"], model="gpt-4o")
        self.assertIn("agent:beta:", self.keys()[0])

    def test_deleted_session(self) -> None:
        """What was deleted can not be continued."""
        first = self.answered("one")
        (key,) = self.keys()
        self.successResultOf(Deferred.fromCoroutine(self.memory.gateway._house.sessions.delete(key)))
        self.refused(404, "previous_response_id", previous_response_id=first["id"])

    def test_store_false(self) -> None:
        """Nothing is written, also when a user is named; what was said before is known all the same."""
        self.answered("x", store=False)
        self.answered("x", store=False, user="u")
        self.assertEqual(self.keys(), [])
        first = self.answered("one", "1")
        second = self.answered("two", "2", store=False, previous_response_id=first["id"])
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2"])
        self.assertEqual((second["store"], first["store"]), (False, True))
        self.answered("three", "3", previous_response_id=first["id"])
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:3"])
        self.refused(404, "previous_response_id", previous_response_id=second["id"])

    def test_store_false_reads_what_the_session_reads(self) -> None:
        """No question that failed, no images of earlier turns, a summary in place of what it stands for; outputs find
        their calls."""
        picture = {"type": "input_image", "image_url": PICTURE}
        first = self.answered("one", [{"role": "user", "content": [{"type": "input_text", "text": "1"}, picture]}])
        again = {"previous_response_id": first["id"], "store": False}
        self.model.fail("provider_rejected")
        self.assertEqual(self.ask("bad", previous_response_id=first["id"]).code, 400)
        self.answered("two", "2", **again)
        read = self.model.requests[-1].messages
        self.assertEqual(said(read), ["u:1", "a:one", "u:2"])
        self.assertEqual([type(part) for part in read[0].content], [TextPart])  # type: ignore[union-attr]
        sessions, (key,) = self.memory.gateway._house.sessions, self.keys()
        entry = self.successResultOf(Deferred.fromCoroutine(sessions.get(key)))
        assert entry is not None
        mark = CompactionMessage(summary="They counted.", kept=0)
        self.successResultOf(Deferred.fromCoroutine(sessions.compact(key, entry.session_id, mark)))
        self.model.call_tool("get_weather", {}, text="let me see")
        call = self.ask("3", tools=[TOOL], previous_response_id=first["id"]).json()["output"][1]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
        self.answered("four", [output], tools=[TOOL], **again)
        summary, *rest = said(self.model.requests[-1].messages)
        self.assertTrue(summary.endswith("They counted."), summary)
        self.assertEqual(rest, ["u:3", "a:let me see", "t:sunny"])

    def test_store_false_while_it_runs(self) -> None:
        """The response that it goes on from is awaited here, too."""
        self.ask("1", stream=True)
        (live,) = self.memory.gateway.engine.live()
        second = self.ask("2", previous_response_id=live.request.run_id, store=False)
        self.assertEqual(len(self.model.calls), 1)
        self.model.say("two")
        self.model.calls[0].text("one")
        self.model.calls[0].finish()
        self.memory.flush()
        self.assertEqual(second.code, 200)
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2"])

    def test_store_false_in_a_named_session(self) -> None:
        """Who names a session in a header gets it, whatever an SDK sends by default."""
        named = {"x-openclaw-session-key": "mine"}
        self.answered("one", "1", named, store=False)
        self.answered("two", "2", named, store=False)
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2"])
        self.assertEqual(self.keys(), ["agent:main:mine"])

    def test_d34_pruned(self) -> None:
        """Kept for a day after the last use; sessions with a name stay."""
        first = self.answered("one", "1")
        self.answered("x", user="u")
        self.memory.advance(DAY - 600, 50)
        self.answered("two", "2", previous_response_id=first["id"])
        self.memory.advance(DAY - 1200, 50)
        self.assertEqual(len(self.keys()), 2)
        self.memory.advance(2400, 50)
        self.assertEqual(self.keys(), ["agent:main:openresponses-user:u"])
        self.refused(404, "previous_response_id", previous_response_id=first["id"])


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


def idle(run: ScriptedRun) -> None:
    """A run that a test moves."""


class StreamTests(SynchronousTestCase):
    """What happens on the connection, over scripted runs."""

    def setUp(self) -> None:
        """A gateway whose runs wait to be told."""
        settings = Settings(enabled=True)
        config = Config(gateway=GatewaySection(http=Http(endpoints=Endpoints(responses=settings))))
        self.gateway = Harness(settings=lambda: config)
        self.gateway.scripted.script = idle
        self.addCleanup(self.gateway.close)

    def open(self, **fields: Any) -> tuple[Client, ScriptedRun]:
        """Ask for a stream."""
        body = json.dumps({"model": "m", "input": "hi", "stream": True, **fields}).encode()
        client = self.gateway.ask("POST", PATH, body)
        return client, self.gateway.scripted.runs[-1]

    def events(self, client: Client) -> list[Any]:
        """The events so far, without the end mark."""
        client.wire.pump()
        text = client.response.body.decode()
        lines = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
        return [json.loads(line) for line in lines if line != "[DONE]"]

    def test_failure_in_mid_stream(self) -> None:
        """An event of its own, then the end mark; what was said stays."""
        client, run = self.open()
        run.say("half")
        run.fail("provider_error", "upstream provider error")
        found = self.events(client)
        self.assertEqual(found[-1]["type"], "response.failed")
        self.assertEqual(found[-1]["response"]["error"]["message"], "upstream provider error")
        self.assertEqual(found[-1]["response"]["error"]["openclaw_code"], "provider_error")
        self.assertTrue(client.response.body.endswith(b"data: [DONE]\n\n"))
        self.assertTrue(client.response.complete)

    def test_failure_before_the_status(self) -> None:
        """Has a status of its own; after the hold it is an event."""
        for stream in (False, True):
            for code, status in (("provider_rate_limit", 429), ("provider_rejected", 400), ("provider_error", 502)):
                client, run = self.open(stream=stream)
                run.fail(code)
                client.wire.pump()
                self.assertEqual((client.response.status, client.response.error["code"]), (status, code))
        client, run = self.open()
        client.advance(2)
        run.fail("provider_rate_limit")
        self.assertEqual([event["type"][9:] for event in self.events(client)], ["created", "in_progress", "failed"])
        self.assertEqual(self.events(client)[-1]["response"]["error"]["code"], "rate_limit_exceeded")

    def test_keep_alive(self) -> None:
        """Comments in silence, from the moment the status is out."""
        client, run = self.open()
        client.advance(2)
        client.advance(31)
        self.assertEqual(client.response.body.count(b": ping\n"), 1)
        client.advance(15)
        self.assertEqual(client.response.body.count(b": ping\n"), 2)
        run.say("x")
        run.end()
        self.assertEqual(self.events(client)[-1]["type"], "response.completed")

    def test_disconnect(self) -> None:
        """Cancels the run, streamed or not."""
        for stream in (True, False):
            client, run = self.open(stream=stream)
            run.say("x")
            client.reset()
            self.assertEqual(run.abort_reasons, ["disconnect"])
            self.assertFalse(run.watched)

    def test_slow_reader(self) -> None:
        """Text is joined while it is held, and numbers leave no hole."""
        client, run = self.open()
        run.say("a")
        client.stall()
        run.emit(*(TextDelta(text="x" * 1000) for _ in range(80)))
        for _ in range(50):
            run.emit(TextDelta(text="b"), TextDelta(text="c"))
        client.resume()
        run.emit(MessageEnded())
        run.end()
        found = self.events(client)
        self.assertEqual([event["sequence_number"] for event in found], list(range(len(found))))
        self.assertEqual("".join(e["delta"] for e in found if "delta" in e), "a" + "x" * 80_000 + "bc" * 50)
        self.assertLess(len(found), 100)

    def test_reader_given_up(self) -> None:
        """A client that takes nothing is told so in the API's own words, and cut off."""
        client, run = self.open()
        run.say("a")
        client.stall()
        for _ in range(20):
            run.emit(TextDelta(text="x" * 100_000))
        client.resume()
        self.assertEqual(self.events(client)[-1]["response"]["error"]["openclaw_code"], "slow_consumer")
        client.advance(1)
        self.assertTrue(client.wire.aborted)
        run.end()

    def test_revoked(self) -> None:
        """T40: a stream ends soon after its secret was changed."""
        client, run = self.open()
        run.say("a")
        self.gateway.one_secret.secret = "another"
        client.advance(15)
        self.assertEqual(self.events(client)[-1]["response"]["error"]["openclaw_code"], "invalid_api_key")
        self.assertEqual(run.abort_reasons, ["revoked"])

    def test_several_messages_and_tools(self) -> None:
        """S25: one message item, joined by blank lines; calls beside it."""
        client, run = self.open(tools=[TOOL])
        run.emit(RunStarted(session_id="s"), ANSWERED, TextDelta(text=" \n"), MessageEnded())
        run.emit(TextDelta(text="one"), MessageEnded(), TextDelta(text="two"))
        run.emit(ToolCallDelta(index=0, id="c", name="get_weather", arguments='{"a"'))
        run.emit(ToolCallDelta(index=0, id="", name="", arguments=":1}"), MessageEnded())
        run.end(tool_calls=(ToolCall(id="c", name="get_weather", arguments='{"a":1}'),), finish_reason="tool_calls")
        found = self.events(client)
        for event in found:
            EVENTS.validate_python(event, strict=True)
        message, call = found[-1]["response"]["output"]
        self.assertEqual(message["content"][0]["text"], "one\n\ntwo")
        text = [event["delta"] for event in found if event["type"] == "response.output_text.delta"]
        self.assertEqual("".join(text), "one\n\ntwo")
        self.assertEqual(call["arguments"], '{"a":1}')

    def test_items_in_turn(self) -> None:
        """Text, calls that grow side by side and more text: each item is closed before the next begins, and what was
        said reaches a client that reads slowly in its own item."""
        client, run = self.open(tools=[TOOL])
        run.say("a")
        client.stall()
        run.emit(TextDelta(text="x" * 80_000))
        for index in range(2):
            run.emit(ToolCallDelta(index=index, id=f"c{index}", name="get_weather", arguments=""))
        for piece in ('{"a"', ":1}"):
            for index in range(2):
                run.emit(ToolCallDelta(index=index, id="", name="", arguments=piece))
        for text in "bcd":
            run.say(text)
        client.resume()
        run.say("e")
        run.emit(MessageEnded())
        calls = tuple(ToolCall(id=f"c{index}", name="get_weather", arguments='{"a":1}') for index in range(2))
        run.end(tool_calls=calls, finish_reason="tool_calls")
        found = self.events(client)
        grown: dict[int, str] = {}
        done: list[int] = []
        for event in found:
            EVENTS.validate_python(event, strict=True)
            at = event.get("output_index", len(done))
            self.assertEqual(at, len(done))
            grown[at] = grown.get(at, "") + event.get("delta", "")
            if event["type"] == "response.output_item.done":
                done.append(at)
        first, *others, last = found[-1]["response"]["output"]
        texts = [item["content"][0]["text"] for item in (first, last)]
        self.assertEqual(texts, ["a" + "x" * 80_000, "bcde"])
        self.assertEqual([grown[at] for at in range(4)], [texts[0], *(call["arguments"] for call in others), texts[1]])
        self.assertEqual([call["arguments"] for call in others], ['{"a":1}'] * 2)

    def test_call_that_was_not_streamed(self) -> None:
        """It is shown whole at the end; C{{}} for no arguments."""
        client, run = self.open(tools=[TOOL])
        run.emit(ANSWERED)
        run.end(tool_calls=(ToolCall(id="c", name="get_weather", arguments=""),), finish_reason="tool_calls")
        found = self.events(client)
        self.assertEqual([event["delta"] for event in found if "delta" in event], ["{}"])
        (call,) = found[-1]["response"]["output"]
        self.assertEqual((call["arguments"], call["status"]), ("{}", "completed"))
