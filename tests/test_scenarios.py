# -*- test-case-name: tests.test_scenarios -*-
"""Every tool at work: a model calls it as models do, in a whole gateway, asked over HTTP and over the WebSocket."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from twisted.web.server import Site

from openclaw_tx.testing.network import MemoryEndpoint
from openclaw_tx.values import AssistantMessage, ToolResultMessage, UserMessage
from tests.support.scenarios import KEY, Http, Scenario, WebSocket
from tests.tools.network import Script

PNG = b"\x89PNG\r\n\x1a\nrest"
BETA = {"id": "beta", "name": "Second"}


class EachToolOverHttp(Scenario):
    """One scenario a tool: the model calls it, reads its result, and answers; the run and the transcript tell of it."""

    way: type[Http | WebSocket] = Http
    config: Mapping[str, Any] = {
        "agents": {"list": [{"id": "main", "subagents": {"allowAgents": ["beta"]}}, BETA]},
        "tools": {
            "agentToAgent": {"enabled": True},
            "web": {"search": {"searxng": {"baseUrl": "http://127.0.0.1:8888"}}},
        },
    }

    def start(self, name: str, arguments: Mapping[str, Any]) -> Http | WebSocket:
        """A run whose model begins with this call."""
        self.model.call_tool(name, arguments, text="Let me see.")
        return self.way(self, "Please.")

    def use(self, name: str, arguments: Mapping[str, Any], *, is_error: bool = False) -> Any:
        """A whole run with one call, checked everywhere.

        @return: the tool's result: JSON, or its text.
        """
        self.model.call_tool(name, arguments, text="Let me see.")
        self.model.say("That is it.")
        return self.check(self.way(self, "Please."), name, arguments, is_error=is_error)

    def check(self, asked: Http | WebSocket, name: str, arguments: Mapping[str, Any], *, is_error: bool = False) -> Any:
        """A run of one call has come to its end, and everything tells the same of it."""
        self.assertEqual(asked.text, "Let me see.\n\nThat is it.")
        run = self.run_of(asked.run_id)
        self.assertEqual((run["status"], run["payloads"]), ("ok", ["Let me see.", "That is it."]))
        self.assertGreaterEqual(run["usage"]["total_tokens"], 30)
        (begun,) = self.events_of(asked.run_id, "tool.started")
        (ended,) = self.events_of(asked.run_id, "tool.completed")
        self.assertEqual((begun["name"], begun["arguments"]), (name, arguments))
        self.assertEqual((ended["name"], ended["is_error"]), (name, is_error))
        question, call, result, answer = self.transcript()[-4:]
        assert isinstance(question, UserMessage) and isinstance(call, AssistantMessage)
        assert isinstance(result, ToolResultMessage) and isinstance(answer, AssistantMessage)
        self.assertEqual((question.text, call.text, answer.text), ("Please.", "Let me see.", "That is it."))
        self.assertEqual((call.tool_calls[0].name, result.tool_call_id), (name, call.tool_calls[0].id))
        self.assertEqual((result.is_error, result.text), (is_error, ended["text"]))
        self.assertEqual(self.result(), result)
        self.assert_whole()
        return json.loads(result.text) if result.text.startswith("{") else result.text

    def write(self, name: str, text: str) -> None:
        """A file of the workspace."""
        path = self.workspace / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")

    def test_all_tools_have_one(self) -> None:
        """What the model is offered, it has used in a test here."""
        self.model.say("x")
        self.way(self, "hi")
        names = {tool.name for tool in self.model.requests[0].tools}
        self.assertEqual({name for name in names if not hasattr(self, f"test_{name}")}, set())
        self.assertIn("exec", names)

    # -- files

    def test_read(self) -> None:
        """Lines of a file."""
        self.write("notes.md", "one\ntwo\nthree\n")
        told = self.use("read", {"path": "notes.md", "offset": 2, "limit": 1})
        self.assertEqual(told, "two\n\n[These are lines 2 to 2 of 3. Go on with offset=3.]")

    def test_write(self) -> None:
        """A file in a directory that was not there."""
        self.use("write", {"path": "plans/today.md", "content": "Sail.\n"})
        self.assertEqual((self.workspace / "plans" / "today.md").read_text(), "Sail.\n")

    def test_edit(self) -> None:
        """A passage is exchanged, by the names that models have learnt elsewhere, too."""
        self.write("plan.md", "Sail at noon.\n")
        self.use("edit", {"path": "plan.md", "oldText": "noon", "newText": "dawn"})
        self.model.call_tool("edit", {"file_path": "plan.md", "old_string": "dawn", "new_string": "dusk"})
        self.model.say("Changed.")
        self.assertEqual(self.way(self, "Again.").text, "Changed.")
        self.assertEqual((self.workspace / "plan.md").read_text(), "Sail at dusk.\n")

    def test_apply_patch(self) -> None:
        """Two files at once."""
        self.write("plan.md", "Sail at noon.\nEat.\n")
        patch = (
            "*** Begin Patch\n*** Update File: plan.md\n@@\n-Sail at noon.\n+Sail at dawn.\n Eat.\n"
            "*** Add File: crew.md\n+Ann\n*** End Patch"
        )
        told = self.use("apply_patch", {"input": patch})
        self.assertEqual(told, "Done:\nA crew.md\nM plan.md")
        self.assertEqual((self.workspace / "plan.md").read_text(), "Sail at dawn.\nEat.\n")
        self.assertEqual((self.workspace / "crew.md").read_text(), "Ann\n")

    # -- automation

    def test_cron(self) -> None:
        """A job of its own, which is done when it is due."""
        at = datetime.fromtimestamp(self.machine.seconds() + 60, UTC).isoformat()
        job = {
            "name": "tide",
            "schedule": {"kind": "at", "at": at},
            "sessionTarget": "isolated",
            "payload": {"kind": "agentTurn", "message": "Look at the tide."},
        }
        made = self.use("cron", {"action": "add", "job": job})
        self.assertEqual((made["name"], made["enabled"]), ("tide", True))
        self.model.say("High.")
        self.memory.advance(62, steps=62)
        self.assertIn("Look at the tide.", getattr(self.model.requests[-1].messages[-1], "text", ""))

    # -- commands

    def test_exec(self) -> None:
        """A command's output and its exit code; it runs in the workspace, without the gateway's secrets."""
        arguments = {"command": "make test", "timeout": 60}
        asked = self.start("exec", arguments)
        self.model.say("That is it.")
        self.assertEqual(self.process.command[-1], "make test")
        self.assertIn(str(self.workspace), self.process.command)
        self.process.print("2 tests\n")
        self.process.print("1 failed\n", 2)
        self.process.end(2)
        self.memory.flush()
        told = self.check(asked, "exec", arguments)
        self.assertEqual(told, "2 tests\n1 failed\n\n(Command exited with code 2)")

    def test_process(self) -> None:
        """A command in the background is listed, read, written to and ended."""
        self.model.call_tool("exec", {"command": "python3 -i", "background": True})
        self.model.say("Started.")
        self.way(self, "Start it.")
        self.memory.advance(0)
        session = self.result().details["sessionId"]
        self.process.print(">>> ")
        self.assertIn(f"{session} running", self.use("process", {"action": "list"}))
        self.use("process", {"action": "write", "sessionId": session, "data": "6*7\n"})
        self.assertEqual(self.process.told, b"6*7\n")
        self.process.print("42\n>>> ")
        self.assertIn("42", self.use("process", {"action": "poll", "sessionId": session}))
        kill = {"action": "kill", "sessionId": session}
        asked = self.start("process", kill)
        self.assertEqual(self.process.signals, ["15"])
        self.model.say("That is it.")
        self.process.end(None, 15)
        self.memory.flush()
        self.assertEqual(self.check(asked, "process", kill), f"Killed session {session}.")

    # -- the web

    def test_web_search(self) -> None:
        """A search engine of the operator's own is asked, and what it found is marked as somebody else's."""
        engine = Script()
        found = {"results": [{"title": "Tides", "url": "https://sea.example/", "content": "High at noon."}]}
        engine.replies.append((200, {"content-type": "application/json"}, json.dumps(found).encode()))
        arguments = {"query": "high tide", "count": 3}
        asked = self.start("web_search", arguments)
        self.model.say("That is it.")
        ((host, port, factory, *_),) = self.machine.tcpClients
        self.assertEqual((host, port), ("127.0.0.1", 8888))
        wires = MemoryEndpoint(Site(engine, reactor=self.machine))
        self.memory._endpoints.append(wires)
        wires.connect(factory)
        self.memory.flush()
        told = self.check(asked, "web_search", arguments)
        self.assertIn("q=high+tide", engine.asked[0].uri)
        self.assertIn("High at noon.", json.dumps(told))
        self.assertIn("EXTERNAL_UNTRUSTED_CONTENT", json.dumps(told))

    def test_web_fetch(self) -> None:
        """A page as Markdown, marked as somebody else's."""
        told = self.use("web_fetch", {"url": "https://sea.example/tides", "extractMode": "markdown"})
        self.assertEqual(self.pages.asked, ["https://sea.example/tides"])
        self.assertIn("# Tides", json.dumps(told))
        self.assertIn("EXTERNAL_UNTRUSTED_CONTENT", json.dumps(told))

    # -- memory

    def test_memory_search(self) -> None:
        """What stands in a file of the memory is found."""
        self.write("memory/2026-01-01.md", "# Boat\nThe boat is called Marlene.\n")
        found = self.use("memory_search", {"query": "What is the boat called?"})
        self.assertEqual(found["results"][0]["path"], "memory/2026-01-01.md")
        self.assertIn("Marlene", found["results"][0]["snippet"])

    def test_memory_get(self) -> None:
        """Lines of it are read."""
        self.write("MEMORY.md", "one\ntwo\nthree\n")
        told = self.use("memory_get", {"path": "MEMORY.md", "from": 2, "lines": 1})
        self.assertIn("two", json.dumps(told))
        self.assertNotIn("three", json.dumps(told))

    # -- images

    def test_image(self) -> None:
        """A model looks at an image of the workspace and at one in the call; its usage is the run's."""
        (self.workspace / "chart.png").write_bytes(PNG)
        url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
        for image in ("chart.png", url):
            arguments = {"image": image, "prompt": "What is it?"}
            self.model.call_tool("image", arguments, text="Let me see.")
            self.model.say("A chart.")
            self.model.say("That is it.")
            asked = self.way(self, "Please.")
            self.assertEqual(self.check(asked, "image", arguments), "A chart.")
            self.assertEqual(self.run_of(asked.run_id)["usage"]["total_tokens"], 45)

    # -- sessions and agents

    def test_session_status(self) -> None:
        """The time, and who answers with what."""
        told = self.use("session_status", {})
        self.assertIn("2023", told)
        self.assertIn(self.model.ref, told)

    def test_agents_list(self) -> None:
        """Who there is, and who can be had as a sub-agent."""
        agents = self.use("agents_list", {})["agents"]
        self.assertEqual({agent["id"]: agent["spawn"] for agent in agents}, {"main": True, "beta": True})

    def test_sessions_list(self) -> None:
        """The sessions that there are, with what was said last."""
        self.elsewhere("agent:main:other", "Hello from elsewhere.")
        rows = self.use("sessions_list", {"limit": 10, "messageLimit": 1})["sessions"]
        said = {row["key"]: [message["text"] for message in row["messages"]] for row in rows}
        self.assertEqual(said["agent:main:other"], ["Hello from elsewhere."])

    def test_sessions_history(self) -> None:
        """What was said in one."""
        self.elsewhere("agent:main:other", "Hello from elsewhere.")
        messages = self.use("sessions_history", {"sessionKey": "agent:main:other", "limit": 5})["messages"]
        self.assertEqual([message["text"] for message in messages], ["Hi.", "Hello from elsewhere."])

    def test_sessions_send(self) -> None:
        """Another agent is asked, and its answer read."""
        arguments = {"agentId": "beta", "message": "How is the weather?", "timeoutSeconds": 20}
        self.model.call_tool("sessions_send", arguments, text="Let me see.")
        self.model.say("Sunny.")
        self.model.say("That is it.")
        told = self.check(self.way(self, "Please."), "sessions_send", arguments)
        self.assertEqual((told["status"], told["reply"]), ("ok", "Sunny."))
        texts = [getattr(message, "text", "") for message in self.transcript("agent:beta:main")]
        self.assertEqual(texts, ["How is the weather?", "Sunny."])

    def test_sessions_spawn(self) -> None:
        """A sub-agent takes a task; the run goes on at once, and the session hears of the end."""
        arguments = {"task": "Count the gulls.", "label": "gulls"}
        asked = self.start("sessions_spawn", arguments)
        calls = {"You are a sub-agent" in call.request.system: call for call in self.model.calls[1:]}
        calls[False].text("That is it.")
        calls[False].finish()
        self.memory.flush()
        told = self.check(asked, "sessions_spawn", arguments)
        self.assertEqual(told["status"], "accepted")
        calls[True].text("Seven.")
        calls[True].finish()
        self.model.calls[-1].text("There are seven gulls.")
        self.model.calls[-1].finish()
        self.assertEqual(getattr(self.transcript()[-1], "text", ""), "There are seven gulls.")
        self.assertIn("Seven.", getattr(self.transcript()[-2], "text", ""))

    def elsewhere(self, key: str, answer: str) -> None:
        """Something is said in another session."""
        self.model.say(answer)
        self.memory.gateway.run_agent("Hi.", session_key=key)
        self.assertNotEqual(key, KEY)


class EachToolOverWebSocket(EachToolOverHttp):
    """The same for a client of the WebSocket."""

    way = WebSocket


__all__ = ["EachToolOverHttp", "EachToolOverWebSocket"]
