# -*- test-case-name: tests.fuzz.test_runs -*-
"""The parts of the engine against the plainest models: whatever is done to them in whatever order, both say the same.

The outbox has its model in L{tests.runs.test_outbox}, which C{make fuzz} runs as well.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.runs.journal import Journal, cost
from openclaw_tx.runs.lanes import Lanes
from openclaw_tx.runs.machine import IllegalTransition, RunMachine
from openclaw_tx.values import Entry, ReasoningDelta, RunEvent, TextDelta, ToolCallDelta
from tests.fuzz.limits import run


class States(RuleBasedStateMachine):
    """A run: the model is the list of states that it was in."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = RunMachine()
        self.seen = ["queued"]

    @rule()
    def start(self) -> None:
        """Only a queued run starts."""
        self.step(self.machine.start, "running", self.seen[-1] == "queued")

    @rule(status=st.sampled_from(["ok", "error", "aborted"]))
    def end(self, status: Any) -> None:
        """It ends once, and not well before it ran."""
        may = self.seen[-1] == "running" or (self.seen[-1] == "queued" and status != "ok")
        self.step(lambda: self.machine.end(status), status, may)

    def step(self, change: Any, status: str, may: bool) -> None:
        """A change that is done, or refused and changes nothing."""
        try:
            change()
        except IllegalTransition:
            assert not may
        else:
            assert may
            self.seen.append(status)

    @invariant()
    def one_end(self) -> None:
        """It stands where the model stands, and a terminal state is the last."""
        assert self.machine.status == self.seen[-1]
        ends = [status for status in self.seen if status in ("ok", "error", "aborted")]
        assert self.machine.ended == bool(ends)
        assert len(ends) <= 1


class Queues(RuleBasedStateMachine):
    """Lanes: the model is a list of who is at work and one of who waits, for each lane."""

    LANES = ("main", "session:a", "session:b")
    turns: Bundle[Any] = Bundle("turns")

    def __init__(self) -> None:
        super().__init__()
        self.caps = dict.fromkeys(self.LANES, 1)
        self.lanes = Lanes(self.caps.__getitem__)
        self.working: dict[str, list[int]] = {name: [] for name in self.LANES}
        self.waiting: dict[str, list[tuple[str, int]]] = {name: [] for name in self.LANES}
        self.numbers = 0
        self.told = True

    @rule(target=turns, name=st.sampled_from(LANES), who=st.sampled_from("xyz"), greedy=st.integers(0, 9))
    def enter(self, name: str, who: str, greedy: int) -> Any:
        """Somebody comes; one in ten leaves again in the moment that he is let in."""
        self.numbers += 1
        number = self.numbers
        free = len(self.working[name]) < self.caps[name] and not self.waiting[name]
        turn = self.lanes.enter(name, who)
        assert (turn is None) == free
        if turn is None:
            self.working[name].append(number)
            return name, who, number, None
        self.waiting[name].append((who, number))

        def admitted(_: None) -> None:
            ahead = [other for other in self.waiting[name] if other[0] == who and other[1] < number]
            assert not ahead, "of one and the same, who came first is let in first"
            self.waiting[name].remove((who, number))
            self.working[name].append(number)
            if not greedy:
                self.working[name].remove(number)
                self.lanes.leave(name)

        def gave_up(reason: Failure) -> None:
            reason.trap(CancelledError)

        turn.addCallbacks(admitted, gave_up)
        return name, who, number, turn

    @rule(turn=consumes(turns))
    def leave_or_give_up(self, turn: tuple[str, str, int, Deferred[None] | None]) -> None:
        """Who is at work leaves, who waits gives up."""
        name, who, number, waiting = turn
        if number in self.working[name]:
            self.working[name].remove(number)
            self.lanes.leave(name)
        elif waiting is not None and (who, number) in self.waiting[name]:
            self.waiting[name].remove((who, number))
            waiting.cancel()

    @rule(name=st.sampled_from(LANES), cap=st.integers(0, 3), at_once=st.booleans())
    def reconfigure(self, name: str, cap: int, at_once: bool) -> None:
        """Another cap; nobody who is at work is sent away. Until the lanes are told, who comes passes nobody."""
        self.caps[name] = cap
        self.told = at_once
        if at_once:
            self.lanes.refresh()

    @invariant()
    def same(self) -> None:
        """Counts agree, no place stays empty while somebody waits, and an empty lane leaves nothing."""
        for name in self.LANES:
            working, waiting = self.working[name], self.waiting[name]
            assert (self.lanes.active(name), self.lanes.waiting(name)) == (len(working), len(waiting))
            assert not waiting or len(working) >= self.caps[name] or not self.told
            assert bool(working or waiting) == (name in self.lanes._lanes)


EVENTS: st.SearchStrategy[RunEvent] = (
    st.text(max_size=40).map(lambda text: TextDelta(text=text))
    | st.text(max_size=40).map(lambda text: ReasoningDelta(text=text))
    | st.text(max_size=40).map(lambda text: ToolCallDelta(index=0, id="c", name="n", arguments=text))
)


class Log(RuleBasedStateMachine):
    """A journal: the model is the list of everything that was ever written, and a watcher that follows it."""

    LIMIT = 2_000

    def __init__(self) -> None:
        super().__init__()
        self.journal = Journal(limit=self.LIMIT)
        self.all: list[Entry] = []
        self.cursor = 0
        self.followed: list[int] = []

    @rule(events=st.lists(EVENTS, max_size=4), at=st.integers(0, 2**40))
    def append(self, events: list[RunEvent], at: int) -> None:
        """Something happens."""
        entries = self.journal.append(events, at)
        assert [entry.event for entry in entries] == events
        self.all.extend(entries)

    @rule()
    def follow(self) -> None:
        """The watcher reads on, or is told of a gap and goes on behind it."""
        try:
            new = self.journal.since(self.cursor)
        except GatewayError as error:
            assert error.info.code == "replay_gap"
            assert self.cursor + 1 < self.journal.first_seq
            new = self.journal.held_since(self.cursor)
        self.followed += [entry.seq for entry in new]
        self.cursor = self.journal.last_seq

    @rule(after=st.integers(0, 60), last=st.none() | st.integers(0, 60))
    def look(self, after: int, last: int | None) -> None:
        """Any window."""
        expected = [
            entry
            for entry in self.all
            if entry.seq > after and entry.seq >= self.journal.first_seq and (last is None or entry.seq <= last)
        ]
        assert list(self.journal.held_since(after, last)) == expected
        if last is None and after + 1 >= self.journal.first_seq:
            assert list(self.journal.since(after)) == expected

    @precondition(lambda self: self.all)
    @invariant()
    def numbered(self) -> None:
        """Numbers have no holes; what is held is the newest, costs what it says, and is bounded."""
        assert [entry.seq for entry in self.all] == list(range(1, len(self.all) + 1))
        held = self.journal.held_since(0)
        assert list(held) == self.all[len(self.all) - len(held) :]
        assert self.journal.held == sum(cost(entry.event) for entry in held)
        assert self.journal.held <= self.LIMIT or len(held) == 1
        assert self.journal.last_seq == len(self.all)

    @invariant()
    def in_order(self) -> None:
        """A watcher sees nothing twice and nothing out of order."""
        assert self.followed == sorted(set(self.followed))


class ModelTests(SynchronousTestCase):
    """Runs the models."""

    def test_states(self) -> None:
        """Every run has one end."""
        run(States, 40, 12)

    def test_lanes(self) -> None:
        """Nobody is lost in a lane, nobody is let in too many."""
        run(Queues, 40)

    def test_journal(self) -> None:
        """What was written is told once and in order, or its absence is."""
        run(Log, 30)
