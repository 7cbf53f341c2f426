# -*- test-case-name: tests.ws.rpc.test_rows -*-
"""What the row of a session says of its runs, and when its messages were said: through a whole gateway."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.gateway import START
from openclaw_tx.values import TextPart, UserMessage

KEY = "agent:main:main"
OF_RUNS = ("status", "startedAt", "endedAt", "runtimeMs", "lastRunId", "lastRunError", "hasActiveRun", "activeRunIds")
START_MS = int(START * 1000)


class RowsCase(SynchronousTestCase):
    """A gateway, and a client that may do everything."""

    def setUp(self) -> None:
        """Start it."""
        self.memory = MemoryGateway({"gateway": {"http": {"endpoints": {"responses": {"enabled": True}}}}})
        self.addCleanup(self.memory.close)
        self.client = self.memory.websocket()
        self.client.connect(["operator.admin"])

    def call(self, method: str, **params: Any) -> Any:
        """A good answer."""
        got = self.client.request(method, params)
        self.assertTrue(got["ok"], got)
        return got["payload"]

    def send(self, run_id: str, **params: Any) -> None:
        """Say something in the main session."""
        self.call("chat.send", sessionKey="main", message="hi", idempotencyKey=run_id, **params)

    def answer(self, text: str = "hello") -> None:
        """The model answers what it was asked last."""
        self.memory.model.calls[-1].text(text)
        self.memory.model.calls[-1].finish()
        self.memory.advance(1)

    def of_runs(self) -> dict[str, Any]:
        """What the session's row says of runs: the same in all methods that show it."""
        (row,) = self.call("sessions.list")["sessions"]
        described = self.call("sessions.describe", key=KEY)["session"]
        (status,) = self.call("status")["sessions"]["recent"]
        for other in (described, status):
            self.assertEqual({name: other.get(name) for name in OF_RUNS}, {name: row.get(name) for name in OF_RUNS})
        return {name: row[name] for name in OF_RUNS if name in row}


class RunTests(RowsCase):
    """C{status} and the like."""

    def test_idle(self) -> None:
        """Nothing has run there yet: no status, and nothing at work."""
        self.call("sessions.patch", key=KEY, label="quiet")
        self.assertEqual(self.of_runs(), {"hasActiveRun": False, "activeRunIds": []})

    def test_at_work_and_done(self) -> None:
        """While it is at work, and how long it took."""
        self.memory.model.say("first")
        self.send("run-0")
        self.memory.advance(1)
        self.send("run-1")
        begun = int(self.memory.clock.seconds() * 1000)
        self.memory.advance(2)
        self.assertEqual(
            self.of_runs(),
            {"status": "running", "startedAt": begun, "hasActiveRun": True, "activeRunIds": ["run-1"]},
        )
        self.answer()
        self.assertEqual(
            self.of_runs(),
            {
                "status": "done",
                "startedAt": begun,
                "endedAt": begun + 2000,
                "runtimeMs": 2000,
                "lastRunId": "run-1",
                "hasActiveRun": False,
                "activeRunIds": [],
            },
        )

    def test_queued(self) -> None:
        """All of the agents' places are taken."""
        busy = MemoryGateway({"agents": {"defaults": {"maxConcurrent": 1}}})
        self.addCleanup(busy.close)
        self.memory, self.client = busy, busy.websocket()
        self.client.connect(["operator.admin"])
        self.call("sessions.patch", key=KEY, label="patient")
        self.memory.post("/v1/chat/completions", {"model": "openclaw", "messages": [{"role": "user", "content": "x"}]})
        self.send("run-1")
        self.memory.advance(1)
        self.assertEqual(self.of_runs(), {"status": "queued", "hasActiveRun": True, "activeRunIds": ["run-1"]})
        self.answer()
        self.answer()
        self.assertEqual(self.of_runs()["status"], "done")

    def test_failed(self) -> None:
        """Why, in one line; and the next run takes it back."""
        self.memory.model.fail("provider_rejected", "the key\nis not accepted " + "and so on " * 50)
        self.send("run-1")
        self.memory.advance(1)
        found = self.of_runs()
        self.assertEqual((found["status"], found["lastRunId"]), ("failed", "run-1"))
        self.assertIn("the key is not accepted", found["lastRunError"])
        self.assertLessEqual(len(found["lastRunError"]), 160)
        self.memory.model.say("well")
        self.send("run-2")
        self.memory.advance(1)
        found = self.of_runs()
        self.assertEqual((found["status"], found["lastRunId"], "lastRunError" in found), ("done", "run-2", False))

    def test_killed(self) -> None:
        """Somebody aborted it: that is no failure."""
        self.send("run-1")
        self.call("chat.abort", sessionKey="main")
        found = self.of_runs()
        self.assertEqual((found["status"], "lastRunError" in found), ("killed", False))

    def test_timeout(self) -> None:
        """It took too long."""
        self.send("run-1", timeoutMs=5000)
        self.memory.advance(6)
        found = self.of_runs()
        self.assertEqual((found["status"], found["runtimeMs"]), ("timeout", 6000))
        self.assertIn("too long", found["lastRunError"])

    def test_begun_anew(self) -> None:
        """A new conversation has had no run."""
        self.memory.model.say("hello")
        self.send("run-1")
        self.memory.advance(1)
        self.call("sessions.reset", key=KEY)
        self.assertEqual(self.of_runs(), {"hasActiveRun": False, "activeRunIds": []})

    def test_stateless(self) -> None:
        """Runs without a session are no session's."""
        self.call("sessions.patch", key=KEY, label="quiet")
        self.memory.post("/v1/chat/completions", {"model": "openclaw", "messages": [{"role": "user", "content": "x"}]})
        self.assertFalse(self.of_runs()["hasActiveRun"])
        self.answer()


class TimeTests(RowsCase):
    """C{timestamp} of messages."""

    def times(self, key: str) -> list[tuple[str, int]]:
        """Role and time of each message."""
        return [(each["role"], each["timestamp"]) for each in self.call("chat.history", sessionKey=key)["messages"]]

    def test_of_http(self) -> None:
        """Clients of OpenAI's APIs can not say when they said something: it was said when it came."""
        asked = {"model": "openclaw", "user": "ann"}
        said = [{"role": "user", "content": "one"}]
        self.memory.model.say("1")
        self.memory.post("/v1/chat/completions", {**asked, "messages": said})
        self.memory.advance(10)
        said += [{"role": "assistant", "content": "1"}, {"role": "user", "content": "two"}]
        self.memory.post("/v1/chat/completions", {**asked, "messages": said})
        self.memory.advance(5)
        self.answer("2")
        self.assertEqual(
            self.times("agent:main:openai-user:ann"),
            [
                ("user", START_MS),
                ("assistant", START_MS),
                ("user", START_MS + 10_000),
                ("assistant", START_MS + 15_000),
            ],
        )

    def test_of_a_history(self) -> None:
        """What a client brings along of a conversation from elsewhere came with the request, too."""
        said = [
            {"role": "user", "content": "before"},
            {"role": "assistant", "content": "then"},
            {"role": "user", "content": "now"},
        ]
        self.memory.model.say("yes")
        headers = {"x-openclaw-session-key": "elsewhere"}
        self.memory.post("/v1/chat/completions", {"model": "openclaw", "messages": said}, headers=headers)
        self.memory.advance(1)
        self.assertEqual({time for _, time in self.times("agent:main:elsewhere")}, {START_MS})

    def test_of_responses(self) -> None:
        """The other API as well."""
        self.memory.model.say("yes")
        self.memory.post("/v1/responses", {"model": "openclaw", "input": "hi", "user": "ann"})
        self.memory.advance(1)
        (row,) = self.call("sessions.list")["sessions"]
        self.assertEqual([time for _, time in self.times(row["key"])], [START_MS, START_MS])

    def test_of_embedding(self) -> None:
        """One that says when it was said is believed."""
        message = UserMessage(content=(TextPart(text="old"),), timestamp_ms=5)
        self.memory.model.say("yes")
        store = self.memory.gateway._house.sessions
        self.successResultOf(Deferred.fromCoroutine(store.append(KEY, [message], agent_id="main")))
        self.send("run-1")
        self.memory.advance(1)
        self.assertEqual([time for _, time in self.times("main")], [5, START_MS, START_MS])
