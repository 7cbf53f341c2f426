# -*- test-case-name: tests.web.test_hooks -*-
"""L{openclaw_tx.web.hooks} in a whole gateway: who gets in, and what is refused."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.gateway import TOKEN
from openclaw_tx.testing.http import MemoryResponse

SECRET = "a-token-for-hooks"
WAKE = {"text": "The build is red.", "mode": "next-heartbeat"}
ASK = {"message": "Look.", "wakeMode": "next-heartbeat"}
MAPPING = {"match": {"path": "ci/build"}, "messageTemplate": "{{job}} ({{headers.x-event}}, {{headers.authorization}})"}


class Case(SynchronousTestCase):
    """A gateway that serves hooks."""

    hooks: dict[str, Any] = {"mappings": [MAPPING]}

    def setUp(self) -> None:
        """Serve them."""
        self.memory = MemoryGateway({"hooks": {"enabled": True, "token": SECRET, **self.hooks}})
        self.addCleanup(self.memory.close)

    def post(self, path: str, body: Any, token: str | None = SECRET, **headers: str) -> MemoryResponse:
        """A hook's request."""
        return self.memory.post(path, body, token=token, headers=headers)

    def configure(self, **hooks: Any) -> None:
        """Go by other rules."""
        self.memory.gateway.reload({**self.memory.config, "hooks": {"enabled": True, "token": SECRET, **hooks}})

    def assertRefused(self, response: MemoryResponse, status: int, words: str) -> None:
        """It was refused in the form of hooks, and started nothing."""
        self.assertEqual(response.code, status, response.text())
        self.assertEqual(response.json()["ok"], False)
        self.assertIn(words, response.json()["error"])
        self.assertEqual(self.memory.model.calls, [])


class ServedTests(Case):
    """What hooks can do."""

    def test_wake(self) -> None:
        """News are noted."""
        answer = self.post("/hooks/wake", WAKE)
        self.assertEqual((answer.code, answer.json()), (200, {"ok": True, "mode": "next-heartbeat"}))
        socket = self.memory.websocket()
        socket.connect()
        (news,) = socket.request("status")["payload"]["queuedSystemEvents"]
        self.assertIn("The build is red.", news)

    def test_wake_now(self) -> None:
        """And looked at at once."""
        self.memory.model.say("Oh.")
        self.assertEqual(self.post("/hooks/wake", {"text": "x"}).json(), {"ok": True, "mode": "now"})
        self.memory.advance(1, 2)
        self.assertEqual(len(self.memory.model.calls), 1)

    def test_agent(self) -> None:
        """A run is started; its id can be waited for."""
        answer = self.post("/hooks/agent", ASK)
        self.assertEqual((answer.code, answer.json()["ok"]), (202, True))
        (call,) = self.memory.model.calls
        self.assertIn("Look.", call.request.messages[-1].text)
        run = self.memory.gateway.engine.get(answer.json()["runId"])
        assert run is not None
        call.text("Seen.")
        call.finish()
        self.memory.advance(1)
        self.assertEqual(run.status, "ok")

    def test_other_header(self) -> None:
        """OpenClaw's own header will do."""
        answer = self.post("/hooks/wake", WAKE, None, **{"X-OpenClaw-Token": SECRET})
        self.assertEqual(answer.code, 200)

    def test_mapped(self) -> None:
        """A service's own request; secrets in headers are not to be had."""
        answer = self.post("/hooks/ci/build", {"job": "tests"}, **{"X-Event": "failed"})
        self.assertEqual(answer.code, 202, answer.text())
        text = self.memory.model.calls[0].request.messages[-1].text
        self.assertIn("[1] tests\n[2] failed\n[3] \n", text)
        self.assertNotIn(SECRET, text)

    def test_repeated(self) -> None:
        """A key makes a request safe to repeat; another request under it is refused."""
        first, second = (self.post("/hooks/agent", ASK, **{"Idempotency-Key": "k"}) for _ in range(2))
        self.assertEqual((first.code, second.code), (202, 202))
        self.assertEqual(first.json(), second.json())
        self.assertEqual(len(self.memory.model.calls), 1)
        other = self.post("/hooks/agent", {**ASK, "message": "Else."}, **{"Idempotency-Key": "k"})
        self.assertEqual((other.code, other.json()["ok"]), (409, False))
        third = self.post("/hooks/agent", ASK, **{"Idempotency-Key": "l"})
        self.assertNotEqual(third.json(), first.json())

    def test_moved(self) -> None:
        """Path, token and switch take effect at once."""
        self.configure(path="/in/coming", token="another-token")
        self.assertEqual(self.post("/hooks/wake", WAKE).code, 404)
        self.assertEqual(self.post("/in/coming/wake", WAKE).code, 401)
        self.assertEqual(self.post("/in/coming/wake", WAKE, "another-token").code, 200)
        self.memory.gateway.reload(self.memory.config | {"hooks": {}})
        answer = self.post("/in/coming/wake", WAKE, "another-token")
        self.assertEqual((answer.code, answer.json()["error"]["code"]), (404, "not_found"))

    def test_counted(self) -> None:
        """However many paths services make up, there is one line for them in the metrics."""
        for path in ("wake", "nope/a", "nope/b"):
            self.post(f"/hooks/{path}", WAKE)
        text = self.memory.get("/metrics").text()
        self.assertIn('route="/hooks/*"', text)
        self.assertNotIn("nope", text)


class RefusedTests(Case):
    """What hooks can not do."""

    def test_no_token(self) -> None:
        """401 as text: without a token, with a wrong one, with the gateway's own."""
        for token in (None, "wrong", TOKEN, ""):
            answer = self.post("/hooks/wake", WAKE, token)
            self.assertEqual((answer.code, answer.text()), (401, "Unauthorized"), token)
            self.assertEqual(answer.headers["content-type"], "text/plain; charset=utf-8")
            wrong = ', error="invalid_token"' if token else ""
            self.assertEqual(answer.headers["www-authenticate"], f'Bearer realm="openclaw"{wrong}')

    def test_no_other_use(self) -> None:
        """Their token opens nothing else."""
        answers = [self.post("/v1/chat/completions", {"messages": []}), self.memory.get("/v1/models", token=SECRET)]
        self.memory.advance(1)  # guesses of the gateway's own secret are answered late
        self.assertEqual([answer.code for answer in answers], [401, 401])

    def test_token_in_url(self) -> None:
        """URLs end up in logs."""
        for name in ("wake?token=" + SECRET, "wake?x=1&token="):
            self.assertRefused(self.post(f"/hooks/{name}", WAKE), 400, "not in the URL")

    def test_methods(self) -> None:
        """Only POST; an upgrade is none."""
        for method in ("GET", "PUT", "DELETE", "OPTIONS", "HEAD"):
            answer = self.memory.request(method, "/hooks/wake", token=SECRET)
            self.assertEqual((answer.code, answer.headers["allow"]), (405, "POST"), method)
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
        self.assertEqual(self.memory.request("GET", "/hooks/wake", token=SECRET, headers=upgrade).code, 405)

    def test_no_such_path(self) -> None:
        """404, but only for who has the token."""
        for path in ("/hooks", "/hooks/", "/hooks/nope", "/hooks/wake/x", "/hooks/%ff"):
            self.assertRefused(self.post(path, WAKE), 404, "Not Found")
            self.assertEqual(self.post(path, WAKE, None).code, 401, path)

    def test_body(self) -> None:
        """What is no JSON, no object, or not what is asked for."""
        for path, body, words in (
            ("wake", b"{", "not JSON"),
            ("wake", b"", "text"),
            ("wake", b"[]", "object"),
            ("ci/build", b'{"a":' * 200 + b"1" + b"}" * 200, "nested"),
            ("wake", {"text": " "}, "text"),
            ("wake", {"text": 7}, "text"),
            ("wake", {"text": "x", "mode": "soon"}, "mode"),
            ("wake", {"text": "x", "extra": 1}, "extra"),
            ("agent", {}, "message"),
            ("agent", {"message": "x", "timeoutSeconds": 0}, "timeoutSeconds"),
            ("agent", {"message": "x", "thinking": "hard"}, "thinking"),
            ("agent", {"message": "x", "agentId": "nobody"}, "agentId"),
            ("agent", {"message": "x", "sessionKey": "main"}, "sessionKey"),
            ("agent", {"message": "x", "channel": "whatsapp"}, "channel"),
            ("ci/build", b"[]", "object"),
            ("ci/build", b"7", "object"),
        ):
            self.assertRefused(self.post(f"/hooks/{path}", body), 400, words)

    def test_long_key(self) -> None:
        """An idempotency key is bounded."""
        self.assertRefused(self.post("/hooks/wake", WAKE, **{"Idempotency-Key": "k" * 257}), 400, "Idempotency-Key")

    def test_large(self) -> None:
        """A body is bounded, and one that comes without a token is not even read."""
        self.configure(maxBodyBytes=1000)
        self.assertRefused(self.post("/hooks/wake", {"text": "x" * 1000}), 413, "Payload too large")
        self.assertEqual(self.post("/hooks/wake", {"text": "x" * 1000}, None).code, 401)
        self.assertEqual(self.post("/hooks/wake", {"text": "x" * 900}).code, 200)

    def test_unknown_model(self) -> None:
        """A model that there is not."""
        answer = self.post("/hooks/agent", {**ASK, "model": "nope/nope"})
        self.assertEqual((answer.code, answer.json()["ok"]), (404, False))

    def test_lockout(self) -> None:
        """Twenty wrong tokens lock an address out for a minute, for the right token too; a missing one is no guess."""
        for _ in range(25):
            self.assertEqual(self.post("/hooks/wake", WAKE, None).code, 401)
        for _ in range(20):
            self.assertEqual(self.post("/hooks/wake", WAKE, "guess").code, 401)
        answer = self.post("/hooks/wake", WAKE)
        self.assertEqual((answer.code, answer.headers["retry-after"]), (429, "60"))
        self.assertEqual(self.memory.get("/v1/models").code, 200)
        self.memory.advance(60.1)
        self.assertEqual(self.post("/hooks/wake", WAKE).code, 200)

    def test_right_token_forgives(self) -> None:
        """Who knows the token has a clean record."""
        for _ in range(3):
            for _ in range(19):
                self.post("/hooks/wake", WAKE, "guess")
            self.assertEqual(self.post("/hooks/wake", WAKE).code, 200)

    def test_proxy(self) -> None:
        """Through a proxy that nobody vouches for it is not known whom to count."""
        answer = self.post("/hooks/wake", WAKE, **{"X-Forwarded-For": "10.0.0.1"})
        self.assertEqual((answer.code, answer.json()["error"]["code"]), (403, "proxy_attribution_required"))

    def test_draining(self) -> None:
        """A gateway that stops starts nothing."""
        self.memory.gateway.engine.draining = True
        answer = self.post("/hooks/agent", ASK)
        self.assertEqual((answer.code, answer.json()["error"]["code"]), (503, "gateway_draining"))


class NotServedTests(SynchronousTestCase):
    """By default there are none."""

    def test_off(self) -> None:
        """404 like any other path."""
        memory = MemoryGateway()
        self.addCleanup(memory.close)
        self.assertEqual(memory.post("/hooks/wake", WAKE).json()["error"]["code"], "not_found")
