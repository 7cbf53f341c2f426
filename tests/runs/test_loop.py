# -*- test-case-name: tests.runs.test_loop -*-
"""What a run makes of levels, overrides, directives, heartbeats and messages that come in between."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from twisted.logger import formatEvent, globalLogPublisher

from openclaw_tx.config.schema_agents import AgentDefaults, Heartbeat
from openclaw_tx.config.schema_automation import CronSection
from openclaw_tx.runs.steering import MAX_WAITING
from openclaw_tx.testing import ScriptedModel
from openclaw_tx.values import (
    AssistantMessage,
    MessageEnded,
    Principal,
    Sampling,
    SessionEntry,
    SessionSettings,
    TextDelta,
    ToolStarted,
    UserMessage,
)
from tests.runs.rooms import Adder, Bench, RunCase

KEY = "agent:main:alice"
REFUSED = (
    "400 Unsupported value: 'reasoning_effort' does not support 'xhigh'. Supported values are: 'low' and 'medium'."
)


class Case(RunCase):
    """A model that thinks, and an adder that may be told to wait."""

    defaults = AgentDefaults()

    def setUp(self) -> None:
        self.adder = Adder()
        self.bench = Bench(self.adder, defaults=self.defaults, model=ScriptedModel(reasoning=True))
        self.model = self.bench.model

    def run_once(self, **fields: Any) -> Any:
        """A stateless run that is scripted to its end."""
        return self.ended(self.bench.start(**fields))

    def settle(self, **settings: Any) -> None:
        """Settings of the session."""
        self.bench.sessions.entries[KEY] = SessionEntry(
            key=KEY,
            agent_id="main",
            session_id="s1",
            created_at_ms=0,
            updated_at_ms=0,
            settings=SessionSettings(**settings),
        )

    def efforts(self) -> list[str | None]:
        """How hard the model was to think, call by call."""
        return [request.sampling.reasoning_effort for request in self.model.requests]


class ThinkingTests(Case):
    """Levels on their way to the provider."""

    def test_levels(self) -> None:
        """Request, session, the model's own; the rest of the sampling stays."""
        self.settle(thinking_level="high")
        for fields in ({"thinking": "minimal", "sampling": Sampling(seed=7)}, {}, {"thinking": "off"}):
            self.model.say("x")
            self.ended(self.bench.session(**fields))
        self.model.say("x")
        self.run_once()
        self.assertEqual(self.efforts(), ["minimal", "high", None, "low"])
        self.assertEqual(self.model.requests[0].sampling.seed, 7)

    def test_refused(self) -> None:
        """The nearest level that the provider names, for the rest of the run."""
        self.model.fail("provider_rejected", REFUSED)
        self.model.call_tool("add", {"a": 1, "b": 1})
        self.model.say("x")
        self.assertEqual(self.run_once(thinking="xhigh").status, "ok")
        self.assertEqual(self.efforts(), ["xhigh", "medium", "medium"])

    def test_not_at_all(self) -> None:
        """A model that can not think is asked three times at most, the last time for no thinking."""
        for _ in range(2):
            self.model.fail("provider_rejected", "400 Unrecognized request argument supplied: reasoning_effort")
        self.model.say("x")
        self.assertEqual(self.run_once(thinking="high").status, "ok")
        self.assertEqual(self.efforts(), ["high", "medium", None])

    def test_other_refusals(self) -> None:
        """What has nothing to do with thinking is not asked again, and nothing is after the first word."""
        self.model.fail("provider_rejected", "400 no such parameter: seed")
        self.assertEqual(self.run_once(thinking="high").error.code, "provider_rejected")
        self.model.fail("provider_rejected", REFUSED, after="half")
        self.assertEqual(self.run_once(thinking="high").error.code, "provider_rejected")
        self.assertEqual(len(self.model.calls), 2)

    def test_session_name(self) -> None:
        """The provider is told which conversation it is: the session, or the run where there is none."""
        for run in (self.bench.session, self.bench.start):
            self.model.say("x")
            self.ended(run())
        self.assertEqual([request.session for request in self.model.requests], [KEY, "run-2"])

    def test_session_model_gone(self) -> None:
        """A session's model that there is no more does not keep the session from answering."""
        self.settle(provider_override="gone", model_override="away")
        self.model.say("x")
        self.assertEqual(self.ended(self.bench.session()).status, "ok")


class SteeringTests(Case):
    """Messages for a run at work."""

    def test_at_the_tool_boundary(self) -> None:
        """The model reads it after the tool's result, and it is in the transcript."""
        self.model.call_tool("add", {"a": 1, "b": 2, "wait": True})
        run = self.bench.session("add")
        self.assertTrue(run.steer("and be brief"))
        self.model.say("3")
        self.adder.waiting[0].callback(None)
        self.assertEqual(self.ended(run).text, "3")
        kinds = [type(message).__name__ for message in self.model.requests[1].messages]
        self.assertEqual(kinds, ["UserMessage", "AssistantMessage", "ToolResultMessage", "UserMessage"])
        self.assertEqual(self.model.requests[1].messages[-1].text, "and be brief")
        self.assertIn("and be brief", [getattr(each, "text", "") for each in self.bench.sessions.transcripts[KEY]])

    def test_before_the_end(self) -> None:
        """Where no tool comes any more, the run goes on with it: what was taken in is read."""
        run = self.bench.session("hi")
        self.model.calls[0].text("hello")
        self.assertTrue(run.steer("in French"))
        self.model.say("bonjour")
        self.model.calls[0].finish()
        self.assertEqual(self.ended(run).payloads, ("hello", "bonjour"))

    def test_not_read(self) -> None:
        """Neither before the run begins nor after its end, not if it is empty, and not without bound."""
        first, second = self.bench.session("a"), self.bench.session("b")
        self.assertFalse(second.steer("too early"))
        self.assertFalse(first.steer(" "))
        self.assertEqual([first.steer(str(n)) for n in range(MAX_WAITING + 1)], [True] * MAX_WAITING + [False])
        second.abort("test")
        first.abort("test")
        self.assertFalse(first.steer("too late"))

    def test_cut_off(self) -> None:
        """What an abort kept the model from reading is in the record at least."""
        run = self.bench.session("a")
        run.steer("unread")
        run.abort("test")
        self.ended(run)
        texts = [each.text for each in self.bench.sessions.transcripts[KEY] if isinstance(each, UserMessage)]
        self.assertEqual(texts, ["a", "unread"])


class DirectiveTests(Case):
    """Directives in answers."""

    def test_taken_out(self) -> None:
        """They become fields of the result; text, transcript and deltas are free of them."""
        self.model.say("[[reply_", "to: 7]] See", " this:\nMEDIA:", "https://a.example/x.png\n", "[1]")
        run = self.bench.session()
        result = self.ended(run)
        self.assertEqual(result.payloads, ("See this:\n[1]",))
        self.assertEqual((result.media, result.reply_to), (("https://a.example/x.png",), "7"))
        self.assertEqual((run.state.media, run.state.reply_to), (result.media, "7"))
        deltas = [event.text for event in self.bench.events("run-1") if isinstance(event, TextDelta)]
        self.assertEqual("".join(deltas), result.text)
        (answer,) = (each for each in self.bench.sessions.transcripts[KEY] if isinstance(each, AssistantMessage))
        self.assertEqual(answer.text, result.text)

    def test_only_media(self) -> None:
        """A message that only sends a file is an answer."""
        self.model.say("MEDIA:/tmp/a.png")
        result = self.run_once()
        self.assertEqual((result.status, result.payloads, result.media), ("ok", (), ("/tmp/a.png",)))

    def test_code(self) -> None:
        """What stands in a code fence is left alone."""
        text = "```\nMEDIA:/tmp/a.png\n[[reply_to_current]]\n```\n"
        self.model.say(*text)
        result = self.run_once()
        self.assertEqual((result.text, result.media, result.reply_to), (text, (), ""))

    def test_each_delta_in_time(self) -> None:
        """Text that can be no directive is not held back (T19)."""
        run = self.bench.start()
        for piece in ("<b", ">x", "[1", "] y", "\n", "z"):
            self.model.calls[0].text(piece)
            self.assertEqual(run.open_text[-len(piece) :], piece)
        self.model.calls[0].finish()
        self.assertEqual(self.ended(run).text, "<b>x[1] y\nz")

    def test_last_character(self) -> None:
        """What was held when the model stopped is told before the end (T19)."""
        self.model.say("see [")
        self.assertEqual(self.run_once().text, "see [")


class HeartbeatTests(Case):
    """Answers to heartbeats."""

    defaults = AgentDefaults(heartbeat=Heartbeat(ack_max_chars=20))

    def test_nothing_to_report(self) -> None:
        """Nothing of it is shown, and it is no failure."""
        self.model.say("HEART", "BEAT_OK all ", "quiet")
        result = self.run_once(trigger="heartbeat")
        self.assertEqual((result.status, result.payloads), ("ok", ()))
        self.assertNotIn(TextDelta, [type(event) for event in self.bench.events("run-1")])

    def test_something_to_report(self) -> None:
        """The news are shown without the token."""
        self.model.say("The disk is full, somebody must look. HEARTBEAT_OK")
        self.assertEqual(self.run_once(trigger="heartbeat").text, "The disk is full, somebody must look.")

    def test_other_runs(self) -> None:
        """In an answer to a person the token is just text."""
        self.model.say("HEARTBEAT_OK")
        self.assertEqual(self.run_once().text, "HEARTBEAT_OK")

    def test_in_the_transcript(self) -> None:
        """A heartbeat at which there was nothing to report leaves nothing there; news do, and so does a tool."""
        self.model.say("HEARTBEAT_OK")
        self.ended(self.bench.session(trigger="heartbeat"))
        self.assertEqual(self.bench.sessions.transcripts[KEY], [])
        self.model.say("The disk is full, somebody must look.")
        self.ended(self.bench.session(trigger="heartbeat"))
        self.assertEqual(len(self.bench.sessions.transcripts[KEY]), 2)
        self.model.call_tool("add", {"a": 1, "b": 1})
        self.model.say("HEARTBEAT_OK")
        self.ended(self.bench.session(trigger="heartbeat"))
        self.assertEqual(len(self.bench.sessions.transcripts[KEY]), 6)


class FormatTests(Case):
    """Answers that must be JSON."""

    wanted = Sampling(
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": {"type": "object", "required": ["n"]}},
        }
    )

    def shown(self, number: int) -> list[str]:
        """What watchers of a run were shown."""
        return [event.text for event in self.bench.events(f"run-{number}") if isinstance(event, TextDelta)]

    def test_mended(self) -> None:
        """One that does not match is asked for again, once; nobody is shown it, and the transcript has the good one."""
        self.model.say("{}")
        self.model.say('{"n": 1}')
        result = self.ended(self.bench.session(sampling=self.wanted))
        self.assertEqual((result.payloads, self.shown(1)), (('{"n": 1}',), ['{"n": 1}']))
        complaint = self.model.requests[1].messages[-1]
        self.assertIn("n", complaint.text)
        self.assertEqual([message.text for message in self.bench.sessions.transcripts[KEY]], ["hello", '{"n": 1}'])
        self.model.say("{}")
        self.model.say("{}")
        result = self.run_once(sampling=self.wanted)
        self.assertEqual((result.error.code, self.shown(2)), ("structured_output_failed", []))

    def test_with_tools(self) -> None:
        """What is said on the way to a tool need not match, and is not shown as if it were the answer."""
        self.model.call_tool("add", {"a": 1, "b": 1}, text="Let me add.")
        self.model.say('{"n": 2}')
        result = self.run_once(sampling=self.wanted)
        self.assertEqual((result.status, self.shown(1)), ("ok", ['{"n": 2}']))


class MessageTests(Case):
    """Text between tool rounds."""

    def test_separate_messages(self) -> None:
        """Each round's text is a message of its own, ended before its tools begin."""
        self.model.call_tool("add", {"a": 1, "b": 1}, text="First.")
        self.model.call_tool("add", {"a": 2, "b": 2}, text="Second.")
        self.model.say("Third.")
        result = self.run_once()
        self.assertEqual(result.payloads, ("First.", "Second.", "Third."))
        kinds = [type(event) for event in self.bench.events("run-1")]
        order = [kind for kind in kinds if kind in (TextDelta, MessageEnded, ToolStarted)]
        self.assertEqual(order, [TextDelta, MessageEnded, ToolStarted] * 2 + [TextDelta, MessageEnded])

    def test_iteration_cap_keeps_what_was_said(self) -> None:
        """A run that was stopped has still said what it said, and says which bound it was."""
        self.bench.config = replace(
            self.bench.config, agents=replace(self.bench.config.agents, defaults=AgentDefaults(max_tool_rounds=2))
        )
        for number in range(2):
            self.model.call_tool("add", {"a": number, "b": 1}, text=f"Round {number}.")
        result = self.run_once()
        self.assertEqual(result.payloads, ("Round 0.", "Round 1."))
        self.assertIn("after 2 model calls", result.error.message)


class LaneTests(Case):
    """Places among all runs."""

    defaults = AgentDefaults(max_concurrent=1)

    def finish(self) -> str:
        """End the oldest open model call.

        @return: what it was asked.
        """
        call = next(call for call in self.model.calls if not call.done.called)
        call.text("x")
        call.finish()
        return str(call.request.messages[-1].text)

    def test_fair(self) -> None:
        """Many runs of one principal do not keep out another's one."""
        busy = Principal(id="key:busy", method="key", scopes=frozenset())
        rare = Principal(id="key:rare", method="key", scopes=frozenset())
        for number in range(5):
            self.bench.start(f"busy {number}", principal=busy)
        self.bench.start("rare", principal=rare)
        self.assertEqual([self.finish() for _ in range(6)][:3], ["busy 0", "busy 1", "rare"])

    def test_long_waits_are_logged(self) -> None:
        """A wait of more than two seconds leaves a line in the log, a shorter one does not."""
        lines: list[str] = []

        def observer(event: Any) -> None:
            lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        for wait in (1, 3):
            self.bench.start("first")
            self.bench.start("second")
            self.bench.clock.advance(wait)
            self.finish()
            self.finish()
        self.assertEqual([line for line in lines if "waited" in line], ["run run-4 waited 3.0 s in lane main"])

    def test_lanes_of_their_own(self) -> None:
        """Sub-agents, scheduled and nested runs do not wait for the main lane; unknown lanes take one at a time."""
        runs = [self.bench.start(lane=lane) for lane in ("main", "subagent", "cron", "nested", "odd")]
        self.assertEqual({run.status for run in runs}, {"running"})
        more = {lane: self.bench.start(lane=lane).status for lane in ("main", "subagent", "cron", "nested", "odd")}
        self.assertEqual(
            more,
            {"main": "queued", "subagent": "running", "cron": "queued", "nested": "running", "odd": "queued"},
        )
        self.bench.config = replace(self.bench.config, cron=CronSection(max_concurrent_runs=2))
        self.bench.engine.config_changed()
        self.assertEqual(sum(run.status == "queued" for run in self.bench.engine.live()), 2)
        while any(not call.done.called for call in self.model.calls):
            self.finish()
