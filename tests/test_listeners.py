# -*- test-case-name: tests.test_listeners -*-
"""Who hears of what happens, in which order, and for how long."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.listeners import Listeners


class ListenersTests(SynchronousTestCase):
    """L{Listeners}."""

    def setUp(self) -> None:
        """Listeners note what they hear."""
        self.listeners: Listeners[str] = Listeners(Logger(), "tests")
        self.heard: list[tuple[str, str]] = []

    def listener(self, name: str) -> Callable[[str], None]:
        """One that notes what it hears."""
        return lambda news: self.heard.append((name, news))

    def test_told_in_order(self) -> None:
        """Each is told, in the order in which they came; who comes later hears only what is told then."""
        self.listeners.subscribe(self.listener("first"))
        self.listeners.tell("one")
        self.listeners.subscribe(self.listener("second"))
        self.listeners.tell("two")
        self.assertEqual(self.heard, [("first", "one"), ("first", "two"), ("second", "two")])

    def test_end(self) -> None:
        """One subscription ends, not another of the same listener; and not twice."""
        twice = self.listener("twice")
        end = self.listeners.subscribe(twice)
        self.listeners.subscribe(twice)
        end()
        end()
        self.listeners.tell("news")
        self.assertEqual(self.heard, [("twice", "news")])

    def test_anybody(self) -> None:
        """It can be asked whether anybody listens."""
        self.assertFalse(self.listeners)
        end = self.listeners.subscribe(self.listener("one"))
        self.assertTrue(self.listeners)
        end()
        self.assertFalse(self.listeners)

    def test_change_while_told(self) -> None:
        """Whoever comes or leaves while news are told counts from the next on, and the others stay where they are."""

        def change(news: str) -> None:
            end()
            self.listeners.subscribe(self.listener("late"))

        end = self.listeners.subscribe(change)
        self.listeners.subscribe(self.listener("next"))
        self.listeners.tell("one")
        self.listeners.tell("two")
        self.assertEqual(self.heard, [("next", "one"), ("next", "two"), ("late", "two")])

    def test_failure(self) -> None:
        """A listener that fails is logged; the others hear, and it hears what comes next."""
        calls: list[str] = []

        def fail(news: str) -> None:
            calls.append(news)
            raise ValueError

        self.listeners.subscribe(fail)
        self.listeners.subscribe(self.listener("next"))
        self.listeners.tell("one")
        self.listeners.tell("two")
        self.assertEqual((calls, self.heard), (["one", "two"], [("next", "one"), ("next", "two")]))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)
