# -*- test-case-name: tests.cli.test_cron -*-
"""C{openclaw-tx cron}: jobs by the clock, over the gateway's WebSocket; the options are OpenClaw's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from openclaw_tx.cli.cron_fields import cells, fields, when
from openclaw_tx.cli.output import echo_json, plain, table
from openclaw_tx.cli.place import Place, here
from openclaw_tx.cli.remote import remote_options

if TYPE_CHECKING:
    from openclaw_tx.cli.client import GatewayClient

F = TypeVar("F", bound=Callable[..., Any])

SCOPES = ("operator.admin",)
TIMEOUT_SECONDS = 30.0
LEVELS = ("off", "minimal", "low", "medium", "high", "xhigh")


@click.group()
def cron() -> None:
    """Have agents do things by the clock."""


def job_options(command: F) -> F:
    """Adds what a job is made of."""
    wakes = click.Choice(["now", "next-heartbeat"])
    for option in (
        click.option("--post-max-chars", type=click.IntRange(0), help="Most characters of --post-mode full."),
        click.option("--post-mode", type=click.Choice(["summary", "full"]), help="How much the main session is told."),
        click.option("--post-prefix", help="What the main session's news begins with."),
        click.option("--timeout-seconds", type=click.IntRange(1), help="Longest run of --message."),
        click.option("--thinking", type=click.Choice(LEVELS), help="Thinking level for --message."),
        click.option("--model", metavar="REF", help="Model for --message."),
        click.option("--message", metavar="TEXT", help="Have the agent answer this, in a session of the job's own."),
        click.option("--system-event", metavar="TEXT", help="Note this in the agent's main session."),
        click.option("--tz", metavar="ZONE", help="Time zone of --cron, an IANA name."),
        click.option("--cron", "expression", metavar="EXPR", help="Due by an expression of five or six fields."),
        click.option("--every", metavar="DURATION", help="Due at a pace, such as 30m or 2h."),
        click.option("--at", metavar="TIME", help="Due once: an ISO 8601 time, or a duration from now such as 20m."),
        click.option("--wake", type=wakes, help="When the main session's agent looks at the news."),
        click.option("--session", type=click.Choice(["main", "isolated"]), help="Where [default: as the payload]."),
        click.option("--agent", metavar="ID", help="Whose job [default: the default agent's]."),
        click.option("--description", help="What it is for."),
    ):
        command = option(command)
    return command


@cron.command(name="list")
@click.option("--all", "include_disabled", is_flag=True, help="Also those that are disabled.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@remote_options
@here
def list_jobs(place: Place, /, include_disabled: bool, as_json: bool, **remote: str | None) -> None:
    """List jobs, the one that is due next first."""
    found = ask(place, "cron.list", {"includeDisabled": include_disabled}, remote)
    if as_json:
        echo_json(found)
        return
    jobs = found["jobs"]
    if not jobs:
        click.echo("No jobs.", err=True)
        return
    columns = ("id", "name", "schedule", "next", "last", "target", "agent")
    table(place.console(), columns, [cells(job) for job in jobs])


@cron.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@remote_options
@here
def status(place: Place, /, as_json: bool, **remote: str | None) -> None:
    """Show how the scheduler stands."""
    found = ask(place, "cron.status", {}, remote)
    if as_json:
        echo_json(found)
        return
    due = found.get("nextWakeAtMs")
    click.echo(f"{'on' if found['enabled'] else 'off'}, {found['jobs']} jobs, next {when(due)}")


@cron.command()
@click.option("--name", required=True, help="What it is called.")
@click.option("--disabled", is_flag=True, help="Do not run it yet.")
@click.option("--delete-after-run", is_flag=True, help="Remove it once it went well, if it is for one time.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
@job_options
@remote_options
@here
def add(
    place: Place,
    /,
    name: str,
    disabled: bool,
    delete_after_run: bool,
    as_json: bool,
    url: str | None,
    token: str | None,
    password: str | None,
    **options: Any,
) -> None:
    """Add a job: one of --at, --every and --cron, and one of --message and --system-event."""
    import time

    draft = {"name": name, "enabled": not disabled, "wakeMode": "next-heartbeat", **fields(options, time.time())}
    if delete_after_run:
        draft["deleteAfterRun"] = True
    if "schedule" not in draft:
        raise click.UsageError("Say when: --at, --every or --cron.")
    if "payload" not in draft:
        raise click.UsageError("Say what: --message or --system-event.")
    job = ask(place, "cron.add", draft, {"url": url, "token": token, "password": password})
    told(job, as_json)


@cron.command()
@click.argument("job_id", metavar="ID")
@click.option("--name", help="What it is called.")
@click.option("--enable/--disable", "enabled", default=None, help="Run it, or do not.")
@click.option("--delete-after-run/--keep-after-run", "delete_after_run", default=None, help="What follows a good run.")
@click.option("--clear-model", is_flag=True, help="The agent's own model again.")
@click.option("--clear-thinking", is_flag=True, help="The usual thinking level again.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
@job_options
@remote_options
@here
def edit(
    place: Place,
    /,
    job_id: str,
    name: str | None,
    enabled: bool | None,
    delete_after_run: bool | None,
    as_json: bool,
    url: str | None,
    token: str | None,
    password: str | None,
    **options: Any,
) -> None:
    """Change the job ID. What is not named stays."""
    import time

    patch = fields(options, time.time(), new=False)
    named = {"name": name, "enabled": enabled, "deleteAfterRun": delete_after_run}
    patch.update({key: value for key, value in named.items() if value is not None})
    if not patch:
        raise click.UsageError("Say what to change.")
    remote = {"url": url, "token": token, "password": password}
    job = ask(place, "cron.update", {"id": job_id, "patch": patch}, remote)
    told(job, as_json)


def _switch(name: str, enabled: bool, help: str) -> None:
    """C{enable} and C{disable}."""

    @cron.command(name=name, help=help)
    @click.argument("job_id", metavar="ID")
    @remote_options
    @here
    def switch(place: Place, /, job_id: str, **remote: str | None) -> None:
        job = ask(place, "cron.update", {"id": job_id, "patch": {"enabled": enabled}}, remote)
        told(job, False)


_switch("enable", True, "Run the job ID again.")
_switch("disable", False, "Do not run the job ID any more.")


@cron.command()
@click.argument("job_id", metavar="ID")
@remote_options
@here
def rm(place: Place, /, job_id: str, **remote: str | None) -> None:
    """Remove the job ID; a run of it that is at work goes on. The exit code is 1 when there is none."""
    from openclaw_tx.cli.errors import CommandError

    if not ask(place, "cron.remove", {"id": job_id}, remote)["removed"]:
        raise CommandError(f"there is no job {job_id}")
    click.echo(f"{job_id}: removed")


@cron.command()
@click.argument("job_id", metavar="ID")
@click.option("--due", is_flag=True, help="Only if it is due.")
@remote_options
@here
def run(place: Place, /, job_id: str, due: bool, **remote: str | None) -> None:
    """Start the job ID now. The exit code is 1 when it was not started."""
    from openclaw_tx.cli.errors import CommandError

    found = ask(place, "cron.run", {"id": job_id, "mode": "due" if due else "force"}, remote)
    if not found["ran"]:
        raise CommandError(f"{job_id} was not started: {found.get('reason', 'unknown')}")
    click.echo(f"{job_id}: started")


@cron.command()
@click.option("--id", "job_id", required=True, metavar="ID", help="Which job.")
@click.option("--limit", type=click.IntRange(1, 5000), default=50, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@remote_options
@here
def runs(place: Place, /, job_id: str, limit: int, as_json: bool, **remote: str | None) -> None:
    """Show how a job's runs ended, the newest first."""
    found = ask(place, "cron.runs", {"id": job_id, "limit": limit}, remote)
    if as_json:
        echo_json(found)
        return
    for entry in found["entries"]:
        took = f" in {entry['durationMs'] / 1000:.1f} s" if "durationMs" in entry else ""
        said = " ".join(str(entry.get("error") or entry.get("summary") or "").split())
        click.echo(f"{when(entry['ts'])} {entry['status']}{took}" + (f": {plain(said[:200])}" if said else ""))


def told(job: Any, as_json: bool) -> None:
    """A job that was added or changed."""
    if as_json:
        echo_json(job)
    else:
        click.echo(
            f"{job['id']}: " + (f"next {when(job['state'].get('nextRunAtMs'))}" if job["enabled"] else "disabled")
        )


def ask(place: Place, method: str, params: dict[str, Any], remote: dict[str, str | None]) -> Any:
    """Call one method of the gateway.

    @param remote: C{url}, C{token} and C{password} of the command line.
    @raise CommandError: it says no, or is not there.
    """

    async def work(client: GatewayClient) -> Any:
        return await client.call(method, params, TIMEOUT_SECONDS)

    return place.talk(remote, work, SCOPES)


__all__ = ["cron"]
