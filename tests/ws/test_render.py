# -*- test-case-name: tests.ws.test_render -*-
"""Run entries as agent and chat events."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import ErrorInfo
from openclaw_tx.values import (
    Entry,
    MessageEnded,
    ModelAnswered,
    Principal,
    ReasoningDelta,
    RunEvent,
    RunRequest,
    TextDelta,
    ToolCallDelta,
    ToolEnded,
    ToolStarted,
)
from openclaw_tx.wire.frames import numbered
from openclaw_tx.ws.render import MAX_EARLIER, MAX_THOUGHTS, MAX_TOOL_TEXT, Rendered, RunRenderer
from tests.ws.fakes import Engine, FakeRun

OWNER = Principal(id="p", method="token", scopes=frozenset())


class Script:
    """A run whose batches are rendered as they come."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(100)
        engine = Engine(self.clock)
        request = RunRequest(run_id="r", agent_id="main", session_key="agent:main:main", messages=())
        self.run = FakeRun(request, OWNER, engine)
        self.renderer = RunRenderer(self.run)
        self.rendered: list[Rendered] = []
        engine.listeners.append(self.batch)

    def batch(self, run: FakeRun, entries: list[Entry]) -> None:
        self.rendered += self.renderer.render(entries, self.clock.seconds())

    def payloads(self, name: str) -> list[Any]:
        frames = [json.loads(numbered(event.body, 1)) for event in self.rendered]
        return [frame["payload"] for frame in frames if frame["event"] == name]

    def data(self, stream: str) -> list[Any]:
        return [payload["data"] for payload in self.payloads("agent") if payload["stream"] == stream]


class AgentEventTests(SynchronousTestCase):
    """C{agent} events."""

    def setUp(self) -> None:
        self.script = Script()
        self.run_ = self.script.run

    def test_life(self) -> None:
        """Start, model, text that grows, end; numbered from 1 without holes."""
        self.run_.start()
        self.run_.emit(ModelAnswered(provider="stub", model="m", round=1))
        self.run_.say("c1")
        self.run_.say(" c2")
        self.script.clock.advance(2)
        self.run_.end("ok", "c1 c2")
        payloads = self.script.payloads("agent")
        self.assertEqual([payload["seq"] for payload in payloads], [1, 2, 3, 4, 5])
        self.assertEqual(
            payloads[0],
            {
                "runId": "r",
                "sessionKey": "agent:main:main",
                "agentId": "main",
                "stream": "lifecycle",
                "data": {"phase": "start", "startedAt": 100_000},
                "seq": 1,
                "ts": 100_000,
            },
        )
        self.assertEqual(
            self.script.data("assistant"), [{"text": "c1", "delta": "c1"}, {"text": "c1 c2", "delta": " c2"}]
        )
        self.assertEqual(
            self.script.data("lifecycle")[1:],
            [
                {"phase": "model", "provider": "stub", "model": "m"},
                {"phase": "end", "startedAt": 100_000, "endedAt": 102_000},
            ],
        )

    def test_batch_is_one_event(self) -> None:
        """The text of one batch is one delta."""
        self.run_.say("a", "b", "c")
        self.assertEqual(self.script.data("assistant"), [{"text": "abc", "delta": "abc"}])

    def test_text_starts_anew(self) -> None:
        """Each assistant message has its own text, also within one batch; tools come in between."""
        self.run_.say("one")
        self.run_.emit(
            MessageEnded(),
            ToolStarted(call_id="t", name="clock", arguments={"zone": "UTC"}),
            ToolEnded(call_id="t", name="clock", is_error=False, text="noon"),
            TextDelta(text="two"),
            MessageEnded(),
            TextDelta(text="three"),
        )
        self.assertEqual([data["text"] for data in self.script.data("assistant")], ["one", "two", "three"])
        self.assertEqual(
            self.script.data("tool"),
            [
                {"phase": "start", "name": "clock", "toolCallId": "t", "args": {"zone": "UTC"}},
                {
                    "phase": "result",
                    "name": "clock",
                    "toolCallId": "t",
                    "isError": False,
                    "result": {"content": [{"type": "text", "text": "noon"}]},
                },
            ],
        )
        self.assertEqual([event.tool for event in self.script.rendered].count(True), 2)

    def test_tool_events_are_bounded(self) -> None:
        """Neither arguments nor results of a tool flood the clients."""
        self.run_.emit(
            ToolStarted(call_id="t", name="n", arguments={"x": "y" * 9000}),
            ToolEnded(call_id="t", name="n", is_error=True, text="z" * 9000),
        )
        start, end = self.script.data("tool")
        self.assertEqual(start["args"], {"bytes": 9008, "omitted": True})
        self.assertEqual(len(end["result"]["content"][0]["text"]), MAX_TOOL_TEXT + len("…(truncated)…"))

    def test_not_told(self) -> None:
        """Thinking, and calls of a client's own tools, are not WebSocket clients' business."""
        self.run_.emit(ReasoningDelta(text="hmm"), ToolCallDelta(index=0, id="1", name="f", arguments="{}"))
        self.assertEqual(self.script.rendered, [])

    def test_thoughts_as_they_come(self) -> None:
        """With the level stream, thinking is told as text is; each message thinks anew."""
        self.run_.reasoning = "stream"
        self.run_.emit(ReasoningDelta(text="so"), ReasoningDelta(text=" far"))
        self.run_.emit(TextDelta(text="x"), MessageEnded(), ReasoningDelta(text="again"))
        self.assertEqual(
            self.script.data("thinking"),
            [
                {"text": "so", "delta": "so"},
                {"text": "so far", "delta": " far"},
                {"text": "again", "delta": "again"},
            ],
        )
        self.assertEqual([payload["seq"] for payload in self.script.payloads("agent")], [1, 2, 3, 4])

    def test_thoughts_at_the_end(self) -> None:
        """With the level on, they are told once, when their message ends."""
        self.run_.reasoning = "on"
        self.run_.emit(ReasoningDelta(text="so"), ReasoningDelta(text=" far"))
        self.assertEqual(self.script.data("thinking"), [])
        self.run_.emit(TextDelta(text="x"), MessageEnded(), MessageEnded())
        self.assertEqual(self.script.data("thinking"), [{"text": "so far", "delta": "so far"}])

    def test_thoughts_are_bounded(self) -> None:
        """A model that thinks for ever does not flood the clients."""
        self.run_.reasoning = "stream"
        for _ in range(100):
            self.run_.emit(ReasoningDelta(text="x" * 1024))
        self.assertEqual(len(self.script.data("thinking")), MAX_THOUGHTS // 1024)

    def test_ends(self) -> None:
        """One terminal phase, error exactly when the run failed; the chat event matches."""
        error = ErrorInfo(code="provider_error", message="broken")
        cases: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
            ("ok", {}, {"phase": "end"}, {"state": "final"}),
            (
                "aborted",
                {"abort_reason": "rpc", "error": error},
                {"phase": "end", "aborted": True},
                {"state": "aborted", "stopReason": "rpc"},
            ),
            (
                "error",
                {"error": error},
                {"phase": "error", "error": "broken"},
                {"state": "error", "errorMessage": "broken"},
            ),
            ("interrupted", {}, {"phase": "error", "error": "interrupted"}, {"state": "error"}),
        ]
        for status, more, phase, chat in cases:
            script = Script()
            script.run.end(status, **more)
            (data,) = script.data("lifecycle")
            self.assertEqual({**data, **phase}, data)
            self.assertNotIn("startedAt", data, "it never started")
            (payload,) = script.payloads("chat")
            self.assertEqual({**payload, **chat}, payload)
            self.assertNotIn("message", payload, "it said nothing")


class ChatEventTests(SynchronousTestCase):
    """C{chat} events."""

    def setUp(self) -> None:
        self.script = Script()
        self.run_ = self.script.run

    def flush(self) -> None:
        self.script.rendered += self.script.renderer.flush_chat(self.script.clock.seconds())

    def test_pause(self) -> None:
        """The first text leaves at once, later text after a pause, all that came in between together."""
        self.run_.say("a")
        self.run_.say("b")
        self.run_.say("c")
        self.assertEqual(len(self.script.payloads("chat")), 1)
        self.assertEqual(self.script.renderer.chat_due, 100.15)
        self.script.clock.advance(0.15)
        self.flush()
        first, second = self.script.payloads("chat")
        self.assertEqual(
            first,
            {
                "runId": "r",
                "sessionKey": "agent:main:main",
                "agentId": "main",
                "seq": 1,
                "state": "delta",
                "deltaText": "a",
                "message": {"role": "assistant", "content": [{"type": "text", "text": "a"}], "timestamp": 100_000},
            },
        )
        self.assertEqual((second["deltaText"], second["message"]["content"][0]["text"]), ("bc", "abc"))
        self.assertEqual(self.script.renderer.chat_due, None)

    def test_all_text_before_the_end(self) -> None:
        """What is held back leaves before the final event, so that the pieces add up."""
        self.run_.say("a")
        self.run_.say("b")
        self.run_.end("ok", "ab")
        chat = self.script.payloads("chat")
        self.assertEqual([payload["state"] for payload in chat], ["delta", "delta", "final"])
        self.assertEqual("".join(payload.get("deltaText", "") for payload in chat), "ab")
        self.assertEqual(chat[-1]["message"]["content"], [{"type": "text", "text": "ab"}])

    def test_deltas_may_be_dropped(self) -> None:
        """A delta may be skipped for a slow client; the end, and agent events, may not."""
        self.run_.say("a")
        self.run_.end("ok", "a")
        droppable = [event.droppable for event in self.script.rendered]
        self.assertEqual(droppable, [False, True, False, False])

    def test_held_text_of_an_ended_message(self) -> None:
        """Text held back when the next message begins is not lost, nor put into the next one."""
        self.run_.say("one")
        self.run_.emit(TextDelta(text=" more"), MessageEnded(), TextDelta(text="two"))
        self.run_.end("ok", "one more", "two")
        chat = self.script.payloads("chat")
        self.assertEqual([payload.get("deltaText") for payload in chat], ["one", " more", "\n\ntwo", None])
        self.assertEqual(chat[-1]["message"]["content"][0]["text"], "two")
        self.assertEqual([data["text"] for data in self.script.data("assistant")], ["one", "one more", "two"])

    def test_one_text(self) -> None:
        """The text of chat deltas only grows, over all messages of the run: clients tell what is new by its length."""
        self.run_.say("calling ")
        self.run_.emit(MessageEnded(), MessageEnded())
        self.run_.say("said")
        self.flush()
        self.run_.say(" it")
        self.flush()
        chat = self.script.payloads("chat")
        texts = [payload["message"]["content"][0]["text"] for payload in chat]
        self.assertEqual(texts, ["calling ", "calling \n\nsaid", "calling \n\nsaid it"])
        self.assertEqual("".join(payload["deltaText"] for payload in chat), texts[-1])
        self.assertFalse(any("replace" in payload for payload in chat))

    def test_very_long(self) -> None:
        """What is too much is not repeated for ever: the text begins afresh, and says so."""
        self.run_.say("x" * (MAX_EARLIER + 1))
        self.run_.emit(MessageEnded())
        self.run_.say("next")
        self.flush()
        self.run_.say(" one")
        self.flush()
        last, more = self.script.payloads("chat")[-2:]
        self.assertEqual((last["deltaText"], last["replace"]), ("next", True))
        self.assertEqual(last["message"]["content"][0]["text"], "next")
        self.assertEqual((more["deltaText"], more.get("replace")), (" one", None))


class CatchUpTests(SynchronousTestCase):
    """Somebody comes in the middle."""

    def test_late(self) -> None:
        """The text is whole, the deltas only what came since, and numbers go on after those of the past."""
        script = Script()
        script.run.start()
        script.run.say("past ")
        late = RunRenderer(script.run)
        late.catch_up(script.run.entries)
        script.run.say("now")
        events = [json.loads(numbered(event.body, 1)) for event in late.render(script.run.entries[-1:], 200.0)]
        self.assertEqual(events[0]["payload"]["data"], {"text": "past now", "delta": "now"})
        self.assertEqual(events[0]["payload"]["seq"], 3)
        self.assertEqual(events[1]["payload"]["deltaText"], "now")

    def test_late_for_a_message(self) -> None:
        """What an earlier message said is in the text, too, and nothing of it is new."""
        script = Script()
        script.run.start()
        script.run.say("first")
        script.run.emit(MessageEnded())
        late = RunRenderer(script.run)
        late.catch_up(script.run.entries)
        script.run.say("second")
        *_, chat = [json.loads(numbered(event.body, 1)) for event in late.render(script.run.entries[-1:], 200.0)]
        self.assertEqual(chat["payload"]["deltaText"], "\n\nsecond")
        self.assertEqual(chat["payload"]["message"]["content"][0]["text"], "first\n\nsecond")


class AnyTextTests(SynchronousTestCase):
    """Whatever a model says."""

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.lists(st.text(max_size=8), min_size=1, max_size=4), max_size=8))
    def test_escaping(self, batches: list[list[str]]) -> None:
        """All events are JSON, the deltas add up to the text, and the last event has it whole."""
        script = Script()
        events: list[RunEvent] = []
        for batch in batches:
            script.run.say(*batch)
            script.clock.advance(0.1)
            events += [TextDelta(text=text) for text in batch]
        whole = "".join(text for batch in batches for text in batch)
        script.run.end("ok", whole)
        assistant = script.data("assistant")
        self.assertEqual("".join(data["delta"] for data in assistant), whole)
        self.assertEqual([data["text"] for data in assistant][-1:], [whole] if batches else [])
        chat = script.payloads("chat")
        self.assertEqual("".join(payload.get("deltaText", "") for payload in chat), whole)
