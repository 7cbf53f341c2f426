"""Processes in memory: a test plays what is spawned, and the kernel's process groups."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IReactorProcess
from twisted.python.failure import Failure
from zope.interface import implementer


class Process:
    """One spawned process.

    @ivar signals: what it was sent.
    @ivar told: what came to its stdin.
    @ivar reading: the parent reads what it prints.
    @ivar closed: the parent has let go of its pipes.
    """

    def __init__(
        self, protocol: Any, command: list[str], env: dict[str, str], pid: int = 0, *, pty: bool = False, cwd: str = ""
    ) -> None:
        self.protocol = protocol
        self.command = command
        self.env = env
        self.told = b""
        self.stdin_open = True
        self.signals: list[str] = []
        self.alive = True
        self.pid = pid
        self.pty = pty
        self.cwd = cwd
        self.reading = True
        self.closed = False

    def write(self, data: bytes) -> None:
        """Something for its stdin, or terminal."""
        self.writeToChild(0, data)

    def closeStdin(self) -> None:
        """Its stdin ends; a terminal has no such end."""
        assert not self.pty
        self.closeChildFD(0)

    def pauseProducing(self) -> None:
        """What it prints is not wanted now."""
        self.reading = False

    def resumeProducing(self) -> None:
        """It is again."""
        self.reading = True

    def loseConnection(self) -> None:
        """The pipes are closed."""
        self.closed = True

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        """Something for its stdin."""
        assert descriptor == 0
        self.told += data

    def closeChildFD(self, descriptor: int) -> None:
        """Its stdin ends."""
        assert descriptor == 0
        self.stdin_open = False

    def signalProcess(self, name: str | int) -> None:
        """A signal, if it is still there."""
        if not self.alive:
            raise ProcessExitedAlready
        self.signals.append(str(name))

    def print(self, text: str | bytes, descriptor: int = 1) -> None:
        """Something on its stdout, or stderr."""
        self.protocol.childDataReceived(descriptor, text if isinstance(text, bytes) else text.encode())

    def exit(self, code: int | None = 0, signal: int | None = None) -> None:
        """It is gone, but others may hold its output open."""
        self.alive = False
        status = ProcessDone(0) if code == 0 else ProcessTerminated(code, signal, 0)
        self.protocol.processExited(Failure(status))

    @property
    def settings(self) -> dict[str, Any]:
        """The line it was told."""
        found: dict[str, Any] = json.loads(self.told)
        return found

    def say(self, *lines: dict[str, Any]) -> None:
        """Lines of JSON on its stdout."""
        self.protocol.outReceived(b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def ready(self, url: str = "http://127.0.0.1:9") -> None:
        """It serves."""
        self.say({"ready": url})

    def end(self, code: int | None = 1, signal: int | None = None) -> None:
        """It dies."""
        self.alive = False
        status = ProcessDone(0) if code == 0 else ProcessTerminated(code, signal, 0)
        self.protocol.processEnded(Failure(status))


@implementer(IReactorProcess)
class Processes:
    """Spawns processes that are none.

    @ivar spawned: all of them, oldest first.
    """

    def __init__(self, first_pid: int = 1000) -> None:
        self.spawned: list[Process] = []
        self._first_pid = first_pid
        self.error: OSError | None = None
        self.groups: dict[int, int] = {}
        """Group -> how many processes are in it, beside those of L{spawned}."""
        self.sent: list[tuple[int, int]] = []
        """Group and number of every signal to a group."""

    def send(self, group: int, number: int) -> bool:
        """Send a signal to a group, as L{openclaw_tx.tools.commands.SendSignal}."""
        there = any(found.pid == group and found.alive for found in self.spawned) or self.groups.get(group, 0) > 0
        if there and number:
            self.sent.append((group, number))
        return there

    def signals(self, group: int) -> list[int]:
        """What a group was sent."""
        return [number for found, number in self.sent if found == group]

    def spawnProcess(
        self,
        processProtocol: Any,
        executable: Any,
        args: Any = (),
        env: Any = None,
        path: Any = None,
        uid: Any = None,
        gid: Any = None,
        usePTY: Any = False,
        childFDs: Any = None,
    ) -> Any:
        """Start one."""
        if self.error is not None:
            raise self.error
        process = Process(
            processProtocol,
            list(args),
            dict(env),
            self._first_pid + len(self.spawned),
            pty=bool(usePTY),
            cwd=path or "",
        )
        self.spawned.append(process)
        processProtocol.makeConnection(process)
        return process
