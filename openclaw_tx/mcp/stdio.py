# -*- test-case-name: tests.mcp.test_stdio -*-
"""A server that is a program of ours: one message a line, on its standard input and output.

The program runs in a process group of its own, so that what it starts ends with it; Python makes the group and then
becomes the program, since nobody else can make it between fork and exec. What it does not read yet waits here, so much
and no more. Its standard error goes to the log, not more
than so many lines a minute. Of the environment it gets what programs need to run at all, and what the configuration
gives it; no secrets of the gateway.

Source: Model Context Protocol 2025-06-18, basic/transports (stdio) and basic/lifecycle (shutdown).
"""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from openclaw_tx.deferreds import Gate
from openclaw_tx.mcp.session import MAX_MESSAGE_BYTES, McpError

INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR")
"""Variables that every program gets, beside those whose names begin with C{LC_}."""

END_SECONDS = 1.0
"""A program whose input has ended has so long before TERM."""

TERM_SECONDS = 2.0
"""And so long from TERM to KILL."""

MAX_UNREAD = 16 * 1024 * 1024
"""Bytes that wait for a program which does not read, beside what its pipe takes; with more it is ended."""

MAX_ERROR_LINE = 500
MAX_ERROR_LINES = 60
"""Lines of standard error that are logged in a minute."""

_LAUNCHER = """\
import os, signal, sys
os.setsid()
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
try:
    os.chdir(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"{error.filename or sys.argv[2]}: {error.strerror}")
"""

SendSignal = Callable[[int, int], None]
"""Sends a signal to a process group.

@raise OSError: there is none.
"""


class Program(NamedTuple):
    """What to start."""

    command: Sequence[str]
    """Program and arguments; it is looked for in C{PATH}."""
    cwd: str
    environment: Mapping[str, str]


def child_environment(inherited: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program.

    @param inherited: the gateway's.
    @param own: what the configuration gives it.
    """
    kept = {name: value for name, value in inherited.items() if name in INHERITED or name.startswith("LC_")}
    return {"PATH": os.defpath, **kept, **own}


class StdioTransport:
    """Implements L{openclaw_tx.mcp.transport.Transport} with a program."""

    def __init__(self, reactor: Any, program: Program, name: str, send_signal: SendSignal = os.killpg) -> None:
        """
        @param reactor: IReactorProcess and IReactorTime.
        @param name: the server, for the log.
        """
        self._reactor = reactor
        self._program = program
        self._name = name
        self._send_signal = send_signal
        self._process: _Process | None = None

    async def open(self, receive: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        """See L{Transport.open}."""
        process = _Process(self._reactor, self._name, self._send_signal, receive, lost)
        try:
            self._reactor.spawnProcess(
                process,
                sys.executable,
                [sys.executable, "-I", "-S", "-c", _LAUNCHER, self._program.cwd, *self._program.command],
                env=dict(self._program.environment),
                childFDs={0: "w", 1: "r", 2: "r"},
            )
        except OSError as error:
            raise McpError(f"it could not be started: {error.strerror}.") from None
        self._process = process

    async def send(self, message: bytes, answered: Callable[[], bool] | None = None) -> None:
        """See L{Transport.send}; an answer comes by itself."""
        if self._process is None:
            raise McpError("its program does not run.")
        self._process.send(message + b"\n")

    def agreed(self, version: str) -> None:
        """See L{Transport.agreed}; it can speak all the time."""

    async def close(self) -> None:
        """See L{Transport.close}."""
        if self._process is not None:
            self._process.end()
            await self._process.gone.wait()


@implementer(IPushProducer)
class _Process(ProcessProtocol):
    """The program while it runs, and what it has yet to read.

    @ivar gone: opens when it does no longer.
    """

    transport: Any
    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        name: str,
        send_signal: SendSignal,
        receive: Callable[[bytes], None],
        lost: Callable[[str], None],
    ) -> None:
        self.gone = Gate()
        self._clock = clock
        self._name = name
        self._send_signal = send_signal
        self._receive = receive
        self._lost: Callable[[str], None] | None = lost
        self._line: list[bytes] = []
        self._held = 0
        self._unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self._waits = False
        """Its pipe is full."""
        self._errors = _ErrorLines(clock, self._log_error)
        self._next_step: IDelayedCall | None = None
        self._group = 0
        self._exited = False

    def connectionMade(self) -> None:
        """It runs."""
        self._group = self.transport.pid  # which is gone when the process is
        self.transport.registerProducer(self, True)

    def send(self, line: bytes) -> None:
        """
        @raise McpError: it does not run, or not for long.
        """
        if self._lost is None:
            raise McpError("its program does not run.")
        if not self._waits:
            self.transport.write(line)
            return
        self._unread.append(line)
        self._unread_bytes += len(line)
        if self._unread_bytes > MAX_UNREAD:
            reason = f"it does not read: {MAX_UNREAD} bytes wait for it."
            self._give_up(reason)
            raise McpError(reason)

    def pauseProducing(self) -> None:
        """It does not read as fast as it is written to."""
        self._waits = True

    def resumeProducing(self) -> None:
        """It has read what its pipe took."""
        self._waits = False
        while self._unread and not self._waits:
            line = self._unread.popleft()
            self._unread_bytes -= len(line)
            self.transport.write(line)

    def stopProducing(self) -> None:
        """It never reads again. Then it mostly is at its end, of which something is heard soon."""
        self._waits = False
        self._forget()

    def end(self) -> None:
        """Let it end: no more input, then TERM, then KILL to its whole group."""
        self._lost = None
        self._forget()
        if not self.gone.opened and self._next_step is None:
            self.transport.unregisterProducer()
            self.transport.closeStdin()
            self._next_step = self._clock.callLater(END_SECONDS, self._terminate)

    def outReceived(self, data: bytes) -> None:
        """Messages, line by line."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            whole, self._line, self._held = b"".join([*self._line, line]), [], 0
            if whole.strip() and self._lost is not None:
                self._receive(whole)
        if rest:
            self._line.append(rest)
            self._held += len(rest)
        if self._held > MAX_MESSAGE_BYTES:
            self._line, self._held = [], 0
            self._give_up(f"it sent a message of more than {MAX_MESSAGE_BYTES} bytes.")

    def errReceived(self, data: bytes) -> None:
        """For the log."""
        self._errors.add(data)

    def processExited(self, reason: Failure) -> None:
        """It has ended; what it has left behind ends too."""
        if self._exited:
            return
        self._exited = True
        if self._next_step is not None and self._next_step.active():
            self._next_step.cancel()
        self._signal(signal.SIGKILL)
        self._errors.finish()
        self.gone.open()
        self._give_up(_ending(reason.value) + (f": {self._errors.last}" if self._errors.last else "."))
        self.transport.loseConnection()

    def processEnded(self, reason: Failure) -> None:
        """The same, with all its output read."""
        self.processExited(reason)

    def _forget(self) -> None:
        """What it has not read it need not read."""
        self._unread.clear()
        self._unread_bytes = 0

    def _give_up(self, reason: str) -> None:
        lost, self._lost = self._lost, None
        if lost is not None:
            self.end()
            lost(reason)

    def _terminate(self) -> None:
        self._signal(signal.SIGTERM)
        self._next_step = self._clock.callLater(TERM_SECONDS, self._kill)

    def _kill(self) -> None:
        self._log.warn("MCP server {server}: its program does not end; killing it", server=self._name)
        self._signal(signal.SIGKILL)
        self._next_step = self._clock.callLater(TERM_SECONDS, self.gone.open)  # what can not be killed is not awaited

    def _signal(self, number: int) -> None:
        """To the group; to the process alone while that has not made it yet."""
        try:
            self._send_signal(self._group, number)
        except OSError:
            try:
                self.transport.signalProcess(number)
            except ProcessExitedAlready:
                pass

    def _log_error(self, line: str) -> None:
        self._log.info("MCP server {server}: {line}", server=self._name, line=line)


class _ErrorLines:
    """Standard error by lines, as many as are worth it.

    @ivar last: the last one.
    """

    def __init__(self, clock: IReactorTime, log: Callable[[str], None]) -> None:
        self.last = ""
        self._clock = clock
        self._log = log
        self._rest = b""
        self._minute = 0.0
        self._count = 0

    def add(self, data: bytes) -> None:
        """More of it."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[: 4 * MAX_ERROR_LINE]
        for line in lines:
            self._take(line)

    def finish(self) -> None:
        """No more comes."""
        rest, self._rest = self._rest, b""
        self._take(rest)

    def _take(self, line: bytes) -> None:
        text = line[: 4 * MAX_ERROR_LINE].decode("utf-8", "replace").strip()[:MAX_ERROR_LINE]
        if not text:
            return
        self.last = text
        now = self._clock.seconds()
        if now - self._minute >= 60:
            self._minute, self._count = now, 0
        self._count += 1
        if self._count <= MAX_ERROR_LINES:
            self._log(text)
        elif self._count == MAX_ERROR_LINES + 1:
            self._log("[more lines follow, which are not logged]")


def _ending(status: Any) -> str:
    number = getattr(status, "signal", None)
    how = f"by signal {number}" if number else f"with exit code {getattr(status, 'exitCode', None)}"
    return f"its program has ended {how}"


__all__ = ["INHERITED", "Program", "StdioTransport", "child_environment"]
