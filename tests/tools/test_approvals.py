# -*- test-case-name: tests.tools.test_approvals -*-
"""Questions that wait for a person's word."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Approvals
from openclaw_tx.tools.approvals import MAX_PENDING, PendingApprovals
from openclaw_tx.values import Approval, ApprovalEnd, Principal

ADA = Principal(id="key:ada", method="key", scopes=frozenset())


def question(id: str = "q", seconds: int = 120, **fields: Any) -> Approval:
    """Something to ask."""
    return Approval(id=id, command="rm x", created_at_ms=0, expires_at_ms=seconds * 1000, **fields)


class ApprovalsTests(SynchronousTestCase):
    """Asking, answering, and nobody there."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.approvals = PendingApprovals(self.clock)
        self.seam: Approvals = self.approvals
        self.told: list[Approval | ApprovalEnd] = []
        self.approvals.subscribe(self.told.append)

    def ask(self, asked: Approval) -> Deferred[Any]:
        """Ask."""
        return Deferred.fromCoroutine(self.approvals.ask(asked))

    def test_answer(self) -> None:
        """Whoever asked gets the decision, and every listener hears of question and end."""
        for decision in ("allow-once", "allow-always", "deny"):
            asked = question()
            answer = self.ask(asked)
            self.assertNoResult(answer)
            self.assertEqual(self.approvals.pending(), [asked])
            self.assertTrue(self.approvals.resolve("q", decision, ADA))  # type: ignore[arg-type]
            self.assertEqual(self.successResultOf(answer), decision)
            self.assertEqual(self.approvals.pending(), [])
            self.assertEqual(self.told[-2:], [asked, ApprovalEnd(id="q", decision=decision, resolved_by="key:ada")])  # type: ignore[arg-type]
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_only_once(self) -> None:
        """A second answer, or one to a question that never was, is none."""
        answer = self.ask(question())
        self.assertFalse(self.approvals.resolve("other", "deny", ADA))
        self.assertTrue(self.approvals.resolve("q", "deny", ADA))
        self.assertFalse(self.approvals.resolve("q", "allow-once", ADA))
        self.assertEqual(self.successResultOf(answer), "deny")

    def test_nobody_answers(self) -> None:
        """From the moment of expiry on it is too late."""
        answer = self.ask(question())
        self.clock.advance(119.9)
        self.assertNoResult(answer)
        self.clock.advance(0.2)
        self.assertIsNone(self.successResultOf(answer))
        self.assertFalse(self.approvals.resolve("q", "allow-once", ADA))
        self.assertEqual(self.told[-1], ApprovalEnd(id="q", decision="deny", expired=True, at_ms=120_100))

    def test_taken_back(self) -> None:
        """Whoever asked no longer wants to know."""
        answer = self.ask(question())
        answer.cancel()
        self.failureResultOf(answer, CancelledError)
        self.assertEqual((self.approvals.pending(), self.clock.getDelayedCalls()), ([], []))
        self.assertEqual(self.told[-1], ApprovalEnd(id="q", decision="deny"))

    def test_bound(self) -> None:
        """One more than there is room for is refused, and so is an id that waits already."""
        answers = [self.ask(question(str(number))) for number in range(MAX_PENDING)]
        error = self.failureResultOf(self.ask(question("more")), GatewayError).value
        self.assertEqual(error.info.code, "queue_full")
        self.assertEqual(len(self.approvals.pending()), MAX_PENDING)
        self.approvals.resolve("0", "deny", ADA)
        answers.append(self.ask(question("more")))
        self.approvals.resolve("1", "deny", ADA)
        error = self.failureResultOf(self.ask(question("2")), GatewayError).value
        self.assertEqual((error.info.code, str(error)), ("invalid_request", "approval id already pending"))
        self.clock.advance(121)
        for answer in answers:
            self.successResultOf(answer)

    def test_not_for_ever(self) -> None:
        """Where C{allow-always} is impossible it is no answer, and the question still waits."""
        answer = self.ask(question(can_always=False))
        error = self.assertRaises(GatewayError, self.approvals.resolve, "q", "allow-always", ADA)
        self.assertEqual(error.info.code, "invalid_request")
        self.assertNoResult(answer)
        self.approvals.resolve("q", "allow-once", ADA)
        self.assertEqual(self.successResultOf(answer), "allow-once")

    def test_listeners(self) -> None:
        """One may answer while it is told; one that fails keeps nobody from hearing; one that left hears no more."""
        ending = self.approvals.subscribe(lambda news: 1 / 0)
        self.approvals.subscribe(
            lambda news: self.approvals.resolve(news.id, "allow-once", ADA) and None  # type: ignore[func-returns-value]
        )
        self.assertEqual(self.successResultOf(self.ask(question())), "allow-once")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        ending()
        ending()
        self.successResultOf(self.ask(question("r")))
        self.assertEqual(self.clock.getDelayedCalls(), [])
