# -*- test-case-name: tests.chat.test_known -*-
"""L{openclaw_tx.chat.known}."""

from __future__ import annotations

from msgspec.structs import replace

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.chat.known import KEEP_SECONDS, KEPT, KnownMessages
from openclaw_tx.chat.values import ChatMessage
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Principal, RunRequest, TextPart, UserMessage

OWNER = Principal(id="shared-secret", method="token", scopes=frozenset())
FINAL = GatewayError("run_failed", "No.").info


def message(run_id: str = "k", fingerprint: str = "f") -> ChatMessage:
    """A message that came at 5."""
    said = UserMessage(content=(TextPart(text="hi"),), timestamp_ms=5)
    request = RunRequest(
        run_id=run_id, agent_id="main", session_key="agent:main:main", messages=(said,), fingerprint=fingerprint
    )
    return ChatMessage(request=request, text="hi", principal=OWNER)


class KnownTests(SynchronousTestCase):
    """L{KnownMessages}."""

    def setUp(self) -> None:
        self.now_ms = 1000
        self.known = KnownMessages(lambda: self.now_ms)

    def test_waiting(self) -> None:
        """It is in flight until a run has it."""
        self.assertIsNone(self.known.before(message()))
        self.known.wait(message())
        self.assertEqual(self.known.before(message()), "in_flight")
        self.known.leave(message())
        self.assertIsNone(self.known.before(message()))

    def test_given_up(self) -> None:
        """An abort is ok, an error is said again, one that may be tried again is as nothing."""
        self.known.wait(message())
        self.known.give_up(message(), FINAL, "stop")
        self.assertEqual((self.known.before(message()), self.known.waiting("k")), ("ok", None))
        unread = self.known.unread("k")
        assert unread is not None
        result = unread.result
        self.assertEqual((result.status, result.abort_reason, result.queued_at_ms), ("aborted", "stop", 5))
        self.assertNotIn("hi", repr(unread))  # what it said may be large
        self.known.give_up(message(), FINAL, "")
        self.assertEqual(self.assertRaises(GatewayError, self.known.before, message()).info, FINAL)
        self.known.give_up(message(), GatewayError("queue_full", "Full.").info, "")
        self.assertIsNone(self.known.before(message()))

    def test_another_message(self) -> None:
        """Under a key that is taken it is refused, whoever sends it."""
        other = replace(message(), principal=replace(OWNER, id="key:alice"))
        for begin in (self.known.wait, lambda one: self.known.give_up(one, FINAL, "stop")):
            begin(message())
            for one in (message(fingerprint="g"), other):
                error = self.assertRaises(GatewayError, self.known.before, one)
                self.assertEqual(error.info.code, "idempotency_key_conflict")

    def test_bounds(self) -> None:
        """Those that were given up are remembered for ten minutes, and so many of them."""
        for number in range(KEPT + 1):
            self.known.give_up(message(str(number)), FINAL, "stop")
        self.assertIsNone(self.known.unread("0"))
        self.assertIsNotNone(self.known.unread("1"))
        self.now_ms += KEEP_SECONDS * 1000 + 1
        self.assertIsNone(self.known.unread("1"))
