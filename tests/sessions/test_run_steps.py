# -*- test-case-name: tests.sessions.test_run_steps -*-
"""What a run that was cut off had said beyond its steps; the rest of the module is tried by L{tests.test_crashes}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.sessions.run_steps import unheld_text
from openclaw_tx.values import Entry, MessageEnded, TextDelta

TOLD = "I do it."
EVENTS = (TextDelta(text="I do "), TextDelta(text="it."), MessageEnded(), TextDelta(text="Now I go on"))


class UnheldTextTests(SynchronousTestCase):
    """L{unheld_text}."""

    def unheld(self, partial: str, first: int = 1) -> str:
        """Beyond the first message.

        @param first: the number of the first event that was kept.
        """
        events = [Entry(seq=seq, ts_ms=0, event=event) for seq, event in enumerate(EVENTS, first)]
        return unheld_text(partial, events, len(TOLD))

    def test_no_events(self) -> None:
        """What was written down each second is all there is."""
        self.assertEqual(unheld_text(f"{TOLD}\n\nNow", (), len(TOLD)), "Now")
        self.assertEqual(unheld_text(TOLD, (), len(TOLD)), "")

    def test_the_longer_account_counts(self) -> None:
        """Events may be ahead of what was written down, or behind."""
        self.assertEqual(self.unheld(f"{TOLD}\n\nNow"), "Now I go on")
        self.assertEqual(self.unheld(f"{TOLD}\n\nNow I go on, and on"), "Now I go on, and on")

    def test_events_without_their_beginning(self) -> None:
        """Nobody can tell where in them the steps end."""
        self.assertEqual(self.unheld(f"{TOLD}\n\nNow", first=2), "Now")
