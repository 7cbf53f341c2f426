# -*- test-case-name: tests.test_agents_together -*-
"""Sub-agents and agents that talk to each other: the whole gateway in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing import MemoryGateway
from openclaw_tx.tools import background
from openclaw_tx.values import ModelRequest, RunResult, ToolResultMessage

CONFIG: Mapping[str, Any] = {
    "agents": {
        "defaults": {"subagents": {"maxChildrenPerAgent": 2}},
        "list": [{"id": "main", "subagents": {"allowAgents": ["beta"]}}, {"id": "beta"}, {"id": "gamma"}],
    },
    "tools": {"agentToAgent": {"enabled": True, "allow": ["main", "beta"]}},
}


class Together(SynchronousTestCase):
    """A gateway with three agents, of which two may reach each other."""

    def setUp(self) -> None:
        self.gateway = MemoryGateway(CONFIG)
        self.addCleanup(self.gateway.close)
        self.model = self.gateway.model
        self.ended: list[RunResult] = []
        self.gateway.gateway.subscribe(lambda run, entries: self.ended.append(run.outcome) if run.outcome else None)

    def ask(self, message: str, session_key: str = "agent:main:main") -> None:
        """Start a run; answers that are queued are played at once."""
        self.gateway.gateway.run_agent(message, session_key=session_key)
        self.gateway.flush()

    def result_of_tool(self, request: ModelRequest) -> Any:
        """What the newest tool call in a request gave: JSON, or its text."""
        message = next(each for each in reversed(request.messages) if isinstance(each, ToolResultMessage))
        return json.loads(message.text) if message.text.startswith("{") else message.text

    def last_user_text(self, request: ModelRequest) -> str:
        """The newest user message of a request."""
        return next(each.text for each in reversed(request.messages) if each.__struct_config__.tag == "user")  # type: ignore[union-attr]

    def abort(self, session_key: str) -> None:
        """A chat client stops a session."""
        client = self.gateway.websocket()
        client.connect(scopes=["operator.admin"])
        client.request("chat.abort", {"sessionKey": session_key})


class SpawnTests(Together):
    """C{sessions_spawn}."""

    def spawn(self, **arguments: Any) -> Any:
        """A run of main spawns a sub-agent, hears that it has, and ends.

        @return: what the tool gave.
        """
        before = len(self.model.calls)
        self.ask("please")
        parent = self.model.calls[before]
        parent.call_tool("sessions_spawn", {"task": "count", **arguments})
        parent.finish()
        self.gateway.flush()
        following = next(
            call for call in self.model.calls[before + 1 :] if "You are a sub-agent" not in call.request.system
        )
        following.text("on it")
        following.finish()
        return self.result_of_tool(following.request)

    def child_call(self, number: int = 0) -> Any:
        """The model call of a sub-agent."""
        return [call for call in self.model.calls if "You are a sub-agent" in call.request.system][number]

    def test_whole_way(self) -> None:
        """The tool answers at once; the child works with less; its parent's session is told in a turn of its own."""
        found = self.spawn(label="counting")
        self.assertEqual(found["status"], "accepted")
        child = self.child_call()
        self.assertEqual(self.last_user_text(child.request), "count")
        names = {tool.name for tool in child.request.tools}
        self.assertTrue(names.isdisjoint({"sessions_spawn", "sessions_send", "sessions_list", "session_status"}))
        child.text("forty-two")
        child.finish()
        announce = self.model.calls[-1]
        told = self.last_user_text(announce.request)
        self.assertIn("'counting' is done", told)
        self.assertIn("forty-two", told)
        announce.text("It is 42.")
        announce.finish()
        result = self.ended[-1]
        self.assertEqual((result.session_key, result.text), ("agent:main:main", "It is 42."))

    def test_no_room(self) -> None:
        """Where there is no room for more work nothing is started that would need it."""
        self.patch(background, "MAX_WORK", 0)
        self.assertIn("was not started: Too many agents", self.spawn())
        self.assertEqual([call for call in self.model.calls if "You are a sub-agent" in call.request.system], [])

    def test_kept(self) -> None:
        """The child's session is kept under the parent's name, with its label."""
        key = self.spawn(label="counting")["childSessionKey"]
        self.child_call().text("x")
        self.child_call().finish()
        entry = self.entry(key)
        self.assertEqual((entry.label, entry.settings.spawned_by), ("counting", "agent:main:main"))

    def test_deleted(self) -> None:
        """With cleanup it goes when it is done."""
        key = self.spawn(cleanup="delete")["childSessionKey"]
        self.child_call().text("x")
        self.child_call().finish()
        self.assertIsNone(self.entry(key))

    def entry(self, key: str) -> Any:
        """A session's entry."""
        from twisted.internet.defer import Deferred

        return self.successResultOf(Deferred.fromCoroutine(self.gateway.gateway._house.sessions.get(key)))

    def test_another_agent(self) -> None:
        """Only those that the agent may have."""
        self.assertIn("agent:beta:subagent:", self.spawn(agentId="beta")["childSessionKey"])
        self.assertIn("can not be had", self.spawn(agentId="gamma"))
        self.assertIn("can not be had", self.spawn(agentId="nobody"))

    def test_too_many(self) -> None:
        """A session has so many at work; when one is done the next may start."""
        self.spawn()
        self.spawn()
        self.assertIn("2 sub-agents", self.spawn())
        self.child_call().text("x")
        self.child_call().finish()
        self.model.calls[-1].text("NO_REPLY")
        self.model.calls[-1].finish()
        self.assertEqual(self.spawn()["status"], "accepted")

    def test_bad_model(self) -> None:
        """A model that there is not starts nothing."""
        self.assertIn("Unknown model", self.spawn(model="nope/nope"))

    def test_failed(self) -> None:
        """The parent hears of a failure too."""
        self.spawn()
        self.child_call().fail("provider_rejected", "no such thing")
        told = self.last_user_text(self.model.calls[-1].request)
        self.assertIn("failed: no such thing", told)

    def test_report_in_an_outage(self) -> None:
        """A report whose turn failed is still there for the next one."""
        self.spawn()
        child = self.child_call()
        child.text("forty-two")
        child.finish()
        self.model.calls[-1].fail("provider_rejected", "no such thing")
        self.ask("and?")
        told = [message.text for message in self.model.calls[-1].request.messages]
        self.assertEqual([text.count("forty-two") for text in told if "Sub-agent report" in text], [1])

    def test_stopped(self) -> None:
        """Also of a child whose model was stopped before its first word."""
        self.spawn()
        self.child_call().finish("length")
        self.gateway.flush()
        self.assertIn("failed: The model was stopped", self.last_user_text(self.model.calls[-1].request))

    def test_time_is_over(self) -> None:
        """A child that takes too long is ended, and its parent told."""
        self.spawn(runTimeoutSeconds=5)
        self.gateway.advance(6)
        self.assertIn("took too long", self.last_user_text(self.model.calls[-1].request))

    def test_stopped_with_its_parent(self) -> None:
        """Who stops a session stops its sub-agents; the agent hears of it, but starts no turn over it."""
        self.spawn()
        calls = len(self.model.calls)
        self.abort("agent:main:main")
        self.assertTrue(self.child_call().cancelled)
        self.assertEqual(len(self.model.calls), calls)
        self.assertIn("was stopped", self.gateway.gateway._house.events.peek("agent:main:main")[0])

    def test_stopped_before_it_began(self) -> None:
        """One that was waiting for its turn has taken no time."""
        self.gateway = MemoryGateway({"agents": {"defaults": {"subagents": {"maxConcurrent": 1}}}})
        self.addCleanup(self.gateway.close)
        self.model = self.gateway.model
        self.spawn(label="first")
        waits = self.spawn(label="second")
        run = self.gateway.gateway.engine.get(waits["runId"])
        assert run is not None
        run.abort("stop")
        self.gateway.flush()
        [event] = self.gateway.gateway._house.events.peek("agent:main:main")
        self.assertIn("'second' was stopped (0 s, 0 tokens", event)

    def test_stopped_by_a_new_beginning(self) -> None:
        """A conversation that somebody begins anew knows nothing of the sub-agents of the one before, which end: by a
        command and by the method alike."""
        for number, (method, params) in enumerate(
            [
                ("chat.send", {"sessionKey": "agent:main:main", "message": "/new hi", "idempotencyKey": "k1"}),
                ("sessions.reset", {"key": "agent:main:main"}),
            ]
        ):
            self.spawn()
            client = self.gateway.websocket()
            client.connect(scopes=["operator.admin"])
            self.assertTrue(client.request(method, params)["ok"])
            self.gateway.flush()
            self.assertTrue(self.child_call(number).cancelled, method)
            if not self.model.calls[-1].done.called:
                self.model.calls[-1].finish("length")
            self.ask("hello")
            told = [message.text for message in self.model.calls[-1].request.messages]
            self.assertEqual([text for text in told if "Sub-agent report" in text], [], method)
            self.model.calls[-1].text("hi")
            self.model.calls[-1].finish()

    def test_stateless_parent(self) -> None:
        """A request without a session gets no second answer; the child's stays in its session."""
        self.model.call_tool("sessions_spawn", {"task": "count"})
        self.model.say("child")
        self.model.say("on it")
        answer = self.gateway.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]})
        self.assertEqual(answer.code, 200)
        self.assertEqual(len(self.model.calls), 3)

    def test_depth(self) -> None:
        """A sub-agent that the policy lets have the tool still can not use it."""
        self.gateway.gateway.reload(
            {**self.gateway.config, "tools": {"subagents": {"tools": {"allow": ["sessions_spawn"]}}}}
        )
        self.spawn()
        child = self.child_call()
        child.call_tool("sessions_spawn", {"task": "more"})
        child.finish()
        self.assertIn("can not start sub-agents", self.result_of_tool(self.model.calls[-1].request))


class SendTests(Together):
    """C{sessions_send}."""

    def send(self, **arguments: Any) -> Any:
        """A run of main that calls the tool, up to the other's model call or the next one of its own."""
        self.ask("please")
        call = self.model.calls[-1]
        call.call_tool("sessions_send", {"message": "how are you?", **arguments})
        call.finish()
        self.gateway.flush()
        return self.model.calls[-1]

    def test_answer(self) -> None:
        """Another agent's main session answers, knowing who asks; the answer is the tool's result."""
        beta = self.send(agentId="beta")
        self.assertIn("agent main", beta.request.system)
        self.assertEqual(self.last_user_text(beta.request), "how are you?")
        beta.text("fine")
        beta.finish()
        found = self.result_of_tool(self.model.calls[-1].request)
        self.assertEqual((found["status"], found["reply"]), ("ok", "fine"))

    def test_too_late(self) -> None:
        """An answer that was not waited for long enough comes as a message, and the other may be answered."""
        beta = self.send(agentId="beta", timeoutSeconds=5)
        self.gateway.advance(5)
        main = self.model.calls[-1]
        self.assertEqual(self.result_of_tool(main.request)["status"], "timeout")
        main.text("It takes long.")
        main.finish()
        beta.text("fine")
        beta.finish()
        self.assertEqual(self.last_user_text(self.model.calls[-1].request), "fine")
        self.model.calls[-1].text("good")
        self.model.calls[-1].finish()
        self.assertEqual(self.last_user_text(self.model.calls[-1].request), "good")
        calls = len(self.model.calls)
        self.model.calls[-1].text("REPLY_SKIP")
        self.model.calls[-1].finish()
        self.assertEqual(len(self.model.calls), calls)

    def test_no_room(self) -> None:
        """Without room for more work a message that is not waited for is not sent; one that was is not refused."""
        self.patch(background, "MAX_WORK", 0)
        found = self.result_of_tool(self.send(agentId="beta", timeoutSeconds=0).request)
        self.assertIn("Too many agents", found["error"])
        beta = self.send(agentId="beta", timeoutSeconds=5)
        self.assertEqual(self.last_user_text(beta.request), "how are you?")
        self.gateway.advance(5)
        found = self.result_of_tool(self.model.calls[-1].request)
        self.assertEqual(found["status"], "timeout")
        self.assertIn("not be brought to you", found["note"])

    def test_ping_pong_ends(self) -> None:
        """Two agents that never tire are stopped."""
        main = self.send(agentId="beta", timeoutSeconds=0)
        self.assertEqual(self.result_of_tool(main.request)["status"], "accepted")
        main.text("sent")
        main.finish()
        for _ in range(20):
            open_calls = [call for call in self.model.calls if not call.done.called]
            if not open_calls:
                break
            open_calls[0].text("and you?")
            open_calls[0].finish()
        turns = [result for result in self.ended if result.run_id.startswith("run_")]
        # The run itself, what it asked for, and five turns more.
        self.assertEqual(len(turns), 7)

    def test_no_deadlock(self) -> None:
        """A waits for B, which writes to A: B's message waits for A's turn, B does not wait for ever."""
        beta = self.send(agentId="beta")
        beta.call_tool("sessions_send", {"message": "what?", "sessionKey": "agent:main:main", "timeoutSeconds": 3})
        beta.finish()
        self.gateway.advance(3)
        again = self.model.calls[-1]
        self.assertEqual(self.result_of_tool(again.request)["status"], "timeout")
        again.text("fine")
        again.finish()
        found = self.result_of_tool(self.model.calls[-1].request)
        self.assertEqual(found["reply"], "fine")

    def test_out_of_reach(self) -> None:
        """Agents that do not take part, sessions that are not there, and the session itself."""
        for arguments, words in (
            ({"agentId": "gamma"}, "no session"),
            ({"sessionKey": "agent:beta:nothing"}, "no session"),
            ({"sessionKey": "nothing"}, "no session"),
            ({"label": "nothing"}, "no session"),
            ({}, "no session"),
            ({"sessionKey": "main"}, "this very session"),
        ):
            call = self.send(**arguments)
            self.assertIn(words, self.result_of_tool(call.request))
            call.text("oh")
            call.finish()

    def test_failed(self) -> None:
        """The other's failure is the tool's."""
        self.send(agentId="beta").fail("provider_rejected", "no such thing")
        found = self.result_of_tool(self.model.calls[-1].request)
        self.assertEqual((found["status"], found["error"]), ("error", "no such thing"))

    def test_stopped(self) -> None:
        """So is that it said nothing because its model was stopped."""
        self.send(agentId="beta").finish("length")
        found = self.result_of_tool(self.model.calls[-1].request)
        self.assertEqual(found["status"], "error")
        self.assertIn("stopped before it had said anything", found["error"])


class LookTests(Together):
    """C{sessions_list} and C{sessions_history}."""

    def setUp(self) -> None:
        super().setUp()
        for key in ("agent:main:one", "agent:beta:two", "agent:gamma:three"):
            self.model.say(f"hello from {key}")
            self.ask("hi", key)

    def look(self, tool: str, **arguments: Any) -> Any:
        """What a tool tells a run of main."""
        self.model.call_tool(tool, arguments)
        self.model.say("done")
        self.ask("look")
        return self.result_of_tool(self.model.requests[-1])

    def test_list(self) -> None:
        """Those of the agent, and of agents it may reach; newest first."""
        found = self.look("sessions_list", messageLimit=1)
        rows = {row["key"]: row for row in found["sessions"]}
        self.assertEqual(set(rows), {"agent:main:main", "agent:main:one", "agent:beta:two"})
        self.assertTrue(rows["agent:main:main"]["current"])
        self.assertEqual(rows["agent:beta:two"]["messages"][0]["text"], "hello from agent:beta:two")
        self.assertEqual(self.look("sessions_list", kinds=["main"])["count"], 1)

    def test_long_ago(self) -> None:
        """A model that asks for longer ago than any session is told so, by the name of its argument."""
        self.assertEqual(self.look("sessions_list", activeMinutes=1000.0)["count"], 3)
        for minutes in (2 * 10**14, 2e14, 10**30):
            self.assertIn("activeMinutes", str(self.look("sessions_list", activeMinutes=minutes)))

    def test_visibility(self) -> None:
        """It may be narrowed to the session itself, or to what it has spawned."""
        for visibility, keys in (("self", {"agent:main:main"}), ("tree", {"agent:main:main"})):
            self.gateway.gateway.reload({**self.gateway.config, "tools": {"sessions": {"visibility": visibility}}})
            rows = self.look("sessions_list")["sessions"]
            self.assertEqual({row["key"] for row in rows}, keys)
            self.assertIn("no session", self.look("sessions_history", sessionKey="one"))

    def test_history(self) -> None:
        """What was said, tools only when asked for; not of sessions out of reach."""
        found = self.look("sessions_history", sessionKey="one")
        self.assertEqual([row["text"] for row in found["messages"]], ["hi", "hello from agent:main:one"])
        self.look("sessions_list")
        with_tools = self.look("sessions_history", sessionKey="main", includeTools=True)["messages"]
        self.assertIn("toolResult", {row["role"] for row in with_tools})
        without = self.look("sessions_history", sessionKey="main")["messages"]
        self.assertNotIn("toolResult", {row["role"] for row in without})
        self.assertIn("no session", self.look("sessions_history", sessionKey="agent:gamma:three"))

    def test_capitals(self) -> None:
        """Keys that came with an HTTP request keep their case, and are found by what the list shows; others are in
        lower case, however a model writes them.
        """
        key = "agent:main:MyKey"
        self.model.say("hello from the web")
        body = {"model": "openclaw", "messages": [{"role": "user", "content": "hi"}]}
        answer = self.gateway.post("/v1/chat/completions", body, headers={"x-openclaw-session-key": "MyKey"})
        self.assertEqual(answer.headers["x-openclaw-session-key"], key)
        self.assertIn(key, {row["key"] for row in self.look("sessions_list")["sessions"]})
        for name in (key, "MyKey", "Agent:Main:MyKey"):
            found = self.look("sessions_history", sessionKey=name)
            self.assertEqual((found["sessionKey"], len(found["messages"])), (key, 2))
        self.assertIn(f"Session: {key}", self.look("session_status", sessionKey="MyKey"))
        self.assertEqual(self.look("sessions_history", sessionKey="ONE")["sessionKey"], "agent:main:one")
        self.assertIn("no session", self.look("sessions_history", sessionKey="mykey"))
        found = self.look("sessions_send", sessionKey=key, message="and?", timeoutSeconds=0)
        self.assertEqual((found["status"], found["sessionKey"]), ("accepted", key))

    def test_one_conversation(self) -> None:
        """Where all conversations are one, a model finds it by the name that the list shows, and as its main one."""
        self.gateway.gateway.reload({**self.gateway.config, "session": {"scope": "global"}})
        self.model.say("hello from all")
        self.ask("hi", "global")

        def look(session_key: str, tool: str, **arguments: Any) -> Any:
            self.model.call_tool(tool, arguments)
            self.model.say("done")
            self.ask("look", session_key)
            return self.result_of_tool(self.model.requests[-1])

        for key in ("agent:main:one", "global"):
            rows = look(key, "sessions_list", kinds=["main"])["sessions"]
            self.assertEqual([row["key"] for row in rows], ["global"])
            for name in ("global", "main", "agent:main:main"):
                self.assertEqual(look(key, "sessions_history", sessionKey=name)["sessionKey"], "global")
                self.assertIn("Session: global", look(key, "session_status", sessionKey=name))
        self.assertIn("very session", look("global", "sessions_send", sessionKey="global", message="x"))
        self.model.call_tool("sessions_send", {"sessionKey": "global", "message": "and?"})
        self.model.say("fine")
        self.model.say("done")
        self.ask("look", "agent:main:one")
        found = self.result_of_tool(self.model.requests[-1])
        self.assertEqual((found["status"], found["sessionKey"], found["reply"]), ("ok", "global", "fine"))

    def test_model_of_a_session(self) -> None:
        """C{session_status} sets a session's model within the list, and takes it back."""
        self.assertIn("Unknown model", self.look("session_status", model="nope/nope"))
        self.assertIn("from the next message on: scripted/model", self.look("session_status", model="scripted/model"))
        self.assertNotIn("from the next message on", self.look("session_status", model="default"))
