# -*- test-case-name: tests.web.test_approvals -*-
"""A run that waits for a person's word, and an HTTP client that gives it."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing import MemoryGateway
from tests.support.approvals import KEYS
from tests.support.processes import Processes
from tests.support.runs import events


class RunApprovalTests(SynchronousTestCase):
    """C{POST /v1/runs/<id>/approvals/<id>}."""

    def setUp(self) -> None:
        self.memory = MemoryGateway(KEYS, environment={"PATH": "/usr/bin:/bin"})
        self.addCleanup(self.memory.close)
        self.processes = Processes()
        self.memory.clock.spawnProcess = self.processes.spawnProcess
        self.commands = self.memory.gateway._house.commands
        self.commands._spawner._send = self.processes.send

    def start(self, command: str = "cat /etc/hostname", token: str | None = None) -> str:
        """A run whose model wants a command; its id."""
        self.memory.model.call_tool("exec", {"command": command})
        credentials = {} if token is None else {"token": token}
        response = self.memory.post("/v1/runs", {"message": "go"}, **credentials)  # type: ignore[arg-type]
        self.assertEqual(response.code, 202)
        run_id: str = response.json()["id"]
        return run_id

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """What happened in the run so far."""
        response = self.memory.get(f"/v1/runs/{run_id}/events")
        return events(response.body)

    def question(self) -> str:
        """The id of the one that waits."""
        (asked,) = self.memory.gateway._house.approvals.pending()
        return asked.id

    def answer(self, run_id: str, approval_id: str, body: Any, **options: Any) -> Any:
        """Answer it."""
        return self.memory.post(f"/v1/runs/{run_id}/approvals/{approval_id}", body, **options)

    def finish(self, run_id: str) -> dict[str, Any]:
        """Let the model end the run; the run object."""
        found: dict[str, Any] = self.memory.get(f"/v1/runs/{run_id}").json()
        return found

    def test_allowed(self) -> None:
        """The run waits, goes on with the word, and its events tell the story."""
        run_id = self.start()
        self.memory.model.say("done")
        self.assertEqual(self.memory.get(f"/v1/runs/{run_id}").json()["status"], "running")
        approval_id = self.question()
        response = self.answer(run_id, approval_id, {"decision": "allow-once"})
        self.assertEqual(
            (response.code, response.json()),
            (
                200,
                {
                    "id": approval_id,
                    "object": "run.approval",
                    "run_id": run_id,
                    "command": "cat /etc/hostname",
                    "decision": "allow-once",
                },
            ),
        )
        child = self.processes.spawned[-1]
        child.print("box\n")
        child.end(0)
        self.memory.advance(0.1)
        self.assertEqual(self.finish(run_id)["status"], "ok")
        story = [event for event in self.events(run_id) if event["type"].startswith(("approval", "tool"))]
        self.assertEqual(
            [event["type"] for event in story],
            ["tool.started", "approval.requested", "approval.resolved", "tool.completed"],
        )
        self.assertEqual((story[1]["approval_id"], story[1]["command"]), (approval_id, "cat /etc/hostname"))
        self.assertIn("not on the allowlist", story[1]["reason"])
        self.assertEqual(story[1]["decisions"], ["allow-once", "allow-always", "deny"])
        self.assertEqual((story[2]["decision"], story[2]["expired"]), ("allow-once", False))
        self.assertEqual(story[3]["text"], "box")
        self.assertEqual(self.memory.model.requests[-1].messages[-1].text, "box")
        again = self.answer(run_id, approval_id, {"decision": "deny"})
        self.assertEqual((again.code, again.json()["error"]["code"]), (404, "approval_not_found"))

    def test_denied(self) -> None:
        """The model reads that it was denied, and the run goes on."""
        run_id = self.start()
        self.memory.model.say("a pity")
        self.answer(run_id, self.question(), {"decision": "deny"})
        self.memory.advance(0.1)
        self.assertEqual(self.finish(run_id)["text"], "a pity")
        self.assertIn("denied by a person", self.memory.model.requests[-1].messages[-1].text)
        self.assertEqual(self.processes.spawned, [])

    def test_nobody(self) -> None:
        """After two minutes the run goes on without the command."""
        run_id = self.start()
        self.memory.model.say("a pity")
        self.memory.advance(121, 121)
        self.assertEqual(self.finish(run_id)["status"], "ok")
        self.assertIn("nobody gave it", self.memory.model.requests[-1].messages[-1].text)

    def test_aborted(self) -> None:
        """Cancelling the run takes the question back."""
        run_id = self.start()
        approval_id = self.question()
        self.memory.request("DELETE", f"/v1/runs/{run_id}")
        self.assertEqual(self.memory.gateway._house.approvals.pending(), [])
        self.assertEqual(self.answer(run_id, approval_id, {"decision": "allow-once"}).code, 404)
        self.assertEqual(self.processes.spawned, [])

    def test_refusals(self) -> None:
        """Another run, another question, another answer, another client."""
        run_id = self.start(token="ada")
        approval_id = self.question()
        for path, body, token, status, code in [
            (f"{run_id}/approvals/other", {"decision": "deny"}, "ada", 404, "approval_not_found"),
            (f"other/approvals/{approval_id}", {"decision": "deny"}, "ada", 404, "run_not_found"),
            (f"{run_id}/approvals/{approval_id}", {"decision": "deny"}, "bob", 404, "run_not_found"),
            (f"{run_id}/approvals/{approval_id}", {"decision": "yes"}, "ada", 400, "invalid_request"),
            (f"{run_id}/approvals/{approval_id}", {}, "ada", 400, "invalid_request"),
            (f"{run_id}/approvals/{approval_id}", {"decision": "deny"}, "wrong", 401, "invalid_api_key"),
            (f"{run_id}/approvals/{approval_id}", {"decision": "allow-always"}, "ada", 200, ""),
        ]:
            response = self.memory.post(f"/v1/runs/{path}", body, token=token)
            self.memory.advance(10)
            found = response.json().get("error", {}).get("code", "")
            self.assertEqual((response.code, found), (status, code), (path, body, token))
        self.assertEqual(len(self.processes.spawned), 1)
        self.processes.spawned[0].end(0)
        file = json.loads((self.memory.gateway.settings.state_dir / "exec-approvals.json").read_text())
        (entry,) = file["agents"]["main"]["allowlist"]
        self.assertTrue(entry["pattern"].endswith("/cat"))
        self.memory.advance(0.1)

    def test_not_over_tools_invoke(self) -> None:
        """Neither tool can be called without a run."""
        for name, args in (("exec", {"command": "ls"}), ("bash", {"command": "ls"}), ("process", {"action": "list"})):
            response = self.memory.post("/tools/invoke", {"tool": name, "args": args})
            self.assertEqual(response.code, 404, response.body)
        self.assertEqual(self.processes.spawned, [])
