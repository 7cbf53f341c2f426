"""Runs the client matrix and OpenClaw's own command line, prints both, and writes them into docs/clients.md.

C{make clients}; C{make clients ARGS="openai litellm"} runs some rows, and leaves the page as it is; the command line is
called C{openclaw}. The exit status is
1 when a client did not see what it had to. Rows that need Node are left out where there is none, unless
C{CLIENTS_STRICT=1}.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import treq
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.internet.task import deferLater, react

from tests.e2e.clients.install import SCRIPTS, CanNotRun, ended, node_of, python_of
from tests.e2e.clients.matrix import ATTEMPTS, CAPABILITIES, CLIENTS, NODE_PACKAGES, Client
from tests.e2e.clients.openclaw_cli import CommandLines, cli_table
from tests.e2e.processes import REPOSITORY, TOKEN, GatewayProcess, configuration, spawn, start_upstream

CLIENT_SECONDS = 180.0
"""Most time for a client's script."""

AT_ONCE = 2
PAGE = REPOSITORY / "docs" / "clients.md"
BEGIN, END = "<!-- matrix: written by `make clients` -->", "<!-- end of matrix -->"
CLI_BEGIN, CLI_END = "<!-- command line: written by `make clients` -->", "<!-- end of command line -->"
CLI = "openclaw"
"""What the rows of OpenClaw's command line are called together."""


class Row(NamedTuple):
    """What became of a client."""

    client: Client
    marks: dict[str, str]
    """Capability -> C{yes}, C{no}, or C{-}; for failures also the number of tries."""
    faults: list[str]
    left_out: str = ""
    """Why it did not run."""


class Matrix:
    """All clients against one gateway."""

    def __init__(self, reactor: Any, url: str, upstream: str) -> None:
        self._reactor = reactor
        self._url = url
        self._requests = upstream.replace("/v1", "/requests")

    async def row(self, client: Client) -> Row:
        """Run a client and judge it."""
        try:
            if client.node:
                program, home = await node_of(self._reactor)
            else:
                program, home = await python_of(client, self._reactor), SCRIPTS
        except CanNotRun as error:
            return Row(client, {}, [], str(error))
        environment = {"CLIENT_NAME": client.name, "CLIENT_BASE_URL": f"{self._url}/v1", "CLIENT_API_KEY": TOKEN}
        child = spawn([str(home / client.script)], environment, program)
        code = await ended(child, self._reactor, CLIENT_SECONDS)
        told = {}
        for line in child.output.splitlines():
            if line.startswith('{"capability"'):
                found = json.loads(line)
                told[found["capability"]] = found
        row = Row(client, {}, [])
        if code:
            row.faults.append(f"ended with {code}: {child.output[-2000:]}")
        for capability in CAPABILITIES:
            await self._judge(row, capability, told.get(capability))
        return row

    async def _judge(self, row: Row, capability: str, told: dict[str, Any] | None) -> None:
        client = row.client
        if capability in client.lacks:
            row.marks[capability] = "-"
            return
        wanted = client.seen.get(capability, CAPABILITIES[capability])
        faults = []
        if told is None:
            faults.append("not run")
        elif "error" in told:
            faults.append(told["error"])
        elif told["seen"] != wanted:
            faults.append(f"saw {told['seen']!r}, not {wanted!r}")
        mark = "yes"
        if capability == "cancel":
            if not await self._hung_up(client):
                faults.append("the provider's call was not cancelled")
        elif capability in ATTEMPTS:
            requests = len(await self._outcomes(client, capability))
            tries = requests / ATTEMPTS[capability]
            mark = f"{tries:g}"
            if tries != client.tries[capability]:
                faults.append(f"tried {tries:g} times, not {client.tries[capability]}")
        row.marks[capability] = "**no**" if faults else mark
        row.faults.extend(f"{capability}: {fault}" for fault in faults)

    async def _hung_up(self, client: Client) -> bool:
        """Whether the provider saw its client leave in mid-stream, within five seconds."""
        for _ in range(50):
            if await self._outcomes(client, "cancel") == ["hung up"]:
                return True
            await deferLater(self._reactor, 0.1)
        return False

    async def _outcomes(self, client: Client, capability: str) -> list[str]:
        """What became of the requests that the provider got for a capability."""
        told = await treq.json_content(await treq.get(self._requests))
        prompt = f"{client.name}-{capability} [["
        return [found["outcome"] for found in told if prompt in json.dumps(found["body"]["messages"])]


def table(rows: list[Row]) -> str:
    """The matrix in Markdown."""
    lines = [f"| client | {' | '.join(CAPABILITIES)} |", "|---" * (len(CAPABILITIES) + 1) + "|"]
    for row in rows:
        title = f"{row.client.title} ({', '.join(versions(row.client))})"
        cells = [row.marks.get(name, "?") for name in CAPABILITIES] if not row.left_out else [row.left_out]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def versions(client: Client) -> list[str]:
    """The packages with their versions, as people write them."""
    if client.node:
        return [f"`{name}` {NODE_PACKAGES[name]}" for name in client.packages]
    return [f"`{name}` {version}" for name, _, version in (package.partition("==") for package in client.packages)]


def write_page(begin: str, end: str, matrix: str) -> None:
    """Put a matrix into the documentation, between its marks."""
    text = PAGE.read_text("utf-8")
    inside = f"{begin}\nRun on {datetime.now(UTC):%Y-%m-%d}.\n\n{matrix}\n{end}"
    PAGE.write_text(re.sub(f"{re.escape(begin)}.*{re.escape(end)}", lambda _: inside, text, flags=re.DOTALL), "utf-8")


async def main(reactor: Any, *names: str) -> None:
    """Run the clients with these names, or all."""
    unknown = set(names) - {client.name for client in CLIENTS} - {CLI}
    if unknown:
        raise SystemExit(f"no such client: {', '.join(sorted(unknown))}")
    directory = Path(tempfile.mkdtemp())
    upstream, upstream_url = await start_upstream()
    gateway = GatewayProcess(directory, configuration(upstream_url))
    try:
        await gateway.start()
        matrix = Matrix(reactor, gateway.url, upstream_url)
        turns = DeferredSemaphore(AT_ONCE)
        rows = await gatherResults(
            turns.run(lambda client=client: Deferred.fromCoroutine(matrix.row(client)))
            for client in CLIENTS
            if not names or client.name in names
        )
        commands = CommandLines(reactor, gateway.url, directory)
        told = await commands.run() if not names or CLI in names else []
    finally:
        if gateway.child is not None and gateway.child.code is None:
            await gateway.stop()
        await upstream.stop()
        shutil.rmtree(directory, ignore_errors=True)
    for row in rows:
        for fault in row.faults:
            say(f"{row.client.name}: {fault}")
    for fault in commands.faults:
        say(fault)
    if rows:
        say(table(rows))
    if told:
        say(cli_table(told, commands.left_out))
    strict = os.environ.get("CLIENTS_STRICT") == "1"
    failed = [row for row in rows if row.faults or (row.left_out and (strict or not row.client.node))]
    if failed or commands.faults or (strict and commands.left_out):
        raise SystemExit(1)
    if told and not commands.left_out:
        write_page(CLI_BEGIN, CLI_END, cli_table(told, commands.left_out))
    if not names and not any(row.left_out for row in rows):
        write_page(BEGIN, END, table(rows))


def say(text: str) -> None:
    """A line for whoever runs this."""
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    react(main, sys.argv[1:])
