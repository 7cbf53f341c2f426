# -*- test-case-name: tests.models.test_supervisor -*-
"""Keeps the embedded model's process: starts it when it is needed, notices its death, ends it with us.

Nothing is restarted for its own sake: after a death the next request starts a new process, not before a back-off has
passed. The process is L{openclaw_tx.models.child}; it ends when its stdin does.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport, IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from openclaw_tx.deferreds import Gate, sleep
from openclaw_tx.errors import GatewayError

START_TIMEOUT_S = 60.0
QUICK_DEATH_S = 10.0
"""Dying this soon after it was ready counts like not getting ready at all."""
MAX_QUICK_DEATHS = 5
MAX_BACKOFF_S = 30.0
STOP_TIMEOUT_S = 3.0
MAX_OUTPUT_BYTES = 64 * 1024
MAX_LAST_WORDS = 2000

INSTALL_COMMAND = "pip install 'openclaw-tx[local]' && openclaw-tx models install"

_CHILD = Path(__file__).with_name("child.py")
_SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD")


class ChildSettings(NamedTuple):
    """What the process is told."""

    path: Path
    model: str
    context_window: int
    threads: int
    api_key: str


class Ready(NamedTuple):
    """A process that serves."""

    url: str
    api_key: str
    number: int
    """Counts starts; another number is another process."""


class Supervisor:
    """One process at most, or the reason why there is none."""

    _log = Logger()

    def __init__(
        self,
        processes: IReactorProcess,
        clock: IReactorTime,
        settings: Callable[[], ChildSettings],
        environ: Mapping[str, str],
    ) -> None:
        """
        @param settings: called for each start; raises L{GatewayError} when a piece is missing.
        @param environ: for the process; variables that look like secrets are left out.
        """
        self._processes = processes
        self._clock = clock
        self._settings = settings
        self._environ = {
            name: value for name, value in environ.items() if not any(word in name.upper() for word in _SECRET_WORDS)
        }
        # Threads that spin while they wait fight other processes for the cores.
        self._environ["OMP_WAIT_POLICY"] = "passive"
        self._child: _Child | None = None
        self._starts = 0
        self._quick_deaths = 0
        self._not_before = 0.0
        self._hopeless: GatewayError | None = None

    async def ready(self) -> Ready:
        """The process that serves; starts it if need be. A cancelled wait does not stop the start.

        @raise GatewayError: C{local_model_not_installed}; C{provider_error}, it did not start.
        """
        while True:
            if self._hopeless is not None:
                # One for each who asks: an error keeps the frames of all who raised it.
                raise GatewayError.from_info(self._hopeless.info)
            if self._child is None:
                wait = self._not_before - self._clock.seconds()
                if wait > 0:
                    await sleep(self._clock, wait)
                    continue
                self._start(self._settings())
            child = self._child
            assert child is not None
            await child.settled.wait()
            if child.ready is not None:
                return child.ready
            if child.failure is not None:
                raise GatewayError.from_info(child.failure.info)

    def kill(self, number: int, why: str) -> None:
        """End a process that no longer does what it should; the next request gets a new one."""
        child = self._child
        if child is not None and child.number == number:
            self._log.warn("local model: killing the process: {why}", why=why)
            child.wanted = False
            child.signal("KILL")

    async def stop(self) -> None:
        """End the process: ask, and kill it if it does not listen."""
        self._hopeless = GatewayError("gateway_draining", "The gateway is shutting down.")
        child = self._child
        if child is None:
            return
        child.wanted = False
        child.end()
        late = self._clock.callLater(STOP_TIMEOUT_S, child.signal, "KILL")
        await child.gone.wait()
        if late.active():
            late.cancel()

    def _start(self, settings: ChildSettings) -> None:
        self._starts += 1
        child = _Child(self, self._starts, settings, self._clock)
        self._child = child
        try:
            # -P: this directory must not shadow modules of the standard library.
            self._processes.spawnProcess(
                child,
                sys.executable,
                [sys.executable, "-P", str(_CHILD)],
                env=self._environ,
                childFDs={0: "w", 1: "r", 2: "r"},
            )
        except OSError as error:
            self._child = None
            raise GatewayError("provider_error", f"local: the process could not be started: {error.strerror}") from None

    def ended(self, child: _Child, status: Any) -> None:
        """The process is gone.

        @param status: L{twisted.internet.error.ProcessDone} or C{ProcessTerminated}.
        """
        self._child = None
        if not child.wanted:
            child.settle(GatewayError("provider_error", "local: the process was ended."))
            return
        lived = self._clock.seconds() - child.ready_at if child.ready is not None else 0.0
        self._quick_deaths = self._quick_deaths + 1 if lived < QUICK_DEATH_S else 0
        if self._quick_deaths:
            self._not_before = self._clock.seconds() + min(MAX_BACKOFF_S, 2.0 ** (self._quick_deaths - 1))
        failure = _failure_of(child.report, status)
        self._log.error(
            "local model: the process ended: {error}; its last words: {words}",
            error=str(failure),
            words=child.last_words.decode("utf-8", "replace"),
        )
        if getattr(status, "signal", None) == signal.SIGILL:
            self._hopeless = failure
        elif self._quick_deaths >= MAX_QUICK_DEATHS:
            self._hopeless = GatewayError(
                failure.info.code, f"{failure} It was tried {self._quick_deaths} times; not again before a restart."
            )
        child.settle(failure)


class _Child(ProcessProtocol):
    """One start of the process."""

    transport: IProcessTransport

    def __init__(self, owner: Supervisor, number: int, settings: ChildSettings, clock: IReactorTime) -> None:
        self.number = number
        self.ready: Ready | None = None
        self.ready_at = 0.0
        self.failure: GatewayError | None = None
        self.report: dict[str, Any] = {}
        self.last_words = b""
        self.wanted = True
        self.settled = Gate()
        self.gone = Gate()
        self._owner = owner
        self._settings = settings
        self._clock = clock
        self._output = b""
        self._too_slow = clock.callLater(START_TIMEOUT_S, self._give_up)

    def connectionMade(self) -> None:
        told = {**self._settings._asdict(), "path": str(self._settings.path)}
        self.transport.writeToChild(0, msgspec.json.encode(told) + b"\n")

    def outReceived(self, data: bytes) -> None:
        if self.ready is not None or len(self._output) > MAX_OUTPUT_BYTES:
            return
        *lines, self._output = (self._output + data).split(b"\n")
        for line in lines:
            try:
                found = msgspec.json.decode(line)
            except (msgspec.MsgspecError, RecursionError):
                continue
            if isinstance(found, dict) and isinstance(found.get("ready"), str):
                self.ready = Ready(found["ready"], self._settings.api_key, self.number)
                self.ready_at = self._clock.seconds()
                self.settle(None)
            elif isinstance(found, dict) and "error" in found:
                self.report = found

    def errReceived(self, data: bytes) -> None:
        self.last_words = (self.last_words + data)[-MAX_LAST_WORDS:]

    def processEnded(self, reason: Failure) -> None:
        self._owner.ended(self, reason.value)
        self.gone.open()

    def settle(self, failure: GatewayError | None) -> None:
        """It serves, or it never will."""
        if self._too_slow.active():
            self._too_slow.cancel()
        self.failure = failure
        if failure is not None:
            self.ready = None
        self.settled.open()

    def end(self) -> None:
        """Close its stdin: that is its sign to end."""
        self.transport.closeChildFD(0)

    def signal(self, name: str) -> None:
        """Send it a signal, unless it is gone."""
        try:
            self.transport.signalProcess(name)
        except ProcessExitedAlready:
            pass

    def _give_up(self) -> None:
        self.report = {"error": "slow", "message": f"not ready within {START_TIMEOUT_S:g} seconds"}
        self.signal("KILL")


def _failure_of(report: Mapping[str, Any], status: Any) -> GatewayError:
    """What the end of a process means, from what it said or how it died."""
    said = str(report.get("message", ""))
    if report.get("error") == "import":
        if "libgomp" in said:
            return GatewayError(
                "local_model_not_installed",
                "The local model needs the system library libgomp.so.1: apt-get install libgomp1 (or your system's).",
            )
        return GatewayError(
            "local_model_not_installed", f"The local model's runtime can not be loaded. Run: {INSTALL_COMMAND}"
        )
    if getattr(status, "signal", None) == signal.SIGILL:
        return GatewayError(
            "local_model_not_installed",
            "The local model's runtime does not run on this processor (it needs AVX2). "
            "Configure another provider under models.providers.",
        )
    if report.get("error") == "load":
        return GatewayError("provider_error", "local: the model file could not be loaded; is it a sound GGUF file?")
    died = f"signal {status.signal}" if getattr(status, "signal", None) else f"exit status {status.exitCode}"
    return GatewayError("provider_error", f"local: the process ended ({said or died}).")


__all__ = ["INSTALL_COMMAND", "ChildSettings", "Ready", "Supervisor"]
