# -*- test-case-name: tests.wire.test_pieces -*-
"""Text that comes in pieces: a model's are a few characters each, and each costs fifty bytes beside them. Pure."""

from __future__ import annotations

AT_ONCE = 256
"""Pieces that are joined together, once there are so many."""


class Pieces(list[str]):
    """All pieces in their order, the older ones joined: a long text takes little more memory than its characters, and
    none of them is copied more than once while it grows."""

    __slots__ = ("_joined",)

    def __init__(self) -> None:
        super().__init__()
        self._joined = 0

    def grow(self, piece: str) -> None:
        """Add a piece."""
        self.append(piece)
        if len(self) - self._joined >= AT_ONCE:
            self[self._joined :] = ["".join(self[self._joined :])]
            self._joined += 1

    def clear(self) -> None:
        """Begin anew."""
        super().clear()
        self._joined = 0

    @property
    def text(self) -> str:
        """The whole."""
        return "".join(self)


__all__ = ["AT_ONCE", "Pieces"]
