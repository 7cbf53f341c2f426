# -*- test-case-name: tests.automation.test_reporting -*-
"""What a main session is told of a run that was not its own. Pure."""

from __future__ import annotations

from openclaw_tx.values import Isolation, RunResult

SUMMARY_CHARS = 2000
"""Characters of an answer that are told, unless all of it is wanted."""


def report(result: RunResult, prefix: str, isolation: Isolation | None = None) -> str:
    """The news; "" when there are none: the agent had nothing to say.

    @param prefix: whose run it was, e.g. C{Cron}.
    """
    rules = isolation or Isolation()
    prefix = rules.post_to_main_prefix or prefix
    if result.problem:
        return f"{prefix} (error): {result.problem}"
    text = result.text.strip()
    limit = rules.post_to_main_max_chars if rules.post_to_main_mode == "full" else SUMMARY_CHARS
    if not text or limit <= 0:
        return ""
    return f"{prefix}: {text if len(text) <= limit else f'{text[:limit]} [cut]'}"


__all__ = ["SUMMARY_CHARS", "report"]
