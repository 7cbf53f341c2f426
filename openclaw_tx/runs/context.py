# -*- test-case-name: tests.runs.test_parts -*-
"""What the model gets to read: the session's history and this turn, without what would confuse it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile

from msgspec.structs import replace

from openclaw_tx.sessions.conversation import repaired
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


STOPPED = "[This turn was stopped before anything was said.]"
FAILED = "[This turn failed before anything was said.]"
"""Stand for an answer that did not come."""


def model_messages(history: Sequence[Message], turn: Sequence[Message]) -> tuple[Spoken, ...]:
    """The messages of the next model call.

    Calls without results and results without calls are put right over history and turn together, since a client's tool
    results come a turn after the calls. Images of earlier turns are left out (spec: only the active turn's are sent),
    as are turns that failed before the model said anything, where the question may be why, or is asked again at once:
    the record keeps them, but a client's retry would otherwise make the question stand twice. Others are shown with a
    word on what became of them, for "try again" means them. A turn that a crash ended stays, and the model is told of
    it: of what was at work then nobody knows how far it came.

    @param history: the session before this turn, oldest first.
    @param turn: this turn so far: the client's messages, then answers and tool results; perhaps with a mark.
    """
    history, turn = in_force(history, turn)
    kept: list[Spoken] = []
    answered = 0  # how much of it stands before the question that is looked at
    open_: list[slice] = []
    for message, following in zip(history, (*history[1:], None), strict=False):
        if isinstance(message, CompactionMessage):
            if message.summary:  # one that only cut off has none
                kept.append(summary_message(message))
        elif not isinstance(message, AssistantMessage):
            kept.append(_without_images(message))
            continue
        elif message.stop_reason == "interrupted":
            kept.append(replace(message, text=f"{message.text}\n\n{CUT_OFF}".lstrip()))
        elif message.text or message.tool_calls:
            kept.append(message)
        elif message.stop_reason in ("error", "aborted"):
            question = len(kept)
            while question > answered and isinstance(kept[question - 1], UserMessage):
                question -= 1
            if message.unanswered and question < len(kept):
                kept.append(replace(message, text=STOPPED if message.stop_reason == "aborted" else FAILED))
                open_.append(slice(question, len(kept)))
            else:
                del kept[question:]
        elif isinstance(following, AssistantMessage):
            continue  # an answer without words, for which the turn failed
        answered = len(kept)
    for each in reversed(open_):
        *questions, newest, _ = kept[each]
        again = _asked_before_an_answer([*kept[each.stop :], *turn])
        if _asked(newest) in again:
            # The others were asked with it. What is not sent again is held by the session, and read in its place.
            kept[each] = [question for question in questions if _asked(question) not in again]
    calls = {
        call.id for message in (*kept, *turn) if isinstance(message, AssistantMessage) for call in message.tool_calls
    }
    return repaired([*kept, *(_told(message, calls) for message in without_marks(turn))])


def _asked_before_an_answer(messages: Iterable[Message]) -> frozenset[str]:
    """What is asked until there is another answer."""
    until = takewhile(lambda message: not isinstance(message, AssistantMessage), messages)
    return frozenset(_asked(each) for each in until if isinstance(each, UserMessage))


def _asked(question: Spoken) -> str:
    """What it says, whatever the white space: as a session compares what a client resends."""
    return "".join(question.text.split())


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
