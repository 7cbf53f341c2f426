# -*- test-case-name: tests.web.test_run_events -*-
"""C{/v1/runs/<id>/events}: watched, and resumed."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_tx.runs.durable import FLUSH_SECONDS
from openclaw_tx.testing import MemoryGateway
from tests.support.runs import RUNS, RunsCase, events, seqs, texts
from tests.support.web import Client


class EventsTests(RunsCase):
    """C{GET /v1/runs/<id>/events}."""

    def test_from_beginning_to_end(self) -> None:
        """All that happens, numbered without holes, then the end."""
        run_id = self.run_id()
        stream = self.watch(run_id)
        self.assertEqual(stream.headers["content-type"], "text/event-stream; charset=utf-8")
        self.assertEqual(stream.headers["cache-control"], "no-cache, no-transform")
        self.call.reasoning("hm")
        self.call.call_tool("session_status", {})
        self.call.finish()
        self.flush()
        self.answer("Hel", "lo")
        self.assertTrue(stream.finished)
        found = events(stream.body)
        self.assertEqual([event["seq"] for event in found], list(range(1, len(found) + 1)))
        kinds = [event["type"] for event in found]
        self.assertEqual(
            kinds,
            [
                "run.started",
                "model.answered",
                "reasoning.delta",
                "message.completed",
                "tool.started",
                "tool.completed",
                "model.answered",
                "message.delta",
                "message.delta",
                "message.completed",
                "run.completed",
            ],
        )
        self.assertEqual(found[-1]["run"], self.read(run_id))

    def test_each_end(self) -> None:
        """Every way to end has its event."""
        self.model.fail("provider_rejected", "no")
        failed = self.run_id()
        self.assertEqual(events(self.watched(failed))[-1]["type"], "run.failed")
        aborted = self.run_id()
        self.memory.request("DELETE", f"{RUNS}/{aborted}")
        self.assertEqual(events(self.watched(aborted))[-1]["type"], "run.aborted")

    def watched(self, run_id: str) -> bytes:
        """What one gets who watches a run that has ended."""
        stream = self.watch(run_id)
        self.flush()
        assert stream.finished
        return stream.body

    def test_many_subscribers(self) -> None:
        """Each gets the same bytes, whenever it came."""
        run_id = self.run_id()
        streams = [self.watch(run_id)]
        for piece in ("a", "b", "c"):
            self.call.text(piece)
            self.flush()
            streams.append(self.watch(run_id))
        self.answer("d")
        streams.append(self.watch(run_id))
        self.assertEqual({stream.body for stream in streams}, {streams[0].body})
        self.assertEqual([stream.finished for stream in streams], [True] * 5)

    def test_only_what_is_durable(self) -> None:
        """T: what a client has seen, the disk knows."""
        run_id = self.run_id()
        stream = self.watch(run_id)
        self.call.text("fresh")
        self.memory.flush()
        self.assertEqual(seqs(stream), [1])
        self.flush()
        self.assertEqual(seqs(stream), [1, 2, 3])
        self.assertEqual(self.rows("run_events"), 2)

    def test_chat_streams_are_not_slowed(self) -> None:
        """A chat client gets a piece at once, also while somebody watches the events."""
        chat = self.chat(stream=True)
        self.watch(self.live())
        self.call.text("now")
        self.memory.flush()
        self.assertIn("now", chat.text())

    def test_resume(self) -> None:
        """By header or by query; the header counts first."""
        run_id = self.run_id()
        self.answer("a", "b")
        whole = events(self.watched(run_id))
        for after in range(len(whole)):
            self.assertEqual(events(self.watch(run_id, after).body), whole[after:])
            by_query = self.memory.get(f"{RUNS}/{run_id}/events?x=1&after={after}")
            self.assertEqual(events(by_query.body), whole[after:])
        both = self.memory.get(f"{RUNS}/{run_id}/events?after=1", headers={"Last-Event-ID": "3"})
        self.assertEqual(events(both.body), whole[3:])

    def test_nothing_left(self) -> None:
        """204 after the end, which makes an EventSource stop."""
        run_id = self.run_id()
        self.answer("a")
        last = seqs(self.watch(run_id))[-1]
        response = self.watch(run_id, last)
        self.assertEqual((response.code, response.body), (204, b""))
        self.assertNotIn("content-length", response.headers)
        self.assertTrue(response.finished)

    def test_bad_cursors(self) -> None:
        """400, with where it came from."""
        run_id = self.run_id()
        for headers, param in (({"Last-Event-ID": "x"}, "Last-Event-ID"), ({"Last-Event-ID": "2"}, "Last-Event-ID")):
            response = self.memory.get(f"{RUNS}/{run_id}/events", headers=headers)
            self.assertEqual((response.code, response.json()["error"]["param"]), (400, param))
        for after in ("-1", "2"):
            response = self.memory.get(f"{RUNS}/{run_id}/events?after={after}", headers={"Last-Event-ID": ""})
            self.assertEqual((response.code, response.json()["error"]["param"]), (400, "after"))

    def test_t03_keep_alive(self) -> None:
        """Comments of one line, from the first silence on: no reader takes them for an event."""
        run_id = self.run_id()
        stream = self.watch(run_id)
        self.memory.advance(46, steps=46)
        self.assertEqual(stream.body.count(b": ping\n"), 3)
        self.assertNotIn(b": ping\n\n", stream.body)
        self.answer("x")
        self.assertEqual(seqs(stream), list(range(1, 6)))

    def test_gap(self) -> None:
        """A cursor that fell off the ring is told what is lost, then gets what is held."""
        run_id = self.run_id()
        for _ in range(6):
            self.call.text("x" * 1_000_000)
            self.flush()
        stream = self.watch(run_id, 2)
        gap, *rest = events(stream.body)
        self.assertEqual((gap["type"], gap["first"]), ("replay_gap", 3))
        self.assertEqual([event["seq"] for event in rest], list(range(gap["last"] + 1, 9)))
        self.call.finish()
        self.flush()
        self.crash()
        again = events(self.watch(run_id, 2).body)
        self.assertEqual(again[0]["type"], "replay_gap")
        self.assertEqual([event["seq"] for event in again[1:]], list(range(again[0]["last"] + 1, 11)))

    def test_slow_reader(self) -> None:
        """One that does not read is told and cut off; it costs a bounded buffer, and can come back."""
        run_id = self.run_id()
        client = Client(self.memory.site, self.memory.clock)
        client.stall()
        client.request("GET", f"{RUNS}/{run_id}/events", headers={"Authorization": "Bearer a-token-for-tests"})
        for _ in range(30):
            self.call.text("x" * 100_000)
            self.memory.advance(FLUSH_SECONDS)
        self.memory.advance(2)
        client.wire.pump()
        self.assertTrue(client.wire.aborted)
        self.assertLess(client.wire.held_most, 3_000_000)
        self.assertEqual(self.read(run_id)["status"], "running")


class ResumeTests(RunsCase):
    """Clients that lose their connection anywhere."""

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.sampled_from(["say", "flush", "hang up", "half", "second"]), max_size=30))
    def test_the_pieces_are_the_whole(self, steps: list[str]) -> None:
        """What a client got before each cut, read up to its last whole event, and what it got after, is what one gets
        who was never cut."""
        memory = MemoryGateway()
        try:
            run_id = memory.post(RUNS, {"message": "x"}).json()["id"]
            whole = memory.get(f"{RUNS}/{run_id}/events")
            got: list[Any] = []
            stream = memory.get(f"{RUNS}/{run_id}/events")
            for number, step in enumerate([*steps, "say"]):
                if step == "say":
                    memory.model.calls[0].text(f"{number};")
                elif step == "flush":
                    memory.advance(FLUSH_SECONDS)
                elif step == "second":
                    memory.advance(1.0)
                else:
                    stream.disconnect()
                    body = stream.body[: len(stream.body) // 2] if step == "half" else stream.body
                    got += events(body)
                    last = str(got[-1]["seq"]) if got else "0"
                    stream = memory.get(f"{RUNS}/{run_id}/events", headers={"Last-Event-ID": last})
            memory.model.calls[0].finish()
            memory.advance(FLUSH_SECONDS)
            got += events(stream.body)
            self.assertEqual(got, events(whole.body))
            self.assertTrue(stream.finished)
            self.assertEqual(texts(got), memory.get(f"{RUNS}/{run_id}").json()["text"])
        finally:
            memory.close()
