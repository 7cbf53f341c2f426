# -*- test-case-name: tests.cli.test_doctor -*-
"""C{openclaw-tx doctor}: what keeps a gateway from working, and the repair of what can be repaired safely."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from openclaw_tx.cli.doctor_checks import Ill
from openclaw_tx.cli.doctor_checks import config as check_config
from openclaw_tx.cli.doctor_models import CHECKS, DEEP
from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.output import count, echo_json, json_option, plain
from openclaw_tx.cli.place import Place, here

COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


class Visit(NamedTuple):
    """What one look found."""

    ills: Sequence[Ill]
    ran: int
    """Checks that were made."""
    skipped: int
    """Checks that could not be made, or were not asked for."""


@click.command()
@click.option(
    "--fix", "--repair", is_flag=True, help="Repair what can be repaired safely; the old file is kept as .bak."
)
@click.option("--yes", "-y", is_flag=True, help="The same, answering every question with yes.")
@click.option("--non-interactive", is_flag=True, help="Never ask; without --fix nothing is changed.")
@click.option("--deep", is_flag=True, help="Connect to model providers, too.")
@json_option
@here
def doctor(place: Place, fix: bool, yes: bool, non_interactive: bool, deep: bool, as_json: bool) -> None:
    """Look what keeps the gateway from working. The exit code is 1 when an error is left."""
    visit = examined(place, deep)
    fixable = [ill for ill in visit.ills if ill.repair is not None]
    if not as_json:
        show(place, visit)
    wanted = fix or yes
    if fixable and not (wanted or non_interactive or as_json) and sys.stdin.isatty():
        wanted = click.confirm(f"Repair {count(len(fixable), 'problem')}?", default=True)
    repaired = repair(visit.ills) if wanted else []
    if repaired:
        visit = examined(place, deep)
    failed = any(ill.severity == "error" for ill in visit.ills)
    if as_json:
        echo_json(
            {
                "schemaVersion": 1,
                "ok": not failed,
                "checksRun": visit.ran,
                "checksSkipped": visit.skipped,
                "findings": [ill.as_json() for ill in visit.ills],
                **({"repaired": repaired} if wanted else {}),
            }
        )
    elif repaired:
        for each in repaired:
            click.echo(f"{'repaired' if each['ok'] else 'not repaired'}: {plain(str(each['message']))}")
        click.echo("")
        show(place, visit)
    elif fixable and not wanted:
        click.echo(f"`openclaw-tx doctor --fix` repairs {count(len(fixable), 'problem')}.", err=True)
    if failed:
        raise SystemExit(1)


def examined(place: Place, deep: bool) -> Visit:
    """Make every check. Without a configuration that can be used the others have nothing to go by."""
    ills = list(check_config(place))
    checks = (*CHECKS, *(DEEP if deep else ()))
    total = 1 + len(CHECKS) + len(DEEP)
    if any(ill.severity == "error" for ill in ills):
        return Visit(ills, 1, total - 1)
    loaded = place.load()
    for check in checks:
        ills += check(place, loaded)
    return Visit(ills, 1 + len(checks), total - 1 - len(checks))


def repair(ills: Sequence[Ill]) -> list[dict[str, Any]]:
    """Repair what can be; one that fails does not keep the others from it."""
    done: list[dict[str, Any]] = []
    said: set[str] = set()
    for ill in ills:
        if ill.repair is None or (ill.check_id == "config.invalid" and ill.check_id in said):
            continue  # all unknown keys go at once
        said.add(ill.check_id)
        try:
            done.append({"checkId": ill.check_id, "ok": True, "message": ill.repair()})
        except (CommandError, OSError) as error:
            message = error.message if isinstance(error, CommandError) else f"{error.filename}: {error.strerror}"
            done.append({"checkId": ill.check_id, "ok": False, "message": message})
    return done


def show(place: Place, visit: Visit) -> None:
    """What was found, for people."""
    from rich.text import Text

    console = place.console()
    for ill in sorted(visit.ills, key=lambda each: list(COLOURS).index(each.severity)):
        line = Text(ill.severity, COLOURS[ill.severity])
        where = f"{ill.path}: " if ill.path and ill.path not in ill.message else ""
        line.append(f" {ill.check_id}: {plain(where + ill.message)}", "default")
        console.print(line)
        if ill.hint:
            console.print(Text(f"  do: {plain(ill.hint)}"))
    errors = sum(ill.severity == "error" for ill in visit.ills)
    warnings = sum(ill.severity == "warning" for ill in visit.ills)
    console.print(Text(f"{count(visit.ran, 'check')}: {count(errors, 'error')}, {count(warnings, 'warning')}."))


__all__ = ["doctor"]
