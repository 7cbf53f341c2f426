# -*- test-case-name: tests.ws.rpc.test_agents -*-
"""L{openclaw_tx.ws.rpc.agents} and L{openclaw_tx.agents.editing}, through a whole gateway."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from openclaw_tx.agents import editing
from openclaw_tx.auth.keys import hash_of
from openclaw_tx.config import json5
from openclaw_tx.testing import MemoryGateway
from tests.ws.rpc.test_config import ADMIN, ConfigCase

BOUND = {"label": "bound", "hash": hash_of("s" * 32), "sessionPrefix": "x:"}
BETA = {"label": "beta", "hash": hash_of("b" * 32), "agents": ["beta"], "sessionPrefix": ""}


class AgentsCase(ConfigCase):
    """A gateway with a file."""

    config: Any = {"gateway": {"auth": {"keys": [BOUND, BETA]}}}

    def agents(self) -> list[dict[str, Any]]:
        """The list of the file."""
        found: list[dict[str, Any]] = json5.loads(self.file())["agents"]["list"]
        return found

    def workspace(self, agent_id: str) -> Path:
        """Of an agent."""
        agent = self.memory.gateway._house.agents.get(agent_id)
        assert agent is not None
        return Path(agent.workspace)


class EntryTests(AgentsCase):
    """Agents come, change and go."""

    def test_create(self) -> None:
        """In the file, and there at once."""
        found = self.ok("agents.create", name="My Cook", model="scripted/model", emoji="C", workspace="~/cook")
        self.assertEqual((found["agentId"], found["name"], found["model"]), ("my-cook", "My Cook", "scripted/model"))
        self.assertTrue(found["workspace"].endswith("/cook"))
        self.assertEqual(
            self.agents()[-1],
            {
                "id": "my-cook",
                "name": "My Cook",
                "workspace": "~/cook",
                "model": "scripted/model",
                "identity": {"emoji": "C"},
            },
        )
        row = self.ok("agents.list")["agents"][-1]
        self.assertEqual((row["id"], row["identity"]), ("my-cook", {"emoji": "C"}))
        self.memory.model.say("hi")
        answer = self.client.request("agent", {"message": "x", "agentId": "my-cook", "idempotencyKey": "k"})
        self.assertEqual(answer["payload"]["status"], "accepted")
        self.memory.advance(0.5)
        self.assertIn("already exists", self.no("agents.create", name="my cook")["message"])
        self.no("agents.create", name="///")

    def test_odd_workspace(self) -> None:
        """A path that the system would refuse at each run is refused at once, by the name of its key."""
        before = self.file()
        for workspace in ("~/a\0b", "~/a\nb", "~/a\x1b[2Jb"):
            error = self.no("agents.create", name="odd", workspace=workspace)
            self.assertEqual(error["code"], "INVALID_REQUEST")
            words = "agents.list[2].workspace: holds a line break or another control character"
            self.assertIn(words, error["message"])
            error = self.no("agents.update", agentId="beta", workspace=workspace)
            self.assertIn(words.replace("2", "1"), error["message"])
        self.assertEqual(self.file(), before)

    def test_create_first(self) -> None:
        """Where none is listed, the agent that there was stays the default."""
        self.memory = MemoryGateway({"agents": {"list": []}}, as_file=True)
        self.addCleanup(self.memory.close)
        self.client = self.connect(ADMIN)
        self.ok("agents.create", name="cook")
        self.assertEqual([entry["id"] for entry in self.agents()], ["main", "cook"])
        self.assertEqual(self.ok("agents.list")["defaultId"], "main")

    def test_update(self) -> None:
        """What is named changes, the rest stays; null takes the model back; fallbacks stay."""
        self.ok("agents.update", agentId="beta", name="B", emoji="E", model="scripted/model")
        entry = {"id": "beta", "name": "B", "model": "scripted/model", "identity": {"emoji": "E"}}
        self.assertEqual(self.agents()[1], entry)
        self.ok("agents.update", agentId="beta", emoji="")
        self.ok("agents.update", agentId="beta", model=None)
        self.assertEqual(self.agents()[1], {"id": "beta", "name": "B"})
        self.assertIn("unknown agent", self.no("agents.update", agentId="nope", name="x")["message"])

    def test_update_checks(self) -> None:
        """What could not be used is not written."""
        before = self.file()
        error = self.no("agents.update", agentId="beta", model="not a ref")
        self.assertEqual((error["code"], self.file()), ("INVALID_REQUEST", before))

    def test_delete(self) -> None:
        """Gone from the file; its workspace is kept unless it is asked for, and then put aside."""
        base = self.ok("config.get")["hash"]
        bindings = [{"agentId": agent_id, "match": {"channel": "webhook"}} for agent_id in ("beta", "main")]
        self.ok("config.patch", raw=json.dumps({"bindings": bindings}), baseHash=base)
        workspace = self.workspace("beta")
        workspace.mkdir(parents=True)
        found = self.ok("agents.delete", agentId="beta", deleteFiles=True)
        self.assertEqual(found["removedBindings"], 1)
        (removed,) = found["removed"]
        self.assertEqual(
            (removed["method"], Path(removed["path"]).is_dir(), workspace.exists()), ("trash", True, False)
        )
        self.assertEqual(self.agents(), [{"id": "main"}])
        self.assertEqual([row["id"] for row in self.ok("agents.list")["agents"]], ["main"])
        self.assertIn("default agent", self.no("agents.delete", agentId="main")["message"])

    def test_shared_workspace(self) -> None:
        """A workspace that another agent uses stays."""
        self.ok("agents.create", name="twin", workspace=str(self.workspace("beta")))
        self.workspace("beta").mkdir(parents=True)
        self.ok("agents.delete", agentId="twin", deleteFiles=True)
        self.assertTrue(self.workspace("beta").is_dir())

    def test_workspaces_within(self) -> None:
        """So does one that contains another agent's or lies in it, whatever way leads there, or has the state in it."""
        beta = self.workspace("beta")
        beta.mkdir(parents=True)
        link = beta.parent / "link"
        link.symlink_to(beta)
        for workspace in (beta.parent, beta / "sub", link, link / "sub"):
            workspace.mkdir(exist_ok=True)
            self.ok("agents.create", name="twin", workspace=str(workspace))
            self.assertEqual(self.ok("agents.delete", agentId="twin", deleteFiles=True)["removed"], [])
            self.assertTrue(workspace.is_dir())
        self.assertIsNone(editing.put_aside(str(beta), 1, [], [str(beta / "openclaw.json")]))
        self.assertTrue(beta.is_dir())

    def test_keys(self) -> None:
        """No key changes the configuration, this way neither."""
        self.client = self.connect(ADMIN, token="b" * 32)
        for method, params in (("agents.create", {"name": "x"}), ("agents.delete", {"agentId": "beta"})):
            self.assertEqual(self.no(method, **params)["code"], "FORBIDDEN")


class FileTests(AgentsCase):
    """C{agents.files.*}."""

    def test_round_trip(self) -> None:
        """Written, listed, read; the next run has it in its prompt."""
        found = self.ok("agents.files.set", agentId="beta", name="SOUL.md", content="Be brief. ✓")
        self.assertEqual((found["file"]["missing"], found["file"]["content"]), (False, "Be brief. ✓"))
        path = self.workspace("beta") / "SOUL.md"
        self.assertEqual((path.read_text("utf-8"), path.stat().st_mode & 0o777), ("Be brief. ✓", 0o600))
        rows = {row["name"]: row for row in self.ok("agents.files.list", agentId="beta")["files"]}
        self.assertEqual((rows["SOUL.md"]["missing"], rows["USER.md"]["missing"]), (False, True))
        self.assertNotIn("content", rows["SOUL.md"])
        self.assertNotIn("memory.md", rows)
        self.memory.model.say("hi")
        self.client.request("agent", {"message": "x", "agentId": "beta", "idempotencyKey": "k"})
        self.memory.advance(0.5)
        self.assertIn("Be brief. ✓", self.memory.model.requests[-1].system)

    def test_changed_meanwhile(self) -> None:
        """Who has read a file writes over what was read, or not at all."""
        self.ok("agents.files.set", agentId="beta", name="SOUL.md", content="one ✓")
        read = self.ok("agents.files.get", agentId="beta", name="SOUL.md")["file"]["hash"]
        self.assertEqual(read, hashlib.sha256("one ✓".encode()).hexdigest())
        asked = {"agentId": "beta", "name": "SOUL.md"}
        wrote = self.ok("agents.files.set", **asked, content="two", expectedHash=read.upper())["file"]["hash"]
        error = self.no("agents.files.set", **asked, content="three", expectedHash=read)
        details = {"type": "agent_file_conflict", "name": "SOUL.md", "currentHash": wrote}
        self.assertEqual((error["code"], error["details"]), ("INVALID_REQUEST", details))
        (self.workspace("beta") / "SOUL.md").unlink()
        error = self.no("agents.files.set", **asked, content="three", expectedHash=wrote)
        self.assertNotIn("currentHash", error["details"])
        self.assertFalse((self.workspace("beta") / "SOUL.md").exists())
        self.assertIn(
            "at /expectedHash", self.no("agents.files.set", **asked, content="x", expectedHash="0")["message"]
        )

    def test_missing(self) -> None:
        """A file that is not there is said to be missing."""
        found = self.ok("agents.files.get", agentId="main", name="SOUL.md")
        self.assertEqual(found["file"]["missing"], True)
        self.assertNotIn("content", found["file"])

    def test_names(self) -> None:
        """Only those of a workspace, wherever they seem to lead."""
        for name in ("../openclaw.json", "/etc/passwd", "notes.md", "SOUL.md/..", "soul.md"):
            for method, params in (("agents.files.get", {}), ("agents.files.set", {"content": "x"})):
                self.assertIn("name must be", self.no(method, agentId="main", name=name, **params)["message"])

    def test_links(self) -> None:
        """What leads out of the workspace is not read, and is not written through."""
        outside = Path(self.memory._directory) / "secret"
        outside.write_text("secret of the machine")
        workspace = self.workspace("main")
        workspace.mkdir(parents=True, exist_ok=True)
        os.symlink(outside, workspace / "SOUL.md")
        self.assertIn("outside", self.no("agents.files.get", agentId="main", name="SOUL.md")["message"])
        self.ok("agents.files.set", agentId="main", name="SOUL.md", content="mine")
        self.assertEqual(outside.read_text(), "secret of the machine")
        self.assertEqual((workspace / "SOUL.md").read_text(), "mine")

    def test_size(self) -> None:
        """Two MiB at most."""
        error = self.no("agents.files.set", agentId="main", name="SOUL.md", content="x" * (2 * 1024 * 1024 + 1))
        self.assertIn("at most", error["message"])

    def test_keys(self) -> None:
        """A key reads the files of its agents; one that is bound to sessions reads none, for they tell of others."""
        self.ok("agents.files.set", agentId="beta", name="SOUL.md", content="x")
        self.client = self.connect(("operator.read",), token="b" * 32)
        found = self.ok("agents.files.get", agentId="beta", name="SOUL.md")
        self.assertEqual(
            (found["file"]["content"], found["file"]["path"], found["workspace"]), ("x", "SOUL.md", "beta")
        )
        self.assertIn("unknown agent", self.no("agents.files.get", agentId="main", name="SOUL.md")["message"])
        self.client = self.connect(("operator.read",), token="s" * 32)
        self.assertEqual(self.no("agents.files.list", agentId="beta")["code"], "FORBIDDEN")
