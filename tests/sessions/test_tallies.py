# -*- test-case-name: tests.sessions.test_tallies -*-
"""L{openclaw_tx.sessions.tallies}, through the store."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.sessions import tallies, usage
from openclaw_tx.values import (
    QUARTER_MS,
    AssistantMessage,
    CompactionMessage,
    Message,
    ModelCalls,
    SessionQuarter,
    SessionTally,
    Tallies,
    Usage,
    step_ms,
    wait_step,
)
from tests.sessions.helpers import KEY, Stores, answer, result, user

T = TypeVar("T")
START = 1_700_000_000_000 // QUARTER_MS * QUARTER_MS
FIRST = START // QUARTER_MS
ALL = 10**15


def told(message: Message, after_ms: int, **changes: Any) -> Message:
    """The message at a time."""
    return replace(message, timestamp_ms=START + after_ms, **changes)


def said(after_ms: int, *calls: str, prompt: int = 100, cached: int = 0, stop: str = "stop") -> Message:
    """An answer of the model C{p/m}, with what it took."""
    took = Usage(prompt_tokens=prompt, completion_tokens=10, cached_tokens=cached)
    return told(answer("yes", *calls), after_ms, provider="p", model="m", usage=took, stop_reason=stop)


class TallyCase(SynchronousTestCase):
    """A store with sessions."""

    def setUp(self) -> None:
        """Empty."""
        self.store = Stores().store()

    def done(self, coroutine: Coroutine[Deferred[Any], Any, T]) -> T:
        """What a coroutine gives at once."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def append(self, *messages: Message, key: str = KEY) -> str:
        """Put messages into a session.

        @return: its id.
        """
        entry = self.done(self.store.append(key, messages, agent_id="main"))
        assert entry is not None
        return entry.session_id

    def tallies(self, ids: Sequence[str], first_ms: int = 0, end_ms: int = ALL, max_bytes: int = 10**9) -> Tallies:
        """Ask for them."""
        return self.done(self.store.usage.tallies(ids, first_ms, end_ms, max_bytes))

    def tally(self, session_id: str, **asked: int) -> SessionTally:
        """Of one."""
        (found,) = self.tallies([session_id], **asked).tallies
        return found


class CountTests(TallyCase):
    """What is counted."""

    def test_quarter(self) -> None:
        """Messages, tools, calls, waits and errors of a quarter."""
        session = self.append(
            told(user("hi"), 1000),
            said(3000, "a", "b", cached=40, stop="tool_calls"),
            told(result("a"), 3100),
            told(result("b"), 3200, is_error=True),
            said(5000),
            said(9000, stop="aborted"),
        )
        self.assertEqual(
            self.tally(session).quarters,
            (
                SessionQuarter(
                    number=FIRST,
                    first_ms=START + 1000,
                    last_ms=START + 9000,
                    user=1,
                    assistant=3,
                    tool_results=2,
                    errors=2,
                    tools={"tool_a": 1, "tool_b": 1},
                    models=(
                        ModelCalls(
                            provider="p", model="m", calls=3, input_tokens=260, output_tokens=30, cached_tokens=40
                        ),
                    ),
                    waits={wait_step(2000): 1, wait_step(4000): 1, wait_step(8000): 1},
                    wait_ms=14_000,
                    shortest_ms=2000,
                    longest_ms=8000,
                ),
            ),
        )

    def test_nothing_to_count(self) -> None:
        """A note and a client's account of an answer took nothing; a mark is no message; one without a time came with
        the next; who answers half a day later was not waited for."""
        session = self.append(
            told(user("hi"), 1000),
            told(AssistantMessage(text="a note", stop_reason="injected"), 2000),
            answer("when?"),
            told(CompactionMessage(summary="s"), 2500),
            said(13 * 3600 * 1000),
        )
        first, later = self.tally(session).quarters
        self.assertEqual((first.assistant, first.models, first.last_ms), (2, (), START + 2500))
        self.assertEqual((later.assistant, later.waits, later.models[0].calls), (1, {}, 1))

    def test_untimed(self) -> None:
        """What came before any time is known waits for it, also from one reading to the next."""
        session = self.append(user("hi"), answer("ho"))
        self.assertEqual(self.tally(session), SessionTally(session_id=session))
        self.append(user("hi"), said(1000))
        (quarter,) = self.tally(session).quarters
        self.assertEqual((quarter.user, quarter.assistant, quarter.waits, quarter.first_ms), (2, 2, {}, START + 1000))

    def test_odd_counts(self) -> None:
        """What a provider can not mean is not believed; sums of such counts harm nobody."""
        odd = Usage(prompt_tokens=2**62, completion_tokens=-5, cached_tokens=-1)
        session = self.append(*(told(answer("yes"), number, usage=odd) for number in range(1, 20)))
        (calls,) = self.tally(session).quarters[0].models
        self.assertEqual(
            (calls.calls, calls.input_tokens, calls.output_tokens, calls.cached_tokens), (19, 19 * 2**40, 0, 0)
        )

    def test_many_tools(self) -> None:
        """Names beyond a hundred count together, and long ones are cut."""
        session = self.append(*(said(number, f"{number:03}") for number in range(1, 111)), said(200, "x" * 500))
        (quarter,) = self.tally(session).quarters
        self.assertEqual((len(quarter.tools), quarter.tools["other"]), (101, 11))
        session = self.append(said(1, "x" * 500), key="agent:main:b")
        self.assertEqual([len(name) for name in self.tally(session).quarters[0].tools], [tallies.MAX_NAME])

    def test_unreadable(self) -> None:
        """A message that can not be read is passed over."""
        session = self.append(told(user("hi"), 1000), said(2000), told(user("ho"), 3000))

        def spoil(connection: Any) -> None:
            connection.driver.execute("UPDATE messages SET body = '{' WHERE position = 1")

        self.successResultOf(self.store._jobs.submit(spoil))
        (quarter,) = self.tally(session).quarters
        self.assertEqual((quarter.user, quarter.assistant), (2, 0))

    def test_between(self) -> None:
        """Only the quarters that are asked for."""
        session = self.append(*(said(number * QUARTER_MS) for number in range(5)))
        found = self.tally(session, first_ms=START + QUARTER_MS, end_ms=START + 3 * QUARTER_MS)
        self.assertEqual([quarter.number - FIRST for quarter in found.quarters], [1, 2])


class ReadingTests(TallyCase):
    """What is read, and when."""

    def test_goes_on(self) -> None:
        """Only what came since is read, and added to its quarter."""
        session = self.append(told(user("hi"), 1000), said(2000))
        self.assertGreater(self.tallies([session]).read_bytes, 0)
        self.assertEqual(self.tallies([session]).read_bytes, 0)
        self.append(said(4000, "a"), said(QUARTER_MS))
        first, second = self.tally(session).quarters
        self.assertEqual(
            (first.user, first.assistant, first.models[0].calls, first.waits[wait_step(3000)]), (1, 2, 2, 1)
        )
        self.assertEqual((second.assistant, second.longest_ms), (1, QUARTER_MS - 1000))

    def test_begun_anew(self) -> None:
        """A session that was reset has another id; one whose messages have gone is counted from its beginning."""
        session = self.append(said(1000), said(2000))
        self.assertEqual(self.tally(session).quarters[0].assistant, 2)
        self.successResultOf(self.store._jobs.submit(lambda c: c.driver.execute("DELETE FROM messages") and None))
        self.assertEqual(self.tally(session), SessionTally(session_id=session))
        self.assertEqual(self.tally("nobody"), SessionTally(session_id="nobody"))

    def test_bounded(self) -> None:
        """What is not read in time is told as far as it is known, and read by the next who ask."""
        ids = [self.append(*(said(n) for n in range(1, 21)), key=f"agent:main:{name}") for name in "abc"]
        whole = self.tallies([ids[0]]).read_bytes
        other = self.tallies(ids, max_bytes=whole + whole // 2)
        self.assertEqual([tally.whole for tally in other.tallies], [True, True, False])
        self.assertEqual(other.tallies[2].quarters[0].assistant, 10)
        self.assertLess(other.read_bytes, 2 * whole)
        last = self.tallies(ids, max_bytes=0)
        self.assertEqual(([tally.whole for tally in last.tallies], last.read_bytes), ([True, True, False], 0))
        rest = self.tallies(ids)
        self.assertEqual([tally.quarters[0].assistant for tally in rest.tallies], [20, 20, 20])

    def test_in_pieces(self) -> None:
        """Jobs are small: others get their turn in between."""
        self.patch(usage, "READ_AT_ONCE", 500)
        self.patch(tallies, "MAX_ROWS", 7)
        self.patch(usage, "SESSIONS_AT_ONCE", 2)
        ids = [self.append(*(said(n) for n in range(1, 31)), key=f"agent:main:{name}") for name in "abcde"]
        found = self.tallies(ids)
        self.assertEqual([tally.session_id for tally in found.tallies], ids)
        self.assertEqual([tally.quarters[0].assistant for tally in found.tallies], [30] * 5)
        self.assertTrue(all(tally.whole for tally in found.tallies))

    def test_forgets(self) -> None:
        """What is remembered is bounded; what was asked for the longest time ago goes first."""
        self.store.usage._tallying = tallies.Tallying(max_kept=1000)
        ids = [self.append(said(1000), key=f"agent:main:{name}") for name in "abcdef"]
        ids.append(self.append(*[user("no time")] * 3, key="agent:main:g"))
        self.tallies(ids)
        self.assertEqual(self.tallies([ids[-1]]).read_bytes, 0)
        self.assertGreater(self.tallies([ids[0]]).read_bytes, 0)
        self.assertLessEqual(self.store.usage._tallying._size, 1000)

    def test_counted_again(self) -> None:
        """A quarter that goes on takes its own place."""
        one = self.append(said(1000))
        self.tallies([one])
        before = self.store.usage._tallying._size
        self.append(said(2000))
        self.tallies([one])
        self.assertLess(self.store.usage._tallying._size - before, tallies.KEPT_BESIDE)


class StepTests(SynchronousTestCase):
    """L{wait_step} and L{step_ms}."""

    def test_steps(self) -> None:
        """Every wait is in the step that says so, and steps grow by an eighth at most."""
        last = 0
        for ms in [*range(1, 3000), 12 * 3600 * 1000]:
            step = wait_step(ms)
            self.assertGreaterEqual(step, last)
            self.assertGreaterEqual(step_ms(step), ms)
            self.assertLessEqual(step_ms(step), ms * 9 / 8)
            last = step
        self.assertEqual((wait_step(0), wait_step(1)), (0, 0))
