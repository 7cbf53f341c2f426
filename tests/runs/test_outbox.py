# -*- test-case-name: tests.runs.test_outbox -*-
"""The bounded queue to one watcher."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from twisted.internet.interfaces import IPushProducer
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from openclaw_tx.runs.outbox import Item, Outbox


class Words:
    """A mergeable item: words that may be joined into one sentence."""

    def __init__(self, *words: bytes) -> None:
        self.words = list(words)

    @property
    def size(self) -> int:
        """Bytes of all words."""
        return sum(map(len, self.words))

    def absorb(self, later: Item) -> bool:
        """Only words join words."""
        if not isinstance(later, Words):
            return False
        self.words += later.words
        return True

    def render(self) -> bytes:
        """One sentence."""
        return b"<" + b" ".join(self.words) + b">"


class OutboxTests(SynchronousTestCase):
    """What is written when, and how it ends."""

    def setUp(self) -> None:
        """An outbox with room for ten bytes."""
        self.written: list[bytes] = []
        self.overflows = 0
        self.drained = 0
        self.outbox = Outbox(self.written.append, self._overflow, limit=10)

    def _overflow(self) -> None:
        self.overflows += 1

    def _drained(self) -> None:
        self.drained += 1

    def test_is_a_push_producer(self) -> None:
        """A transport may register it."""
        verifyObject(IPushProducer, self.outbox)

    def test_writes_at_once_when_willing(self) -> None:
        """Nothing is held while the transport takes everything, however much it is."""
        self.outbox.push(b"x" * 100)
        self.outbox.push(Words(b"a"))
        self.assertEqual(self.written, [b"x" * 100, b"<a>"])
        self.assertEqual(self.outbox.held, 0)
        self.assertTrue(self.outbox.willing)

    def test_writes_only_when_nothing_is_in_the_way(self) -> None:
        """What is to be written now is written now or not at all: paused, behind something held, closed."""
        self.assertTrue(self.outbox.write(b"a"))
        self.outbox.pauseProducing()
        self.assertFalse(self.outbox.write(b"b"))
        self.outbox.push(b"c")

        def pausing(data: bytes) -> None:
            self.written.append(data)
            self.outbox.pauseProducing()
            self.assertFalse(self.outbox.write(b"d"))

        self.outbox = Outbox(pausing, self._overflow)
        self.outbox.push(b"e")
        self.outbox.close()
        self.assertFalse(self.outbox.write(b"f"))
        self.assertEqual(self.written, [b"a", b"e"])

    def test_holds_and_merges_neighbours_while_paused(self) -> None:
        """Adjacent mergeable items leave as one; order is kept across items that do not merge."""
        self.outbox.pauseProducing()
        for item in (Words(b"a"), Words(b"b"), b"|", Words(b"c")):
            self.outbox.push(item)
        self.assertEqual((self.written, self.outbox.held), ([], 4))
        self.outbox.resumeProducing()
        self.assertEqual(self.written, [b"<a b>", b"|", b"<c>"])
        self.assertEqual(self.outbox.held, 0)

    def test_stops_when_paused_again_while_flushing(self) -> None:
        """A transport that fills up in the middle of a flush is left alone, and order survives."""

        def write(data: bytes) -> None:
            self.written.append(data)
            outbox.pauseProducing()

        outbox = Outbox(write, self._overflow, limit=10)
        outbox.pauseProducing()
        outbox.push(b"1")
        outbox.push(b"2")
        outbox.resumeProducing()
        self.assertEqual(self.written, [b"1"])
        outbox.push(b"3")
        outbox.resumeProducing()
        outbox.resumeProducing()
        self.assertEqual(self.written, [b"1", b"2", b"3"])

    def test_overflow_ends_the_watcher_once(self) -> None:
        """Over the limit the outbox gives up: one call, nothing held, nothing written any more."""
        self.outbox.pauseProducing()
        self.outbox.push(b"0123456789")
        self.assertEqual(self.overflows, 0)
        self.outbox.push(b"x")
        self.outbox.push(b"y")
        self.outbox.resumeProducing()
        self.assertEqual((self.overflows, self.written, self.outbox.held), (1, [], 0))

    def test_merged_bytes_count(self) -> None:
        """Merging saves frames, not the bound."""
        self.outbox.pauseProducing()
        for _ in range(11):
            self.outbox.push(Words(b"x"))
        self.assertEqual(self.overflows, 1)

    def test_finish_waits_for_the_transport(self) -> None:
        """The end is announced when the transport has taken the last byte, not before."""
        self.outbox.pauseProducing()
        self.outbox.push(b"last")
        self.outbox.finish(self._drained)
        self.assertEqual(self.drained, 0)
        self.outbox.resumeProducing()
        self.assertEqual((self.drained, self.written), (1, [b"last"]))

    def test_finish_at_once_when_willing(self) -> None:
        """Nothing to wait for."""
        self.outbox.finish(self._drained)
        self.assertEqual(self.drained, 1)

    def test_lost_connection_never_drains(self) -> None:
        """Neither a write nor the announcement follows the end of the connection."""
        self.outbox.pauseProducing()
        self.outbox.push(b"x")
        self.outbox.finish(self._drained)
        self.outbox.stopProducing()
        self.outbox.resumeProducing()
        self.outbox.push(b"y")
        self.outbox.finish(self._drained)
        self.assertEqual((self.drained, self.written), (0, []))


class OutboxMachine(RuleBasedStateMachine):
    """Any interleaving of pushes, pauses and resumes against the plainest model: a string."""

    LIMIT = 40

    def __init__(self) -> None:
        super().__init__()
        self.pushed = b""
        self.seen = b""
        self.overflows = 0
        self.paused = False
        self.fill_after = 0
        self.outbox = Outbox(self._write, self._overflow, limit=self.LIMIT)

    def _write(self, data: bytes) -> None:
        self.seen += data.translate(None, b"<> ")
        if self.fill_after:
            self.fill_after -= 1
            if not self.fill_after:
                self.paused = True
                self.outbox.pauseProducing()

    def _overflow(self) -> None:
        self.overflows += 1

    @rule(
        data=st.binary(min_size=1, max_size=9).filter(lambda b: not set(b) & set(b"<> ")),
        mergeable=st.booleans(),
        now=st.booleans(),
    )
    def push(self, data: bytes, mergeable: bool, now: bool) -> None:
        """Something new; the short way if there is one."""
        if not self.overflows:
            self.pushed += data
        if not (now and self.outbox.write(data)):
            self.outbox.push(Words(data) if mergeable else data)

    @rule()
    def pause(self) -> None:
        """The transport is full."""
        self.paused = True
        self.outbox.pauseProducing()

    @precondition(lambda self: self.paused)
    @rule(writes=st.integers(min_value=0, max_value=3))
    def resume(self, writes: int) -> None:
        """The transport is empty; it fills up again after so many writes (0 = never)."""
        self.paused = False
        self.fill_after = writes
        self.outbox.resumeProducing()
        self.fill_after = 0

    @invariant()
    def nothing_lost_or_reordered(self) -> None:
        """What was written is a prefix of what was pushed; what is missing is held."""
        assert self.pushed.startswith(self.seen)
        if not self.overflows:
            assert len(self.pushed) - len(self.seen) == self.outbox.held

    @invariant()
    def bounded(self) -> None:
        """Never more than the limit, and one overflow at most."""
        assert self.outbox.held <= self.LIMIT
        assert self.overflows <= 1

    @invariant()
    def all_written_when_willing(self) -> None:
        """A willing transport has everything."""
        if not self.paused and not self.overflows:
            assert self.seen == self.pushed


class OutboxModelTests(SynchronousTestCase):
    """Runs the model."""

    def test_model(self) -> None:
        """No interleaving loses, reorders or hoards bytes."""
        case = OutboxMachine.TestCase
        case.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, database=None)
        case("runTest").runTest()
