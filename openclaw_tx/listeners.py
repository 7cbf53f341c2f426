# -*- test-case-name: tests.test_listeners -*-
"""Whoever wants to hear of what happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec

from twisted.logger import Logger

P = ParamSpec("P")


class Listeners(Generic[P]):
    """Told of news one after the other, in the order in which they came. One that fails disturbs nobody, and stays.

    Who begins or ends to listen while news are told counts from the next on.
    """

    __slots__ = ("_all", "_log", "_what")

    def __init__(self, log: Logger, what: str) -> None:
        """
        @param log: where a failure goes.
        @param what: what they hear of, for that log line, e.g. C{"run events"}.
        """
        self._all: tuple[tuple[Callable[P, object]], ...] = ()
        self._log = log
        self._what = what

    def __bool__(self) -> bool:
        """Anybody listens."""
        return bool(self._all)

    def subscribe(self, listener: Callable[P, object]) -> Callable[[], None]:
        """Tell C{listener} from now on.

        @return: ends this subscription; may be called more than once.
        """
        entry = (listener,)  # something that is there once, however often a listener is added
        self._all = (*self._all, entry)

        def end() -> None:
            self._all = tuple(each for each in self._all if each is not entry)

        return end

    def tell(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Tell everybody."""
        for (listener,) in self._all:
            try:
                listener(*args, **kwargs)
            except Exception:
                self._log.failure("a listener of {what} failed", what=self._what)


__all__ = ["Listeners"]
