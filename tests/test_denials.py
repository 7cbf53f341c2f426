# -*- test-case-name: tests.test_denials -*-
"""Tools that are denied, that need a person's word, and that are stopped in the middle: the whole gateway in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.python.failure import Failure

from openclaw_tx.testing import MemoryWebSocket
from tests.support.scenarios import KEY, Http, Scenario

CAREFUL: Mapping[str, Any] = {"tools": {"exec": {"security": "allowlist", "ask": "on-miss", "approvalTimeoutSec": 60}}}
APPROVERS = ("operator.read", "operator.write", "operator.approvals")


class DeniedTests(Scenario):
    """Tools that the policy takes away."""

    def offered(self) -> set[str]:
        """Names that the model was told in its newest request."""
        return {tool.name for tool in self.model.requests[-1].tools}

    def test_not_offered(self) -> None:
        """A denied tool is not in the request; called all the same, it is an error, and nothing is started."""
        self.configure(tools={"deny": ["group:runtime"]})
        self.model.call_tool("exec", {"command": "id"})
        self.model.say("I may not.")
        self.assertEqual(Http(self, "Who are you?").text, "I may not.")
        self.assertFalse(self.offered() & {"exec", "process"})
        self.assertIn("session_status", self.offered())
        self.assertTrue(self.result().is_error)
        self.assertEqual(self.result().text, "Tool exec not found")
        self.assertEqual(self.machine.spawned, [])
        self.assert_goes_on()

    def test_denied_meanwhile(self) -> None:
        """A tool that was offered, and denied before the model called it, does nothing."""
        asked = Http(self, "Who are you?")
        call = self.model.calls[-1]
        self.assertIn("exec", self.offered())
        self.configure(tools={"deny": ["exec"]})
        call.call_tool("exec", {"command": "id"})
        self.model.say("I may not any more.")
        call.finish()
        self.memory.flush()
        self.assertEqual(asked.text, "I may not any more.")
        self.assertEqual((self.result().is_error, self.result().text), (True, "Tool exec is not allowed any more"))
        self.assertEqual(self.machine.spawned, [])
        self.assert_goes_on()
        self.assertNotIn("exec", self.offered())

    def test_denied_between_two_calls(self) -> None:
        """Also the second call of one message, when the first was at work as the policy changed."""
        self.model.call_tools(("exec", {"command": "one"}), ("exec", {"command": "two"}))
        asked = Http(self, "Both.")
        self.configure(tools={"deny": ["exec"]})
        self.model.say("Only one.")
        self.process.end(0)
        self.memory.flush()
        self.assertEqual(asked.text, "Only one.")
        self.assertEqual([self.result(-2).is_error, self.result(-1).is_error], [False, True])
        self.assertEqual(len(self.machine.spawned), 1)
        self.assert_whole()

    def test_one_agent(self) -> None:
        """What is denied to one agent, another one has."""
        del self.memory.config["agents"]["list"]
        self.configure(agents={"list": [{"id": "main", "tools": {"deny": ["exec"]}}, {"id": "beta"}]})
        for agent, has in (("main", False), ("beta", True)):
            self.model.say("x")
            body = {"model": f"openclaw:{agent}", "messages": [{"role": "user", "content": "hi"}]}
            self.memory.post("/v1/chat/completions", body)
            self.assertEqual("exec" in self.offered(), has)


class ApprovalTests(Scenario):
    """A command that a person is asked about."""

    config = CAREFUL

    def setUp(self) -> None:
        """A person at a WebSocket, who is asked while a chat completion runs."""
        super().setUp()
        self.person = self.websocket(*APPROVERS)

    def ask(self) -> Http:
        """A run whose model wants to run a command."""
        self.model.call_tool("exec", {"command": "hostname > name"})
        return Http(self, "What is this machine called?")

    def question(self, number: int = -1) -> dict[str, Any]:
        """What the person is asked."""
        payload: dict[str, Any] = self.person.events("exec.approval.requested")[number]["payload"]
        return payload

    def answer(self, decision: str, client: MemoryWebSocket | None = None) -> dict[str, Any]:
        """The person's word."""
        params = {"id": self.question()["id"], "decision": decision}
        return (client or self.person).request("exec.approval.resolve", params)

    def test_allow_once(self) -> None:
        """It runs after the word, as it was written; the next one is asked about again."""
        asked = self.ask()
        self.assertEqual(self.question()["request"]["command"], "hostname > name")
        self.assertEqual(self.machine.spawned, [])
        self.assertTrue(self.answer("allow-once")["ok"])
        self.assertEqual(self.process.command[-1], "hostname > name")
        self.model.say("Done.")
        self.process.end(0)
        self.memory.flush()
        self.assertEqual(asked.text, "Done.")
        self.assertFalse(self.result().is_error)
        (told,) = self.person.events("exec.approval.resolved")
        self.assertEqual(told["payload"]["decision"], "allow-once")
        events = self.events_of(asked.run_id, "approval.requested", "approval.resolved", "tool.completed")
        self.assertEqual(
            [event["type"] for event in events], ["approval.requested", "approval.resolved", "tool.completed"]
        )
        self.assert_whole()
        again = self.ask()
        self.assertEqual(len(self.person.events("exec.approval.requested")), 2)
        self.model.say("No.")
        self.answer("deny")
        self.assertEqual(again.text, "No.")

    def test_deny(self) -> None:
        """It does not run; the model is told, and the turn goes on."""
        asked = self.ask()
        self.model.say("Then not.")
        self.answer("deny")
        self.assertEqual(asked.text, "Then not.")
        self.assertTrue(self.result().is_error)
        self.assertIn("denied", self.result().text)
        self.assertEqual(self.machine.spawned, [])
        self.assert_goes_on()

    def test_expired(self) -> None:
        """Nobody's word in time is no."""
        asked = self.ask()
        self.model.say("Nobody was there.")
        self.memory.advance(61)
        self.assertEqual(asked.text, "Nobody was there.")
        self.assertTrue(self.result().is_error)
        (told,) = self.person.events("exec.approval.resolved")
        self.assertEqual((told["payload"]["decision"], told["payload"]["expired"]), ("deny", True))
        self.assertEqual(self.machine.spawned, [])
        self.assertFalse(self.answer("allow-once")["ok"])
        self.assert_goes_on()

    def test_person_gone(self) -> None:
        """Who was asked hangs up: the question waits for another one, who comes later and sees it."""
        asked = self.ask()
        self.person.close()
        other = self.websocket(*APPROVERS)
        (waiting,) = other.request("exec.approval.list")["payload"]
        self.assertEqual(waiting["id"], self.question()["id"])
        self.model.say("Then not.")
        self.answer("deny", other)
        self.assertEqual(asked.text, "Then not.")

    def test_asker_gone(self) -> None:
        """The client whose run asks hangs up: the question is taken back, and a late yes starts nothing."""
        body = {"messages": [{"role": "user", "content": "Name?"}], "stream": True}
        self.model.call_tool("exec", {"command": "hostname > name"})
        client = self.memory.post("/v1/chat/completions", body, headers={"x-openclaw-session-key": KEY})
        self.memory.flush()
        self.question()
        client.disconnect()
        self.memory.flush()
        self.assertEqual(self.person.request("exec.approval.list")["payload"], [])
        self.assertFalse(self.answer("allow-once")["ok"])
        self.assertEqual(self.machine.spawned, [])
        self.assert_goes_on()

    def test_without_the_scope(self) -> None:
        """Who may run agents but not approve neither sees the question nor answers it."""
        other = self.websocket("operator.read", "operator.write")
        asked = self.ask()
        self.assertEqual(other.events("exec.approval.requested"), [])
        self.assertFalse(self.answer("allow-once", other)["ok"])
        self.assertEqual(self.machine.spawned, [])
        self.model.say("Then not.")
        self.answer("deny")
        self.assertEqual(asked.text, "Then not.")


class AbortTests(Scenario):
    """Runs that are stopped while a command is at work."""

    config = {"tools": {"exec": {"backgroundMs": 120_000}}}

    def setUp(self) -> None:
        """A client that may stop runs."""
        super().setUp()
        self.client = self.websocket()

    def begin(self) -> Http:
        """A run in the middle of two calls."""
        self.model.call_tools(("exec", {"command": "sleep 300"}), ("session_status", {}))
        return Http(self, "Wait.")

    def stopped(self, stop: Callable[[Http], object], reason: str = "", error: str = "") -> None:
        """Stop it, and see what is left.

        @param reason: why it was aborted.
        @param error: code of the error that it failed with.
        """
        asked = self.begin()
        stop(asked)
        self.memory.flush()
        self.assertEqual(self.process.signals, ["15"])
        self.memory.advance(1.1)
        self.assertEqual(self.process.signals[:2], ["15", "9"])
        self.process.end(None, 9)
        self.memory.advance(1)
        run = self.run_of(asked.run_id)
        self.assertEqual((run["status"], run["abort_reason"] or ""), ("error" if error else "aborted", reason))
        self.assertEqual(run["error"]["code"] if error else "", error)
        ends = self.events_of(asked.run_id, "tool.started", "tool.completed")
        self.assertEqual([event["type"] for event in ends], ["tool.started", "tool.completed"])
        self.assertTrue(ends[-1]["is_error"])
        kinds = [type(message).__name__ for message in self.transcript()]
        self.assertEqual(kinds[:4], ["UserMessage", "AssistantMessage", "ToolResultMessage", "ToolResultMessage"])
        self.assert_goes_on()
        self.assertEqual(self.memory.gateway._house.engine.live(), [])

    def test_disconnect(self) -> None:
        """The client of a stream hangs up."""
        self.stopped(lambda asked: asked.hang_up(), "disconnect")

    def test_chat_abort(self) -> None:
        """A chat client stops the session."""
        self.stopped(lambda asked: self.client.request("chat.abort", {"sessionKey": KEY}), "rpc")

    def test_stop_word(self) -> None:
        """Somebody says stop."""
        params = {"sessionKey": KEY, "message": "/stop", "idempotencyKey": "stop"}
        self.stopped(lambda asked: self.client.request("chat.send", params), "stop")

    def test_delete(self) -> None:
        """The run is cancelled by its id."""
        self.stopped(lambda asked: self.memory.request("DELETE", f"/v1/runs/{asked.run_id}"), "request")

    def test_timeout(self) -> None:
        """The run's time is over."""
        self.configure(agents={"defaults": {"timeoutSeconds": 30}})
        self.stopped(lambda asked: self.memory.advance(30), error="run_timeout")

    def test_shutdown(self) -> None:
        """The gateway stops: the command ends with it, and nothing is left behind."""
        asked = self.begin()
        stopped = self.memory.gateway.stopService()
        for _ in range(200):
            if self.process.signals and self.process.alive:
                self.process.end(None, 15)
            self.memory.advance(0.1)
        self.assertTrue(stopped.called)
        self.assertNotIsInstance(self.successResultOf(stopped), Failure)
        self.assertEqual(self.process.signals[0], "15")
        self.assertTrue(asked.ended)
