"""Jobs, heartbeats and wakes in a whole gateway."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.websocket import MemoryWebSocket

ADMIN = ("operator.admin",)
TURN = {
    "name": "news",
    "schedule": {"kind": "every", "everyMs": 60_000},
    "sessionTarget": "isolated",
    "wakeMode": "next-heartbeat",
    "payload": {"kind": "agentTurn", "message": "What is new?"},
}


class Case(SynchronousTestCase):
    """A gateway and an admin's connection."""

    config: dict[str, Any] = {}

    def setUp(self) -> None:
        """Connect."""
        self.memory = MemoryGateway(self.config)
        self.addCleanup(self.memory.close)
        self.socket = self.admin()

    def admin(self) -> MemoryWebSocket:
        """A new connection of an admin."""
        socket = self.memory.websocket()
        socket.connect(ADMIN)
        return socket

    def call(self, method: str, params: Any = None) -> Any:
        """The payload of an answer that is expected to be good."""
        answer = self.socket.request(method, params)
        self.assertTrue(answer["ok"], answer)
        return answer["payload"]

    def actions(self, job_id: str) -> list[str]:
        """What the connection has heard of a job."""
        events = [event["payload"] for event in self.socket.events("cron")]
        return [event["action"] for event in events if event["jobId"] == job_id]


class CronTests(Case):
    """Jobs, from the wire to the model and back."""

    def test_whole_answer(self) -> None:
        """A main session that wants answers in full is told them in full."""
        self.call("cron.add", {**TURN, "isolation": {"postToMainMode": "full"}})
        self.memory.model.say("x" * 7000)
        self.memory.advance(60)
        self.memory.advance(1, 4)
        self.assertEqual(self.call("status")["queuedSystemEvents"], ["Cron: " + "x" * 7000])

    def test_isolated(self) -> None:
        """A job runs at its pace in a session of its own that begins anew each time; its main session hears of it."""
        job = self.call("cron.add", TURN)
        self.assertEqual(job["nextRunAtMs"], job["createdAtMs"] + 60_000)
        session_ids = set()
        for number in (1, 2):
            self.memory.model.say(f"nothing {number}")
            self.memory.advance(60)
            self.memory.advance(1, 4)
            request = self.memory.model.requests[-1]
            self.assertEqual(len(self.memory.model.requests), number)
            self.assertEqual(len(request.messages), 1)
            self.assertIn(f"[cron:{job['id']} news] What is new?", request.messages[-1].text)
            rows = self.call("sessions.list", {})["sessions"]
            session_ids |= {row["sessionId"] for row in rows if row["key"] == f"agent:main:cron:{job['id']}"}
        self.assertEqual(len(session_ids), 2)
        self.assertEqual(self.actions(job["id"]), ["added", "started", "finished", "started", "finished"])
        self.assertEqual(self.call("status")["queuedSystemEvents"], ["Cron: nothing 1", "Cron: nothing 2"])
        entries = self.call("cron.runs", {"jobId": job["id"]})["entries"]
        self.assertEqual([entry["summary"] for entry in entries], ["nothing 2", "nothing 1"])


class OneConversationTests(Case):
    """Where all conversations are one (C{session.scope})."""

    config = {
        "session": {"scope": "global"},
        "agents": {"defaults": {"heartbeat": {"every": "1h"}}, "list": [{"id": "main"}, {"id": "beta"}]},
    }

    def chat(self, text: str) -> None:
        """A message to the one conversation."""
        self.memory.model.say("yes")
        self.call("chat.send", {"sessionKey": "global", "message": text, "idempotencyKey": text})
        self.memory.advance(1, 2)

    def said(self) -> str:
        """All that the model was shown last."""
        return "\n".join(message.text for message in self.memory.model.requests[-1].messages)

    def test_news(self) -> None:
        """News of jobs and of clients is told there, by the next message or by a heartbeat that knows what was said."""
        self.call("wake", {"mode": "next-heartbeat", "text": "It rains.", "sessionKey": "global"})
        job = {**TURN, "sessionTarget": "main", "payload": {"kind": "systemEvent", "text": "Tea time."}}
        self.call("cron.add", job)
        self.memory.advance(60)
        self.memory.advance(1, 2)
        self.assertEqual(self.call("status")["queuedSystemEvents"], ["It rains.", "Tea time."])
        self.chat("hi")
        self.assertIn("Tea time.", self.said())
        self.call("cron.add", {**job, "wakeMode": "now"})
        self.memory.model.say("Tea is ready.")
        self.memory.advance(60)
        self.memory.advance(1, 2)
        self.assertIn("hi", self.said())
        self.assertEqual(
            {row["key"] for row in self.call("sessions.list", {"includeGlobal": True})["sessions"]}, {"global"}
        )

    def test_heartbeats(self) -> None:
        """Each agent has its heartbeats there, one after the other."""
        self.memory.advance(3600)
        for _ in range(2):
            self.memory.model.calls[-1].text("HEARTBEAT_OK")
            self.memory.model.calls[-1].finish()
            self.memory.advance(1, 3)
        told = [event["payload"] for event in self.socket.events("heartbeat")]
        self.assertEqual(
            [(each["agentId"], each["sessionKey"]) for each in told], [("main", "global"), ("beta", "global")]
        )
