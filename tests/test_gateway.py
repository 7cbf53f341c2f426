# -*- test-case-name: tests.test_gateway -*-
"""The whole gateway in memory: what only shows when every room is real."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from openclaw_tx import Gateway
from openclaw_tx.errors import ConfigError, GatewayError
from openclaw_tx.ids import new_uuid
from openclaw_tx.interfaces import OnEvents
from openclaw_tx.sessions.lifecycle import inline_parts
from openclaw_tx.testing import TOKEN, MemoryGateway, ScriptedModel
from openclaw_tx.testing.network import MemoryEndpoint
from openclaw_tx.testing.websocket import MemoryWebSocket
from openclaw_tx.values import ModelReply, ModelRequest, RunEnded, RunResult, ToolResult, ToolSpec

HELLO = {"messages": [{"role": "user", "content": "hi"}]}
CHAT = "/v1/chat/completions"


class GatewayCase(SynchronousTestCase):
    """A gateway for each test; it must stop clean."""

    config: dict[str, Any] = {}

    def setUp(self) -> None:
        """Start it."""
        self.memory = MemoryGateway(self.config)
        self.addCleanup(self.memory.close)
        self.model = self.memory.model

    def chat(self, body: dict[str, Any] | None = None, **headers: str) -> Any:
        """A chat completion; header names with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.memory.post(CHAT, {**HELLO, **(body or {})}, headers=named)

    def keys(self) -> list[str]:
        """Keys of the stored sessions."""
        client = self.memory.websocket()
        client.connect()
        rows = client.request("sessions.list")["payload"]["sessions"]
        client.close()
        return sorted(row["key"] for row in rows)


class OneEngineTests(GatewayCase):
    """S4, S5, S6: both surfaces are two doors of one house."""

    config = {
        "tools": {"allow": ["agents_list", "session_status"], "deny": ["agents_list"]},
        "agents": {"list": [{"id": "main"}, {"id": "beta", "tools": {"deny": ["session_status"]}}]},
    }

    def test_s05_http_run_is_seen_on_websocket(self) -> None:
        """A WebSocket client sees the agent events of a run that came by HTTP."""
        client = self.memory.websocket()
        client.connect()
        self.model.say("Hel", "lo")
        run_id = self.chat().headers["x-openclaw-run-id"]
        self.memory.flush()
        mine = [event["payload"] for event in client.events("agent") if event["payload"]["runId"] == run_id]
        said = "".join(payload["data"].get("delta", "") for payload in mine if payload["stream"] == "assistant")
        self.assertEqual(said, "Hello")
        self.assertEqual([p["data"]["phase"] for p in mine if p["stream"] == "lifecycle"][-1], "end")
        self.assertEqual([payload["seq"] for payload in mine], list(range(1, len(mine) + 1)))
        client.close()

    def test_s05_one_session_for_both(self) -> None:
        """An HTTP request and a WebSocket C{agent} with one key share history and lane."""
        client = self.memory.websocket()
        client.connect()
        first = self.chat(x_openclaw_session_key="agent:main:shared")
        accepted = client.request(
            "agent", {"message": "and now?", "sessionKey": "agent:main:shared", "idempotencyKey": "k"}
        )
        self.assertEqual(accepted["payload"]["status"], "accepted")
        self.assertEqual(len(self.model.calls), 1)
        self.model.calls[0].text("one")
        self.model.calls[0].finish()
        self.memory.flush()
        self.assertEqual(first.json()["choices"][0]["message"]["content"], "one")
        self.assertEqual([m.text for m in self.model.requests[1].messages], ["hi", "one", "and now?"])
        self.model.calls[1].text("two")
        self.model.calls[1].finish()
        self.memory.flush()
        self.assertEqual(client.response(accepted["id"])["payload"]["status"], "ok")
        self.assertEqual(self.keys(), ["agent:main:shared"])
        client.close()

    def test_what_a_failed_turn_asked(self) -> None:
        """The model reads it when the client resends it before its next message, once."""
        asked: list[dict[str, Any]] = []

        def ask(text: str) -> list[str]:
            asked.append({"role": "user", "content": text})
            response = self.chat({"user": "ana", "messages": asked})
            if response.code == 200:
                asked.append(response.json()["choices"][0]["message"])
            return [message.text for message in self.model.requests[-1].messages]

        self.model.fail("provider_rejected", "no")
        self.model.say("It is short.")
        self.model.say("It was long.")
        self.assertEqual(ask("Sum up: a long text"), ["Sum up: a long text"])
        self.assertEqual(ask("Please try again"), ["Sum up: a long text", "Please try again"])
        self.assertEqual(ask("Really?"), ["Sum up: a long text", "Please try again", "It is short.", "Really?"])

    def test_s06_tool_policy(self) -> None:
        """A denied tool is absent from the model request of an HTTP run; an agent's own policy counts too."""
        for model, has_status in (("openclaw", True), ("openclaw:beta", False)):
            self.model.say("x")
            self.chat({"model": model})
            names = {tool.name for tool in self.model.requests[-1].tools}
            self.assertEqual("session_status" in names, has_status)
            self.assertNotIn("agents_list", names)

    def test_silent_reply(self) -> None:
        """A model that chose to say nothing is answered with empty content; one that just said nothing is an error."""
        self.model.say("NO_REPLY")
        self.assertEqual(self.chat().json()["choices"][0]["message"]["content"], "")
        self.model.say("")
        self.assertEqual(self.chat().json()["error"]["code"], "empty_response")

    def test_tool_round(self) -> None:
        """The built-in status tool runs inside an HTTP run and tells the session it is in."""
        self.model.call_tool("session_status", {})
        self.model.say("Done.")
        response = self.chat({"user": "alice"})
        self.assertEqual(response.json()["choices"][0]["message"]["content"], "Done.")
        self.assertIn("agent:main:openai-user:alice", self.model.requests[1].messages[-1].text)


class SessionTests(GatewayCase):
    """S15, S18, S19 over the real store."""

    def test_s18_stateless(self) -> None:
        """Two plain requests share nothing and leave nothing."""
        for _ in range(2):
            self.model.say("x")
            self.chat()
        self.assertEqual(len(self.model.requests[1].messages), 1)
        self.assertEqual(self.keys(), [])

    def test_s19_user(self) -> None:
        """The same user continues; another user and another agent do not see it."""
        for user, model in (("Alice", "openclaw"), ("alice", "openclaw"), ("bob", "openclaw"), ("alice", "agent:beta")):
            self.model.say("x")
            self.chat({"user": user, "model": model})
        self.assertEqual([len(request.messages) for request in self.model.requests], [1, 3, 1, 1])
        self.assertEqual(
            self.keys(),
            ["agent:beta:openai-user:alice", "agent:main:openai-user:alice", "agent:main:openai-user:bob"],
        )

    def test_resent_history_is_not_doubled(self) -> None:
        """A client that keeps its own history and a session do not add up (design decision 14)."""
        self.model.say("one")
        self.chat({"user": "a"})
        self.model.say("two")
        resent = [*HELLO["messages"], {"role": "assistant", "content": "one"}, {"role": "user", "content": "more"}]
        self.memory.post(CHAT, {"messages": resent, "user": "a"})
        self.assertEqual([message.text for message in self.model.requests[1].messages], ["hi", "one", "more"])

    def test_session_header(self) -> None:
        """The header decides, keeps its case, and is echoed; two calls share the transcript."""
        for _ in range(2):
            self.model.say("x")
            response = self.chat({"user": "ignored"}, x_openclaw_session_key="agent:main:My-Thread")
            self.assertEqual(response.headers["x-openclaw-session-key"], "agent:main:My-Thread")
        self.assertEqual(len(self.model.requests[1].messages), 3)
        self.assertEqual(self.keys(), ["agent:main:My-Thread"])


class ReloadTests(GatewayCase):
    """Edits take effect without a restart."""

    def enabled(self, switch: bool, **auth: Any) -> dict[str, Any]:
        """The configuration with the endpoint on or off."""
        section = {**self.memory.config["gateway"], "http": {"endpoints": {"chatCompletions": {"enabled": switch}}}}
        if auth:
            section["auth"] = auth
        return {**self.memory.config, "gateway": section}

    def test_s16_s17_toggle(self) -> None:
        """Off means 404 for the next request while a running stream finishes; on answers again."""
        stream = self.chat({"stream": True})
        self.memory.gateway.reload(self.enabled(False))
        refused = self.chat()
        self.assertEqual((refused.code, refused.json()["error"]["code"]), (404, "endpoint_disabled"))
        self.model.calls[0].text("still here")
        self.model.calls[0].finish()
        self.memory.flush()
        self.assertEqual(stream.events()[-1], "[DONE]")
        self.memory.gateway.reload(self.enabled(True))
        self.model.say("back")
        self.assertEqual(self.chat().code, 200)

    def test_rotated_secret(self) -> None:
        """After a rotation the old secret is out, on both surfaces and for connections already open."""
        client = self.memory.websocket()
        client.connect()
        self.memory.gateway.reload(self.enabled(True, mode="token", token="another-secret"))
        self.memory.advance(0)
        self.assertEqual(client.closed and client.closed[0], 4001)
        self.assertEqual(self.memory.post(CHAT, HELLO).code, 0)  # the wrong secret is answered late
        self.memory.advance(1)
        self.model.say("x")
        self.assertEqual(self.memory.post(CHAT, HELLO, token="another-secret").code, 200)

    def test_bad_edit(self) -> None:
        """What can not be used changes nothing."""
        self.assertRaises(ConfigError, self.memory.gateway.reload, {"gateway": {"port": "x"}})
        self.model.say("x")
        self.assertEqual(self.chat().code, 200)

    def test_new_agent(self) -> None:
        """An agent added to the list answers at once."""
        config = self.enabled(True)
        config["agents"] = {**config["agents"], "list": [{"id": "main"}, {"id": "gamma"}]}
        self.memory.gateway.reload(config)
        self.model.say("x")
        self.assertEqual(self.chat({"model": "openclaw/gamma"}).code, 200)


class RunAgentTests(GatewayCase):
    """The embedder's door."""

    def test_events_and_result(self) -> None:
        """Events come as they happen; the result is the last of them."""
        seen: list[Any] = []
        deferred = self.memory.gateway.run_agent("hi", on_event=seen.append)
        self.assertNoResult(deferred)
        self.model.calls[0].text("yes")
        self.model.calls[0].finish()
        result = self.successResultOf(deferred)
        self.assertEqual(seen[-1].event, RunEnded(result=result))
        self.assertEqual((result.text, result.agent_id), ("yes", "main"))

    def test_cancel(self) -> None:
        """Cancelling the Deferred aborts the run and the model call."""
        deferred = self.memory.gateway.run_agent("hi")
        deferred.cancel()
        self.failureResultOf(deferred, CancelledError)
        self.assertTrue(self.model.calls[0].cancelled)

    def test_what_is_no_unicode(self) -> None:
        """Python's texts may hold half surrogate pairs, as names of files do. The model is asked without them, and what
        a tool adds for clients does not keep the turn from being stored."""

        class Lister:
            spec = ToolSpec(name="names", description="Lists names.", parameters={"type": "object"})

            async def call(self, arguments: Mapping[str, Any], context: Any) -> ToolResult:
                return ToolResult(text="caf\udce9", details={"names": ["caf\udce9"]})

        memory = MemoryGateway(tools=[Lister()])
        self.addCleanup(memory.close)
        memory.model.call_tool("names", {})
        memory.model.say("One.")
        result = self.successResultOf(memory.gateway.run_agent("What is caf\udce9?", user="ana"))
        self.assertEqual((result.status, result.text), ("ok", "One."))
        asked, _, listed = memory.model.requests[-1].messages
        self.assertEqual((asked.text, listed.text), ("What is caf\ufffd?", "caf\ufffd"))

    def test_failed_run_is_a_result(self) -> None:
        """A run that failed fires with its result, which tells why."""
        self.model.fail("provider_auth", "401 no")
        result: RunResult = self.successResultOf(self.memory.gateway.run_agent("hi"))
        assert result.error is not None
        self.assertEqual((result.status, result.error.code), ("error", "provider_auth"))

    def test_refused(self) -> None:
        """A run that was not admitted fails with the refusal."""
        gateway = self.memory.gateway
        for fields in ({"agent_id": "nope"}, {"session_key": "agent:beta:x", "agent_id": "main"}):
            self.failureResultOf(gateway.run_agent("hi", **fields), GatewayError)

    def test_bad_time(self) -> None:
        """What is no time for a run is refused by its name."""
        for seconds in (-1, float("nan"), float("inf")):
            failure = self.failureResultOf(self.memory.gateway.run_agent("hi", timeout_s=seconds), GatewayError)
            self.assertEqual((failure.value.info.code, failure.value.info.param), ("invalid_request", "timeout_s"))
        self.assertEqual(self.model.calls, [])

    def test_no_names(self) -> None:
        """An empty session key names no session, as an empty user does not: nobody lands in somebody else's."""
        for fields in ({"session_key": ""}, {"user": ""}):
            self.model.say("x")
            key = self.successResultOf(self.memory.gateway.run_agent("hi", **fields)).session_key
            self.assertIn(":openai:", key)
        self.assertEqual(self.keys(), [])

    def test_half_pairs(self) -> None:
        """Half a surrogate pair in what is said is U+FFFD, as everywhere."""
        self.model.say("x")
        run = self.memory.gateway.run_agent("a\ud800b", session_key="desk", extra_system="s\udfff")
        self.assertEqual(self.successResultOf(run).status, "ok")
        self.assertEqual(self.model.requests[0].messages[-1].text, "a\ufffdb")
        self.assertIn("s\ufffd", self.model.requests[0].system)

    def test_broken_listener(self) -> None:
        """An C{on_event} that raises is logged and called no more; the run goes on, and its result comes."""
        called: list[Any] = []
        deferred = self.memory.gateway.run_agent("hi", on_event=lambda entry: called.pop())
        self.model.calls[0].text("yes")
        self.model.calls[0].finish()
        self.assertEqual(self.successResultOf(deferred).text, "yes")
        self.assertEqual(len(self.flushLoggedErrors(IndexError)), 1)

    def test_session_key_names_the_agent(self) -> None:
        """A whole key needs no agent beside it."""
        self.model.say("x")
        result = self.successResultOf(self.memory.gateway.run_agent("hi", session_key="agent:beta:desk"))
        self.assertEqual((result.agent_id, result.session_key), ("beta", "agent:beta:desk"))

    def test_idempotency(self) -> None:
        """The same run id joins the same run; another question under it is refused."""
        self.model.say("x")
        results = [self.successResultOf(self.memory.gateway.run_agent("hi", run_id="mine", user="u")) for _ in range(2)]
        self.assertEqual(results[0], results[1])
        self.assertEqual(len(self.model.calls), 1)
        self.failureResultOf(self.memory.gateway.run_agent("other", run_id="mine", user="u"), GatewayError)


class MountedTests(SynchronousTestCase):
    """Under a foreign Site, at a prefix."""

    def setUp(self) -> None:
        """Mount a gateway at /deep/agents."""
        self.memory = MemoryGateway()
        self.addCleanup(self.memory.close)
        root, deep = Resource(), Resource()
        root.putChild(b"deep", deep)
        deep.putChild(b"agents", self.memory.gateway.resource())
        site = Site(root, reactor=self.memory.clock)
        site.noisy = False
        self.memory.site = site  # type: ignore[assignment]

    def test_http(self) -> None:
        """Every path works below the prefix, and only there; errors keep their shape."""
        self.memory.model.say("x")
        self.assertEqual(self.memory.post(f"/deep/agents{CHAT}", HELLO).code, 200)
        self.assertEqual(self.memory.get("/deep/agents/v1/models").json()["object"], "list")
        self.assertEqual(self.memory.get("/deep/agents/healthz", token=None).code, 200)
        self.assertEqual(self.memory.get("/deep/agents/v1/nope").json()["error"]["code"], "not_found")
        self.assertEqual(self.memory.post(CHAT, HELLO).code, 404)

    def test_body_cap(self) -> None:
        """The limit on bodies holds although the foreign site has buffered it."""
        self.assertEqual(self.memory.post(f"/deep/agents{CHAT}", b" " * (20 * 1024 * 1024 + 1)).code, 413)

    def test_websocket(self) -> None:
        """The upgrade works at the mount point."""
        endpoint = MemoryEndpoint(self.memory.site)
        self.memory._endpoints.append(endpoint)
        client = MemoryWebSocket(self.memory.clock, endpoint, self.memory.flush, TOKEN, path="/deep/agents/")
        self.assertEqual(client.connect()["type"], "hello-ok")
        client.close()


class WholeModel(ScriptedModel):
    """Gives its replies back and says nothing on the way, the least that an embedder's provider can do."""

    async def stream(self, model: str, request: ModelRequest, on_events: OnEvents) -> ModelReply:
        """The reply of the script."""
        return await super().stream(model, request, lambda events: None)


class WholeModelTests(GatewayCase):
    """A provider that hands on no events."""

    def setUp(self) -> None:
        """Such a one."""
        self.memory = MemoryGateway(model=WholeModel())
        self.addCleanup(self.memory.close)
        self.model = self.memory.model

    def test_text(self) -> None:
        """The text of its reply is the answer, streamed or not."""
        for body in ({}, {"stream": True}):
            self.model.say("Hel", "lo")
            answer = self.chat(body)
            self.assertEqual((answer.code, "Hello" in answer.text()), (200, True))

    def test_refusal(self) -> None:
        """A reply that declines is one."""
        deferred = self.memory.gateway.run_agent("hi")
        self.model.calls[0].refuse("No.")
        self.model.calls[0].finish()
        result = self.successResultOf(deferred)
        self.assertEqual((result.refusal, result.text), (True, "No."))

    def test_calls(self) -> None:
        """Its calls of the client's tools reach the client; those of the agent's own are made."""
        tool = {"type": "function", "function": {"name": "lamp", "parameters": {"type": "object"}}}
        self.model.call_tool("lamp", {"on": True})
        pieces = self.chat({"stream": True, "tools": [tool]}).events()
        calls = [call for piece in pieces[:-1] for call in piece["choices"][0]["delta"].get("tool_calls", ())]
        self.assertEqual([call["function"]["name"] for call in calls if "id" in call], ["lamp"])
        self.model.call_tool("session_status", {})
        self.model.say("Fine.")
        self.assertEqual(self.chat().json()["choices"][0]["message"]["content"], "Fine.")


class LifeTests(SynchronousTestCase):
    """Starting, stopping, two at once."""

    def test_two_gateways(self) -> None:
        """Two gateways in one process share nothing."""
        one, two = MemoryGateway(), MemoryGateway({"gateway": {"auth": {"token": "two"}}})
        self.addCleanup(one.close)
        self.addCleanup(two.close)
        one.model.say("from one")
        two.model.say("from two")
        self.assertEqual(one.post(CHAT, HELLO).json()["choices"][0]["message"]["content"], "from one")
        self.assertEqual(two.post(CHAT, HELLO, token="two").json()["choices"][0]["message"]["content"], "from two")

    def test_drain(self) -> None:
        """At a stop streams end with an error that says why, new work is refused, WebSockets close with 1012."""
        memory = MemoryGateway({"gateway": {"shutdownGraceSeconds": 2}})
        self.addCleanup(memory.close)
        client = memory.websocket()
        client.connect()
        stream = memory.post(CHAT, {**HELLO, "stream": True})
        memory.model.calls[0].text("half")
        stopping = memory.gateway.stopService()
        memory.flush()
        refused = memory.post(CHAT, HELLO)
        self.assertEqual((refused.code, refused.headers["retry-after"]), (503, "5"))
        self.assertEqual(refused.json()["error"]["code"], "gateway_draining")
        self.assertEqual(memory.get("/readyz").code, 503)
        self.assertEqual(memory.get("/healthz", token=None).code, 200)
        memory.advance(6, steps=60)
        self.assertTrue(stopping.called)
        self.assertEqual(stream.events()[-2]["error"]["code"], "gateway_restarting")
        self.assertEqual(client.closed and client.closed[0], 1012)
        self.assertEqual([event["event"] for event in client.events()][-1], "shutdown")

    def test_drain_with_open_ports(self) -> None:
        """While runs end, who comes is answered: probes, what only reads, and new work, which is refused. The stop that
        follows waits no second time."""
        memory = MemoryGateway({"gateway": {"shutdownGraceSeconds": 20}})
        self.addCleanup(memory.close)
        run = memory.post(CHAT, HELLO)
        drained = Deferred.fromCoroutine(memory.gateway.drain())
        memory.flush()
        for path, status in (("/readyz", 503), ("/startupz", 503), ("/healthz", 200), ("/v1/models", 200)):
            answer = memory.get(path)
            self.assertEqual(answer.code, status, path)
        for path, body in ((CHAT, HELLO), ("/v1/runs", {"message": "x"})):
            refused = memory.post(path, body)
            self.assertEqual((refused.code, refused.json()["error"]["code"]), (503, "gateway_draining"))
            self.assertEqual((refused.headers["retry-after"], refused.headers["x-should-retry"]), ("5", "true"))
        memory.advance(19, steps=19)
        self.assertNoResult(drained)
        memory.model.calls[0].text("late")
        memory.model.calls[0].finish()
        memory.flush()
        self.successResultOf(drained)
        self.assertEqual(run.json()["choices"][0]["message"]["content"], "late")
        stopping = memory.gateway.stopService()
        memory.advance(1, steps=10)
        self.successResultOf(stopping)

    def test_drain_of_an_idle_gateway(self) -> None:
        """Nobody is waited for."""
        memory = MemoryGateway()
        self.addCleanup(memory.close)
        self.successResultOf(Deferred.fromCoroutine(memory.gateway.drain()))

    def test_no_module_state(self) -> None:
        """A gateway that was made and never started leaves nothing behind."""
        clock: Any = MemoryReactorClock()
        model = ScriptedModel()
        directory = Path(self.mktemp())
        clock.callFromThread = lambda function, *args: function(*args)
        token = {"gateway": {"auth": {"token": "a-secret"}}, "models": {"mode": "replace"}}
        Gateway(clock, token, state_dir=directory, models={"scripted": model})
        self.assertEqual(clock.getDelayedCalls(), [])

    def made(self, clock: Any = None) -> Gateway:
        """A gateway as an application has one, not started."""
        clock = clock or MemoryReactorClock()
        config = {"gateway": {"auth": {"token": "a-secret"}}, "models": {"mode": "replace"}}
        store = inline_parts(clock.seconds, new_uuid)
        return Gateway(clock, config, state_dir=self.mktemp(), environment={}, models={}, store=store)

    def stop(self, *services: Any) -> None:
        """Stop them; it takes no time."""
        for service in services:
            self.successResultOf(service.stopService())

    def test_in_one_application(self) -> None:
        """Two gateways are services of one application, beside one that is called gateway."""
        application = MultiService()  # type: ignore[no-untyped-call]
        other = MultiService()  # type: ignore[no-untyped-call]
        other.setName("gateway")  # type: ignore[no-untyped-call]
        clock: Any = MemoryReactorClock()
        for service in (other, self.made(clock), self.made(clock)):
            service.setServiceParent(application)
        application.startService()
        self.successResultOf(application.stopService())
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_never_started(self) -> None:
        """One that never was started stops without a complaint."""
        gateway = self.made()
        self.stop(gateway)
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_started_twice(self) -> None:
        """A second start of a gateway that runs does nothing: an application starts what was started by hand."""
        clock: Any = MemoryReactorClock()
        gateway = self.made(clock)
        gateway.startService()
        begun = len(clock.getDelayedCalls())
        gateway.startService()
        self.assertEqual(len(clock.getDelayedCalls()), begun)
        self.stop(gateway)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_not_again(self) -> None:
        """One that was stopped says that it does not start again, and leaves its directory to the next one."""
        gateway = self.made()
        gateway.startService()
        self.stop(gateway)
        error = self.assertRaises(RuntimeError, gateway.startService)
        self.assertIn("make another one", str(error))
        self.assertFalse(gateway.running)
        self.stop(gateway)

    def test_one_for_a_directory(self) -> None:
        """A second gateway on a state directory does not start, in one process as in two; one that only runs agents
        does, and the next one when the first has stopped."""
        memory = MemoryGateway()
        self.addCleanup(memory.close)
        directory = str(memory.gateway.settings.state_dir)
        more: dict[str, Any] = {
            "state_dir": directory,
            "models": {memory.model.provider: memory.model},
            "store": inline_parts(memory.clock.seconds, new_uuid),
        }
        second = Gateway(memory.clock, memory.config, **more)
        error = self.assertRaises(ConfigError, second.startService)
        self.assertIn(f"process {os.getpid()}, is at work on {directory}", str(error))
        self.assertFalse(second.running)
        beside = Gateway(memory.clock, memory.config, automation=False, **more)
        for each in (beside, memory.gateway, second):
            if each is not memory.gateway:
                each.startService()
            stopped = each.stopService()
            memory.advance(30, steps=300)
            self.assertTrue(stopped.called)

    def test_preview(self) -> None:
        """A prompt can be looked at without a run and without a trace."""
        model = ScriptedModel()
        directory = Path(self.mktemp()).absolute()
        config = {"gateway": {"auth": {"token": "a-secret"}}, "agents": {"list": [{"id": "main"}, {"id": "beta"}]}}
        clock: Any = MemoryReactorClock()
        clock.callFromThread = lambda function, *args: function(*args)
        gateway = Gateway(clock, config, state_dir=directory, models={"scripted": model})
        text, report = gateway.preview_prompt("beta", model=model.ref)
        self.assertIn(f"{directory}/workspace-beta", text)
        self.assertEqual((report.chars, report.model), (len(text), model.ref))
        self.assertIn("session_status", [tool.name for tool in report.tools])
        self.assertTrue(gateway.preview_prompt()[1].workspace.endswith("/workspace"))
        self.assertFalse(directory.exists())
        for given, code in ((("nobody",), "invalid_request"), (("main", "x/y"), "model_not_found")):
            error = self.assertRaises(GatewayError, gateway.preview_prompt, given[0], model="".join(given[1:]))
            self.assertEqual(error.info.code, code)

    def test_missing_secret(self) -> None:
        """Without a secret there is no gateway."""
        error = self.assertRaises(ConfigError, Gateway, MemoryReactorClock(), {}, state_dir=self.mktemp())
        self.assertIn("OPENCLAW_GATEWAY_TOKEN", str(error))
