# -*- test-case-name: tests.chat.test_queue -*-
"""Messages that wait in one session while its agent is at work: a machine without I/O (spec 3.9).

It knows no time and starts nothing: L{openclaw_tx.chat.flow} tells it what happens and does what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from openclaw_tx.config.schema_sessions import QueueDrop

T = TypeVar("T")

MAX_LINE = 160
"""Characters of a dropped message that the next turn tells of."""

MAX_LINES = 50
"""Dropped messages that the next turn tells of; of more only the number."""

MAX_TURN = 200_000
"""Characters of the messages that make one turn together; the rest makes the next one."""


class QueueFull(Exception):
    """No more messages may wait."""


class Waiting(NamedTuple, Generic[T]):
    """A message that waits."""

    text: str
    item: T
    group: str
    """Messages of one group may make one turn; "" = it makes a turn of its own."""


class Turn(NamedTuple, Generic[T]):
    """What is to be said to the agent next."""

    text: str
    items: tuple[T, ...]
    """The messages it is made of, oldest first; the last one is the turn's own."""


class MessageQueue(Generic[T]):
    """The messages of one session."""

    def __init__(self) -> None:
        self._waiting: list[Waiting[T]] = []
        self._dropped: list[str] = []
        self._dropped_count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def next_group(self) -> str:
        """Of the oldest message; "" when nothing waits, too."""
        return self._waiting[0].group if self._waiting else ""

    @property
    def items(self) -> list[T]:
        """What waits, oldest first."""
        return [waiting.item for waiting in self._waiting]

    def add(self, text: str, item: T, *, group: str, cap: int, drop: QueueDrop) -> list[T]:
        """Have a message wait.

        @param group: see L{Waiting}.
        @return: messages that went to make room.
        @raise QueueFull: there is no room and nothing may go.
        """
        gone: list[T] = []
        if len(self._waiting) >= cap and drop == "new":
            raise QueueFull
        while len(self._waiting) >= cap:
            oldest = self._waiting.pop(0)
            gone.append(oldest.item)
            if drop == "summarize":
                self._dropped_count += 1
                if len(self._dropped) < MAX_LINES:
                    line = " ".join(oldest.text.split())
                    self._dropped.append(line if len(line) <= MAX_LINE else f"{line[: MAX_LINE - 3]}...")
        self._waiting.append(Waiting(text, item, group))
        return gone

    def take(self) -> Turn[T] | None:
        """The next turn: the oldest message, and with it those behind it that may be merged. None = nothing waits."""
        if not self._waiting:
            return None
        taken = [self._waiting.pop(0)]
        size = len(taken[0].text)
        group = taken[0].group
        while group and self._waiting and self._waiting[0].group == group:
            size += len(self._waiting[0].text)
            if size > MAX_TURN:
                break
            taken.append(self._waiting.pop(0))
        text = merged([waiting.text for waiting in taken])
        if self._dropped_count:
            text = f"{self._summary()}\n\n{text}"
            self._dropped, self._dropped_count = [], 0
        return Turn(text, tuple(waiting.item for waiting in taken))

    def remove(self, item: T) -> None:
        """Have a message that waits wait no more. With the last one what was dropped is forgotten, too."""
        self._waiting = [waiting for waiting in self._waiting if waiting.item is not item]
        if not self._waiting:
            self._dropped, self._dropped_count = [], 0

    def _summary(self) -> str:
        lines = [f"- {line}" for line in self._dropped]
        if self._dropped_count > len(self._dropped):
            lines.append(f"- and {self._dropped_count - len(self._dropped)} more")
        return "\n".join([f"[{self._dropped_count} earlier messages did not fit; in short:]", *lines])


def merged(texts: Sequence[str]) -> str:
    """Several messages as one."""
    if len(texts) == 1:
        return texts[0]
    parts = [f"[{number}]\n{text}" for number, text in enumerate(texts, 1)]
    return "\n\n".join([f"[{len(texts)} messages that came while you were at work]", *parts])


__all__ = ["MessageQueue", "QueueFull", "Turn", "merged"]
