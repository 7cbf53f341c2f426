# -*- test-case-name: tests.agents.test_silence -*-
"""Answers to heartbeats: which say nothing, and what the others say."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.agents.silence import heartbeat_text


class HeartbeatTests(SynchronousTestCase):
    """What of the answer to a heartbeat is told."""

    def test_nothing_to_report(self) -> None:
        """The token alone, in bold, with a few words before or behind it: nothing."""
        for text in ("HEARTBEAT_OK", " **HEARTBEAT_OK**.\n", "HEARTBEAT_OK all is well", "All is well. HEARTBEAT_OK"):
            self.assertEqual(heartbeat_text(text, 30), "")

    def test_something_to_report(self) -> None:
        """More words than that are told, without the token; so is all that has it in the middle, or not at all."""
        news = "The disk of the server is full, and nobody else looks."
        self.assertEqual(heartbeat_text(f"HEARTBEAT_OK {news}", 30), news)
        self.assertEqual(heartbeat_text(f"{news} HEARTBEAT_OK", 30), news)
        self.assertEqual(heartbeat_text("no", 30), "no")
        self.assertEqual(heartbeat_text("I say HEARTBEAT_OK when", 30), "I say HEARTBEAT_OK when")
        self.assertEqual(heartbeat_text("HEARTBEAT_OKAY", 30), "HEARTBEAT_OKAY")
