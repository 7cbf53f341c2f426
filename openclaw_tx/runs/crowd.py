# -*- test-case-name: tests.runs.test_crowd -*-
"""Who waits for a place, and whether one more may: nobody can take all the room there is to wait in."""

from __future__ import annotations


class Crowd:
    """Those who wait, by who they are.

    As long as there is room anybody may wait. When there is none, those may who have less than an equal share of it; so
    the whole is bounded by twice the room.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, int] = {}
        self._total = 0

    def __len__(self) -> int:
        """How many wait."""
        return self._total

    def admits(self, who: str, room: int) -> bool:
        """Whether one more of C{who} may wait where there is room for so many."""
        if self._total < room:
            return True
        mine = self._waiting.get(who, 0)
        share = room // (len(self._waiting) + (not mine))
        return self._total < 2 * room and mine < max(1, share)

    def join(self, who: str) -> None:
        """One more waits."""
        self._waiting[who] = self._waiting.get(who, 0) + 1
        self._total += 1

    def leave(self, who: str) -> None:
        """One of them does not wait any more."""
        self._total -= 1
        if self._waiting[who] == 1:
            del self._waiting[who]
        else:
            self._waiting[who] -= 1


__all__ = ["Crowd"]
