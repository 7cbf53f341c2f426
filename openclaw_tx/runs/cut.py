# -*- test-case-name: tests.runs.test_cut -*-
"""What an answer is that the model could not bring to its end, at the token limit or because of a filter. Pure.

Such an answer may be empty, and is not to be judged by what it lacks: the reason why it ended is what the client needs.
"""

from __future__ import annotations

from msgspec.structs import replace

from openclaw_tx.values import ModelReply, ToolCall
from openclaw_tx.wire.history import arguments_of


def stopped_early(reply: ModelReply) -> bool:
    """Whether the provider ended the answer, and not the model."""
    return reply.finish_reason in ("length", "content_filter")


def without_half_calls(reply: ModelReply) -> tuple[ModelReply, tuple[ToolCall, ...]]:
    """Take back the calls of an answer that was cut short within one of them.

    What is missing can not be made up, and a call may rely on those beside it: none of them is to be done, by anybody.
    Calls that were all complete when the answer ended stay what they are.

    @return: the answer without them, and what there is of them; as it is and () when there is none.
    """
    if not stopped_early(reply) or all(call.name and _complete(call.arguments) for call in reply.tool_calls):
        return reply, ()
    return replace(reply, tool_calls=(), opaque=""), reply.tool_calls


def _complete(arguments: str) -> bool:
    """Whether they are JSON; nothing at all may be the beginning of anything."""
    try:
        arguments_of(arguments)
    except ValueError:
        return False
    return bool(arguments.strip())


__all__ = ["stopped_early", "without_half_calls"]
