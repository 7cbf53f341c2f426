# -*- test-case-name: tests.tools.test_approvals_file -*-
"""The file that says what runs without a question."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import ApprovalsFile as Seam
from openclaw_tx.tools.allowlist import Pattern
from openclaw_tx.tools.approvals_file import DENIED, MAX_BYTES, MAX_ENTRIES, ApprovalsFile, Bad, rules_of
from openclaw_tx.tools.exec_policy import FileRules, Posture

T = TypeVar("T")

REAL = {
    "version": 1,
    "socket": {"path": "/s", "token": "t"},
    "defaults": {"security": "full", "autoAllowSkills": True},
    "agents": {
        "main": {
            "ask": "always",
            "allowlist": [
                {"id": "1", "pattern": "/usr/bin/ls", "lastUsedAt": 1.5, "source": "allow-always"},
                {"pattern": "~/bin/*"},
                {"pattern": "/usr/bin/git", "argPattern": "status"},
                {"pattern": "/usr/bin/make", "commandText": "make test"},
            ],
            "mcpTools": [{"server": "a", "tool": "b"}],
        },
        "*": {"security": "allowlist", "allowlist": [{"pattern": "/usr/bin/wc"}]},
    },
}
"""As OpenClaw writes it, with parts that have no meaning here."""


class RulesTests(SynchronousTestCase):
    """What a file says for an agent. Pure."""

    def test_levels(self) -> None:
        """An agent's own modes, then everybody's, then the defaults; both allowlists."""
        self.assertEqual(
            rules_of(REAL, "main", "/home/ada"),
            FileRules(
                "allowlist",
                "always",
                "deny",
                (
                    Pattern("/usr/bin/ls"),
                    Pattern("/home/ada/bin/*"),
                    Pattern(""),
                    Pattern("/usr/bin/make", "make test"),
                    Pattern("/usr/bin/wc"),
                ),
            ),
        )
        self.assertEqual(rules_of(REAL, "beta")[:3], ("allowlist", "off", "deny"))

    def test_nothing_said(self) -> None:
        """A file that names no modes forbids nothing that the configuration allows, and lets nobody's word be yes."""
        self.assertEqual(rules_of({"version": 1}, "main"), FileRules("full", "off", "deny"))

    def test_bad(self) -> None:
        """Other forms are told by their place."""
        for file, place in [
            ({}, "version"),
            ({"version": 2}, "version"),
            ([], "object"),
            ({"version": 1, "defaults": {"security": "ful"}}, "defaults.security"),
            ({"version": 1, "defaults": {"ask": True}}, "defaults.ask"),
            ({"version": 1, "agents": {"main": {"askFallback": "yes"}}}, "agents.main.askFallback"),
            ({"version": 1, "agents": {"main": {"allowlist": ["/x"]}}}, "allowlist"),
            ({"version": 1, "agents": {"main": {"allowlist": [{"pattern": "/x"}] * (MAX_ENTRIES + 1)}}}, "allowlist"),
        ]:
            self.assertIn(place, str(self.assertRaises(Bad, rules_of, file, "main")))


class FileTests(SynchronousTestCase):
    """On the disk."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "state" / "exec-approvals.json"
        ids = count(1)
        self.file = ApprovalsFile(self.path.parent, in_reactor_thread, lambda: 5000, lambda: f"id-{next(ids)}")
        self.seam: Seam = self.file

    def result(self, coroutine: Coroutine[Deferred[Any], Any, T]) -> T:
        """What it gives."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def write(self, text: str) -> None:
        """Somebody edits it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(text)

    def on_disk(self) -> Any:
        """What is in it."""
        return json.loads(self.path.read_text())

    def test_none(self) -> None:
        """Without a file there are no rules, and reading makes none."""
        snapshot = self.result(self.file.get())
        self.assertEqual((snapshot.exists, snapshot.file), (False, {"version": 1, "agents": {}}))
        self.assertEqual(len(snapshot.hash), 64)
        self.assertIsNone(self.result(self.file.rules("main", "")))
        self.assertFalse(self.path.exists())

    def test_real(self) -> None:
        """A file of OpenClaw's is read as it is, each time anew."""
        self.write(json.dumps(REAL))
        rules = self.result(self.file.rules("main", ""))
        assert rules is not None
        self.assertEqual(rules.ask, "always")
        self.write(json.dumps({"version": 1}))
        self.assertEqual(self.result(self.file.rules("main", "")), FileRules("full", "off", "deny"))

    def test_set(self) -> None:
        """With the hash of what was edited only; for its owner only; nothing half-written is left."""
        first = self.result(self.file.set({"version": 1, "agents": {}}, None))
        self.assertTrue(first.exists)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        for base in (None, "0" * 64):
            error = self.failureResultOf(
                Deferred.fromCoroutine(self.file.set({"version": 1}, base)), GatewayError
            ).value
            self.assertEqual(error.info.code, "invalid_request")
        second = self.result(self.file.set(dict(REAL), first.hash))
        self.assertEqual((self.on_disk(), second.hash), (REAL, self.result(self.file.get()).hash))
        self.assertEqual([found.name for found in self.path.parent.iterdir()], [self.path.name])

    def test_set_bad(self) -> None:
        """What could not be used afterwards is refused, and nothing changes."""
        first = self.result(self.file.set({"version": 1}, None))
        for file in ({"version": 3}, {"version": 1, "x": "y" * MAX_BYTES}, {"version": 1, "defaults": {"ask": "no"}}):
            error = self.failureResultOf(Deferred.fromCoroutine(self.file.set(file, first.hash)), GatewayError).value
            self.assertEqual((error.info.code, error.info.param), ("invalid_request", "file"))
        self.assertEqual(self.on_disk(), {"version": 1})

    def test_disk(self) -> None:
        """What the disk does not let it do may be tried again; nobody is told where that is."""
        self.path.mkdir(parents=True)
        nowhere = self.path.parent.with_name("nowhere")
        nowhere.symlink_to(nowhere.with_name("gone"))
        file = ApprovalsFile(nowhere, in_reactor_thread, lambda: 0, lambda: "id")
        self.assertFalse(self.result(file.get()).exists)
        for work in (file.set({"version": 1}, None), self.file.get(), self.file.rules("main", "")):
            error = self.failureResultOf(Deferred.fromCoroutine(work), GatewayError).value.info
            self.assertEqual((error.code, error.should_retry), ("storage_unavailable", True))
            self.assertNotIn("/", error.message)

    def test_broken(self) -> None:
        """A broken file is moved aside; from then on everything is denied, also after a restart."""
        for number, text in enumerate(("{", "[]", '{"version": 2}', '{"version":1,"defaults":{"security":"fulll"}}')):
            self.write(text)
            self.file = ApprovalsFile(self.path.parent, in_reactor_thread, lambda number=number: number, str)  # type: ignore[misc]
            rules = self.result(self.file.rules("main", ""))
            self.assertEqual(rules, FileRules("deny", "off", "deny"))
            aside = self.path.with_name(f"{self.path.name}.broken-{number}")
            self.assertEqual((aside.read_text(), self.on_disk()), (text, DENIED))
        again = ApprovalsFile(self.path.parent, in_reactor_thread, lambda: 0, str)
        rules = self.result(again.rules("main", ""))
        assert rules is not None
        self.assertEqual(rules.security, "deny")

    def test_allow_makes_a_file(self) -> None:
        """The first word makes a file that changes nothing but what it allows."""
        current = Posture("allowlist", "on-miss", "deny")
        self.result(self.file.allow("main", ["/usr/bin/rg"], "rg x", current))
        self.assertEqual(
            self.on_disk(),
            {
                "version": 1,
                "defaults": {"security": "allowlist", "ask": "on-miss", "askFallback": "deny"},
                "agents": {
                    "main": {
                        "allowlist": [
                            {
                                "id": "id-1",
                                "pattern": "/usr/bin/rg",
                                "lastUsedAt": 5000,
                                "lastUsedCommand": "rg x",
                                "lastResolvedPath": "/usr/bin/rg",
                            }
                        ]
                    }
                },
            },
        )
        self.assertEqual(self.result(self.file.rules("main", "")), FileRules(*current, (Pattern("/usr/bin/rg"),)))

    def test_allow_keeps_the_rest(self) -> None:
        """Everything else in the file stays; a pattern that is there is not added again."""
        self.write(json.dumps(REAL))
        self.result(self.file.allow("main", ["/usr/bin/ls", "/usr/bin/rg"], "x", Posture("full", "off")))
        found = self.on_disk()
        self.assertEqual([entry["pattern"] for entry in found["agents"]["main"]["allowlist"]][4:], ["/usr/bin/rg"])
        del found["agents"]["main"]["allowlist"][4]
        self.assertEqual(found, REAL)

    def test_used(self) -> None:
        """The entries that let something pass know when and what; those of everybody come behind the agent's own."""
        self.write(json.dumps(REAL))
        self.result(self.file.used("main", {0: "/usr/bin/ls", 4: "/usr/bin/wc", 9: "/gone"}, "ls | wc"))
        found = self.on_disk()["agents"]
        use = {"lastUsedAt": 5000, "lastUsedCommand": "ls | wc"}
        self.assertEqual(
            found["main"]["allowlist"][0],
            {"id": "1", "pattern": "/usr/bin/ls", "source": "allow-always", **use, "lastResolvedPath": "/usr/bin/ls"},
        )
        self.assertEqual(
            found["*"]["allowlist"][0], {"pattern": "/usr/bin/wc", **use, "lastResolvedPath": "/usr/bin/wc"}
        )

    def test_gone_meanwhile(self) -> None:
        """Who asked may go, the thread writes on: the next one waits for it, so that neither undoes what the other
        wrote.
        """
        self.write(json.dumps(REAL))
        threads: list[tuple[Callable[[], Any], Deferred[Any]]] = []

        def in_thread(work: Callable[..., T], *arguments: Any) -> Deferred[T]:
            threads.append((partial(work, *arguments), Deferred()))
            return threads[-1][1]

        file = ApprovalsFile(self.path.parent, in_thread, lambda: 5000, lambda: "id")
        first = Deferred.fromCoroutine(file.allow("main", ["/usr/bin/one"], "x", Posture("full", "off")))
        second = Deferred.fromCoroutine(file.allow("main", ["/usr/bin/two"], "x", Posture("full", "off")))
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertEqual(len(threads), 1)
        for number in range(2):
            work, done = threads[number]
            done.callback(work())
        self.successResultOf(second)
        patterns = [entry["pattern"] for entry in self.on_disk()["agents"]["main"]["allowlist"]]
        self.assertEqual(patterns[4:], ["/usr/bin/one", "/usr/bin/two"])
