# -*- test-case-name: tests.web.test_seed -*-
"""The seed table S1-S26: what the product promises, row by row (spec 10).

The tests know nothing but L{SeedHarness}: subclass L{SeedTests} with another L{SeedTests.harness} to run them over a
real engine and model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import authorise
from openclaw_tx.auth.methods import GatewayAuthenticator
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import Auth, ChatCompletions, Endpoints, GatewaySection, Http
from openclaw_tx.values import MessageEnded, RunRequest, RunStarted
from tests.support.fakes import ScriptedRun
from tests.support.web import Client, Harness, Response

CHAT = "/v1/chat/completions"


class SeedHarness(Protocol):
    """A gateway with agents main and beta, main being the default, whose model says what it is told to."""

    clock: Clock

    def configure(
        self, *, enabled: bool = True, auth: Auth | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        """Put a configuration in force, as a reload would."""

    def model_says(self, *pieces: str) -> None:
        """Answer every request with these pieces from now on; none = say C{first} and wait for L{finish}."""

    def finish(self) -> None:
        """Let runs that wait say C{rest} and end."""

    def model_fails(self, code: str) -> None:
        """Fail every request with this code from now on, after a first piece of text has gone out."""

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Client:
        """One request on a new connection, with exactly these headers besides Host and Content-Length."""

    def runs(self) -> list[RunRequest]:
        """Requests of all runs that were started."""

    def close(self) -> None:
        """Nothing may be left."""


class ScriptedSeedHarness:
    """A L{SeedHarness} over a scripted engine and the real authentication."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._config = Config()
        self._env: Mapping[str, str] = {}
        self._pieces: tuple[str, ...] = ("po", "ng")
        self._fails = ""
        authenticator = GatewayAuthenticator(self.clock, lambda: self._config, lambda: self._env)
        self._gateway = Harness(
            clock=self.clock, authenticator=authenticator, authorise=authorise, settings=lambda: self._config
        )
        self._gateway.scripted.script = self._script

    def configure(
        self, *, enabled: bool = True, auth: Auth | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        """See L{SeedHarness}."""
        self._env = env or {}
        chat = ChatCompletions(enabled=enabled)
        self._config = Config(
            gateway=GatewaySection(
                auth=auth or Auth(mode="token", token="s3cret"), http=Http(endpoints=Endpoints(chat_completions=chat))
            )
        )

    def model_says(self, *pieces: str) -> None:
        """See L{SeedHarness}."""
        self._pieces = pieces
        self._fails = ""

    def model_fails(self, code: str) -> None:
        """See L{SeedHarness}."""
        self._fails = code

    def finish(self) -> None:
        """See L{SeedHarness}."""
        for run in self._gateway.scripted.live():
            assert isinstance(run, ScriptedRun)
            run.say("rest")
            run.emit(MessageEnded())
            run.end()
        for client in self._gateway.clients:
            client.wire.pump()

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Client:
        """See L{SeedHarness}."""
        return self._gateway.ask(method, path, body, headers, authorised=False)

    def runs(self) -> list[RunRequest]:
        """See L{SeedHarness}."""
        return [run.request for run in self._gateway.scripted.runs]

    def close(self) -> None:
        """See L{SeedHarness}."""
        self._gateway.close()

    def _script(self, run: ScriptedRun) -> None:
        run.emit(RunStarted(session_id="s"))
        if self._fails:
            self.clock.callLater(0, run.say, "half")
            self.clock.callLater(0, run.fail, self._fails)
            return
        if not self._pieces:
            run.say("first")
            return
        run.say(*self._pieces)
        run.emit(MessageEnded())
        run.end()


class SeedTests(SynchronousTestCase):
    """One test for each row that this surface answers for."""

    def harness(self) -> SeedHarness:
        """What the rows are tested on."""
        return ScriptedSeedHarness()

    def setUp(self) -> None:
        """A gateway with the endpoint on and a token."""
        self.gateway = self.harness()
        self.addCleanup(self.gateway.close)
        self.gateway.configure()

    def post(self, headers: Mapping[str, str] | None = None, *, secret: str | None = "s3cret", **fields: Any) -> Client:
        """A chat request."""
        body = {"model": "openclaw", "messages": [{"role": "user", "content": "ping"}], **fields}
        lines = {"Content-Type": "application/json", **(headers or {})}
        if secret is not None:
            lines = {"Authorization": f"Bearer {secret}", **lines}
        return self.gateway.ask("POST", CHAT, json.dumps(body).encode(), lines)

    def answer(self, headers: Mapping[str, str] | None = None, **fields: Any) -> Response:
        """A chat request's whole answer."""
        return self.post(headers, **fields).response

    def assert_completion(self, response: Response, content: str = "pong") -> None:
        """An OpenAI-shaped completion."""
        self.assertEqual(response.status, 200)
        self.assertTrue((response.header("content-type") or "").startswith("application/json"))
        completion = response.json
        self.assertEqual(completion["object"], "chat.completion")
        self.assertRegex(completion["id"], "^chatcmpl_")
        self.assertIsInstance(completion["created"], int)
        (choice,) = completion["choices"]
        self.assertEqual((choice["index"], choice["finish_reason"]), (0, "stop"))
        self.assertEqual(choice["message"], {"role": "assistant", "content": content, "refusal": None})

    def test_s01_serves_chat_completions(self) -> None:
        """With the switch on, a valid body gets a completion."""
        self.assert_completion(self.answer())

    def test_s02_disabled_by_default(self) -> None:
        """A fresh configuration has it off: 404 with a valid secret, and nothing runs."""
        self.assertFalse(ChatCompletions().enabled)
        self.gateway.configure(enabled=ChatCompletions().enabled)
        self.assertEqual(self.answer().status, 404)
        self.assertEqual(self.gateway.runs(), [])

    def test_s03_post_only(self) -> None:
        """Other methods 405 before authentication; another slash is another path."""
        for method in ("GET", "PUT", "DELETE", "HEAD", "OPTIONS"):
            response = self.gateway.ask(method, CHAT).response
            self.assertEqual((response.status, response.header("allow")), (405, "POST"))
        self.assertEqual(self.gateway.ask("POST", CHAT + "/", b"{}").response.status, 404)

    def test_s07_bearer(self) -> None:
        """The right secret passes, in any case of the scheme; everything else is 401 and runs nothing."""
        for value in ("Bearer s3cret", "bearer s3cret"):
            self.assert_completion(self.answer({"Authorization": value}))
        started = len(self.gateway.runs())
        for headers in ({}, {"Authorization": "Basic s3cret"}, {"Authorization": "Bearer "}):
            response = self.answer(headers, secret=None)
            self.assertEqual((response.status, response.error["type"]), (401, "unauthorized"))
        wrong = self.post(secret="wrong")
        wrong.advance(5)
        self.assertEqual(wrong.response.status, 401)
        self.assertEqual(len(self.gateway.runs()), started)

    def test_s08_token_mode(self) -> None:
        """The configured token, else the environment's; a password does not do."""
        env = {"OPENCLAW_GATEWAY_TOKEN": "env-tok", "OPENCLAW_GATEWAY_PASSWORD": "env-pass"}
        self.check_secrets(Auth(mode="token", token="conf-tok", password="conf-pass"), env, "conf-tok")
        self.check_secrets(Auth(mode="token", password="conf-pass"), env, "env-tok")

    def test_s09_password_mode(self) -> None:
        """Mirror of S8."""
        env = {"OPENCLAW_GATEWAY_TOKEN": "env-tok", "OPENCLAW_GATEWAY_PASSWORD": "env-pass"}
        self.check_secrets(Auth(mode="password", token="conf-tok", password="conf-pass"), env, "conf-pass")
        self.check_secrets(Auth(mode="password", token="conf-tok"), env, "env-pass")

    def check_secrets(self, auth: Auth, env: Mapping[str, str], right: str) -> None:
        """Exactly one of the four secrets passes."""
        self.gateway.configure(auth=auth, env=env)
        for secret in ("conf-tok", "conf-pass", "env-tok", "env-pass"):
            client = self.post(secret=secret)
            client.advance(5)
            self.assertEqual(client.response.status, 200 if secret == right else 401, secret)

    def test_s10_model_names_the_agent(self) -> None:
        """C{openclaw:beta} runs beta and is echoed."""
        response = self.answer(model="openclaw:beta")
        self.assertEqual(response.json["model"], "openclaw:beta")
        (run,) = self.gateway.runs()
        self.assertEqual(run.agent_id, "beta")
        self.assertTrue(run.session_key.startswith("agent:beta:openai:"))

    def test_s11_agent_alias(self) -> None:
        """So does C{agent:beta}."""
        self.assert_completion(self.answer(model="agent:beta"))
        self.assertEqual(self.gateway.runs()[0].agent_id, "beta")

    def test_s12_agent_header(self) -> None:
        """The header selects, and beats the model."""
        self.answer({"x-openclaw-agent-id": "beta"})
        self.answer({"x-openclaw-agent-id": "beta"}, model="openclaw:main")
        self.assertEqual([run.agent_id for run in self.gateway.runs()], ["beta", "beta"])

    def test_s13_default_main(self) -> None:
        """Nothing said: main."""
        self.answer()
        self.assertEqual(self.gateway.runs()[0].agent_id, "main")

    def test_s14_no_custom_headers(self) -> None:
        """Authorization and Content-Type are enough."""
        self.assert_completion(self.answer())

    def test_s15_session_key_header(self) -> None:
        """It decides, beats C{user}, and repeated calls share it; reserved names are refused."""
        for _ in range(2):
            response = self.answer({"x-openclaw-session-key": "my-thread"}, user="alice")
            self.assertEqual(response.header("x-openclaw-session-key"), "agent:main:my-thread")
        self.assertEqual({run.session_key for run in self.gateway.runs()}, {"agent:main:my-thread"})
        self.assertFalse(any(run.stateless for run in self.gateway.runs()))
        for key in ("subagent:x", "cron:x", "acp:x", "agent:main:subagent:x"):
            self.assertEqual(self.answer({"x-openclaw-session-key": key}).status, 400)

    def test_s16_s17_switching(self) -> None:
        """On and off take effect with the next request; a running stream finishes."""
        self.gateway.configure(enabled=False)
        self.assertEqual(self.answer().status, 404)
        self.gateway.configure(enabled=True)
        self.assert_completion(self.answer())
        self.gateway.model_says()
        stream = self.post(stream=True)
        self.gateway.configure(enabled=False)
        self.assertEqual(self.answer().status, 404)
        self.gateway.finish()
        self.assertEqual(stream.response.events[-1], "[DONE]")
        self.assertEqual(stream.response.text, "firstrest")

    def test_s18_stateless_by_default(self) -> None:
        """Two calls, two sessions, both ended with their runs."""
        self.answer()
        self.answer()
        one, two = self.gateway.runs()
        self.assertNotEqual(one.session_key, two.session_key)
        self.assertTrue(one.stateless and two.stateless)

    def test_s19_user(self) -> None:
        """The same user has one session for each agent; a blank one has none."""
        for fields in (
            {"user": "alice"},
            {"user": "alice"},
            {"user": "bob"},
            {"user": "alice", "model": "agent:beta"},
            {"user": " "},
        ):
            self.answer(**fields)
        alice, again, bob, beta, blank = self.gateway.runs()
        self.assertEqual(alice.session_key, "agent:main:openai-user:alice")
        self.assertEqual(again.session_key, alice.session_key)
        self.assertEqual(bob.session_key, "agent:main:openai-user:bob")
        self.assertEqual(beta.session_key, "agent:beta:openai-user:alice")
        self.assertEqual([run.stateless for run in (alice, blank)], [False, True])

    def test_s20_streams(self) -> None:
        """An event stream, delivered while the model still speaks."""
        self.gateway.model_says()
        client = self.post(stream=True)
        self.assertTrue((client.response.header("content-type") or "").startswith("text/event-stream"))
        self.assertEqual(client.response.text, "first")
        self.assertFalse(client.response.complete)
        self.gateway.finish()
        self.assertTrue(client.response.complete)

    def test_s21_data_lines(self) -> None:
        """Each line that is not empty is C{data: <json>}, of a chunk with a constant id."""
        body = self.answer(stream=True).body.decode()
        self.assertTrue(body.endswith("\n\n"))
        lines = body.split("\n")
        self.assertEqual(lines[1::2], [""] * (len(lines) // 2))
        *chunks, done = [line for line in lines if line]
        self.assertEqual(done, "data: [DONE]")
        payloads = [json.loads(line.removeprefix("data: ")) for line in chunks]
        self.assertEqual({payload["object"] for payload in payloads}, {"chat.completion.chunk"})
        self.assertEqual(len({payload["id"] for payload in payloads}), 1)

    def test_s22_done(self) -> None:
        """Exactly once, last, on success and on failure; then the answer ends."""
        good = self.answer(stream=True)
        self.gateway.model_fails("provider_error")
        client = self.post(stream=True)
        client.advance(2)
        bad = client.response
        self.assertEqual(bad.events[-2]["error"]["code"], "provider_error")
        for response in (good, bad):
            self.assertEqual((response.events[-1], response.events.count("[DONE]")), ("[DONE]", 1))
            self.assertTrue(response.complete)

    def test_s23_the_literal_example(self) -> None:
        """The request of the documentation: bearer, JSON, agent header, one user message."""
        body = b'{"model": "openclaw", "messages": [{"role":"user","content":"hi"}]}'
        headers = {
            "Authorization": "Bearer s3cret",
            "Content-Type": "application/json",
            "x-openclaw-agent-id": "main",
        }
        self.assert_completion(self.gateway.ask("POST", CHAT, body, headers).response)

    def test_s24_one_body(self) -> None:
        """C{stream} false, null or left out: one JSON body."""
        for fields in ({}, {"stream": False}, {"stream": None}):
            self.assert_completion(self.answer(**fields))

    def test_s25_deltas_join_to_the_text(self) -> None:
        """The stream says what the whole answer says."""
        self.gateway.model_says("a ", "\u00e9\U0001f43e", "\n\n", "<b>", " z")
        whole = self.answer().json["choices"][0]["message"]["content"]
        self.assertEqual(whole, "a \u00e9\U0001f43e\n\n<b> z")
        self.assertEqual(self.answer(stream=True).text, whole)

    def test_s26_missing_message(self) -> None:
        """400, and nothing runs."""
        for messages in (None, [], [{"role": "system", "content": "be brief"}], [{"role": "user", "content": ""}]):
            response = self.answer(messages=messages)
            self.assertEqual((response.status, response.error["type"]), (400, "invalid_request_error"))
            self.assertEqual(response.error["message"], "Missing user message in `messages`.")
        self.assertEqual(self.gateway.runs(), [])
