# -*- test-case-name: tests.cli.test_cron -*-
"""Jobs on the command line: from options to params, and from answers to text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import click


def fields(options: dict[str, Any], now: float, *, new: bool = True) -> dict[str, Any]:
    """The properties of a job that the options name.

    @param now: seconds since 1970.
    @param new: for a job that there is not yet; what another one does can be changed by the field.
    @raise UsageError: they do not go together.
    """
    found: dict[str, Any] = {}
    given = [name for name in ("at", "every", "expression") if options.get(name)]
    if len(given) > 1:
        raise click.UsageError("--at, --every and --cron exclude each other.")
    if options.get("tz") and given != ["expression"]:
        raise click.UsageError("--tz goes with --cron.")
    if given == ["at"]:
        seconds = duration(options["at"])
        found["schedule"] = (
            {"kind": "at", "at": options["at"]}
            if seconds is None
            else {"kind": "at", "atMs": int((now + seconds) * 1000)}
        )
    elif given == ["every"]:
        seconds = duration(options["every"])
        if not seconds:
            raise click.UsageError("--every: expected a duration such as 30m or 2h.")
        found["schedule"] = {"kind": "every", "everyMs": int(seconds * 1000)}
    elif given:
        zone = {"tz": options["tz"]} if options.get("tz") else {}
        found["schedule"] = {"kind": "cron", "expr": options["expression"], **zone}
    found.update(_payload(options, new))
    post = {"post_prefix": "postToMainPrefix", "post_mode": "postToMainMode", "post_max_chars": "postToMainMaxChars"}
    isolation = {key: options[name] for name, key in post.items() if options.get(name) is not None}
    if isolation:
        found["isolation"] = isolation
    for name, key in (("agent", "agentId"), ("session", "sessionTarget"), ("wake", "wakeMode"), ("description",) * 2):
        if options.get(name) is not None:
            found[key] = options[name]
    return found


def _payload(options: dict[str, Any], new: bool) -> dict[str, Any]:
    names = {"model": "model", "thinking": "thinking", "timeout_seconds": "timeoutSeconds"}
    more = {key: options[name] for name, key in names.items() if options.get(name) is not None}
    for key in ("model", "thinking"):
        if options.get(f"clear_{key}"):
            if key in more:
                raise click.UsageError(f"--{key} and --clear-{key} exclude each other.")
            more[key] = None
    if options.get("message") and options.get("system_event"):
        raise click.UsageError("--message and --system-event exclude each other.")
    if options.get("message"):
        payload = {"kind": "agentTurn", "message": options["message"], **more}
        return {"payload": payload, "sessionTarget": "isolated"}
    if more and (new or options.get("system_event")):
        raise click.UsageError("--model, --thinking and --timeout-seconds go with --message.")
    if more:
        return {"payload": {"kind": "agentTurn", **more}}
    if options.get("system_event"):
        return {"payload": {"kind": "systemEvent", "text": options["system_event"]}, "sessionTarget": "main"}
    return {}


def duration(text: str) -> float | None:
    """Seconds of C{20m} or C{+20m}, C{90s}, C{2h}, C{1d}, C{500ms}; None = it is no duration."""
    match = re.fullmatch(r"\+?(\d{1,9})(ms|s|m|h|d)", text.strip())
    if match is None:
        return None
    return int(match[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}[match[2]]


def cells(job: dict[str, Any]) -> tuple[str, ...]:
    """A job as a row of the table."""
    state = job["state"]
    last = "running" if "runningAtMs" in state else state.get("lastStatus", "")
    due = when(state.get("nextRunAtMs")) if job["enabled"] else "disabled"
    return (
        job["id"],
        job["name"],
        pace(job["schedule"]),
        due,
        last,
        job["sessionTarget"],
        job.get("agentId", ""),
    )


def pace(schedule: dict[str, Any]) -> str:
    """A schedule in words."""
    if schedule["kind"] == "at":
        return f"at {schedule.get('at') or when(schedule.get('atMs'))}"
    if schedule["kind"] == "every":
        return f"every {schedule['everyMs'] / 1000:g} s"
    return f"cron {schedule['expr']}" + (f" ({schedule['tz']})" if schedule.get("tz") else "")


def when(millis: int | None) -> str:
    """A moment for people, in UTC."""
    if millis is None:
        return "never"
    try:
        return datetime.fromtimestamp(millis / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError):
        return "after the year 9999"


__all__ = ["cells", "duration", "fields", "when"]
