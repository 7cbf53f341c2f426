# -*- test-case-name: tests.runs.test_unstored -*-
"""Runs whose turns could not be stored."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.unstored import UnstoredEnds
from openclaw_tx.testing import MemoryGateway
from tests.runs.rooms import MemorySessions
from tests.sessions.helpers import ended

KEY = "agent:main:a"
SESSION = {"x-openclaw-session-key": KEY}
ASK = {"messages": [{"role": "user", "content": "hi"}]}


class UnstoredTests(SynchronousTestCase):
    """L{UnstoredEnds} over a store that fails."""

    def setUp(self) -> None:
        """It is broken."""
        self.sessions = MemorySessions()
        self.sessions.transcripts[KEY] = []
        self.sessions.broken = True
        self.unstored = UnstoredEnds(self.sessions, Logger(), most=3)  # type: ignore[arg-type]

    def again(self) -> None:
        """A second has passed."""
        self.successResultOf(Deferred.fromCoroutine(self.unstored.again()))

    def test_until_it_works(self) -> None:
        """They are told once, without their turns."""
        self.unstored.add(ended("r1", KEY, "error"))
        self.again()
        self.assertEqual((len(self.unstored), self.sessions.runs), (1, {}))
        self.sessions.broken = False
        self.again()
        self.assertEqual((len(self.unstored), list(self.sessions.runs)), (0, ["r1"]))
        self.assertEqual(self.sessions.transcripts[KEY], [])

    def test_bounded(self) -> None:
        """The oldest are given up."""
        for number in range(5):
            self.unstored.add(ended(f"r{number}", KEY, "error"))
        self.sessions.broken = False
        self.again()
        self.assertEqual(list(self.sessions.runs), ["r2", "r3", "r4"])

    def test_begun_again_meanwhile(self) -> None:
        """What is added while the store takes one of the same id, or is dropped, is not taken for what it took."""
        self.sessions.broken = False
        self.sessions.hold = []
        self.unstored.add(ended("r1", KEY, "error", at_ms=1))
        self.unstored.add(ended("r2", KEY, "error"))
        again = Deferred.fromCoroutine(self.unstored.again())
        self.unstored.add(ended("r1", KEY, "error", at_ms=2))
        self.sessions.hold.pop().callback(None)
        self.unstored.drop("r2")
        self.sessions.hold.pop().callback(None)
        self.successResultOf(again)
        self.assertEqual(len(self.unstored), 1)
        self.sessions.hold = None
        self.again()
        self.assertEqual((len(self.unstored), self.sessions.runs["r1"].ended_at_ms), (0, 2))

    def test_unforeseen(self) -> None:
        """One that can not be stored at all is logged and keeps back no other."""
        self.sessions.broken = False
        del self.sessions.transcripts[KEY]
        self.unstored.add(ended("r1", KEY, "error"))
        self.again()
        self.assertEqual((len(self.unstored), len(self.flushLoggedErrors(KeyError))), (0, 1))


class WholeGatewayTests(SynchronousTestCase):
    """The real store, whose disk is full for a while."""

    def setUp(self) -> None:
        """Start it, with one turn in the session."""
        self.memory = MemoryGateway()
        self.addCleanup(self.memory.close)
        self.memory.model.say("one")
        self.assertEqual(self.memory.post("/v1/chat/completions", ASK, headers=SESSION).code, 200)

    def test_end_is_in_the_ledger(self) -> None:
        """The run is over for the ledger too, its turn is nowhere, and the session goes on."""
        sessions = self.memory.gateway._house.sessions
        database = sessions._jobs._database  # type: ignore[attr-defined]
        driver = database.connect().driver
        response = self.memory.post("/v1/chat/completions", ASK, headers=SESSION)
        (pages,) = driver.execute("PRAGMA page_count").fetchone()
        driver.execute(f"PRAGMA max_page_count = {pages}")
        call = self.memory.model.calls[-1]
        call.text("y" * 100_000)
        call.finish()
        self.memory.flush()
        self.assertEqual((response.code, response.json()["error"]["code"]), (503, "storage_unavailable"))
        run_id = response.headers["x-openclaw-run-id"]
        driver.execute("PRAGMA max_page_count = 1000000")
        self.memory.advance(2)
        stored = self.successResultOf(Deferred.fromCoroutine(sessions.get_run(run_id)))
        assert stored is not None and stored.result is not None and stored.result.error is not None
        self.assertEqual((stored.status, stored.result.error.code), ("error", "storage_unavailable"))
        self.memory.model.say("two")
        self.assertEqual(self.memory.post("/v1/chat/completions", ASK, headers=SESSION).code, 200)
        transcript = self.successResultOf(Deferred.fromCoroutine(sessions.transcript(KEY, 10)))
        self.assertEqual([message.text for message in transcript], ["hi", "one", "hi", "two"])
