# -*- test-case-name: tests.runs.test_compactor,tests.runs.test_overflow -*-
"""The conversation of one turn: what the session held before, and what the turn adds."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from openclaw_tx.runs.context import in_force, model_messages, without_marks
from openclaw_tx.values import AssistantMessage, CompactionMessage, Message, Spoken, UserMessage


class Dialogue:
    """Grows while the turn is at work; a compaction shortens what of it is read.

    @ivar history: the session before this turn, oldest first; a mark may stand before all others.
    @ivar begun: the client's new messages.
    @ivar added: the client's new messages, then answers and tool results; this is what the transcript gets.
    @ivar noted: how many of C{added} the ledger has; None = it is not to have them before the end.
    """

    __slots__ = ("added", "begun", "history", "noted")

    def __init__(self, history: Iterable[Message], added: Iterable[Message]) -> None:
        self.history: list[Message] = list(history)
        self.begun = tuple(added)
        self.added: list[Message] = list(self.begun)
        self.noted: int | None = None

    def for_model(self, *more: Spoken) -> tuple[Spoken, ...]:
        """The messages of the next model call.

        @param more: messages that only this call is told.
        """
        return (*model_messages(self.history, self.added), *more)

    def read(self) -> list[Message]:
        """All that the model still reads, a mark standing for what was summarised; marks stand at the beginning."""
        history, turn = in_force(self.history, self.added)
        return [*history, *turn]

    def asked(self) -> str:
        """The text of the newest message of a user."""
        return next((each.text for each in reversed(self.added) if isinstance(each, UserMessage)), "")

    @property
    def answered(self) -> bool:
        """Whether the turn holds a message of the model, or a mark; what the client brought is no answer to it."""
        return _answers(self.added) > _answers(self.begun)

    def in_history(self, kept: int) -> int:
        """How many of the newest C{kept} messages belong to the history.

        @return: less than 0 = the turn alone has more than that.
        """
        if any(isinstance(message, CompactionMessage) for message in self.added):
            return -1
        return kept - len(without_marks(self.added))

    def shorten_history(self, mark: CompactionMessage, kept: int) -> None:
        """The session was marked: of its history the model reads the mark and the newest C{kept} messages."""
        self.history = [mark, *(self.history[-kept:] if kept else ())]

    def shorten_turn(self, mark: CompactionMessage) -> None:
        """Put a mark behind the turn so far; what the mark does not keep is not read any more."""
        self.added.append(mark)


def _answers(messages: Iterable[Message]) -> int:
    return sum(isinstance(message, AssistantMessage | CompactionMessage) for message in messages)


def dated(messages: Iterable[Spoken], at_ms: int) -> list[Spoken]:
    """Messages as a transcript gets them: clients of OpenAI's APIs can not say when they said something.

    @param at_ms: when they came.
    """
    return [each if each.timestamp_ms else replace(each, timestamp_ms=at_ms) for each in messages]


__all__ = ["Dialogue", "dated"]
