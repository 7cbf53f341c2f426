# -*- test-case-name: tests.test_crashes -*-
"""The gateway is killed in the middle of its work, and started again: the whole of it in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.context import CUT_OFF
from openclaw_tx.runs.steps import INTERRUPTED
from openclaw_tx.testing import MemoryGateway, ScriptedModel
from openclaw_tx.values import AssistantMessage, Message, ToolResult, ToolResultMessage, ToolSpec, UserMessage

KEY = "agent:main:work"


class Lever:
    """A tool whose second call takes for ever."""

    spec = ToolSpec(name="pull", description="Pulls a lever.", parameters={"type": "object"})

    def __init__(self) -> None:
        self.calls = 0

    async def call(self, arguments: Mapping[str, Any], context: Any) -> ToolResult:
        """Pull it."""
        self.calls += 1
        if self.calls == 2:
            await Deferred()
        return ToolResult(text=f"pulled {self.calls}")


class Crashes(SynchronousTestCase):
    """Gateways one after the other on one state."""

    def setUp(self) -> None:
        """The first."""
        self.memory = MemoryGateway(tools=[Lever()])
        self.addCleanup(self.memory.close)

    def restart(self) -> MemoryGateway:
        """Stop the gateway as SIGTERM does, and start another."""
        stopped = self.memory.gateway.stopService()
        for _ in range(400):
            if not stopped.called:
                self.memory.advance(0.1)
        return self.kill()

    def kill(self, model: ScriptedModel | None = None) -> MemoryGateway:
        """Kill the gateway and start another.

        @param model: what it has as its model.
        """
        self.memory = MemoryGateway(tools=[Lever()], model=model, after=self.memory)
        self.addCleanup(self.memory.close)
        return self.memory

    def ask(self, text: str, key: str = KEY) -> None:
        """Somebody says something."""
        self.memory.gateway.run_agent(text, session_key=key)
        self.memory.flush()

    def read(self) -> list[Message]:
        """What the model was asked last, from the newest call on."""
        return list(self.memory.model.calls[-1].request.messages)


class ToolTests(Crashes):
    """What tools have done is known after a crash."""

    def test_done_and_begun(self) -> None:
        """Said, done, begun; killed. The agent reads what it did, what nobody knows the end of, and that it was cut
        off."""
        self.memory.model.call_tool("pull", {}, text="I do the first. ")
        self.memory.model.call_tool("pull", {})
        self.ask("both, please")
        self.kill()
        self.ask("go on")
        asked, first, done, second, begun, note, again = self.read()
        assert isinstance(first, AssistantMessage) and isinstance(second, AssistantMessage)
        assert isinstance(done, ToolResultMessage) and isinstance(begun, ToolResultMessage)
        assert isinstance(asked, UserMessage) and isinstance(note, AssistantMessage) and isinstance(again, UserMessage)
        self.assertEqual((asked.text, first.text, note.text), ("both, please", "I do the first. ", CUT_OFF))
        self.assertEqual((done.text, done.tool_call_id), ("pulled 1", first.tool_calls[0].id))
        self.assertEqual((begun.text, begun.tool_call_id), (INTERRUPTED, second.tool_calls[0].id))
        self.assertEqual(again.text, "go on")

    def test_said_and_cut_off(self) -> None:
        """What was said after the tools follows them, once."""
        self.memory.model.call_tool("pull", {}, text="I do it. ")
        self.ask("please")
        self.memory.model.calls[-1].text("Now I")
        self.memory.advance(2, 4)
        self.kill()
        self.ask("go on")
        self.assertEqual([each.text for each in self.read()][1:4], ["I do it. ", "pulled 1", f"Now I\n\n{CUT_OFF}"])  # type: ignore[union-attr]

    def test_nothing_is_left(self) -> None:
        """A turn that ends is stored as it always was."""
        self.memory.model.call_tool("pull", {})
        self.memory.model.say("done")
        self.ask("please")
        self.kill()
        self.ask("more")
        self.assertEqual([each.text for each in self.read()], ["please", "", "pulled 1", "done", "more"])  # type: ignore[union-attr]


class SubagentTests(Crashes):
    """The session that started a sub-agent hears of its end, although the process did not live to tell it."""

    def spawn(self, key: str = KEY, **arguments: Any) -> None:
        """Have a sub-agent; its model says nothing yet."""
        before = len(self.memory.model.calls)
        self.memory.model.call_tool("sessions_spawn", {"task": "count the sheep", **arguments})
        self.ask("please", key)
        parent = next(call for call in self.memory.model.calls[before + 1 :] if not self.is_child(call))
        parent.text("on it")
        parent.finish()

    def is_child(self, call: Any) -> bool:
        """Whether a model call is of a sub-agent."""
        return "You are a sub-agent" in call.request.system

    def child(self) -> Any:
        """The model call of the sub-agent."""
        return next(call for call in self.memory.model.calls if self.is_child(call))

    def told(self) -> list[str]:
        """What agents are told in the turns that began with the gateway."""
        return [call.request.messages[-1].text for call in self.memory.model.calls if not self.is_child(call)]

    def entry(self) -> Any:
        """The session of the sub-agent; None = it is gone."""
        sessions = self.memory.gateway._house.sessions
        found = self.successResultOf(Deferred.fromCoroutine(sessions.spawned(KEY)))
        return found[0] if found else None

    def test_killed(self) -> None:
        """It is told with what the sub-agent had said, once."""
        self.spawn()
        self.child().text("one, two")
        self.memory.advance(2, 4)
        self.kill()
        [told] = self.told()
        self.assertIn("'count the sheep' was cut off when the gateway went down", told)
        self.assertIn("one, two", told)
        self.memory.model.calls[-1].text("The count was cut off.")
        self.memory.model.calls[-1].finish()
        self.kill()
        self.assertEqual(self.told(), [])

    def test_shut_down(self) -> None:
        """The same after an orderly end that did not wait for it; that is told again by nobody."""
        self.spawn(label="sheep")
        self.restart()
        [told] = self.told()
        self.assertIn("'sheep' was cut off", told)
        self.memory.advance(1300, 2)
        self.assertEqual(len(self.told()), 1)

    def test_those_that_waited_for_their_turn(self) -> None:
        """Sub-agents that had not begun are told of like all others, whatever way the process ended."""
        for end in (self.kill, self.restart):
            narrow = {"agents": {"defaults": {"subagents": {"maxConcurrent": 1}}}}
            self.memory = MemoryGateway(narrow, tools=[Lever()])
            self.addCleanup(self.memory.close)
            self.spawn(label="goats")
            self.spawn(label="sheep")
            self.assertEqual(len([call for call in self.memory.model.calls if self.is_child(call)]), 1)
            self.memory.advance(0.1)
            end()
            for name in ("goats", "sheep"):
                self.assertIn(f"'{name}' was cut off", self.told()[-1])
                self.memory.model.calls[-1].text("I see.")
                self.memory.model.calls[-1].finish()
                self.memory.flush()
            self.assertEqual(len(self.told()), 2)

    def test_report_cut_off(self) -> None:
        """A report that had begun stands in the transcript; that will do."""
        self.spawn()
        self.kill()
        self.assertEqual(len(self.told()), 1)
        self.kill()
        self.assertEqual(self.told(), [])
        self.ask("and?")
        self.assertIn("'count the sheep' was cut off", "".join(each.text for each in self.read()))  # type: ignore[union-attr]

    def test_report_that_waited(self) -> None:
        """A sub-agent that was done, but whose parent was busy when the process died, is told as done."""
        self.spawn(cleanup="delete")
        self.ask("something else")
        self.child().text("42")
        self.child().finish()
        self.kill()
        [told] = self.told()
        self.assertIn("is done", told)
        self.assertIn("42", told)
        self.assertIsNone(self.entry())

    def test_report_that_shutdown_refused(self) -> None:
        """The same when the gateway takes no more runs; until then the session is kept."""
        self.spawn(cleanup="delete")
        stopped = self.memory.gateway.stopService()
        self.child().text("42")
        self.child().finish()
        self.memory.advance(10, 100)
        self.assertTrue(stopped.called)
        self.kill()
        self.assertIn("is done", self.told()[0])
        self.assertIsNone(self.entry())

    def test_stopped_by_somebody(self) -> None:
        """Who stopped it knows."""
        self.spawn()
        client = self.memory.websocket()
        client.connect(scopes=["operator.admin"])
        client.request("chat.abort", {"sessionKey": KEY})
        self.assertTrue(self.child().cancelled)
        self.kill()
        self.assertEqual(self.told(), [])

    def test_nobody_to_tell(self) -> None:
        """A conversation that is over, or that has begun anew, is not told."""
        self.spawn()
        sessions = self.memory.gateway._house.sessions
        self.memory.clock.advance(1)
        self.successResultOf(Deferred.fromCoroutine(sessions.reset(KEY)))
        self.kill()
        self.assertEqual(self.told(), [])

    def test_rights(self) -> None:
        """The turn is of whoever asked, without what only an administrator may."""
        self.spawn()
        self.kill()
        [run] = self.memory.gateway.engine.live()
        self.assertEqual((run.principal.id, run.request.session_key), ("local", KEY))
        self.assertEqual(run.principal.scopes, {"operator.read", "operator.write"})
        self.assertEqual(run.principal.agents, ("main",))


class HookTests(Crashes):
    """What hooks were told is taken is known after a crash."""

    def test_one_that_waited(self) -> None:
        """A run that still waited for its session's turn ends as interrupted, as the one before it does."""
        self.memory = MemoryGateway(
            {"hooks": {"enabled": True, "token": "hook-token", "defaultSessionKey": "hook:all"}}, tools=[Lever()]
        )
        self.addCleanup(self.memory.close)
        hook = {"message": "look"}
        taken = [self.memory.post("/hooks/agent", hook, token="hook-token").json()["runId"] for _ in range(2)]
        self.assertEqual(len(self.memory.model.calls), 1)
        self.memory.advance(0.1)
        self.kill()
        ended = [self.memory.get(f"/v1/runs/{run_id}").json() for run_id in taken]
        self.assertEqual([(run["id"], run["status"]) for run in ended], [(run_id, "interrupted") for run_id in taken])
