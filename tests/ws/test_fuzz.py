"""Any bytes at all: below the handshake as WebSocket frames, within it as one that is nearly right."""

from __future__ import annotations

import copy
import struct
from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.ws.channel import text_frame_head
from tests.ws.fakes import TOKEN
from tests.ws.harness import ALL_SCOPES, House, Line, connect_params
from tests.ws.identity import Identity
from tests.ws.test_connection import Kit

CLOSES = {1000, 1002, 1003, 1007, 1008, 1009}
"""Codes that a client's own doing may be answered with; 1011 would be a bug of ours."""

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def frame(payload: bytes, first: int = 0x81, mask: bytes = b"\0\0\0\0") -> bytes:
    """A client's frame, masked as it must be (RFC 6455, 5.2)."""
    size = len(payload)
    head = bytes((first, 0x80 | size)) if size < 126 else struct.pack("!BBH", first, 0xFE, size)
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def feed(line: Line, data: bytes) -> None:
    """Put bytes on the line as if the client's library had sent them."""
    line.client.transport.write(data)
    line.pump.flush()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with another value at a place."""
    whole = copy.deepcopy(value)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return whole


class FrameTests(SynchronousTestCase):
    """What comes out of the TCP connection after the upgrade."""

    def setUp(self) -> None:
        self.house = House()

    def tearDown(self) -> None:
        self.house.close()
        self.house.advance(2)
        self.assertEqual(len(self.house.surface), 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    @settings(max_examples=150, deadline=None)
    @given(st.booleans(), st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=5))
    def test_any_bytes(self, ready: bool, pieces: list[bytes]) -> None:
        """Whatever they are, there is a fitting close or the wait for more; never an exception, never an answer to
        somebody who was not let in."""
        line = self.house.ready() if ready else self.house.open()
        for piece in pieces:
            feed(line, piece)
        if line.closed is not None:
            self.assertIn(line.closed[0], CLOSES)
        if not ready:
            self.assertEqual(
                [frame["event"] for frame in line.frames if frame["type"] == "event"], ["connect.challenge"]
            )
        line.client.transport.loseConnection()
        line.pump.flush()
        self.house.lines.remove(line)

    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(
            st.tuples(st.integers(0, 255), st.binary(max_size=130), st.binary(min_size=4, max_size=4)),
            min_size=1,
            max_size=6,
        )
    )
    def test_any_frames(self, frames: list[tuple[int, bytes, bytes]]) -> None:
        """Frames that are whole, with any opcode, any reserved bit and any fragmentation."""
        line = self.house.ready()
        for first, payload, mask in frames:
            feed(line, frame(payload, first, mask))
        if line.closed is not None:
            self.assertTrue(line.closed[0] in CLOSES or line.closed[0] is None or line.closed[0] >= 1000, line.closed)
            self.assertNotEqual(line.closed[0], 1011)
        line.client.transport.loseConnection()
        line.pump.flush()
        self.house.lines.remove(line)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.integers(1, 30), max_size=20), st.binary(min_size=4, max_size=4))
    def test_any_cuts(self, cuts: list[int], mask: bytes) -> None:
        """Frames mean the same however the network cuts them."""
        line = self.house.open()
        request = {"type": "req", "id": "hello", "method": "connect", "params": connect_params()}
        asked = {"type": "req", "id": "q", "method": "health"}
        data = b"".join(frame(msgspec.json.encode(value), mask=mask) for value in (request, asked))
        for size in cuts:
            feed(line, data[:size])
            data = data[size:]
        if data:
            feed(line, data)
        self.assertEqual([(line.answers(id)[0]["ok"]) for id in ("hello", "q")], [True, True])
        line.client.transport.loseConnection()
        line.pump.flush()
        self.house.lines.remove(line)

    @given(st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536, 70_000]))
    def test_our_own(self, size: int) -> None:
        """What the gateway sends is read by a client's library as it was written, at every form of the length."""
        head = text_frame_head(size)
        self.assertEqual(head[0], 0x81)
        told = head[1]
        if told == 126:
            told = int.from_bytes(head[2:], "big")
            self.assertEqual(len(head), 4)
        elif told == 127:
            told = int.from_bytes(head[2:], "big")
            self.assertEqual(len(head), 10)
        else:
            self.assertEqual(len(head), 2)
        self.assertEqual(told, size)


class ConnectTests(SynchronousTestCase):
    """A C{connect} that is right but for one thing."""

    PARAMS = connect_params(
        caps=["tool-events"], commands=["x"], permissions={"a": True}, pathEnv="/bin", locale="en", userAgent="test"
    )

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_one_change(self, data: st.DataObject) -> None:
        """It is let in with no more than it asked for, or refused with words and a close; nothing is logged."""
        path = data.draw(st.sampled_from(list(places(self.PARAMS))))
        params = changed(self.PARAMS, path, data.draw(_values))
        self.settle(Kit(), params)

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_one_change_of_a_device(self, data: st.DataObject) -> None:
        """What a device has signed can not be changed."""
        kit = Kit()
        signed = Identity().sign(connect_params(), "nonce", int(kit.clock.seconds() * 1000))
        path = data.draw(st.sampled_from([path for path in places(signed) if path[0] == "device"]))
        params = changed(
            signed, path, data.draw(_values | st.text(alphabet="0123456789abcdef", min_size=64, max_size=64))
        )
        let_in = self.settle(kit, params)
        self.assertEqual(let_in, params["device"] in (None, signed["device"]), params["device"])

    def settle(self, kit: Kit, params: Any) -> bool:
        """Say it; True when it was let in."""
        kit.ask("connect", params, "hello")
        answer = kit.link.frames[-1]
        if answer.get("ok"):
            self.assertIsNone(kit.link.closed)
            self.assertTrue(kit.connection.principal.scopes <= set(ALL_SCOPES))
            self.assertEqual(TOKEN in (params["auth"] or {}).values(), True)
        else:
            self.assertEqual(len(kit.link.frames), 2)
            self.assertIsNotNone(kit.link.closed)
            assert kit.link.closed is not None
            self.assertIn(kit.link.closed[0], (1002, 1008))
            self.assertNotIn(TOKEN, str(answer))
        kit.connection.lost()
        self.assertEqual(self.flushLoggedErrors(), [])
        return bool(answer.get("ok"))
