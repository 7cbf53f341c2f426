# -*- test-case-name: tests.sessions.test_sql -*-
"""What a session store does with sessions: found, changed, shortened, deleted."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import (
    CompactionMessage,
    SessionEntry,
    SessionFilter,
    SessionSettings,
    StoredRun,
)
from tests.contract.store_case import SessionStoreCase, replace_label
from tests.sessions.helpers import KEY, answer, ended, live, user


class ReadingContract(SessionStoreCase):
    """Sessions and transcripts are found."""

    def test_unknown_things(self) -> None:
        """Asking for what is not there is no error."""
        self.assertIsNone(self.do(self.store.get("agent:main:nope")))
        self.assertIsNone(self.do(self.store.get_run("nope")))
        self.assertEqual(self.do(self.store.transcript("agent:main:nope", 10)), [])
        self.assertIsNone(self.do(self.store.delete("agent:main:nope")))
        self.assertEqual(self.do(self.store.list()), [])

    def test_transcript_gives_the_newest(self) -> None:
        """C{limit} counts from the end; nonsense gives nothing."""
        self.turn("r1")
        self.turn("r2")
        transcript = self.do(self.store.transcript(KEY, 3))
        self.assertEqual([message.text for message in transcript], ["answer r1", "hello", "answer r2"])
        self.assertEqual(self.do(self.store.transcript(KEY, 0)), [])
        self.assertEqual(self.do(self.store.transcript(KEY, -5)), [])

    def test_list_newest_first(self) -> None:
        """By last use; of the same age by key; at most C{limit}."""
        for number, at_ms in enumerate((3000, 5000, 4000, 4000)):
            self.turn(f"r{number}", f"agent:main:s{number}", at_ms)
        keys = [entry.key for entry in self.do(self.store.list(limit=3))]
        self.assertEqual(keys, ["agent:main:s1", "agent:main:s2", "agent:main:s3"])
        self.assertEqual(self.do(self.store.list(limit=-1)), [])

    def test_list_and_count_by_agent(self) -> None:
        """Only the agent's own."""
        self.turn("r1")
        beta = StoredRun(
            run_id="r2",
            session_key="agent:beta:main",
            agent_id="beta",
            status="running",
            surface="http",
            principal_id="p",
            fingerprint="",
            queued_at_ms=1,
        )
        self.do(self.store.begin(beta, [user("a")]))
        self.assertEqual([entry.agent_id for entry in self.do(self.store.list(agent_id="beta"))], ["beta"])
        self.assertEqual(self.do(self.store.list(agent_id="beta", search="nope")), [])
        self.assertEqual(self.do(self.store.count("beta")), 1)
        self.assertEqual(self.do(self.store.count("nope")), 0)
        self.assertEqual(self.do(self.store.count()), 2)

    def test_search(self) -> None:
        """Part of a key, in any case; wildcards mean themselves."""
        self.turn("r1", "agent:main:Alpha_1")
        self.turn("r2", "agent:main:alphax1")
        self.turn("r3", "agent:main:100%")
        self.turn("r4", "agent:main:back\\slash")
        for search, found in (
            ("ALPHA", 2),
            ("a_1", 1),
            ("0%", 1),
            ("%", 1),
            ("k\\s", 1),
            ("nope", 0),
            (" ", 4),
            ("'; DROP TABLE sessions; --", 0),
        ):
            self.assertEqual(len(self.do(self.store.list(search=search))), found, search)
            self.assertEqual(len(self.do(self.store.list(search=search, agent_id="main"))), found, search)

    def test_search_in_any_language(self) -> None:
        """Case tells nothing apart in any alphabet; a title is found by its own words."""
        self.turn("r1", "agent:main:a", said="Übersetzung von ПРИВЕТ")
        for search in ("Übersetzung", "übersetzung", "ÜBERSETZUNG", "Привет", "ПРИВЕТ"):
            self.assertEqual(len(self.do(self.store.list(search=search))), 1, search)
        self.assertEqual(self.do(self.store.list(search="Ubersetzung")), [])

    def selected(self, limit: int = 100, offset: int = 0, **wanted: Any) -> tuple[list[str], int]:
        """Keys and number of the sessions that a filter lets through."""
        page = self.do(self.store.select(SessionFilter(**wanted), limit=limit, offset=offset))
        return [entry.key for entry in page.entries], page.total

    def test_select(self) -> None:
        """Each condition alone and all together; the number is of all that fit."""
        for number, key in enumerate(("agent:main:a", "agent:main:b", "agent:beta:c", "global", "unknown")):
            self.turn(f"r{number}", key, 2_000_000 + number, said=f"Question {number}")
        settings = SessionSettings(spawned_by="agent:main:a")
        self.patched("agent:main:b", label="Work", settings=settings)
        whole = ["unknown", "global", "agent:beta:c", "agent:main:b", "agent:main:a"]
        session_id = self.do(self.store.get("agent:main:a")).session_id
        cases: list[tuple[dict[str, Any], list[str]]] = [
            ({}, whole),
            ({"hidden": ("unknown",)}, whole[1:]),
            ({"hidden": ("unknown", "global")}, whole[2:]),
            ({"hidden": ("unknown", "unknown")}, whole[1:]),
            ({"hidden": ("nobody",)}, whole),
            ({"agent_id": "main", "hidden": ("unknown", "nobody")}, whole[1:]),
            ({"agent_id": "nobody", "hidden": ("unknown",)}, []),
            ({"label": "Work"}, ["agent:main:b"]),
            ({"label": "work"}, []),
            ({"spawned_by": "agent:main:a"}, ["agent:main:b"]),
            ({"since_ms": 2_000_003}, whole[:2]),
            ({"search": "question 2"}, ["agent:beta:c"]),
            ({"search": session_id}, ["agent:main:a"]),
            ({"search": session_id[:-1] + "_"}, []),
            ({"label": "Work", "search": "wor", "spawned_by": "agent:main:a", "since_ms": 1}, ["agent:main:b"]),
        ]
        for wanted, found in cases:
            self.assertEqual(self.selected(**wanted), (found, len(found)), wanted)
        self.assertEqual(self.selected(limit=2, offset=1), (whole[1:3], 5))
        self.assertEqual(self.selected(limit=2, offset=9), ([], 5))
        self.assertEqual(self.selected(limit=-1, offset=-1), ([], 5))

    def test_titles(self) -> None:
        """What was first said stays the title, the preview is what was said last; a reset forgets both."""
        self.turn("r1", said="first question")
        self.turn("r2", said="second")
        entry = self.do(self.store.get(KEY))
        self.assertEqual((entry.title, entry.preview), ("first question", "answer r2"))
        entry = self.do(self.store.reset(KEY))
        self.assertEqual((entry.title, entry.preview), ("", ""))

    def test_what_started_a_run_is_remembered(self) -> None:
        """In the ledger, also of one that was only noted."""
        for run_id in ("r1", "r2"):
            run = replace(live(run_id, "agent:main:openai:x"), trigger="cron", channel="cli")
            self.do(self.store.begin(run, [user("a")]) if run_id == "r1" else self.store.checkpoint([run], []))
            stored = self.do(self.store.get_run(run_id))
            self.assertEqual((stored.trigger, stored.channel), ("cron", "cli"))


class ChangeContract(SessionStoreCase):
    """Sessions are changed by people, begun anew, deleted."""

    def test_delete_removes_the_transcript(self) -> None:
        """The key begins anew, with another session id; the ledger keeps nothing of the conversation."""
        self.turn("r1")
        before = self.do(self.store.get(KEY))
        self.assertEqual(self.do(self.store.delete(KEY)).session_id, before.session_id)
        self.assertIsNone(self.do(self.store.delete(KEY)))
        self.assertIsNone(self.do(self.store.get(KEY)))
        self.assertIsNone(self.do(self.store.get_run("r1")))
        self.assertEqual(self.texts(), [])
        turn = self.do(self.store.begin(live("r2"), [user("a")]))
        self.assertEqual(list(turn.history), [])
        assert turn.entry.session_id != before.session_id

    def test_delete_leaves_other_sessions(self) -> None:
        """One key, one session."""
        self.turn("r1")
        self.turn("r2", "agent:main:other")
        self.do(self.store.delete(KEY))
        self.assertEqual(self.texts("agent:main:other"), ["hello", "answer r2"])

    def test_delete_in_the_middle_of_a_run(self) -> None:
        """The deleted session stays deleted, also when the key is in use again; the run's end is recorded."""
        self.do(self.store.begin(live("r1"), [user("secret")]))
        self.do(self.store.delete(KEY))
        self.assertEqual(self.do(self.store.get_run("r1")).pending, ())
        self.do(self.store.begin(live("r2"), [user("new")]))
        self.commit(ended("r1"), user("secret"), answer("x"))
        self.commit(ended("r2"), user("new"), answer("y"))
        self.assertEqual(self.texts(), ["new", "y"])
        self.assertEqual(self.do(self.store.get_run("r1")).status, "ok")

    def patched(self, key: str = KEY, agent_id: str = "main", **fields: Any) -> SessionEntry | None:
        """Change fields of an entry."""
        entry: SessionEntry | None = self.do(
            self.store.patch(key, lambda entry: replace(entry, **fields), agent_id=agent_id)
        )
        return entry

    def test_patch_changes_what_people_set(self) -> None:
        """Label, settings and extra fields; whatever else the function returns is not taken."""
        self.turn("r1")
        before = self.do(self.store.get(KEY))
        settings = SessionSettings(thinking_level="high", queue_cap=3, spawned_by="agent:main:x")
        entry = self.patched(
            label="Work", settings=settings, extra={"pinned": True}, session_id="other", total_tokens=9
        )
        expected = replace(before, label="Work", settings=settings, extra={"pinned": True})
        self.assertEqual(replace(entry, updated_at_ms=0), replace(expected, updated_at_ms=0))
        self.assertEqual(self.do(self.store.get(KEY)), entry)
        self.assertEqual(self.texts(), ["hello", "answer r1"])

    def test_patch_makes_the_session_when_asked_to(self) -> None:
        """A client may set a model before it says the first word; the first turn finds what was set."""
        self.assertIsNone(self.patched(agent_id="", label="x"))
        self.assertIsNone(self.do(self.store.get(KEY)))
        entry = self.patched(label="x")
        assert entry is not None
        turn = self.do(self.store.begin(live("r1"), [user("a")]))
        self.assertEqual((turn.entry.label, turn.entry.session_id), ("x", entry.session_id))

    def test_refused_patch_changes_nothing(self) -> None:
        """What the function raises is raised, and no session is made."""

        def refuse(entry: SessionEntry) -> SessionEntry:
            raise GatewayError("invalid_request", "no")

        self.assertEqual(self.refusal(self.store.patch(KEY, refuse, agent_id="main")), "invalid_request")
        self.assertIsNone(self.do(self.store.get(KEY)))

    def test_patch_in_the_middle_of_a_run(self) -> None:
        """The run's end does not take back what was set while it was at work."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.patched(label="Work", settings=SessionSettings(model_override="m"))
        self.commit(ended("r1"), user("a"), answer("b"), tokens=5)
        entry = self.do(self.store.get(KEY))
        self.assertEqual((entry.label, entry.settings.model_override, entry.total_tokens), ("Work", "m", 5))

    def test_labels_are_unique(self) -> None:
        """Among the sessions of an agent; a session may keep its own, and others may have it once it is free."""
        self.patched(label="Work")
        self.patched(label="Work")
        other, beta = "agent:main:other", "agent:beta:main"
        label = replace_label("Work")
        self.assertEqual(self.refusal(self.store.patch(other, label, agent_id="main")), "invalid_request")
        self.assertIsNone(self.do(self.store.get(other)))
        self.patched(beta, "beta", label="Work")
        for child in ("agent:main:subagent:1", "agent:main:subagent:2"):
            self.patched(child, label="Work", settings=SessionSettings(spawned_by=KEY))
            self.patched(child, label="")
        self.patched(label="")
        self.patched(other, label="Work")
        self.assertEqual(self.do(self.store.by_label("Work", "main")).key, other)

    def test_found_by_id_label_and_parent(self) -> None:
        """Each look-up finds its own session, and nothing where there is none."""
        entry = self.patched(label="Work")
        assert entry is not None
        child = self.patched("agent:main:subagent:1", settings=SessionSettings(spawned_by=KEY))
        self.assertEqual(self.do(self.store.by_session_id(entry.session_id)), entry)
        self.assertIsNone(self.do(self.store.by_session_id("nope")))
        self.assertEqual(self.do(self.store.by_label("Work")), entry)
        self.assertIsNone(self.do(self.store.by_label("work")))
        self.assertIsNone(self.do(self.store.by_label("Work", "beta")))
        self.assertEqual(list(self.do(self.store.spawned(KEY))), [child])
        self.assertEqual(list(self.do(self.store.spawned("agent:main:subagent:1"))), [])

    def test_reset(self) -> None:
        """Another conversation under the same key: what people set stays, what was said and counted goes."""
        self.turn("r1")
        settings = SessionSettings(thinking_level="low", compaction_count=3, memory_flush_at=7)
        old = self.patched(label="Work", settings=settings, extra={"origin": {"provider": "x"}})
        assert old is not None
        entry = self.do(self.store.reset(KEY))
        assert entry.session_id != old.session_id
        self.assertEqual((entry.label, entry.extra, entry.agent_id), ("Work", {"origin": {"provider": "x"}}, "main"))
        self.assertEqual(entry.settings, SessionSettings(thinking_level="low"))
        self.assertEqual((entry.input_tokens, entry.output_tokens, entry.total_tokens, entry.model), (0, 0, 0, ""))
        self.assertEqual(self.do(self.store.get(KEY)), entry)
        self.assertIsNone(self.do(self.store.by_session_id(old.session_id)))
        self.assertEqual(self.texts(), [])
        self.turn("r2")
        self.assertEqual(self.texts(), ["hello", "answer r2"])

    def test_reset_of_nothing(self) -> None:
        """There is nothing to begin anew."""
        self.assertIsNone(self.do(self.store.reset(KEY)))
        self.assertIsNone(self.do(self.store.get(KEY)))

    def test_reset_keeps_runs_that_ended(self) -> None:
        """A request that is repeated after it finds its run, and does not run again."""
        self.turn("r1")
        self.do(self.store.reset(KEY))
        self.assertEqual(self.do(self.store.get_run("r1")), ended("r1"))
        self.assertEqual(self.refusal(self.store.begin(live("r1"), [user("a")])), "idempotency_key_conflict")

    def test_reset_in_the_middle_of_a_run(self) -> None:
        """The run belongs to the old conversation: its end is recorded, its turn is not part of the new one."""
        self.do(self.store.begin(live("r1"), [user("old")]))
        self.do(self.store.reset(KEY))
        self.turn("r2", said="new")
        self.commit(ended("r1"), user("old"), answer("x"))
        self.assertEqual(self.texts(), ["new", "answer r2"])
        self.assertEqual(self.do(self.store.get_run("r1")).status, "ok")

    def test_crash_after_a_reset(self) -> None:
        """Recovery closes the run and leaves the new conversation alone."""
        self.do(self.store.begin(live("r1"), [user("old")]))
        self.do(self.store.reset(KEY))
        self.crash()
        [run] = self.do(self.store.recover(9000))
        self.assertEqual(run.status, "interrupted")
        self.assertEqual(self.texts(), [])
        self.assertFalse(self.do(self.store.get(KEY)).aborted_last_run)

    def test_append(self) -> None:
        """Messages join the transcript outside of any run, and the next turn sees them."""
        self.turn("r1")
        before = self.do(self.store.get(KEY))
        entry = self.do(self.store.append(KEY, [answer("note"), user("more")]))
        expected = replace(before, preview="more", updated_at_ms=entry.updated_at_ms)
        self.assertEqual(entry, expected)
        self.assertEqual(self.do(self.store.get(KEY)), expected)
        self.assertEqual(self.texts(), ["hello", "answer r1", "note", "more"])
        turn = self.do(self.store.begin(live("r2"), [user("b")]))
        self.assertEqual([message.text for message in turn.history], ["hello", "answer r1", "note", "more"])

    def test_append_makes_the_session_when_asked_to(self) -> None:
        """As for a patch."""
        self.assertIsNone(self.do(self.store.append(KEY, [answer("note")])))
        self.assertIsNone(self.do(self.store.get(KEY)))
        entry = self.do(self.store.append(KEY, [answer("note")], agent_id="beta"))
        self.assertEqual((entry.key, entry.agent_id), (KEY, "beta"))
        self.assertEqual(self.texts(), ["note"])

    def test_append_in_the_middle_of_a_run(self) -> None:
        """What comes first stands first; nothing is lost."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.do(self.store.append(KEY, [answer("note")]))
        self.commit(ended("r1"), user("a"), answer("b"))
        self.assertEqual(self.texts(), ["note", "a", "b"])


class CompactionContract(SessionStoreCase):
    """Marks of compactions."""

    def marked(self, kept: int, summary: str = "sum") -> bool:
        """Put a mark into the session."""
        entry = self.do(self.store.get(KEY))
        mark = CompactionMessage(summary=summary, kept=kept, tokens_before=99)
        done: bool = self.do(self.store.compact(KEY, entry.session_id, mark))
        return done

    def history(self, run_id: str) -> list[str]:
        """What the model would read of the session; marks in brackets."""
        turn = self.do(self.store.begin(live(run_id), [user("next")]))
        self.commit(ended(run_id, status="aborted"))
        return [f"[{each.summary}]" if isinstance(each, CompactionMessage) else each.text for each in turn.history]

    def test_compaction(self) -> None:
        """The model reads the summary, what the mark keeps, and what came after; the transcript keeps everything."""
        for number in range(4):
            self.turn(f"r{number}", said=f"ask {number}")
        self.assertTrue(self.marked(kept=3))
        entry = self.do(self.store.get(KEY))
        self.assertEqual((entry.settings.compaction_count, entry.total_tokens), (1, 0))
        self.assertEqual(self.history("h1"), ["[sum]", "answer r2", "ask 3", "answer r3"])
        self.turn("r4", said="ask 4")
        self.assertEqual(self.history("h2"), ["[sum]", "answer r2", "ask 3", "answer r3", "ask 4", "answer r4"])
        self.assertEqual(len(self.do(self.store.transcript(KEY, 100))), 11)

    def test_newest_mark_counts(self) -> None:
        """An older one, even among what the newest keeps, is told no more."""
        self.turn("r0", said="ask 0")
        self.marked(kept=1, summary="old")
        self.turn("r1", said="ask 1")
        self.marked(kept=3)
        self.assertEqual(self.history("h1"), ["[sum]", "ask 1", "answer r1"])
        self.assertEqual(self.do(self.store.get(KEY)).settings.compaction_count, 2)
        self.marked(kept=0, summary="all")
        self.assertEqual(self.history("h2"), ["[all]"])

    def test_mark_that_keeps_more_than_there_is(self) -> None:
        """Then all of it is kept."""
        self.turn("r0", said="ask 0")
        self.marked(kept=50)
        self.assertEqual(self.history("h1"), ["[sum]", "ask 0", "answer r0"])

    def test_mark_for_another_conversation_is_refused(self) -> None:
        """A summary that took its time must not land in a conversation that began meanwhile."""
        self.turn("r1")
        old = self.do(self.store.get(KEY))
        self.do(self.store.reset(KEY))
        mark = CompactionMessage(summary="sum")
        self.assertFalse(self.do(self.store.compact(KEY, old.session_id, mark)))
        self.assertFalse(self.do(self.store.compact("agent:main:nope", old.session_id, mark)))
        self.assertEqual(self.do(self.store.transcript(KEY, 10)), [])
        self.assertEqual(self.do(self.store.get(KEY)).settings.compaction_count, 0)

    def test_compaction_in_the_middle_of_a_run(self) -> None:
        """A run may compact its own session; its turn follows the mark."""
        self.turn("r0", said="ask 0")
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.marked(kept=1)
        self.commit(ended("r1"), user("a"), answer("b"))
        self.assertEqual(self.history("h1"), ["[sum]", "answer r0", "a", "b"])

    def test_resent_history_is_known_across_a_mark(self) -> None:
        """A client resends what was summarised: it is recognised and not added again."""
        for number in range(3):
            self.turn(f"r{number}", said=f"ask {number}")
        self.marked(kept=1)
        sent = [each for number in range(3) for each in (user(f"ask {number}"), answer(f"answer r{number}"))]
        turn = self.do(self.store.begin(live("r9"), [*sent, user("new")]))
        self.assertEqual(list(turn.added), [user("new")])


__all__ = ["ChangeContract", "CompactionContract", "ReadingContract"]
