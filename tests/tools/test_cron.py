# -*- test-case-name: tests.tools.test_cron -*-
"""L{openclaw_tx.tools.builtin.cron}: an agent's own jobs, for its owner only."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.builtin.cron import Cron
from openclaw_tx.values import CronJob, Principal, ToolResult
from tests.automation.jobs import MINUTE, draft
from tests.automation.rooms import House
from tests.tools.doubles import Context

OWNER = Principal(id="o", method="token", scopes=frozenset({"operator.admin"}))
TEA = {
    "name": "tea",
    "schedule": {"kind": "every", "everyMs": MINUTE},
    "sessionTarget": "main",
    "wakeMode": "now",
    "payload": {"kind": "systemEvent", "text": "Tea!"},
}


class CronToolTests(SynchronousTestCase):
    """What an agent may do with jobs."""

    def setUp(self) -> None:
        """Two agents; agent main calls."""
        self.house = House(self, {"agents": {"list": [{"id": "main"}, {"id": "beta"}]}})
        self.house.start()
        self.tool = Cron(self.house.cron, self.house.heartbeat)
        self.context: Any = Context(config=self.house.config)
        self.context.principal = OWNER

    def tearDown(self) -> None:
        """Nothing is left behind."""
        for each in (self.house.cron, self.house.heartbeat):
            stopped = each.stopService()
            for run in self.house.engine.live():
                run.abort("shutdown")
            self.successResultOf(stopped)
        self.assertEqual(self.house.clock.getDelayedCalls(), [])

    def call(self, action: str, **arguments: Any) -> ToolResult:
        """Call the tool."""
        return self.successResultOf(
            Deferred.fromCoroutine(self.tool.call({"action": action, **arguments}, self.context))
        )

    def good(self, action: str, **arguments: Any) -> Any:
        """What a call gives."""
        result = self.call(action, **arguments)
        self.assertFalse(result.is_error, result.text)
        return json.loads(result.text)

    def bad(self, words: str, action: str, **arguments: Any) -> None:
        """A call that is refused."""
        result = self.call(action, **arguments)
        self.assertTrue(result.is_error, result.text)
        self.assertIn(words, result.text)

    def other(self) -> CronJob:
        """A job of agent beta."""
        return self.successResultOf(Deferred.fromCoroutine(self.house.cron.add(draft(agent_id="beta"))))

    def test_when_it_is_looked_at(self) -> None:
        """What a model does not say: a reminder is heard at once, a task has a turn of its own."""
        reminder = {name: value for name, value in TEA.items() if name != "wakeMode"}
        task = {**reminder, "sessionTarget": "isolated", "payload": {"kind": "agentTurn", "message": "Brew."}}
        modes = [self.good("add", job=job)["wakeMode"] for job in (reminder, task, {**task, "wakeMode": "now"})]
        self.assertEqual(modes, ["now", "next-heartbeat", "now"])

    def test_life(self) -> None:
        """Made, seen, changed, run, looked back on, removed."""
        made = self.good("add", job=TEA)
        self.assertEqual(made["agentId"], "main")
        self.assertEqual([job["id"] for job in self.good("list")["jobs"]], [made["id"]])
        self.assertEqual(self.good("update", jobId=made["id"], patch={"name": "cake"})["name"], "cake")
        self.assertEqual(self.good("run", jobId=made["id"]), {"ok": True, "ran": True})
        self.assertEqual(self.good("runs", jobId=made["id"])["entries"][0]["status"], "ok")
        self.assertEqual(self.good("status"), {"enabled": True, "nextWakeAtMs": self.house.now_ms + MINUTE, "jobs": 1})
        self.assertTrue(self.good("remove", jobId=made["id"])["removed"])
        self.assertEqual(self.good("list"), {"jobs": []})

    def test_owner_only(self) -> None:
        """Nobody else, and no key whose sessions are apart, whatever it holds."""
        writer = Principal(id="w", method="token", scopes=frozenset({"operator.write"}))
        apart = Principal(id="k", method="key", scopes=OWNER.scopes, session_prefix="k:")
        for principal in (writer, apart):
            self.context.principal = principal
            for action in ("status", "list", "add", "wake"):
                self.bad("Only the owner", action, job=TEA, text="x")
        self.assertEqual((self.house.cron.all(), self.house.events.peek("agent:main:main")), ([], ()))

    def test_own_only(self) -> None:
        """Jobs of other agents do not exist, can not be made, and can not be given away."""
        other = self.other()
        self.assertEqual(self.good("list"), {"jobs": []})
        for action in ("update", "remove", "run", "runs"):
            self.bad("You have no job", action, jobId=other.id, patch={})
        self.bad("agentId", "add", job={**TEA, "agentId": "beta"})
        made = self.good("add", job=TEA)
        self.bad("agentId", "update", jobId=made["id"], patch={"agentId": None})

    def test_default_agent(self) -> None:
        """A job that names no agent is the default one's."""
        made = self.successResultOf(Deferred.fromCoroutine(self.house.cron.add(draft())))
        self.assertEqual([job["id"] for job in self.good("list")["jobs"]], [made.id])

    def test_told(self) -> None:
        """What is wrong is told to the model."""
        self.bad("job is missing", "add")
        self.bad("patch is missing", "update", jobId=self.good("add", job=TEA)["id"])
        self.bad("text is missing", "wake")
        self.bad("everyMs", "add", job={**TEA, "schedule": {"kind": "every", "everyMs": 5}})
        self.bad("job:", "add", job={**TEA, "schedule": {"kind": "sometimes"}})
        self.bad("job:", "add", job={"name": "x"})

    def test_wake(self) -> None:
        """News for one's own main session."""
        self.context.agent = self.house.agents.get("beta")
        self.assertEqual(self.good("wake", text="later"), {"ok": True, "heartbeat": False})
        self.assertEqual(self.house.events.peek("agent:beta:main"), ("later",))
        self.assertEqual(self.good("wake", text="now", mode="now"), {"ok": True, "heartbeat": True})
        self.house.advance(0)
        self.assertEqual(self.house.runs[0].request.session_key, "agent:beta:main")
