# -*- test-case-name: tests.cli.test_logs -*-
"""C{openclaw-tx logs}: the end of a gateway's log, and what is added to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from openclaw_tx.cli.output import echo_raw, json_text, plain
from openclaw_tx.cli.place import Place, here
from openclaw_tx.cli.remote import remote_options, timeout_option

if TYPE_CHECKING:
    from openclaw_tx.cli.client import GatewayClient


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with what is added, until interrupted.")
@click.option("--limit", type=click.IntRange(1, 5000), default=200, show_default=True, help="Lines to begin with.")
@click.option(
    "--interval", type=click.IntRange(100), default=1000, show_default=True, metavar="MS", help="Pause between looks."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@click.option("--plain", "as_is", is_flag=True, help="Print the lines as they are in the file.")
@timeout_option(10_000)
@remote_options
@here
def logs(
    place: Place,
    /,
    follow: bool,
    limit: int,
    interval: int,
    as_json: bool,
    as_is: bool,
    timeout: int,
    **remote: str | None,
) -> None:
    """Print the end of the gateway's log."""
    from openclaw_tx.deferreds import sleep

    async def work(client: GatewayClient) -> None:
        found = await client.call("logs.tail", {"limit": limit}, timeout / 1000)
        if as_json:
            meta = {"type": "meta", **{key: found[key] for key in ("file", "cursor", "size")}}
            click.echo(json_text(meta, indent=None))
        while True:
            if found.get("truncated") and not as_json:
                click.echo("(earlier lines are left out)", err=True)
            for line in found["lines"]:
                if as_is:
                    echo_raw(line)
                else:
                    click.echo(shown(line, as_json))
            if not follow:
                return
            await sleep(client.clock, interval / 1000)
            more = {"cursor": found["cursor"], "limit": 5000}
            found = await client.call("logs.tail", more, timeout / 1000)

    place.talk(remote, work, timeout=timeout / 1000)


def shown(line: str, as_json: bool) -> str:
    """A line of the file for the terminal, or as the object that OpenClaw's C{logs --json} prints."""
    import json

    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        return json_text({"type": "raw", "raw": line}, indent=None) if as_json else plain(line)
    time, level = str(record.get("time", "")), str(record.get("level", ""))
    subsystem, message = str(record.get("namespace", "")), str(record.get("message", ""))
    if as_json:
        fields = {"time": time, "level": level, "subsystem": subsystem, "message": message}
        return json_text({"type": "log", **fields, "raw": line}, indent=None)
    head = " ".join(part for part in (time, level.upper().ljust(5), subsystem) if part.strip())
    error = record.get("error")
    trace = f"\n{error['traceback']}" if isinstance(error, dict) and isinstance(error.get("traceback"), str) else ""
    return plain(f"{head} {message}{trace}")


__all__ = ["logs", "shown"]
