# -*- test-case-name: tests.web.test_tools -*-
"""C{POST /tools/invoke}."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import ToolContext
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.values import Principal, Target, ToolResult, ToolSpec
from openclaw_tx.web.once import KEEP_SECONDS
from openclaw_tx.web.tools import MAX_AT_WORK, MAX_REPLY
from tests.support.web import Client, Harness

SCHEMA = {
    "type": "object",
    "properties": {"action": {"type": "string"}, "count": {"type": "integer", "minimum": 1}},
    "required": ["count"],
    "additionalProperties": False,
}


class Probe:
    """A tool that tells what it was called with, or does what the test says."""

    def __init__(self, name: str = "probe", schema: dict[str, Any] | None = None) -> None:
        self.spec = ToolSpec(name=name, description="Probe.", parameters=SCHEMA if schema is None else schema)
        self.calls: list[tuple[Mapping[str, Any], ToolContext]] = []
        self.script: Callable[[], Any] = lambda: ToolResult(text="done", details={"n": 1})
        self.cancelled = 0

    async def call(self, arguments: Mapping[str, Any], context: ToolContext) -> ToolResult:
        """See L{openclaw_tx.interfaces.Tool.call}."""
        self.calls.append((arguments, context))
        result = self.script()
        return await result if isinstance(result, Deferred) else result

    def hold(self) -> Deferred[ToolResult]:
        """The next call waits."""

        def cancel(_: object) -> None:
            self.cancelled += 1

        held: Deferred[ToolResult] = Deferred(cancel)
        self.script = lambda: held
        return held


class ToolsCase(SynchronousTestCase):
    """Base: a gateway with one tool."""

    def setUp(self) -> None:
        """A gateway."""
        self.sections: dict[str, Any] = {}
        self.probe = Probe()
        self.gateway = Harness(settings=lambda: msgspec.convert(self.sections, Config))
        self.gateway.tools.tools = [self.probe, Probe("exec"), Probe("cron", {})]
        self.addCleanup(self.gateway.close)

    def ask(self, headers: dict[str, str] | None = None, **fields: Any) -> Client:
        """A call that is good but for what is given."""
        body = json.dumps({"tool": "probe", "args": {"count": 1}, **fields}).encode()
        return self.gateway.ask("POST", "/tools/invoke", body, headers)

    def refused(self, status: int, kind: str, message: str, client: Client) -> None:
        """It is refused in this endpoint's envelope, and nothing was called."""
        response = client.response
        self.assertEqual(response.header("content-type"), "application/json; charset=utf-8")
        self.assertEqual(
            (response.status, response.json), (status, {"ok": False, "error": {"type": kind, "message": message}})
        )


class CallTests(ToolsCase):
    """What a tool gets, and what comes back."""

    def test_result(self) -> None:
        """Text and details; the tool knows agent, session and model, and an id of its own for the call."""
        response = self.ask().response
        self.assertEqual(response.status, 200)
        self.assertEqual(
            response.body, b'{"ok":true,"result":{"content":[{"type":"text","text":"done"}],"details":{"n":1}}}'
        )
        ((arguments, context),) = self.probe.calls
        self.assertEqual(arguments, {"count": 1})
        self.assertEqual(
            (context.agent.id, context.session_key, context.model), ("main", "agent:main:main", "scripted/model")
        )
        self.assertTrue(context.run_id.startswith("tools_"))

    def test_sessions_and_agents(self) -> None:
        """The session key is made whole; a whole one names the agent, and so does C{agentId}."""
        for fields, agent_id, key in (
            ({"sessionKey": "main"}, "main", "agent:main:main"),
            ({"sessionKey": "  "}, "main", "agent:main:main"),
            ({"sessionKey": "Thread"}, "main", "agent:main:thread"),
            ({"agentId": "beta", "sessionKey": "global"}, "beta", "agent:beta:global"),
            ({"agentId": "beta", "sessionKey": "unknown"}, "beta", "agent:beta:unknown"),
            ({"sessionKey": "agent:beta:x"}, "beta", "agent:beta:x"),
            ({"agentId": "BETA"}, "beta", "agent:beta:main"),
            ({"agentId": "beta", "sessionKey": "agent:beta:x"}, "beta", "agent:beta:x"),
        ):
            self.assertEqual(self.ask(**fields).response.status, 200, fields)
            context = self.probe.calls[-1][1]
            self.assertEqual((context.agent.id, context.session_key), (agent_id, key), fields)

    def test_action(self) -> None:
        """Copied where the tool has one and the arguments have none."""
        for args, wanted in (({"count": 1}, "list"), ({"count": 1, "action": "own"}, "own")):
            self.ask(action="list", args=args)
            self.assertEqual(self.probe.calls[-1][0]["action"], wanted)
        plain = Probe("plain", {"type": "object", "properties": {}, "additionalProperties": False})
        self.gateway.tools.tools = [plain]
        self.assertEqual(self.ask(tool="plain", args=None, action="list").response.status, 200)
        self.assertEqual(plain.calls[0][0], {})

    def test_aliases_and_ignored(self) -> None:
        """C{name} wins over C{tool}; C{dryRun} changes nothing."""
        self.assertEqual(self.ask(tool="nope", name="probe", dryRun=True).response.status, 200)
        self.assertEqual(len(self.probe.calls), 1)


class RefusalTests(ToolsCase):
    """What is not called."""

    def test_missing_name(self) -> None:
        """The recorded text."""
        self.refused(400, "invalid_request", "tools.invoke requires name", self.ask(tool=""))

    def test_unknown_and_denied_alike(self) -> None:
        """Nobody can tell a tool that is denied from one that is not there; hostile names are cut and cleaned."""
        for name, shown in (
            ("nope", "nope"),
            ("exec", "exec"),
            ("EXEC", "EXEC"),
            ("cron", "cron"),
            ("Probe", "Probe"),
            ("../probe", "../probe"),
            ("a\nb\x00", "a\ufffdb\ufffd"),
            ("x" * 5000, "x" * 64 + "\u2026"),
        ):
            self.refused(404, "not_found", f"Tool not available: {shown}", self.ask(tool=name))
        self.assertEqual(self.probe.calls, [])

    def test_configured_lists(self) -> None:
        """C{gateway.tools} acts on the next request: C{allow} gives back to owners, C{deny} takes from everybody."""
        self.sections = {"gateway": {"tools": {"allow": ["cron"], "deny": ["probe"]}}}
        self.assertEqual(self.ask(tool="cron", args={}).response.status, 200)
        self.refused(404, "not_found", "Tool not available: probe", self.ask())

    def test_arguments(self) -> None:
        """They must fit the tool's schema; each mistake is named."""
        for args, words in (
            ({}, '"count" is missing.'),
            ({"count": 0}, '"count" must be at least 1.'),
            ({"count": "1"}, '"count" must be an integer'),
            ({"count": 1, "zzz": 1}, '"zzz" is not a parameter'),
            ([1], '"count" is missing.'),
        ):
            response = self.ask(args=args).response
            self.assertEqual((response.status, response.json["error"]["type"]), (400, "invalid_request"), args)
            self.assertIn(words, response.json["error"]["message"])
        self.assertEqual(self.probe.calls, [])

    def test_wrong_fields(self) -> None:
        """Fields of the wrong type, agents that are not there, sessions that are not the client's to name."""
        for fields, message in (
            ({"agentId": 5}, "agentId: Invalid input: expected string, received number"),
            ({"sessionKey": {}}, "sessionKey: Invalid input: expected string, received object"),
            ({"agentId": "nope"}, "Unknown agent 'nope'."),
            ({"sessionKey": "agent:nope:x"}, "Unknown agent 'nope'."),
            (
                {"agentId": "main", "sessionKey": "agent:beta:x"},
                "sessionKey belongs to agent 'beta', agentId is 'main'.",
            ),
            ({"sessionKey": "a\x00"}, "A session key has no control characters."),
            ({"sessionKey": "agent:"}, "A session key reads agent:<agent id>:<name>."),
            ({"sessionKey": "subagent:x"}, "sessionKey: internal sessions can not be used here."),
            ({"sessionKey": "agent:main:cron:x"}, "sessionKey: internal sessions can not be used here."),
        ):
            self.refused(400, "invalid_request", message, self.ask(**fields))
        self.assertEqual(self.ask(sessionKey="k" * 513).response.status, 400)
        self.assertEqual(self.probe.calls, [])

    def test_common_errors(self) -> None:
        """Method, secret, size and syntax have the envelope of the rest of the API, with its four keys."""
        post = self.gateway.ask
        for client, status, code in (
            (post("GET", "/tools/invoke", authorised=False), 405, "method_not_allowed"),
            (post("POST", "/tools/invoke", b"{}", authorised=False), 401, "invalid_api_key"),
            (post("POST", "/tools/invoke", b"{"), 400, "invalid_request"),
            (post("POST", "/tools/invoke", b"[1]"), 400, "invalid_request"),
            (post("POST", "/tools/invoke/", b"{}"), 404, "not_found"),
        ):
            self.assertEqual((client.response.status, client.response.error["code"]), (status, code))
        self.assertEqual(post("PUT", "/tools/invoke", authorised=False).response.header("allow"), "POST")
        client = self.gateway.connect()
        head = {**self.gateway.credentials(), "Content-Length": str(2 * 1024 * 1024 + 1)}
        client.request("POST", "/tools/invoke", b"", head)
        self.assertEqual((client.response.status, client.response.error["code"]), (413, "payload_too_large"))


class ScopeTests(SynchronousTestCase):
    """Who is not an owner."""

    def test_not_an_owner(self) -> None:
        """C{gateway.tools.allow} is not for those without C{operator.admin}; the action is named to the authoriser."""
        asked: list[tuple[str, Target]] = []

        def note(principal: Principal, action: str, target: Target = Target()) -> None:  # noqa: B008
            asked.append((action, target))

        async def writer(credentials: Any, peer: Any) -> Principal:
            return Principal(id="w", method="token", scopes=frozenset({"operator.write"}))

        sections = {"gateway": {"tools": {"allow": ["cron"]}}}
        gateway = Harness(settings=lambda: msgspec.convert(sections, Config), authorise=note)
        self.addCleanup(gateway.close)
        gateway.one_secret.authenticate = writer  # type: ignore[method-assign]
        gateway.tools.tools = [Probe("cron", {})]
        response = gateway.ask("POST", "/tools/invoke", b'{"tool":"cron"}').response
        self.assertEqual(response.status, 404)
        self.assertEqual(
            asked,
            [
                ("tools.invoke", Target()),
                ("tools.invoke", Target(agent_id="main", session_key="agent:main:main")),
            ],
        )


class FailureTests(ToolsCase):
    """Tools that do not do."""

    def test_exception(self) -> None:
        """The client learns that it failed, the log learns why."""

        def fail() -> ToolResult:
            raise ValueError("/etc/secret")

        self.probe.script = fail
        self.refused(500, "tool_error", "tool execution failed", self.ask())
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_gateway_error(self) -> None:
        """An error of ours from within a tool is a failure of the tool, not of the request."""

        def fail() -> ToolResult:
            raise GatewayError("invalid_api_key", "no")

        self.probe.script = fail
        self.refused(500, "tool_error", "tool execution failed", self.ask())
        self.assertEqual(len(self.flushLoggedErrors(GatewayError)), 1)

    def test_error_result(self) -> None:
        """What a tool itself says went wrong is for the client to read."""
        self.probe.script = lambda: ToolResult(text="There is no such file.", is_error=True)
        self.refused(400, "tool_error", "There is no such file.", self.ask())

    def test_unrenderable(self) -> None:
        """Details that are no JSON, and a result beyond all bounds."""
        self.probe.script = lambda: ToolResult(text="a", details=object())
        self.refused(500, "tool_error", "tool execution failed", self.ask())
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
        self.probe.script = lambda: ToolResult(text="a" * MAX_REPLY)
        self.refused(500, "tool_error", "the result is too large", self.ask())

    def test_timeout(self) -> None:
        """After the agent's longest run the tool is stopped."""
        self.probe.hold()
        client = self.ask()
        client.advance(599)
        self.assertEqual((client.responses, self.probe.cancelled), ([], 0))
        client.advance(1)
        self.refused(504, "tool_error", "tool execution timed out", client)
        self.assertEqual(self.probe.cancelled, 1)

    def test_disconnect(self) -> None:
        """A client that goes away stops its tool at once."""
        self.probe.hold()
        client = self.ask()
        client.reset()
        self.assertEqual(self.probe.cancelled, 1)

    def test_too_many(self) -> None:
        """The one too many is told to come again; so is everybody while the gateway shuts down."""
        held: list[Deferred[ToolResult]] = []
        self.probe.script = lambda: held.append(Deferred()) or held[-1]
        clients = [self.ask() for _ in range(MAX_AT_WORK)]
        refused = self.ask().response
        self.assertEqual((refused.status, refused.error["code"]), (429, "queue_full"))
        for client, each in zip(clients, held, strict=True):
            each.callback(ToolResult(text="x"))
            client.advance(0)
        self.assertEqual({client.response.status for client in clients}, {200})
        self.gateway.phases.phase = "draining"
        self.assertEqual(self.ask().response.error["code"], "gateway_draining")


class IdempotencyTests(ToolsCase):
    """C{idempotencyKey}."""

    def test_join_and_replay(self) -> None:
        """One call for two requests at a time and for one afterwards; those say that they are replays."""
        held = self.probe.hold()
        first, second = self.ask(idempotencyKey="k"), self.ask(idempotencyKey="k")
        first.reset()
        self.assertEqual(self.probe.cancelled, 0)
        held.callback(ToolResult(text="once"))
        second.advance(0)
        third = self.ask(idempotencyKey="k")
        for client in (second, third):
            self.assertEqual(client.response.json["result"]["content"][0]["text"], "once")
            self.assertEqual(client.response.header("idempotency-replayed"), "true")
        self.assertEqual(len(self.probe.calls), 1)

    def test_failures_too(self) -> None:
        """A tool that failed is not called again under its key; another key calls it."""
        self.probe.script = lambda: ToolResult(text="no", is_error=True)
        for _ in range(2):
            self.refused(400, "tool_error", "no", self.ask(idempotencyKey="k"))
        self.ask(idempotencyKey="l")
        self.assertEqual(len(self.probe.calls), 2)

    def test_conflict(self) -> None:
        """The same key for another request."""
        self.ask(idempotencyKey="k")
        response = self.ask(idempotencyKey="k", args={"count": 2}).response
        self.assertEqual((response.status, response.error["code"]), (409, "idempotency_key_conflict"))
        self.assertEqual(response.error["param"], "idempotencyKey")

    def test_forgotten(self) -> None:
        """After a while a key is new."""
        self.ask(idempotencyKey="k")
        self.gateway.clock.advance(KEEP_SECONDS)
        self.assertIsNone(self.ask(idempotencyKey="k").response.header("idempotency-replayed"))
        self.assertEqual(len(self.probe.calls), 2)


class WholeGatewayTests(SynchronousTestCase):
    """From the socket to the tool, in memory: the real policy and the real tools."""

    def gateway(self, *own: Any, **sections: Any) -> MemoryGateway:
        """A gateway with tools of its own."""
        gateway = MemoryGateway(sections, tools=own)
        self.addCleanup(gateway.close)
        return gateway

    def status(self, gateway: MemoryGateway, name: str, **fields: Any) -> int:
        """What calling a tool comes to."""
        return gateway.post("/tools/invoke", {"tool": name, **fields}).code

    def test_builtin(self) -> None:
        """C{agents_list} and C{session_status} answer."""
        gateway = self.gateway()
        listed = gateway.post("/tools/invoke", {"tool": "agents_list", "args": {}, "sessionKey": "main"}).json()
        self.assertEqual(listed["result"]["details"]["requester"], "main")
        self.assertEqual([agent["id"] for agent in listed["result"]["details"]["agents"]], ["main", "beta"])
        shown = gateway.post("/tools/invoke", {"tool": "session_status"}).json()
        self.assertEqual(shown["result"]["details"]["sessionKey"], "agent:main:main")

    def test_policy(self) -> None:
        """The agent's own policy holds, by provider too, also where the model is an alias."""
        gateway = self.gateway(
            agents={
                "defaults": {"models": {"scripted/model": {"alias": "quick"}}, "model": "quick"},
                "list": [{"id": "main"}, {"id": "beta", "tools": {"deny": ["agents_list"]}}],
            },
            tools={"byProvider": {"scripted": {"deny": ["session_status"]}}},
        )
        self.assertEqual(self.status(gateway, "agents_list"), 200)
        self.assertEqual(self.status(gateway, "agents_list", agentId="beta"), 404)
        self.assertEqual(self.status(gateway, "session_status"), 404)

    def test_works_without_chat(self) -> None:
        """It has no switch."""
        off = {"http": {"endpoints": {"chatCompletions": {"enabled": False}}}}
        self.assertEqual(self.status(self.gateway(gateway=off), "agents_list"), 200)

    def test_own_tool_named_like_a_dangerous_one(self) -> None:
        """The name counts, whoever made the tool."""
        tool = Probe("nodes", {})
        gateway = self.gateway(tool)
        self.assertEqual(self.status(gateway, "nodes"), 404)
        gateway.gateway.reload(
            {**gateway.config, "gateway": {**gateway.config["gateway"], "tools": {"allow": ["nodes"]}}}
        )
        self.assertEqual(self.status(gateway, "nodes"), 200)

    def test_shutdown(self) -> None:
        """A tool at work when the gateway stops is cancelled."""
        tool = Probe()
        held = tool.hold()
        gateway = MemoryGateway(tools=[tool])
        response = gateway.post("/tools/invoke", {"tool": "probe", "args": {"count": 1}})
        gateway.close()
        self.assertEqual((tool.cancelled, response.code), (1, 0))
        self.assertTrue(held.called)
