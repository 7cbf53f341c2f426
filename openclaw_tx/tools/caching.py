# -*- test-case-name: tests.tools.test_caching -*-
"""Answers kept for a while, for tools that ask elsewhere."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Cache(Generic[V]):
    """Keeps values up to an age, a number and a total size; the one unused for longest goes first."""

    def __init__(self, seconds: Callable[[], float], entries: int, size: int) -> None:
        """
        @param seconds: the time.
        @param entries: most values.
        @param size: most of all their sizes together; a value that is larger alone is not kept.
        """
        self._seconds = seconds
        self._entries = entries
        self._room = size
        self._kept: OrderedDict[Hashable, tuple[float, int, V]] = OrderedDict()

    def get(self, key: Hashable, max_age_s: float) -> V | None:
        """The value, unless it is older than C{max_age_s}; then it goes."""
        found = self._kept.get(key)
        if found is None:
            return None
        at, _, value = found
        if self._seconds() - at >= max_age_s:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return value

    def put(self, key: Hashable, value: V, size: int) -> None:
        """Keep a value from now on, in place of an older one."""
        if key in self._kept:
            self._drop(key)
        self._kept[key] = (self._seconds(), size, value)
        self._room -= size
        while self._kept and (len(self._kept) > self._entries or self._room < 0):
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        self._room += self._kept.pop(key)[1]


__all__ = ["Cache"]
