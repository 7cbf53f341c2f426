# -*- test-case-name: tests.compat.test_cli -*-
"""Every request that OpenClaw's own command line and TUI made of their gateway, in two releases, played to a whole
gateway: as the client that they said to be, with the scopes that they asked for.

Compared are outcome, error, and which properties an answer has. What is missing is listed in L{MISSING}, with its
reason.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing import MemoryGateway

HERE = Path(__file__).parent
RECORDED = json.loads((HERE / "cli.json").read_text("utf-8"))
DOCS = HERE.parent.parent / "docs" / "compatibility.md"

NODE = "of Node's process and of services that are not here"
MISSING: dict[str, tuple[str, str]] = {
    "health": ("configReload eventLoop modelRuntime plugins", NODE),
    "status": (
        "cliProjection degradedPlugins degradedSecretOwners eventLoop hostDesktop modelRuntime pid processMemory "
        "shutdownBudget taskAudit tasks workerPools",
        NODE,
    ),
    "channels.status": ("eventLoop statusIssues", NODE),
    "usage.cost": ("cacheStatus", "costs are kept in the database, not in a cache"),
    "cron.list": ("deliveryPreviews", "a job tells in its payload where it delivers to"),
    "agents.list": ("ownership selectionRequired", "agents have no owners"),
    "sessions.list": ("nextOffset owners", "sessions have no owners; nextOffset comes when there are more"),
}
"""Method -> properties that only the recorded answers have, and why."""


class ReplayTests(SynchronousTestCase):
    """One connection for each request."""

    def answer(self, row: dict[str, Any]) -> dict[str, Any]:
        """The last answer to a recorded request."""
        memory = MemoryGateway()
        self.addCleanup(memory.close)
        memory.model.say("hello")
        socket = memory.websocket()
        client = {"id": row["client"], "mode": row["mode"], "version": row["release"], "platform": "linux"}
        socket.connect(row["scopes"], protocol=row["protocol"], client=client)
        socket.request(row["method"], row.get("params"))
        memory.advance(1, 4)
        return socket.response("r2")

    def test_all(self) -> None:
        """As recorded, but for what is listed; and what is listed is so."""
        wrong: list[str] = []
        missing: dict[str, set[str]] = {}
        for row in RECORDED:
            if row["method"] == "logs.tail":  # without a process there is no log; see tests.ws.rpc.test_logs
                continue
            answer = self.answer(row)
            name = f"{row['method']} of {row['mode']} {row['release']}"
            if "error" in row and row["mode"] != "probe":  # a probe that asks for scopes has them here
                if answer["ok"] or {key: answer["error"].get(key) for key in row["error"]} != row["error"]:
                    wrong.append(f"{name}: {answer}")
                continue
            if not answer["ok"]:
                wrong.append(f"{name}: {answer['error']}")
            elif "keys" in row:
                missing.setdefault(row["method"], set()).update(set(row["keys"]) - set(answer["payload"]))
        self.assertEqual(wrong, [])
        listed = {method: set(names.split()) for method, (names, _) in MISSING.items()}
        self.assertEqual({method: names for method, names in missing.items() if names}, listed)

    def test_documented(self) -> None:
        """The page for people lists the same."""
        text = DOCS.read_text("utf-8")
        for method, (names, why) in MISSING.items():
            told = ", ".join(f"`{name}`" for name in names.split())
            self.assertIn(f"| `{method}` | {told} | {why} |", text)
