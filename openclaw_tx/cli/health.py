# -*- test-case-name: tests.cli.test_health -*-
"""C{openclaw-tx health}: is the gateway up, and who answers there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from openclaw_tx.cli.output import count, json_text, plain
from openclaw_tx.cli.place import Place, here
from openclaw_tx.cli.remote import remote_options, timeout_option

if TYPE_CHECKING:
    from openclaw_tx.cli.client import GatewayClient


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the gateway's whole answer as JSON.")
@timeout_option(10_000)
@remote_options
@here
def health(place: Place, /, as_json: bool, timeout: int, **remote: str | None) -> None:
    """Ask the gateway how it is. The exit code is 1 when it does not answer."""

    async def work(client: GatewayClient) -> str:
        payload = await client.call("health", {}, timeout / 1000)
        return render(payload, client.hello, client.url, as_json)

    click.echo(place.talk(remote, work, timeout=timeout / 1000))


def render(payload: Any, hello: Any, url: str, as_json: bool) -> str:
    """The answer for the terminal."""
    if as_json:
        return json_text(payload)
    server = hello.get("server", {}) if isinstance(hello, dict) else {}
    lines = [f"{url} is up" + (f" (version {server['version']})" if server.get("version") else "")]
    agents = payload.get("agents") if isinstance(payload, dict) else None
    for row in agents or []:
        name = row.get("name")
        marks = [name] if name and name != row.get("agentId") else []
        marks += ["default"] if row.get("isDefault") else []
        lines.append(
            f"  agent {row.get('agentId')}"
            + (f" ({', '.join(marks)})" if marks else "")
            + f": {count(row.get('sessions', {}).get('count', 0), 'session')}"
        )
    return plain("\n".join(lines))


__all__ = ["health", "render"]
