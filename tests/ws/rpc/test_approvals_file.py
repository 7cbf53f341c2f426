# -*- test-case-name: tests.ws.rpc.test_approvals_file -*-
"""C{exec.approvals.get} and C{exec.approvals.set}."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.keys import hash_of
from openclaw_tx.testing import MemoryGateway

ADMIN = ["operator.admin"]


class ApprovalsFileTests(SynchronousTestCase):
    """The whole gateway."""

    def setUp(self) -> None:
        self.memory = MemoryGateway()
        self.addCleanup(self.memory.close)
        self.client = self.memory.websocket()
        self.client.connect(scopes=ADMIN)
        self.addCleanup(self.client.close)
        self.path = Path(self.memory.gateway.settings.state_dir) / "exec-approvals.json"

    def get(self) -> dict[str, Any]:
        """The snapshot."""
        found: dict[str, Any] = self.client.request("exec.approvals.get")["payload"]
        return found

    def set(self, **params: Any) -> dict[str, Any]:
        """The whole answer."""
        return self.client.request("exec.approvals.set", params)

    def test_edit(self) -> None:
        """What is not there has a hash, too; after that each edit names what it is of."""
        before = self.get()
        self.assertEqual((before["path"], before["exists"]), (str(self.path), False))
        self.assertEqual((len(before["hash"]), before["file"]), (64, {"version": 1, "agents": {}}))
        file = {"version": 1, "defaults": {"security": "allowlist"}}
        after = self.set(file=file)["payload"]
        self.assertEqual((after["exists"], after["file"], after), (True, file, self.get()))
        self.assertEqual(json.loads(self.path.read_text()), file)
        for params in ({"file": file}, {"file": file, "baseHash": before["hash"]}):
            self.assertEqual(self.set(**params)["error"]["code"], "INVALID_REQUEST")
        again = self.set(file={"version": 1}, baseHash=after["hash"])
        self.assertEqual(again["payload"]["file"], {"version": 1})

    def test_bad(self) -> None:
        """Files of another form are refused with the place."""
        for file, place in [
            ({}, "Object missing required field `version`"),
            ({"version": 1, "agents": {"a": 3}}, "Expected `object`, got `int` - at `$.agents[...]`"),
            ({"version": 1, "defaults": {"ask": "no"}}, "defaults.ask"),
        ]:
            error = self.set(file=file)["error"]
            self.assertEqual(error["code"], "INVALID_REQUEST")
            words = f"invalid exec.approvals.set params: file: {place}"
            self.assertEqual(error["message"][: len(words)], words)
        self.assertEqual(self.set(file=[])["error"]["code"], "INVALID_REQUEST")
        self.assertFalse(self.path.exists())

    def test_secret_stays(self) -> None:
        """The token that OpenClaw keeps there is not shown, and not lost."""
        self.path.write_text(json.dumps({"version": 1, "socket": {"path": "/s", "token": "hidden"}}))
        shown = self.get()
        self.assertEqual(shown["file"]["socket"], {"path": "/s"})
        after = self.set(file={**shown["file"], "agents": {}}, baseHash=shown["hash"])
        self.assertNotIn("hidden", json.dumps(after))
        self.assertEqual(json.loads(self.path.read_text())["socket"], {"path": "/s", "token": "hidden"})

    def test_bound_keys(self) -> None:
        """A key that is for some agents, or for sessions of its own, has no say in what concerns all."""
        keys = [
            {"label": label, "hash": hash_of(label), "scopes": ADMIN, **bounds}
            for label, bounds in (
                ("ada", {"agents": ["main"], "sessionPrefix": ""}),
                ("bob", {"sessionPrefix": "bob:"}),
                ("eve", {"sessionPrefix": ""}),
            )
        ]
        memory = MemoryGateway({"gateway": {"auth": {"keys": keys}}})
        self.addCleanup(memory.close)
        for label, allowed in (("ada", False), ("bob", False), ("eve", True)):
            client = memory.websocket()
            client.connect(scopes=[], token=label)
            for method, params in (("exec.approvals.get", {}), ("exec.approvals.set", {"file": {"version": 1}})):
                answer = client.request(method, params)
                self.assertEqual(answer.get("error", {}).get("code"), None if allowed else "FORBIDDEN", label)
            client.close()

    def test_scopes(self) -> None:
        """For administrators."""
        client = self.memory.websocket()
        client.connect(scopes=["operator.read", "operator.write", "operator.approvals"])
        for method, params in (("exec.approvals.get", {}), ("exec.approvals.set", {"file": {"version": 1}})):
            self.assertEqual(client.request(method, params)["error"]["message"], "missing scope: operator.admin")
        client.close()
