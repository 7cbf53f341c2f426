# -*- test-case-name: tests.web.test_chat -*-
"""Chat completions without a stream, and what both kinds of answers share."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_gateway import ChatCompletions
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import (
    AssistantMessage,
    MessageEnded,
    Sampling,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolResultMessage,
    Usage,
    UserMessage,
)
from tests.support.fakes import ScriptedRun, answer
from tests.support.web import Harness


def idle(run: ScriptedRun) -> None:
    """A run that a test moves."""


class ChatTests(SynchronousTestCase):
    """Requests and their runs."""

    def setUp(self) -> None:
        """A gateway."""
        self.gateway = Harness()
        self.addCleanup(self.gateway.close)

    def refused(self, body: Any, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        """No run, and this error."""
        response = self.gateway.post(body, headers).response
        self.assertEqual((response.status, response.error["message"]), (status, message))
        self.assertEqual(self.gateway.scripted.runs, [])

    def test_run_request(self) -> None:
        """Everything the client said is in the run."""
        tool = {"type": "function", "function": {"name": "f"}}
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        self.gateway.post(
            {
                "model": "openclaw:beta",
                "messages": [
                    {"role": "system", "content": "be brief"},
                    {"role": "user", "content": "q"},
                    {"role": "assistant", "content": None, "tool_calls": [call]},
                    {"role": "tool", "tool_call_id": "c", "content": "r"},
                ],
                "tools": [tool],
                "tool_choice": "required",
                "temperature": 0.5,
                "user": "Alice",
            },
            {"x-openclaw-model": "openai/gpt-x"},
        )
        request = self.gateway.scripted.runs[0].request
        self.assertRegex(request.run_id, r"^chatcmpl_[0-9a-f-]{36}$")
        self.assertEqual((request.agent_id, request.session_key), ("beta", "agent:beta:openai-user:alice"))
        self.assertEqual(
            request.messages,
            (
                UserMessage(content=(TextPart(text="q"),)),
                AssistantMessage(tool_calls=(ToolCall(id="c", name="f", arguments="{}"),), stop_reason="tool_calls"),
                ToolResultMessage(tool_call_id="c", tool_name="f", text="r"),
            ),
        )
        self.assertEqual((request.extra_system, request.model, request.stateless), ("be brief", "openai/gpt-x", False))
        self.assertEqual([spec.name for spec in request.tools], ["f"])
        self.assertEqual(request.tool_choice, ToolChoice(mode="required"))
        self.assertEqual(request.sampling, Sampling(temperature=0.5))
        self.assertEqual((request.surface, request.channel, request.lane), ("http", "webchat", "main"))

    def test_echo_headers(self) -> None:
        """Run, session and request are named on every answer of a run."""
        for stream in (False, True):
            response = self.gateway.say(stream=stream, user="u").response
            request = self.gateway.scripted.runs[-1].request
            self.assertEqual(response.header("x-openclaw-run-id"), request.run_id)
            self.assertEqual(response.header("x-openclaw-session-key"), "agent:main:openai-user:u")
            self.assertIsNotNone(response.header("x-request-id"))

    def test_session_key_that_is_not_ascii(self) -> None:
        """It travels as UTF-8 in both directions."""
        client = self.gateway.connect()
        body = b'{"messages":[{"role":"user","content":"x"}]}'
        head = f"Host: x\r\nAuthorization: Bearer {self.gateway.secret}\r\nx-openclaw-session-key: caf\u00e9\r\n"
        client.send(f"POST /v1/chat/completions HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self.assertEqual(self.gateway.scripted.runs[0].request.session_key, "agent:main:caf\u00e9")
        self.assertIn("X-Openclaw-Session-Key: agent:main:caf\u00e9\r\n".encode(), client.received)

    def test_model_is_echoed(self) -> None:
        """As it came; a missing one as C{openclaw}."""
        for sent, echoed in (("gpt-4o", "gpt-4o"), ("OpenClaw:MAIN", "OpenClaw:MAIN"), ("", ""), (None, "openclaw")):
            body = {"messages": [{"role": "user", "content": "x"}], "model": sent}
            self.assertEqual(self.gateway.post(body).response.json["model"], echoed)

    def test_created(self) -> None:
        """When the run was asked for, in seconds."""
        response = self.gateway.say().response
        asked_ms = self.gateway.scripted.runs[-1].queued_at_ms
        self.assertGreater(asked_ms, 10**9)
        self.assertEqual(response.json["created"], asked_ms // 1000)

    def test_agent_before_message(self) -> None:
        """As recorded: an unknown agent is reported before a missing message, a bad parameter before both."""
        self.refused({"model": "agent:nope", "messages": []}, 400, "Unknown agent 'nope'.")
        self.refused({"messages": []}, 400, "Unknown agent 'no pe!'.", {"x-openclaw-agent-id": "no pe!"})
        self.refused(
            {"model": "agent:nope", "messages": [], "temperature": 3}, 400, "`temperature` must be between 0 and 2."
        )

    def test_strict_model(self) -> None:
        """D5: a switch of the operator."""
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}
        self.gateway.chat = ChatCompletions(enabled=True, strict_model=True)
        self.refused(body, 400, "Invalid `model`. Use `openclaw` or `openclaw/<agentId>`.")

    def test_content_type_is_ignored(self) -> None:
        """As recorded."""
        body = b'{"messages":[{"role":"user","content":"x"}]}'
        self.assertEqual(self.gateway.post(body, {"Content-Type": "text/plain"}).response.status, 200)

    def test_t37_header_limits(self) -> None:
        """Control characters never reach a key, a path or a log; long headers end at the parser."""
        body = {"messages": [{"role": "user", "content": "x"}]}
        for name in ("x-openclaw-session-key", "x-openclaw-agent-id"):
            for value in ("a\tb", "\x01", "x" * 600):
                response = self.gateway.post(body, {name: value}).response
                self.assertEqual((response.status, response.error["param"]), (400, name))
            for value, status in (("a\0b", 400), ("a\rb", 400), ("x" * 20_000, 431)):
                client = self.gateway.post(body, {name: value})
                self.assertEqual(client.responses[0].status, status)
                client.advance(1)
                self.assertTrue(client.closed)
        self.assertEqual(self.gateway.scripted.runs, [])

    def test_engine_refuses(self) -> None:
        """A full or draining gateway says when to come back, whether a stream was asked for or not."""
        for code, status, stream in (("queue_full", 429, False), ("gateway_draining", 503, True)):
            self.gateway.scripted.refuse = GatewayError(code, "later", retry_after=5)
            response = self.gateway.say(stream=stream).response
            self.assertEqual((response.status, response.error["code"]), (status, code))
            self.assertEqual(response.header("retry-after"), "5")
            self.assertEqual(response.header("x-should-retry"), "true")

    def test_failures_have_a_status(self) -> None:
        """Provider and run failures, by code."""
        for code, status, retry in (
            ("provider_rate_limit", 429, "true"),
            ("provider_auth", 401, "false"),
            ("provider_billing", 402, "false"),
            ("provider_timeout", 504, "true"),
            ("run_failed", 500, "false"),
            ("context_length_exceeded", 400, None),
            ("tool_choice_unmet", 502, "false"),
            ("local_model_not_installed", 503, "false"),
        ):
            self.gateway.scripted.script = lambda run, code=code: run.fail(code, "why")  # type: ignore[misc]
            response = self.gateway.say().response
            self.assertEqual(
                (response.status, response.error["code"], response.error["message"]), (status, code, "why")
            )
            self.assertEqual(response.header("x-should-retry"), retry)
            self.assertIsNotNone(response.header("x-openclaw-run-id"))
            # The client's own token was good.
            challenge = 'Bearer realm="openclaw"' if status == 401 else None
            self.assertEqual(response.header("www-authenticate"), challenge)

    def test_failure_after_a_tool(self) -> None:
        """What the run says about retrying counts: once a tool has run, a retry would run it again."""
        self.gateway.scripted.script = lambda run: run.fail("provider_error", "x", should_retry=False)
        self.assertEqual(self.gateway.say().response.header("x-should-retry"), "false")

    def test_t22_empty_answer(self) -> None:
        """Never invented prose: what the engine calls empty is an error, a silent answer has no content."""
        self.gateway.scripted.script = lambda run: run.fail("empty_response", "The model said nothing.")
        response = self.gateway.say().response
        self.assertEqual((response.status, response.error["code"]), (502, "empty_response"))
        self.gateway.scripted.script = lambda run: run.end()
        self.assertEqual(self.gateway.say().response.json["choices"][0]["message"]["content"], "")

    def test_t33_finish_reasons(self) -> None:
        """C{length} passes; so does an answer cut by a stop sequence."""

        def short(run: ScriptedRun) -> None:
            run.say("x")
            run.end(finish_reason="length")

        self.gateway.scripted.script = short
        self.assertEqual(self.gateway.say().response.json["choices"][0]["finish_reason"], "length")

    def test_tool_calls(self) -> None:
        """The client's turn: C{tool_calls}, with the words that came along."""

        def call(run: ScriptedRun) -> None:
            run.end(tool_calls=(ToolCall(id="c", name="f", arguments='{"a":1}'),), finish_reason="tool_calls")

        self.gateway.scripted.script = call
        choice = self.gateway.say().response.json["choices"][0]
        self.assertEqual((choice["finish_reason"], choice["message"]["content"]), ("tool_calls", ""))
        self.assertEqual(choice["message"]["tool_calls"][0]["function"], {"name": "f", "arguments": '{"a":1}'})

    def test_several_messages(self) -> None:
        """Joined by a blank line."""

        def two(run: ScriptedRun) -> None:
            run.say("one")
            run.emit(MessageEnded())
            run.say("two")
            run.end(usage=Usage())

        self.gateway.scripted.script = two
        answered = self.gateway.say().response.json
        self.assertEqual(answered["choices"][0]["message"]["content"], "one\n\ntwo")
        self.assertNotIn("usage", answered)

    def test_t13_disconnect(self) -> None:
        """D7: the run is aborted, silently; one that has ended is not."""
        self.gateway.scripted.script = idle
        client = self.gateway.say()
        (run,) = self.gateway.scripted.runs
        client.reset()
        self.assertEqual(run.abort_reasons, ["disconnect"])
        self.gateway.scripted.script = answer
        client = self.gateway.say()
        client.reset()
        self.assertEqual(self.gateway.scripted.runs[1].abort_reasons, [])

    def test_aborted(self) -> None:
        """By somebody else: 499, and no retry."""
        self.gateway.scripted.script = idle
        client = self.gateway.say()
        self.gateway.scripted.runs[0].abort("rpc")
        client.wire.pump()
        self.assertEqual((client.response.status, client.response.error["code"]), (499, "run_aborted"))

    def test_shutdown(self) -> None:
        """A gateway that goes down says so."""
        self.gateway.scripted.script = idle
        client = self.gateway.say()
        self.gateway.scripted.runs[0].abort("shutdown")
        client.wire.pump()
        self.assertEqual((client.response.status, client.response.error["code"]), (503, "gateway_restarting"))

    def test_s17_disabled_while_running(self) -> None:
        """Runs under way finish; the next request meets the switch."""
        self.gateway.scripted.script = idle
        stream, whole = self.gateway.say(stream=True), self.gateway.say()
        self.gateway.chat = ChatCompletions(enabled=False)
        self.assertEqual(self.gateway.say().response.status, 404)
        for run in self.gateway.scripted.runs:
            answer(run)
        stream.wire.pump()
        whole.wire.pump()
        self.assertEqual((stream.response.text, whole.response.status), ("pong", 200))
