# -*- test-case-name: tests.chat.test_queue -*-
"""L{openclaw_tx.chat.queue}."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.chat.queue import MAX_LINES, MAX_TURN, MessageQueue, QueueFull


class MessageQueueTests(SynchronousTestCase):
    """L{MessageQueue}."""

    def setUp(self) -> None:
        self.queue: MessageQueue[int] = MessageQueue()
        self.number = 0

    def add(self, text: str, group: str = "g", cap: int = 20, drop: Any = "summarize") -> list[int]:
        """Have a message wait; its item is its number, from 1."""
        self.number += 1
        return self.queue.add(text, self.number, group=group, cap=cap, drop=drop)

    def take(self) -> tuple[str, tuple[int, ...]]:
        """The next turn."""
        turn = self.queue.take()
        assert turn is not None
        return turn.text, turn.items

    def test_one(self) -> None:
        """A message that waits alone is said as it stands."""
        self.add("hello")
        self.assertEqual(self.take(), ("hello", (1,)))
        self.assertIsNone(self.queue.take())

    def test_merged(self) -> None:
        """Messages of one group make one turn, each of them whole and in order."""
        self.add("one")
        self.add("two")
        text, items = self.take()
        self.assertEqual(items, (1, 2))
        self.assertIn("2 messages", text)
        self.assertLess(text.index("one"), text.index("two"))

    def test_groups(self) -> None:
        """Others are not merged, and nothing overtakes."""
        for text, group in (("a", "g"), ("b", "g"), ("c", ""), ("d", "g"), ("e", "h"), ("f", "h")):
            self.add(text, group)
        self.assertEqual([self.take()[1] for _ in range(4)], [(1, 2), (3,), (4,), (5, 6)])

    def test_long_turn(self) -> None:
        """A turn does not grow without end; the rest makes the next one."""
        for _ in range(3):
            self.add("x" * (MAX_TURN // 2))
        self.assertEqual([self.take()[1], self.take()[1]], [(1, 2), (3,)])

    def test_summarize(self) -> None:
        """The oldest make room, and the next turn says what they were about."""
        gone = [self.add(f"message\n{number}", cap=2) for number in range(1, 5)]
        self.assertEqual(gone, [[], [], [1], [2]])
        text, items = self.take()
        self.assertEqual(items, (3, 4))
        self.assertIn("[2 earlier messages did not fit; in short:]\n- message 1\n- message 2\n\n", text)
        self.add("next")
        self.assertEqual(self.take()[0], "next")

    def test_summary_is_bounded(self) -> None:
        """Of very many dropped messages only the number is told."""
        for number in range(MAX_LINES + 12):
            self.add("x" * 500 + str(number), cap=2)
        text, _ = self.take()
        self.assertIn("- and 10 more", text)
        self.assertLess(len(text), MAX_LINES * 170 + 2000)

    def test_old(self) -> None:
        """The oldest go without a word to the agent."""
        self.add("one", cap=1, drop="old")
        self.assertEqual(self.add("two", cap=1, drop="old"), [1])
        self.assertEqual(self.take(), ("two", (2,)))

    def test_new(self) -> None:
        """The newest is refused."""
        self.add("one", cap=1, drop="new")
        self.assertRaises(QueueFull, self.add, "two", cap=1, drop="new")
        self.assertEqual(self.take(), ("one", (1,)))

    def test_remove(self) -> None:
        """One goes, the others keep their order; with the last one all is forgotten, what was dropped before too."""
        for text in ("one", "two", "three", "four"):
            self.add(text, cap=3)
        self.queue.remove(3)
        self.queue.remove(99)
        self.assertEqual(self.queue.items, [2, 4])
        self.queue.remove(2)
        self.queue.remove(4)
        self.add("five")
        self.assertEqual(self.take(), ("five", (5,)))

    @given(
        st.lists(
            st.one_of(st.none(), st.tuples(st.sampled_from(["", "g", "h"]), st.sampled_from(["summarize", "old"])))
        ),
        st.integers(1, 4),
    )
    def test_nothing_is_lost(self, steps: list[Any], cap: int) -> None:
        """Whatever happens, each message is waiting, was taken, or was given back, once; order is kept."""
        queue: MessageQueue[int] = MessageQueue()
        added = 0
        gone: list[int] = []
        taken: list[int] = []
        for step in steps:
            if step is None:
                turn = queue.take()
                taken += turn.items if turn is not None else ()
            else:
                added += 1
                gone += queue.add("x", added, group=step[0], cap=cap, drop=step[1])
            self.assertLessEqual(len(queue), cap)
        self.assertEqual(sorted([*gone, *taken, *queue.items]), list(range(1, added + 1)))
        self.assertEqual(taken, sorted(taken))
