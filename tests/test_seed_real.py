# -*- test-case-name: tests.test_seed_real -*-
"""The seed table S1-S26 on the real thing: site, authentication, engine, store and an OpenAI provider over HTTP.

Rows that are about one surface are those of L{tests.web.test_seed}; the rows that need a whole house are here.
docs/compatibility.md, section Seed, says which test stands for which row.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.load import from_mapping
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import Auth, ChatCompletions, GatewaySection
from openclaw_tx.interfaces import Run
from openclaw_tx.testing import MemoryWebSocket
from openclaw_tx.values import Entry, RunRequest
from tests.support.house import House
from tests.support.web import Client
from tests.web import test_seed

SECRET = "s3cret"
BEARER = {"Authorization": f"Bearer {SECRET}"}
PAUSE = 5.0
"""Seconds between two pieces of an answer that does not come at once."""


class RealSeedHarness:
    """A L{test_seed.SeedHarness} over the whole gateway."""

    def __init__(self) -> None:
        self.house = House({"gateway": {"auth": {"token": SECRET}}}, self._script)
        self.clock = self.house.clock
        self._pieces: Sequence[str] = ("po", "ng")
        self._waits = False
        self._fails = False
        self._runs: dict[str, RunRequest] = {}
        self.house.memory.gateway.subscribe(self._seen)

    def configure(
        self, *, enabled: bool = True, auth: Auth | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        """See L{test_seed.SeedHarness}."""
        section = msgspec.to_builtins(auth or Auth(mode="token", token=SECRET))
        known = {name: value for name, value in section.items() if name in ("mode", "token", "password") and value}
        memory = self.house.memory
        config = {
            **memory.config,
            "gateway": {"auth": known, "http": {"endpoints": {"chatCompletions": {"enabled": enabled}}}},
        }
        before = memory.gateway.settings.loaded
        memory.gateway.reload(from_mapping(config, env or {}, before.state_dir, check=before.check))

    def model_says(self, *pieces: str) -> None:
        """See L{test_seed.SeedHarness}."""
        self._waits = not pieces
        self._pieces = pieces or ("first", "rest")
        self._fails = False

    def model_fails(self, code: str) -> None:
        """See L{test_seed.SeedHarness}: the model server sends an error in the middle of its stream."""
        assert code == "provider_error"
        self._fails = True

    def finish(self) -> None:
        """See L{test_seed.SeedHarness}."""
        self.house.advance(2 * PAUSE, step=1)

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Client:
        """See L{test_seed.SeedHarness}."""
        client = self.house.ask(method, path, body, headers)
        if self._waits:
            self.house.advance(PAUSE)
        return client

    def runs(self) -> list[RunRequest]:
        """See L{test_seed.SeedHarness}."""
        return list(self._runs.values())

    def close(self) -> None:
        """See L{test_seed.SeedHarness}."""
        self.house.close()

    def _seen(self, run: Run, batch: Sequence[Entry]) -> None:
        self._runs[run.request.run_id] = run.request

    def _script(self, body: Mapping[str, Any]) -> dict[str, str]:
        """What the model server does."""
        directives = {"pieces": json.dumps(self._pieces)}
        if self._waits:
            directives["delay"] = str(PAUSE)
        if self._fails:
            directives["errmid"] = "1"
        return directives


class RealSeedTests(test_seed.SeedTests):
    """The rows that the HTTP surface answers for."""

    def harness(self) -> RealSeedHarness:
        """The whole gateway."""
        return RealSeedHarness()


class HouseCase(SynchronousTestCase):
    """A gateway with agents main and beta, and a model server that is told what to say in the prompt."""

    config: dict[str, Any] = {}

    def setUp(self) -> None:
        """Build it."""
        self.house = House({"gateway": {"auth": {"token": SECRET}}, **self.config})
        self.addCleanup(self.house.close)

    def post(self, text: str, headers: Mapping[str, str] | None = None, **fields: Any) -> Client:
        """A chat request with one user message."""
        body = {"model": "openclaw", "messages": [{"role": "user", "content": text}], **fields}
        return self.house.post(body, {**BEARER, **(headers or {})})

    def websocket(self) -> MemoryWebSocket:
        """A client that is let in."""
        client = self.house.memory.websocket()
        client.connect(token=SECRET)
        self.addCleanup(client.close)
        return client

    def said(self, number: int = -1) -> list[dict[str, Any]]:
        """Messages that the model server got with one of its requests."""
        messages: list[dict[str, Any]] = self.house.exchanges[number].body["messages"]
        return messages

    def system(self, number: int = -1) -> str:
        """The system prompt among them."""
        return str(self.said(number)[0]["content"])


class OnePortTests(HouseCase):
    """S4: WebSocket and HTTP on the same port."""

    def test_s04_one_port(self) -> None:
        """One listener takes both at the same time: a handshake and a run in the middle of an HTTP stream."""
        stream = self.post("hi [[chunks=3 delay=1]]", stream=True)
        self.house.advance(1)
        client = self.websocket()
        final = client.request("agent", {"message": "hi [[reply=pong]]", "agentId": "beta", "idempotencyKey": "k"})
        self.house.settle()
        self.assertEqual(client.response(final["id"])["payload"]["result"]["payloads"][0]["text"], "pong")
        self.assertFalse(stream.response.complete)
        self.house.advance(3)
        self.assertEqual(stream.response.text, "c1 c2 c3")
        self.assertEqual(GatewaySection().port, 18789)


class SamePathTests(HouseCase):
    """S5: an HTTP request is an agent run like any other."""

    def test_s05_same_run(self) -> None:
        """Both surfaces ask the model for the same: system prompt, tools, model, history; and leave the same in the
        store."""
        for by in (self.by_http, self.by_websocket):
            for text in ("one [[reply=A]]", "two [[reply=B]]"):
                by(text)
        http, ws = (exchange.body for exchange in (self.house.exchanges[1], self.house.exchanges[3]))
        for body in (http, ws):
            body["messages"][0]["content"] = body["messages"][0]["content"].replace("by-http", "by-ws")
        self.assertEqual(http, ws)
        self.assertEqual([message["role"] for message in http["messages"]], ["system", "user", "assistant", "user"])
        client = self.websocket()
        rows = {row["key"]: row for row in client.request("sessions.list")["payload"]["sessions"]}
        one, other = rows["agent:main:by-http"], rows["agent:main:by-ws"]
        own = {"key", "sessionId", "displayName", "createdAt", "updatedAt", "lastRunId"}
        self.assertEqual(
            {name: value for name, value in one.items() if name not in own},
            {name: value for name, value in other.items() if name not in own},
        )
        histories = [
            client.request("chat.history", {"sessionKey": key, "limit": 10})["payload"]["messages"]
            for key in ("agent:main:by-http", "agent:main:by-ws")
        ]
        shapes = [[(message["role"], sorted(message), message["content"]) for message in one] for one in histories]
        self.assertEqual(shapes[0], shapes[1])
        self.assertEqual(len(shapes[0]), 4)

    def by_http(self, message: str) -> None:
        """A run of main in the session C{by-http}."""
        self.assertEqual(self.post(message, {"x-openclaw-session-key": "agent:main:by-http"}).response.status, 200)

    def by_websocket(self, message: str) -> None:
        """A run of main in the session C{by-ws}."""
        client = self.websocket()
        params = {"message": message, "sessionKey": "agent:main:by-ws", "agentId": "main", "idempotencyKey": message}
        accepted = client.request("agent", params)
        self.house.settle()
        self.assertEqual(client.response(accepted["id"])["payload"]["status"], "ok")


class OwnWaysTests(HouseCase):
    """S6, S10: permissions and configuration are the gateway's."""

    config = {
        "models": {"providers": {"stub": {"models": [{"id": "stub-2"}]}}},
        "tools": {"deny": ["agents_list"]},
    }

    def setUp(self) -> None:
        """Beta has a workspace and a model of its own."""
        self.workspace = Path(self.mktemp())
        self.workspace.mkdir()
        (self.workspace / "SOUL.md").write_text("Answer like a lighthouse keeper.", "utf-8")
        beta = {"id": "beta", "model": "stub/stub-2", "workspace": str(self.workspace.absolute())}
        self.config = {**self.config, "agents": {"list": [{"id": "main"}, beta]}}
        super().setUp()

    def test_s06_agents_own_model_and_policy(self) -> None:
        """The agent's model is used, and a denied tool is not offered."""
        for model, upstream in (("openclaw:main", "stub-1"), ("openclaw:beta", "stub-2")):
            self.post("hi", model=model)
            body = self.house.exchanges[-1].body
            self.assertEqual(body["model"], upstream)
            names = {tool["function"]["name"] for tool in body["tools"]}
            self.assertIn("session_status", names)
            self.assertNotIn("agents_list", names)

    def test_s10_s11_s12_workspace(self) -> None:
        """However beta is chosen, its workspace is in the prompt; main's prompt has nothing of it."""
        ways: list[tuple[str, dict[str, str]]] = [
            ("openclaw:beta", {}),
            ("agent:beta", {}),
            ("openclaw:main", {"x-openclaw-agent-id": "beta"}),
        ]
        for model, headers in ways:
            self.assertEqual(self.post("hi", headers, model=model).response.json["model"], model)
            self.assertIn("lighthouse keeper", self.system())
        self.post("hi")
        self.assertNotIn("lighthouse keeper", self.system())


class DefaultAgentTests(HouseCase):
    """S13: who answers when nobody is named."""

    config = {"agents": {"list": [{"id": "main"}, {"id": "beta", "default": True}]}}

    def test_s13_main_before_the_configured_default(self) -> None:
        """C{main} where there is one (D3); C{openclaw/default} is the configured one."""
        for model, agent in (("openclaw", "main"), ("gpt-4o", "main"), ("openclaw/default", "beta")):
            response = self.post("hi", model=model).response
            self.assertRegex(response.header("x-openclaw-session-key") or "", f"^agent:{agent}:openai:")


class MemoryTests(HouseCase):
    """S15, S18, S19: what the model gets to read of earlier calls."""

    def texts(self, number: int = -1) -> list[str]:
        """What users and assistant said, as the model got it."""
        return [message["content"] for message in self.said(number)[1:]]

    def test_s18_nothing_is_remembered(self) -> None:
        """A second identical call knows nothing of the first."""
        self.post("hi [[reply=A]]")
        self.post("hi [[reply=A]]")
        self.assertEqual(self.texts(0), self.texts(1))
        self.assertEqual(len(self.texts(1)), 1)

    def test_s19_user_is_remembered(self) -> None:
        """The same user goes on; another one, or another agent, starts anew."""
        self.post("one [[reply=A]]", user="alice")
        self.post("two [[reply=B]]", user="alice")
        self.assertEqual(self.texts(), ["one [[reply=A]]", "A", "two [[reply=B]]"])
        for fields in ({"user": "bob"}, {"user": "alice", "model": "openclaw:beta"}):
            self.post("three [[reply=C]]", **fields)
            self.assertEqual(self.texts(), ["three [[reply=C]]"])

    def test_s15_key_is_remembered(self) -> None:
        """Calls with one key share a transcript, whatever C{user} says."""
        for user, reply in (("alice", "A"), ("bob", "B")):
            self.post(f"{user} [[reply={reply}]]", {"x-openclaw-session-key": "thread"}, user=user)
        self.assertEqual(self.texts(), ["alice [[reply=A]]", "A", "bob [[reply=B]]"])


class DefaultsTests(SynchronousTestCase):
    """S2, S16: what a fresh configuration has."""

    def test_s02_off_by_default(self) -> None:
        """Nothing said: the endpoint is 404 with the right secret, and no model is asked; a reload turns it on."""
        house = House({"gateway": {"auth": {"token": SECRET}, "http": {"endpoints": {"chatCompletions": {}}}}})
        self.addCleanup(house.close)
        memory = house.memory
        config = {**memory.config, "gateway": {"auth": {"mode": "token", "token": SECRET}}}
        memory.gateway.reload(config)
        self.assertFalse(Config().gateway.http.endpoints.chat_completions.enabled or ChatCompletions().enabled)
        body = {"messages": [{"role": "user", "content": "hi"}]}
        refused = house.post(body, BEARER).response
        self.assertEqual((refused.status, refused.error["code"]), (404, "endpoint_disabled"))
        self.assertEqual(house.exchanges, [])
        switch = {"endpoints": {"chatCompletions": {"enabled": True}}}
        memory.gateway.reload({**config, "gateway": {**config["gateway"], "http": switch}})
        self.assertEqual(house.post(body, BEARER).response.status, 200)


DOCS = Path(__file__).parent.parent / "docs" / "compatibility.md"


class TableTests(SynchronousTestCase):
    """docs/compatibility.md, section Seed."""

    def test_every_row_has_its_tests(self) -> None:
        """All 26 rows are there, in order, and every test named is one."""
        text = DOCS.read_text("utf-8").partition("## Seed")[2].partition("\n## ")[0]
        rows = re.findall(r"^\| S(\d+) \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)
        self.assertEqual([int(number) for number, _ in rows], list(range(1, 27)))
        for number, cell in rows:
            names = re.findall(r"`([\w.]+)`", cell)
            self.assertTrue(names, number)
            for name in names:
                self.assertTrue(is_test(name), name)


def is_test(name: str) -> bool:
    """Whether C{module.Class.test} or C{module.test}, below C{tests}, is a test."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        path = DOCS.parent.parent / "tests" / Path(*parts[:cut]).with_suffix(".py")
        if not path.is_file():
            continue
        if "e2e" in parts:
            return f"def {parts[-1]}(" in path.read_text("utf-8")
        found: Any = importlib.import_module(".".join(["tests", *parts[:cut]]))
        for part in parts[cut:]:
            found = getattr(found, part, None)
        return callable(found) and parts[-1].startswith("test_")
    return False
