# -*- test-case-name: tests.web.test_chat_stream -*-
"""A run as chunks: what is shown, when the status goes out, and how it ends."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_gateway import ChatCompletions
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import (
    MessageEnded,
    ReasoningDelta,
    RunResult,
    RunStarted,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolEnded,
    ToolStarted,
    Usage,
)
from openclaw_tx.web.run_stream import failure_of
from tests.support.fakes import ANSWERED, ScriptedRun
from tests.support.web import Client, Harness, Response

STARTED = RunStarted(session_id="s")


def idle(run: ScriptedRun) -> None:
    """A run that a test moves."""


class StreamTests(SynchronousTestCase):
    """One stream at a time."""

    def setUp(self) -> None:
        """A gateway whose runs wait to be told."""
        self.gateway = Harness()
        self.gateway.scripted.script = idle
        self.addCleanup(self.gateway.close)

    def open(self, **fields: Any) -> tuple[Client, ScriptedRun]:
        """Ask for a stream."""
        client = self.gateway.say(stream=True, **fields)
        return client, self.gateway.scripted.runs[-1]

    def read(self, client: Client) -> Response:
        """What came so far."""
        client.wire.pump()
        return client.response

    def choices(self, client: Client) -> list[tuple[dict[str, Any], str | None]]:
        """Delta and finish_reason of each choice chunk."""
        return [
            (choice["delta"], choice["finish_reason"])
            for event in self.read(client).events
            if isinstance(event, dict)
            for choice in event.get("choices", [])
        ]

    def test_t17_order(self) -> None:
        """Role, text, one finish chunk, the end mark."""
        client, run = self.open()
        run.say("a", "b")
        run.end()
        self.assertEqual(
            self.choices(client),
            [({"role": "assistant"}, None), ({"content": "a"}, None), ({"content": "b"}, None), ({}, "stop")],
        )
        self.assertEqual(self.read(client).events[-1], "[DONE]")
        self.assertTrue(self.read(client).complete)

    def test_t15_constant(self) -> None:
        """One id (the run's), one created, one model for all chunks; C{created} does not move with the clock."""
        client, run = self.open()
        run.say("a")
        client.advance(7)
        run.say("b")
        run.end()
        chunks = self.read(client).events[:-1]
        self.assertEqual(
            {(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks},
            {(run.request.run_id, 1_790_000_000, "openclaw", "chat.completion.chunk")},
        )

    def test_t04_t05_nothing_but_data(self) -> None:
        """No C{id}, C{retry} or named events, no empty data: some SDK chokes on each."""
        client, run = self.open()
        run.say("", "a", "\n\ndata: x\nid: 1\n")
        client.advance(15)
        run.end()
        lines = [line for line in self.read(client).body.split(b"\n") if line]
        self.assertEqual({line.partition(b" {")[0] for line in lines}, {b"data:", b": ping", b"data: [DONE]"})
        self.assertEqual(client.response.text, "a\n\ndata: x\nid: 1\n")

    def test_t16_absent_rather_than_null(self) -> None:
        """What a chunk does not have, it does not mention."""
        client, run = self.open()
        run.say("a")
        run.end()
        for word in (b"tool_calls", b"logprobs", b"refusal", b"function_call"):
            self.assertNotIn(word, self.read(client).body)

    def test_t18_usage(self) -> None:
        """Only when asked for: after the finish chunk, without choices."""
        client, run = self.open(stream_options={"include_usage": True})
        run.say("a")
        run.end(usage=Usage(prompt_tokens=5, completion_tokens=6))
        *chunks, usage, _ = self.read(client).events
        self.assertEqual(usage["choices"], [])
        self.assertEqual(usage["usage"]["total_tokens"], 11)
        self.assertTrue(all(chunk["usage"] is None for chunk in chunks))
        client, run = self.open()
        run.say("a")
        run.end()
        self.assertFalse(any("usage" in chunk for chunk in self.read(client).events[:-1]))

    def test_t19_text_beside_the_end(self) -> None:
        """Text in the very batch of the end is not lost; text that looks like a tag is text."""
        client, run = self.open()
        run.say("<b>")
        run.emit(TextDelta(text="last"))
        run.end()
        self.assertEqual(self.read(client).text, "<b>last")

    def test_t20_equal_deltas(self) -> None:
        """Repeated equal pieces are all kept."""
        client, run = self.open()
        run.say("ha", "ha", "ha")
        run.end()
        self.assertEqual(self.read(client).text, "hahaha")

    def test_t23_reasoning_and_own_tools(self) -> None:
        """Neither is part of the answer."""
        client, run = self.open()
        run.emit(STARTED, ANSWERED, ReasoningDelta(text="hmm"))
        run.emit(ToolStarted(call_id="c", name="exec", arguments={}))
        run.emit(ToolEnded(call_id="c", name="exec", is_error=False, text="secret"))
        run.say("a")
        run.end()
        self.assertEqual(self.read(client).text, "a")
        for word in (b"hmm", b"exec", b"secret"):
            self.assertNotIn(word, client.received)

    def test_t26_tool_calls(self) -> None:
        """Two interleaved calls: id and name once, arguments by index; C{{}} for none; C{tool_calls} at the end."""
        client, run = self.open()
        run.emit(
            ANSWERED,
            ToolCallDelta(index=0, id="c0", name="f", arguments='{"a"'),
            ToolCallDelta(index=1, id="c1", name="g", arguments=""),
            ToolCallDelta(index=0, id="", name="", arguments=":1}"),
        )
        run.end(
            tool_calls=(
                ToolCall(id="c0", name="f", arguments='{"a":1}'),
                ToolCall(id="c1", name="g", arguments="{}"),
            ),
            finish_reason="tool_calls",
        )
        calls: dict[int, dict[str, Any]] = {}
        for delta, _ in self.choices(client):
            for call in delta.get("tool_calls", ()):
                known = calls.setdefault(call["index"], {"ids": [], "arguments": ""})
                known["ids"] += [call["id"], call["function"]["name"]] if "id" in call else []
                known["arguments"] += call["function"]["arguments"]
        self.assertEqual(
            calls,
            {
                0: {"ids": ["c0", "f"], "arguments": '{"a":1}'},
                1: {"ids": ["c1", "g"], "arguments": "{}"},
            },
        )
        self.assertEqual(self.choices(client)[-1], ({}, "tool_calls"))

    def test_t26_calls_that_were_not_streamed(self) -> None:
        """A provider that gives them only at the end: they are shown then."""
        client, run = self.open()
        run.say("let me see")
        run.end(tool_calls=(ToolCall(id="c", name="f", arguments="{}"),), finish_reason="tool_calls")
        calls = [delta["tool_calls"][0] for delta, _ in self.choices(client) if "tool_calls" in delta]
        self.assertEqual([call["function"]["arguments"] for call in calls], ["", "{}"])

    def test_several_messages(self) -> None:
        """S25: joined as the whole answer joins them; a message that says nothing leaves no trace."""
        client, run = self.open()
        run.say("one")
        run.emit(MessageEnded())
        run.say(" ", "\n")
        run.emit(MessageEnded())
        run.say(" ", "two ")
        run.emit(MessageEnded())
        run.end()
        assert run.outcome is not None
        self.assertEqual(self.read(client).text, "one\n\n two ")
        self.assertEqual(self.read(client).text, run.outcome.text)

    @given(st.lists(st.lists(st.sampled_from(["", " ", "\n", "a", "b c", "\U0001f43e"]), max_size=4), max_size=5))
    @settings(max_examples=60, deadline=None, database=None)
    def test_s25_stream_equals_whole(self, messages: list[list[str]]) -> None:
        """However an answer is cut into messages and pieces, the stream joins to what a whole reply says."""
        gateway = Harness()
        gateway.scripted.script = idle
        client = gateway.say(stream=True)
        (run,) = gateway.scripted.runs
        run.say("x")
        for pieces in messages:
            run.emit(MessageEnded())
            run.say(*pieces)
        run.end()
        assert run.outcome is not None
        self.assertEqual(self.read(client).text, run.outcome.text)
        gateway.close()

    # -- when the status goes out

    def test_status_is_held(self) -> None:
        """Nothing before the provider has answered; then at once."""
        client, run = self.open()
        run.emit(STARTED)
        client.advance(1.9)
        self.assertEqual(client.received, b"")
        run.emit(ANSWERED)
        self.assertEqual(self.choices(client), [({"role": "assistant"}, None)])

    def test_status_is_not_held_for_ever(self) -> None:
        """After two seconds the stream opens, and is kept alive from then on."""
        client, _ = self.open()
        client.advance(2)
        self.assertEqual(self.choices(client), [({"role": "assistant"}, None)])
        client.advance(15)
        self.assertIn(b": ping\n", client.received)

    def test_no_hold(self) -> None:
        """An operator may want the status at once."""
        self.gateway.chat = ChatCompletions(enabled=True, hold_status_seconds=0)
        client, _ = self.open()
        client.advance(0)
        self.assertEqual(self.read(client).status, 200)

    def test_hold_is_no_longer_than_a_keep_alive(self) -> None:
        """A proxy that can bear no more than C{keepAliveSeconds} of silence can not wait for the status either."""
        self.gateway.chat = ChatCompletions(enabled=True, keep_alive_seconds=0.5, hold_status_seconds=2)
        client, _ = self.open()
        client.advance(0.4)
        self.assertEqual(client.received, b"")
        client.advance(0.1)
        self.assertEqual(self.choices(client), [({"role": "assistant"}, None)])
        client.advance(0.5)
        self.assertIn(b": ping\n", client.received)

    def test_hold_without_keep_alives(self) -> None:
        """No keep-alives: the status is held as long as configured."""
        self.gateway.chat = ChatCompletions(enabled=True, keep_alive_seconds=0, hold_status_seconds=2)
        client, _ = self.open()
        client.advance(1.9)
        self.assertEqual(client.received, b"")
        client.advance(0.1)
        self.assertEqual(self.read(client).status, 200)

    def test_early_failure_has_a_status(self) -> None:
        """A run that fails before its first word is an ordinary error, with its own retry advice."""
        client, run = self.open()
        run.emit(STARTED)
        run.fail("provider_rate_limit", "slow down")
        response = self.read(client)
        self.assertEqual((response.status, response.error["code"]), (429, "provider_rate_limit"))
        self.assertEqual(response.header("x-should-retry"), "true")
        self.assertEqual(response.header("x-openclaw-run-id"), run.request.run_id)
        self.assertFalse(client.closed)

    def test_failure_in_the_first_batch(self) -> None:
        """Nothing was shown yet, so even one that had begun to answer."""

        def flop(run: ScriptedRun) -> None:
            run.say("half")
            run.fail("provider_error")

        self.gateway.scripted.script = flop
        self.assertEqual(self.read(self.gateway.say(stream=True)).status, 502)

    # -- how it ends

    def test_t24_failure_in_mid_stream(self) -> None:
        """An error frame with four keys, no finish chunk, then the end mark; the text is not in the content."""
        client, run = self.open()
        run.say("half")
        run.fail("provider_error", "upstream provider error")
        response = self.read(client)
        *_, error, done = response.events
        self.assertEqual(
            error["error"],
            {
                "message": "upstream provider error",
                "type": "api_error",
                "param": None,
                "code": "provider_error",
            },
        )
        self.assertEqual(done, "[DONE]")
        self.assertEqual([reason for _, reason in self.choices(client)], [None, None])
        self.assertEqual((response.text, response.complete), ("half", True))

    def test_t22_empty_answer(self) -> None:
        """Nobody makes something up: an empty answer is the engine's error, a silent one has no text."""
        client, run = self.open()
        run.emit(ANSWERED)
        run.fail("empty_response", "The model said nothing.")
        self.assertEqual(self.read(client).events[-2]["error"]["code"], "empty_response")
        client, run = self.open()
        run.end()
        self.assertEqual(self.choices(client), [({"role": "assistant"}, None), ({}, "stop")])

    def test_content_filter_may_be_empty(self) -> None:
        """That is an answer of its own."""
        client, run = self.open()
        run.emit(ANSWERED)
        run.end(finish_reason="content_filter")
        self.assertEqual(self.choices(client)[-1], ({}, "content_filter"))

    def test_aborted_elsewhere(self) -> None:
        """An abort over the other surface ends the stream with its error."""
        client, run = self.open()
        run.say("a")
        run.abort("rpc")
        self.assertEqual(self.read(client).events[-2]["error"]["code"], "run_aborted")

    def test_shutdown(self) -> None:
        """A gateway that goes down says so."""
        client, run = self.open()
        run.say("a")
        run.abort("shutdown")
        self.assertEqual(self.read(client).events[-2]["error"]["code"], "gateway_restarting")

    def test_t25_our_own_fault(self) -> None:
        """An event that can not be rendered cuts the connection: a clean end would pass as success. It is logged
        once, the run ends by the disconnect."""
        client, run = self.open()
        run.say("a")
        client.wire.pump()
        impossible: Any = object()
        for _ in range(2):
            run.emit(ToolCallDelta(index=0, id=impossible, name="f", arguments=""))
        client.wire.pump()
        self.assertTrue(client.closed)
        self.assertFalse(client.response.complete)
        self.assertEqual(run.abort_reasons, ["disconnect"])
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    def test_t13_disconnects(self) -> None:
        """In each window the run is aborted once, nobody watches any more, and no timer is left."""

        def nothing(run: ScriptedRun) -> None:
            pass

        def started(run: ScriptedRun) -> None:
            run.emit(STARTED)

        def tool(run: ScriptedRun) -> None:
            run.emit(ANSWERED, ToolStarted(call_id="c", name="t", arguments={}))

        def text(run: ScriptedRun) -> None:
            run.say("a")

        for window in (nothing, started, tool, text):
            client, run = self.open()
            window(run)
            client.wire.pump()
            client.reset()
            self.assertEqual(run.abort_reasons, ["disconnect"], window.__name__)
            self.assertFalse(run.watched)
            self.assertEqual(self.gateway.clock.getDelayedCalls(), [])

    def test_t13_disconnect_before_done_was_taken(self) -> None:
        """A run that has ended is not aborted any more."""
        client, run = self.open()
        client.stall()
        run.say("x" * 100_000)
        run.end()
        client.reset()
        self.assertEqual(run.abort_reasons, [])
        self.assertEqual(self.gateway.clock.getDelayedCalls(), [])

    def test_t08_slow_consumer(self) -> None:
        """Memory stays bounded; the watcher is cut off and its run aborted; another stream goes on."""
        slow, slow_run = self.open()
        other, other_run = self.open()
        slow.stall()
        for _ in range(300):
            slow_run.say("x" * 10_000)
            other_run.say("y")
        slow.advance(1)
        self.assertTrue(slow.closed)
        self.assertEqual(slow_run.abort_reasons, ["disconnect"])
        other_run.end()
        self.assertEqual(self.read(other).text, "y" * 300)

    def test_t40_secret_changed(self) -> None:
        """A stream does not outlive its credential for longer than a keep-alive."""
        client, run = self.open()
        run.say("a")
        client.advance(15)
        self.assertEqual(run.abort_reasons, [])
        self.gateway.one_secret.secret = "another"
        client.advance(15)
        response = self.read(client)
        self.assertEqual(response.events[-2]["error"]["code"], "invalid_api_key")
        self.assertEqual((response.events[-1], response.events.count("[DONE]")), ("[DONE]", 1))
        self.assertEqual(run.abort_reasons, ["revoked"])
        self.assertTrue(response.complete)


class FailureTests(SynchronousTestCase):
    """What counts as an answer."""

    def test_failure_of(self) -> None:
        """Each status."""

        def result(**fields: Any) -> RunResult:
            return RunResult(**{"run_id": "r", "session_key": "k", "agent_id": "a", "status": "ok", **fields})

        for fields, code in (
            ({"payloads": ("x",)}, None),
            ({"tool_calls": (ToolCall(id="c", name="f", arguments="{}"),)}, None),
            ({"finish_reason": "content_filter"}, None),
            ({}, None),
            ({"status": "error"}, "run_failed"),
            ({"status": "aborted", "error": GatewayError("run_aborted", "x").info}, "run_aborted"),
        ):
            failure = failure_of(result(**fields))
            self.assertEqual(failure and failure.code, code)
