# -*- test-case-name: tests.tools.test_caching -*-
"""What is kept, and how long."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.caching import Cache


class CacheTests(SynchronousTestCase):
    """Age, number, size."""

    def setUp(self) -> None:
        """Room for three values of ten together."""
        self.clock = Clock()
        self.cache: Cache[str] = Cache(self.clock.seconds, entries=3, size=10)

    def kept(self) -> str:
        """Which of a to f are there."""
        return "".join(key for key in "abcdef" if self.cache.get(key, 60) is not None)

    def test_age(self) -> None:
        """A value goes when it is too old for whoever asks; 0 = nothing is young enough."""
        self.cache.put("a", "A", 1)
        self.clock.advance(59)
        self.assertEqual(self.cache.get("a", 60), "A")
        self.clock.advance(1)
        self.assertIsNone(self.cache.get("a", 60))
        self.assertIsNone(self.cache.get("a", 600))
        self.cache.put("b", "B", 1)
        self.assertIsNone(self.cache.get("b", 0))

    def test_number(self) -> None:
        """The one unused for longest goes first."""
        for key in "abc":
            self.cache.put(key, key, 1)
        self.cache.get("a", 60)
        self.cache.put("d", "d", 1)
        self.assertEqual(self.kept(), "acd")

    def test_size(self) -> None:
        """As many go as have to; one that is too large alone is not kept; the room of those gone is free again."""
        self.cache.put("a", "a", 4)
        self.cache.put("b", "b", 4)
        self.cache.put("c", "c", 7)
        self.assertEqual(self.kept(), "c")
        self.cache.put("d", "d", 11)
        self.assertEqual(self.kept(), "")
        self.cache.put("e", "e", 10)
        self.assertEqual(self.kept(), "e")

    def test_again(self) -> None:
        """A new value takes the place of the old one, and its own time begins."""
        self.cache.put("a", "old", 9)
        self.clock.advance(50)
        self.cache.put("a", "new", 9)
        self.clock.advance(50)
        self.assertEqual(self.cache.get("a", 60), "new")
