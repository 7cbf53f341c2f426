# -*- test-case-name: tests.runs -*-
"""A session that outgrows its model, for the tests of what is done about it."""

from __future__ import annotations

from typing import Any

from openclaw_tx.config.schema_agents import AgentDefaults, Compaction, MemoryFlush
from openclaw_tx.testing import ScriptedModel
from openclaw_tx.values import Compacting, CompactionMessage, Usage
from tests.runs.rooms import Bench, RunCase

KEY = "agent:main:alice"
LONG = "word " * 400
"""Some 500 tokens."""
LONGER = "word " * 900
TOO_LONG = "context_length_exceeded"


class Case(RunCase):
    """A session in a window of 4,000 tokens: 2,000 are in reserve, 1,000 are kept."""

    compaction = Compaction(memory_flush=MemoryFlush(enabled=False))
    tools: tuple[Any, ...] = ()

    def setUp(self) -> None:
        defaults = AgentDefaults(compaction=self.compaction)
        self.bench = Bench(*self.tools, defaults=defaults, model=ScriptedModel(context_window=4000))
        self.model = self.bench.model
        self.said = 0

    def chat(self, turns: int, text: str = LONG) -> None:
        """Turns of some 500 tokens."""
        for _ in range(turns):
            self.said += 1
            self.model.say(f"answer {self.said}", usage=Usage())
            self.bench.clock.advance(1)
            result = self.ended(self.bench.session(f"question {self.said} {text}"))
            self.assertEqual(result.status, "ok", result.error)

    def transcript(self) -> list[Any]:
        """The session's."""
        return self.bench.sessions.transcripts[KEY]

    def marks(self) -> list[CompactionMessage]:
        """Marks in it."""
        return [message for message in self.transcript() if isinstance(message, CompactionMessage)]

    def compactings(self, run: Any) -> list[tuple[str, str, bool, bool]]:
        """What a run's watchers were told of compactions."""
        events = self.bench.events(run.request.run_id)
        return [(each.phase, each.reason, each.ok, each.will_retry) for each in events if isinstance(each, Compacting)]
