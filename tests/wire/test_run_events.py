# -*- test-case-name: tests.wire.test_run_events -*-
"""Events of runs and run objects on the wire."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import (
    Approval,
    ApprovalRequested,
    ApprovalResolved,
    Compacting,
    Entry,
    MessageEnded,
    ModelAnswered,
    ReasoningDelta,
    RunEnded,
    RunEvent,
    RunResult,
    RunStarted,
    RunState,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolEnded,
    ToolProgress,
    ToolStarted,
    Usage,
)
from openclaw_tx.wire.run_events import TYPES, EventFrames, cursor_of, error_event, payload
from openclaw_tx.wire.run_object import run_body, run_object


def result(status: Any = "ok", **fields: Any) -> RunResult:
    """How a run ended."""
    return RunResult(run_id="r", session_key="k", agent_id="main", status=status, **fields)


APPROVAL = Approval(id="a", command="ls", created_at_ms=1, expires_at_ms=2)
EVENTS: list[tuple[RunEvent, str]] = [
    (RunStarted(session_id="s"), "run.started"),
    (ModelAnswered(provider="p", model="m", round=1), "model.answered"),
    (ReasoningDelta(text="hm"), "reasoning.delta"),
    (TextDelta(text="a\n\nb"), "message.delta"),
    (TextDelta(text="no", refusal=True), "refusal.delta"),
    (ToolCallDelta(index=0, id="c", name="n", arguments="{"), "tool_call.delta"),
    (MessageEnded(usage=Usage(prompt_tokens=1, completion_tokens=2)), "message.completed"),
    (ToolStarted(call_id="c", name="n", arguments={"a": 1}), "tool.started"),
    (ToolEnded(call_id="c", name="n", is_error=False, text="t", details=object()), "tool.completed"),
    (RunEnded(result=result()), "run.completed"),
    (RunEnded(result=result("error", error=GatewayError("run_failed", "x").info)), "run.failed"),
    (RunEnded(result=result("aborted", abort_reason="request")), "run.aborted"),
    (RunEnded(result=result("interrupted")), "run.interrupted"),
    (ToolProgress(call_id="c", name="t", text="half"), "tool.progress"),
    (ApprovalRequested(call_id="c", approval=APPROVAL), "approval.requested"),
    (ApprovalResolved(call_id="c", approval_id="a", decision="deny", expired=True), "approval.resolved"),
    (Compacting(phase="start"), "compaction.started"),
    (Compacting(phase="end", reason="overflow", will_retry=True), "compaction.completed"),
]


def numbered(events: list[RunEvent], first: int = 1) -> list[Entry]:
    """Entries of events."""
    return [Entry(seq=seq, ts_ms=1000 + seq, event=event) for seq, event in enumerate(events, first)]


def read(data: bytes) -> list[dict[str, Any]]:
    """A strict reader: three fields each, and the id and the type are those of the data."""
    blocks = data.decode("utf-8").split("\n\n")
    assert blocks.pop() == ""
    found = []
    for block in blocks:
        names = [line.split(": ", 1)[0] for line in block.split("\n")]
        assert names == ["id", "event", "data"], names
        event_id, kind, payload = (line.split(": ", 1)[1] for line in block.split("\n"))
        value = json.loads(payload)
        assert (value["seq"], value["type"]) == (int(event_id), kind)
        found.append(value)
    return found


class EventFramesTests(SynchronousTestCase):
    """L{EventFrames}."""

    def test_every_event(self) -> None:
        """Each has its type; the list of types is complete."""
        values = read(EventFrames(0).render(numbered([event for event, _ in EVENTS])))
        self.assertEqual([value["type"] for value in values], [kind for _, kind in EVENTS])
        self.assertEqual({kind for _, kind in EVENTS} | {"replay_gap"}, set(TYPES))
        self.assertEqual([value["ts"] for value in values], [1001 + n for n in range(len(EVENTS))])

    def test_fields(self) -> None:
        """What they carry."""
        values = {v["type"]: v for v in read(EventFrames(0).render(numbered([event for event, _ in EVENTS])))}
        self.assertEqual(values["message.delta"]["text"], "a\n\nb")
        self.assertEqual(values["tool.started"]["arguments"], {"a": 1})
        self.assertIn("object object", values["tool.completed"]["details"])
        self.assertEqual(values["message.completed"]["usage"]["total_tokens"], 3)
        self.assertEqual(set(values["run.failed"]["run"]["error"]), {"message", "type", "param", "code"})
        self.assertEqual(values["run.aborted"]["run"]["abort_reason"], "request")

    @given(st.lists(st.text(), max_size=8), st.integers(0, 10), st.integers(1, 4))
    def test_once_and_in_order(self, texts: list[str], after: int, size: int) -> None:
        """In whatever batches entries come, and however they overlap, a client gets each once from its cursor on."""
        entries = numbered([TextDelta(text=text) for text in texts])
        frames = EventFrames(after)
        data = b""
        for start in range(0, len(entries), size):
            data += frames.render(entries[max(0, start - 1) : start + size])
        self.assertEqual([value["seq"] for value in read(data)], [e.seq for e in entries if e.seq > after])

    def test_gap(self) -> None:
        """A hole is told before what follows it, once, with an id to resume from."""
        frames = EventFrames(2)
        [gap, first, second] = read(frames.render(numbered([TextDelta(text="x"), TextDelta(text="y")], 7)))
        self.assertEqual((gap["type"], gap["first"], gap["last"], gap["seq"]), ("replay_gap", 3, 6, 6))
        self.assertEqual((first["seq"], second["seq"]), (7, 8))
        self.assertEqual(read(EventFrames(gap["seq"]).render(numbered([TextDelta(text="x")], 7)))[0]["seq"], 7)

    def test_t05_never_an_odd_block(self) -> None:
        """No C{retry:}, no comment, no empty data; line separators and half surrogates in text stay inside."""
        hostile = "\u2028\u0085\r\n: ping\n\ndata: x\ud800"
        data = EventFrames(0).render(numbered([TextDelta(text=hostile)]))
        [value] = read(data)
        self.assertEqual(value["text"], hostile.replace("\ud800", "\N{REPLACEMENT CHARACTER}"))
        self.assertNotIn(b"retry", data)

    def test_error(self) -> None:
        """It has no id: the client resumes after the last event."""
        data = error_event(GatewayError("slow_consumer", "Too slow.").info)
        self.assertTrue(data.startswith(b"event: error\ndata: {") and data.endswith(b"}\n\n"))
        self.assertEqual(json.loads(data.split(b"data: ")[1])["error"]["code"], "slow_consumer")


class PageTests(SynchronousTestCase):
    """docs/runs.md."""

    page = (Path(__file__).parents[2] / "docs" / "runs.md").read_text("utf-8")

    def test_events(self) -> None:
        """The page lists every type of event, and all fields of each."""
        cells = " ".join(line.split("|")[1] for line in self.page.splitlines() if line.startswith("| `"))
        self.assertEqual(set(re.findall(r"`([a-z_]+\.[a-z]+|replay_gap)`", cells)), set(TYPES))
        for event, kind in EVENTS:
            row = next(line for line in self.page.splitlines() if line.startswith("|") and f"`{kind}`" in line)
            for name in payload(event)[1]:
                self.assertIn(f"`{name}`", row)

    def test_run_object(self) -> None:
        """The page names every key of the run object."""
        value = run_object(RunState.of(result()))
        for key in (*value, *value["timings"]):
            self.assertIn(f"`{key}`", self.page)


class CursorTests(SynchronousTestCase):
    """L{cursor_of}."""

    def test_sources(self) -> None:
        """The header counts first; neither means the beginning."""
        cases = [(None, None, 0), (None, "", 0), (None, "5", 5), ("7", "5", 7), ("", "5", 5), ("0", None, 0)]
        self.assertEqual([cursor_of(header, query) for header, query, _ in cases], [cursor for *_, cursor in cases])

    def test_no_number(self) -> None:
        """Refused, with where it came from."""
        for text in ("x", "-1", "1.5", "9" * 17, str(2**53 + 1), " 1", "\u0661"):
            error = self.assertRaises(GatewayError, cursor_of, text, None)
            self.assertEqual((error.info.code, error.info.param), ("invalid_request", "Last-Event-ID"))
            self.assertEqual(self.assertRaises(GatewayError, cursor_of, None, text).info.param, "after")


class RunObjectTests(SynchronousTestCase):
    """L{run_object}."""

    def test_ended(self) -> None:
        """A whole one."""
        ended = result(
            payloads=("one", "two"),
            tool_calls=(ToolCall(id="c", name="f", arguments=""),),
            finish_reason="tool_calls",
            usage=Usage(prompt_tokens=3, completion_tokens=4),
            provider="p",
            model="m",
            session_id="s",
            queued_at_ms=1000,
            started_at_ms=1500,
            ended_at_ms=4000,
        )
        value = json.loads(run_body(RunState.of(ended)))
        self.assertEqual(
            (value["text"], value["payloads"], value["model"], value["status"]),
            ("one\n\ntwo", ["one", "two"], "p/m", "ok"),
        )
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        self.assertEqual((value["tool_calls"], value["finish_reason"]), ([call], "tool_calls"))
        self.assertEqual((value["timings"]["queue_ms"], value["timings"]["work_ms"]), (500, 2500))
        self.assertEqual(value["usage"]["total_tokens"], 7)

    def test_not_known(self) -> None:
        """What is not known is null, never zero or made up; the keys are always the same."""
        state = RunState(run_id="r", session_key="k", agent_id="main", status="queued", queued_at_ms=5)
        value = run_object(state)
        for key in ("model", "usage", "error", "finish_reason", "abort_reason", "session_id"):
            self.assertIsNone(value[key], key)
        self.assertEqual(
            value["timings"],
            {"queued_at_ms": 5, "started_at_ms": None, "ended_at_ms": None, "queue_ms": None, "work_ms": None},
        )
        self.assertEqual(set(value), set(run_object(RunState.of(result()))))
        self.assertIsNone(run_object(RunState.of(result("error")))["finish_reason"])
