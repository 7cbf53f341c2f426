# -*- test-case-name: tests.runs.test_listeners -*-
"""Who hears of all runs, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.listeners import RunListeners
from openclaw_tx.values import Entry, RunEnded, RunEvent, RunResult, TextDelta

END = RunEnded(result=RunResult(run_id="r", session_key="", agent_id="main", status="ok"))


def batch(*events: RunEvent) -> list[Entry]:
    """Entries of a journal."""
    return [Entry(seq=seq, ts_ms=0, event=event) for seq, event in enumerate(events, 1)]


class ListenersTests(SynchronousTestCase):
    """L{RunListeners}."""

    def setUp(self) -> None:
        """Two kinds of listeners note what they hear."""
        self.listeners = RunListeners(Logger())
        self.heard: list[tuple[str, int]] = []

    def listener(self, name: str) -> Any:
        """One that notes how long a batch is."""

        def hear(run: object, entries: Sequence[Entry]) -> None:
            self.heard.append((name, len(entries)))

        return hear

    def test_every_batch_or_the_last_one(self) -> None:
        """Some hear all, some only the end; those first, as what they count is told by the others."""
        self.listeners.add(self.listener("all"))
        self.listeners.add(self.listener("end"), at_end=True)
        self.listeners.tell("run", batch(TextDelta(text="a")))
        self.listeners.tell("run", batch(TextDelta(text="b"), END))
        self.assertEqual(self.heard, [("all", 1), ("end", 2), ("all", 2)])

    def test_stop(self) -> None:
        """Either kind ends."""
        for at_end in (False, True):
            self.listeners.add(self.listener("gone"), at_end=at_end)()
        self.listeners.tell("run", batch(END))
        self.assertEqual(self.heard, [])

    def test_failure(self) -> None:
        """One that fails keeps nobody from hearing."""

        def fail(run: object, entries: Sequence[Entry]) -> None:
            raise ValueError

        for at_end in (True, False):
            self.listeners.add(fail, at_end=at_end)
        self.listeners.add(self.listener("all"))
        self.listeners.tell("run", batch(END))
        self.assertEqual(self.heard, [("all", 1)])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)
