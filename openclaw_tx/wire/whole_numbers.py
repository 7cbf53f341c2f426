# -*- test-case-name: tests.wire.test_whole_numbers -*-
"""Integers that a client writes as C{100.0} or C{1e2}: integers to JSON Schema and JavaScript alike. Pure.

The decoder of typed values takes them for floats. What it refuses for that is put right here and read again, and
nothing else: neither text that looks like a number nor numbers in values that are kept as they came.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw

from openclaw_tx.wire.large_json import has_more_values

MAX_TRIES = 16
"""Most fields that are put right in one value."""
MAX_VALUES = 10_000
"""A value that holds more is not taken apart."""

_FOUND = re.compile(r"Expected `int(?: \| null)?`, got `float` - at `\$((?:\.\w+|\[(?:\.\.\.|\d+)\])+)`$")
_STEP = re.compile(r"\.(\w+)|\[[^]]+\]")
_objects = msgspec.json.Decoder(dict[str, Raw])
_arrays = msgspec.json.Decoder(list[Raw])
_number = msgspec.json.Decoder(float)


def decode(decoder: msgspec.json.Decoder[Any], data: bytes | Raw) -> Any:
    """What C{decoder} reads, whole numbers being integers.

    @raise msgspec.ValidationError: as the decoder: also for a float that is no whole number.
    @raise msgspec.DecodeError: likewise.
    """
    for _ in range(MAX_TRIES):
        try:
            return decoder.decode(data)
        except msgspec.ValidationError as error:
            found = _FOUND.match(str(error))
            if found is None or has_more_values(memoryview(data), MAX_VALUES):
                raise
            steps = [step.group(1) for step in _STEP.finditer(found.group(1))]
            better = _mended(memoryview(data), steps)
            if better == bytes(data):
                raise
            data = better
    return decoder.decode(data)


def _mended(data: memoryview, steps: list[str | None]) -> bytes:
    """The value with whole numbers for the floats at a place.

    @param steps: names of properties; None = all elements, or all properties.
    """
    if not steps:
        return _whole(data)
    step, *rest = steps
    try:
        inside: Any = (_arrays if bytes(data[:1]) == b"[" else _objects).decode(data)
    except msgspec.ValidationError:
        return bytes(data)
    if isinstance(inside, dict):
        for name in inside:
            if step in (None, name):
                inside[name] = Raw(_mended(memoryview(inside[name]), rest))
    elif step is None:
        inside = [Raw(_mended(memoryview(item), rest)) for item in inside]
    return msgspec.json.encode(inside)


def _whole(data: memoryview) -> bytes:
    try:
        number = _number.decode(data)
    except msgspec.ValidationError:
        return bytes(data)
    return b"%d" % int(number) if number.is_integer() else bytes(data)


__all__ = ["MAX_TRIES", "MAX_VALUES", "decode"]
