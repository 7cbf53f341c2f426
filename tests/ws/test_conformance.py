# -*- test-case-name: tests.ws.test_conformance -*-
"""RFC 6455 by its bytes, in the sections of the Autobahn test suite: 1 framing, 2 pings, 3 reserved bits, 4 opcodes,
5 fragmentation, 6 UTF-8, 7 closing, 9 limits; and floods.

The gateway is whole, the client is bytes (L{tests.support.raw_websocket}). Where that suite has an echo server, here a
request for a method that there is not is answered under its id.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.ws.hello import MAX_EARLY_PAYLOAD, MAX_PAYLOAD
from openclaw_tx.ws.reading import MAX_FRAGMENTS, STEPS
from tests.support.house import House
from tests.support.raw_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    UPGRADE,
    Socket,
    fragments,
    frame,
    request,
)

AFTER = frame(request("after")) + frame(b"after", PING)
"""What must have no effect once the connection has failed."""


class Case(NamedTuple):
    """What a client sends once it is let in, and what comes of it."""

    name: str
    data: bytes
    answered: Sequence[str] = ()
    """Ids."""
    pongs: Sequence[bytes] = ()
    code: int | None = 0
    """Of the gateway's close; 0 = it does not close, None = a close without a code."""


def sized(size: int) -> bytes:
    """A request of so many bytes, with id C{a}."""
    pad = size - len(request("a", params={"x": ""}))
    return request("a", params={"x": "y" * pad})


def closing(code: int | None = None, reason: bytes = b"", opcode: int = CLOSE) -> bytes:
    """A close frame."""
    return frame((b"" if code is None else struct.pack("!H", code)) + reason, opcode)


A, B = request("a"), request("b")

FRAMING = (
    *(
        Case(f"1: {size} bytes", frame(sized(size)), ["a"])
        for size in (100, 125, 126, 127, 128, 65_535, 65_536, 65_537)
    ),
    *(Case(f"1: {size} binary bytes", frame(sized(size), BINARY), ["a"]) for size in (100, 126, 65_536)),
    Case("1: nothing", frame(b"") + frame(b"", BINARY) + frame(A), ["a"]),
    Case("1: two messages", frame(A) + frame(B), ["a", "b"]),
    Case("1: a mask of zeros", frame(A, mask=b"\0\0\0\0"), ["a"]),
    Case("1: no mask", frame(A, mask=None), code=1002),
    Case("1: a ping without a mask", frame(b"a", PING, mask=None), code=1002),
    Case("1: a length in 16 bits that fits in 7", frame(A[:100], form=16), code=1002),
    Case("1: a length in 64 bits that fits in 7", frame(A[:100], form=64), code=1002),
    Case("1: a length in 64 bits that fits in 16", frame(sized(200), form=64), code=1002),
    Case("1: a length of 64 bits", frame(b"", length=2**63, form=64), code=1002),
)

PINGS = (
    Case("2: empty", frame(b"", PING), pongs=[b""]),
    Case("2: text", frame(b"Hello", PING), pongs=[b"Hello"]),
    Case("2: no UTF-8", frame(b"\0\xff\xfe\xfd", PING), pongs=[b"\0\xff\xfe\xfd"]),
    Case("2: 125 bytes", frame(b"x" * 125, PING), pongs=[b"x" * 125]),
    Case("2: 126 bytes", frame(b"x" * 126, PING), code=1002),
    Case("2: ten", b"".join(frame(b"%d" % n, PING) for n in range(10)), pongs=[b"%d" % n for n in range(10)]),
    Case("2: a pong that nobody asked for", frame(b"x", PONG) + frame(b"", PONG) + frame(A), ["a"]),
    Case("2: a pong of 126 bytes", frame(b"x" * 126, PONG), code=1002),
)

RESERVED_BITS = tuple(
    Case(f"3: RSV {rsv} on opcode {opcode}", frame(A) + frame(A[:100], opcode, rsv=rsv), ["a"], code=1002)
    for rsv in range(1, 8)
    for opcode in (TEXT, BINARY, CLOSE, PING, PONG)
)

OPCODES = tuple(
    Case(f"4: opcode {opcode}{', empty' * (not payload)}", frame(A) + frame(payload, opcode), ["a"], code=1002)
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    for payload in (b"", b"hello")
)

ONE, TWO, THREE = fragments(A, 10, 20)

FRAGMENTS = (
    Case("5: two", b"".join(fragments(A, 10)), ["a"]),
    Case("5: as many as bytes", b"".join(fragments(A, *range(1, len(A)))), ["a"]),
    Case("5: empty ones", b"".join(fragments(A, 0, 0, 5, 5, len(A))), ["a"]),
    Case("5: a ping between", ONE + frame(b"p", PING) + TWO + frame(b"q", PING) + THREE, ["a"], [b"p", b"q"]),
    Case("5: a pong between", ONE + frame(b"p", PONG) + TWO + THREE, ["a"]),
    Case("5: a ping in two", frame(b"p", PING, fin=False) + frame(b"q", CONTINUATION), code=1002),
    Case("5: a pong in two", frame(b"p", PONG, fin=False) + frame(b"q", CONTINUATION), code=1002),
    Case("5: a close in two", frame(b"", CLOSE, fin=False), code=1002),
    Case("5: the end of nothing", frame(A, CONTINUATION), code=1002),
    Case("5: the middle of nothing", frame(A, CONTINUATION, fin=False), code=1002),
    Case("5: the end of nothing after a message", frame(A) + frame(B, CONTINUATION), ["a"], code=1002),
    Case("5: a message in a message", ONE + frame(B), code=1002),
    Case("5: a beginning in a message", ONE + frame(B, fin=False), code=1002),
    Case("5: a binary message in a text", ONE + frame(B, BINARY), code=1002),
    Case("5: a reserved bit in the middle", ONE + frame(A[10:20], CONTINUATION, fin=False, rsv=4), code=1002),
    Case("5: a close in the middle", ONE + closing(1000), code=1000),
    Case("5: binary, in three", b"".join(fragments(A, 3, 30, opcode=BINARY)), ["a"]),
)

GOOD_TEXTS = {
    "two bytes": "\u00a2\u07ff",
    "three bytes": "\u0800\u20ac\ud7ff\ue000\uffff",
    "four bytes": "\U00010000\U0001f600\U0010ffff",
    "not characters": "\ufffe\uffff\ufdd0\U0001ffff",
    "combining": "n\u0303o\u0308",
    "all lengths": "a\u00e4\u20ac\U00010348",
}
BAD_TEXTS = {
    "a continuation alone": b"\x80",
    "continuations alone": b"\xbf\x80\xbf",
    "a start alone": b"\xc3 ",
    "a start of three": b"\xe2\x82",
    "a start of four": b"\xf0\x90\x8d",
    "overlong slash": b"\xc0\xaf",
    "overlong slash in three": b"\xe0\x80\xaf",
    "overlong slash in four": b"\xf0\x80\x80\xaf",
    "overlong NUL": b"\xc0\x80",
    "the last overlong one": b"\xf0\x8f\xbf\xbf",
    "a surrogate": b"\xed\xa0\x80",
    "a pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "the last surrogate": b"\xed\xbf\xbf",
    "beyond the last character": b"\xf4\x90\x80\x80",
    "a start of five": b"\xf8\x88\x80\x80\x80",
    "a start of six": b"\xfc\x84\x80\x80\x80\x80",
    "a byte that is never used": b"\xfe",
    "another": b"\xff",
    "Latin-1": "caf\u00e9".encode("latin-1"),
    "UTF-16": "hi".encode("utf-16"),
}


def around(data: bytes) -> bytes:
    """A request with these bytes in its id."""
    return request("?").replace(b"?", data)


def bytewise(data: bytes) -> bytes:
    """A message of which every byte is a frame."""
    return b"".join(fragments(data, *range(1, len(data))))


UTF_8 = (
    *(Case(f"6: {name}", frame(request(text)), [text]) for name, text in GOOD_TEXTS.items()),
    *(Case(f"6: {name}, bytewise", bytewise(request(text)), [text]) for name, text in GOOD_TEXTS.items()),
    *(Case(f"6: {name}", frame(around(data)), code=1007) for name, data in BAD_TEXTS.items()),
    *(Case(f"6: {name}, bytewise", bytewise(around(data)), code=1007) for name, data in BAD_TEXTS.items()),
    *(Case(f"6: {name}, no JSON", frame(data), code=1007) for name, data in BAD_TEXTS.items()),
    *(Case(f"6: {name}, binary", frame(around(data), BINARY) + frame(A), ["a"]) for name, data in BAD_TEXTS.items()),
    Case("6: a message ends in mid-character", frame(b'"\xe2\x82'), code=1007),
    Case(
        "6: a ping in a character",
        frame(b'"\xe2', fin=False) + frame(b"", PING) + frame(b'\x82\xac"', CONTINUATION) + frame(A),
        ["invalid", "a"],
        [b""],
    ),
)

CLOSING = (
    Case("7: without a code", closing(), code=1000),
    *(
        Case(f"7: {code}", closing(code, b"bye"), code=code)
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999)
    ),
    *(
        Case(f"7: {code}, which is none", closing(code, b"bye"), code=1002)
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
    ),
    Case("7: half a code", frame(b"\x03", CLOSE), code=1002),
    Case("7: a reason of 123 bytes", closing(1000, b"x" * 123), code=1000),
    Case("7: a reason of 124 bytes", closing(1000, b"x" * 124), code=1002),
    *(Case(f"7: a reason with {name}", closing(1000, data), code=1007) for name, data in BAD_TEXTS.items()),
    Case("7: after a message", frame(A) + closing(1000), ["a"], code=1000),
    Case("7: two", closing(1000) + closing(1001), code=1000),
)

LIMITS = (
    Case("9: the largest", frame(sized(MAX_PAYLOAD)), ["a"]),
    Case("9: one more", frame(sized(MAX_PAYLOAD + 1)), code=1009),
    Case("9: the head of more", frame(b"", length=MAX_PAYLOAD + 1, form=64), code=1009),
    Case("9: the head of the most there can be", frame(b"", length=2**63 - 1, form=64), code=1009),
    Case("9: more in two", b"".join(fragments(sized(MAX_PAYLOAD + 1), 1000)), code=1009),
    Case("9: many fragments", b"".join(fragments(sized(MAX_FRAGMENTS), *range(1, MAX_FRAGMENTS))), ["a"]),
    Case(
        "9: too many fragments",
        frame(b'"', fin=False) + frame(b"y", CONTINUATION, fin=False) * MAX_FRAGMENTS,
        code=1009,
    ),
    Case(
        "9: too many of nothing", frame(b"", fin=False) + frame(b"", CONTINUATION, fin=False) * MAX_FRAGMENTS, code=1009
    ),
)


class SocketCase(SynchronousTestCase):
    """A gateway."""

    def setUp(self) -> None:
        """Build it."""
        self.house = House()
        self.addCleanup(self.house.close)

    def open(self, connect: bool = True) -> Socket:
        """A client."""
        socket = Socket(self.house.connect())
        if connect:
            socket.connect()
        return socket

    def leave(self, socket: Socket) -> None:
        """The client is gone; nothing is left of it."""
        socket.client.reset()
        self.house.clients.remove(socket.client)
        self.assertEqual(len(self.house.memory.gateway._house.websockets), 0)


class ConformanceTests(SocketCase):
    """Every case in one read, in reads of a byte, and before C{connect} as far as it matters there."""

    def play(self, cases: Sequence[Case]) -> None:
        """Each on a connection of its own."""
        for case in cases:
            with self.subTest(case=case.name):
                self.check(case, case.data + AFTER)
                if len(case.data) < 1000:
                    self.check(case, *(bytes((byte,)) for byte in case.data + AFTER))

    def check(self, case: Case, *pieces: bytes) -> None:
        """It is answered, or refused with its code; what follows a refusal has no effect."""
        socket = self.open()
        socket.send(*pieces)
        self.house.settle()
        if case.code == 0:
            self.assertEqual(socket.answered[1:], [*case.answered, "after"], case.name)
            self.assertEqual((socket.pongs, socket.closed), ([*case.pongs, b"after"], None))
        else:
            assert socket.closed is not None, case.name
            self.assertEqual((socket.closed[0], socket.answered[1:]), (case.code, [*case.answered]), case.name)
            self.assertEqual(socket.pongs, [*case.pongs])
            self.house.advance(1.1)
            self.assertTrue(socket.client.closed)
        self.leave(socket)

    def test_1_framing(self) -> None:
        """Lengths, masks, empty messages."""
        self.play(FRAMING)

    def test_2_pings(self) -> None:
        """Each is answered with what it said."""
        self.play(PINGS)

    def test_3_reserved_bits(self) -> None:
        """No extension is agreed on, so there are none."""
        self.play(RESERVED_BITS)

    def test_4_opcodes(self) -> None:
        """Those that are reserved end the connection."""
        self.play(OPCODES)

    def test_5_fragmentation(self) -> None:
        """Messages in pieces, with control frames between them, and all that is no message."""
        self.play(FRAGMENTS)

    def test_6_utf_8(self) -> None:
        """Texts are UTF-8 however they are cut."""
        self.play(UTF_8)

    def test_7_closing(self) -> None:
        """Codes and reasons, good and bad."""
        self.play(CLOSING)

    def test_9_limits(self) -> None:
        """Sizes and numbers of pieces."""
        self.play(LIMITS)

    def test_before_connect(self) -> None:
        """Whoever is not let in may send less, and is told as clearly."""
        broken = [case for case in (*FRAMING, *RESERVED_BITS[:3], *OPCODES[:3], *FRAGMENTS) if case.code == 1002]
        for case in broken:
            socket = self.open(connect=False)
            socket.send(case.data.removeprefix(frame(A)) + AFTER)
            self.assertIn(socket.closed, [(1002, socket.closed and socket.closed[1])], case.name)
            self.assertEqual((socket.answered, socket.pongs), ([], []))
            self.leave(socket)
        for data, code in (
            (frame(b"", length=MAX_EARLY_PAYLOAD + 1, form=64), 1009),
            (b"".join(fragments(b"y" * (MAX_EARLY_PAYLOAD + 1), MAX_EARLY_PAYLOAD)), 1009),
            (frame(b"", fin=False) + frame(b"", CONTINUATION, fin=False) * MAX_FRAGMENTS, 1009),
            (frame(b"\xff"), 1007),
        ):
            socket = self.open(connect=False)
            socket.send(data + AFTER)
            assert socket.closed is not None
            self.assertEqual((socket.closed[0], socket.answered), (code, []))
            self.leave(socket)


class UpgradeTests(SocketCase):
    """How a WebSocket begins."""

    def test_bad_upgrades(self) -> None:
        """What is no upgrade to version 13 is refused over HTTP."""
        for name, old, new, statuses in (
            ("no key", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"", (400,)),
            ("an empty key", b"dGhlIHNhbXBsZSBub25jZQ==", b"", (400,)),
            ("a short key", b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhl", (400,)),
            ("no base64", b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhlIHNhbXBsZSBub25j!!==", (400,)),
            ("two keys", b"Sec-WebSocket-V", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-V", (400,)),
            ("no version", b"Sec-WebSocket-Version: 13\r\n", b"", (400,)),
            ("version 12", b"Version: 13", b"Version: 12", (400, 426)),
            ("version x", b"Version: 13", b"Version: x", (400, 426)),
            ("HTTP/1.0", b"HTTP/1.1", b"HTTP/1.0", (400, 404, 200)),
            ("POST", b"GET /", b"POST /", (405, 404, 400)),
            ("no host", b"Host: gateway\r\n", b"", (400,)),
        ):
            client = self.house.connect()
            client.send(UPGRADE.replace(old, new))
            self.house.settle()
            self.assertNotIn(b" 101 ", client.received[:13], name)
            self.assertIn(client.response.status, statuses, (name, client.received))
            self.house.advance(2)
            client.reset()
        self.assertEqual(len(self.house.memory.gateway._house.websockets), 0)

    def test_frames_with_the_upgrade(self) -> None:
        """Frames that a client sends without waiting for its 101 are read, or the connection ends: they are never
        read out of step."""
        client = self.house.connect()
        socket = Socket(client, UPGRADE + frame(b"early", PING))
        self.house.settle()
        self.assertIn(socket.pongs, ([], [b"early"]))
        socket.send(frame(b"late", PING))
        self.assertEqual(socket.pongs[-1:], [b"late"])
        self.leave(socket)

    def test_extensions(self) -> None:
        """None is agreed on, whatever is offered."""
        offered = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-other\r\nUpgrade"
        socket = Socket(self.house.connect(), UPGRADE.replace(b"Upgrade", offered, 1))
        self.assertNotIn(b"extensions", socket.client.received.lower().partition(b"\r\n\r\n")[0])
        socket.connect()
        self.leave(socket)


class FloodTests(SocketCase):
    """Very many of what is allowed."""

    def test_pings_without_reading(self) -> None:
        """A client that pings and does not read: pongs do not pile up. Once it reads, it has the newest."""
        socket = self.open()
        socket.client.stall()
        for number in range(100):
            socket.send(frame(b"%d" % number * 20, PING) * 1000)
        self.assertLess(socket.client.wire.held_most, 200_000)
        socket.client.resume()
        self.house.advance(0.1)
        self.assertEqual(socket.pongs[-1], b"99" * 20)
        socket.send(frame(b"after", PING))
        self.assertEqual(socket.pongs[-1], b"after")
        self.leave(socket)

    def test_small_frames_take_turns(self) -> None:
        """A read full of small frames is read piece by piece, with others in between."""
        for payload, opcode in ((b"", PING), (b"x", PONG), (b"{}", TEXT), (A, TEXT)):
            socket = self.open()
            seen: list[int] = []
            slow = self.clock_that_moves(seen)
            socket.send(frame(payload, opcode) * 1000 + frame(b"end", PING))
            self.assertEqual(socket.pongs[-1:] == [b"end"], False)
            before = len(seen)
            slow.clear()
            other = self.open()
            other.send(frame(b"me", PING))
            self.assertEqual(other.pongs, [b"me"])
            self.house.advance(0.5)
            self.assertEqual(socket.pongs[-1], b"end")
            self.assertLessEqual(before, 2 * STEPS)
            other.client.reset()
            self.house.clients.remove(other.client)
            self.leave(socket)

    def clock_that_moves(self, seen: list[int]) -> list[bool]:
        """Each look at the clock finds it 10 ms later, until the list that is returned is empty."""
        clock, moving, seconds = self.house.clock, [True], self.house.clock.seconds

        def later() -> float:
            if moving:
                seen.append(1)
                clock.rightNow += 0.01
            now: float = seconds()
            return now

        self.patch(clock, "seconds", later)
        return moving

    def test_leaving_before_ones_turn(self) -> None:
        """Nothing is left on the clock."""
        socket = self.open()
        moving = self.clock_that_moves([])
        socket.send(frame(b"", PING) * 1000)
        moving.clear()
        self.assertLess(len(socket.pongs), 1000)
        self.leave(socket)

    def test_connections_that_say_nothing(self) -> None:
        """They are bounded for each address, refused beyond that, and gone after their time."""
        sockets = [Socket(self.house.connect()) for _ in range(64)]
        client = self.house.connect()
        client.send(UPGRADE)
        self.assertEqual((client.response.status, client.response.error["code"]), (429, "rate_limit_exceeded"))
        other = self.house.connect("203.0.113.9")
        other.send(UPGRADE)
        self.assertTrue(other.received.startswith(b"HTTP/1.1 101 "))
        self.house.advance(17, step=0.5)
        self.assertEqual([each.client.closed for each in sockets], [True] * 64)
        self.assertEqual(len(self.house.memory.gateway._house.websockets), 0)
