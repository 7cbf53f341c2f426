# -*- test-case-name: tests.automation.test_cron -*-
"""Whoever wants to hear of what happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.logger import Logger

T = TypeVar("T")


class Listeners(Generic[T]):
    """Told of news one after the other; one that fails disturbs nobody."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._listeners: list[Callable[[T], None]] = []

    def subscribe(self, listener: Callable[[T], None]) -> Callable[[], None]:
        """Tell C{listener} from now on.

        @return: ends it; may be called more than once.
        """
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end

    def tell(self, news: T) -> None:
        """Tell everybody."""
        for listener in list(self._listeners):
            try:
                listener(news)
            except Exception:
                self._log.failure("a listener of {kind} failed", kind=type(news).__name__)


__all__ = ["Listeners"]
