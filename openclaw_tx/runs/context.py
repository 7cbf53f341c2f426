# -*- test-case-name: tests.runs.test_parts -*-
"""What the model gets to read: the session's history and this turn, without what would confuse it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from openclaw_tx.sessions.conversation import repaired, without_failed
from openclaw_tx.values import (
    AssistantMessage,
    CompactionMessage,
    ImagePart,
    Message,
    Spoken,
    TextPart,
    ToolResultMessage,
    UserMessage,
)

SUMMARY_HEADING = "[The conversation so far, in short]"
"""Begins the message that stands for a part of the conversation that was summarised."""

CUT_OFF = "[This turn was cut off when the gateway went down. What was begun in it may have been done in part.]"
"""Ends what the model reads of a turn that a crash ended."""


def model_messages(history: Sequence[Message], turn: Sequence[Message]) -> tuple[Spoken, ...]:
    """The messages of the next model call.

    Calls without results and results without calls are put right over history and turn together, since a client's tool
    results come a turn after the calls. Images of earlier turns are left out (spec: only the active turn's are sent),
    as are turns that failed before the model said anything. A turn that a crash ended stays, and the model is told of
    it: of what was at work then nobody knows how far it came.

    @param history: the session before this turn, oldest first.
    @param turn: this turn so far: the client's messages, then answers and tool results; perhaps with a mark.
    """
    history, turn = in_force(history, turn)
    kept: list[Spoken] = []
    for message in without_failed(history):
        if isinstance(message, CompactionMessage):
            if message.summary:  # one that only cut off has none
                kept.append(summary_message(message))
            continue
        if isinstance(message, AssistantMessage) and message.stop_reason == "interrupted":
            kept.append(replace(message, text=f"{message.text}\n\n{CUT_OFF}".lstrip()))
            continue
        if isinstance(message, AssistantMessage) and not message.text and not message.tool_calls:
            continue
        kept.append(_without_images(message))
    calls = {
        call.id for message in (*kept, *turn) if isinstance(message, AssistantMessage) for call in message.tool_calls
    }
    return repaired([*kept, *(_told(message, calls) for message in without_marks(turn))])


def in_force(history: Sequence[Message], turn: Sequence[Message]) -> tuple[Sequence[Message], Sequence[Message]]:
    """What is read of history and turn: a mark in the turn puts an end to all before it but what it keeps."""
    for place in range(len(turn) - 1, -1, -1):
        mark = turn[place]
        if isinstance(mark, CompactionMessage):
            kept = turn[max(0, place - mark.kept) : place]
            return [mark], [*without_marks(kept), *turn[place + 1 :]]
    return history, turn


def without_marks(messages: Sequence[Message]) -> list[Spoken]:
    """What was said."""
    return [message for message in messages if not isinstance(message, CompactionMessage)]


def since_mark(messages: Sequence[Message]) -> list[Message]:
    """What the model still reads of a transcript: the newest mark of a compaction, what it keeps, what came after."""
    for place in range(len(messages) - 1, -1, -1):
        mark = messages[place]
        if isinstance(mark, CompactionMessage):
            kept = messages[max(0, place - mark.kept) : place]
            return [mark, *(each for each in kept if not isinstance(each, CompactionMessage)), *messages[place + 1 :]]
    return list(messages)


def summary_message(mark: CompactionMessage) -> UserMessage:
    """What the model reads in place of the part of a conversation that was summarised."""
    text = f"{SUMMARY_HEADING}\n\n{mark.summary}"
    return UserMessage(content=(TextPart(text=text),), timestamp_ms=mark.timestamp_ms)


def _told(message: Spoken, calls: set[str]) -> Spoken:
    """A client's tool result whose call nobody knows of is told as text: it may be the very message to answer."""
    if not isinstance(message, ToolResultMessage) or message.tool_call_id in calls:
        return message
    name = message.tool_name or message.tool_call_id
    text = f"Result of the tool {name}:\n{message.text}"
    return UserMessage(content=(TextPart(text=text), *message.images), timestamp_ms=message.timestamp_ms)


def _without_images(message: Spoken) -> Spoken:
    if isinstance(message, ToolResultMessage) and message.images:
        return replace(message, text=message.text or "[image]", images=())
    if not isinstance(message, UserMessage) or not any(isinstance(part, ImagePart) for part in message.content):
        return message
    texts = tuple(part for part in message.content if isinstance(part, TextPart))
    return UserMessage(
        content=texts or (TextPart(text="[image]"),),
        timestamp_ms=message.timestamp_ms,
    )
