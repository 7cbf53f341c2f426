# -*- test-case-name: tests.runs.test_manual -*-
"""A compaction because somebody asked."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from twisted.internet.defer import CancelledError, Deferred

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Usage
from tests.runs.compacting import KEY, Case
from tests.runs.rooms import user


class ManualTests(Case):
    """Because somebody asked."""

    def compact(self, instructions: str = "") -> Any:
        """Ask for it."""
        return Deferred.fromCoroutine(self.bench.engine.compactor.compact(KEY, instructions))

    def test_compact(self) -> None:
        """It is done at once, with the instructions, and tells what came of it."""
        self.chat(2)
        self.model.say("They talked.", usage=Usage(prompt_tokens=9, completion_tokens=3))
        done = self.successResultOf(self.compact("names only"))
        self.assertEqual((done.compacted, done.summary), (True, "They talked."))
        self.assertEqual(done.usage, Usage(prompt_tokens=9, completion_tokens=3))
        self.assertLess(done.tokens_after, done.tokens_before)
        self.assertIn("names only", self.model.requests[-1].messages[0].text)
        (mark,) = self.marks()
        self.assertEqual(mark.kept, done.kept)

    def test_in_its_lane(self) -> None:
        """It waits for the session's run, and the next run waits for it."""
        self.chat(2)
        first = self.bench.session("first")
        waiting = self.compact()
        second = self.bench.session("second")
        self.assertNoResult(waiting)
        self.model.calls[2].text("one")
        self.model.calls[2].finish(usage=Usage())
        self.assertEqual((first.status, second.status), ("ok", "queued"))
        self.model.calls[3].text("They talked.")
        self.model.calls[3].finish(usage=Usage())
        self.assertTrue(self.successResultOf(waiting).compacted)
        self.assertIn("They talked.", self.model.requests[4].messages[0].text)
        second.abort("test")

    def test_nothing_to_do(self) -> None:
        """A session of one message has nothing to summarise; one that there is not is refused."""
        error = self.failureResultOf(self.compact(), GatewayError).value
        self.assertEqual(error.info.code, "session_not_found")
        self.bench.sessions.transcripts[KEY] = [user("x")]
        self.chat(0)
        self.bench.session("x").abort("test")
        self.bench.sessions.transcripts[KEY] = [user("x")]
        done = self.successResultOf(self.compact())
        self.assertEqual((done.compacted, done.reason), (False, "nothing to compact"))

    def test_begun_anew(self) -> None:
        """A session that was reset meanwhile is left alone."""
        self.chat(2)
        waiting = self.compact()
        entry = self.bench.sessions.entries[KEY]
        self.bench.sessions.entries[KEY] = replace(entry, session_id="s2")
        self.model.calls[2].text("They talked.")
        self.model.calls[2].finish()
        self.assertFalse(self.successResultOf(waiting).compacted)
        self.assertEqual(self.marks(), [])

    def test_cancelled(self) -> None:
        """Giving it up ends the model's call and frees the lane, at work and in the queue."""
        self.chat(2)
        at_work, queued = self.compact(), self.compact()
        queued.cancel()
        at_work.cancel()
        for each in (queued, at_work):
            self.failureResultOf(each, CancelledError)
        self.assertTrue(self.model.calls[2].cancelled)
        self.chat(1, "short")

    def test_shutdown(self) -> None:
        """A gateway that stops gives it up, and takes no more."""
        self.chat(2)
        waiting = self.compact()
        self.successResultOf(Deferred.fromCoroutine(self.bench.engine.drain(5)))
        for each in (waiting, self.compact()):
            error = self.failureResultOf(each, GatewayError).value
            self.assertEqual(error.info.code, "gateway_draining")
