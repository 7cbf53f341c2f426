# -*- test-case-name: tests.sessions.test_sql -*-
"""What every session store must do. A store joins by inheriting and making stores: see L{SessionStoreContract.make}."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from twisted.internet.defer import Deferred

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Sessions
from openclaw_tx.values import (
    AssistantMessage,
    CompactionMessage,
    ImagePart,
    LastRun,
    Message,
    RunResult,
    SessionEntry,
    SessionFilter,
    SessionSettings,
    Step,
    StoredRun,
    TextPart,
    ToolCall,
    ToolResultMessage,
    Usage,
    UserMessage,
)
from tests.sessions.helpers import KEY, answer, ended, live, replace_run, result, user

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
ANSWERS = st.builds(
    AssistantMessage,
    text=TEXT,
    reasoning=TEXT,
    tool_calls=st.lists(st.builds(ToolCall, id=TEXT, name=TEXT, arguments=TEXT), max_size=2).map(tuple),
    usage=st.builds(Usage, prompt_tokens=st.none() | st.integers(0, 2**40)),
    error_message=TEXT,
    timestamp_ms=st.integers(0, 2**42),
)
RESULTS = st.builds(
    ToolResultMessage,
    tool_call_id=TEXT,
    text=TEXT,
    is_error=st.booleans(),
    details=st.none() | st.booleans() | TEXT | st.dictionaries(TEXT, st.integers(-(2**40), 2**40), max_size=2),
)
USERS = st.builds(
    UserMessage,
    content=st.lists(st.builds(TextPart, text=TEXT) | st.builds(ImagePart, data=TEXT, mime_type=TEXT), max_size=3).map(
        tuple
    ),
)


class SessionStoreContract:
    """Tests of the seam L{Sessions}. Mixed into a test case that overrides L{make}.

    The store must do its work at once: every Deferred has fired when the call returns.
    """

    successResultOf: Any
    failureResultOf: Any
    assertEqual: Any
    assertIsNone: Any
    assertTrue: Any
    assertFalse: Any

    def make(self) -> Sessions:
        """A new process's store over the test's one database, which is empty at first."""
        raise NotImplementedError

    def setUp(self) -> None:
        """Every test begins with an empty store."""
        self.store = self.make()

    def do(self, call: Any) -> Any:
        """The result of a coroutine that needs nothing more to end."""
        return self.successResultOf(Deferred.fromCoroutine(call))

    def refusal(self, call: Any) -> str:
        """The code of a refused call."""
        error = self.failureResultOf(Deferred.fromCoroutine(call), GatewayError).value
        assert isinstance(error, GatewayError)
        return error.info.code

    def commit(self, run: StoredRun, *added: Message, tokens: int | None = None) -> None:
        """End a turn."""
        self.do(self.store.commit(run, added, model_provider="openai", model="gpt", context_tokens=tokens))

    def turn(self, run_id: str, key: str = KEY, at_ms: int = 2000, said: str = "hello") -> None:
        """A whole turn."""
        begun = self.do(self.store.begin(live(run_id, key), [user(said)]))
        self.commit(ended(run_id, key, at_ms=at_ms), *begun.added, answer(f"answer {run_id}"))

    def texts(self, key: str = KEY) -> list[str]:
        """What a transcript says."""
        return [message.text for message in self.do(self.store.transcript(key, 100))]

    # -- turns

    def test_first_turn_makes_the_session(self) -> None:
        """A key that was never used gets a session with nothing in it; the client's messages are all new."""
        turn = self.do(self.store.begin(live("r1", at_ms=5), [user("a"), answer("b"), user("c")]))
        self.assertEqual(list(turn.history), [])
        self.assertEqual([message.text for message in turn.added], ["a", "b", "c"])
        self.assertTrue(turn.entry.session_id)
        session_id = turn.entry.session_id
        expected = SessionEntry(
            key=KEY, agent_id="main", session_id=session_id, created_at_ms=5, updated_at_ms=5, interacted_at_ms=5
        )
        self.assertEqual(turn.entry, expected)
        self.assertEqual(self.do(self.store.get(KEY)), expected)

    def test_begun_run_is_in_the_ledger(self) -> None:
        """The input of a turn is durable before the model is asked, but not yet part of the transcript."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        stored = self.do(self.store.get_run("r1"))
        self.assertEqual((stored.status, stored.pending), ("running", (user("a"),)))
        self.assertEqual(self.texts(), [])

    def test_turns_add_up(self) -> None:
        """The next turn gets what the one before committed, and only new messages are added."""
        self.turn("r1", said="one")
        turn = self.do(self.store.begin(live("r2"), [user("one"), answer("answer r1"), user("two")]))
        self.assertEqual([message.text for message in turn.history], ["one", "answer r1"])
        self.assertEqual(list(turn.added), [user("two")])

    def test_commit_updates_the_entry(self) -> None:
        """The entry tells of the last run: its model, its tokens, when it ended."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        usage = Usage(prompt_tokens=10, completion_tokens=4)
        self.commit(ended("r1", at_ms=7777, usage=usage), user("a"), answer("b"), tokens=10)
        entry = self.do(self.store.get(KEY))
        self.assertEqual((entry.model_provider, entry.model, entry.updated_at_ms), ("openai", "gpt", 7777))
        self.assertEqual((entry.input_tokens, entry.output_tokens, entry.total_tokens), (10, 4, 10))
        self.assertFalse(entry.aborted_last_run)
        self.assertEqual(entry.last_run, LastRun(run_id="r1", status="done", started_at_ms=1000, ended_at_ms=7777))
        [listed] = self.do(self.store.list())
        self.assertEqual(listed, entry)

    def test_unknown_usage_keeps_what_was_known(self) -> None:
        """None is not 0: a provider that does not count leaves the last counts alone."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.commit(ended("r1", usage=Usage(prompt_tokens=10, completion_tokens=4)), user("a"), tokens=10)
        self.turn("r2")
        entry = self.do(self.store.get(KEY))
        self.assertEqual((entry.input_tokens, entry.output_tokens, entry.total_tokens), (10, 4, 10))

    def test_aborted_run_is_remembered(self) -> None:
        """C{abortedLastRun} is set by an abort and cleared by the next run that ends well."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.commit(ended("r1", status="aborted"), user("a"))
        self.assertTrue(self.do(self.store.get(KEY)).aborted_last_run)
        self.turn("r2")
        self.assertFalse(self.do(self.store.get(KEY)).aborted_last_run)

    def test_commit_ends_the_run(self) -> None:
        """The ledger keeps the result and lets go of the input."""
        self.turn("r1")
        stored = self.do(self.store.get_run("r1"))
        self.assertEqual(stored, ended("r1"))

    def test_second_commit_changes_nothing(self) -> None:
        """A commit may be tried again when its outcome is not known."""
        self.turn("r1")
        self.commit(ended("r1", text="other"), user("x"), answer("y"))
        self.assertEqual(self.texts(), ["hello", "answer r1"])
        self.assertEqual(self.do(self.store.get_run("r1")), ended("r1"))

    def test_commit_without_begin_is_stored(self) -> None:
        """A turn is not lost when the ledger does not know its run (the database was replaced in between)."""
        self.commit(ended("r1"), user("a"), answer("b"))
        self.assertEqual(self.texts(), ["a", "b"])
        self.assertEqual(self.do(self.store.get_run("r1")), ended("r1"))

    def test_run_id_of_a_run_that_ended_well_is_refused(self) -> None:
        """A run id stands for one turn."""
        self.turn("r1")
        self.assertEqual(self.refusal(self.store.begin(live("r1"), [user("a")])), "idempotency_key_conflict")
        self.assertEqual(self.texts(), ["hello", "answer r1"])

    def test_run_id_of_a_failed_run_may_be_used_again(self) -> None:
        """A client may retry what failed under the same key."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.commit(ended("r1", status="error"), user("a"))
        self.do(self.store.begin(live("r1"), [user("b")]))
        self.commit(ended("r1"), user("b"), answer("c"))
        self.assertEqual(self.texts(), ["a", "b", "c"])

    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
    )
    @given(st.lists(USERS | ANSWERS | RESULTS, max_size=6))
    def test_messages_come_back_as_they_were(self, added: list[Message]) -> None:
        """Whatever the texts are: NUL, emoji, quotes, nothing at all."""
        self.do(self.store.delete(KEY))
        self.do(self.store.begin(live("r"), [user("a")]))
        self.commit(ended("r"), *added)
        self.assertEqual(self.do(self.store.transcript(KEY, 100)), added)

    def test_result_comes_back_as_it_was(self) -> None:
        """All fields of a result survive."""
        result = RunResult(
            run_id="r1",
            session_key=KEY,
            agent_id="main",
            status="ok",
            payloads=("a", "b"),
            tool_calls=(ToolCall(id="c", name="n", arguments="{}"),),
            finish_reason="tool_calls",
            usage=Usage(prompt_tokens=1, completion_tokens=2, cached_tokens=3, reasoning_tokens=4),
            provider="p",
            model="m",
            session_id="s",
            queued_at_ms=1,
            started_at_ms=2,
            ended_at_ms=3,
        )
        run = StoredRun(
            run_id="r1",
            session_key=KEY,
            agent_id="main",
            status="ok",
            surface="ws",
            principal_id="p",
            fingerprint="f",
            queued_at_ms=1,
            started_at_ms=2,
            ended_at_ms=3,
            result=result,
        )
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.commit(run)
        self.assertEqual(self.do(self.store.get_run("r1")).result, result)

    # -- crashes

    def test_crash_closes_the_turn(self) -> None:
        """Input and partial answer of a run that was cut off join the transcript, marked; the run is given back."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.do(self.store.checkpoint([live("r1", partial="so f")], []))
        self.crash()
        [run] = self.do(self.store.recover(9000))
        self.assertEqual((run.run_id, run.status, run.ended_at_ms, run.partial), ("r1", "interrupted", 9000, "so f"))
        assert run.result is not None and run.result.error is not None
        self.assertEqual((run.result.status, run.result.error.code), ("interrupted", "run_interrupted"))
        self.assertEqual(run.result.payloads, ("so f",))
        asked, said = self.do(self.store.transcript(KEY, 10))
        self.assertEqual((asked, said.text, said.stop_reason), (user("a"), "so f", "interrupted"))
        entry = self.do(self.store.get(KEY))
        self.assertTrue(entry.aborted_last_run)
        assert entry.last_run is not None
        self.assertEqual((entry.last_run.run_id, entry.last_run.status), ("r1", "failed"))
        self.assertEqual((entry.last_run.ended_at_ms, entry.last_run.error), (9000, run.result.error.message))
        self.assertEqual(entry.updated_at_ms, 9000)
        self.assertEqual(self.do(self.store.get_run("r1")), run)

    def test_crash_is_recovered_once(self) -> None:
        """A second recovery, in this process or a later one, finds nothing to do."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.crash()
        self.assertEqual(len(self.do(self.store.recover(9000))), 1)
        self.assertEqual(self.do(self.store.recover(9001)), [])
        self.crash()
        self.assertEqual(self.do(self.store.recover(9002)), [])
        self.assertEqual(self.texts(), ["a", ""])

    def test_recovery_leaves_ended_runs_alone(self) -> None:
        """A committed turn is whole."""
        self.turn("r1")
        self.crash()
        self.assertEqual(self.do(self.store.recover(9000)), [])
        self.assertEqual(self.texts(), ["hello", "answer r1"])

    def test_recovery_leaves_own_runs_alone(self) -> None:
        """It may be called while runs are at work."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.assertEqual(self.do(self.store.recover(9000)), [])
        self.commit(ended("r1"), user("a"), answer("b"))
        self.assertEqual(self.texts(), ["a", "b"])

    def test_turns_go_on_after_a_crash(self) -> None:
        """The next turn sees the interrupted one."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.crash()
        self.do(self.store.recover(9000))
        turn = self.do(self.store.begin(live("r2"), [user("b")]))
        self.assertEqual([message.text for message in turn.history], ["a", ""])

    # -- steps

    def step(self, *messages: Message, first: int = 0, told: int = 0, run: str = "r1", partial: str = "") -> None:
        """Write down what a run has come to."""
        steps = [Step(number=number, message=message) for number, message in enumerate(messages, first)]
        self.do(self.store.step(live(run, partial=partial), steps, told))

    def test_crash_keeps_what_was_done(self) -> None:
        """Calls and results stand in the transcript before what was said last, each text once; the next turn reads
        them."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.step(answer("I do it. ", "1", "2"), result("1", "open"), result("2", "open"), told=9, partial="I do it. ")
        self.step(result("1", "done"), first=1, told=9, partial="I do it. ")
        self.do(self.store.checkpoint([live("r1", partial="I do it. \n\nNow the")], []))
        self.crash()
        [run] = self.do(self.store.recover(9000))
        self.assertEqual(run.partial, "I do it. \n\nNow the")
        read = self.do(self.store.transcript(KEY, 10))
        self.assertEqual(
            read[:-1], [user("a"), answer("I do it. ", "1", "2"), result("1", "done"), result("2", "open")]
        )
        self.assertEqual((read[-1].text, read[-1].stop_reason), ("Now the", "interrupted"))
        self.assertEqual(list(self.do(self.store.begin(live("r2"), [user("b")])).history), read)

    def test_what_was_done_is_kept_once(self) -> None:
        """A turn that ends has it in its own words, and no other run of that id finds it."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.step(answer("", "1"), result("1"))
        self.commit(replace_run(ended("r1", status="error"), stepped=True), user("a"), answer("b"))
        self.do(self.store.begin(live("r1"), [user("c")]))
        self.crash()
        self.assertEqual(len(self.do(self.store.recover(9000))), 1)
        self.assertEqual(self.texts(), ["a", "b", "c", ""])

    def test_steps_after_the_end(self) -> None:
        """What comes too late, or of a run that the ledger does not know, is not written."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.commit(ended("r1"), user("a"), answer("b"))
        self.step(answer("", "1"))
        self.step(answer("", "1"), run="r2")
        self.assertIsNone(self.do(self.store.get_run("r2")))
        self.assertEqual(self.texts(), ["a", "b"])

    def test_steps_of_a_deleted_session(self) -> None:
        """They go with it."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.step(answer("secret", "1"), result("1"))
        self.do(self.store.delete(KEY))
        self.do(self.store.begin(live("r2"), [user("b")]))
        self.crash()
        self.do(self.store.recover(9000))
        self.assertEqual(self.texts(), ["b", ""])

    def test_steps_that_are_no_unicode(self) -> None:
        """Half a surrogate pair becomes a mark; the step is not lost over it."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.step(answer("x\ud83d", "1"), result("1"))
        self.crash()
        self.do(self.store.recover(9000))
        self.assertEqual(self.texts()[1], "x\ufffd")

    # -- ends of sub-agents

    def untold(self) -> list[str]:
        """Ids of sub-agents' runs whose end nobody was told."""
        return [run.run_id for run in self.do(self.store.untold("announce_"))]

    def test_untold(self) -> None:
        """Ends of sub-agents that other processes have left, until a run has begun that tells of them."""
        for number in (1, 2, 3):
            key = f"agent:main:subagent:{number}"
            self.do(self.store.begin(replace_run(live(f"c{number}", key), trigger="subagent"), [user("a")]))
        self.commit(replace_run(ended("c1", "agent:main:subagent:1"), trigger="subagent"), user("a"), answer("b"))
        self.do(self.store.begin(live("r"), [user("a")]))
        self.do(self.store.begin(live("announce_c3"), [user("c3 is done")]))
        self.assertEqual(self.untold(), [])
        self.crash()
        self.assertEqual(self.untold(), ["c1"])
        self.do(self.store.recover(9000))
        self.assertEqual(self.untold(), ["c1", "c2"])
        self.do(self.store.begin(live("announce_c1"), [user("c1 is done")]))
        self.assertEqual(self.untold(), ["c2"])
        self.do(self.store.delete("agent:main:subagent:2"))
        self.assertEqual(self.untold(), [])

    def test_crash_of_a_stateless_run(self) -> None:
        """It is reported with its partial text and makes no session."""
        self.do(self.store.checkpoint([live("r1", "agent:main:openai:x", "half")], []))
        self.crash()
        [run] = self.do(self.store.recover(9000))
        self.assertEqual((run.status, run.partial), ("interrupted", "half"))
        self.assertEqual(self.do(self.store.get_run("r1")), run)
        self.assertEqual(self.do(self.store.count()), 0)

    def test_crash_after_the_session_was_deleted(self) -> None:
        """Recovery does not bring a deleted session back."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.do(self.store.delete(KEY))
        self.crash()
        self.assertEqual(len(self.do(self.store.recover(9000))), 1)
        self.assertIsNone(self.do(self.store.get(KEY)))

    def crash(self) -> None:
        """The process is gone, another one starts. Overridden where more must be done for it."""
        self.store = self.make()

    # -- checkpoints

    def test_stateless_run_leaves_nothing(self) -> None:
        """Its note goes when it has ended."""
        self.do(self.store.checkpoint([live("r1", "agent:main:openai:x", "half")], []))
        self.assertEqual(self.do(self.store.get_run("r1")).partial, "half")
        self.do(self.store.checkpoint([live("r1", "agent:main:openai:x", "half of it")], []))
        self.assertEqual(self.do(self.store.get_run("r1")).partial, "half of it")
        self.do(self.store.checkpoint([], ["r1"]))
        self.assertIsNone(self.do(self.store.get_run("r1")))
        self.assertEqual(self.do(self.store.count()), 0)

    def test_checkpoint_keeps_the_input(self) -> None:
        """A checkpoint of a session's run knows nothing of its input; that stays."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.do(self.store.checkpoint([live("r1", partial="x")], []))
        self.assertEqual(self.do(self.store.get_run("r1")).pending, (user("a"),))

    def test_late_checkpoint_does_not_revive(self) -> None:
        """A run that was committed stays ended."""
        self.turn("r1")
        self.do(self.store.checkpoint([live("r1", partial="x")], ["r1"]))
        self.assertEqual(self.do(self.store.get_run("r1")), ended("r1"))

    # -- reading

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

    # -- deleting

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

    # -- settings

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

    # -- new beginnings

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

    # -- beside runs

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

    # -- compaction

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

    # -- closing

    def test_closed_store_refuses(self) -> None:
        """After C{close}, which may be called twice, every call is refused in plain words."""
        self.turn("r1")
        self.do(self.store.close())
        self.do(self.store.close())
        self.assertEqual(self.refusal(self.store.get(KEY)), "storage_unavailable")


def replace_label(label: str) -> Callable[[SessionEntry], SessionEntry]:
    """A patch."""
    return lambda entry: replace(entry, label=label)


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
