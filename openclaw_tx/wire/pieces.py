# -*- test-case-name: tests.wire.test_pieces -*-
"""Text that comes in pieces: a model's are a few characters each, and each costs fifty bytes beside them. Pure."""

from __future__ import annotations

AT_ONCE = 256
"""Pieces that are joined together, once there are so many."""


class Pieces(list[str]):
    """All pieces in their order, the older ones joined: a long text takes little more memory than its characters, and
    none of them is copied more than once while it grows.

    @ivar most: when there are so many, it is time to L{join}; whoever adds thousands looks himself, L{grow} is a call
        for each.
    """

    __slots__ = ("most",)

    def __init__(self) -> None:
        super().__init__()
        self.most = AT_ONCE

    def grow(self, piece: str) -> None:
        """Add a piece."""
        self.append(piece)
        if len(self) >= self.most:
            self.join()

    def join(self) -> None:
        """Make one of those that came since the last time."""
        joined = self.most - AT_ONCE
        self[joined:] = ["".join(self[joined:])]
        self.most += 1

    def clear(self) -> None:
        """Begin anew."""
        super().clear()
        self.most = AT_ONCE

    @property
    def text(self) -> str:
        """The whole."""
        return "".join(self)


__all__ = ["AT_ONCE", "Pieces"]
