# -*- test-case-name: tests.sessions.test_sql -*-
"""What a session store does with turns: begun, ended, cut off by a crash."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openclaw_tx.values import (
    AssistantMessage,
    ImagePart,
    LastRun,
    Message,
    RunResult,
    SessionEntry,
    Step,
    StoredRun,
    TextPart,
    ToolCall,
    ToolResultMessage,
    Usage,
    UserMessage,
)
from tests.contract.store_case import SessionStoreCase
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


class TurnContract(SessionStoreCase):
    """Turns, and what is written of them meanwhile."""

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


class CrashContract(SessionStoreCase):
    """What a process that is gone has left."""

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


__all__ = ["CrashContract", "TurnContract"]
