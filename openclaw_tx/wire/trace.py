# -*- test-case-name: tests.wire.test_trace -*-
"""W3C Trace Context: the header C{traceparent} (https://www.w3.org/TR/trace-context/, section 3.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

HEADER = "traceparent"

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16
MAX_LENGTH = 128
"""A version yet to come may be longer than version 00, but not by any amount."""


class Trace(NamedTuple):
    """Where something stands in a distributed trace."""

    trace_id: str
    """32 lower-case hex digits, not all zero."""
    span_id: str
    """16 of them: who calls."""
    flags: str = "01"
    """01 = sampled."""

    def __str__(self) -> str:
        """As a header of version 00."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def parse_trace(text: str) -> Trace | None:
    """Read a header; None when it is not one, which is to be ignored.

    Of a version yet to come, the four fields of version 00 are read. Of the flags, I{sampled} and I{random} are kept.
    """
    found = _PARENT.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more is not None) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return Trace(trace_id, span_id, f"{int(flags, 16) & 3:02x}")


def trace_header(lines: Sequence[bytes] | None) -> str:
    """The header of a request as it came; "" when there is none, or more than one: which counts can not be known."""
    if not lines or len(lines) != 1 or len(lines[0]) > MAX_LENGTH:
        return ""
    return lines[0].decode("latin-1").strip()


def child(parent: str, unique: str) -> str:
    """The header for a new span: in the trace of C{parent} where that is one, otherwise in a new one.

    @param parent: a header as it came; anything.
    @param unique: a UUID, from which the new ids are taken.
    """
    digits = unique.replace("-", "").lower()
    trace = parse_trace(parent)
    span = digits[-16:]
    return str(Trace(trace.trace_id, span, trace.flags) if trace is not None else Trace(digits, span))


def trace_id(header: str) -> str:
    """The trace that a header belongs to, for logs; "" when it is none."""
    trace = parse_trace(header)
    return trace.trace_id if trace is not None else ""


__all__ = ["HEADER", "Trace", "child", "parse_trace", "trace_header", "trace_id"]
