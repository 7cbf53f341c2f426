# -*- test-case-name: tests.automation.test_schedule -*-
"""When a job is due. Pure.

Times are moments of the wall clock. What was missed, because nothing ran or the clock was set forward, is not made up
for: the next time of C{every} and C{cron} is always the first one after now. Only C{at} is kept until it was.
"""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from openclaw_tx.automation.cron_expression import next_match, zone
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import At, CronJob, Every, Schedule
from openclaw_tx.wire.times import LAST_MS

SHORTEST_MS = 1000
"""The fastest pace of a job."""


def checked(schedule: Schedule, timezone: str) -> Schedule:
    """A schedule as it is kept.

    @param timezone: for expressions that name none.
    @raise GatewayError: C{invalid_request} naming the field: it can never be due, or can not be read.
    """
    if isinstance(schedule, At):
        if schedule.at and schedule.at_ms is not None:
            raise _wrong("schedule.at", "can not stand beside atMs")
        if schedule.at:
            schedule = At(at_ms=moment(schedule.at))
        if schedule.at_ms is None:
            raise _wrong("schedule.at", "is missing")
        _not_too_late("schedule.atMs", schedule.at_ms)
    elif isinstance(schedule, Every):
        if schedule.every_ms < SHORTEST_MS:
            raise _wrong("schedule.everyMs", f"must be {SHORTEST_MS} or more")
        _not_too_late("schedule.everyMs", schedule.every_ms)
        _not_too_late("schedule.anchorMs", schedule.anchor_ms or 0)
    else:
        field = "schedule.tz" if schedule.tz else "schedule.expr"
        try:
            if schedule.tz:
                zone(schedule.tz)
            field = "schedule.expr"
            if next_match(schedule.expr, schedule.tz or timezone, 0) is None:
                raise ValueError(f"{schedule.expr!r} never matches")
        except ValueError as error:
            raise _wrong(field, str(error)) from None
    return schedule


def moment(text: str) -> int:
    """Epoch milliseconds of an ISO 8601 date and time; without an offset it is UTC.

    @raise GatewayError: C{invalid_request}.
    """
    try:
        found = datetime.fromisoformat(text.strip())
        found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        millis = round(found.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise _wrong("schedule.at", "is no ISO 8601 time such as 2026-11-29T18:00:00Z") from None
    if millis < 0:
        raise _wrong("schedule.at", "lies before 1970")
    _not_too_late("schedule.at", millis)
    return millis


def next_run(job: CronJob, now_ms: int, timezone: str) -> int | None:
    """When a job is due next, after C{now_ms}; an C{at} that has not been yet may lie before it. None = never.

    @param timezone: for expressions that name none.
    """
    due = _due(job, now_ms, timezone) if job.enabled else None
    return due if due is not None and due <= LAST_MS else None


def _due(job: CronJob, now_ms: int, timezone: str) -> int | None:
    schedule = job.schedule
    if isinstance(schedule, At):
        at_ms = schedule.at_ms or 0
        last = job.state.last_run_at_ms
        return at_ms if last is None or last < at_ms else None
    if isinstance(schedule, Every):
        anchor = schedule.anchor_ms if schedule.anchor_ms is not None else job.created_at_ms
        if now_ms < anchor:
            return anchor
        return anchor + ((now_ms - anchor) // schedule.every_ms + 1) * schedule.every_ms
    try:
        return next_match(schedule.expr, schedule.tz or timezone, now_ms)
    except ValueError:
        return None  # its zone has gone from this machine's database


def planned(job: CronJob, now_ms: int, timezone: str) -> CronJob:
    """The job with its C{nextRunAtMs} worked out anew."""
    return replace(job, state=replace(job.state, next_run_at_ms=next_run(job, now_ms, timezone)))


def _not_too_late(field: str, millis: int) -> None:
    """
    @raise GatewayError: C{invalid_request}.
    """
    if millis > LAST_MS:
        raise _wrong(field, "lies after the year 9999")


def _wrong(field: str, message: str) -> GatewayError:
    return GatewayError("invalid_request", f"{field}: {message}", param=field)


__all__ = ["SHORTEST_MS", "checked", "moment", "next_run", "planned"]
