# -*- test-case-name: tests.wire.test_headers -*-
"""Reading request headers the same way on both surfaces (RFC 9110 5.3)."""

from __future__ import annotations

from collections.abc import Sequence

LISTS = frozenset({"x-forwarded-for"})
"""Headers whose repeated lines are one list. A proxy may append its own line: to take the first alone would believe
the client."""


def header_value(name: str, values: Sequence[bytes] | None) -> str | None:
    """The value of a header: the first line, or all lines of a list joined by commas; trimmed.

    @param name: in any case.
    @param values: the lines as they came; bytes that are not UTF-8 are read as Latin-1.
    """
    if not values:
        return None
    value = b",".join(values) if len(values) > 1 and name.lower() in LISTS else values[0]
    try:
        return value.decode("utf-8").strip()
    except UnicodeDecodeError:
        return value.decode("latin-1").strip()
