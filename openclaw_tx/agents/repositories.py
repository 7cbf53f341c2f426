# -*- test-case-name: tests.agents.test_repositories -*-
"""Puts a new workspace under version control, where there is git (spec 3.2, step 4).

Nobody waits for it and nothing depends on it: without git, or when git fails, the workspace is just a directory.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import DeferredList
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport, IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from openclaw_tx.deferreds import Gate

TIMEOUT_S = 10.0
"""Longest C{git init}; then it is killed."""

PASSED_ON = ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR")
"""What git gets of the environment."""


class Repositories(Service):
    """Runs C{git init}. Stopping the service kills what still runs, and waits until it has gone."""

    _log = Logger()

    def __init__(
        self,
        processes: IReactorProcess,
        clock: IReactorTime,
        environment: Callable[[], Mapping[str, str]],
    ) -> None:
        """
        @param processes: where git runs; a reactor that has no processes makes no repositories.
        @param environment: of the moment; without a C{PATH} there is no git.
        """
        self._processes = processes
        self._clock = clock
        self._environment = environment
        self._running: set[_Git] = set()

    def create(self, directory: str) -> None:
        """Begin to make C{directory} a repository, unless it is one."""
        environment = self._environment()
        git = shutil.which("git", path=environment.get("PATH", ""))
        if git is None or not IReactorProcess.providedBy(self._processes):
            return
        running = _Git(self._ended, directory)
        try:
            self._processes.spawnProcess(
                running,
                git,
                [git, "init", "--quiet"],
                {name: environment[name] for name in PASSED_ON if name in environment},
                directory,
            )
        except OSError as error:
            self._log.info("git init in {directory}: {error}", directory=directory, error=error)
            return
        self._running.add(running)
        running.late = self._clock.callLater(TIMEOUT_S, running.kill)

    def stopService(self) -> Any:
        """
        @return: fires when no git runs any more.
        """
        super().stopService()  # type: ignore[no-untyped-call]
        waits = [running.gone.wait() for running in self._running]
        for running in list(self._running):
            running.kill()
        return DeferredList(waits)

    def _ended(self, running: _Git, reason: Failure) -> None:
        self._running.discard(running)
        if running.late is not None and running.late.active():
            running.late.cancel()
        if not isinstance(reason.value, ProcessDone):
            self._log.info(
                "git init in {directory}: {error}", directory=running.directory, error=reason.getErrorMessage()
            )
        running.gone.open()


class _Git(ProcessProtocol):
    """One process; what it writes is of no interest."""

    transport: IProcessTransport

    def __init__(self, ended: Callable[[_Git, Failure], None], directory: str) -> None:
        self.directory = directory
        self.gone = Gate()
        self.late: Any = None
        self._ended = ended

    def kill(self) -> None:
        """End it."""
        try:
            self.transport.signalProcess("KILL")
        except ProcessExitedAlready:
            pass

    def processEnded(self, reason: Failure) -> None:
        """It has gone."""
        self._ended(self, reason)


__all__ = ["TIMEOUT_S", "Repositories"]
