"""A chief and a relay together: who serves what, who knows of what, and what is left when either is gone."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing.http import send
from openclaw_tx.testing.network import MemoryEndpoint
from openclaw_tx.values import ToolResult, ToolSpec
from openclaw_tx.workers.bus import MAX_WAITING
from openclaw_tx.workers.framing import MAX_FRAME
from tests.support.runs import events
from tests.support.web import Client
from tests.workers.pair import TOKEN, Pair


class Echo:
    """A tool that tells where it was called, when the test says so."""

    spec = ToolSpec(name="echo", description="Says it again.", parameters={"type": "object", "properties": {}})

    def __init__(self) -> None:
        self.contexts: list[Any] = []
        self.failure = ""
        self.result: ToolResult | None = None

    async def call(self, arguments: Any, context: Any) -> ToolResult:
        """Say it again."""
        self.contexts.append(context)
        if self.failure:
            raise ValueError(self.failure)
        if self.result is not None:
            return self.result
        return ToolResult(text=f"echo {sorted(arguments)}", details={"run": context.run_id})


class Source:
    """Tools that come and go."""

    version = 0

    def __init__(self) -> None:
        self.present: list[Any] = []

    def tools(self) -> list[Any]:
        """Those of the moment."""
        return self.present


class TogetherTests(SynchronousTestCase):
    """The whole of both."""

    def pair(self, config: Any = None, **parts: Any) -> Pair:
        """A fresh pair."""
        pair = Pair(config, **parts)
        self.addCleanup(pair.close)
        return pair

    def live(self, pair: Pair) -> tuple[int, int]:
        """Runs that are at work in the chief's engine and in the relay's."""
        return len(list(pair.chief.engine.live())), len(list(pair.relay.engine.live()))

    # -- who serves what

    def test_stateless_is_relayed(self) -> None:
        """A run without a session is the relay's, and the chief knows of it."""
        pair = self.pair()
        client = pair.chat("hi", stream=True)
        self.assertEqual(self.live(pair), (0, 1))
        pair.model.calls[0].text("Hello")
        pair.settle()
        (run,) = pair.chief._house.admission.live()
        self.assertEqual((run.status, run.request.agent_id), ("queued", "main"))
        pair.model.calls[0].finish()
        pair.settle()
        self.assertEqual(client.response.text, "Hello")
        self.assertEqual(list(pair.chief._house.admission.live()), [])
        run_id = client.response.header("x-openclaw-run-id") or ""
        known = pair.chief._house.admission.get(run_id)
        assert known is not None and known.outcome is not None
        self.assertEqual((known.outcome.status, known.outcome.text), ("ok", "Hello"))

    def test_shared_is_the_chiefs(self) -> None:
        """What has to do with a session, or is to be found again, is handed over; the connection stays there."""
        pair = self.pair()
        for number, (headers, body) in enumerate(
            (
                ({"x_openclaw_session_key": "s"}, {}),
                ({}, {"user": "ada"}),
                ({"idempotency_key": "k"}, {}),
                ({"x_openclaw_on_disconnect": "continue"}, {}),
            )
        ):
            asked = {"messages": [{"role": "user", "content": "hi"}], **body}
            client = pair.ask("POST", "/v1/chat/completions", asked, **headers)
            self.assertEqual(self.live(pair), (1, 0), (headers, body))
            pair.model.calls[number].text("yes")
            pair.model.calls[number].finish()
            pair.settle()
            self.assertEqual(client.response.status, 200)
            self.assertEqual(len(pair.relay_crew._handing), 1)
            self.assertEqual(pair.relay._house.tally.runs[("http", "main", "ok", "")], 0)
            client.reset()
            pair.settle()
            self.assertEqual(len(pair.relay_crew._handing), 0)
        counted = pair.chief._house.tally.http_requests
        self.assertEqual(counted[("POST", "/v1/chat/completions", "200")], 4)
        self.assertEqual(list(pair.relay._house.tally.http_requests), [])

    def test_responses(self) -> None:
        """A response that is kept is the chief's; one that is not is relayed."""
        pair = self.pair()
        for body, where in (({}, (1, 0)), ({"store": False}, (0, 1))):
            client = pair.ask("POST", "/v1/responses", {"model": "openclaw", "input": "hi", **body})
            self.assertEqual(self.live(pair), where, body)
            pair.model.calls[-1].text("yes")
            pair.model.calls[-1].finish()
            pair.settle()
            self.assertEqual(client.response.status, 200)

    def test_other_paths(self) -> None:
        """All else is the chief's, from the first byte of the body on; a second request of the connection as well."""
        pair = self.pair()
        client = pair.connect()
        body = json.dumps({"message": "hi"}).encode()
        head = (
            f"POST /v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        client.sent_methods += ["POST", "GET"]
        client.send(head.encode() + body[:5])
        pair.settle()
        self.assertEqual(len(pair.relay_crew._handing), 1)
        client.send(body[5:] + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        pair.settle()
        first, second = client.responses
        self.assertEqual((first.status, second.status), (202, 200))
        self.assertEqual(self.live(pair), (1, 0))

    def test_pipelined(self) -> None:
        """A request that came behind one that is handed over goes with it."""
        pair = self.pair()
        client = pair.connect()
        client.sent_methods += ["POST", "GET", "GET"]
        body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "user": "ada"}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        more = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        client.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body + more + more)
        pair.settle()
        pair.model.calls[0].text("yes")
        pair.model.calls[0].finish()
        pair.settle()
        self.assertEqual([response.status for response in client.responses], [200, 200, 200])

    def test_chunked_and_expecting(self) -> None:
        """A chunked body arrives whole at the chief, and whoever waits for C{100 Continue} is told once."""
        pair = self.pair()
        client = pair.connect()
        client.sent_methods.append("POST")
        body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "user": "ada"}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        client.send(f"{head}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n".encode())
        pair.settle()
        for part in (body[:10], body[10:], b""):
            client.send(b"%x\r\n%s\r\n" % (len(part), part))
            pair.settle()
        pair.model.calls[0].text("yes")
        pair.model.calls[0].finish()
        pair.settle()
        self.assertEqual((client.response.status, client.response.interim), (200, 1))
        self.assertEqual(client.response.json["choices"][0]["message"]["content"], "yes")

    def test_full_relay(self) -> None:
        """When a relay's places are taken, the chief has the next one; together they have what is configured."""
        pair = self.pair({"agents": {"defaults": {"maxConcurrent": 5}}})
        for _ in range(7):
            pair.chat("hi")
        self.assertEqual(self.live(pair), (5, 2))
        running = [run for run in pair.chief._house.admission.live() if run.status == "running"]
        self.assertEqual(len(pair.model.calls), 5)
        self.assertEqual(len(running), 3)

    # -- who is asking

    def test_secrets(self) -> None:
        """Wrong secrets count in the chief, whoever was asked; then right ones are refused as well."""
        limit = {"maxAttempts": 3, "windowMs": 60_000, "lockoutMs": 60_000, "exemptLoopback": False}
        pair = self.pair({"gateway": {"auth": {"rateLimit": limit}}})
        codes = [pair.ask("GET", "/v1/models", token=f"wrong-{number}").response.status for number in range(5)]
        self.assertEqual(codes, [401, 401, 401, 429, 429])
        self.assertEqual(pair.ask("GET", "/v1/models").response.status, 429)
        self.assertEqual(pair.chief._house.guard.lockouts(), 1)
        self.assertEqual(pair.relay._house.guard.lockouts(), 0)

    def test_limited_key(self) -> None:
        """The requests of a key with limits are counted, and served, by the chief; those of one without are relayed."""
        keys = []
        for label, more in (("limited", {"rpm": 3}), ("free", {})):
            digest = hashlib.sha256(f"key-of-{label}".encode()).hexdigest()
            keys.append({"label": label, "hash": f"sha256:{digest}", **more})
        pair = self.pair({"gateway": {"auth": {"keys": keys}}})
        asked = {"messages": [{"role": "user", "content": "hi"}]}
        clients = [pair.ask("POST", "/v1/chat/completions", asked, token="key-of-limited") for _ in range(5)]
        self.assertEqual(self.live(pair), (3, 0))
        self.assertEqual([client.response.status for client in clients[3:]], [429, 429])
        self.assertEqual(len(pair.relay_crew._handing), 3)
        pair.ask("POST", "/v1/chat/completions", asked, token="key-of-free")
        self.assertEqual(self.live(pair), (3, 1))
        (run,) = pair.relay.engine.live()
        self.assertTrue(pair.relay._house.authenticator.is_valid(run.principal))

    def test_right_secret(self) -> None:
        """A right secret is asked about once in a second for each address; one that was rotated is not trusted."""
        pair = self.pair({"gateway": {"auth": {"rateLimit": {"exemptLoopback": False}}}})
        asks: list[str] = []
        inner = pair.chief._house.authenticator.authenticate

        async def counted(credentials: Any, peer: Any) -> Any:
            asks.append(peer.address)
            return await inner(credentials, peer)

        authenticator: Any = pair.chief._house.authenticator
        authenticator.authenticate = counted
        for host in ("127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.1"):
            client = pair.connect(host)
            self.assertEqual(pair.ask("GET", "/v1/models", client=client).response.status, 200)
        self.assertEqual(asks, ["127.0.0.1", "127.0.0.2"])
        self.assertEqual(pair.ask("GET", "/v1/models", token="wrong").response.status, 401)
        self.assertEqual(pair.ask("GET", "/v1/models", x_forwarded_for="9.9.9.9").response.status, 403)
        self.assertEqual(len(asks), 4)
        pair.advance(1.1)
        pair.ask("GET", "/v1/models")
        self.assertEqual(len(asks), 5)
        for gateway in (pair.chief, pair.relay):
            gateway.reload({**pair.config, "gateway": {**pair.config["gateway"], "auth": {"token": "another-secret"}}})
        self.assertEqual(pair.ask("GET", "/v1/models").response.status, 401)
        self.assertEqual(len(asks), 6)

    def test_other_modes(self) -> None:
        """What authentication goes by is told to the chief: headers of proxies, origins, the address."""
        pair = self.pair({"gateway": {"auth": {"mode": "none", "token": None}}})
        self.assertEqual(pair.ask("GET", "/v1/models", token=None, Host="localhost").response.status, 200)
        refused = pair.ask("GET", "/v1/models", token=None, Host="localhost", origin="http://evil.example")
        self.assertEqual(refused.response.status, 403)
        proxied = pair.ask("GET", "/v1/models", token=None, Host="localhost", x_forwarded_for="203.0.113.9")
        self.assertEqual(proxied.response.error["type"], "proxy_attribution_required")

    # -- the chief's view of a relay's runs

    def test_watched(self) -> None:
        """WebSocket clients are told what a relay's run says, also what it said before they came, and can end it."""
        pair = self.pair()
        client = pair.chat("hi", stream=True)
        pair.model.calls[0].text("one ")
        pair.settle()
        socket = pair.websocket()
        socket.connect()
        pair.model.calls[0].text("two")
        pair.settle()
        said = [event["payload"] for event in socket.events("agent")]
        self.assertEqual(said[-1]["data"]["text"], "one two")
        run_id = said[-1]["runId"]
        answer = socket.request("chat.abort", {"sessionKey": said[-1]["sessionKey"], "runId": run_id})
        pair.advance(1.0)
        self.assertEqual(answer["payload"]["runIds"], [run_id])
        self.assertEqual(self.live(pair), (0, 0))
        self.assertTrue(client.response.complete)
        ends = [event["payload"] for event in socket.events("agent") if event["payload"]["stream"] == "lifecycle"]
        self.assertIn(ends[-1]["data"]["phase"], ("end", "error"))
        socket.close()
        pair.settle()
        self.assertFalse(pair.relay_crew._listening)

    def test_waited_for(self) -> None:
        """C{agent.wait} waits for a relay's run."""
        pair = self.pair()
        pair.chat("hi", stream=True)
        pair.model.calls[0].text("one")
        pair.settle()
        (run,) = pair.relay.engine.live()
        socket = pair.websocket()
        socket.connect()
        frame = socket.send({"type": "req", "id": "w", "method": "agent.wait", "params": {"runId": run.request.run_id}})
        self.assertIsNone(frame)
        pair.settle()
        pair.model.calls[0].finish()
        pair.settle()
        self.assertEqual(socket.response("w")["payload"]["status"], "ok")
        socket.close()

    def test_shown_and_followed(self) -> None:
        """C{GET /v1/runs/<id>} shows a relay's run as it stands; its events are told once they are durable, to the
        end."""
        pair = self.pair()
        pair.chat("hi", stream=True)
        call = pair.model.calls[0]
        call.text("one ")
        pair.settle()
        (run,) = pair.relay.engine.live()
        path = f"/v1/runs/{run.request.run_id}"
        shown = pair.ask("GET", path).response.json
        self.assertEqual((shown["status"], shown["text"]), ("running", "one "))
        watching = pair.ask("GET", f"{path}/events")
        call.text("two")
        pair.advance(0.2)
        call.finish()
        pair.advance(0.2)
        told = events(watching.response.body)
        self.assertEqual([event["seq"] for event in told], list(range(1, len(told) + 1)))
        self.assertEqual(told[-1]["type"], "run.completed")
        self.assertTrue(watching.response.complete)
        again = pair.ask("GET", f"{path}/events?after={told[1]['seq']}")
        pair.advance(0.2)
        self.assertEqual(events(again.response.body), told[2:])

    def test_slow_chief(self) -> None:
        """While the chief does not read, a relay's answers go on; who follows a run has to come again."""
        pair = self.pair()
        client = pair.chat("hi", stream=True)
        call = pair.model.calls[0]
        call.text("begin")
        pair.settle()
        (run,) = pair.relay.engine.live()
        path = f"/v1/runs/{run.request.run_id}/events"
        endpoint = MemoryEndpoint(pair.chief.site())
        pair._endpoints.append(endpoint)
        named = {"Authorization": f"Bearer {TOKEN}"}
        following = send(pair.clock, endpoint, "GET", path, None, named)
        pair.advance(0.2)
        ((near, far),) = ((near, far) for near, far in pair.socket.ends if near.protocol is pair.relay_crew._bus)
        far.reading = False
        for _ in range(60):
            call.text("x" * 100_000)
            pair.advance(0.1, 0.1)
        self.assertEqual(len(client.response.text), len("begin") + 6_000_000)
        self.assertLess(near.held_most, MAX_WAITING + 1_000_000)
        far.reading = True
        pair.advance(0.2)
        told = events(following.body)
        self.assertEqual([event["seq"] for event in told], list(range(1, len(told) + 1)))
        self.assertNotEqual(told[-1]["type"], "run.completed")
        again = send(pair.clock, endpoint, "GET", f"{path}?after={len(told)}", None, named)
        call.finish()
        pair.advance(0.3)
        self.assertEqual(events(again.body)[-1]["type"], "run.completed")

    def test_cancelled(self) -> None:
        """C{DELETE /v1/runs/<id>} ends a relay's run."""
        pair = self.pair()
        client = pair.chat("hi", stream=True)
        pair.model.calls[0].text("one")
        pair.settle()
        (run,) = pair.relay.engine.live()
        answer = pair.ask("DELETE", f"/v1/runs/{run.request.run_id}")
        self.assertIn(answer.response.status, (200, 202))
        self.assertEqual(self.live(pair), (0, 0))
        self.assertTrue(client.response.complete)
        self.assertEqual(pair.ask("GET", f"/v1/runs/{run.request.run_id}").response.json["status"], "aborted")

    def test_connections(self) -> None:
        """What is configured is shared out, and counts where a connection was accepted: the chief takes what relays
        hand over besides. Two connections from one address are two there as well."""
        pair = self.pair({"gateway": {"maxConnections": 4, "maxConnectionsPerAddress": 4}})
        hosts = ("192.0.2.1", "192.0.2.2")
        clients = [pair.ask("GET", "/v1/capabilities", client=pair.connect(host)) for host in hosts]
        self.assertEqual([client.response.status for client in clients], [200, 200])
        refused = pair.ask("GET", "/v1/models", client=pair.connect("192.0.2.3"))
        self.assertEqual(refused.response.status, 503)
        direct = [Client(pair.chief.site(), pair.clock, host) for host in ("192.0.2.3", "192.0.2.3", "192.0.2.4")]
        pair.clients += direct
        for client in direct:
            pair.ask("GET", "/v1/models", client=client)
        self.assertEqual([client.response.status for client in direct], [200, 200, 503])
        probe = pair.ask("GET", "/readyz")
        self.assertEqual((probe.response.status, probe.closed), (200, True))
        for client in clients + direct:
            client.reset()
        pair.settle()
        pair.advance(1.1)
        self.assertEqual([len(each._sites._crowd) for each in (pair.chief, pair.relay)], [0, 0])

    def test_counted_together(self) -> None:
        """C{/metrics} has what all processes counted, also those that are gone."""
        pair = self.pair()
        for _ in range(2):
            pair.chat("hi")
            pair.model.calls[-1].text("yes")
            pair.model.calls[-1].finish()
            pair.settle()
        pair.chat("hi", user="ada")
        pair.model.calls[-1].text("yes")
        pair.model.calls[-1].finish()
        pair.advance(1.1)
        wanted = 'openclaw_runs_total{agent="main",code="",status="ok",surface="http"} 3.0'
        text = pair.ask("GET", "/metrics").response.body.decode()
        self.assertIn(wanted, text)
        self.assertIn("openclaw_run_duration_seconds_count 3.0", text)
        self.assertIn("openclaw_workers 2.0", text)
        ready = pair.ask("GET", "/readyz").response.json
        self.assertEqual(ready["workers"]["relays"], [{"worker": 1, "pid": 4711, "runs": 0}])

    # -- tools

    def test_tools(self) -> None:
        """A tool of a relay's run is called in the chief, with what it may know of the run."""
        tool = Echo()
        source = Source()
        pair = self.pair(tool_sources=[source])
        source.present, source.version = [tool], 1
        pair.advance(1.1)
        client = pair.chat("hi", stream=True)
        call = pair.model.calls[0]
        self.assertIn("echo", [spec.name for spec in call.request.tools])
        call.call_tool("echo", {"b": 1, "a": 2})
        call.finish()
        pair.settle()
        (run,) = pair.relay.engine.live()
        (context,) = tool.contexts
        self.assertEqual((context.run_id, context.stateless), (run.request.run_id, True))
        self.assertEqual((context.agent.id, context.principal.id), ("main", "shared-secret"))
        (line,) = pair.chief_crew.lines.values()
        self.assertEqual(line._calls, {})
        again = pair.model.calls[1]
        self.assertEqual(again.request.messages[-1].text, "echo ['a', 'b']")
        tool.failure = "no good"
        again.call_tool("echo", {"c": 1})
        again.finish()
        pair.settle()
        self.assertEqual(pair.model.calls[2].request.messages[-1].text, "echo failed: no good")
        self.assertEqual(len(self.flushLoggedErrors()), 2)
        pair.model.calls[2].text("done")
        pair.model.calls[2].finish()
        pair.settle()
        self.assertTrue(client.response.complete)

    def test_result_that_is_too_large(self) -> None:
        """A result that can not be sent is an error in words; one whose details can not comes without them."""
        source, tool = Source(), Echo()
        pair = self.pair(tool_sources=[source])
        source.present, source.version = [tool], 1
        pair.advance(1.1)
        pair.chat("hi", stream=True)
        for result, text in (
            (ToolResult(text="x" * (MAX_FRAME + 1)), "echo failed: its result is too large"),
            (ToolResult(text="x" * (MAX_FRAME + 1), details=object()), "echo failed: its result is too large"),
            (ToolResult(text="fine", details={"what": object()}), "fine"),
            (ToolResult(text="large", details={"number": 2**70}), "large"),
            (ToolResult(text="caf\udce9"), "caf\ufffd"),
        ):
            tool.result = result
            pair.model.calls[-1].call_tool("echo", {})
            pair.model.calls[-1].finish()
            pair.settle()
            self.assertEqual(pair.model.calls[-1].request.messages[-1].text, text)
        self.assertEqual(len(self.flushLoggedErrors()), 2)

    def test_numbers_that_are_too_large(self) -> None:
        """A call whose arguments can not be passed on is an error in words, and what can not be told of it is left out;
        the run goes on, and so does all else that the two processes have in common."""
        source, tool = Source(), Echo()
        pair = self.pair(tool_sources=[source])
        source.present, source.version = [tool], 1
        pair.advance(1.1)
        client = pair.chat("hi", stream=True)
        (run,) = pair.relay.engine.live()
        watching = pair.ask("GET", f"/v1/runs/{run.request.run_id}/events")
        pair.model.calls[0].call_tool("echo", {"number": 2**70})
        pair.model.calls[0].finish()
        pair.settle()
        said = pair.model.calls[1].request.messages[-1]
        self.assertEqual((said.is_error, said.text[:13]), (True, "echo failed: "))
        socket = pair.websocket()
        socket.connect()
        pair.settle()
        pair.advance(0.2)
        self.assertTrue(watching.response.complete)
        pair.model.calls[1].text("done")
        pair.model.calls[1].finish()
        pair.settle()
        self.assertTrue(client.response.complete)
        (line,) = pair.chief_crew.lines.values()
        self.assertFalse(line.gone.opened)
        shown = pair.ask("GET", f"/v1/runs/{run.request.run_id}").response.json
        self.assertEqual((shown["status"], shown["text"]), ("ok", "done"))
        socket.close()
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_builtin_tool(self) -> None:
        """The chief's own tools are called there as well: a relay has nothing that they share."""
        pair = self.pair()
        pair.chat("hi", stream=True)
        pair.model.calls[0].call_tool("cron", {"action": "status"})
        pair.model.calls[0].finish()
        pair.settle()
        result = pair.model.calls[1].request.messages[-1]
        self.assertFalse(result.is_error, result.text)

    # -- ends

    def test_relay_is_gone(self) -> None:
        """Runs of a relay that is gone have an end, and what it counted stays."""
        pair = self.pair()
        pair.chat("hi", stream=True)
        pair.model.calls[0].text("one")
        pair.advance(1.1)
        (run,) = pair.relay.engine.live()
        run_id = run.request.run_id
        for near, _ in pair.socket.ends:
            near.abortConnection()
        pair.socket.factory = None
        pair.settle()
        self.assertIn("gone", str(pair.chief_crew.lines or "gone"))
        known = pair.chief._house.admission.get(run_id)
        assert known is not None and known.outcome is not None
        self.assertEqual(known.outcome.status, "interrupted")
        text = pair.chief_crew.others()[0]["openclaw_run_duration_seconds"]
        self.assertEqual(sum(text.counts), 0)

    def test_followed_to_the_end(self) -> None:
        """Whoever follows a run of a relay that goes is told its end, with the next number; later ones are as well."""
        pair = self.pair()
        pair.chat("hi", stream=True)
        pair.model.calls[0].text("one")
        pair.settle()
        (run,) = pair.relay.engine.live()
        path = f"/v1/runs/{run.request.run_id}/events"
        watching = pair.ask("GET", path)
        other = MemoryEndpoint(pair.chief.site())
        pair._endpoints.append(other)
        direct = send(pair.clock, other, "GET", path, None, {"Authorization": f"Bearer {TOKEN}"})
        pair.advance(0.2)
        seen = len(events(direct.body))
        self.assertGreater(seen, 1)
        for line in [*pair.chief_crew.lines.values()]:
            line.bus.transport.abortConnection()
        pair.socket.factory = None
        pair.settle()
        pair.advance(0.2)
        told = events(direct.body)
        self.assertEqual([event["seq"] for event in told], list(range(1, seen + 2)))
        self.assertEqual(told[-1]["type"], "run.interrupted")
        again = send(pair.clock, other, "GET", f"{path}?after={seen}", None, {"Authorization": f"Bearer {TOKEN}"})
        pair.advance(0.2)
        self.assertEqual(events(again.body), told[-1:])
        self.assertFalse(watching.closed)

    def test_chief_is_gone(self) -> None:
        """While there is no chief, a relay's answers go on and new clients wait; the next chief knows all runs."""
        pair = self.pair()
        client = pair.chat("hi", stream=True)
        pair.model.calls[0].text("one ")
        pair.settle()
        pair.kill_chief()
        pair.model.calls[0].text("two")
        pair.settle()
        self.assertEqual(client.response.text, "one two")
        waiting = pair.chat("next")
        handed = pair.ask("GET", "/readyz")
        self.assertEqual((waiting.responses, handed.responses), ([], []))
        pair.listen()
        pair.advance(1.2)
        self.assertEqual(handed.response.status, 200)
        self.assertEqual(self.live(pair), (0, 2))
        self.assertEqual(len(list(pair.chief._house.admission.live())), 2)

    def test_chief_does_not_come_back(self) -> None:
        """Whoever has waited ten seconds for a chief is told to try again."""
        pair = self.pair()
        pair.kill_chief()
        waiting, handed = pair.chat("next"), pair.ask("GET", "/readyz")
        pair.advance(10.5, 0.5)
        for client in (waiting, handed):
            self.assertEqual(client.response.status, 503)
            self.assertEqual(client.response.error["code"], "gateway_draining")
            self.assertEqual(client.response.header("retry-after"), "1")

    def test_tool_of_a_chief_that_is_gone(self) -> None:
        """A tool that was being called when the chief went is an error that says so; the run goes on."""
        pair = self.pair({"tools": {"exec": {"security": "allowlist", "ask": "always"}}})
        pair.chat("hi", stream=True)
        pair.model.calls[0].call_tool("exec", {"command": "echo $HOME"})
        pair.model.calls[0].finish()
        pair.settle()
        self.assertEqual(len(pair.chief._house.approvals.pending()), 1)
        pair.kill_chief()
        self.assertIn("was restarted", pair.model.calls[1].request.messages[-1].text)
        self.assertEqual(pair.chief._house.approvals.pending(), [])

    def test_abort_in_a_tool(self) -> None:
        """Ending a run ends what the chief is doing for it."""
        pair = self.pair({"tools": {"exec": {"security": "allowlist", "ask": "always"}}})
        client = pair.chat("hi", stream=True)
        pair.model.calls[0].call_tool("exec", {"command": "echo $HOME"})
        pair.model.calls[0].finish()
        pair.settle()
        self.assertEqual(len(pair.chief._house.approvals.pending()), 1)
        client.reset()
        pair.settle()
        self.assertEqual(self.live(pair), (0, 0))
        self.assertEqual(pair.chief._house.approvals.pending(), [])
