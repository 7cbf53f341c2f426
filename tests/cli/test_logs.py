# -*- test-case-name: tests.cli.test_logs -*-
"""What C{openclaw-tx logs} prints."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.logs import shown

LINE = json.dumps(
    {"time": "2026-11-29T12:00:00.000Z", "level": "warn", "namespace": "openclaw_tx.runs", "message": "it broke"}
)


class ShownTests(SynchronousTestCase):
    """L{shown}."""

    def test_text(self) -> None:
        """Time, level, place, message."""
        self.assertEqual(shown(LINE, False), "2026-11-29T12:00:00.000Z WARN  openclaw_tx.runs it broke")

    def test_traceback(self) -> None:
        """A failure comes with its traceback."""
        line = json.dumps({**json.loads(LINE), "error": {"traceback": "Traceback"}})
        self.assertTrue(shown(line, False).endswith("it broke\nTraceback"))

    def test_steering(self) -> None:
        """Nothing that clients and models wrote steers the terminal."""
        record = json.dumps({**json.loads(LINE), "message": "x\x1b]0;y\x07"})
        self.assertTrue(shown(record, False).endswith(r" x\x1b]0;y\x07"))
        self.assertEqual(shown("x\x9b2J", False), r"x\x9b2J")
        for line in (record, "x\x9b2J\x7f"):
            text = shown(line, True)
            self.assertTrue(text.isprintable())
            self.assertEqual(json.loads(text)["raw"], line)

    def test_json(self) -> None:
        """OpenClaw's own keys, and the line as it is in the file."""
        record = json.loads(shown(LINE, True))
        self.assertEqual((record["type"], record["level"], record["subsystem"]), ("log", "warn", "openclaw_tx.runs"))
        self.assertEqual(record["raw"], LINE)

    def test_no_record(self) -> None:
        """What is no record is shown as it stands."""
        for line in ("plain", "[1]", '"x"'):
            self.assertEqual(shown(line, False), line)
            self.assertEqual(json.loads(shown(line, True)), {"type": "raw", "raw": line})
