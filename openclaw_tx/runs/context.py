# -*- test-case-name: tests.runs.test_context -*-
"""What the model gets to read: the session's history and this turn, without what would confuse it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from openclaw_tx.values import AssistantMessage, ImagePart, Message, TextPart, UserMessage


def model_messages(history: Sequence[Message], turn: Sequence[Message]) -> tuple[Message, ...]:
    """The messages of the next model call.

    Images of earlier turns are left out (spec: only the active turn's are sent), as are turns that failed before the
    model said anything: the record keeps them, but a client's retry would otherwise make the question stand twice.

    @param history: the session before this turn, oldest first.
    @param turn: this turn so far: the client's messages, then answers and tool results.
    """
    kept: list[Message] = []
    for message in history:
        if isinstance(message, AssistantMessage) and not message.text and not message.tool_calls:
            if message.stop_reason in ("error", "aborted", "interrupted"):
                while kept and isinstance(kept[-1], UserMessage):
                    kept.pop()
            continue
        kept.append(_without_images(message) if isinstance(message, UserMessage) else message)
    return (*kept, *turn)


def _without_images(message: UserMessage) -> UserMessage:
    if not any(isinstance(part, ImagePart) for part in message.content):
        return message
    texts = tuple(part for part in message.content if isinstance(part, TextPart))
    return UserMessage(
        content=texts or (TextPart(text="[image]"),),
        timestamp_ms=message.timestamp_ms,
    )
