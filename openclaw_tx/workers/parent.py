# -*- test-case-name: tests.workers.test_parent -*-
# mypy: allow-untyped-calls
"""The parent of all workers: it has the ports, starts who serves, starts again who dies, and ends last."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

import openclaw_tx
from openclaw_tx.config.settings import Settings
from openclaw_tx.deferreds import Gate
from openclaw_tx.workers.child import Child
from openclaw_tx.workers.instructions import Instructions, encoded
from openclaw_tx.workers.restarts import Restarts

KEY_BYTES = 32

RELEASED = b"\n"
"""Told to each worker once all are drained."""

AFTER_GRACE_SECONDS = 15.0
"""How long workers may take to end after C{gateway.shutdownGraceSeconds}, twice over: they wait for each other."""

MAX_PATH = 100
"""Bytes of the longest path that a UNIX socket may have, with some to spare."""

FIRST_DESCRIPTOR = 3

ROOT = str(Path(openclaw_tx.__file__).parent.parent)
"""Where the package is: what found it for the parent need not find it for a child."""

PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from openclaw_tx.worker import main; main()"


class HasPort(Protocol):
    """A port that the parent has and does not use."""

    @property
    def port(self) -> Any:
        """What can be handed to a child; None = it could not be had, and need not be."""


class Parent(Service):
    """All workers of a gateway."""

    name = "workers"

    def __init__(
        self,
        reactor: Any,
        ports: Sequence[HasPort],
        start: Mapping[str, Any],
        count: int,
        settings: Settings,
        environ: Mapping[str, str],
        failed: Callable[[str], None],
    ) -> None:
        """
        @param reactor: provides IReactorProcess and IReactorTime.
        @param start: what the command line says.
        @param environ: of the workers.
        @param failed: is told, in one line, that this gateway can not be served.
        """
        self._reactor = reactor
        self._ports = ports
        self._start = dict(start)
        self._count = count
        self._settings = settings
        self._environ = dict(environ)
        self._failed = failed
        self._key = secrets.token_bytes(KEY_BYTES)
        self._children: dict[int, Child] = {}
        self._restarts = [Restarts() for _ in range(count)]
        self._waiting: dict[int, IDelayedCall] = {}
        self._door: socket.socket | None = None
        self._path = Path()
        self._ending: Gate | None = None
        self._emptied = Gate()
        self._late_call: IDelayedCall | None = None
        self._log = Logger(namespace="openclaw_tx.workers")

    def startService(self) -> None:
        """Start them, once the reactor runs."""
        super().startService()
        self._reactor.callWhenRunning(self._begin)

    def stopService(self) -> Deferred[None]:
        """Have them all end; fires when they have."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def drained(self) -> None:
        """Have them all end, and wait until none of them answers at the ports any more. Until then the ports must stay
        open here: to close one is to close it for all."""
        self._end_all()
        await self._emptied.wait()

    def hurry(self) -> None:
        """Have them wait for runs no longer."""
        for child in self._children.values():
            child.signal("TERM")

    # -- inside

    def _begin(self) -> None:
        if not self.running:
            return
        try:
            self._path = socket_path(self._settings.state_dir)
            self._door = private_socket(self._path)
        except OSError as error:
            self._failed(f"no socket for workers can be made: {error}")
            return
        for worker in range(self._count):
            self._spawn(worker)
            if worker not in self._children:
                return  # there was no process for it: that is told, and all ends

    def _spawn(self, worker: int) -> None:
        assert self._door is not None
        self._waiting.pop(worker, None)
        descriptors = [each.port.fileno() for each in self._ports if each.port is not None]
        ports = tuple(range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + len(descriptors)))
        door = None
        if worker == 0:
            door = FIRST_DESCRIPTOR + len(descriptors)
            descriptors.append(self._door.fileno())
        child = Child(worker, self._ready, self._ended, self._look)
        self._children[worker] = child
        self._restarts[worker].started(self._reactor.seconds())
        standard: dict[int, Any] = {0: "w", 1: "r", 2: "r"}
        inherited = dict(enumerate(descriptors, FIRST_DESCRIPTOR))
        try:
            self._reactor.spawnProcess(
                child,
                sys.executable,
                [sys.executable, "-c", PROGRAM, ROOT, f"openclaw_tx worker {worker} of {self._count}"],
                env=self._environ,
                childFDs={**standard, **inherited},
            )
        except OSError as error:  # no memory, too many processes or descriptors: it is as if it had ended at once
            self._ended(child, f"no process: {error.strerror or error}")
            return
        told = Instructions(
            worker=worker,
            count=self._count,
            key=self._key,
            chief=str(self._path),
            ports=ports,
            door=door,
            reactor=type(self._reactor).__module__,
            start=self._start,
        )
        child.tell(encoded(told))

    def _ready(self, child: Child) -> None:
        child.serves = True
        self._restarts[child.worker].is_ready()
        self._log.info("worker {worker} serves, process {pid}", worker=child.worker, pid=child.pid)

    def _ended(self, child: Child, how: str) -> None:
        del self._children[child.worker]
        if self._ending is not None:
            # One that has just been started ends as any program does.
            if how != "0" and (child.serves or how != f"signal {signal.SIGTERM.value}"):
                self._log.error("worker {worker} ended badly: {how}", worker=child.worker, how=how)
                self._bad = True
            self._look()
            return
        pause = self._restarts[child.worker].died(self._reactor.seconds())
        if pause is None:
            self._failed(f"worker {child.worker} could not be started: {child.last_words or how}")
            return
        self._log.error(
            "worker {worker} has died ({how}); it is started again in {pause} s",
            worker=child.worker,
            how=how,
            pause=pause,
        )
        self._waiting[child.worker] = self._reactor.callLater(pause, self._spawn, child.worker)

    _bad = False

    def _end_all(self) -> Gate:
        """
        @return: opens when all have ended.
        """
        if self._ending is not None:
            return self._ending
        for call in self._waiting.values():
            call.cancel()
        self._waiting.clear()
        self._ending = Gate()
        if self._children:
            seconds = 2 * self._settings().gateway.shutdown_grace_seconds + AFTER_GRACE_SECONDS
            self._late_call = self._reactor.callLater(seconds, self._late)
            for child in self._children.values():
                child.signal("TERM")
        self._look()
        return self._ending

    def _look(self) -> None:
        """What is waited for may have come."""
        if self._ending is None:
            return
        if not self._emptied.opened and all(child.drained for child in self._children.values()):
            for child in self._children.values():
                child.tell(RELEASED)
            self._emptied.open()
        if not self._children:
            self._ending.open()

    async def _stop(self) -> None:
        await self._end_all().wait()
        if self._late_call is not None and self._late_call.active():
            self._late_call.cancel()
        if self._door is not None:
            self._door.close()
            with suppress(OSError):
                self._path.unlink()
                self._path.parent.rmdir()
        if self._bad:
            # Nobody is to take this for an ordinary end.
            self._reactor.addSystemEventTrigger("after", "shutdown", end_badly)

    def _late(self) -> None:
        for child in self._children.values():
            self._log.error("worker {worker} does not end; it is killed", worker=child.worker)
            child.signal("KILL")


def end_badly() -> None:
    """End with exit code 1. Twisted's runners know no way for a program that has run to say that it failed."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def socket_path(state_dir: Path) -> Path:
    """Where the chief's socket goes: a directory of its own that only its owner may enter.

    @raise OSError: it can not be made.
    """
    directory = state_dir / "workers" / str(os.getpid())
    if len(os.fsencode(directory)) > MAX_PATH - len("/chief"):
        return Path(tempfile.mkdtemp(prefix="openclaw-workers-")) / "chief"
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    directory.chmod(0o700)
    return directory / "chief"


def private_socket(path: Path) -> socket.socket:
    """A UNIX socket that listens, and that only its owner may connect to.

    @raise OSError: it can not be made.
    """
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(str(path))
        path.chmod(0o600)
        made.listen(1024)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


__all__ = ["Parent", "end_badly", "private_socket", "socket_path"]
