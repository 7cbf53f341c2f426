# -*- test-case-name: tests.config.test_settings -*-
"""The configuration of the moment, for everybody who works by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import structs

from twisted.logger import Logger

from openclaw_tx.config.environment import Environment
from openclaw_tx.config.load import Loaded
from openclaw_tx.config.reload import ReloadPlan, hold_back, plan
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import ConfigError
from openclaw_tx.listeners import Listeners

Listener = Callable[[Config, Config, ReloadPlan], None]
"""Is told of a change: the configuration before, the one now, what differs. Must not block."""


FileListener = Callable[[Loaded], None]
"""Is told that the file says something else, whether or not that takes effect."""


class Settings:
    """Holds the configuration a running gateway goes by; calling it gives the L{Config}.

    A change that needs a restart is held back: L{current} keeps the old value of it.
    """

    def __init__(self, loaded: Loaded, log: Logger | None = None) -> None:
        self._loaded = loaded
        log = log or Logger()
        self._listeners: Listeners[Config, Config, ReloadPlan] = Listeners(log, "the configuration")
        self._file_listeners: Listeners[Loaded] = Listeners(log, "the configuration file")
        self._hash = loaded.hash

    def __call__(self) -> Config:
        return self._loaded.config

    @property
    def current(self) -> Config:
        """The configuration of the moment; frozen, so that who keeps it keeps one state of it."""
        return self._loaded.config

    @property
    def loaded(self) -> Loaded:
        """The same with its origin; C{config} is L{current}."""
        return self._loaded

    @property
    def environment(self) -> Environment:
        """The effective environment; frozen."""
        return self._loaded.environment

    @property
    def state_dir(self) -> Path:
        """The state directory; fixed for the life of the process."""
        return self._loaded.state_dir

    def replace(self, loaded: Loaded) -> ReloadPlan:
        """Go by another configuration from now on, and tell the listeners if it differs.

        @return: what differs from the one before; C{restart} is what was held back.
        @raise ConfigError: what remains when the rest is held back does not pass the load's own check, e.g. an edit
            that drops the secret and moves to loopback at once; nothing was changed.
        """
        old, before = self._loaded.config, self._loaded.environment
        variables = {
            name for name in {*before, *loaded.environment} if before.get(name) != loaded.environment.get(name)
        }
        changes = plan(old, loaded.config, variables)
        config = hold_back(old, loaded.config)
        issues = loaded.check(config, loaded.environment)
        if issues:
            raise ConfigError([(path, f"{message}; this edit needs a restart") for path, message in issues])
        self._loaded = structs.replace(loaded, config=config, state_dir=self._loaded.state_dir)
        if changes.hot:
            self._listeners.tell(old, config, changes)
        self.file_changed(loaded)
        return changes

    def file_changed(self, loaded: Loaded) -> None:
        """Tell who wants to know of the file, if it is another one than they were told of last.

        @param loaded: what the file says now; it need not take effect.
        """
        if loaded.hash == self._hash:
            return
        self._hash = loaded.hash
        self._file_listeners.tell(loaded)

    def subscribe_file(self, listener: FileListener) -> None:
        """Tell C{listener} of every change of the file that can be used, for the life of the gateway."""
        self._file_listeners.subscribe(listener)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell C{listener} of every change that took effect, in the order of subscription.

        @return: ends it; may be called more than once.
        """
        return self._listeners.subscribe(listener)
