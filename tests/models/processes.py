"""Processes in memory: a test plays the embedded model's process."""

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
    """

    def __init__(self, protocol: Any, command: list[str], env: dict[str, str]) -> None:
        self.protocol = protocol
        self.command = command
        self.env = env
        self.told = b""
        self.stdin_open = True
        self.signals: list[str] = []
        self.alive = True

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        """Something for its stdin."""
        assert descriptor == 0
        self.told += data

    def closeChildFD(self, descriptor: int) -> None:
        """Its stdin ends."""
        assert descriptor == 0
        self.stdin_open = False

    def signalProcess(self, name: str) -> None:
        """A signal, if it is still there."""
        if not self.alive:
            raise ProcessExitedAlready
        self.signals.append(name)

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

    def __init__(self) -> None:
        self.spawned: list[Process] = []
        self.error: OSError | None = None

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
        process = Process(processProtocol, list(args), dict(env))
        self.spawned.append(process)
        processProtocol.makeConnection(process)
        return process
