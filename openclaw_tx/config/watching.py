# -*- test-case-name: tests.config.test_watching -*-
"""Edits of the configuration reach a running gateway (spec 5.3)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from openclaw_tx.config.load import Loaded
from openclaw_tx.config.reload import ReloadPlan
from openclaw_tx.config.settings import Settings
from openclaw_tx.errors import ConfigError

INTERVAL = 0.5
"""Seconds between two looks at the files."""

Stamp = tuple[int, int, int] | None
"""Time of change, size and inode of a file; None when it is not there."""


class ConfigWatcher(Service):
    """Looks at the files of the last load, and loads again once they have been quiet for C{gateway.reload.debounceMs}.

    A configuration that can not be used changes nothing: the last good one stays, and the log says once why. Polling
    costs a stat for each file; it works on every file system, and sees editors that replace a file.
    """

    name = "configuration"

    def __init__(
        self, settings: Settings, loader: Callable[[], Loaded], clock: IReactorTime, log: Logger | None = None
    ) -> None:
        """
        @param loader: L{openclaw_tx.config.load.load} with the options of the start.
        """
        self._settings = settings
        self._loader = loader
        self._clock = clock
        self._log = log or Logger()
        self._stamps = _look(settings.loaded.files)
        self._pending: IDelayedCall | None = None
        self._failed = False
        self._loop = LoopingCall(self._poll)
        self._loop.clock = clock

    def startService(self) -> None:
        """Begin to watch."""
        super().startService()  # type: ignore[no-untyped-call]
        self._loop.start(INTERVAL, now=False)

    def stopService(self) -> None:
        """Stop watching; an edit not yet applied is left for the next start."""
        if self._loop.running:
            self._loop.stop()
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        super().stopService()  # type: ignore[no-untyped-call]

    def _poll(self) -> None:
        stamps = _look(self._stamps)
        if stamps == self._stamps:
            return
        self._stamps = stamps
        if self._pending is not None:
            self._pending.cancel()
        # A file being written changes from look to look, and each change starts the wait anew.
        quiet = max(self._settings.current.gateway.reload.debounce_ms / 1000, 0)
        self._pending = self._clock.callLater(quiet, self._reload)

    def _reload(self) -> None:
        self._pending = None
        before = _look(self._stamps)
        if before != self._stamps:
            # Changed within the quiet time: the next look starts it anew.
            return
        try:
            loaded = self._loader()
            self._watch(loaded.files)
            apply(self._settings, loaded, self._log)
            if self._failed:
                self._failed = False
                self._log.info("the configuration can be used again")
        except ConfigError as error:
            self._failed = True
            self._watch([*error.files, *self._settings.loaded.files])
            self._log.error("the configuration can not be used, the last good one stays: {issues}", issues=error.told)

    def _watch(self, files: Iterable[Path]) -> None:
        """Look at C{files} from now on; of those known, a change since the last look still counts."""
        files = list(files)
        new = _look(file for file in files if file not in self._stamps)
        self._stamps = {file: new[file] if file in new else self._stamps[file] for file in files}


def apply(settings: Settings, loaded: Loaded, log: Logger) -> ReloadPlan | None:
    """Go by C{loaded} from now on, as far as C{gateway.reload.mode} has it, and log what came of it.

    @return: what took effect and what waits for a restart; None = nothing takes effect before one.
    @raise ConfigError: see L{Settings.replace}.
    """
    mode = loaded.config.gateway.reload.mode
    if mode == "off":
        log.info("the configuration changed; gateway.reload.mode is off, it applies at the next start")
        settings.file_changed(loaded)
        return None
    warnings = [warning for warning in loaded.warnings if warning not in settings.loaded.warnings]
    changes = settings.replace(loaded)
    for warning in warnings:
        log.warn("{text}", text=warning)
    if changes.hot:
        log.info("configuration applied: {paths}", paths=", ".join(changes.hot))
    if changes.restart and mode != "hot":
        log.warn("restart the gateway to apply: {paths}", paths=", ".join(changes.restart))
    return changes


def _look(files: Iterable[Path]) -> dict[Path, Stamp]:
    return {file: _stamp(file) for file in files}


def _stamp(file: Path) -> Stamp:
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
