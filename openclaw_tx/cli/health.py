# -*- test-case-name: tests.cli.test_health -*-
"""C{openclaw-tx health}: is the gateway up, and who answers there."""

from __future__ import annotations

from typing import Any

import click

from openclaw_tx.cli.place import Place, here
from openclaw_tx.cli.remote import remote_options, target_of


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the gateway's whole answer as JSON.")
@click.option(
    "--timeout", type=click.IntRange(1), default=10_000, show_default=True, metavar="MS", help="Longest wait."
)
@remote_options
@here
def health(place: Place, as_json: bool, timeout: int, url: str | None, token: str | None, password: str | None) -> None:
    """Ask the gateway how it is. The exit code is 1 when it does not answer."""
    from openclaw_tx.cli import reactor
    from openclaw_tx.cli.client import connect, endpoint_of

    loaded = place.load()
    target = target_of(loaded, url, token, password)

    async def ask(running: Any) -> None:
        client = await connect(target, endpoint_of(target, running), running, timeout=timeout / 1000)
        try:
            payload = await client.call("health", {}, timeout / 1000)
            click.echo(render(payload, client.hello, target.url, as_json))
        finally:
            await client.close()

    reactor.run(ask)


def render(payload: Any, hello: Any, url: str, as_json: bool) -> str:
    """The answer for the terminal."""
    import json

    if as_json:
        return json.dumps(payload, ensure_ascii=False, indent=2)
    server = hello.get("server", {}) if isinstance(hello, dict) else {}
    lines = [f"{url} is up" + (f" (version {server['version']})" if server.get("version") else "")]
    agents = payload.get("agents") if isinstance(payload, dict) else None
    for row in agents or []:
        name = row.get("name")
        marks = [name] if name and name != row.get("agentId") else []
        marks += ["default"] if row.get("isDefault") else []
        count = row.get("sessions", {}).get("count", 0)
        lines.append(
            f"  agent {row.get('agentId')}"
            + (f" ({', '.join(marks)})" if marks else "")
            + f": {count} session{'' if count == 1 else 's'}"
        )
    return "\n".join(lines)


__all__ = ["health", "render"]
