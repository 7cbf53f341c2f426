# -*- test-case-name: tests.test_hostile_models -*-
"""A model that was talked into mischief: every tool call that leads out is an error with a reason, and does nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from openclaw_tx.testing import MemoryGateway
from openclaw_tx.values import ToolResultMessage
from tests.support.scenarios import Http, Scenario
from tests.tools.network import PUBLIC, Upstream
from tests.tools.test_fetching import LOOPBACK, OURS


class Hostile(NamedTuple):
    """A call, and what the model must be told of it."""

    tool: str
    arguments: Mapping[str, Any]
    words: str


OUT = "outside of the workspace"
PATHS = ("../secret.md", "notes/../../secret.md", "{outside}/secret.md", "/etc/hostname", "~/secret.md", "link.md")
"""All lead to files that are there and are nobody's business."""
HOLES = ("hole/secret.md", "hole/new.md", "notes/../hole/new.md")
"""Through a directory that is a link."""


def _files() -> Sequence[Hostile]:
    """Paths that lead out, for every file tool."""
    rows = []
    for path in (*PATHS, *HOLES):
        rows += [
            Hostile("read", {"path": path}, OUT),
            Hostile("write", {"path": path, "content": "mine"}, OUT),
            Hostile("edit", {"path": path, "oldText": "secret", "newText": "mine"}, OUT),
        ]
        for patch in (
            f"*** Add File: {path}\n+mine",
            f"*** Delete File: {path}",
            f"*** Update File: {path}\n-secret\n+mine",
            f"*** Update File: good.md\n*** Move to: {path}\n-good\n+mine",
        ):
            rows.append(Hostile("apply_patch", {"input": f"*** Begin Patch\n{patch}\n*** End Patch"}, OUT))
    rows += [
        Hostile("write", {"path": "../new.md", "content": "mine"}, OUT),
        Hostile("write", {"path": "a\0b", "content": "mine"}, "NUL"),
        Hostile("read", {"path": "/proc/self/environ"}, OUT),
        Hostile("read", {"path": "pipe"}, "not a regular file"),
        Hostile("write", {"path": "pipe", "content": "x"}, "not a regular file"),
    ]
    return rows


def _knowledge() -> Sequence[Hostile]:
    """Paths that lead out, for the tools that only look."""
    rows = [Hostile("memory_get", {"path": path}, "Not read") for path in (*PATHS, "hole/secret.md")]
    rows.append(Hostile("memory_get", {"path": "memory/out.md"}, "it is a symbolic link, and links are not followed"))
    for path in (*PATHS, "hole/secret.png", "out.png"):
        rows.append(Hostile("image", {"image": path}, "The image can not be used"))
    for url in ("file:///etc/hostname", "http://127.0.0.1/a.png", "http://169.254.169.254/a.png"):
        rows.append(Hostile("image", {"image": url}, "The image can not be used"))
    return rows


def _urls() -> Sequence[Hostile]:
    """Addresses of this machine and its networks, however they are written, and schemes that are no web."""
    hosts = [*LOOPBACK, *(f"[{each}]" if ":" in each else each for each in OURS.split() if each != "1.2.3")]
    urls = [f"http://{host}/" for host in hosts]
    urls += [
        "http://localhost:18789/v1/models",
        "http://inside.example/",  # a public name with a private address
        "http://redirect.example/",  # leads to the metadata service
        "http://user:word@sea.example/",
        "http://sea.example\\@127.0.0.1/",
        "http://127.0.0.1#@sea.example/",
        "http://①②⑦.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "ftp://sea.example/",
        "javascript:alert(1)",
        "http://printer/",
        "http://vault.internal/",
        "https://[::ffff:7f00:1]/",
    ]
    return [Hostile("web_fetch", {"url": url}, "") for url in urls]


TRICKS = (
    "cat notes; touch {outside}/pwned",
    "grep x $(touch {outside}/pwned)",
    "grep x `touch {outside}/pwned`",
    "grep x > {outside}/pwned",
    "grep -f /etc/passwd x",
    "head /etc/passwd",
    "sort -o {outside}/pwned",
    "sort --compress-program=sh",
    "wc --files0-from=/etc/passwd",
    "jq -n 'input' /etc/passwd",
    "grep x | sh",
    "grep x && curl http://127.0.0.1/",
    "grep x\ntouch pwned",
    "X=1 grep x",
    "./grep x",
    "bash -c 'touch pwned'",
    "env grep x",
    "tr a b <(touch pwned)",
    "uniq in out",
)
"""Commands around safe programs, for an allowlist without entries and nobody to ask."""


def _commands() -> Sequence[Hostile]:
    """The shell, by its back doors."""
    refused = "The command was not run"
    rows = [Hostile("exec", {"command": trick}, refused) for trick in TRICKS]
    rows += [
        Hostile("exec", {"command": "wc", "workdir": ".."}, OUT),
        Hostile("exec", {"command": "wc", "workdir": "/"}, OUT),
        Hostile("exec", {"command": "wc", "workdir": "hole"}, OUT),
        Hostile("exec", {"command": "wc", "env": {"PATH": "/tmp"}}, "PATH"),
        Hostile("exec", {"command": "wc", "env": {"LD_PRELOAD": "/tmp/x.so"}}, "LD_PRELOAD"),
        Hostile("exec", {"command": "wc", "env": {"BASH_ENV": "/tmp/x"}}, "BASH_ENV"),
        Hostile("exec", {"command": "touch pwned", "security": "full", "ask": "off"}, refused),
        Hostile("exec", {"command": "wc", "host": "node"}, "Invalid arguments"),
        Hostile("exec", {"command": "wc\0"}, ""),
        Hostile("process", {"action": "kill", "sessionId": "1"}, "There is no session"),
    ]
    return rows


class HostileModelTests(Scenario):
    """Every row is one call of a run; the run goes on to its answer."""

    config = {"tools": {"exec": {"security": "allowlist", "ask": "off"}, "loopDetection": {"enabled": False}}}

    def build(self, **parts: Any) -> MemoryGateway:
        """One that fetches for itself, in a network where private addresses would answer."""
        self.world = Upstream()
        self.world.names = {"sea.example": [PUBLIC], "redirect.example": [PUBLIC], "inside.example": ["10.0.0.1"]}
        gateway = super().build(fetcher=self.world.fetcher, **parts)
        gateway._endpoints.append(self.world.endpoint)
        return gateway

    def setUp(self) -> None:
        """Secrets outside, and links that lead to them."""
        super().setUp()
        for name in ("secret.md", "secret.png"):
            (self.outside / name).write_text("secret\n")
        for name in ("notes", "memory"):
            (self.workspace / name).mkdir()
        (self.workspace / "good.md").write_text("good\n")
        os.symlink(self.outside, self.workspace / "hole")
        os.symlink(self.outside / "secret.md", self.workspace / "link.md")
        os.symlink(self.outside / "secret.md", self.workspace / "memory" / "out.md")
        os.symlink(self.outside / "secret.png", self.workspace / "out.png")
        os.mkfifo(self.workspace / "pipe")

    def refused(self, rows: Sequence[Hostile]) -> None:
        """All of them are errors that say why, and nothing has come of them."""
        before = self.everything()
        calls = [(row.tool, self.placed(row.arguments)) for row in rows]
        self.model.call_tools(*calls)
        self.model.say("They would not let me.")
        self.assertEqual(Http(self, "Go.").text, "They would not let me.")
        results = [each for each in self.model.requests[-1].messages if isinstance(each, ToolResultMessage)]
        self.assertEqual(len(results), len(rows))
        for row, result in zip(rows, results, strict=True):
            self.assertTrue(result.is_error, (row, result.text))
            self.assertIn(row.words, result.text, (row, result.text))
            self.assertNotIn("Traceback", result.text)
            self.assertNotIn("secret\n", result.text)
            self.assertGreater(len(result.text), 15)
        self.assertEqual(self.everything(), before)
        self.assertEqual(self.machine.spawned, [])
        self.assertEqual(self.machine.tcpClients, [])

    def placed(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """With the place of this test in them."""
        return {
            name: value.replace("{outside}", str(self.outside)) if isinstance(value, str) else value
            for name, value in arguments.items()
        }

    def everything(self) -> dict[str, bytes]:
        """All files there are, the workspace's among them."""
        found = {}
        for directory, _, names in os.walk(self.outside):
            for name in names:
                path = Path(directory, name)
                found[str(path)] = path.read_bytes() if path.is_file() else b""
        return found

    def test_files(self) -> None:
        """Files outside, by name, by .., by links."""
        self.refused(_files())

    def test_knowledge(self) -> None:
        """The same for memory and images; and image addresses that are no web."""
        self.refused(_knowledge())
        self.assertEqual(self.world.connected, [])

    def test_urls(self) -> None:
        """Nobody is connected to but the one who redirects, and only he is."""
        self.world.script.replies.append((302, {"location": "http://169.254.169.254/latest/meta-data/"}, b""))
        rows = _urls()
        self.refused([row for row in rows if "redirect" not in row.arguments["url"]])
        self.assertEqual(self.world.connected, [])
        self.refused_after_redirect()

    def refused_after_redirect(self) -> None:
        """A public server that leads to a private one."""
        self.model.call_tool("web_fetch", {"url": "http://redirect.example/"})
        self.model.say("No.")
        asked = Http(self, "Go.")
        self.memory.flush()
        self.assertEqual(asked.text, "No.")
        self.assertTrue(self.result().is_error)
        self.assertIn("169.254.169.254", self.result().text)
        self.assertEqual(self.world.connected, [(PUBLIC, 80)])

    def test_commands(self) -> None:
        """No program is started."""
        self.refused(_commands())
