# -*- test-case-name: tests.wire.test_times -*-
"""Moments as OpenClaw and its clients write them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

LAST_MS = 253_402_300_799_999
"""The end of the year 9999: the last millisecond that has a date of four digits."""


def iso(ms: int) -> str:
    """Epoch milliseconds as C{2026-11-29T18:00:00.000Z}; none is earlier than 1970 or later than L{LAST_MS}."""
    seconds, rest = divmod(min(max(0, ms), LAST_MS), 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"


__all__ = ["LAST_MS", "iso"]
