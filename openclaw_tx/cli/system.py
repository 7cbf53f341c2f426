# -*- test-case-name: tests.cli.test_system -*-
"""C{openclaw-tx system}: tell an agent of something, see who is connected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.output import echo_json, json_option, table
from openclaw_tx.cli.place import Place, here
from openclaw_tx.cli.remote import READ_SCOPES, remote_options, timeout_option

if TYPE_CHECKING:
    from openclaw_tx.cli.client import GatewayClient

WRITE_SCOPES = ("operator.write",)


@click.group()
def system() -> None:
    """Tell an agent of something, see who is connected."""


@system.command()
@click.option("--text", required=True, help="What happened.")
@click.option(
    "--mode",
    type=click.Choice(["now", "next-heartbeat"]),
    default="next-heartbeat",
    show_default=True,
    help="When the agent looks at it.",
)
@json_option
@timeout_option(10_000)
@remote_options
@here
def event(place: Place, /, text: str, mode: str, as_json: bool, timeout: int, **remote: str | None) -> None:
    """Note an event in the main session, for the agent to look at."""
    if not text.strip():
        raise CommandError("--text is empty")

    async def work(client: GatewayClient) -> Any:
        return await client.call("wake", {"mode": mode, "text": text}, timeout / 1000)

    payload = place.talk(remote, work, WRITE_SCOPES, timeout / 1000)
    if as_json:
        echo_json(payload)
    else:
        click.echo("ok")


@system.command()
@json_option
@timeout_option(10_000)
@remote_options
@here
def presence(place: Place, /, as_json: bool, timeout: int, **remote: str | None) -> None:
    """List who is connected to the gateway, and who was a little while ago."""

    async def work(client: GatewayClient) -> Any:
        return await client.call("system-presence", {}, timeout / 1000)

    rows = place.talk(remote, work, READ_SCOPES, timeout / 1000)
    if as_json:
        echo_json(rows)
    else:
        cells = [_cells(row) for row in rows if isinstance(row, dict)]
        table(place.console(), ("host", "mode", "version", "platform", "reason"), cells)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    host = row.get("host") or row.get("text") or row.get("clientId") or ""
    return str(host), *(str(row.get(name) or "") for name in ("mode", "version", "platform", "reason"))


__all__ = ["system"]
