# -*- test-case-name: tests.runs.test_speech -*-
"""What a run has said so far, message by message, and what of it declines to answer. No I/O."""

from __future__ import annotations

from openclaw_tx.wire.pieces import Pieces


class Speech:
    """Grows piece by piece."""

    __slots__ = ("_answer", "_answers", "_refusal", "_refusals", "_texts", "_whole")

    def __init__(self) -> None:
        self._whole = Pieces()
        """The message that is not complete yet."""
        self._answer: Pieces | None = None
        """Of that what is no refusal; None = all of it, up to now."""
        self._refusal = Pieces()
        self._texts: list[str] = []
        self._answers: list[str] = []
        self._refusals: list[str] = []

    def add(self, piece: str, refusal: bool) -> None:
        """The message goes on.

        @param refusal: with how it declines to answer.
        """
        if refusal and self._answer is None:
            self._answer = Pieces()
            self._answer.grow(self._whole.text)
        self._whole.append(piece)
        if len(self._whole) >= self._whole.most:
            self._whole.join()
        if refusal:
            self._refusal.grow(piece)
        elif self._answer is not None:
            self._answer.grow(piece)

    @property
    def open_text(self) -> str:
        """What the message that is not complete yet has said."""
        return self._whole.text

    @property
    def texts(self) -> tuple[str, ...]:
        """One for each message that said something, the open one included."""
        return (*self._texts, *_worth(self.open_text))

    def close(self) -> None:
        """The message is complete."""
        answer, refusal = self._open()
        self._texts += _worth(self.open_text)
        self._answers += _worth(answer)
        self._refusals += _worth(refusal)
        self._whole.clear()
        self._answer = None
        self._refusal.clear()

    def apart(self) -> tuple[str, str]:
        """Answer and refusal, the messages of each joined by a blank line as those of the whole are."""
        answer, refusal = self._open()
        return "\n\n".join([*self._answers, *_worth(answer)]), "\n\n".join([*self._refusals, *_worth(refusal)])

    def _open(self) -> tuple[str, str]:
        return self.open_text if self._answer is None else self._answer.text, self._refusal.text


def _worth(text: str) -> tuple[str, ...]:
    """A message that says nothing is none."""
    return (text,) if text.strip() else ()


__all__ = ["Speech"]
