# -*- test-case-name: tests.runs.test_usage -*-
"""L{openclaw_tx.runs.usage}."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.runs.usage import UsageLog
from openclaw_tx.values import Entry, RunEnded, RunRequest, RunResult, RunStarted, Usage, UsageRow


class Store:
    """Keeps what it gets, unless it is full."""

    def __init__(self) -> None:
        self.rows: list[UsageRow] = []
        self.full = False

    async def add_usage(self, rows: Sequence[UsageRow]) -> None:
        """Take it or not."""
        if self.full:
            raise GatewayError("storage_unavailable", "full")
        self.rows.extend(rows)

    async def usage(self, first_hour: int, end_hour: int, agent_id: str = "") -> Sequence[UsageRow]:
        """All of it."""
        return self.rows


class UsageLogTests(SynchronousTestCase):
    """Runs are counted when they have ended."""

    def setUp(self) -> None:
        """A log and its store."""
        self.store = Store()
        self.log = UsageLog(self.store)

    def ended(self, usage: Usage, model: str = "m", hour: int = 3, *, stateless: bool = False) -> None:
        """A run has ended."""
        result = RunResult(
            run_id="r",
            session_key="k",
            agent_id="main",
            status="ok",
            usage=usage,
            provider="p" if model else "",
            model=model,
            ended_at_ms=hour * 3_600_000 + 5,
        )
        request = RunRequest(run_id="r", agent_id="main", session_key="k", messages=(), stateless=stateless)
        run: Any = SimpleNamespace(request=request)
        self.log.watch(run, [Entry(seq=9, ts_ms=0, event=RunEnded(result=result))])

    def flush(self) -> list[UsageRow]:
        """What is written down now."""
        self.store.rows.clear()
        self.successResultOf(Deferred.fromCoroutine(self.log.flush()))
        return self.store.rows

    def test_sums(self) -> None:
        """By hour and model; cached tokens are told apart."""
        self.ended(Usage(prompt_tokens=10, completion_tokens=3, cached_tokens=4))
        self.ended(Usage(prompt_tokens=1))
        self.ended(Usage(), hour=4)
        nobody: Any = None
        self.log.watch(nobody, [Entry(seq=1, ts_ms=0, event=RunStarted(session_id="s"))])
        first, second = self.flush()
        self.assertEqual(
            (first.hour, first.runs, first.input_tokens, first.output_tokens, first.cached_tokens), (3, 2, 7, 3, 4)
        )
        self.assertEqual((second.hour, second.runs, second.input_tokens), (4, 1, 0))
        self.assertEqual(self.flush(), [])

    def test_without_session(self) -> None:
        """What runs without a session took is told apart from the rest, and part of it."""
        self.ended(Usage(prompt_tokens=10, completion_tokens=3, cached_tokens=4))
        self.ended(Usage(prompt_tokens=7, completion_tokens=2, cached_tokens=1), stateless=True)
        (row,) = self.flush()
        self.assertEqual((row.runs, row.input_tokens, row.output_tokens, row.cached_tokens), (2, 12, 5, 5))
        lone = row.lone
        self.assertEqual((lone.runs, lone.input_tokens, lone.output_tokens, lone.cached_tokens), (1, 6, 2, 1))

    def test_no_model(self) -> None:
        """A run that was refused before it reached one took nothing."""
        self.ended(Usage(), model="")
        self.assertEqual(self.flush(), [])

    def test_full(self) -> None:
        """What the store does not take is added to what comes later."""
        self.ended(Usage(prompt_tokens=1))
        self.store.full = True
        self.assertEqual(self.flush(), [])
        self.ended(Usage(prompt_tokens=2))
        self.store.full = False
        (found,) = self.flush()
        self.assertEqual((found.runs, found.input_tokens), (2, 3))

    def test_full_is_logged(self) -> None:
        """Once: the store says for itself what its trouble is."""
        observer = EventLoggingObserver()
        self.log = UsageLog(self.store, Logger(observer=observer))
        self.store.full = True
        for _ in range(2):
            self.ended(Usage(prompt_tokens=1))
            self.flush()
        self.assertEqual([formatEvent(event) for event in observer], ["token counts can not be written down: full"])
