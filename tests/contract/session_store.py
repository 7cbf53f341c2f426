# -*- test-case-name: tests.sessions.test_sql -*-
"""What every session store must do. A store joins by inheriting and making stores: see
L{tests.contract.store_case.SessionStoreCase.make}."""

from __future__ import annotations

from tests.contract.store_sessions import ChangeContract, CompactionContract, ReadingContract
from tests.contract.store_turns import CrashContract, TurnContract
from tests.sessions.helpers import KEY, answer, ended, live, user


class SessionStoreContract(TurnContract, CrashContract, ReadingContract, ChangeContract, CompactionContract):
    """All of it."""

    def test_closed_store_refuses(self) -> None:
        """After C{close}, which may be called twice, every call is refused in plain words."""
        self.turn("r1")
        self.do(self.store.close())
        self.do(self.store.close())
        self.assertEqual(self.refusal(self.store.get(KEY)), "storage_unavailable")


class LastingStoreContract(SessionStoreContract):
    """The same for a store that outlives its process."""

    def test_closed_store_can_be_opened_again(self) -> None:
        """What was stored is there."""
        self.turn("r1")
        self.do(self.store.close())
        self.store = self.make()
        self.assertEqual(self.texts(), ["hello", "answer r1"])

    def test_runs_of_a_process_that_lives(self) -> None:
        """Recovery by another process leaves them alone; the run id is taken, the session can be used."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        first, self.store = self.store, self.make()
        self.assertEqual(self.do(self.store.recover(9000)), [])
        self.assertEqual(self.refusal(self.store.begin(live("r1"), [user("a")])), "idempotency_key_conflict")
        self.turn("r2", said="b")
        self.store = first
        self.commit(ended("r1"), user("a"), answer("c"))
        self.assertEqual(self.texts(), ["b", "answer r2", "a", "c"])

    def test_runs_of_a_process_that_closed(self) -> None:
        """A process that closed its store while a run was at work will not end that run."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.do(self.store.close())
        self.store = self.make()
        self.assertEqual(len(self.do(self.store.recover(9000))), 1)


__all__ = ["LastingStoreContract", "SessionStoreContract"]
