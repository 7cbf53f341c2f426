# -*- test-case-name: tests.channels.test_automation -*-
"""What jobs, hooks and heartbeats have to tell goes out over channels."""

from __future__ import annotations

from typing import Any

from tests.channels.test_methods import SocketCase

TURN = {"kind": "agentTurn", "message": "Look."}
HOOK = "a-token-for-hooks"


class JobTests(SocketCase):
    """Jobs by the clock."""

    def job(self, payload: dict[str, Any], **more: Any) -> str:
        """Add a job, and start it now."""
        job = {
            "name": "j",
            "schedule": {"kind": "every", "everyMs": 86_400_000},
            "payload": {**TURN, **payload},
            "sessionTarget": "isolated",
            "wakeMode": "next-heartbeat",
            **more,
        }
        added = self.ask("cron.add", **job)
        self.assertTrue(added["ok"], added)
        job_id: str = added["payload"]["id"]
        self.ask("cron.run", id=job_id, mode="force")
        return job_id

    def last(self, job_id: str) -> dict[str, Any]:
        """How it went."""
        record: dict[str, Any] = self.ask("cron.runs", id=job_id)["payload"]["entries"][0]
        return record

    def test_named(self) -> None:
        """Where the payload says."""
        job = self.job({"deliver": True, "channel": "webhook", "to": "group:room"})
        self.answer("All is well.")
        self.assertEqual(self.said, ["All is well."])
        self.assertEqual(self.last(job)["status"], "ok")

    def test_announce(self) -> None:
        """What clients of today say beside it means the same."""
        self.job({}, delivery={"mode": "announce", "channel": "webhook", "to": "ann", "accountId": "shop"})
        self.answer("All is well.")
        self.assertEqual(self.said, ["All is well."])
        self.job({"deliver": True, "channel": "webhook", "to": "ann"}, delivery={"mode": "none"})
        self.answer("All is well.")
        self.assertEqual(len(self.said), 1)

    def test_last(self) -> None:
        """Else where somebody last spoke to the main session from."""
        self.say("/whoami")
        self.memory.advance(1)
        self.job({"deliver": True})
        self.answer("All is well.")
        self.assertEqual(self.said[1:], ["All is well."])

    def test_last_of_all(self) -> None:
        """Where all conversations are one, from where somebody last spoke there."""
        self.memory.gateway.reload({**self.memory.config, "session": {"scope": "global"}})
        self.test_last()

    def test_nowhere(self) -> None:
        """It does its work all the same, and says that nobody could be told; unless that does not matter."""
        job = self.job({"deliver": True})
        self.answer("All is well.")
        self.assertEqual((self.last(job)["status"], self.last(job)["summary"]), ("error", "All is well."))
        self.assertIn("not delivered: channel: nobody has spoken here over a channel", self.last(job)["error"])
        job = self.job({"deliver": True, "bestEffortDeliver": True})
        self.answer("All is well.")
        self.assertEqual(self.last(job)["status"], "ok")

    def test_failed(self) -> None:
        """What does not arrive is an error of the job."""
        self.poster.answers = [400]
        job = self.job({"deliver": True, "channel": "webhook", "to": "ann"})
        self.answer("All is well.")
        self.assertEqual((self.last(job)["status"], self.last(job)["summary"]), ("error", "All is well."))
        self.assertIn("not delivered", self.last(job)["error"])


class HookTests(SocketCase):
    """Hooks."""

    config = {"hooks": {"enabled": True, "token": HOOK}}

    def test_delivered(self) -> None:
        """The answer goes where the request says; one that can not is told in the main session alone."""
        for where, said in (({"channel": "webhook", "to": "ann"}, ["Seen."]), ({"channel": "last"}, ["Seen."])):
            body = {"message": "Look.", "wakeMode": "next-heartbeat", "deliver": True, **where}
            self.assertEqual(self.memory.post("/hooks/agent", body, token=HOOK).code, 202)
            self.answer("Seen.")
            self.assertEqual(self.said, said)
        self.assertEqual(len(self.ask("status")["payload"]["queuedSystemEvents"]), 1)


class HeartbeatTests(SocketCase):
    """Heartbeats."""

    config = {"agents": {"defaults": {"heartbeat": {"every": "1h", "target": "last"}}}}

    def test_delivered(self) -> None:
        """What the agent has to tell; nothing when there is nothing."""
        self.say("/whoami")
        self.memory.advance(1)
        for answer, said in (("HEARTBEAT_OK", 1), ("The oven is on.", 2)):
            self.ask("wake", text="Look.", mode="now")
            self.memory.advance(1)
            self.answer(answer)
            self.assertEqual(len(self.said), said)
        self.assertEqual(self.said[-1], "The oven is on.")

    def test_nowhere(self) -> None:
        """Where nobody has spoken over a channel it stays here; a channel that is not there is told as a failure."""
        agents = {**self.memory.config["agents"], "defaults": {"model": self.memory.model.ref}}
        agents["defaults"]["heartbeat"] = {"every": "1h", "target": "telegram"}
        for status in ("sent", "failed"):
            self.ask("wake", text="Look.", mode="now")
            self.memory.advance(1)
            self.answer("The oven is on.")
            self.assertEqual(self.ask("last-heartbeat")["payload"]["status"], status)
            self.memory.gateway.reload({**self.memory.config, "agents": agents})
        self.assertEqual(self.poster.posted, [])


class SubAgentTests(SocketCase):
    """Sub-agents."""

    def spawn(self) -> None:
        """Somebody asks over a channel for what takes a sub-agent."""
        self.say("Look into it.")
        self.memory.advance(1)
        self.memory.model.calls[-1].call_tool("sessions_spawn", {"task": "look"})
        self.memory.model.calls[-1].finish()
        self.memory.flush()
        self.assertIn("You are a sub-agent", self.memory.model.calls[-2].request.system)
        self.answer("I have somebody look.")

    def test_report(self) -> None:
        """What the agent makes of the report goes to who asked."""
        self.spawn()
        self.assertEqual(self.said, ["I have somebody look."])
        child = self.memory.model.calls[-2]
        child.text("It is rusty.")
        child.finish()
        self.memory.flush()
        self.answer("They say it is rusty.")
        self.assertEqual(self.said[1:], ["They say it is rusty."])

    def test_nothing_to_tell(self) -> None:
        """Neither silence nor a failure is told unasked."""
        for number, answer in enumerate(("NO_REPLY", "")):
            self.spawn()
            child = self.memory.model.calls[-2]
            child.text("It is rusty.")
            child.finish()
            self.memory.flush()
            if answer:
                self.answer(answer)
            else:
                self.memory.model.calls[-1].fail("provider_rejected", "no")
                self.memory.flush()
            self.assertEqual(len(self.said), number + 1)
