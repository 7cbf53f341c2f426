"""The parent: what it starts, starts again, and waits for."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.testing import EventLoggingObserver, MemoryReactorClock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.load import from_mapping
from openclaw_tx.config.settings import Settings
from openclaw_tx.workers.instructions import Word, encoded, instructions
from openclaw_tx.workers.parent import (
    AFTER_GRACE_SECONDS,
    FIRST_DESCRIPTOR,
    RELEASED,
    Parent,
    private_socket,
    socket_path,
)
from openclaw_tx.workers.restarts import FIRST_SECONDS
from tests.workers.test_child import Process

SECRET = "a-secret-of-the-command-line"


class Port:
    """A port that is held."""

    def __init__(self, descriptor: int | None) -> None:
        self.port = None if descriptor is None else self
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Its descriptor."""
        assert self._descriptor is not None
        return self._descriptor


class Reactor(MemoryReactorClock):
    """Starts processes in name."""

    def __init__(self) -> None:
        super().__init__()
        self.spawned: list[Any] = []
        self.at_the_end: list[Any] = []
        self.full = False
        """There is no place for another process."""

    def spawnProcess(
        self, protocol: Any, executable: Any, args: Any = (), env: Any = None, path: Any = None, **more: Any
    ) -> Any:
        """One more."""
        if self.full:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        process: Any = Process()
        process.pid = 100 + len(self.spawned)
        process.arguments, process.fds, process.protocol = args, more["childFDs"], protocol
        self.spawned.append(process)
        protocol.makeConnection(process)
        return process

    def addSystemEventTrigger(self, phase: str, kind: str, function: Any, *args: Any, **more: Any) -> None:
        """Note it."""
        self.at_the_end.append((phase, kind, function))


class ParentTests(SynchronousTestCase):
    """L{Parent}."""

    def setUp(self) -> None:
        """One with two workers."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.reactor: Any = Reactor()
        self.failures: list[str] = []
        self.log = EventLoggingObserver()
        globalLogPublisher.addObserver(self.log)
        self.addCleanup(globalLogPublisher.removeObserver, self.log)
        config = {"gateway": {"shutdownGraceSeconds": 2}}
        settings = Settings(from_mapping(config, {}, self.directory))
        start = {"overrides": {"gateway": {"auth": {"token": SECRET}}}}
        ports: list[Any] = [Port(30), Port(None), Port(31)]
        self.parent = Parent(self.reactor, ports, start, 2, settings, {"HOME": "/home"}, self.failures.append)
        self.parent.startService()
        self.reactor.run()
        self.addCleanup(lambda: self.parent._door and self.parent._door.close())

    def end(self, process: Any, reason: Exception) -> None:
        """It ends."""
        process.protocol.processEnded(Failure(reason))

    def serve(self) -> None:
        """All say that they serve."""
        for process in self.reactor.spawned:
            process.protocol.outReceived(encoded(Word(ready=True)))

    def logged(self, words: str) -> bool:
        """Whether the log has these."""
        return any(words in (formatEvent(event) or "") for event in self.log)

    def test_started(self) -> None:
        """Each has the ports; the chief, which is the first, has its socket as well. No secret is an argument."""
        chief, relay = self.reactor.spawned
        door = FIRST_DESCRIPTOR + 2
        self.assertEqual((relay.fds[3], relay.fds[4], door in relay.fds), (30, 31, False))
        self.assertEqual((chief.fds[3], chief.fds[4], door in chief.fds), (30, 31, True))
        told = [instructions(process.written) for process in (chief, relay)]
        self.assertEqual(
            [(each.worker, each.count, each.door, each.ports) for each in told],
            [(0, 2, door, (3, 4)), (1, 2, None, (3, 4))],
        )
        self.assertEqual(told[0].key, told[1].key)
        self.assertEqual(len(told[0].key), 32)
        self.assertIn(SECRET, str(told[0].start))
        self.assertNotIn(SECRET, str([process.arguments for process in self.reactor.spawned]))
        self.assertIn("worker 1 of 2", relay.arguments[-1])

    def test_restarted(self) -> None:
        """One that dies is started again, as the one that it was, and it is said aloud."""
        self.serve()
        self.end(self.reactor.spawned[1], ProcessTerminated(signal=9))
        self.assertTrue(self.logged("worker 1 has died (signal 9)"))
        self.assertEqual(len(self.reactor.spawned), 2)
        self.reactor.advance(FIRST_SECONDS)
        self.assertEqual(instructions(self.reactor.spawned[2].written).worker, 1)
        self.serve()
        self.end(self.reactor.spawned[2], ProcessTerminated(exitCode=1))
        self.reactor.advance(FIRST_SECONDS)
        self.assertEqual(len(self.reactor.spawned), 3)
        self.reactor.advance(FIRST_SECONDS)
        self.assertEqual(len(self.reactor.spawned), 4)
        self.assertEqual(self.failures, [])

    def test_no_process(self) -> None:
        """When there is no place for another process, it is tried again, later and later."""
        self.serve()
        self.reactor.full = True
        self.end(self.reactor.spawned[0], ProcessTerminated(signal=9))
        self.reactor.advance(FIRST_SECONDS)
        self.assertTrue(self.logged("worker 0 has died (no process: Resource temporarily unavailable)"))
        self.reactor.advance(FIRST_SECONDS)
        self.assertEqual(len(self.reactor.spawned), 2)
        self.reactor.full = False
        self.reactor.advance(30)
        self.assertEqual(instructions(self.reactor.spawned[2].written).worker, 0)
        self.assertEqual((self.failures, self.reactor.getDelayedCalls()), ([], []))

    def test_no_process_at_all(self) -> None:
        """With no place from the start the gateway ends, and says why."""
        self.reactor.full = True
        other = Parent(self.reactor, [], {}, 2, self.parent._settings, {}, self.failures.append)
        other.startService()
        self.addCleanup(lambda: other._door and other._door.close())
        self.assertEqual(
            self.failures[0], "worker 0 could not be started: no process: Resource temporarily unavailable"
        )
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_can_not_start(self) -> None:
        """One that has never served is no use to start again: its last words are the reason."""
        self.reactor.spawned[0].protocol.errReceived(b"Traceback\nModuleNotFoundError: no\n")
        self.end(self.reactor.spawned[0], ProcessTerminated(exitCode=1))
        (why,) = self.failures
        self.assertEqual(why, "worker 0 could not be started: ModuleNotFoundError: no")
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stop(self) -> None:
        """All are asked to end, and waited for; nothing is left, and it is a good end."""
        self.serve()
        stopped = self.parent.stopService()
        self.assertEqual([process.signals for process in self.reactor.spawned], [["TERM"], ["TERM"]])
        self.end(self.reactor.spawned[1], ProcessDone(0))
        self.assertNoResult(stopped)
        self.end(self.reactor.spawned[0], ProcessDone(0))
        self.successResultOf(stopped)
        self.assertEqual((self.reactor.at_the_end, self.reactor.getDelayedCalls()), ([], []))
        self.assertFalse(self.parent._path.parent.exists())

    def test_drained(self) -> None:
        """The ports are needed until all have said that they take nobody, or have ended; it is asked for once."""
        self.serve()
        drained = Deferred.fromCoroutine(self.parent.drained())
        chief, relay = self.reactor.spawned
        chief.protocol.outReceived(encoded(Word(drained=True)))
        self.assertNoResult(drained)
        self.assertFalse(chief.written.endswith(b"\n" + RELEASED))
        self.end(relay, ProcessDone(0))
        self.successResultOf(drained)
        self.assertTrue(chief.written.endswith(b"\n" + RELEASED))
        stopped = self.parent.stopService()
        self.assertNoResult(stopped)
        self.end(chief, ProcessDone(0))
        self.successResultOf(stopped)
        self.assertEqual([process.signals for process in self.reactor.spawned], [["TERM"], ["TERM"]])
        self.assertEqual((self.reactor.at_the_end, self.reactor.getDelayedCalls()), ([], []))

    def test_bad_ends(self) -> None:
        """One that does not end is killed, and then it is no good end."""
        self.serve()
        stopped = self.parent.stopService()
        self.end(self.reactor.spawned[0], ProcessDone(0))
        self.reactor.advance(4 + AFTER_GRACE_SECONDS)
        self.assertEqual(self.reactor.spawned[1].signals, ["TERM", "KILL"])
        self.end(self.reactor.spawned[1], ProcessTerminated(signal=9))
        self.successResultOf(stopped)
        self.assertEqual([each[:2] for each in self.reactor.at_the_end], [("after", "shutdown")])
        self.assertTrue(self.logged("worker 1 does not end; it is killed"))

    def test_stop_early(self) -> None:
        """Those that have just been started, or wait to be, are ended well, too."""
        self.reactor.spawned[0].protocol.outReceived(encoded(Word(ready=True)))
        self.end(self.reactor.spawned[0], ProcessTerminated(signal=9))
        stopped = self.parent.stopService()
        self.end(self.reactor.spawned[1], ProcessTerminated(signal=15))
        self.successResultOf(stopped)
        self.assertEqual((self.reactor.at_the_end, self.reactor.getDelayedCalls()), ([], []))
        self.assertEqual(len(self.reactor.spawned), 2)

    def test_never_begun(self) -> None:
        """One that is stopped before the reactor ran has nothing to stop."""
        parent = Parent(MemoryReactorClock(), [], {}, 2, self.parent._settings, {}, self.failures.append)
        parent.startService()
        self.successResultOf(Deferred.fromCoroutine(parent.drained()))
        self.successResultOf(parent.stopService())


class SocketTests(SynchronousTestCase):
    """Where the chief's socket is."""

    def test_private(self) -> None:
        """Nobody but the owner gets near it."""
        directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, directory)
        path = socket_path(directory)
        self.addCleanup(private_socket(path).close)
        self.addCleanup(private_socket(path).close)  # what is left behind there is in nobody's way
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        for parent in (path.parent, path.parent.parent):
            self.assertEqual(stat.S_IMODE(os.stat(parent).st_mode), 0o700)
        self.assertTrue(str(path).startswith(str(directory)))

    def test_long(self) -> None:
        """A path that is too long for a socket is not used."""
        path = socket_path(Path(self.mktemp()).absolute() / ("x" * 120))
        self.addCleanup(path.parent.rmdir)
        self.assertLess(len(str(path)), 100)
        self.assertEqual(stat.S_IMODE(os.stat(path.parent).st_mode), 0o700)
