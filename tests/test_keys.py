# -*- test-case-name: tests.test_keys -*-
"""Keys on both surfaces of the whole gateway: bounds, invisibility, limits, and the end of what was open."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.keys import hash_of
from openclaw_tx.testing import MemoryGateway, MemoryResponse, MemoryWebSocket
from openclaw_tx.values import ToolResultMessage

CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "hi"}]}


def key(label: str, **rest: Any) -> dict[str, Any]:
    """An entry of the configuration; the key is C{the <label> key}."""
    return {"label": label, "hash": hash_of(secret(label)), **rest}


def secret(label: str) -> str:
    """The key of a label."""
    return f"the {label} key"


class KeyCase(SynchronousTestCase):
    """A gateway with keys."""

    keys: list[dict[str, Any]] = []
    gateway: dict[str, Any] = {}

    def setUp(self) -> None:
        """Start it."""
        self.memory = MemoryGateway({"gateway": {"auth": {"keys": self.keys}, **self.gateway}})
        self.addCleanup(self.memory.close)
        self.model = self.memory.model

    def chat(self, label: str | None = "laptop", body: dict[str, Any] | None = None, **headers: str) -> MemoryResponse:
        """A chat completion; header names with underscores. Label None is the owner."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        token = {} if label is None else {"token": secret(label)}
        return self.memory.post(CHAT, {**HELLO, **(body or {})}, headers=named, **token)  # type: ignore[arg-type]

    def websocket(self, label: str | None = "laptop", **params: Any) -> MemoryWebSocket:
        """A connection; label None is the owner's."""
        client = self.memory.websocket()
        token = {} if label is None else {"token": secret(label)}
        client.connect(**{"scopes": ["operator.admin"], **token, **params})
        self.addCleanup(client.close)
        return client

    def reload(self, keys: list[dict[str, Any]]) -> None:
        """Go by other keys."""
        gateway = self.memory.config["gateway"]
        auth = {**gateway["auth"], "keys": keys}
        self.memory.gateway.reload({**self.memory.config, "gateway": {**gateway, "auth": auth}})
        self.memory.flush()

    def error(self, response: MemoryResponse) -> tuple[int, str]:
        """Status and code of a refusal, which has all four keys."""
        error = response.json()["error"]
        self.assertEqual(set(error), {"message", "type", "param", "code"})
        return response.code, error["code"]


class BoundsTests(KeyCase):
    """Agents and sessions."""

    keys = [
        key("laptop", agents=["beta"]),
        key("phone"),
        key("team", sessionPrefix="Shared:"),
        key("two", sessionPrefix="shared:"),
    ]

    def test_own_agent_is_the_default(self) -> None:
        """Who may use one agent gets it without naming it, on both surfaces, and is told so."""
        self.model.say("x")
        self.assertEqual(self.chat(x_openclaw_session_key="s").headers["x-openclaw-session-key"], "agent:beta:laptop:s")
        ids = [row["id"] for row in self.memory.get("/v1/models", token=secret("laptop")).json()["data"]]
        self.assertEqual(ids, ["openclaw", "openclaw/default", "openclaw/beta"])
        client = self.websocket()
        listed = client.request("agents.list")["payload"]
        self.assertEqual((listed["defaultId"], [row["id"] for row in listed["agents"]]), ("beta", ["beta"]))
        answer = client.request("agent", {"message": "hi", "idempotencyKey": "k1"})
        self.assertEqual(answer["payload"]["agentId"], "beta")

    def test_foreign_agent_is_unknown(self) -> None:
        """An agent that is not the key's reads like one that does not exist, to the letter, wherever it is named."""
        for body, headers in (
            ({"model": "openclaw/{}"}, {}),
            ({"model": "agent:{}"}, {}),
            ({}, {"x_openclaw_agent_id": "{}"}),
            ({}, {"x_openclaw_session_key": "agent:{}:laptop:x"}),
        ):
            texts = []
            for name in ("main", "nobody"):
                filled = {field: value.format(name) for field, value in body.items()}
                response = self.chat(
                    "laptop", filled, **{field: value.format(name) for field, value in headers.items()}
                )
                texts.append((response.code, response.text().replace(name, "?")))
            self.assertEqual(texts[0], texts[1])
            self.assertEqual(texts[0][0], 400)
        for name in ("main", "nobody"):
            detail = self.memory.get(f"/v1/models/openclaw/{name}", token=secret("laptop"))
            self.assertEqual(self.error(detail), (404, "model_not_found"))
        self.assertEqual(self.model.calls, [])

    def test_foreign_agent_over_websocket(self) -> None:
        """The same over WebSockets, for every method that takes an agent or a session."""
        client = self.websocket()
        for method, params in (
            ("agent", {"message": "x", "idempotencyKey": "k", "agentId": "{}"}),
            ("agent", {"message": "x", "idempotencyKey": "k", "sessionKey": "agent:{}:laptop:x"}),
            ("chat.send", {"message": "x", "idempotencyKey": "k", "sessionKey": "agent:{}:laptop:x"}),
            ("chat.history", {"sessionKey": "agent:{}:laptop:x"}),
            ("chat.abort", {"sessionKey": "agent:{}:laptop:x"}),
            ("models.list", {"agentId": "{}"}),
            ("sessions.list", {"agentId": "{}"}),
        ):
            answers = []
            for name in ("main", "nobody"):
                answer = client.request(method, {field: value.format(name) for field, value in params.items()})
                answers.append(str((answer["ok"], answer.get("payload"), answer.get("error"))).replace(name, "?"))
            self.assertEqual(answers[0].replace("'ts': ", ""), answers[1].replace("'ts': ", ""), method)
        self.assertEqual(self.model.calls, [])

    def test_sessions_of_its_own(self) -> None:
        """Names are put under the key's prefix: two clients of one name do not meet, nor does the owner."""
        for label in ("phone", None):
            self.model.say("x")
            self.chat(label, {"user": "ada"})
            self.model.say("x")
            self.chat(label, x_openclaw_session_key="thread")
        self.assertEqual([len(request.messages) for request in self.model.requests], [1, 1, 1, 1])
        keys = [row["key"] for row in self.websocket(None).request("sessions.list")["payload"]["sessions"]]
        self.assertEqual(
            sorted(keys),
            [
                "agent:main:openai-user:ada",
                "agent:main:phone:openai-user:ada",
                "agent:main:phone:thread",
                "agent:main:thread",
            ],
        )

    def test_common_words(self) -> None:
        """A session called C{global} lies below the prefix of its key, like all others, on every way in."""
        for name in ("global", "unknown"):
            self.model.say("mine")
            response = self.chat("phone", x_openclaw_session_key=name)
            self.assertEqual(response.headers["x-openclaw-session-key"], f"agent:main:phone:{name}")
            history = self.websocket("phone").request("chat.history", {"sessionKey": name})["payload"]
            self.assertEqual(history["sessionKey"], f"agent:main:phone:{name}")
            self.assertEqual(len(history["messages"]), 2)

    def test_tools_keep_within(self) -> None:
        """What an agent's own tools find out for a key is what the key may know; the owner's run finds it all."""
        self.model.say("x")
        self.chat(None, x_openclaw_session_key="thread")
        told = {}
        for label in ("phone", "laptop", None):
            self.model.call_tool("session_status", {"sessionKey": "thread"})
            self.model.call_tool("agents_list", {})
            self.model.say("done")
            self.assertEqual(self.chat(label).code, 200)
            told[label] = [
                message.text for message in self.model.requests[-1].messages if isinstance(message, ToolResultMessage)
            ]
        self.assertEqual(told["phone"][0], "There is no session agent:main:thread.")
        self.assertIn("Session: agent:main:thread\nModel: ", told[None][0])
        agents = {label: [agent["id"] for agent in json.loads(texts[1])["agents"]] for label, texts in told.items()}
        self.assertEqual(agents, {"phone": ["main", "beta"], "laptop": ["beta"], None: ["main", "beta"]})

    def test_foreign_session(self) -> None:
        """404 for every way in, whether the session exists or not."""
        self.model.say("secret")
        self.chat(None, x_openclaw_session_key="agent:main:thread")
        client = self.websocket("phone")
        for name in ("agent:main:thread", "agent:main:nothing", "agent:main:main", "agent:main:laptop:x"):
            response = self.chat("phone", x_openclaw_session_key=name)
            self.assertEqual(self.error(response), (404, "session_not_found"), name)
            self.assertEqual(response.json()["error"]["param"], "x-openclaw-session-key")
            started = self.memory.post("/v1/runs", {"message": "x", "session": name}, token=secret("phone"))
            self.assertEqual((started.code, started.json()["error"]["param"]), (404, "session"), name)
            for method, params in (
                ("chat.history", {}),
                ("chat.abort", {}),
                ("chat.abort", {"runId": "r"}),
                ("chat.send", {"message": "x", "idempotencyKey": f"k {name}"}),
                ("chat.send", {"message": "/stop", "idempotencyKey": f"k {name}"}),
                ("agent", {"message": "x", "idempotencyKey": f"k2 {name}"}),
            ):
                answer = client.request(method, {"sessionKey": name, **params})
                self.assertFalse(answer["ok"], (method, name))
                self.assertEqual(answer["error"]["message"], "No such session.", (method, name))
        self.assertEqual(len(self.model.requests), 1)

    def test_shared_prefix(self) -> None:
        """Two keys of one team share sessions when somebody says so."""
        self.model.say("one")
        self.chat("team", x_openclaw_session_key="thread")
        self.model.say("two")
        self.chat("two", x_openclaw_session_key="agent:main:shared:thread")
        self.assertEqual(len(self.model.requests[1].messages), 3)

    def test_main_session(self) -> None:
        """C{main} is the key's own main session, and hello says how it is called."""
        client = self.memory.websocket()
        hello = client.connect(token=secret("phone"))
        main = hello["snapshot"]["sessionDefaults"]["mainSessionKey"]
        self.assertEqual((main, hello["auth"]["method"]), ("agent:main:phone:main", "token"))
        self.model.say("x")
        client.request("chat.send", {"sessionKey": "main", "message": "x", "idempotencyKey": "k"})
        self.assertEqual(client.request("chat.history", {"sessionKey": main})["payload"]["sessionKey"], main)
        self.assertEqual(len(client.request("chat.history", {"sessionKey": "main"})["payload"]["messages"]), 2)
        client.close()


class ResponsesTests(KeyCase):
    """The other API, whose answers are kept."""

    keys = [key("laptop"), key("phone")]
    gateway = {"http": {"endpoints": {"responses": {"enabled": True}}}}

    def respond(self, label: str, **body: Any) -> MemoryResponse:
        """Ask for a response."""
        return self.memory.post("/v1/responses", {"model": "openclaw", "input": "hi", **body}, token=secret(label))

    def test_previous_response(self) -> None:
        """A key goes on with its own responses; those of another are not there."""
        body: dict[str, Any] = {}
        for _ in range(2):
            self.model.say("x")
            response = self.respond("laptop", **body)
            self.assertEqual(response.code, 200)
            self.assertTrue(response.headers["x-openclaw-session-key"].startswith("agent:main:laptop:openresponses:"))
            body = {"previous_response_id": response.json()["id"]}
        self.assertEqual(len(self.model.requests[1].messages), 3)
        texts = []
        for name in (response.json()["id"], "resp_nothing"):
            refused = self.respond("phone", previous_response_id=name)
            self.assertEqual(self.error(refused), (404, "run_not_found"))
            texts.append(refused.text().replace(name, "?"))
        self.assertEqual(texts[0], texts[1])

    def test_runs(self) -> None:
        """Runs by id: the starter's own, for reading, watching and cancelling; to others they are not there."""
        started = self.memory.post("/v1/runs", HELLO, token=secret("laptop"))
        self.assertEqual(started.code, 202)
        run_id = started.json()["id"]
        for label in ("phone", "laptop"):
            for method, path in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
                texts = []
                for name in (run_id, "run_nothing"):
                    response = self.memory.request(method, f"/v1/runs/{name}{path}", token=secret(label))
                    texts.append(response.text().replace(name, "?"))
                    if label == "phone" or name != run_id:
                        self.assertEqual(self.error(response), (404, "run_not_found"), (label, method, path))
                    else:
                        self.assertIn(response.code, (200, 202), (method, path))
                        response.disconnect()
                if label == "phone":
                    self.assertEqual(texts[0], texts[1])
            self.assertEqual(self.model.calls[0].cancelled, label == "laptop")


class InvisibleTests(KeyCase):
    """Runs of others are not there, unless the key is an administrator's."""

    keys = [key("laptop"), key("phone"), key("root", scopes=["operator.admin"])]

    def test_events(self) -> None:
        """Events of a run reach its starter, the owner and administrators, nobody else."""
        clients = {label: self.websocket(label) for label in ("laptop", "phone", "root", None)}
        self.model.say("private")
        self.chat("laptop", {"user": "x"})
        self.memory.advance(1)
        heard = {label: bool(client.events("agent") or client.events("chat")) for label, client in clients.items()}
        self.assertEqual(heard, {"laptop": True, "phone": False, "root": True, None: True})

    def test_lists(self) -> None:
        """Sessions, status and health show only one's own; counts do not tell of others."""
        for label in ("laptop", None):
            self.model.say("x")
            self.chat(label, {"user": "x"})
        self.chat("laptop", {"user": "busy"})
        for label, sessions, live in (("laptop", 2, 1), ("phone", 0, 0), ("root", 3, 1), (None, 3, 1)):
            client = self.websocket(label)
            listed = client.request("sessions.list", {"includeLastMessage": True})["payload"]
            self.assertEqual(listed["count"], sessions, label)
            status = client.request("status")["payload"]
            self.assertEqual(status["sessions"]["count"], sessions, label)
            self.assertEqual(sum(row["count"] for row in status["sessions"]["byAgent"]), sessions, label)
            self.assertEqual(len(status["sessions"]["recent"]), sessions, label)
            self.assertEqual(status["runs"]["running"], live, label)
            health = client.request("health", {"probe": True})["payload"]
            self.assertEqual(health["sessions"]["count"], sessions, label)
            self.assertEqual(sum(len(agent["sessions"]["recent"]) for agent in health["agents"]), sessions, label)
            client.close()
        self.model.calls[-1].finish()

    def test_wait(self) -> None:
        """Another's run is waited for like one that does not exist, live or ended, in the same time."""
        started = self.chat("laptop", {"user": "x", "stream": True})
        self.model.calls[0].text("x")
        self.memory.advance(3)
        run_id = started.headers["x-openclaw-run-id"]
        client = self.websocket("phone")
        for turn in ("live", "ended"):
            answers = []
            for name in (run_id, "nothing"):
                frame_id, params = f"{turn} {name}", {"runId": name, "timeoutMs": 500}
                client.send({"type": "req", "id": frame_id, "method": "agent.wait", "params": params})
                self.assertRaises(AssertionError, client.response, frame_id)
                self.memory.advance(0.5)
                answers.append({**client.response(frame_id)["payload"], "runId": "?"})
            self.assertEqual(answers[0], answers[1])
            self.assertEqual(answers[0]["status"], "timeout")
            if not self.model.calls[0].done.called:
                self.model.calls[0].finish()
                self.memory.flush()
        self.assertEqual(self.websocket("laptop").request("agent.wait", {"runId": run_id})["payload"]["status"], "ok")
        self.assertEqual(self.websocket("root").request("agent.wait", {"runId": run_id})["payload"]["status"], "ok")

    def test_abort(self) -> None:
        """Nobody aborts what is not his; the answer is that for a run that is not there."""
        self.chat("laptop", {"stream": True}, x_openclaw_session_key="thread")
        run_id = next(iter(self.memory.gateway.engine.live())).request.run_id
        client = self.websocket("phone")
        for name in (run_id, "nothing"):
            answer = client.request("chat.abort", {"sessionKey": "thread", "runId": name})
            self.assertEqual(answer["payload"], {"ok": True, "aborted": False, "runIds": []})
        self.assertFalse(self.model.calls[0].cancelled)
        answer = self.websocket("laptop").request("chat.abort", {"sessionKey": "thread"})
        self.assertEqual(answer["payload"]["runIds"], [run_id])
        self.assertTrue(self.model.calls[0].cancelled)


class ScopeTests(KeyCase):
    """Scopes come from the key, on both surfaces."""

    keys = [key("laptop", scopes=["operator.read"]), key("phone")]

    def test_http(self) -> None:
        """A header adds nothing."""
        response = self.chat("laptop", x_openclaw_scopes="operator.admin")
        self.assertEqual(self.error(response), (403, "insufficient_scope"))
        self.assertEqual(self.memory.get("/v1/models", token=secret("laptop")).code, 200)

    def test_websocket(self) -> None:
        """Neither does the frame; what is not asked for is given, what is asked for narrows."""
        for asked, got in (
            (["operator.admin"], ["operator.read", "operator.write"]),
            ([], ["operator.read", "operator.write"]),
            (["operator.read"], ["operator.read"]),
            (["operator.pairing"], []),
        ):
            client = self.memory.websocket()
            hello = client.connect(token=secret("phone"), scopes=asked)
            self.assertEqual(hello["auth"]["scopes"], got, asked)
            client.close()
        client = self.websocket("laptop", protocol=3, scopes=[])
        refused = client.request("agent", {"message": "x", "idempotencyKey": "k"})
        self.assertEqual(refused["error"]["message"], "missing scope: operator.write")
        self.assertTrue(client.request("sessions.list")["ok"])


class EndTests(KeyCase):
    """Keys that are taken away, or whose time is over."""

    keys = [key("laptop"), key("phone", expires="2023-11-14T22:14:20Z")]  # a minute after the clock's start

    def test_revoked(self) -> None:
        """Requests, connections and streams end; other keys go on. The run behind the stream is aborted."""
        client, other = self.websocket("laptop"), self.websocket("phone")
        stream = self.chat("laptop", {"stream": True})
        self.model.calls[0].text("before")
        self.memory.flush()
        self.reload([self.keys[1]])
        self.memory.advance(0)
        self.assertEqual(client.closed and client.closed[0], 4001)
        self.assertIsNone(other.closed)
        self.memory.advance(16)
        self.assertEqual(stream.events()[-2]["error"]["code"], "invalid_api_key")
        self.assertEqual(stream.events()[-1], "[DONE]")
        self.assertTrue(self.model.calls[0].cancelled)
        refused = self.chat("laptop")
        self.memory.advance(5)
        self.assertEqual(self.error(refused), (401, "invalid_api_key"))
        self.model.say("x")
        self.assertEqual(self.chat("phone").code, 200)

    def test_expired(self) -> None:
        """The same by the clock alone, with nothing changed in the configuration."""
        client, stream = self.websocket("phone"), self.chat("phone", {"stream": True})
        self.model.calls[0].text("before")
        self.memory.advance(59, 59)
        self.model.say("x")
        self.assertEqual(self.chat("phone").code, 200)
        self.memory.advance(31, 31)
        self.assertEqual(client.closed and client.closed[0], 4001)
        self.assertEqual(stream.events()[-2]["error"]["code"], "invalid_api_key")
        self.assertEqual(self.error(self.chat("phone")), (401, "invalid_api_key"))


class LateTests(KeyCase):
    """Between two looks of the gateway at its connections."""

    keys = [key("phone", expires="2023-11-14T22:14:20Z")]
    gateway = {"tickIntervalMs": 3_600_000}

    def test_used_after_expiry(self) -> None:
        """A connection is no good for a request from the very second on."""
        client = self.websocket("phone")
        self.memory.advance(59.9)
        self.assertTrue(client.request("status")["ok"])
        self.memory.advance(0.1)
        self.assertIsNone(client.closed)
        client.send({"type": "req", "id": "late", "method": "status", "params": {}})
        self.assertRaises(AssertionError, client.response, "late")
        self.assertEqual(client.closed and client.closed[0], 4001)


class LimitTests(KeyCase):
    """429 and its headers."""

    keys = [key("laptop", rpm=2, tpm=100), key("phone", concurrency=1), key("free")]

    def test_requests(self) -> None:
        """Every answer tells how the limits stand; beyond them 429 with when and whether to try again."""
        for remaining in ("1", "0"):
            self.model.say("x")
            response = self.chat()
            self.assertEqual(response.code, 200)
            self.assertEqual(response.headers["x-ratelimit-limit-requests"], "2")
            self.assertEqual(response.headers["x-ratelimit-remaining-requests"], remaining)
        self.assertEqual(response.headers["x-ratelimit-reset-requests"], "1m0s")
        self.assertEqual(response.headers["x-ratelimit-limit-tokens"], "100")
        self.assertEqual(response.headers["x-ratelimit-remaining-tokens"], "85")
        self.assertEqual(response.headers["x-ratelimit-reset-tokens"], "9s")
        refused = self.chat()
        self.assertEqual(self.error(refused), (429, "rate_limit_exceeded"))
        self.assertEqual((refused.headers["retry-after"], refused.headers["x-should-retry"]), ("30", "true"))
        self.assertEqual(refused.headers["x-ratelimit-remaining-requests"], "0")
        self.memory.advance(30)
        self.model.say("x")
        self.assertEqual(self.chat().code, 200)

    def test_bad_requests_count(self) -> None:
        """A refused body is a request too, and its answer has the headers; reading does not count."""
        for _ in range(5):
            listed = self.memory.get("/v1/models", token=secret("laptop"))
            self.assertEqual(listed.code, 200)
        self.assertNotIn("x-ratelimit-limit-requests", listed.headers)
        codes = [self.memory.post(CHAT, b"{", token=secret("laptop")).code for _ in range(3)]
        self.assertEqual(codes, [400, 400, 429])

    def test_streams(self) -> None:
        """On streams as well."""
        self.model.say("x")
        self.assertEqual(self.chat("laptop", {"stream": True}).headers["x-ratelimit-remaining-requests"], "1")

    def test_tokens(self) -> None:
        """Real usage counts when the run has ended."""
        self.reload([key("laptop", tpm=60)])
        for _ in range(4):
            self.model.say("x")
            self.assertEqual(self.chat().code, 200)  # 15 tokens each
        refused = self.chat()
        self.assertEqual(self.error(refused), (429, "rate_limit_exceeded"))
        self.assertEqual(refused.headers["x-ratelimit-remaining-tokens"], "0")
        self.assertNotIn("x-ratelimit-limit-requests", refused.headers)
        self.memory.advance(1)
        self.model.say("x")
        self.assertEqual(self.chat().code, 200)

    def test_concurrency(self) -> None:
        """One at a time over both surfaces together; a client that leaves makes room."""
        stream = self.chat("phone", {"stream": True})
        client = self.websocket("phone")
        busy = client.request("agent", {"message": "x", "idempotencyKey": "k"})
        self.assertEqual(busy["error"]["retryable"], True)
        self.assertEqual(busy["error"]["retryAfterMs"], 1000)
        refused = self.chat("phone")
        self.assertEqual(self.error(refused), (429, "rate_limit_exceeded"))
        self.assertEqual((refused.headers["retry-after"], refused.headers["x-should-retry"]), ("1", "true"))
        stream.disconnect()
        self.memory.flush()
        self.assertEqual(
            client.request("agent", {"message": "x", "idempotencyKey": "k"})["payload"]["status"], "accepted"
        )

    def test_websocket(self) -> None:
        """Runs over WebSockets count against the same limit; a repeated key does not."""
        client = self.websocket("laptop")
        self.model.say("x")
        self.chat("laptop")
        for number, fine in ((1, True), (1, True), (2, False)):
            self.model.say("x")
            answer = client.request("chat.send", {"message": "x", "sessionKey": "s", "idempotencyKey": f"k{number}"})
            self.assertEqual(answer["ok"], fine, number)

    def test_unlimited(self) -> None:
        """The owner and keys without limits have neither limits nor headers."""
        for label in ("free", None):
            self.model.say("x")
            response = self.chat(label)
            self.assertEqual([name for name in response.headers if name.startswith("x-ratelimit")], [])
