# -*- test-case-name: tests.test_advisories -*-
"""Every published advisory on gateways of this kind, played to this one: over HTTP and WebSockets, from this machine
and from elsewhere, as the attacker would. SECURITY.md names the test of each; L{tests.auth.test_advisories} holds the
rooms to the same, one by one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from twisted.internet.defer import succeed
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import ADMIN, OPERATOR_SCOPES, PAIRING, READ, WRITE
from openclaw_tx.auth.keys import hash_of
from openclaw_tx.config.files import merge
from openclaw_tx.tools.fetching import UrlFetcher
from openclaw_tx.tools.over_http import NEVER
from openclaw_tx.ws.channel import MAX_WAITING
from openclaw_tx.ws.connection import HANDSHAKE_SECONDS
from tests.support.house import House
from tests.support.stranger import Stranger
from tests.support.web import Response

PAGE = Path(__file__).parents[1] / "SECURITY.md"
SECRET = "the-secret-of-the-owner"
EVIL = "https://evil.example"
REMOTE = "192.0.2.44"
PROXY = "10.0.0.7"
CHAT = "/v1/chat/completions"
KEYS = {"reader": [READ], "pairer": [PAIRING], "writer": [READ, WRITE]}
ON = {"chatCompletions": {"enabled": True}, "responses": {"enabled": True}}
AUTH = {
    "mode": "token",
    "token": SECRET,
    "keys": [{"label": name, "hash": hash_of(f"key-{name}"), "scopes": scopes} for name, scopes in KEYS.items()],
}
PROXIED = {"mode": "trusted-proxy", "trustedProxy": {"userHeader": "x-user"}}


class AdvisoryTests(SynchronousTestCase):
    """Named by identifier."""

    def setUp(self) -> None:
        self.house = self.open()

    def open(self, gateway: dict[str, Any] | None = None, **more: Any) -> House:
        """A gateway; the one that was there before goes with the test."""
        config = {"gateway": {"auth": AUTH, "http": {"endpoints": ON}, **(gateway or {})}, **more}
        house = House(config, as_file=True)
        self.addCleanup(house.close)
        return house

    def http(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        secret: str | None = SECRET,
        host: str = "127.0.0.1",
        **headers: str,
    ) -> Response:
        """One request; underscores in names of headers are dashes."""
        client = self.house.connect(host)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if secret is not None:
            named["Authorization"] = f"Bearer {secret}"
        data = b"" if body is None else json.dumps(body).encode()
        client.request(method, path, data, {"Content-Type": "application/json", **named})
        self.house.settle()
        if not client.responses:
            self.house.advance(6, step=0.25)  # refusals on this machine come late
        return client.response

    def chat(self, **more: Any) -> Response:
        """A chat request."""
        return self.http("POST", CHAT, {"messages": [{"role": "user", "content": "hi"}]}, **more)

    def code(self, response: Response) -> tuple[int, str]:
        """Status and code of an error."""
        return response.status, response.error["code"]

    # -- browsers

    def test_cve_2026_25253(self) -> None:
        """A page of another site opens the gateway's WebSocket and takes its token: refused before there is a socket,
        on this machine too; and no link makes the Control UI go elsewhere with its token."""
        for host in ("127.0.0.1", REMOTE):
            for origin in (EVIL, "null", "http://localhost.evil.example", "file://"):
                self.assertEqual(Stranger(self.house, host, {"Origin": origin}).status, 403)
        self.assertEqual(Stranger(self.house, headers={"Origin": "http://localhost:18789"}).status, 101)
        root = Path(self.mktemp()).absolute()
        root.mkdir()
        (root / "index.html").write_text("<html><head></head></html>")
        self.house = self.open({"controlUi": {"root": str(root)}})
        for query in ("gatewayUrl=wss://evil.example", "token=x", "a=1&GatewayURL=wss://evil.example"):
            answer = self.http("GET", f"/?{query}", secret=None, Accept="text/html")
            self.assertEqual(answer.status, 302)
            self.assertNotIn("evil", answer.header("location") or "")
        page = self.http("GET", "/", secret=None, Accept="text/html")
        self.assertIn("connect-src 'self'", page.header("content-security-policy") or "")

    def test_clawjacked(self) -> None:
        """A page guesses the password over loopback without limit, and pairs itself: its guesses lock it out, alone,
        and even with the secret no page does more than read."""
        origin = {"Origin": "http://localhost:18789"}
        for number in range(10):
            Stranger(self.house, headers=origin).connect([ADMIN], token=f"guess {number}")
            self.house.advance(6, step=0.5)
        answer = Stranger(self.house, headers=origin).connect([ADMIN], token=SECRET)
        self.assertEqual(answer["error"]["details"]["code"], "AUTH_RATE_LIMITED")
        self.assertEqual(self.http("GET", "/v1/models").status, 200)
        self.house = self.open()
        hello = Stranger(self.house, headers=origin).connect([ADMIN], token=SECRET)["payload"]
        self.assertLessEqual(set(hello["auth"]["scopes"]), {READ})

    # -- who may do what

    def test_cve_2026_25593(self) -> None:
        """GHSA-g55j-c2v4-pjcg: a local client without credentials rewrote the configuration, and a path in it was
        run. No method is heard before connect, none without the scope after it, for keys never, and programs to run
        are not named so."""
        silent = Stranger(self.house)
        silent.send({"type": "req", "id": "1", "method": "config.apply", "params": {"raw": "{}"}})
        self.assertEqual(silent.frames[-1], (1008, "invalid handshake: first request must be connect"))
        nobody = Stranger(self.house).connect([ADMIN])
        self.assertEqual((nobody["ok"], nobody["error"]["code"]), (False, "NOT_PAIRED"))
        self.house = self.open({"auth": merge(AUTH, {"keys": [
            {"label": "boss", "hash": hash_of("key-boss"), "scopes": [ADMIN]}]})})  # fmt: skip
        for secret in ("key-reader", "key-writer", "key-boss"):
            client = Stranger(self.house)
            self.assertTrue(client.connect([ADMIN], token=secret)["ok"])
            for method in ("config.set", "config.patch", "config.apply"):
                answer = client.ask(method, {"raw": '{"mcp": {"servers": {"x": {"command": "/bin/sh"}}}}'})
                self.assertFalse(answer["ok"], (secret, method))
                self.assertNotIn("unknown method", answer["error"]["message"])
        owner = Stranger(self.house)
        held = owner.connect([ADMIN], token=SECRET)["payload"]["auth"]["scopes"]
        self.assertEqual(held, [ADMIN])
        told = owner.ask("config.get")["payload"]["hash"]
        raw = '{"mcp": {"servers": {"x": {"command": "/bin/sh"}}}}'
        answer = owner.ask("config.patch", {"raw": raw, "baseHash": told})
        self.assertIn("mcp.servers.x names a program to run", answer["error"]["message"])

    def test_cve_2026_28472(self) -> None:
        """The proof of a device was skipped when a token was there, right or wrong: a wrong one opens nothing, and a
        broken proof is refused beside the right one."""
        self.assertIsNone(Stranger(self.house).connect([ADMIN], token="there"))  # a refusal that comes late
        device = {"id": "d" * 64, "publicKey": "k", "signature": "s", "signedAt": 1, "nonce": "n"}
        client = Stranger(self.house)
        params = {"minProtocol": 4, "maxProtocol": 4, "auth": {"token": SECRET}, "device": device, "role": "operator",
                  "client": {"id": "t", "version": "1", "platform": "t", "mode": "t"}}  # fmt: skip
        self.assertFalse(client.ask("connect", params)["ok"])

    def test_ghsa_rqpp_rjj8_7wv8(self) -> None:
        """A client with the shared secret declared its own scopes: from elsewhere, without a device, it gets to read
        whatever it declares."""
        for scopes in ([ADMIN], sorted(OPERATOR_SCOPES), []):
            client = Stranger(self.house, REMOTE)
            held = client.connect(scopes, token=SECRET)["payload"]["auth"]["scopes"]
            self.assertLessEqual(set(held), {READ})
            self.assertEqual(client.ask("config.set", {"raw": "{}"})["error"]["code"], "FORBIDDEN")

    def test_cve_2026_53821(self) -> None:
        """GHSA-48vw-m3qc-wr99, GHSA-qjpc-qf9m-xwmr: the same behind a trusted proxy. Scopes that a client claims
        through it add nothing on either surface, and a request that names no user is nobody's."""
        self.house = self.open({"auth": PROXIED, "trustedProxies": [PROXY]})
        claim = {"X-Forwarded-For": REMOTE, "X-OpenClaw-Scopes": ADMIN}
        self.assertEqual(
            self.code(self.http("GET", "/v1/models", secret=None, host=PROXY, **claim)), (401, "invalid_api_key")
        )
        named = {**claim, "X-User": "ada"}
        self.assertEqual(self.code(self.chat(secret=None, host=PROXY, **named)), (403, "insufficient_scope"))
        client = Stranger(self.house, PROXY, named)
        self.assertEqual(client.connect([ADMIN])["payload"]["auth"]["scopes"], [])
        self.assertEqual(client.ask("config.set", {"raw": "{}"})["error"]["code"], "FORBIDDEN")
        self.assertEqual(self.http("GET", "/v1/models", secret=None, host=REMOTE, **named).status, 401)

    def test_cve_2026_32919(self) -> None:
        """CVE-2026-28473, PR oc#56618: chat and responses over HTTP skipped the scope of the WebSocket's method. Both
        say the same to the same key. L{tests.auth.test_matrix} does that for every action there is."""
        body = {"model": "openclaw", "input": "hi", "messages": [{"role": "user", "content": "hi"}]}
        for name, scopes in KEYS.items():
            client = Stranger(self.house)
            client.connect(scopes, token=f"key-{name}")
            heard = client.ask("agent", {"message": "hi", "idempotencyKey": "k"})
            for path in (CHAT, "/v1/responses"):
                answer = self.http("POST", path, body, secret=f"key-{name}")
                self.assertEqual(answer.status == 403, WRITE not in scopes, (name, path))
                self.assertEqual(answer.status == 403, heard.get("error", {}).get("code") == "FORBIDDEN")

    def test_ghsa_68f8_9mhj_h2mp(self) -> None:
        """Models were listed without the scope to read."""
        for path in ("/v1/models", "/v1/models/openclaw", "/v1/capabilities", "/metrics"):
            self.assertEqual(self.code(self.http("GET", path, secret="key-pairer")), (403, "insufficient_scope"), path)
            self.assertEqual(self.http("GET", path, secret="key-reader").status, 200, path)

    def test_ghsa_5jvj_hxmh_6h6j(self) -> None:
        """A session's history was read over HTTP without the scope to read: there is no such route, the run that has it
        asks, and the WebSocket's methods do."""
        run = self.http("POST", "/v1/runs", {"message": "hi", "session": "desk"}).json["id"]
        self.house.advance(1)
        for path in (f"/v1/runs/{run}", f"/v1/runs/{run}/events"):
            self.assertEqual(self.http("GET", path, secret="key-pairer").status, 403, path)
        for path in ("/sessions/agent:main:desk/history", "/v1/sessions", "/api/sessions/main/messages"):
            self.assertEqual(self.http("GET", path).status, 404)
        client = Stranger(self.house)
        client.connect([PAIRING], token="key-pairer")
        for method in ("chat.history", "sessions.list", "sessions.preview"):
            self.assertEqual(client.ask(method, {"sessionKey": "main"})["error"]["code"], "FORBIDDEN")

    def test_ghsa_5hff_46vh_rxmw(self) -> None:
        """PR oc#92651: who may read ended other people's work, then a header of the client's counted as owning it."""
        run = self.http("POST", "/v1/runs", {"message": "hi [[delay=30]]"}).json["id"]
        owner = {
            "X-OpenClaw-Session-Key": "agent:main:main",
            "X-User": "shared-secret",
            "X-OpenClaw-Requester": "owner",
        }
        for secret in ("key-reader", "key-writer"):
            answer = self.http("DELETE", f"/v1/runs/{run}", secret=secret, **owner)
            self.assertIn(self.code(answer), [(403, "insufficient_scope"), (404, "run_not_found")])
        client = Stranger(self.house)
        client.connect([READ], token="key-reader")
        self.assertEqual(client.ask("chat.abort", {"sessionKey": "main"})["error"]["code"], "FORBIDDEN")
        self.assertEqual(self.http("GET", f"/v1/runs/{run}").json["status"], "running")

    def test_oc_56763(self) -> None:
        """oc#57113, oc#57550, oc#57596: after a fix of scopes whoever came with the plain secret got 403 for a
        release. It may do everything, in both modes, from anywhere, whatever it says of scopes."""
        for mode in ("token", "password"):
            self.house = self.open({"auth": {"mode": mode, mode: SECRET}})
            for host in ("127.0.0.1", REMOTE):
                for headers in ({}, {"X-OpenClaw-Scopes": READ}, {"X-OpenClaw-Scopes": ""}):
                    self.assertEqual(self.chat(host=host, **headers).status, 200)
                    self.assertEqual(self.http("GET", "/v1/models", host=host, **headers).status, 200)

    def test_ghsa_m8wm_r5vq_qjpg(self) -> None:
        """GHSA-68x5-xx89-w9mm, GHSA-xmxx-7p24-h892: the old secret went on to work after it was rotated, for requests
        and for upgrades. It ends with the next request, and so does what it had opened."""
        client = Stranger(self.house, REMOTE)
        self.assertTrue(client.connect([READ], token=SECRET)["ok"])
        stream = self.house.connect()
        body = json.dumps(
            {"messages": [{"role": "user", "content": "hi [[chunks=20 delay=5]]"}], "stream": True}
        ).encode()
        stream.request("POST", CHAT, body, {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}"})
        self.house.advance(7, step=0.5)
        changed = merge(self.house.memory.config, {})
        changed["gateway"]["auth"] = {"mode": "token", "token": "another-secret-of-the-owner"}
        self.house.memory.gateway.reload(changed)
        self.house.advance(0.1)
        self.assertEqual(client.frames[-1], (4001, "gateway credentials changed"))
        self.assertEqual(self.http("GET", "/v1/models", host=REMOTE).status, 401)
        late = Stranger(self.house, REMOTE).connect([READ], token=SECRET)
        self.assertEqual(late["error"]["details"]["code"], "AUTH_TOKEN_MISMATCH")
        self.house.advance(20, step=0.5)
        self.assertIn(b"invalid_api_key", stream.received)
        self.assertEqual(self.house.exchanges[-1].outcome, "hung up")

    def test_ghsa_943q_mwmv_hhvh(self) -> None:
        """Whoever had the token had C{/tools/invoke} start and steer sessions: what could is not there, in any
        spelling, and an approval goes by what was asked word for word."""
        names = [name for name in NEVER if not name.startswith("group:")]
        for name in [
            *names,
            "EXEC",
            " exec",
            "exec ",
            "Sessions_Spawn",
            "session_spawn",
            "read",
            "write",
            "edit",
            "process",
        ]:
            answer = self.http("POST", "/tools/invoke", {"tool": name, "args": {"command": "id", "task": "x"}})
            self.assertEqual(answer.status, 404, name)
        wrong = Stranger(self.house)
        wrong.connect([ADMIN], token=SECRET)
        for decision in ("allow", "allow-once ", "yes", "ALLOW-ONCE", "deny-allow-once"):
            self.assertFalse(wrong.ask("exec.approval.resolve", {"id": "x", "decision": decision})["ok"])

    def test_oc_11793(self) -> None:
        """Any session's key was accepted, and with it another user's talk: a foreign one is not found, there or not."""
        self.assertEqual(self.chat(X_OpenClaw_Session_Key="agent:main:desk").status, 200)
        for key in ("agent:main:desk", "agent:main:nowhere", "agent:main:main", "agent:main:reader:x"):
            answer = self.chat(secret="key-writer", X_OpenClaw_Session_Key=key)
            self.assertEqual(self.code(answer), (404, "session_not_found"), key)
        client = Stranger(self.house)
        client.connect([READ, WRITE], token="key-writer")
        self.assertEqual(client.ask("sessions.list")["payload"]["sessions"], [])
        told = [client.ask("chat.history", {"sessionKey": f"agent:main:{name}"}) for name in ("desk", "nowhere")]
        self.assertEqual(told[0], told[1])
        self.assertEqual(self.chat(secret="key-writer", X_OpenClaw_Session_Key="agent:main:writer:own").status, 200)

    # -- floods

    def test_cve_2026_28478(self) -> None:
        """GHSA-q447-rj3r-2cgh, GHSA-rm59-992w-x2mv: bodies were buffered before anybody was asked who they are, without
        bounds. Who is nobody is refused at the headers, and who is somebody has bounds of size and pace."""
        head = f"POST {CHAT} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 20000000\r\n"
        stranger = self.house.connect(REMOTE)
        stranger.send(head.encode() + b"\r\n")
        self.house.settle()
        self.assertEqual(stranger.response.status, 401)
        owner = f"Authorization: Bearer {SECRET}\r\n"
        slow = self.house.connect(REMOTE)
        slow.send((head + owner + "\r\n").encode() + b"{")
        self.house.advance(20, step=1)
        self.assertEqual(self.code(slow.response), (408, "body_timeout"))
        large = self.house.connect(REMOTE)
        large.send(head.replace("20000000", "90000000").encode() + owner.encode() + b"\r\n")
        self.house.settle()
        self.assertEqual(self.code(large.response), (413, "payload_too_large"))
        for path in ("/hooks/wake", "/channels/webhook/x", "/tools/invoke", "/v1/runs"):
            client = self.house.connect(REMOTE)
            client.send(head.replace(CHAT, path).encode() + b"\r\n")
            self.house.settle()
            self.assertIn(client.response.status, (401, 404, 413), path)

    def test_ghsa_mfg5_7q5g_f37j(self) -> None:
        """vulert/2026.3.28: upgrades without end, and sockets that never say who they are. So many from one address
        wait, none of them for long."""
        waiting = [Stranger(self.house, REMOTE) for _ in range(MAX_WAITING + 1)]
        self.assertEqual({each.status for each in waiting[:-1]}, {101})
        self.assertIn(waiting[-1].status, (429, 503))
        self.assertEqual(Stranger(self.house, "192.0.2.45").status, 101)
        self.house.advance(HANDSHAKE_SECONDS + 5, step=1)
        self.assertEqual({each.frames[-1] for each in waiting[:-1]}, {(1000, "")})
        self.assertEqual(Stranger(self.house, REMOTE).status, 101)

    def test_pr_57647(self) -> None:
        """A made-up device token beside a guess kept the guess from being counted."""
        for number in range(10):
            Stranger(self.house, REMOTE).connect([], token=f"guess {number}", deviceToken=f"made up {number}")
        answer = Stranger(self.house, REMOTE).connect([], token=SECRET)
        self.assertEqual(answer["error"]["details"]["code"], "AUTH_RATE_LIMITED")
        self.assertEqual(self.http("GET", "/v1/models", host=REMOTE).status, 429)

    # -- what agents can be talked into

    def test_ghsa_w45g_5746_x9fp(self) -> None:
        """CVE-2026-34504, CVE-2026-44116: URLs of strangers led to addresses of this network. None is connected to that
        is not public, whatever its name says. Requests, tools and webhooks have one door
        (L{tests.tools.test_fetching})."""
        asked: list[str] = []
        connected: list[Any] = []

        def resolve(name: str) -> Any:
            asked.append(name)
            return succeed(["169.254.169.254"])

        def connect(address: str, port: int) -> Any:
            connected.append((address, port))
            raise AssertionError(address)

        images = {"gateway": {"auth": AUTH, "http": {"endpoints": {"chatCompletions": {
            "enabled": True, "images": {"allowUrl": True}}}}}}  # fmt: skip
        self.house = House(images)
        self.addCleanup(self.house.close)
        fetcher = UrlFetcher(self.house.clock, resolve=resolve, connect=connect)
        self.house = House(images, fetcher=fetcher)
        self.addCleanup(self.house.close)
        for url in (
            "http://127.0.0.1/x.png",
            "http://metadata.example/x.png",
            "http://[::ffff:10.0.0.1]/x.png",
            "http://0x7f.1/",
        ):
            content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "see"}]
            answer = self.http("POST", CHAT, {"messages": [{"role": "user", "content": content}]})
            self.assertEqual(self.code(answer), (400, "invalid_image"), url)
        self.assertEqual((asked, connected), (["metadata.example"], []))

    def test_cve_2026_26322(self) -> None:
        """A tool took the address of a gateway, and its token, from the model: none has such a parameter."""
        for spec in self.house.memory.gateway.tools("main"):
            names = json.dumps(spec.parameters).lower()
            for word in ("gatewayurl", "gateway_url", "gatewaytoken", "gateway_token"):
                self.assertNotIn(word, names, spec.name)

    def test_ghsa_cwj3_vqpp_pmxr(self) -> None:
        """A model wrote the configuration past a list of what it must not touch: no tool writes it."""
        names = {spec.name for spec in self.house.memory.gateway.tools("main")}
        self.assertNotIn("gateway", names)
        self.assertEqual({name for name in names if "config" in name}, set())
        self.assertGreater(len(names), 3)

    def test_ghsa_93rg_2xm5_2p9v(self) -> None:
        """What the Control UI is told at its start was told to everybody."""
        for path in (
            "/control-ui-config.json",
            "/__openclaw/control-ui-config.json",
            "/__openclaw__/control-ui-config.json",
        ):
            for host in ("127.0.0.1", REMOTE):
                self.assertEqual(self.http("GET", path, secret=None, host=host).status, 401)
            self.assertEqual(self.http("GET", path).status, 200)


class TableTests(SynchronousTestCase):
    """SECURITY.md."""

    def test_every_advisory_has_its_test(self) -> None:
        """The table names a test for each, and each test of this module stands in it with all identifiers it speaks
        of."""
        rows = re.findall(r"^\| ([^|]*) \|[^|]*\| `(test_\w+)`[^|]*\|$", PAGE.read_text("utf-8"), re.MULTILINE)
        tests = {name: getattr(AdvisoryTests, name) for name in dir(AdvisoryTests) if name.startswith("test_")}
        self.assertEqual({name for _, name in rows}, set(tests))
        told = {name: ids for ids, name in rows}
        for name, test in tests.items():
            spoken = re.findall(r"\b(?:CVE-\d+-\d+|GHSA(?:-\w{4}){3}|oc#\d+)", f"{test.__doc__}")
            spoken.append(name.removeprefix("test_").replace("_", "-"))
            for each in spoken:
                self.assertIn(
                    each.lower().replace("#", "-"), told[name].lower().replace("#", "-").replace(" ", "-"), name
                )
