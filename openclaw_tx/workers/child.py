# -*- test-case-name: tests.workers.test_child -*-
# mypy: allow-untyped-calls
"""A worker as its parent sees it: a process that says when it is ready, and what goes into the log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from time import time
from typing import Any

import msgspec

from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from openclaw_tx.workers.instructions import word

MAX_LINE = 256 * 1024
"""Bytes of the longest line that a worker says; a longer one is left out."""

MAX_LAST_WORDS = 500
"""Characters of what a worker said last."""

_LEVELS = {
    "trace": LogLevel.debug,
    "debug": LogLevel.debug,
    "info": LogLevel.info,
    "warn": LogLevel.warn,
    "error": LogLevel.error,
    "fatal": LogLevel.critical,
}


class Lines:
    """Bytes in pieces, made into lines. Of one that is too long nothing is kept."""

    def __init__(self) -> None:
        self._buffer = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now."""
        *whole, self._buffer = (self._buffer + data).split(b"\n")
        if whole and self._skipping:
            self._skipping = False
            del whole[0]
        if len(self._buffer) > MAX_LINE:
            self._buffer, self._skipping = b"", True
        return [line for line in whole if len(line) <= MAX_LINE]


class Child(ProcessProtocol):
    """One process.

    @ivar worker: which worker it is.
    @ivar serves: it has said so.
    @ivar drained: it takes nobody any more.
    @ivar last_words: the end of what it wrote as an error.
    """

    def __init__(
        self,
        worker: int,
        ready: Callable[[Child], None],
        ended: Callable[[Child, str], None],
        emptied: Callable[[], None] = lambda: None,
    ) -> None:
        """
        @param ready: is told once it serves.
        @param emptied: is told once it is drained.
        @param ended: is told when it is no more, with its exit code or its signal; C{"0"} = it ended well.
        """
        self.worker = worker
        self.serves = False
        self.drained = False
        self._emptied = emptied
        self.last_words = ""
        self._ready = ready
        self._ended = ended
        self._out = Lines()
        self._err = Lines()
        self._log = Logger(namespace="openclaw_tx.workers")

    @property
    def pid(self) -> int:
        """Its process id."""
        process: Any = self.transport
        return int(process.pid or 0)

    def tell(self, line: bytes) -> None:
        """Write to its standard input, which stays open."""
        process: Any = self.transport
        process.write(line)

    def signal(self, name: str) -> None:
        """Send a signal, if it is still there."""
        process: Any = self.transport
        try:
            process.signalProcess(name)
        except ProcessExitedAlready:
            pass

    # -- Twisted's hooks

    def outReceived(self, data: bytes) -> None:
        """It says something."""
        for line in self._out.feed(data):
            try:
                said = word(line)
            except msgspec.MsgspecError:
                self._log.info("{line}", line=line.decode("utf-8", "replace"), worker=self.worker)
                continue
            if said.ready:
                self._ready(self)
            if said.drained:
                self.drained = True
                self._emptied()
            if said.log is not None:
                emit(self._log, self.worker, said.log)

    def errReceived(self, data: bytes) -> None:
        """It, or something in it, complains."""
        for line in self._err.feed(data):
            text = line.decode("utf-8", "replace")
            self.last_words = text[-MAX_LAST_WORDS:]
            self._log.error("{line}", line=text, worker=self.worker, log_system=f"worker {self.worker}")

    def processEnded(self, reason: Failure) -> None:
        """It is no more."""
        value: Any = reason.value
        if isinstance(value, ProcessDone):
            how = "0"
        else:
            how = f"signal {value.signal}" if value.signal else f"exit code {value.exitCode}"
        self._ended(self, how)


def emit(log: Logger, worker: int, record: dict[str, Any]) -> None:
    """Log what a worker has logged, under its name."""
    fields = {key: value for key, value in record.items() if not key.startswith("log_")}
    level = str(fields.pop("level", "info"))
    namespace = str(fields.pop("namespace", ""))
    text = str(fields.pop("message", ""))
    when = fields.pop("time", None)
    error = fields.pop("error", None)
    if isinstance(error, dict) and error.get("traceback"):
        text = f"{text}\n{error['traceback']}"
    event: dict[str, Any] = {
        **fields,
        "worker": worker,
        "log_text": text,
        "log_format": "{log_text}",
        "log_level": _LEVELS.get(level, LogLevel.info),
        "log_logger": log,
        "log_source": None,
        "log_namespace": namespace,
        "log_time": datetime.fromisoformat(when).timestamp() if isinstance(when, str) else time(),
        "log_system": f"worker {worker}|{namespace}#{level}",
    }
    log.observer(event)


__all__ = ["Child", "Lines", "emit"]
