# -*- test-case-name: tests.ws.rpc.test_tasks -*-
"""L{openclaw_tx.ws.rpc.tasks}: through a whole gateway."""

from __future__ import annotations

from typing import Any

from openclaw_tx.auth.keys import hash_of
from openclaw_tx.errors import GatewayError
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.values import RunResult, StoredRun
from openclaw_tx.ws.rpc.tasks import status_of
from tests.ws.rpc.test_config import AskingCase

MAIN = "agent:main:main"
CONFIG = {
    "gateway": {
        "auth": {
            "keys": [
                {"label": "beta", "hash": hash_of("b" * 32), "agents": ["beta"], "sessionPrefix": ""},
                {"label": "reader", "hash": hash_of("r" * 32), "scopes": ["operator.read"]},
            ]
        }
    }
}


class TaskCase(AskingCase):
    """A gateway whose agent has sub-agents."""

    def setUp(self) -> None:
        """Connected."""
        self.memory = MemoryGateway(CONFIG)
        self.addCleanup(self.memory.close)
        self.connect()

    def connect(self, token: str | None = None) -> None:
        """Come, perhaps with another credential."""
        self.client = self.memory.websocket()
        self.client.connect(token=token)

    def spawn(self, task: str, *, hang: bool = False, label: str = "") -> None:
        """Have the main agent start a sub-agent."""
        plays = self.memory.model
        plays.call_tool("sessions_spawn", {"task": task, **({"label": label} if label else {})})
        if hang:
            # The sub-agent begins before its parent goes on.
            plays._plays.append(lambda call: None)
        plays.say("done it")
        if not hang:
            plays.say("done it")
            plays.say("thanks")
        number = plays.next_number()
        self.ok("chat.send", sessionKey="main", message="go", idempotencyKey=f"go{number}")
        self.memory.advance(2)

    def tasks(self, **params: Any) -> list[dict[str, Any]]:
        """The list."""
        tasks: list[dict[str, Any]] = self.ok("tasks.list", **params)["tasks"]
        return tasks

    def refusal(self, method: str, **params: Any) -> str:
        """Why it is refused."""
        answer = self.client.request(method, params)
        self.assertFalse(answer["ok"], answer)
        return str(answer["error"]["message"])


class ListTests(TaskCase):
    """C{tasks.list} and C{tasks.get}."""

    def test_capitals(self) -> None:
        """Tasks of a session whose key keeps its case are found by that key."""
        plays = self.memory.model
        plays.call_tool("sessions_spawn", {"task": "count the spoons"})
        for said in ("done it", "done it", "thanks"):
            plays.say(said)
        body = {"model": "openclaw", "messages": [{"role": "user", "content": "go"}]}
        self.memory.post("/v1/chat/completions", body, headers={"x-openclaw-session-key": "Ada"})
        self.memory.advance(2)
        (task,) = self.tasks()
        self.assertEqual(task["sessionKey"], "agent:main:Ada")
        self.assertEqual(self.tasks(sessionKey="agent:main:Ada"), [task])
        self.assertEqual(self.tasks(sessionKey="agent:main:ada"), [])

    def test_done(self) -> None:
        """A sub-agent that has done its work: who started it, where, and what came of it."""
        self.spawn("count the spoons", label="Spoons")
        (task,) = self.tasks()
        self.assertEqual((task["kind"], task["runtime"], task["status"]), ("subagent", "subagent", "completed"))
        self.assertEqual((task["title"], task["agentId"], task["sessionKey"]), ("Spoons", "main", MAIN))
        self.assertRegex(task["childSessionKey"], "^agent:main:subagent:")
        self.assertEqual(task["terminalSummary"], "done it")
        self.assertLessEqual(task["createdAt"], task["endedAt"])
        found = self.ok("tasks.get", taskId=task["id"])["task"]
        self.assertEqual(found, {**task, "result": "done it"})

    def test_at_work(self) -> None:
        """One that is at work, and people's runs are none."""
        self.spawn("count the forks", hang=True)
        (task,) = self.tasks(status="running")
        self.assertEqual((task["status"], task["title"]), ("running", "count the forks"))
        self.assertNotIn("endedAt", task)
        self.assertEqual(self.tasks(status=["completed", "failed"]), [])
        self.assertEqual(self.ok("tasks.get", taskId=task["id"])["task"]["status"], "running")
        self.ok("tasks.cancel", taskId=task["id"])

    def test_filters(self) -> None:
        """By session, either one, and agent; page by page."""
        for name in ("a", "b", "c"):
            self.spawn(f"task {name}")
        self.assertEqual(len(self.tasks()), 3)
        child = self.tasks()[0]["childSessionKey"]
        self.assertEqual(len(self.tasks(sessionKey="main", agentId="main")), 3)
        self.assertEqual(self.tasks(agentId="Main")[0]["childSessionKey"], child)
        self.assertEqual([task["childSessionKey"] for task in self.tasks(sessionKey=child)], [child])
        self.assertEqual(self.tasks(sessionKey="elsewhere"), [])
        self.assertEqual(self.tasks(agentId="beta"), [])
        first = self.ok("tasks.list", limit=2, sortBy="endedAt")
        second = self.ok("tasks.list", limit=2, sortBy="endedAt", cursor=first["nextCursor"])
        self.assertNotIn("nextCursor", second)
        ids = [task["id"] for task in (*first["tasks"], *second["tasks"])]
        self.assertEqual(len(set(ids)), 3)

    def test_usage(self) -> None:
        """What a sub-agent took is told as of any other session; it is stopped as one."""
        self.spawn("count the spoons")
        child = self.tasks()[0]["childSessionKey"]
        (row,) = self.ok("sessions.usage", key=child)["sessions"]
        self.assertGreater(row["usage"]["totalTokens"], 0)
        self.assertTrue(self.ok("sessions.usage.logs", key=child)["logs"])
        self.assertEqual(self.ok("sessions.abort", key=child)["status"], "no-active-run")

    def test_refused(self) -> None:
        """Each refusal names the param; a run of somebody's is no task."""
        self.memory.model.say("hi")
        self.ok("chat.send", sessionKey="main", message="go", idempotencyKey="mine")
        for method, params, told in (
            ("tasks.list", {"status": "lost"}, "status"),
            ("tasks.list", {"limit": 501}, "limit"),
            ("tasks.list", {"cursor": "x"}, "cursor"),
            ("tasks.list", {"sessionKey": "agent:nope:main"}, "nope"),
            ("tasks.get", {}, "taskId"),
            ("tasks.get", {"taskId": "mine"}, "taskId: there is no task mine"),
        ):
            self.assertIn(told, self.refusal(method, **params))

    def test_bounds(self) -> None:
        """A key knows of its own."""
        self.spawn("count the spoons")
        (task,) = self.tasks()
        self.connect("b" * 32)
        self.assertEqual(self.tasks(), [])
        self.assertIn("no task", self.refusal("tasks.get", taskId=task["id"]))
        self.assertFalse(self.ok("tasks.cancel", taskId=task["id"])["found"])
        self.connect("r" * 32)
        self.assertIn("missing scope", self.refusal("tasks.cancel", taskId=task["id"]))


class CancelTests(TaskCase):
    """C{tasks.cancel}."""

    def test_as_a_session(self) -> None:
        """A sub-agent's run is stopped by C{sessions.abort} as well."""
        self.spawn("count the forks", hang=True)
        (task,) = self.tasks()
        found = self.ok("sessions.abort", key=task["childSessionKey"], runId=task["id"])
        self.assertEqual((found["abortedRunId"], found["status"]), (task["id"], "aborted"))

    def test_cancel(self) -> None:
        """It ends; afterwards there is nothing to cancel."""
        self.spawn("count the forks", hang=True)
        (task,) = self.tasks()
        found = self.ok("tasks.cancel", taskId=task["id"])
        self.assertEqual((found["found"], found["cancelled"]), (True, True))
        self.memory.advance(2)
        self.assertEqual(self.tasks()[0]["status"], "cancelled")
        found = self.ok("tasks.cancel", taskId=task["id"])
        self.assertEqual((found["found"], found["cancelled"], found["reason"]), (True, False, "Task is already over."))
        self.assertEqual(
            self.ok("tasks.cancel", taskId="nope"), {"found": False, "cancelled": False, "reason": "Task not found."}
        )

    def test_words(self) -> None:
        """How a run ended, in OpenClaw's words."""
        late = GatewayError("run_timeout", "late").info
        for status, error, reason, told in (
            ("ok", None, "", "completed"),
            ("error", None, "", "failed"),
            ("error", late, "", "timed_out"),
            ("aborted", None, "rpc", "cancelled"),
            ("aborted", None, "timeout", "timed_out"),
            ("interrupted", None, "", "failed"),
            ("running", None, "", "running"),
            ("queued", None, "", "queued"),
        ):
            names: Any = {"run_id": "r", "session_key": MAIN, "agent_id": "main", "status": status}
            result = RunResult(**names, error=error, abort_reason=reason) if told not in ("running", "queued") else None
            run = StoredRun(
                **names, surface="ws", principal_id="p", fingerprint="", queued_at_ms=1, result=result, trigger="cron"
            )
            self.assertEqual(status_of(run), told)
