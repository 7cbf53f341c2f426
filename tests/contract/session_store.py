# -*- test-case-name: tests.sessions.test_sql -*-
"""What every session store must do. A store joins by inheriting and making stores: see L{SessionStoreContract.make}."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twisted.internet.defer import Deferred

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Sessions
from openclaw_tx.values import (
    AssistantMessage,
    ImagePart,
    Message,
    RunResult,
    SessionEntry,
    StoredRun,
    TextPart,
    ToolCall,
    ToolResultMessage,
    Usage,
    UserMessage,
)
from tests.sessions.helpers import KEY, answer, ended, live, user

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
        expected = SessionEntry(
            key=KEY, agent_id="main", session_id=turn.entry.session_id, created_at_ms=5, updated_at_ms=5
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
        self.assertFalse(self.do(self.store.delete("agent:main:nope")))
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

    # -- deleting

    def test_delete_removes_the_transcript(self) -> None:
        """The key begins anew, with another session id; the ledger keeps nothing of the conversation."""
        self.turn("r1")
        before = self.do(self.store.get(KEY))
        self.assertTrue(self.do(self.store.delete(KEY)))
        self.assertFalse(self.do(self.store.delete(KEY)))
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

    # -- closing

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
