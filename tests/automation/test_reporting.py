# -*- test-case-name: tests.automation.test_reporting -*-
"""L{openclaw_tx.automation.reporting}."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.automation.reporting import SUMMARY_CHARS, report
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Isolation, RunResult


def result(text: str = "", status: Any = "ok", **fields: Any) -> RunResult:
    """How a run ended."""
    payloads = (text,) if text else ()
    return RunResult(run_id="r", session_key="s", agent_id="main", status=status, payloads=payloads, **fields)


class ReportTests(SynchronousTestCase):
    """What a main session is told."""

    def test_words(self) -> None:
        """Who, and what; nothing when nothing was said."""
        self.assertEqual(report(result("fine"), "Cron"), "Cron: fine")
        self.assertEqual(report(result("fine"), "Cron", Isolation(post_to_main_prefix="Brief")), "Brief: fine")
        self.assertEqual(report(result(), "Cron"), "")

    def test_failed(self) -> None:
        """A failure is told with its reason."""
        error = GatewayError("run_timeout", "The run took too long.").info
        self.assertEqual(report(result("half", "error", error=error), "Cron"), "Cron (error): The run took too long.")
        self.assertEqual(report(result("", "aborted", abort_reason="rpc"), "Hook"), "Hook (error): rpc")

    def test_stopped(self) -> None:
        """A model that was stopped before its first word has not answered; with a word, a file or by its own choice it
        has."""
        for reason in ("length", "content_filter"):
            told = f"Cron (error): The model was stopped before it had said anything ({reason})."
            self.assertEqual(report(result(finish_reason=reason), "Cron"), told)
            self.assertEqual(report(result("half", finish_reason=reason), "Cron"), "Cron: half")
            self.assertEqual(report(result(finish_reason=reason, media=("/a.png",)), "Cron"), "")

    def test_length(self) -> None:
        """The beginning, or as much as is wanted."""
        long = "x" * 9000
        self.assertEqual(report(result(long), "Cron"), f"Cron: {'x' * SUMMARY_CHARS} [cut]")
        full = Isolation(post_to_main_mode="full", post_to_main_max_chars=8999)
        self.assertEqual(report(result(long), "Cron", full), f"Cron: {'x' * 8999} [cut]")
        self.assertEqual(report(result("x"), "Cron", Isolation(post_to_main_mode="full", post_to_main_max_chars=0)), "")
