# -*- test-case-name: tests.runs.test_speech -*-
"""What a run has said so far, message by message, and what of it declines to answer. No I/O."""

from __future__ import annotations


class Speech:
    """Grows piece by piece.

    @ivar pieces: those of the message that is not complete yet; whoever has one more appends it.
    @ivar declining: places in C{pieces} of those that are a refusal.
    """

    __slots__ = ("_answers", "_refusals", "_texts", "declining", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.declining: set[int] = set()
        self._texts: list[str] = []
        self._answers: list[str] = []
        self._refusals: list[str] = []

    @property
    def open_text(self) -> str:
        """What the message that is not complete yet has said."""
        return "".join(self.pieces)

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
        self.pieces.clear()
        self.declining.clear()

    def apart(self) -> tuple[str, str]:
        """Answer and refusal, the messages of each joined by a blank line as those of the whole are."""
        answer, refusal = self._open()
        return "\n\n".join([*self._answers, *_worth(answer)]), "\n\n".join([*self._refusals, *_worth(refusal)])

    def _open(self) -> tuple[str, str]:
        if not self.declining:
            return self.open_text, ""
        answer = "".join(piece for place, piece in enumerate(self.pieces) if place not in self.declining)
        return answer, "".join(self.pieces[place] for place in sorted(self.declining))


def _worth(text: str) -> tuple[str, ...]:
    """A message that says nothing is none."""
    return (text,) if text.strip() else ()


__all__ = ["Speech"]
