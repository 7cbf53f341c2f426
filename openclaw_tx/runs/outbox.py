# -*- test-case-name: tests.runs.test_outbox -*-
"""The bounded queue to one watcher: the only place that knows back-pressure (design decision 8).

Transport willing: what is pushed is written at once. Transport paused: it is held, and pieces that can be merged are.
Over the limit: the watcher has ended, the run has not. A watcher never slows a run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

LIMIT = 1024 * 1024
"""Bytes held for a watcher that does not read, before it is given up."""


class Mergeable(Protocol):
    """An item that is rendered only when it is written, and until then may take in what comes right after it."""

    @property
    def size(self) -> int:
        """Bytes it holds."""

    def absorb(self, later: Item) -> bool:
        """Take C{later} in, so that this item stands for both. False when the two can not be merged."""

    def render(self) -> bytes:
        """The bytes to write. Called once."""


Item = bytes | Mergeable


@implementer(IPushProducer)
class Outbox:
    """A queue between a run and one watcher's transport. Register it as the transport's push producer
    (C{streaming=True}).

    @ivar held: bytes waiting for the transport.
    """

    __slots__ = ("_closed", "_drained", "_items", "_limit", "_overflow", "_paused", "_write", "held")

    def __init__(self, write: Callable[[bytes], None], overflow: Callable[[], None], limit: int = LIMIT) -> None:
        """
        @param write: hands bytes to the transport; called once for each item (merged items count as one).
        @param overflow: called once, when more than C{limit} bytes would be held; nothing is written after it.
        """
        self._write = write
        self._overflow = overflow
        self._limit = limit
        self._items: deque[Item] | None = None  # there is seldom anything in it, and it is large when empty
        self._paused = False
        self._closed = False
        self._drained: Callable[[], None] | None = None
        self.held = 0

    @property
    def willing(self) -> bool:
        """True when what is pushed now is written now."""
        return not (self._paused or self._items or self._closed)

    def push(self, item: Item) -> None:
        """Write an item, or hold it while the transport is paused. Ignored once the watcher has ended."""
        if self._closed:
            return
        if not self._paused and not self._items:
            self._write(item if isinstance(item, bytes) else item.render())
            return
        if self._items is None:
            self._items = deque()
        if not self._merge(self._items, item):
            self._items.append(item)
            self.held += _size(item)
        if self.held > self._limit:
            overflow = self._overflow
            self.close()
            overflow()

    def write(self, data: bytes) -> bool:
        """Write C{data} if nothing is in its way.

        @return: whether it was written; else L{push} it.
        """
        if self._paused or self._items or self._closed:
            return False
        self._write(data)
        return True

    def finish(self, drained: Callable[[], None]) -> None:
        """Call C{drained} once everything pushed so far has been taken by the transport; at once if it has been.

        It is never called after L{close}, an overflow or the end of the connection.
        """
        if self._closed:
            return
        if self._paused or self._items:
            self._drained = drained
        else:
            drained()

    def close(self) -> None:
        """Drop what is held, and who was to get it; ignore what comes."""
        self._closed = True
        self._write, self._overflow = _drop, _nothing
        self._drained = None
        self._items = None
        self.held = 0

    def pauseProducing(self) -> None:
        """The transport's buffer is full."""
        self._paused = True

    def resumeProducing(self) -> None:
        """The transport's buffer is empty: write until it is full again."""
        self._paused = False
        while self._items and not self._paused:
            item = self._items.popleft()
            self.held -= _size(item)
            self._write(item if isinstance(item, bytes) else item.render())
        if not self._items:
            self._items = None
        if self._drained is not None and not self._paused and not self._items:
            drained, self._drained = self._drained, None
            drained()

    def stopProducing(self) -> None:
        """The connection is gone."""
        self.close()

    def _merge(self, items: deque[Item], item: Item) -> bool:
        if not items:
            return False
        last = items[-1]
        if isinstance(last, bytes):
            return False
        before = last.size
        if not last.absorb(item):
            return False
        self.held += last.size - before
        return True


def _drop(data: bytes) -> None:
    """Takes what is for nobody."""


def _nothing() -> None:
    """Is told what nobody wants to know."""


def _size(item: Item) -> int:
    return len(item) if isinstance(item, bytes) else item.size


__all__ = ["LIMIT", "Item", "Mergeable", "Outbox"]
