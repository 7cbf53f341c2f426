# -*- test-case-name: tests.runs.test_compaction -*-
"""When a conversation is too long for the model, and where to cut it (spec 4.6). Pure; docs/compaction.md explains it.

Sizes are estimates: four characters a token for ASCII, three bytes for other text, and what the provider counted last
where it did.
"""

from __future__ import annotations

from collections.abc import Sequence

from openclaw_tx.config.schema_agents import Compaction
from openclaw_tx.values import (
    AssistantMessage,
    CompactionMessage,
    ImagePart,
    Message,
    Part,
    ToolResultMessage,
    Value,
)

LARGE_WINDOW = 64_000
"""Windows from which on the floor of the reserve counts."""
IMAGE_TOKENS = 1200
"""What an image costs, roughly."""
MESSAGE_TOKENS = 4
"""What a message costs besides its text."""
TOOL_SHARE = 0.3
"""How much of a window one tool result may take."""


class Limits(Value, frozen=True):
    """What a window leaves room for, in tokens."""

    window: int
    reserve: int
    """Kept free for the next turn."""
    keep: int
    """Newest messages that a compaction leaves alone."""
    flush: int
    """Size from which on the agent is asked to write down what lasts."""

    @property
    def threshold(self) -> int:
        """Size above which a conversation is summarised."""
        return self.window - self.reserve

    @property
    def tool_characters(self) -> int:
        """Longest tool result."""
        return max(2000, int(self.window * TOOL_SHARE) * 4)


def limits(settings: Compaction, window: int) -> Limits:
    """
    Reserve and kept part were meant for large windows: of a small one the reserve takes half at most, and the kept part
    half of the rest.

    @param window: tokens of the model's window that may be used.
    """
    reserve = settings.reserve_tokens
    if window >= LARGE_WINDOW:
        reserve = max(reserve, settings.reserve_tokens_floor)
    reserve = min(reserve, window // 2)
    keep = min(settings.keep_recent_tokens, (window - reserve) // 2)
    # The soft threshold is scaled like the reserve, or a small window would ask for a flush from the beginning.
    soft = min(settings.memory_flush.soft_threshold_tokens, (window - reserve) // 4)
    return Limits(window=window, reserve=reserve, keep=keep, flush=window - reserve - soft)


def text_tokens(text: str) -> int:
    """Tokens of a text, roughly; for an ASCII text this takes no time at all."""
    return len(text) // 4 if text.isascii() else len(text.encode("utf-8", "surrogatepass")) // 3


def message_tokens(message: Message) -> int:
    """Tokens of a message, roughly."""
    if isinstance(message, CompactionMessage):
        return MESSAGE_TOKENS + text_tokens(message.summary)
    if isinstance(message, AssistantMessage):
        calls = sum(text_tokens(call.arguments) + text_tokens(call.name) for call in message.tool_calls)
        return MESSAGE_TOKENS + text_tokens(message.text) + calls
    if isinstance(message, ToolResultMessage):
        return MESSAGE_TOKENS + text_tokens(message.text) + IMAGE_TOKENS * len(message.images)
    return MESSAGE_TOKENS + sum(map(_part_tokens, message.content))


def size(messages: Sequence[Message]) -> int:
    """Tokens of a conversation: what the provider counted at the newest answer, and an estimate of what came after.

    A count from before a compaction does not hold any more. One that is less than half of the estimate is not believed:
    some providers leave out what they had in their cache.

    @param messages: what the model reads, oldest first; a mark, if there is one, before all others.
    """
    since = messages[0].timestamp_ms if messages and isinstance(messages[0], CompactionMessage) else -1
    estimate = after = 0
    counted: int | None = None
    for message in reversed(messages):
        tokens = message_tokens(message)
        estimate += tokens
        if counted is not None:
            continue
        if isinstance(message, AssistantMessage) and message.timestamp_ms > since:
            prompt = message.usage.prompt_tokens
            if prompt is not None:
                counted = prompt + (message.usage.completion_tokens or tokens)
                continue
        after += tokens
    return estimate if counted is None else max(counted + after, estimate // 2)


def cut(messages: Sequence[Message], keep: int) -> int:
    """Where to cut: the messages from there on stay.

    At least C{keep} tokens of the newest stay, and calls stay with their results.

    @return: 0 = there is nothing to cut off.
    """
    first = 1 if messages and isinstance(messages[0], CompactionMessage) else 0
    place, kept = len(messages), 0
    while place > first and kept < keep:
        place -= 1
        kept += message_tokens(messages[place])
    while place > first and place < len(messages) and isinstance(messages[place], ToolResultMessage):
        place -= 1
    return place if first < place < len(messages) else 0


def tightest_cut(messages: Sequence[Message], keep: int) -> int:
    """Like L{cut}, but keeping less rather than cutting nothing; for a conversation that was refused as too long."""
    wanted = keep
    while wanted > 0:
        place = cut(messages, wanted)
        if place:
            return place
        wanted //= 2
    return cut(messages, 1)


def raw_count(stored: Sequence[Message], kept: Sequence[Message]) -> int:
    """How many of the newest messages of a transcript a mark must count to keep C{kept}: marks between them count too,
    and so does what others have put behind them.

    @param stored: the newest messages of the transcript, oldest first.
    """
    if not kept:
        return 0
    for place in range(len(stored) - len(kept), -1, -1):
        if stored[place] != kept[0]:
            continue
        said = [message for message in stored[place:] if not isinstance(message, CompactionMessage)]
        if said[: len(kept)] == list(kept):
            return len(stored) - place
    return len(kept)


def _part_tokens(part: Part) -> int:
    return IMAGE_TOKENS if isinstance(part, ImagePart) else text_tokens(part.text)


__all__ = [
    "Limits",
    "cut",
    "limits",
    "message_tokens",
    "raw_count",
    "size",
    "text_tokens",
    "tightest_cut",
]
