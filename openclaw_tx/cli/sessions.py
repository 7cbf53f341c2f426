# -*- test-case-name: tests.cli.test_sessions -*-
"""C{openclaw-tx sessions}: the sessions of the state directory, listed, imported and exported.

It works on the store itself, whether a gateway runs or not: several processes may use it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.output import count, echo_json, plain, table
from openclaw_tx.cli.place import Place, here

LIMIT = 100


def list_options(command: Any) -> Any:
    """What to list, and how."""
    for option in (
        click.option(
            "--limit", type=click.IntRange(1, 10_000), default=LIMIT, show_default=True, help="At most so many."
        ),
        click.option("--agent", "agent_id", metavar="ID", help="Only this agent's."),
        click.option("--active", type=click.IntRange(1), metavar="MINUTES", help="Only those used in this time."),
        click.option("--json", "as_json", is_flag=True, help="Print them as JSON, in OpenClaw's shape."),
    ):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@list_options
@click.pass_context
def sessions(context: click.Context, as_json: bool, active: int | None, agent_id: str | None, limit: int) -> None:
    """List sessions, newest first; import and export those of OpenClaw."""
    if context.invoked_subcommand is None:
        show(context.ensure_object(Place), as_json, active, agent_id, limit)


@sessions.command("list")
@list_options
@here
def list_sessions(place: Place, as_json: bool, active: int | None, agent_id: str | None, limit: int) -> None:
    """List sessions, newest first."""
    show(place, as_json, active, agent_id, limit)


def show(place: Place, as_json: bool, active: int | None, agent_id: str | None, limit: int) -> None:
    """Print the list."""
    import time

    from openclaw_tx.cli.session_store import closing_store, database_of
    from openclaw_tx.values import SessionFilter, SessionPage

    loaded = place.load()
    path = database_of(loaded)
    now = int(time.time() * 1000)
    wanted = SessionFilter(
        agent_id=(agent_id or "").lower(), since_ms=now - active * 60_000 if active else 0, hidden=("unknown",)
    )
    page = SessionPage(entries=(), total=0)
    if path.exists():
        with closing_store(loaded) as (store, do):
            page = do(store.select(wanted, limit=limit))
    if as_json:
        rows = [row(entry, now) for entry in page.entries]
        answer = {
            "path": str(path),
            "count": len(rows),
            "totalCount": page.total,
            "limitApplied": limit,
            "hasMore": len(rows) < page.total,
            "activeMinutes": active,
            "sessions": rows,
        }
        echo_json(answer)
        return
    if not page.entries:
        click.echo("No sessions." if not active else f"No sessions used in the last {active} minutes.")
        return
    columns = ("key", "age", "model", "context", "title")
    table(place.console(), columns, [cells(entry, now) for entry in page.entries], right=("context",))
    if len(page.entries) < page.total:
        click.echo(f"{len(page.entries)} of {page.total}; --limit shows more.")


def row(entry: Any, now_ms: int) -> dict[str, Any]:
    """A session as OpenClaw's command prints it."""
    from openclaw_tx.sessions.keys import SENTINELS, conversation_of
    from openclaw_tx.wire.openclaw_sessions import entry_object

    kind = entry.key if entry.key in SENTINELS else "direct" if conversation_of(entry.key).kind == "direct" else "group"
    whole = entry_object(entry)
    return {
        "key": entry.key,
        "kind": kind,
        "agentId": entry.agent_id,
        "ageMs": max(0, now_ms - entry.updated_at_ms),
        **whole,
        **({"title": entry.title} if entry.title else {}),
    }


def cells(entry: Any, now_ms: int) -> tuple[str, ...]:
    """A session as a row of the table."""
    model = entry.settings.model_ref or (f"{entry.model_provider}/{entry.model}" if entry.model else "")
    tokens = str(entry.total_tokens) if entry.total_tokens else ""
    return entry.key, age(now_ms - entry.updated_at_ms), model, tokens, entry.label or entry.title


def age(ms: int) -> str:
    """How long ago, in one unit."""
    minutes = max(0, ms) // 60_000
    for size, unit in ((1440, "d"), (60, "h")):
        if minutes >= size:
            return f"{minutes // size}{unit}"
    return f"{minutes}m" if minutes else "now"


@sessions.command("import")
@click.argument("source", type=click.Path(exists=True, path_type=Path), required=False)
@click.option("--agent", "agent_id", metavar="ID", help="Only this agent's; whose sessions are that name no agent.")
@click.option("--replace", is_flag=True, help="Archive a session of ours whose key a session of theirs has.")
@click.option("--dry-run", is_flag=True, help="Only tell what would become of each.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@here
def import_sessions(
    place: Place, source: Path | None, agent_id: str | None, replace: bool, dry_run: bool, as_json: bool
) -> None:
    """Import OpenClaw's sessions.json and transcripts; its files stay as they are.

    SOURCE is a sessions.json, its directory, or a state directory [default: the gateway's own]. A second import brings
    what was added since. The exit code is 1 when a session could not be read.
    """
    from openclaw_tx.cli.session_store import closing_store, database_of, imported_from

    loaded = place.load()
    fresh = not database_of(loaded).exists()
    origin = source or Path(loaded.state_dir)
    with closing_store(loaded, in_memory=fresh and dry_run) as (store, do):
        report = imported_from(store, do, origin, (agent_id or "").lower(), replace=replace, dry_run=dry_run)
    if as_json:
        echo_json(report)
    else:
        click.echo(plain(told(report)))
    if report["failed"]:
        raise SystemExit(1)


WORDS = {
    "added": "added",
    "updated": "went on; brought up to date",
    "known": "known already",
    "differs": "has gone on here another way; left as it is",
    "taken": "its key is another session's here; --replace archives that",
    "failed": "can not be used",
}


def told(report: dict[str, Any]) -> str:
    """A report for the terminal."""
    lines = []
    for session in report["sessions"]:
        notes = [WORDS[session["outcome"]]]
        if session["leftOut"]:
            notes.append("left out " + ", ".join(f"{count} {kind}" for kind, count in session["leftOut"].items()))
        lines.append(f"{session['key']}: {session['messages']} messages, {'; '.join(notes)}")
        lines += [f"  {fault}" for fault in session["faults"]]
    lines += report["faults"]
    if report["orphans"]:
        lines.append(f"{report['orphans']} transcripts that no sessions.json names were left.")
    counts = [f"{count} {outcome}" for outcome, count in report["counts"].items()]
    head = "Would be: " if report["dryRun"] else ""
    lines.append(head + (", ".join(counts) if counts else "nothing to import") + ".")
    return "\n".join(lines)


@sessions.command("export")
@click.option("--agent", "agent_id", metavar="ID", help="Only this agent's.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("openclaw-sessions"),
    show_default=True,
    help="Where to; the files are below agents/<id>/sessions.",
)
@here
def export_sessions(place: Place, agent_id: str | None, out: Path) -> None:
    """Export sessions as OpenClaw's sessions.json and transcripts."""
    from openclaw_tx.cli.session_store import closing_store, database_of, exported_to

    loaded = place.load()
    if not database_of(loaded).exists():
        raise CommandError("there are no sessions yet")
    with closing_store(loaded) as (store, do):
        exported = exported_to(store, do, out, (agent_id or "").lower())
    click.echo(f"{count(exported, 'session')} exported to {out}.")


__all__ = ["sessions"]
