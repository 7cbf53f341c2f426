# -*- test-case-name: tests.web.test_responses_stream -*-
"""The Responses API: what a client reads of a stream, and what becomes of its connection."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import Endpoints, GatewaySection, Http
from openclaw_tx.config.schema_gateway import Responses as Settings
from openclaw_tx.values import MessageEnded, RunStarted, TextDelta, ToolCall, ToolCallDelta
from tests.support.fakes import ANSWERED, ScriptedRun
from tests.support.web import Client, Harness
from tests.web.responses import PATH
from tests.web.test_responses import EVENTS, TOOL


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
