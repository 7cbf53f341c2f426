# -*- test-case-name: tests.test_sending -*-
"""When bytes leave: at the end of the read that caused them, in one piece, without asking the reactor.

C{ITransport.write} queues bytes and asks the reactor to say when the socket takes them, which nearly always is at once:
six system calls for a chunk that is passed on. A L{Turn} gathers what is written while one read is worked off, and
L{send_now} hands it to the socket directly: three, as many as nginx makes. Where that can not be done it is C{write}.
L{close_now} is the same for the end of a connection, and L{unsent} tells how much has not arrived.
"""

from __future__ import annotations

from collections.abc import Callable
from fcntl import ioctl
from functools import partial
from struct import unpack
from termios import TIOCOUTQ
from typing import Any, Protocol

from twisted.internet.error import ConnectionAborted
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure

MAX_HELD = 64 * 1024
"""Bytes that a writer holds during a turn, at most about that: then they go out."""


class Writer(Protocol):
    """Something that holds bytes until the turn is over."""

    def flush(self) -> None:
        """Send what is held. Must not raise."""


class Turn:
    """What is done about one read, from its bytes to all that they cause. Turns may be nested: the outermost counts."""

    __slots__ = ("_depth", "_waiting")

    def __init__(self) -> None:
        self._depth = 0
        self._waiting: list[Writer] = []

    @property
    def runs(self) -> bool:
        """True while a read is worked off. Then a writer may hold its bytes, after one call of L{wait}."""
        return self._depth > 0

    def wait(self, writer: Writer) -> None:
        """Have C{writer} flushed when the turn is over."""
        self._waiting.append(writer)

    def begin(self) -> None:
        """A read is worked off from here..."""
        self._depth += 1

    def end(self) -> None:
        """...to here, whatever happened."""
        self._depth -= 1
        if not self._depth and self._waiting:
            waiting, self._waiting = self._waiting, []
            for writer in waiting:
                writer.flush()

    def through(self, call: Callable[..., object]) -> Callable[..., object]:
        """C{call}, such as C{reactor.callFromThread}, with a turn of its own for each function that it is given."""
        return partial(call, self.run)

    def run(self, function: Callable[..., object], *arguments: object, **keywords: object) -> None:
        """Call something as a turn of its own: what the store hands back is as much a cause as what was read."""
        self.begin()
        try:
            function(*arguments, **keywords)
        finally:
            self.end()


def send_now(transport: Any, data: bytes) -> None:
    """Write C{data} to a transport; at once, if that is a plain TCP connection with nothing queued. What its socket
    does not take, and everything else, goes through C{write}, so back-pressure works as ever."""
    if (
        isinstance(transport, Connection)
        and transport.connected
        and not transport.TLS
        and not transport.dataBuffer
        # Private, but there is no other way to ask. If it is called something else one day, this is write() again.
        and not getattr(transport, "_tempDataBuffer", True)
    ):
        sent = transport.writeSomeData(data)
        if isinstance(sent, int) and sent > 0:
            if sent == len(data):
                return
            data = data[sent:]
    transport.write(data)


def close_now(transport: Any) -> None:
    """Cut a connection, and have its descriptor back when this returns. C{abortConnection} closes in the next turn of
    the reactor, and a flood brings hundreds in one. Not to be called by what the connection itself is doing."""
    inner = _connection(transport)
    if inner is not None and inner.connected:
        inner.connectionLost(Failure(ConnectionAborted()))  # type: ignore[no-untyped-call]  # as the reactor tells it
    elif transport is not None:
        transport.abortConnection()


def unsent(transport: Any) -> int:
    """Bytes that were written to a connection and that the other end has not acknowledged, as far as one can tell; of
    what is not TCP one can not, 0."""
    inner = _connection(transport)
    if inner is None or not inner.connected:
        return 0
    # Private likewise; without it a little less is counted.
    held = len(inner.dataBuffer) - inner.offset + getattr(inner, "_tempDataLen", 0)
    try:
        (in_kernel,) = unpack("i", ioctl(inner.fileno(), TIOCOUTQ, bytes(4)))
    except OSError:
        in_kernel = 0  # a system that does not say it so
    return int(held + in_kernel)


def _connection(transport: Any) -> Any:
    """The TCP connection behind TLS, or behind another protocol; None = there is none."""
    while transport is not None and not isinstance(transport, Connection):
        transport = getattr(transport, "transport", None)
    return transport


__all__ = ["Turn", "Writer", "close_now", "send_now", "unsent"]
