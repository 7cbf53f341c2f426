# -*- test-case-name: tests.automation.test_schedule -*-
"""Cron expressions in time zones: the only door to C{cronsim}.

What a change of the clocks does is Debian cron's way, for expressions of five fields: a job at a set hour that the
change leaves out runs right after it, and one in an hour that comes twice runs once. Pure.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""Names for the expressions that people want most."""


def zone(name: str) -> ZoneInfo:
    """
    @raise ValueError: there is no such time zone.
    """
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        raise ValueError(f"{name!r} is no time zone; expected an IANA name such as Europe/Berlin") from None


def next_match(expression: str, timezone: str, after_ms: int) -> int | None:
    """The first moment after C{after_ms} that matches, in epoch milliseconds; None = there is none in 50 years.

    @param expression: minute, hour, day of month, month, day of week; with six fields, seconds come first. Where both
        days are restricted, either will do. Or a name of L{MACROS}.
    @raise ValueError: it is no such expression, or no such zone.
    """
    place = zone(timezone)
    try:
        start = datetime.fromtimestamp(after_ms / 1000, UTC).astimezone(place)
        found = next(CronSim(MACROS.get(expression.strip().lower(), expression), start))
    except CronSimError as error:
        raise ValueError(f"{expression!r} is no cron expression: {str(error)[:1].lower()}{str(error)[1:]}") from None
    except (StopIteration, OverflowError):
        return None
    return round(found.timestamp() * 1000)


__all__ = ["MACROS", "next_match", "zone"]
