# -*- test-case-name: tests.sessions.test_beginnings -*-
"""Conversations that end: archived first, gone then; by themselves, by hand, or because their time is over."""

from __future__ import annotations

import json
import os
from typing import Any

from msgspec.structs import replace

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_sessions import Reset, SendPolicy, SessionSection
from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions.archives import KEEP_MS
from openclaw_tx.sessions.rules import Rules, rules_of
from openclaw_tx.values import CompactionMessage, SessionChange, SessionEntry, SessionSettings
from openclaw_tx.wire import openclaw_transcript
from tests.sessions.helpers import KEY, ManualWorker, Stores, answer, ended, live, replace_run, scratch, user

HOUR = 3600
CHILD = "agent:main:subagent:1"


class Case(SynchronousTestCase):
    """A store in memory whose archives are files."""

    def setUp(self) -> None:
        """Idle for an hour ends a conversation."""
        self.directory = scratch(self)
        self.stores = Stores(archives=self.directory)
        self.stores.rules = Rules(SessionSection(reset=Reset(mode="idle", idle_minutes=60)))
        self.store = self.stores.store()
        self.number = 0

    def do(self, call: Any) -> Any:
        """The result of a coroutine."""
        return self.successResultOf(Deferred.fromCoroutine(call))

    def refusal(self, call: Any) -> str:
        """The code of a refused call."""
        error = self.failureResultOf(Deferred.fromCoroutine(call), GatewayError).value
        assert isinstance(error, GatewayError)
        return error.info.code

    def begin(self, said: str, key: str = KEY, **run: Any) -> Any:
        """A run of a chat client begins."""
        self.number += 1
        begun = replace_run(live(f"r{self.number}", key, at_ms=self.now_ms), **{"surface": "ws", **run})
        return begun, self.do(self.store.begin(begun, [user(said)]))

    def turn(self, said: str, key: str = KEY, **run: Any) -> list[str]:
        """A whole turn.

        @return: what the model got to read before it.
        """
        begun, turn = self.begin(said, key, **run)
        self.end(begun, said)
        return [each.summary if isinstance(each, CompactionMessage) else each.text for each in turn.history]

    def end(self, begun: Any, said: str) -> None:
        """A run ends well."""
        done = ended(begun.run_id, begun.session_key, at_ms=self.now_ms)
        done = replace_run(done, trigger=begun.trigger)
        added = [user(said), answer(f"re {said}")]
        self.do(self.store.commit(done, added, model_provider="p", model="m", context_tokens=9))

    @property
    def now_ms(self) -> int:
        """The time."""
        return int(self.stores.now * 1000)

    def files(self) -> list[str]:
        """All files, by path below the directory."""
        return sorted(
            os.path.relpath(os.path.join(above, name), self.directory)
            for above, _, names in os.walk(self.directory)
            for name in names
        )

    def archived(self) -> list[list[str]]:
        """What the archives say."""
        found = []
        for path in self.files():
            with open(os.path.join(self.directory, path), "rb") as file:
                found.append([message.text for message in openclaw_transcript.read(file).messages])
        return found

    def block(self) -> None:
        """Nothing can be written: a file stands where the directory would be."""
        with open(self.directory, "w", encoding="ascii"):
            pass


class ResetTests(Case):
    """New beginnings by themselves."""

    def test_after_a_pause(self) -> None:
        """The next word begins another conversation; what was set stays; the old one is a file of the owner's own."""
        self.assertEqual(self.turn("one"), [])
        self.do(
            self.store.patch(KEY, lambda entry: replace(entry, label="Work", settings=SessionSettings(channel="x")))
        )
        old = self.do(self.store.get(KEY))
        self.stores.now += HOUR
        self.assertEqual(self.turn("two"), ["one", "re one"])
        self.stores.now += HOUR + 1
        self.assertEqual(self.turn("three"), [])
        entry = self.do(self.store.get(KEY))
        assert entry.session_id != old.session_id
        self.assertEqual((entry.label, entry.settings.channel, entry.title), ("Work", "x", "three"))
        self.assertEqual(entry.created_at_ms, self.now_ms)
        self.assertEqual(self.archived(), [["one", "re one", "two", "re two"]])
        [path] = self.files()
        self.assertEqual(path, f"main/sessions/{old.session_id}.jsonl.reset.1970-01-01T02-16-41.000Z")
        whole = os.path.join(self.directory, path)
        self.assertEqual(os.stat(whole).st_mode & 0o777, 0o600)
        for _ in range(3):
            whole = os.path.dirname(whole)
            self.assertEqual(os.stat(whole).st_mode & 0o777, 0o700)

    def test_told(self) -> None:
        """Also when the run that it began for was given up meanwhile: the new conversation stays."""
        self.turn("one")
        told: list[SessionChange] = []
        self.store.news.subscribe(told.append)
        self.stores.now += HOUR + 1
        jobs, worker = self.store._jobs, ManualWorker()
        at_once, jobs._worker = jobs._worker, worker
        begun = Deferred.fromCoroutine(self.store.begin(replace_run(live("r9"), surface="ws"), [user("two")]))
        begun.cancel()
        self.failureResultOf(begun, CancelledError)
        worker.flush()
        jobs._worker = at_once
        entry = self.do(self.store.get(KEY))
        self.assertEqual([(change.reason, change.entry) for change in told], [("reset", entry)])
        # Where nothing was to begin anew, nothing is told.
        self.turn("two")
        self.assertEqual([change.reason for change in told], ["reset", "begin", "run"])

    def test_archive_names_its_session(self) -> None:
        """The file tells of which session it was, with its entry."""
        self.turn("one")
        self.do(self.store.reset(KEY))
        with open(os.path.join(self.directory, self.files()[0]), encoding="utf-8") as file:
            head, session, *_ = map(json.loads, file)
        self.assertEqual((head["type"], head["version"]), ("session", 3))
        self.assertEqual((session["customType"], session["data"]["key"]), ("openclaw-tx.session", KEY))
        self.assertEqual(session["data"]["entry"]["sessionId"], head["id"])

    def test_what_runs_by_itself(self) -> None:
        """A heartbeat neither begins a conversation anew nor keeps one alive."""
        self.turn("one")
        self.stores.now += HOUR - 60
        self.turn("beat", trigger="heartbeat")
        self.stores.now += 120
        self.assertEqual(self.turn("beat", trigger="heartbeat"), ["one", "re one", "beat", "re beat"])
        self.assertEqual(self.turn("two"), [])

    def test_long_run(self) -> None:
        """The pause begins when the answer is there."""
        begun, _ = self.begin("one")
        self.stores.now += 2 * HOUR
        self.end(begun, "one")
        self.stores.now += 60
        self.assertEqual(self.turn("two"), ["one", "re one"])

    def test_not_under_a_run(self) -> None:
        """As long as a run is at work in a conversation, it goes on."""
        self.turn("one")
        begun, _ = self.begin("two")
        self.stores.now += 2 * HOUR
        self.assertEqual(self.turn("three"), ["one", "re one"])
        self.end(begun, "two")
        self.assertEqual(self.turn("four"), ["one", "re one", "three", "re three", "two", "re two"])

    def test_archive_can_not_be_written(self) -> None:
        """The conversation goes on, nothing is lost, the operator learns of it; later it works."""
        self.turn("one")
        self.stores.now += 2 * HOUR
        self.block()
        self.assertEqual(self.turn("two"), ["one", "re one"])
        [report] = self.stores.reports
        self.assertIn("can not be archived", report)
        os.unlink(self.directory)
        self.stores.now += 2 * HOUR
        self.assertEqual(self.turn("three"), [])
        self.assertEqual(self.archived(), [["one", "re one", "two", "re two"]])

    def test_nothing_said(self) -> None:
        """An empty conversation needs no file."""
        self.do(self.store.patch(KEY, lambda entry: entry, agent_id="main"))
        self.stores.now += 2 * HOUR
        self.turn("one")
        self.assertEqual(self.files(), [])

    def test_refused_run(self) -> None:
        """A run that is refused ends no conversation."""
        self.turn("one")
        self.stores.now += 2 * HOUR
        again = replace_run(live("r1"), surface="ws")
        self.assertEqual(self.refusal(self.store.begin(again, [user("x")])), "idempotency_key_conflict")
        self.assertEqual(self.files(), [])

    def test_rules_are_read_each_time(self) -> None:
        """An edit of the configuration counts at once."""
        self.turn("one")
        self.stores.now += 2 * HOUR
        self.stores.rules = Rules()
        self.assertEqual(self.turn("two"), ["one", "re one"])

    def test_by_hand(self) -> None:
        """A reset that can not keep the old transcript changes nothing."""
        self.turn("one")
        before = self.do(self.store.get(KEY))
        self.block()
        self.assertEqual(self.refusal(self.store.reset(KEY)), "storage_unavailable")
        self.assertEqual(self.do(self.store.get(KEY)), before)
        os.unlink(self.directory)
        self.do(self.store.reset(KEY))
        self.assertEqual(self.archived(), [["one", "re one"]])


class PolicyTests(Case):
    """C{session.sendPolicy}, where runs begin."""

    def test_chat_clients(self) -> None:
        """Are refused, and no session is made; everybody else is not concerned."""
        self.stores.rules = Rules(SessionSection(send_policy=SendPolicy(default="deny")))
        run = replace_run(live("w"), surface="ws")
        self.assertEqual(self.refusal(self.store.begin(run, [user("x")])), "invalid_request")
        self.assertIsNone(self.do(self.store.get(KEY)))
        self.assertIsNone(self.do(self.store.get_run("w")))
        self.turn("one", surface="http")

    def test_session_decides(self) -> None:
        """What is set for the session comes first."""
        self.stores.rules = Rules(SessionSection(send_policy=SendPolicy(default="deny")))
        allow = SessionSettings(send_policy="allow")
        self.do(self.store.patch(KEY, lambda entry: replace(entry, settings=allow), agent_id="main"))
        self.turn("one")


class DeleteTests(Case):
    """Sessions that are deleted."""

    def test_kept(self) -> None:
        """The transcript stays as a file."""
        self.turn("one")
        removed = self.do(self.store.delete(KEY))
        self.assertEqual([os.path.relpath(path, self.directory) for path in removed.archived], self.files())
        self.assertIn(f"{removed.session_id}.jsonl.deleted.", self.files()[0])
        self.assertEqual(self.archived(), [["one", "re one"]])

    def test_transcript_is_not_to_be_deleted(self) -> None:
        """Then the file has the name of a session that goes on, and stays for ever."""
        self.turn("one")
        removed = self.do(self.store.delete(KEY, delete_transcript=False))
        self.assertEqual(self.files(), [f"main/sessions/{removed.session_id}.jsonl"])
        self.stores.now += 100 * KEEP_MS
        self.do(self.store.prune(self.now_ms))
        self.assertEqual(self.archived(), [["one", "re one"]])

    def test_can_not_be_kept(self) -> None:
        """Then it is not deleted."""
        self.turn("one")
        self.block()
        self.assertEqual(self.refusal(self.store.delete(KEY)), "storage_unavailable")
        self.assertEqual(len(self.do(self.store.transcript(KEY, 10))), 2)
        self.assertEqual(self.do(self.store.get_run("r1")).status, "ok")

    def test_same_moment(self) -> None:
        """Two archives of one name do not meet, and an id is no path."""
        for _ in range(2):
            self.do(self.store.patch(KEY, lambda entry: entry, agent_id="main"))
            self.stores.database.connect().driver.execute("UPDATE sessions SET session_id = '../../x'")
            self.do(self.store.append(KEY, [user("a")]))
            self.do(self.store.delete(KEY))
        stamp = "1970-01-01T00-16-40.000Z"
        self.assertEqual(
            self.files(),
            [f"main/sessions/______x.jsonl.deleted.{stamp}", f"main/sessions/______x.jsonl.deleted.{stamp}-2"],
        )

    def test_unreadable_message(self) -> None:
        """What can not be read is kept as it is."""
        self.turn("one")
        driver = self.stores.database.connect().driver
        driver.execute("UPDATE messages SET body = 'what?' WHERE position = 0")
        self.do(self.store.delete(KEY))
        self.assertEqual(self.archived(), [["re one"]])
        with open(os.path.join(self.directory, self.files()[0]), encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        self.assertEqual([line["data"] for line in lines[2:] if line["type"] == "custom"], ["what?"])


class PruneTests(Case):
    """What goes by time."""

    def child(self, key: str = CHILD, spawned_by: str = KEY) -> SessionEntry | None:
        """The session of a sub-agent, with a turn in it."""
        settings = SessionSettings(spawned_by=spawned_by)
        self.do(self.store.patch(key, lambda entry: replace(entry, settings=settings), agent_id="main"))
        self.turn("task", key, trigger="subagent")
        entry: SessionEntry | None = self.do(self.store.get(key))
        return entry

    def prune(self) -> list[str]:
        """Tidy up.

        @return: keys that are left.
        """
        self.do(self.store.prune(self.now_ms))
        return sorted(entry.key for entry in self.do(self.store.list()))

    def test_children(self) -> None:
        """Are archived when their time is over, but for those at work; others are nobody's children."""
        self.stores.rules = Rules(subagents_ms=HOUR * 1000)
        for number in range(60):
            self.child(f"{CHILD}-{number:02}")
        self.begin("more", f"{CHILD}-33", trigger="subagent")
        self.turn("one")
        named = "agent:main:subagent:orphan"
        self.turn("x", named)
        self.child("agent:main:named", KEY)
        self.assertEqual(len(self.prune()), 63)
        self.stores.now += HOUR + 1
        self.assertEqual(self.prune(), [KEY, "agent:main:named", f"{CHILD}-33", named])
        self.assertEqual(self.archived(), [["task", "re task"]] * 59)

    def test_archived_children_are_told_of(self) -> None:
        """What belongs to such a session, as a command in the background does, learns that it is no more."""
        self.stores.rules = Rules(subagents_ms=HOUR * 1000)
        self.child(f"{CHILD}-1")
        self.child(f"{CHILD}-2")
        self.begin("more", f"{CHILD}-2", trigger="subagent")
        self.stores.now += HOUR + 1
        told: list[SessionChange] = []
        self.store.news.subscribe(told.append)
        self.prune()
        self.assertEqual(told, [SessionChange(key=f"{CHILD}-1", agent_id="main", reason="delete")])

    def test_told(self) -> None:
        """That they are gone, as of any other session; so is what was made for a single request."""
        self.stores.rules = Rules(subagents_ms=HOUR * 1000)
        single = "agent:b:openresponses:00000000-0000-4000-8000-000000000001"
        self.child()
        self.turn("x", single)
        told: list[SessionChange] = []
        self.store.news.subscribe(told.append)
        self.stores.now += 25 * HOUR
        self.assertEqual(self.prune(), [])
        found = [(change.reason, change.key, change.agent_id) for change in told]
        self.assertEqual(found, [("delete", single, "b"), ("delete", CHILD, "main")])

    def test_children_for_ever(self) -> None:
        """0 keeps them."""
        self.child()
        self.stores.now += 1000 * HOUR
        self.assertEqual(self.prune(), [CHILD])

    def test_child_that_can_not_be_archived(self) -> None:
        """Stays, and does not hold up the rest."""
        self.stores.rules = Rules(subagents_ms=1)
        self.child()
        self.stores.now += HOUR
        self.block()
        self.assertEqual(self.prune(), [CHILD])
        os.unlink(self.directory)
        self.assertEqual(self.prune(), [])

    def test_configured(self) -> None:
        """C{agents.defaults.subagents.archiveAfterMinutes}, an hour by default."""
        self.assertEqual(rules_of(Config()).subagents_ms, HOUR * 1000)

    def test_archives(self) -> None:
        """Go after thirty days; files that the store did not write stay; one that is gone already is forgotten."""
        for _ in range(3):
            self.turn("one")
            self.do(self.store.reset(KEY))
            self.stores.now += 10
        others = os.path.join(self.directory, "main", "sessions", "x.jsonl.reset.1969")
        with open(others, "w", encoding="ascii"):
            pass
        first, second, third = (os.path.join(self.directory, path) for path in self.files() if "1969" not in path)
        os.unlink(second)
        self.stores.now += KEEP_MS / 1000 - 15
        self.prune()
        self.assertEqual([os.path.exists(path) for path in (first, third, others)], [False, True, True])
        self.stores.now += 10 * HOUR
        self.prune()
        self.assertEqual(os.listdir(os.path.dirname(others)), ["x.jsonl.reset.1969"])

    def test_archives_are_bounded(self) -> None:
        """The newest fit; the oldest go."""
        for _ in range(3):
            self.turn("one")
            self.do(self.store.reset(KEY))
            self.stores.now += 10
        self.stores.database.connect().driver.execute("UPDATE archives SET size = 400 * 1024 * 1024")
        before = self.files()
        self.prune()
        self.assertEqual(self.files(), before[1:])


class MarkTests(Case):
    """Marks in archives."""

    def test_mark(self) -> None:
        """A compaction is an entry of its own in the file."""
        self.turn("one")
        session_id = self.do(self.store.get(KEY)).session_id
        self.do(self.store.compact(KEY, session_id, CompactionMessage(summary="sum", kept=1, tokens_before=7)))
        self.assertEqual(self.turn("two"), ["sum", "re one"])
        self.do(self.store.delete(KEY))
        with open(os.path.join(self.directory, self.files()[0]), "rb") as file:
            messages = openclaw_transcript.read(file).messages
        mark = messages[2]
        assert isinstance(mark, CompactionMessage)
        self.assertEqual((len(messages), mark.summary, mark.kept, mark.tokens_before), (5, "sum", 1, 7))
