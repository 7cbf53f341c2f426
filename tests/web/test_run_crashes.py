# -*- test-case-name: tests.web.test_run_crashes -*-
"""C{/v1/runs} after a crash."""

from __future__ import annotations

from tests.support.runs import RunsCase, events, texts


class CrashTests(RunsCase):
    """What a new process finds."""

    def test_resume_after_a_crash(self) -> None:
        """Every client goes on where it was, and is told how the run ended."""
        run_id = self.run_id()
        stream = self.watch(run_id)
        self.call.text("one ", "two")
        self.flush()
        self.call.text(" never written")
        got = events(stream.body)
        self.crash()
        rest = events(self.watch(run_id, got[-1]["seq"]).body)
        self.assertEqual([event["type"] for event in rest], ["run.interrupted"])
        self.assertEqual(rest[0]["seq"], got[-1]["seq"] + 1)
        run = self.read(run_id)
        self.assertEqual(
            (run["status"], run["text"], run["error"]["code"]), ("interrupted", "one two", "run_interrupted")
        )
        self.assertEqual(run["model"], "scripted/model")
        self.assertEqual(rest[0]["run"], run)
        whole = events(self.watch(run_id).body)
        self.assertEqual(whole, got + rest)
        self.assertEqual(self.watch(run_id, whole[-1]["seq"]).code, 204)

    def test_crash_again(self) -> None:
        """A second crash changes nothing any more."""
        run_id = self.run_id(user="alice")
        self.call.text("half")
        self.flush()
        self.crash()
        before = (self.read(run_id), self.watch(run_id).body)
        self.crash()
        self.assertEqual((self.read(run_id), self.watch(run_id).body), before)

    def test_ended_before_the_crash(self) -> None:
        """The result is the same as before, and so is every event."""
        run_id = self.run_id()
        self.answer("a", "b")
        before = (self.read(run_id), self.watch(run_id).body)
        self.crash()
        self.assertEqual((self.read(run_id), self.watch(run_id).body), before)

    def test_crash_just_before_the_end_is_told(self) -> None:
        """The result is durable and its event is not: the event that is made up for it is the one that was lost."""
        run_id = self.run_id()
        stream = self.watch(run_id)
        self.call.text("all")
        self.call.finish()
        self.memory.flush()
        got = events(stream.body)
        self.assertNotEqual(got[-1]["type"], "run.completed")
        self.crash()
        rest = events(self.watch(run_id, got[-1]["seq"]).body)
        self.assertEqual([event["type"] for event in rest], ["run.completed"])
        self.assertEqual(texts(got), rest[0]["run"]["text"])

    def test_crash_in_a_session(self) -> None:
        """A session's run is noted before a model has answered, so the model is noted with what it says."""
        self.chat(user="alice")
        run_id = self.live()
        self.crash()
        self.assertIsNone(self.read(run_id)["model"])
        self.chat(user="alice")
        run_id = self.live()
        self.call.text("half")
        self.memory.advance(1)
        self.crash()
        self.assertEqual((self.read(run_id)["text"], self.read(run_id)["model"]), ("half", "scripted/model"))

    def test_queued(self) -> None:
        """One that was waiting is not forgotten."""
        self.run_id(user="a")
        waiting = self.run_id(user="a")
        self.crash()
        self.assertEqual(self.read(waiting)["status"], "interrupted")
        self.assertEqual([event["type"] for event in events(self.watch(waiting).body)][-1], "run.interrupted")

    def test_t38_chats_leave_nothing(self) -> None:
        """A hundred plain requests: no session, no run, no event."""
        for _ in range(100):
            self.model.say("x")
            self.chat()
        self.memory.advance(2)
        self.assertEqual([self.rows(table) for table in ("sessions", "runs", "run_events")], [0, 0, 0])

    def test_t21_chat_that_lived_a_while(self) -> None:
        """A chat completion that a crash cut off is reported with what it had said, never as unknown."""
        self.chat(stream=True)
        run_id = self.live()
        self.call.text("so far")
        self.memory.advance(3, steps=3)
        self.crash()
        run = self.read(run_id)
        self.assertEqual((run["status"], run["text"], run["model"]), ("interrupted", "so far", "scripted/model"))
        self.assertEqual(texts(events(self.watch(run_id).body)), "so far")
