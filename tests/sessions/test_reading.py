# -*- test-case-name: tests.sessions.test_reading -*-
"""What is loaded of a transcript that may be long."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.sessions import entries, reading
from openclaw_tx.values import CompactionMessage, Message
from tests.sessions.helpers import KEY, Stores, answer, ended, live, result, user


class ReadingTests(SynchronousTestCase):
    """A session of many messages."""

    def setUp(self) -> None:
        """A store in memory."""
        self.stores = Stores()
        self.store = self.stores.store()
        self.number = 0

    def do(self, call: Any) -> Any:
        """The result of a coroutine."""
        return self.successResultOf(Deferred.fromCoroutine(call))

    def fill(self, turns: int) -> list[Message]:
        """So many turns of a question and an answer, with a tool in between."""
        messages = [
            message
            for number in range(turns)
            for message in (
                user(f"ask {number}"),
                answer("", f"call {number}"),
                result(f"call {number}"),
                answer(f"re {number}"),
            )
        ]
        self.do(self.store.append(KEY, messages, agent_id="main"))
        return messages

    def mark(self, kept: int, summary: str = "sum") -> None:
        """Compact it."""
        session_id = self.do(self.store.get(KEY)).session_id
        self.do(self.store.compact(KEY, session_id, CompactionMessage(summary=summary, kept=kept)))

    def begin(self, *messages: Any) -> Any:
        """Begin a run, and let it come to nothing."""
        self.number += 1
        run_id = f"r{self.number}"
        turn = self.do(self.store.begin(live(run_id), messages))
        gone = ended(run_id, status="aborted")
        self.do(self.store.commit(gone, (), model_provider="", model="", context_tokens=None))
        return turn

    def looked_at(self, *messages: Any) -> tuple[int, int]:
        """How many messages are loaded for the model, and how many more to compare with the client's."""
        connection = self.stores.database.connect()
        found = entries.find(connection, KEY)
        assert found is not None
        read = reading.context(connection, found)
        held = reading.held(connection, found, messages, read)
        return len(read), 0 if held is read else len(held)

    def test_only_what_the_model_reads(self) -> None:
        """Of ten thousand messages a turn loads the mark and what it keeps."""
        messages = self.fill(2500)
        self.assertEqual(self.looked_at(user("new")), (reading.HISTORY_MESSAGES, 0))
        self.mark(kept=8)
        turn = self.begin(user("new"))
        self.assertEqual(list(turn.history)[1:], messages[-8:])
        self.assertEqual(self.looked_at(user("new")), (9, 0))

    def test_resent_messages_are_looked_for_a_bounded_way_back(self) -> None:
        """Twice as far as the client's own questions reach, and some more; what it resends is recognised."""
        self.fill(2500)
        self.mark(kept=2)
        sent = [each for n in range(2490, 2500) for each in (user(f"ask {n}"), answer(f"re {n}"))]
        turn = self.begin(*sent, user("new"))
        self.assertEqual([message.text for message in turn.added], ["new"])
        self.assertEqual(len(turn.history), 3)
        _, looked_at = self.looked_at(*sent, user("new"))
        self.assertTrue(80 < looked_at < 200, looked_at)

    def test_mark_is_told_however_much_came_after(self) -> None:
        """The summary is not lost when more came after it than is ever loaded."""
        self.fill(1)
        self.mark(kept=1)
        self.do(self.store.append(KEY, [user(str(n)) for n in range(reading.HISTORY_MESSAGES + 5)]))
        turn = self.begin(user("new"))
        self.assertEqual(len(turn.history), reading.HISTORY_MESSAGES + 1)
        self.assertEqual(turn.history[0].summary, "sum")

    def test_unreadable_mark(self) -> None:
        """The transcript is told as if there were none, and the operator learns of it."""
        messages = self.fill(1)
        self.mark(kept=1)
        self.stores.database.connect().driver.execute("UPDATE messages SET body = '?' WHERE position = 4")
        turn = self.begin(user("new"))
        self.assertEqual(list(turn.history), messages)
        self.assertIn("can not be read", self.stores.reports[0])
