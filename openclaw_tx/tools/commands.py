# -*- test-case-name: tests.tools.test_commands -*-
"""Commands as processes: each in a process group of its own, which ends as a whole.

The group is made by a launcher, a few lines of Python that call C{setsid(2)} and then become the shell: the parent can
not do it after the spawn (C{setpgid(2)} fails once the child has called C{exec}), and no tool for it is on every
system. With a terminal Twisted does the same itself. The group has the number of the process. Until the launcher has
made it there is only that one process, and it is signalled alone.

What leaves the group by a session of its own is no longer reached, like a daemon.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from openclaw_tx.deferreds import Gate
from openclaw_tx.tools.output import Output

ABORT_GRACE = 1.0
"""Seconds from TERM to KILL when whoever wanted the command wants it no more."""
TIMEOUT_GRACE = 2.0
"""The same when its time is over."""
POLL = 0.05
"""Seconds between two looks whether a group that was told to end has."""
GIVE_UP = 2.0
"""Seconds after KILL for which a group is still looked for: what can not be killed, or waited for, is not ours."""
DRAIN = 0.25
"""Seconds for which a process that has ended may still be read."""
MAX_INPUT = 4 * 1024 * 1024
"""Bytes that one command may be given on its standard input."""
SLICE_BYTES = 1024 * 1024
SLICE_SECONDS = 0.1
"""So much output is read in so long; then the command has to wait, so that one that never stops printing does not
keep the gateway busy."""

_LAUNCHER = """\
import os, signal, sys
os.setsid()
for name in ("SIGPIPE", "SIGXFSZ"):
    signal.signal(getattr(signal, name), signal.SIG_DFL)
os.chdir(sys.argv[1])
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Python ignores two signals that commands are used to die of, and what is ignored stays so."""

SendSignal = Callable[[int, int], bool]
"""Sends a signal to a process group, 0 = none; False = there is no such group."""


def signal_group(group: int, number: int) -> bool:
    """A L{SendSignal} to real processes."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is there, but somebody else's
    return True


class Order(NamedTuple):
    """What to run."""

    command: str
    """For the shell."""
    cwd: str
    environment: Mapping[str, str]
    terminal: bool
    """On a terminal of its own, with what it prints and what it is given on one line."""
    max_output: int
    """Characters of output kept."""
    shown: str = ""
    """The command as the model wrote it."""


class Ending(NamedTuple):
    """How a command ended."""

    exit_code: int | None
    """None = by a signal."""
    signal: int | None
    reason: Literal["", "timeout", "killed", "aborted", "shutdown"] = ""
    """Who ended it; "" = nobody but itself."""
    left: bool = False
    """It had left processes of its group behind, which were ended."""

    @property
    def ok(self) -> bool:
        """It came to its own end, whatever its exit code."""
        return not self.reason and self.signal is None


class Command(ProcessProtocol):
    """One command at work, or ended.

    @ivar output: standard output and standard error as they came.
    @ivar ended: opens when it has ended and its output is complete.
    @ivar gone: opens when no process of its group is left.
    @ivar pid: also the number of its group.
    """

    transport: Any
    _log = Logger()

    def __init__(self, order: Order, clock: IReactorTime, send: SendSignal) -> None:
        self.order = order
        self.output = Output(order.max_output)
        self.ended = Gate()
        self.gone = Gate()
        self.ending: Ending | None = None
        self.started_at = clock.seconds()
        self.ended_at = 0.0
        self.pid = 0
        self.on_output: Callable[[], None] | None = None
        self.stdin_open = True
        self._clock = clock
        self._send = send
        self._reason: Literal["", "timeout", "killed", "aborted", "shutdown"] = ""
        self._status: Any = None
        self._left = False
        self._given = 0
        self._sliced = 0
        self._slice_at = clock.seconds()
        self._calls: dict[str, IDelayedCall] = {}

    @property
    def seconds(self) -> float:
        """How long it ran, or has been running."""
        return (self.ended_at if self.ending is not None else self._clock.seconds()) - self.started_at

    # -- what others do with it

    def write(self, data: bytes) -> None:
        """Give it something to read.

        @raise ValueError: its standard input is closed, or it was given too much; a sentence.
        """
        if not self.stdin_open or self._status is not None:
            raise ValueError("its standard input is closed.")
        self._given += len(data)
        if self._given > MAX_INPUT:
            raise ValueError(f"it was given {MAX_INPUT} bytes already.")
        self.transport.write(data)

    def end_input(self) -> None:
        """Nothing more comes on its standard input. On a terminal that is what Ctrl-D says."""
        if not self.stdin_open or self._status is not None:
            return
        if self.order.terminal:
            self.transport.write(b"\x04")
        else:
            self.stdin_open = False
            self.transport.closeStdin()

    def end(self, reason: Literal["timeout", "killed", "aborted", "shutdown"], grace: float) -> None:
        """End the whole group: TERM now, KILL after C{grace} seconds to what is left. The first reason counts."""
        if self._status is None and not self._reason:
            self._reason = reason
        if not self.gone.opened:
            self._terminate(grace)

    # -- what the process does

    def connectionMade(self) -> None:
        """It has been started."""
        self.pid = self.transport.pid

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """It printed something."""
        if self.ending is not None:
            return
        self.output.add(data)
        self._keep_pace(len(data))
        if self.on_output is not None:
            self.on_output()

    def inConnectionLost(self) -> None:
        """Nobody reads its standard input any more, or we have ended it."""
        self.stdin_open = False

    def processExited(self, reason: Failure) -> None:
        """The first process of the group is gone. Others may hold its output open, so it is not waited for long."""
        self._status = reason.value
        self.ended_at = self._clock.seconds()
        if self._send(self.pid, 0):
            self._left = not self._reason
            self._terminate(ABORT_GRACE)
        else:
            self._cancel("poll")
            self.gone.open()
        self._later("drain", DRAIN, self._finish)

    def processEnded(self, reason: Failure) -> None:
        """Its output is complete, too."""
        if self._status is None:
            self.processExited(reason)
        self._finish()

    # -- inside

    def _finish(self) -> None:
        if self.ending is not None:
            return
        self._cancel("drain")
        self._cancel("resume")
        self.output.end()
        status = self._status
        self.ending = Ending(
            getattr(status, "exitCode", None), getattr(status, "signal", None), self._reason, self._left
        )
        self.stdin_open = False
        self.on_output = None
        if self.order.terminal or self._left or not self.gone.opened:
            self.transport.loseConnection()
        self.ended.open()

    def _terminate(self, grace: float) -> None:
        """TERM, and look every now and then; KILL at the end of the grace."""
        self._signal(signal.SIGTERM)
        self._look(self._clock.seconds() + grace)

    def _look(self, deadline: float) -> None:
        now = self._clock.seconds()
        if now >= deadline + GIVE_UP or (self._status is not None and not self._send(self.pid, 0)):
            self._cancel("poll")
            self.gone.open()
            return
        if now >= deadline:
            self._signal(signal.SIGKILL)
        self._later("poll", POLL, self._look, deadline)

    def _signal(self, number: int) -> None:
        """To the group, or to the one process that has not made it yet."""
        if not self._send(self.pid, number) and self._status is None:
            try:
                self.transport.signalProcess(number)
            except ProcessExitedAlready:
                pass

    def _keep_pace(self, size: int) -> None:
        now = self._clock.seconds()
        if now - self._slice_at >= SLICE_SECONDS:
            self._slice_at, self._sliced = now, 0
        self._sliced += size
        if self._sliced >= SLICE_BYTES and "resume" not in self._calls:
            self._producing(False)
            self._later("resume", SLICE_SECONDS, self._producing, True)

    def _producing(self, wanted: bool) -> None:
        self._calls.pop("resume", None)
        if self.ending is None:
            if wanted:
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()

    def _later(self, name: str, seconds: float, function: Callable[..., None], *arguments: Any) -> None:
        self._cancel(name)
        self._calls[name] = self._clock.callLater(seconds, function, *arguments)

    def _cancel(self, name: str) -> None:
        call = self._calls.pop(name, None)
        if call is not None and call.active():
            call.cancel()


class Spawner:
    """Starts commands."""

    def __init__(self, reactor: Any, send: SendSignal = signal_group, shell: str = "") -> None:
        """
        @param reactor: IReactorProcess and IReactorTime.
        @param shell: absolute path; "" = C{/bin/bash}, or C{/bin/sh} where there is none.
        """
        self._reactor = reactor
        self._send = send
        self._shell = shell or ("/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh")

    def start(self, order: Order) -> Command:
        """
        @raise OSError: the system has no room for another process.
        """
        command = Command(order, self._reactor, self._send)
        shell = [self._shell, *(["--noprofile", "--norc"] if self._shell.endswith("/bash") else []), "-c"]
        environment = dict(order.environment)
        if order.terminal:
            environment.setdefault("TERM", "xterm")
            arguments = [*shell, order.command]
            self._reactor.spawnProcess(command, self._shell, arguments, env=environment, path=order.cwd, usePTY=True)
        else:
            arguments = [sys.executable, "-I", "-S", "-c", _LAUNCHER, order.cwd, *shell, order.command]
            self._reactor.spawnProcess(
                command, sys.executable, arguments, env=environment, childFDs={0: "w", 1: "r", 2: "r"}
            )
        return command


__all__ = [
    "ABORT_GRACE",
    "MAX_INPUT",
    "TIMEOUT_GRACE",
    "Command",
    "Ending",
    "Order",
    "SendSignal",
    "Spawner",
    "signal_group",
]
