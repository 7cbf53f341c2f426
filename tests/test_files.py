# -*- test-case-name: tests.test_files -*-
"""An agent at work on its files, over HTTP, in a whole gateway."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing.gateway import MemoryGateway
from openclaw_tx.values import ToolResultMessage
from openclaw_tx.wire.openai_completions import Dialect, encode_request

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


class FilesTests(SynchronousTestCase):
    """Runs that read, write and change."""

    def start(self, **tools: Any) -> None:
        """A gateway whose agent has an empty workspace."""
        self.root = Path(self.mktemp()).absolute()
        self.memory = MemoryGateway({"agents": {"defaults": {"workspace": str(self.root)}}, "tools": tools})
        self.addCleanup(self.memory.close)
        self.model = self.memory.model

    def run_agent(self, *calls: tuple[str, dict[str, Any]], user: str = "") -> list[ToolResultMessage]:
        """One run in which the model calls these tools; what it was told of each."""
        for name, arguments in calls:
            self.model.call_tool(name, arguments)
        self.model.say("Done.")
        body = {"messages": [{"role": "user", "content": "go"}], **({"user": user} if user else {})}
        answer = self.memory.post("/v1/chat/completions", body)
        self.assertEqual(answer.json()["choices"][0]["message"]["content"], "Done.")
        results = [each for each in self.model.requests[-1].messages if isinstance(each, ToolResultMessage)]
        return results[-len(calls) :]

    def test_work(self) -> None:
        """A file is written into a workspace that was not there, changed twice, and read."""
        self.start()
        patch = "*** Begin Patch\n*** Update File: notes/a.md\n-two\n+2\n*** End Patch"
        results = self.run_agent(
            ("write", {"path": "notes/a.md", "content": "one\ntwo\n"}),
            ("edit", {"file_path": "notes/a.md", "old_string": "one", "new_string": "1"}),
            ("apply_patch", {"input": patch}),
            ("read", {"path": "notes/a.md"}),
        )
        self.assertEqual([each.is_error for each in results], [False] * 4, results)
        self.assertEqual(results[-1].text, "1\n2\n")
        self.assertEqual((self.root / "notes/a.md").read_text(), "1\n2\n")

    def test_escape(self) -> None:
        """What leads out of the workspace is an error result, and the run goes on."""
        self.start()
        for name, arguments in (("read", {}), ("write", {"content": "x"}), ("edit", {"oldText": "a", "newText": "b"})):
            (result,) = self.run_agent((name, {"path": "/etc/hostname", **arguments}))
            self.assertTrue(result.is_error)
            self.assertIn("outside of the workspace", result.text)

    def test_image(self) -> None:
        """An image that was read is sent to the provider as one; a later turn does not send it again."""
        self.start()
        self.root.mkdir()
        (self.root / "p.png").write_bytes(PNG)
        (result,) = self.run_agent(("read", {"path": "p.png"}), user="u")
        self.assertEqual(len(result.images), 1)
        uri = "data:image/png;base64," + base64.b64encode(PNG).decode()
        self.assertIn(uri, self.sent())
        self.model.say("And?")
        self.memory.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "more"}], "user": "u"})
        self.assertNotIn(uri, self.sent())

    def sent(self) -> str:
        """The last request to the model as a provider of OpenAI's kind gets it."""
        body = encode_request("m", self.model.requests[-1], Dialect(images=True))
        return json.dumps(json.loads(body))

    def test_switches(self) -> None:
        """apply_patch goes with its switch, or with exec; read may stay alone."""
        for tools, there in (
            ({}, {"read", "write", "edit", "apply_patch"}),
            ({"exec": {"applyPatch": {"enabled": False}}}, {"read", "write", "edit"}),
            ({"exec": {"applyPatch": {"allowModels": ["another/model"]}}}, {"read", "write", "edit"}),
            ({"allow": ["read", "exec"]}, {"read", "apply_patch"}),
            ({"deny": ["group:fs"]}, set()),
        ):
            self.start(**tools)
            self.model.say("x")
            self.memory.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "go"}]})
            names = {tool.name for tool in self.model.requests[-1].tools}
            self.assertEqual(names & {"read", "write", "edit", "apply_patch"}, there)

    def test_not_over_http(self) -> None:
        """Nobody calls them without a run, whatever the policy of the agent allows."""
        self.start()
        for name in ("read", "write", "edit", "apply_patch"):
            answer = self.memory.post("/tools/invoke", {"tool": name, "args": {"path": "x"}})
            self.assertEqual(answer.code, 404, answer.text())

    def test_over_http_where_allowed(self) -> None:
        """An owner may take them off the list of what is not there; the other names of parameters hold there, too."""
        self.root = Path(self.mktemp()).absolute()
        self.memory = MemoryGateway(
            {
                "agents": {"defaults": {"workspace": str(self.root)}},
                "gateway": {"tools": {"allow": ["read"]}},
            }
        )
        self.addCleanup(self.memory.close)
        self.root.mkdir(exist_ok=True)
        (self.root / "a.txt").write_text("hello")
        answer = self.memory.post("/tools/invoke", {"tool": "read", "args": {"file_path": "a.txt"}})
        self.assertEqual(answer.json()["result"]["content"], [{"type": "text", "text": "hello"}])
