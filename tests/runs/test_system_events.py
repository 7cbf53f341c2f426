# -*- test-case-name: tests.runs.test_system_events -*-
"""L{openclaw_tx.runs.system_events}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.system_events import MAX_CHARS, MAX_EVENTS, MAX_SESSIONS, SystemEventQueue


class SystemEventQueueTests(SynchronousTestCase):
    """L{SystemEventQueue}."""

    def setUp(self) -> None:
        self.queue = SystemEventQueue()

    def test_taken_once(self) -> None:
        """Events come in order, for their session only, and once."""
        self.queue.add("a", "one")
        self.queue.add("a", "two")
        self.queue.add("b", "three")
        self.assertEqual(self.queue.peek("a"), ("one", "two"))
        self.assertEqual(self.queue.take("a"), ("one", "two"))
        self.assertEqual(self.queue.take("a"), ())
        self.assertEqual(self.queue.take("b"), ("three",))

    def test_nothing_new(self) -> None:
        """Blanks are no event, and the same one twice in a row is one."""
        for text in ("", "  ", "one", " one\n", "two", "one"):
            self.queue.add("a", text)
        self.assertEqual(self.queue.take("a"), ("one", "two", "one"))

    def test_bounds(self) -> None:
        """The oldest go first; a long one is cut."""
        for number in range(MAX_EVENTS + 1):
            self.queue.add("a", str(number))
        self.assertEqual(len(self.queue.peek("a")), MAX_EVENTS)
        self.assertEqual(self.queue.peek("a")[0], "1")
        self.queue.add("b", "x" * (MAX_CHARS + 1))
        self.assertEqual(self.queue.take("b"), ("x" * MAX_CHARS + " [cut]",))
        for letter in "xyz":
            self.queue.add("b", letter * (MAX_CHARS // 2))
        self.assertEqual([event[0] for event in self.queue.take("b")], ["y", "z"])
        for number in range(MAX_SESSIONS):
            self.queue.add(f"s{number}", "x")
        self.assertEqual(self.queue.peek("a"), ())
        self.assertEqual(self.queue.peek("s0"), ("x",))
