# -*- test-case-name: tests.web.test_cut_answers -*-
"""What an answer is that the model could not bring to its end, at the token limit or because of a filter. Pure.

Such an answer may be empty, and is not to be judged by what it lacks: the reason why it ended is what the client needs.
"""

from __future__ import annotations

from openclaw_tx.values import ModelReply


def cut_short(reply: ModelReply) -> bool:
    """Whether the provider ended the answer, and not the model."""
    return reply.finish_reason in ("length", "content_filter")


__all__ = ["cut_short"]
