# -*- test-case-name: tests.cli.test_agent -*-
"""C{openclaw-tx agent} against a gateway in memory."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.agent import Turn, wait_for
from openclaw_tx.cli.answer import Answer
from openclaw_tx.cli.client import connect
from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.main import main
from tests.cli.doubles import NO_SECRETS, TARGET, ScriptedGateway

FINAL = {
    "runId": "run-1",
    "status": "ok",
    "summary": "completed",
    "result": {"payloads": [{"text": "Hello there", "mediaUrl": None}], "meta": {}},
}


class TurnTests(SynchronousTestCase):
    """One turn over the WebSocket."""

    def setUp(self) -> None:
        """A gateway that accepts a run and then waits for the test."""
        self.gateway = ScriptedGateway()
        self.gateway.answers["agent"] = self.accept
        self.gateway.answers["chat.abort"] = {"ok": True, "aborted": True, "runIds": ["run-1"]}
        self.written: list[str] = []
        self.notes: list[str] = []
        self.asked: dict[str, Any] = {}

    def tearDown(self) -> None:
        """No timer is left behind."""
        self.assertEqual(self.gateway.clock.getDelayedCalls(), [])

    def accept(self, request: dict[str, Any]) -> None:
        """The first answer to C{agent}."""
        self.asked = request
        accepted = {"runId": "run-1", "status": "accepted", "acceptedAt": 1, "sessionKey": "agent:main:main"}
        self.gateway.respond(request, accepted)

    def turn(self, as_json: bool = False, **options: Any) -> Turn:
        """A turn whose answer goes to L{written}."""
        given: dict[str, Any] = {"agent_id": None, "session_key": None, "timeout": None, "wait": 60.0, **options}
        answer = None if as_json else Answer(self.written.append, self.notes.append, is_terminal=False)
        return Turn(message="Hi", answer=answer, new_id=lambda: "run-1", echo=self.written.append, **given)

    def begin(self, turn: Turn) -> Deferred[None]:
        """Connect and ask."""
        connecting = Deferred.fromCoroutine(connect(TARGET, self.gateway, self.gateway.clock, turn.on_event))
        self.gateway.flush()
        over = Deferred.fromCoroutine(turn.over(self.successResultOf(connecting)))
        self.gateway.flush()
        return over

    def says(self, text: str, delta: str, **fields: Any) -> None:
        """The gateway sends a piece of the answer."""
        payload = {"runId": "run-1", "stream": "assistant", "data": {"text": text, "delta": delta}, **fields}
        self.gateway.event("agent", payload)
        self.gateway.flush()

    def ends(self, payload: Any = FINAL) -> None:
        """The gateway sends the result."""
        self.gateway.respond(self.asked, payload)
        self.gateway.flush()

    def shown(self) -> str:
        """Standard output so far."""
        return "".join(self.written)

    def test_request(self) -> None:
        """The run's id is its idempotency key; without options it is the main session of the default agent."""
        over = self.begin(self.turn())
        self.assertEqual(
            self.asked["params"],
            {"message": "Hi", "idempotencyKey": "run-1", "sessionKey": "main", "channel": "cli"},
        )
        self.ends()
        self.successResultOf(over)

    def test_options(self) -> None:
        """Agent, session and timeout are handed on."""
        over = self.begin(self.turn(agent_id="beta", session_key="work", timeout=5))
        params = self.asked["params"]
        self.assertEqual((params["agentId"], params["sessionKey"], params["timeout"]), ("beta", "work", 5))
        self.ends()
        self.successResultOf(over)

    def test_streams(self) -> None:
        """Pieces are written as they come, those of other runs are not, the result is not repeated."""
        over = self.begin(self.turn())
        self.says("Hello", "Hello")
        self.assertEqual(self.shown(), "Hello")
        self.says("No", "No", runId="other")
        self.says("Hello there", " there")
        self.assertEqual(self.shown(), "Hello there")
        self.ends()
        self.successResultOf(over)
        self.assertEqual(self.shown(), "Hello there\n")

    def test_two_messages_and_a_tool(self) -> None:
        """The text after a tool is a message of its own; the tool is a note."""
        over = self.begin(self.turn())
        self.says("Wait.", "Wait.")
        tool = {"runId": "run-1", "stream": "tool", "data": {"phase": "start", "name": "session_status"}}
        self.gateway.event("agent", tool)
        self.gateway.event("agent", {**tool, "data": {"phase": "result", "name": "session_status"}})
        self.says("Noon.", "Noon.")
        self.ends()
        self.successResultOf(over)
        self.assertEqual((self.shown(), self.notes), ("Wait.\n\nNoon.\n", ["[session_status]"]))

    def test_no_events(self) -> None:
        """An answer that came only as a result is shown."""
        over = self.begin(self.turn())
        self.ends()
        self.successResultOf(over)
        self.assertEqual(self.shown(), "Hello there\n")

    def test_json(self) -> None:
        """With --json there is the result and nothing else."""
        over = self.begin(self.turn(as_json=True))
        self.says("Hello", "Hello")
        self.ends()
        self.successResultOf(over)
        self.assertEqual(json.loads(self.shown()), FINAL)

    def test_odd_payloads(self) -> None:
        """Events and results of an unknown shape are no reason to fall over."""
        for payload in (None, "text", {"runId": "run-1"}, {"runId": "run-1", "stream": "assistant", "data": {}}):
            self.turn().on_event("agent", payload)
        for payload in (None, [], {"result": None}, {"result": {"payloads": [None, {"text": None}, 7]}}):
            turn = self.turn()
            turn.show(payload)
        self.assertEqual(self.shown(), "")

    def test_failure(self) -> None:
        """A failed run is one line in the gateway's words; what was said stays on its own line. Nothing to abort."""
        over = self.begin(self.turn())
        self.says("Hal", "Hal")
        self.gateway.refuse(self.asked, "the model is overloaded", "UNAVAILABLE")
        self.gateway.flush()
        self.assertEqual(self.failureResultOf(over, CommandError).value.message, "the model is overloaded")
        self.assertEqual(self.shown(), "Hal\n")
        self.assertNotIn("chat.abort", self.gateway.methods())

    def test_ctrl_c(self) -> None:
        """A cancelled turn aborts its run, by the full session key that the gateway gave, before it ends."""
        over = self.begin(self.turn())
        self.says("Hal", "Hal")
        over.cancel()
        self.assertNoResult(over)
        self.gateway.flush()
        self.failureResultOf(over, CancelledError)
        abort = self.gateway.requests[-1]
        self.assertEqual(abort["method"], "chat.abort")
        self.assertEqual(abort["params"], {"sessionKey": "agent:main:main", "runId": "run-1"})
        self.assertEqual(self.shown(), "Hal\n")

    def test_ctrl_c_and_silence(self) -> None:
        """A gateway that does not confirm the abort does not keep us."""
        self.gateway.answers.pop("chat.abort")
        over = self.begin(self.turn())
        over.cancel()
        self.gateway.flush()
        self.assertNoResult(over)
        self.gateway.clock.advance(2)
        self.failureResultOf(over, CancelledError)

    def test_closed_pipe(self) -> None:
        """When nobody reads our output any more the run is aborted, and nothing more is written."""

        def write(text: str) -> None:
            if self.written:
                raise BrokenPipeError(32, "Broken pipe")
            self.written.append(text)

        turn = self.turn()
        turn.answer = Answer(write, self.notes.append, is_terminal=False)
        over = self.begin(turn)
        self.says("Hello", "Hello")
        self.assertNoResult(over)
        self.says("Hello there", " there")
        self.says("Hello there!", "!")
        self.failureResultOf(over, BrokenPipeError)
        self.assertEqual(self.gateway.methods(), ["connect", "agent", "chat.abort"])

    def test_waits(self) -> None:
        """The command waits longer than the run may take, and without limit when the run has none."""
        self.assertEqual([wait_for(0), wait_for(5), wait_for(600)], [None, 35.0, 630.0])


class OptionTests(SynchronousTestCase):
    """What is refused before anything is sent."""

    def refusal(self, *arguments: str, stdin: str = "") -> str:
        """Standard error of a command that fails."""
        home = self.mktemp()
        result = CliRunner().invoke(main, ["agent", *arguments], input=stdin, env={"HOME": home, **NO_SECRETS})
        self.assertNotEqual(result.exit_code, 0)
        self.assertNotIn("Traceback", result.output)
        return result.stderr

    def test_no_message(self) -> None:
        """A message is needed, and it must say something."""
        self.assertIn("Missing option '-m'", self.refusal())
        self.assertIn("the message is empty", self.refusal("-m", "  "))
        self.assertIn("the message is empty", self.refusal("-m", "-", stdin="\n"))

    def test_local_and_url(self) -> None:
        """--local uses no gateway."""
        self.assertIn("--local", self.refusal("-m", "x", "--local", "--url", "ws://127.0.0.1"))

    def test_bad_timeout(self) -> None:
        """A timeout is a whole number of seconds."""
        self.assertIn("--timeout", self.refusal("-m", "x", "--timeout", "-1"))

    def test_no_configuration(self) -> None:
        """A newcomer is told how to begin."""
        self.assertIn("openclaw-tx setup", self.refusal("-m", "x"))
