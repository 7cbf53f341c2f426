"""One connection at a time from a socket that others accept from as well."""

from __future__ import annotations

import errno
import socket
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.workers.acceptor import BREATH_SECONDS, REST_SECONDS, Acceptor


class Client:
    """An accepted connection."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.closed = False
        self.blocking = True

    def setblocking(self, blocking: bool) -> None:
        """Note it."""
        self.blocking = blocking

    def fileno(self) -> int:
        """Its descriptor."""
        return self.fd

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


class Listening:
    """A listening socket."""

    family = socket.AF_INET

    def __init__(self) -> None:
        self.waiting: list[Any] = []
        self.closed = False

    def accept(self) -> tuple[Any, None]:
        """The next one, or what stands in the way."""
        found = self.waiting.pop(0)
        if isinstance(found, OSError):
            raise found
        return found, None

    def fileno(self) -> int:
        """Its descriptor."""
        return 7

    def close(self) -> None:
        """No more."""
        self.closed = True


class Reactor(Clock):
    """Waits for readers, and adopts."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()
        self.adopted: list[tuple[int, int, object]] = []
        self.failure: OSError | None = None

    def addReader(self, reader: Any) -> None:
        """Wait for it."""
        self.readers.add(reader)

    def removeReader(self, reader: Any) -> None:
        """Do not."""
        self.readers.discard(reader)

    def adoptStreamConnection(self, fd: int, family: int, factory: object) -> None:
        """Take a connection."""
        if self.failure is not None:
            raise self.failure
        self.adopted.append((fd, family, factory))


class AcceptorTests(SynchronousTestCase):
    """L{Acceptor}."""

    def setUp(self) -> None:
        """One at work."""
        self.reactor = Reactor()
        self.listening = Listening()
        self.factory: Any = object()
        self.acceptor = Acceptor(self.reactor, self.listening, self.factory)  # type: ignore[arg-type]
        self.acceptor.startService()

    def test_one(self) -> None:
        """It takes one, even if more wait, and does not keep what the reactor has its own of."""
        clients = [Client(9), Client(10)]
        self.listening.waiting = list(clients)
        self.acceptor.doRead()
        self.assertEqual(self.reactor.adopted, [(9, socket.AF_INET, self.factory)])
        self.assertEqual((clients[0].closed, clients[0].blocking, self.acceptor.fileno()), (True, False, 7))
        self.assertEqual(len(self.listening.waiting), 1)

    def test_leaves_some_to_others(self) -> None:
        """After each one it looks away for a moment."""
        self.listening.waiting = [Client(9), Client(10)]
        self.acceptor.doRead()
        self.assertEqual(self.reactor.readers, set())
        self.reactor.advance(BREATH_SECONDS)
        self.assertEqual(self.reactor.readers, {self.acceptor})
        self.acceptor.doRead()
        self.acceptor.stopService()
        self.assertEqual((len(self.reactor.adopted), self.reactor.getDelayedCalls()), (2, []))

    def test_another_was_faster(self) -> None:
        """Nothing is there any more: no matter."""
        self.listening.waiting = [BlockingIOError(errno.EAGAIN, "no"), OSError(errno.ECONNABORTED, "gone")]
        self.acceptor.doRead()
        self.acceptor.doRead()
        self.assertEqual((self.reactor.adopted, len(self.reactor.readers)), ([], 1))

    def test_gone_at_once(self) -> None:
        """A client that has left before it could be looked at is none."""
        client = Client(9)
        self.reactor.failure = OSError(errno.ENOTCONN, "gone")
        self.listening.waiting = [client]
        self.acceptor.doRead()
        self.assertTrue(client.closed)

    def test_no_files_left(self) -> None:
        """Without descriptors it rests, instead of asking again and again."""
        self.listening.waiting = [OSError(errno.EMFILE, "too many"), Client(9)]
        self.acceptor.doRead()
        self.assertEqual(self.reactor.readers, set())
        self.reactor.advance(REST_SECONDS)
        self.assertEqual(self.reactor.readers, {self.acceptor})
        self.acceptor.doRead()
        self.assertEqual(len(self.reactor.adopted), 1)

    def test_stop(self) -> None:
        """At the end the socket is closed, also while it rests."""
        self.listening.waiting = [OSError(errno.EMFILE, "too many")]
        self.acceptor.doRead()
        self.acceptor.stopService()
        self.assertTrue(self.listening.closed)
        self.assertEqual((self.reactor.readers, self.reactor.getDelayedCalls()), (set(), []))
