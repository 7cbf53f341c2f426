# -*- test-case-name: tests.agents.test_scenario -*-
"""Workspace and prompt through the whole gateway: what a client asks, and what the model gets to read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.agents.prompt import FRESH_SECONDS
from openclaw_tx.agents.workspace import STANDARD, templates
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.values import Principal, RunRequest, TextPart, UserMessage

OWNER = Principal(id="shared-secret", method="token", scopes=frozenset({"operator.admin"}))


class PromptScenarios(SynchronousTestCase):
    """One gateway, one agent of interest."""

    def start(self, **sections: Any) -> None:
        """A gateway whose agent main works in a directory that is not there."""
        self.workspace = Path(self.mktemp()).absolute() / "work"
        agents = {"list": [{"id": "main", "workspace": str(self.workspace)}], "defaults": sections.pop("defaults", {})}
        self.house = MemoryGateway({"agents": agents, **sections})
        self.addCleanup(self.house.close)

    def ask(self, *system: str, **fields: Any) -> str:
        """A chat completion.

        @return: the system prompt that the model got.
        """
        self.house.model.say("Hi.")
        messages = [{"role": "system", "content": text} for text in system] + [{"role": "user", "content": "Hello"}]
        response = self.house.post("/v1/chat/completions", {"model": "openclaw", "messages": messages, **fields})
        self.assertEqual(response.code, 200, response.body)
        self.run_id = response.headers["x-openclaw-run-id"]
        return self.house.model.calls[-1].request.system

    def test_first_run(self) -> None:
        """The first run, stateless as it is, makes the workspace, and its files are in the prompt in their order."""
        self.start()
        system = self.ask()
        self.assertEqual(sorted(os.listdir(self.workspace)), sorted(STANDARD))
        shown = [name for name in STANDARD if name != "HEARTBEAT.md"]
        places = [system.index(f"\n## {name}\n{templates()[name].strip()}") for name in shown]
        self.assertEqual(places, sorted(places))
        self.assertNotIn("HEARTBEAT.md", system)
        self.assertIs(self.ask(), system)
        (self.workspace / "SOUL.md").unlink()
        (self.workspace / "BOOTSTRAP.md").unlink()
        self.assertIs(self.ask(), system, "it was looked at in this very moment")
        self.house.advance(2 * FRESH_SECONDS)
        system = self.ask()
        self.assertIn(f"(Missing; expected at {self.workspace}/SOUL.md)", system)
        self.assertNotIn("BOOTSTRAP", system)
        self.assertNotIn("SOUL.md", os.listdir(self.workspace))

    def test_skip_bootstrap(self) -> None:
        """Without templates the directory is there and empty."""
        self.start(defaults={"skipBootstrap": True})
        self.assertIn("(Missing; expected at", self.ask())
        self.assertEqual(os.listdir(self.workspace), [])

    def test_client_comes_last(self) -> None:
        """A client's system and developer messages stand after all that is the agent's, which is the same bytes with
        and without them."""
        self.start()
        own = self.ask()
        system = self.ask("CLIENT RULE")
        self.assertTrue(system.startswith(own))
        self.assertTrue(system.endswith("## Instructions of this conversation\nCLIENT RULE"))
        self.assertIs(self.ask("CLIENT RULE"), system)
        self.house.model.say("Hi.")
        messages = [{"role": "developer", "content": "CLIENT RULE"}, {"role": "user", "content": "Hello"}]
        self.house.post("/v1/chat/completions", {"model": "openclaw", "messages": messages})
        self.assertEqual(self.house.model.calls[-1].request.system, system)

    def test_skills(self) -> None:
        """A skill in the workspace is listed from the next run on."""
        self.start()
        self.assertNotIn("## Skills", self.ask())
        folder = self.workspace / "skills" / "weather"
        folder.mkdir(parents=True)
        (folder / "SKILL.md").write_text("---\nname: weather\ndescription: Tells the weather.\n---\nLook outside.\n")
        self.house.advance(2 * FRESH_SECONDS)
        system = self.ask()
        self.assertIn(f"\n- weather: Tells the weather. ({folder}/SKILL.md)\n", system)
        self.assertNotIn("Look outside", system)

    def test_subagent(self) -> None:
        """A run of a sub-agent gets the small prompt, whatever it asks for."""
        self.start()
        self.ask()
        self.house.model.say("Done.")
        self.house.gateway.engine.start(
            RunRequest(
                run_id="child",
                agent_id="main",
                session_key="agent:main:subagent:1",
                messages=(UserMessage(content=(TextPart(text="Count."),)),),
                extra_system="You were sent to count.",
                spawned_by="agent:main:main",
            ),
            OWNER,
        )
        self.house.flush()
        system = self.house.model.calls[-1].request.system
        self.assertIn("## TOOLS.md", system)
        for absent in ("## SOUL.md", "NO_REPLY", "HEARTBEAT_OK"):
            self.assertNotIn(absent, system)
        self.assertTrue(system.endswith("You were sent to count."))

    def test_report(self) -> None:
        """A run tells what its prompt was made of: over HTTP while and after it runs, and in the answer to agent."""
        self.start()
        client = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
        system = self.ask("Be brief.", tools=[client], user="ann")
        run = self.house.get(f"/v1/runs/{self.run_id}").json()
        report = run["prompt_report"]
        self.assertEqual((report["chars"], report["mode"]), (len(system), "full"))
        self.assertEqual(report["extra_system_chars"], len("Be brief."))
        self.assertEqual(sum(section["chars"] + 2 for section in report["sections"]) - 2, len(system))
        files = {file["name"]: file for file in report["files"]}
        soul = len(templates()["SOUL.md"].strip())
        self.assertEqual(
            files["SOUL.md"],
            {"name": "SOUL.md", "state": "whole", "raw_chars": soul, "chars": soul, "problem": None},
        )
        self.assertEqual(files["HEARTBEAT.md"]["state"], "empty")
        tools = {entry["name"]: entry for entry in report["tools"]["entries"]}
        self.assertEqual(tools["f"]["schema_chars"], len('{"type":"object"}'))
        self.assertEqual(report["tools"]["count"], len(self.house.model.calls[-1].request.tools))
        self.assertEqual(report["context_window"], self.house.model.models()[0].context_window)
        self.assertAlmostEqual(report["window_share"], report["tokens_estimate"] / report["context_window"], places=4)

    def test_report_is_stored(self) -> None:
        """The ledger has it too: another process tells the same of the run."""
        self.start()
        self.ask(user="ann")
        first = self.house.get(f"/v1/runs/{self.run_id}").json()["prompt_report"]
        self.house.advance(700)  # no longer held in memory
        self.assertIsNone(self.house.gateway.engine.get(self.run_id))
        self.assertEqual(self.house.get(f"/v1/runs/{self.run_id}").json()["prompt_report"], first)

    def test_report_over_websocket(self) -> None:
        """The last answer to agent has it in OpenClaw's spelling."""
        self.start()
        self.house.model.say("Hi.")
        client = self.house.websocket()
        client.connect()
        asked = client.request("agent", {"message": "hi", "agentId": "main", "idempotencyKey": "k"})
        self.house.flush()
        report = client.response(asked["id"])["payload"]["result"]["meta"]["systemPromptReport"]
        self.assertEqual(report["systemPrompt"]["chars"], len(self.house.model.calls[-1].request.system))
        self.assertEqual(report["workspaceDir"], str(self.workspace))
        self.assertEqual([file["name"] for file in report["injectedWorkspaceFiles"]], list(STANDARD))
