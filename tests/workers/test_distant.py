"""A relay's run as the chief knows it, and all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import DistantRun, Push
from openclaw_tx.runs.ended import KEEP_RUNS, KEEP_SECONDS
from openclaw_tx.values import Entry, Principal, RunEnded, RunResult, RunStarted, RunState, TextDelta
from openclaw_tx.workers.distant import RelayRun
from openclaw_tx.workers.fleet import Fleet
from openclaw_tx.workers.messages import Began, Ended, Told
from tests.support.fakes import ScriptedEngine

ANA = Principal(id="key:ana", method="key", scopes=frozenset())
NOW = 1_000_000.0


class Line:
    """The way to a relay."""

    def __init__(self) -> None:
        self.aborted: list[tuple[str, str]] = []
        self.listening = 0
        self.state: RunState | None = None

    def abort(self, run_id: str, reason: str) -> None:
        """Note it."""
        self.aborted.append((run_id, reason))

    async def look(self, run_id: str) -> RunState | None:
        """As set."""
        return self.state

    def follow(self, run_id: str, push: Push, after: int) -> Callable[[], None]:
        """Nothing."""
        raise NotImplementedError

    def listen(self) -> Callable[[], None]:
        """Count it."""
        self.listening += 1

        def stop() -> None:
            self.listening -= 1

        return stop


def began(run_id: str = "r") -> Began:
    """A run of Ana's."""
    return Began(
        run_id=run_id,
        agent_id="main",
        session_key="s",
        channel="webchat",
        stream=True,
        traceparent="",
        principal=ANA,
        queued_at_ms=1000,
    )


def text(seq: int, words: str) -> Entry:
    """Something said."""
    return Entry(seq=seq, ts_ms=2000 + seq, event=TextDelta(text=words))


def told(*entries: Entry, run_id: str = "r") -> Told:
    """News of a run."""
    return Told(run_id=run_id, entries=entries, verbose=True)


def ended(seq: int, run_id: str = "r", at_ms: int = int(NOW * 1000), words: str = "one") -> Ended:
    """Its end."""
    result = RunResult(
        run_id=run_id, session_key="s", agent_id="main", status="ok", payloads=(words,), ended_at_ms=at_ms
    )
    return Ended(run_id=run_id, seq=seq, ts_ms=at_ms, result=result)


class RelayRunTests(SynchronousTestCase):
    """L{RelayRun}."""

    def setUp(self) -> None:
        """A run."""
        self.line = Line()
        self.run_ = RelayRun(began(), self.line)
        self.seen: list[int] = []

    def push(self, entries: Sequence[Entry]) -> None:
        """Note the numbers."""
        self.seen += [entry.seq for entry in entries]

    def test_is_distant(self) -> None:
        """Others can tell it from a run of their own."""
        self.assertIsInstance(self.run_, DistantRun)

    def test_watched(self) -> None:
        """A watcher has the past and what comes, to the end; the relay is listened to as long."""
        started = Entry(seq=1, ts_ms=2001, event=RunStarted(session_id="x"))
        self.run_.told(told(started, text(2, "a")))
        self.assertEqual((self.run_.status, self.run_.verbose), ("running", True))
        self.run_.watch(self.push)
        self.assertEqual((self.seen, self.line.listening), ([1, 2], 1))
        self.run_.told(told(text(2, "a"), text(3, "b")))
        self.run_.ended(ended(4))
        self.assertEqual((self.seen, self.line.listening), ([1, 2, 3, 4], 0))
        self.assertEqual(self.run_.times.first_text, 2.002)
        self.run_.watch(self.push, 3)
        self.assertEqual((self.seen[4:], self.line.listening), ([4], 0))

    def test_broken_watcher(self) -> None:
        """A watcher that raises is dropped; the others do not notice."""
        self.run_.watch(lambda entries: 1 / 0)  # type: ignore[arg-type, return-value]
        self.run_.watch(self.push)
        self.run_.told(told(text(1, "a")))
        self.run_.told(told(text(2, "b")))
        self.run_.ended(ended(3))
        self.assertEqual((self.seen, self.line.listening), ([1, 2, 3], 0))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_watched_for_a_while(self) -> None:
        """Whoever stops hears nothing more, and does not keep the relay busy."""
        stop = self.run_.watch(self.push)
        stop()
        stop()
        self.run_.told(told(text(1, "a")))
        self.assertEqual((self.seen, self.line.listening), ([], 0))

    def test_hole(self) -> None:
        """What was missed is a gap, and no mistake: what comes after it is there."""
        self.run_.told(told(text(1, "a")))
        self.run_.told(told(text(5, "e")))
        self.assertRaises(GatewayError, self.run_.watch, self.push, 0)
        self.run_.watch(self.push, 4)
        self.run_.ended(ended(9))
        self.assertEqual(self.seen, [5, 9])

    def test_state(self) -> None:
        """How it stands is what the relay last said, and the result at the end."""
        self.assertEqual(self.run_.state.status, "queued")
        self.line.state = RunState(
            run_id="r", session_key="s", agent_id="main", status="running", payloads=("so far",), started_at_ms=7
        )
        self.successResultOf(Deferred.fromCoroutine(self.run_.refresh()))
        self.assertEqual((self.run_.state.payloads, self.run_.status), (("so far",), "running"))
        self.line.state = None
        self.successResultOf(Deferred.fromCoroutine(self.run_.refresh()))
        self.assertEqual(self.run_.state.payloads, ("so far",))
        self.run_.ended(ended(4))
        self.assertEqual((self.run_.state.status, self.run_.state.last_seq), ("ok", 4))

    def test_result(self) -> None:
        """Whoever waits gets it; a second end changes nothing."""
        waiting = Deferred.fromCoroutine(self.run_.result())
        self.assertNoResult(waiting)
        self.run_.ended(ended(4))
        self.assertEqual(self.run_.ended(ended(5)), ())
        self.assertEqual(self.successResultOf(waiting).payloads, ("one",))

    def test_abort(self) -> None:
        """It is ended where it is; once it has ended, no more."""
        self.assertTrue(self.run_.abort("rpc"))
        self.assertEqual(self.line.aborted, [("r", "rpc")])
        self.run_.ended(ended(4))
        self.assertFalse(self.run_.abort("rpc"))
        self.assertFalse(self.run_.steer("no"))

    def test_interrupted(self) -> None:
        """A relay that is gone leaves an end behind, with what was known."""
        self.run_.told(told(text(1, "a")))
        self.run_.watch(self.push)
        (end,) = self.run_.interrupted(9000)
        assert isinstance(end.event, RunEnded)
        result = end.event.result
        assert result.error is not None
        self.assertEqual((result.status, result.error.code, end.seq), ("interrupted", "run_interrupted", 2))
        self.assertEqual(self.seen, [1, 2])


class Empty(ScriptedEngine):
    """An engine without runs."""

    def get(self, run_id: str) -> Any:
        """Nothing."""
        return None

    def live(self) -> Any:
        """None."""
        return []

    def subscribe(self, listener: object) -> Callable[[], None]:
        """Nothing to tell."""
        return lambda: None


class FleetTests(SynchronousTestCase):
    """L{Fleet}."""

    def setUp(self) -> None:
        """One with an engine that has nothing."""
        self.line = Line()
        self.now = NOW
        self.engine = Empty(Clock())
        self.fleet = Fleet(self.engine, self.line.listen, lambda: self.now)

    def end(self, run_id: str, at_ms: int, words: str = "one") -> None:
        """A run that begins and ends."""
        run = RelayRun(began(run_id), self.line)
        self.fleet.began(run)
        self.fleet.said(run, run.ended(ended(1, run_id, at_ms, words)))

    def test_known(self) -> None:
        """A run is found while it is at work and after; nobody starts another one of its id."""
        run = RelayRun(began(), self.line)
        self.fleet.began(run)
        self.assertEqual((self.fleet.get("r"), list(self.fleet.live())), (run, [run]))
        self.fleet.said(run, run.ended(ended(1)))
        self.assertEqual((self.fleet.get("r"), list(self.fleet.live())), (run, []))
        error = self.assertRaises(GatewayError, self.fleet.start, run.request, ANA)
        self.assertEqual(error.info.code, "idempotency_key_conflict")

    def test_bounded(self) -> None:
        """Ended runs are forgotten when they are old, too many, or too large."""
        self.end("old", int((NOW - KEEP_SECONDS - 1) * 1000))
        self.assertIsNone(self.fleet.get("old"))
        for number in range(KEEP_RUNS + 5):
            self.end(f"r{number}", int(NOW * 1000))
        self.assertIsNone(self.fleet.get("r4"))
        self.assertIsNotNone(self.fleet.get("r5"))
        for number in range(20):
            self.end(f"large{number}", int(NOW * 1000), "x" * 1024 * 1024)
        kept = [number for number in range(20) if self.fleet.get(f"large{number}")]
        self.assertTrue(0 < len(kept) <= 16, kept)
        self.assertIsNone(self.fleet.get(f"r{KEEP_RUNS + 4}"))

    def test_told(self) -> None:
        """Who listens hears of all runs, and a broken listener hurts nobody else; relays speak only to be heard."""
        heard: list[Any] = []

        def broken(run: object, entries: object) -> None:
            raise ValueError("broken")

        stops = [self.fleet.subscribe(broken), self.fleet.subscribe(lambda run, entries: heard.append(entries[0].seq))]
        self.assertEqual(self.line.listening, 2)
        run = RelayRun(began(), self.line)
        self.fleet.began(run)
        self.fleet.said(run, run.told(told(text(1, "a"))))
        self.assertEqual(heard, [1])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        for stop in stops:
            stop()
        self.assertEqual(self.line.listening, 0)

    def test_back_again(self) -> None:
        """A run that was taken for lost and is told of anew is at work."""
        run = RelayRun(began(), self.line)
        self.fleet.began(run)
        self.fleet.said(run, run.interrupted(int(NOW * 1000)))
        again = RelayRun(began(), self.line)
        self.fleet.began(again)
        self.assertEqual((self.fleet.get("r"), list(self.fleet.live())), (again, [again]))

    def test_back_before_it_was_lost(self) -> None:
        """The end of a connection that another one has taken the place of ends nothing that is told of there."""
        heard: list[Any] = []
        self.fleet.subscribe(lambda run, entries: heard.append(run))
        run, again = RelayRun(began(), self.line), RelayRun(began(), self.line)
        self.fleet.began(run)
        self.fleet.began(again)
        self.fleet.said(run, run.interrupted(int(NOW * 1000)))
        self.assertEqual((self.fleet.get("r"), list(self.fleet.live()), heard), (again, [again], []))
