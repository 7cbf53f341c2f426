# -*- test-case-name: tests.wire.test_events -*-
"""Frames of events are those that autobahn would have made."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.outbox import Outbox
from openclaw_tx.wire.events import Batch, Event, Numbered, text_frame_head
from openclaw_tx.wire.frames import event_body, numbered

LENGTHS = (*range(300), 65_534, 65_535, 65_536, 65_537, 200_000)
"""Around each length at which the head of a frame changes."""


class Reference(WebSocketServerProtocol):  # type: ignore[misc]
    """autobahn's protocol, taken for connected."""

    def __init__(self) -> None:
        super().__init__()
        self.factory: Any = WebSocketServerFactory(reactor=Clock())
        self.wire = StringTransport()
        self.transport: Any = self.wire
        self._connectionMade()
        self.state = self.STATE_OPEN

    def framed(self, message: bytes) -> bytes:
        """What it sends for a text message."""
        self.wire.clear()
        self.sendMessage(message, False)
        return self.wire.value()


def event(length: int, droppable: bool = False) -> Event:
    """An event with so much in its payload."""
    return Event(event_body("e", b'"%b"' % (b"x" * length)), droppable)


class FrameTests(SynchronousTestCase):
    """One frame."""

    def test_like_autobahn(self) -> None:
        """For every length, and every number of digits, the bytes are those that autobahn sends."""
        reference = Reference()
        for length in LENGTHS:
            told = event(length)
            for seq in (1, 9, 10, 99, 1_000_000, 7):
                self.assertEqual(told.frame(seq), reference.framed(numbered(told.body, seq)))

    def test_head(self) -> None:
        """The head of an answer's frame likewise."""
        reference = Reference()
        for length in LENGTHS:
            self.assertEqual(text_frame_head(length) + b"x" * length, reference.framed(b"x" * length))


class BatchTests(SynchronousTestCase):
    """Several frames together."""

    @given(st.lists(st.integers(0, 300), min_size=1, max_size=12), st.integers(1, 2000))
    def test_frames(self, lengths: list[int], first: int) -> None:
        """They follow one another, and so do their numbers."""
        events = [event(length) for length in lengths]
        batch = Batch(events)
        expected = b"".join(each.frame(seq) for seq, each in enumerate(events, first))
        self.assertEqual(batch.frames(first), expected)
        self.assertGreaterEqual(batch.size, len(expected) - 16 * len(events))
        self.assertLessEqual(abs(batch.size - len(expected)), 16 * len(events))

    def test_many_hold_one_text(self) -> None:
        """Readers that do not read hold the events that all share, under numbers of their own."""
        events = [event(1000), event(2000)]
        batch = Batch(events)
        written: list[list[bytes]] = [[], []]
        for number, wrote in enumerate(written):
            outbox = Outbox(wrote.append, self.fail, limit=10_000)
            outbox.pauseProducing()
            for turn in range(2):
                outbox.push(Numbered(batch, 10 * number + 2 * turn + 1))
            self.assertEqual((wrote, outbox.held), ([], 2 * batch.size))
            outbox.resumeProducing()
            self.assertEqual(outbox.held, 0)
        self.assertEqual(
            [_numbers(b"".join(wrote)) for wrote in written],
            [[1, 2, 3, 4], [11, 12, 13, 14]],
        )


def _numbers(frames: bytes) -> list[int]:
    """The numbers of the frames, all of a size that needs two bytes."""
    found = []
    while frames:
        size = int.from_bytes(frames[2:4], "big")
        found.append(json.loads(frames[4 : 4 + size])["seq"])
        frames = frames[4 + size :]
    return found
