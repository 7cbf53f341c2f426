# -*- test-case-name: tests.wire.test_encoded -*-
"""JSON of what is said again and again: a system prompt, a set of tools. It is written out once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

MAX_KEPT = 32
"""Values remembered; the one unused for longest goes."""

MAX_BYTES = 512 * 1024
"""JSON that is longer is written out each time."""


class Encoded:
    """Remembers by identity, so values must not change; they are held, so that an id stays theirs."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: OrderedDict[int, tuple[object, msgspec.Raw]] = OrderedDict()

    def of(self, value: T, shape: Callable[[T], Any]) -> msgspec.Raw:
        """The JSON of C{shape(value)}.

        @param shape: always the same one for the same value.
        """
        known = self._kept.get(id(value))
        if known is not None and known[0] is value:
            self._kept.move_to_end(id(value))
            return known[1]
        raw = msgspec.Raw(msgspec.json.encode(shape(value)))
        if len(bytes(raw)) <= MAX_BYTES:
            self._kept[id(value)] = (value, raw)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return raw


__all__ = ["Encoded"]
