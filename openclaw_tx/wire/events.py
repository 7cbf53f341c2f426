# -*- test-case-name: tests.wire.test_events -*-
"""Events as bytes of the wire: encoded once and framed once for any number of connections (RFC 6455, 5.2).

Of an event's frame only the connection's own number differs (spec 2.7), and that stands at its end.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from openclaw_tx.wire.frames import numbered

NUMBER_BYTES = 16
"""What frame and number add to an event, roughly."""


def text_frame_head(size: int) -> bytes:
    """What comes before a whole text message of C{size} bytes from a server (RFC 6455, 5.2)."""
    if size < 126:
        return bytes((0x81, size))
    return b"\x81" + (struct.pack("!BH", 126, size) if size < 65_536 else struct.pack("!BQ", 127, size))


class Event:
    """One event, for whoever may hear of it.

    @ivar body: what L{openclaw_tx.wire.frames.event_body} made.
    @ivar droppable: may be skipped for a connection that does not keep up.
    """

    __slots__ = ("_front", "_width", "body", "droppable")

    def __init__(self, body: bytes, droppable: bool = False) -> None:
        self.body = body
        self.droppable = droppable
        self._front = b""
        self._width = 0

    def __len__(self) -> int:
        """Bytes that it takes on the wire, roughly."""
        return len(self.body) + NUMBER_BYTES

    def frame(self, seq: int) -> bytes:
        """The whole WebSocket frame of the event under a connection's number.

        What comes before the number is kept: it differs with the count of digits only, and connections that count
        alike come one after the other.
        """
        end = numbered(b"", seq)
        if len(end) != self._width:
            self._width = len(end)
            self._front = text_frame_head(len(self.body) + self._width) + self.body
        return self._front + end


class Batch:
    """Events that go to a connection together.

    @ivar size: bytes that they take on the wire, roughly.
    """

    __slots__ = ("events", "size")

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.size = sum(map(len, events))

    def frames(self, first: int) -> bytes:
        """The frames of all of them, one after the other.

        @param first: number of the first.
        """
        events = self.events
        if len(events) == 1:
            return events[0].frame(first)
        return b"".join([event.frame(seq) for seq, event in enumerate(events, first)])

    def without_droppable(self, fits: Callable[[int], bool]) -> Batch:
        """What goes to a connection for which all of it is too much.

        @param fits: whether so many bytes are not too much.
        """
        kept: list[Event] = []
        size = 0
        for event in self.events:
            if not event.droppable or fits(size + len(event)):
                kept.append(event)
                size += len(event)
        return Batch(kept)


class Numbered:
    """A batch under a connection's numbers, as its outbox may have to hold it: many that do not read hold one text.

    See L{openclaw_tx.runs.outbox.Mergeable}.
    """

    __slots__ = ("_batch", "_first")

    def __init__(self, batch: Batch, first: int) -> None:
        self._batch = batch
        self._first = first

    @property
    def size(self) -> int:
        """Bytes that are owed to the client."""
        return self._batch.size

    def absorb(self, later: object) -> bool:
        """Events are never merged."""
        return False

    def render(self) -> bytes:
        """The frames."""
        return self._batch.frames(self._first)


__all__ = ["Batch", "Event", "Numbered", "text_frame_head"]
