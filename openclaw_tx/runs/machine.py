# -*- test-case-name: tests.runs.test_parts -*-
"""States of a run, without I/O: docs/run-states.dot is the picture.

queued -> running -> ok | error | aborted, or queued -> error | aborted. A terminal state is final.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from openclaw_tx.values import RunStatus

Terminal = Literal["ok", "error", "aborted"]

_NEXT: Mapping[RunStatus, frozenset[RunStatus]] = {
    "queued": frozenset({"running", "error", "aborted"}),
    "running": frozenset({"ok", "error", "aborted"}),
}


class IllegalTransition(Exception):
    """A state was left in a way that the machine does not know: a bug of the caller."""


class RunMachine:
    """Where a run stands. Every run reaches exactly one terminal state, once."""

    __slots__ = ("status",)

    def __init__(self) -> None:
        self.status: RunStatus = "queued"

    @property
    def ended(self) -> bool:
        """True in a terminal state."""
        return self.status not in _NEXT

    def start(self) -> None:
        """The run left its queues.

        @raise IllegalTransition: it is not queued.
        """
        self._to("running")

    def end(self, status: Terminal) -> None:
        """The run is over.

        @raise IllegalTransition: it was over before, or C{ok} without ever having run.
        """
        self._to(status)

    def _to(self, status: RunStatus) -> None:
        if status not in _NEXT.get(self.status, ()):
            raise IllegalTransition(f"{self.status} -> {status}")
        self.status = status
