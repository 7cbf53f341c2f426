# -*- test-case-name: tests.ws.test_eager -*-
"""When bytes go to the system at once, and when the transport gets them."""

from __future__ import annotations

from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.ws.eager import write_now


class Descriptor(FileDescriptor):
    """Twisted's own buffering over a system that takes what it is allowed to take.

    @ivar taken: what the system has.
    @ivar room: bytes it still takes; None = it says that the connection is lost.
    """

    def __init__(self, room: int | None = 1000) -> None:
        super().__init__(Clock())  # type: ignore[arg-type]
        self.connected = 1
        self.taken = b""
        self.room = room
        self.writing = False

    def writeSomeData(self, data: bytes) -> int | BaseException:
        if self.room is None:
            return ConnectionLost()
        some = bytes(data)[: self.room]
        self.taken += some
        self.room -= len(some)
        return len(some)

    def startWriting(self) -> None:
        self.writing = True

    def stopWriting(self) -> None:
        self.writing = False


class WriteNowTests(SynchronousTestCase):
    """L{write_now}."""

    def test_at_once(self) -> None:
        """With nothing before it, it goes to the system, and the reactor need not ask."""
        descriptor = Descriptor()
        write_now(descriptor, b"abc")
        write_now(descriptor, b"def")
        self.assertEqual((descriptor.taken, descriptor.writing), (b"abcdef", False))

    def test_behind_others(self) -> None:
        """What is written before goes before."""
        descriptor = Descriptor()
        descriptor.write(b"abc")
        write_now(descriptor, b"def")
        self.assertEqual((descriptor.taken, descriptor.writing), (b"", True))
        descriptor.doWrite()
        self.assertEqual((descriptor.taken, descriptor.writing), (b"abcdef", False))

    def test_in_part(self) -> None:
        """What the system does not take waits in the transport, and what comes next waits behind it."""
        descriptor = Descriptor(room=2)
        write_now(descriptor, b"abc")
        write_now(descriptor, b"def")
        self.assertEqual((descriptor.taken, descriptor.writing), (b"ab", True))
        descriptor.room = 2
        descriptor.doWrite()
        write_now(descriptor, b"ghi")
        descriptor.room = 10
        descriptor.doWrite()
        self.assertEqual((descriptor.taken, descriptor.writing), (b"abcdefghi", False))

    def test_not_at_all(self) -> None:
        """Neither is anything lost when it takes nothing."""
        descriptor = Descriptor(room=0)
        write_now(descriptor, b"abc")
        descriptor.room = 10
        descriptor.doWrite()
        self.assertEqual(descriptor.taken, b"abc")

    def test_lost(self) -> None:
        """That the connection is lost, the transport will find and tell as it always does."""
        descriptor = Descriptor(room=None)
        write_now(descriptor, b"abc")
        self.assertTrue(descriptor.writing)
        self.assertIsInstance(descriptor.doWrite(), ConnectionLost)

    def test_leaving(self) -> None:
        """One that is being closed, or is closed, gets nothing behind the transport's back."""
        for attribute, value in (("disconnecting", True), ("connected", 0)):
            descriptor = Descriptor()
            setattr(descriptor, attribute, value)
            write_now(descriptor, b"abc")
            self.assertEqual(descriptor.taken, b"")

    def test_wrapped(self) -> None:
        """What a wrapper does to bytes on their way (that of TLS encrypts them) is not gone round, though it shows the
        attributes of what it wraps."""
        descriptor: Any = Descriptor()
        wrapper: Any = ProtocolWrapper(WrappingFactory(Factory()), Protocol())
        wrapper.makeConnection(descriptor)
        self.assertEqual(wrapper._tempDataLen, 0)
        seen: list[bytes] = []
        wrapper.write = seen.append
        write_now(wrapper, b"abc")
        self.assertEqual((seen, descriptor.taken), ([b"abc"], b""))

    def test_tls(self) -> None:
        """Neither is what a connection has become that was told to encrypt."""
        descriptor = Descriptor()
        descriptor.TLS = True  # type: ignore[attr-defined]
        write_now(descriptor, b"abc")
        self.assertEqual((descriptor.taken, descriptor.writing), (b"", True))

    def test_other_transports(self) -> None:
        """Any other transport just gets a write."""
        transport = StringTransport()
        write_now(transport, b"abc")
        self.assertEqual(transport.value(), b"abc")
