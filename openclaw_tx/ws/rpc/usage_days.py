# -*- test-case-name: tests.ws.rpc.test_usage -*-
"""The days that a client asks about, and whose midnight they begin at. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta

from openclaw_tx.wire.frames import NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.rpc.asks import bad

MAX_DAYS = 400
"""Longest time that can be asked for in a number; counts of runs are kept for as long."""
RANGES = {"7d": 7, "30d": 30, "90d": 90, "1y": 365, "all": MAX_DAYS}
EPOCH = date(1970, 1, 1)
LAST_YEAR = 9000

Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class DaysParams(Params, frozen=True):
    """The params that say which days are meant."""

    days: Annotated[int, Meta(ge=1, le=MAX_DAYS)] = 30
    """So many days up to today."""
    range: Literal["", "7d", "30d", "90d", "1y", "all"] = ""
    """The same in words."""
    start_date: Day | None = None
    """Instead: from this day on,"""
    end_date: Day | None = None
    """to this one."""
    mode: Literal["utc", "gateway", "specific"] = "utc"
    """Whose midnight: UTC's, this machine's, or that of C{timeZone} or C{utcOffset}."""
    utc_offset: Annotated[str, Meta(pattern=r"^UTC[+-]\d{1,2}(?::[0-5]\d)?$")] | None = None
    """E.g. C{UTC+1} or C{UTC-3:30}, where there is no C{timeZone}."""
    time_zone: NonEmpty | None = None
    """E.g. C{Europe/Berlin}."""


class Days(NamedTuple):
    """The days that are meant."""

    first: date
    last: date
    zone: tzinfo

    @property
    def start_ms(self) -> int:
        """Midnight of the first, epoch milliseconds."""
        return midnight_ms(self.first, self.zone)

    @property
    def end_ms(self) -> int:
        """Midnight after the last."""
        return midnight_ms(self.last + timedelta(1), self.zone)


class _Here(tzinfo):
    """This machine's zone, in summer and in winter; what the system tells of now has no other time of the year."""

    def utcoffset(self, when: datetime | None) -> timedelta | None:
        """See L{tzinfo.utcoffset}."""
        return when.replace(tzinfo=None).astimezone().utcoffset() if when is not None else None

    def dst(self, when: datetime | None) -> timedelta | None:
        """Unknown."""
        return None

    def tzname(self, when: datetime | None) -> str | None:
        """See L{tzinfo.tzname}."""
        return when.replace(tzinfo=None).astimezone().tzname() if when is not None else None

    def fromutc(self, when: datetime) -> datetime:
        """See L{tzinfo.fromutc}."""
        return when.replace(tzinfo=UTC).astimezone().replace(tzinfo=self)


def days_of(method: str, params: DaysParams, now: float, max_days: int | None = MAX_DAYS) -> Days:
    """The days that params mean.

    @param now: epoch seconds.
    @param max_days: how many they may be; None = any number.
    @raise GatewayError: C{invalid_request}: they are none, or too many, or there is no such zone.
    """
    zone = _zone(method, params)
    today = datetime.fromtimestamp(now, zone).date()
    last = _day(method, "endDate", params.end_date) or today
    first = _day(method, "startDate", params.start_date)
    if first is None and params.range == "all" and max_days is None:
        first = EPOCH
    elif first is None:
        first = max(EPOCH, last - timedelta(RANGES.get(params.range, params.days) - 1))
    days = (last - first).days + 1
    if days < 1:
        raise bad(method, "startDate is after endDate")
    if max_days is not None and days > max_days:
        raise bad(method, f"from startDate to endDate there are more than {max_days} days")
    return Days(first, last, zone)


def midnight_ms(day: date, zone: tzinfo) -> int:
    """When a day begins, epoch milliseconds."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1000


def _day(method: str, name: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise bad(method, f"{name} is no day") from None
    if day < EPOCH or day.year >= LAST_YEAR:
        raise bad(method, f"{name} is not between 1970 and {LAST_YEAR}")
    return day


def _zone(method: str, params: DaysParams) -> tzinfo:
    if params.mode == "gateway":
        return _Here()
    if params.mode == "utc":
        return UTC
    if params.time_zone is not None:
        try:
            return ZoneInfo(params.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise bad(method, "timeZone is not known") from None
    if params.utc_offset is None:
        raise bad(method, "mode specific needs timeZone or utcOffset")
    hours, _, minutes = params.utc_offset.removeprefix("UTC").partition(":")
    offset = timedelta(hours=abs(int(hours)), minutes=int(minutes or 0))
    if offset > timedelta(hours=14):
        raise bad(method, "utcOffset is at most 14 hours")
    return timezone(-offset if hours.startswith("-") else offset)


__all__ = ["MAX_DAYS", "Days", "DaysParams", "days_of", "midnight_ms"]
