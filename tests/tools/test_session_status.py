# -*- test-case-name: tests.tools.test_session_status -*-
"""The status card."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.interfaces import Sessions
from openclaw_tx.tools.builtin.session_status import SessionStatus
from openclaw_tx.tools.schema import decode_arguments
from openclaw_tx.values import SessionEntry, ToolResult, Usage
from tests.support.fakes import FixedModels
from tests.tools.doubles import Context, FoundSessions, result_of


def entry(key: str, **fields: Any) -> SessionEntry:
    """A stored session."""
    return SessionEntry(key=key, agent_id="main", session_id="s-1", created_at_ms=1, updated_at_ms=2, **fields)


class SessionStatusTests(SynchronousTestCase):
    """What the model learns."""

    def setUp(self) -> None:
        """A run at noon UTC of 23 November 2026."""
        clock = Clock()
        clock.advance(1_795_435_200)
        self.context = Context(clock)
        self.zone = "Europe/Paris"

    def status(self, *entries: SessionEntry, key: str = "") -> ToolResult:
        """The card."""
        config = msgspec.convert({"agents": {"defaults": {"userTimezone": self.zone}}}, Config)
        tool = SessionStatus(lambda: config, cast(Sessions, FoundSessions(*entries)), FixedModels())
        return result_of(self, tool.call({"sessionKey": key} if key else {}, self.context))

    def test_own_session(self) -> None:
        """Time at the user's place, agent, session, the run's model and usage, and what the session used before."""
        stored = entry(
            "agent:main:main", model_provider="q", model="old", input_tokens=100, output_tokens=20, total_tokens=90
        )
        self.assertEqual(
            self.status(stored).text.splitlines(),
            [
                "Time: Monday 2026-11-23T13:00:00+01:00 (Europe/Paris)",
                "Agent: Ada (main)",
                "Session: agent:main:main",
                "Model: p/m",
                "This run: 12 input, 3 output tokens",
                "Session so far: 100 input, 20 output tokens; context 90",
            ],
        )

    def test_stateless(self) -> None:
        """A run without a stored session says so and still has time, model and usage."""
        self.context.usage = Usage()
        result = self.status()
        self.assertFalse(result.is_error)
        self.assertIn("Session: agent:main:main (not stored)", result.text)
        self.assertNotIn("This run", result.text)
        self.assertEqual(result.details["model"], "p/m")

    def test_unseen_session(self) -> None:
        """One that whoever asks may not know of is answered like one that is not there."""
        self.context.unseen.add("agent:main:hers")
        missing, unseen = self.status(key="hers"), self.status(entry("agent:main:hers"), key="hers")
        self.assertEqual((unseen, unseen.is_error), (missing, True))

    def test_another_session(self) -> None:
        """A session of the agent's own by bare name or full key: its model, not that of this run."""
        stored = entry("agent:main:work", model_provider="q", model="m/2")
        for key in ("work", "agent:main:work", " Agent:Main:WORK "):
            result = self.status(stored, key=key)
            self.assertIn("Model: q/m/2", result.text)
            self.assertNotIn("This run", result.text)

    def test_own_key_spelled_out(self) -> None:
        """Naming the session one is in is the same as naming none."""
        self.assertEqual(self.status(key="main"), self.status())
        self.assertEqual(self.status(key="AGENT:main:main"), self.status())

    def test_unknown_session(self) -> None:
        """An unknown key is an error result."""
        result = self.status(key="nope")
        self.assertTrue(result.is_error)
        self.assertEqual(result.text, "There is no session agent:main:nope.")

    def test_foreign_session(self) -> None:
        """Another agent's session is not shown, whether it exists or not."""
        for key in ("agent:beta:main", "agent:mainly:main", "agent:main"):
            result = self.status(entry("agent:beta:main", model="secret-model"), key=key)
            self.assertTrue(result.is_error)
            self.assertNotIn("secret-model", result.text)

    def test_time_zones(self) -> None:
        """An unknown zone, or one that is a path, falls back to UTC; none at all is the host's."""
        for zone in ("Nowhere/City", "../../etc/passwd", "/etc/passwd"):
            self.zone = zone
            self.assertIn("2026-11-23T12:00:00+00:00 (UTC)", self.status().text)
        self.zone = ""
        self.assertIn("Time: ", self.status().text)

    def test_unknown_parameter(self) -> None:
        """What is no parameter is refused with those that are."""
        tool = SessionStatus(Config, cast(Sessions, FoundSessions()), FixedModels())
        error = self.assertRaises(ValueError, decode_arguments, tool, '{"modle": "x"}')
        self.assertEqual(str(error), '"modle" is not a parameter (there are: sessionKey, model).')
