# -*- test-case-name: tests.cli.test_approvals -*-
"""C{openclaw-tx approvals}: what agents may run, and the commands that wait for somebody's word (docs/approvals.md)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from openclaw_tx.cli.asking import SECONDS, ask, asking
from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.output import json_text, plain
from openclaw_tx.cli.place import Place

if TYPE_CHECKING:
    from openclaw_tx.cli.client import GatewayClient

SCOPES = ("operator.admin", "operator.approvals")
EVERYBODY = "*"
FRESH = {"security": "allowlist", "ask": "on-miss", "askFallback": "deny"}
"""What a file that is made here says, besides its allowlist: whatever the configuration may say, no more than this."""

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def approvals() -> None:
    """See what agents may run without a question, and answer questions."""


@approvals.command()
@asking
def get(place: Place, as_json: bool, **remote: Any) -> None:
    """Show the approvals file of the gateway."""

    async def work(client: GatewayClient) -> str:
        return shown_file(await client.call("exec.approvals.get", {}, SECONDS), as_json)

    ask(place, remote, SCOPES, work)


@approvals.command(name="set")
@click.argument("file", type=click.File("rb"))
@asking
def set_file(place: Place, file: Any, as_json: bool, **remote: Any) -> None:
    """Replace the approvals file by FILE, of JSON; - reads standard input."""
    try:
        content = json.loads(file.read())
    except (ValueError, OSError) as error:
        raise CommandError(f"not JSON: {error}") from None
    if not isinstance(content, dict):
        raise CommandError("not an approvals file: it must be a JSON object")

    async def work(client: GatewayClient) -> str:
        before = await client.call("exec.approvals.get", {}, SECONDS)
        return shown_file(await _set(client, before, content), as_json)

    ask(place, remote, SCOPES, work)


@approvals.group()
def allowlist() -> None:
    """Programs that run without a question."""


def for_agent(command: F) -> F:
    """Adds C{--agent}."""
    told = "Whose allowlist; * is everybody's."
    return click.option("--agent", metavar="ID", default=EVERYBODY, show_default=True, help=told)(command)


@allowlist.command()
@click.argument("pattern")
@for_agent
@asking
def add(place: Place, pattern: str, agent: str, as_json: bool, **remote: Any) -> None:
    """Let a program run: PATTERN is its absolute path, in which * and ** stand for characters."""
    if not pattern.startswith(("/", "~/")):
        raise CommandError("a pattern is an absolute path: a bare name would match any file of that name")
    _edit(place, remote, as_json, lambda file: added(file, agent, pattern))


@allowlist.command()
@click.argument("pattern")
@for_agent
@asking
def remove(place: Place, pattern: str, agent: str, as_json: bool, **remote: Any) -> None:
    """Let the program of PATTERN run no more."""
    _edit(place, remote, as_json, lambda file: removed(file, agent, pattern))


@allowlist.command(name="list")
@asking
def list_entries(place: Place, as_json: bool, **remote: Any) -> None:
    """List the allowlists."""

    async def work(client: GatewayClient) -> str:
        snapshot = await client.call("exec.approvals.get", {}, SECONDS)
        rows = entries(snapshot.get("file", {}))
        if as_json:
            return json_text({"entries": rows})
        lines = [f"{row['agent']}  {row['pattern']}" + _last_use(row) for row in rows]
        return "\n".join(lines) or "The allowlists are empty."

    ask(place, remote, SCOPES, work)


@approvals.command()
@asking
def pending(place: Place, as_json: bool, **remote: Any) -> None:
    """List the commands that wait for somebody's word."""

    async def work(client: GatewayClient) -> str:
        rows = await client.call("exec.approval.list", {}, SECONDS)
        if as_json:
            return json_text({"pending": rows})
        return "\n\n".join(shown_question(row) for row in rows) or "Nothing waits."

    ask(place, remote, SCOPES, work)


@approvals.command()
@click.argument("approval_id", metavar="ID")
@click.argument("decision", type=click.Choice(["allow-once", "allow-always", "deny"]))
@asking
def resolve(place: Place, approval_id: str, decision: str, as_json: bool, **remote: Any) -> None:
    """Answer the question ID with DECISION."""

    async def work(client: GatewayClient) -> str:
        answer = await client.call("exec.approval.resolve", {"id": approval_id, "decision": decision}, SECONDS)
        return json.dumps(answer) if as_json else f"{approval_id}: {decision}"

    ask(place, remote, SCOPES, work)


# -- talking to the gateway


def _edit(place: Place, remote: dict[str, Any], as_json: bool, edit: Callable[[dict[str, Any]], str]) -> None:
    """
    @param edit: changes a file in place, and says what it did; "" = nothing, and nothing is written.
    """

    async def work(client: GatewayClient) -> str:
        before = await client.call("exec.approvals.get", {}, SECONDS)
        file = before["file"]
        if not before["exists"]:
            file["defaults"] = dict(FRESH)
        told = edit(file)
        after = await _set(client, before, file) if told else before
        return json_text(after) if as_json else told or "Nothing to change."

    ask(place, remote, SCOPES, work)


async def _set(client: GatewayClient, before: dict[str, Any], file: dict[str, Any]) -> Any:
    base = {"baseHash": before["hash"]} if before["exists"] else {}
    return await client.call("exec.approvals.set", {"file": file, **base}, SECONDS)


# -- the file, and texts; pure


def added(file: dict[str, Any], agent: str, pattern: str) -> str:
    """Put a pattern on an allowlist."""
    found = file.setdefault("agents", {}).setdefault(agent, {}).setdefault("allowlist", [])
    if any(entry.get("pattern") == pattern for entry in found):
        return ""
    found.append({"pattern": pattern})
    return f"Added for {_whom(agent)}: {pattern}"


def removed(file: dict[str, Any], agent: str, pattern: str) -> str:
    """Take a pattern off an allowlist."""
    own = file.get("agents", {}).get(agent, {})
    kept = [entry for entry in own.get("allowlist", []) if entry.get("pattern") != pattern]
    if len(kept) == len(own.get("allowlist", [])):
        return ""
    own["allowlist"] = kept
    return f"Removed for {_whom(agent)}: {pattern}"


def _whom(agent: str) -> str:
    return "every agent" if agent == EVERYBODY else f"agent {agent}"


def entries(file: dict[str, Any]) -> list[dict[str, Any]]:
    """Every entry of every allowlist, with its agent."""
    return [
        {"agent": agent, **entry} for agent, own in file.get("agents", {}).items() for entry in own.get("allowlist", [])
    ]


def _last_use(row: dict[str, Any]) -> str:
    command = row.get("lastUsedCommand")
    return f"  (last: {plain(str(command))[:80]})" if command else ""


def shown_file(snapshot: dict[str, Any], as_json: bool) -> str:
    """The file for the terminal."""
    if as_json:
        return json_text(snapshot)
    if not snapshot["exists"]:
        return f"{snapshot['path']} does not exist: the configuration alone counts (tools.exec)."
    return f"{snapshot['path']}\n{json_text(snapshot['file'])}"


def shown_question(row: dict[str, Any]) -> str:
    """A question for the terminal, which what an agent wrote must not be able to steer."""
    asked = row.get("request", {})
    told = {
        "agent": asked.get("agentId"),
        "session": asked.get("sessionKey"),
        "directory": asked.get("cwd"),
        "program": asked.get("resolvedPath"),
        "env": ", ".join(asked.get("env") or []),
        "because": asked.get("warningText"),
    }
    lines = [f"{row.get('id')}", *(f"    {line}" for line in plain(str(asked.get("command", ""))).split("\n"))]
    return "\n".join([*lines, *(f"  {name}: {plain(str(value))}" for name, value in told.items() if value)])


__all__ = ["added", "approvals", "entries", "removed", "shown_file", "shown_question"]
