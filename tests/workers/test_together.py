# -*- test-case-name: tests.workers.test_together -*-
"""A chief and a relay together: who serves what, and who finds out who is asking."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from openclaw_tx.auth.keys import hash_of
from tests.workers.pair import TOKEN, PairCase


class ServingTests(PairCase):
    """Who serves what."""

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

    def test_chunked_in_part(self) -> None:
        """Whose client turns out to be the chief's when a chunk has come already: the relay reads the rest."""
        keys = [{"label": "ada", "hash": hash_of("key-of-ada"), "rpm": 9}]
        pair = self.pair({"gateway": {"auth": {"keys": keys}}})
        client = pair.connect()
        client.sent_methods.append("POST")
        body = json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key-of-ada\r\n"
        chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:], b"")]
        client.send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks[0])
        pair.settle()
        self.assertEqual((len(pair.relay_crew._handing), client.responses), (0, []))
        client.send(b"".join(chunks[1:]))
        pair.settle()
        self.assertEqual(self.live(pair), (1, 0))
        pair.model.calls[0].text("yes")
        pair.model.calls[0].finish()
        pair.settle()
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


class AskingTests(PairCase):
    """Who is asking."""

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
