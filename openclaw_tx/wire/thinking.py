# -*- test-case-name: tests.wire.test_anthropic_messages -*-
"""Room for thinking, at vendors who count it as part of the answer."""

from __future__ import annotations


def with_room(max_tokens: int, budget: int, most: int) -> int:
    """The limit on an answer of C{max_tokens} with thinking before it.

    @param budget: tokens for thinking.
    @param most: the model's own limit; 0 = not known. It can not lower what was asked for.
    """
    raised = max_tokens + budget
    return max(max_tokens, min(raised, most)) if most else raised


__all__ = ["with_room"]
