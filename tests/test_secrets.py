# -*- test-case-name: tests.test_secrets -*-
"""A secret of its own in every place that may hold one, and none of them in anything that comes out of a gateway in
memory. L{tests.e2e.test_secrets} does the same with real processes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from rich.pretty import pretty_repr

from twisted.logger import LogPublisher, globalLogPublisher, textFileLogObserver
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import OPERATOR_SCOPES
from openclaw_tx.config.files import merge
from openclaw_tx.errors import GatewayError
from openclaw_tx.logs import Sieve, json_observer
from openclaw_tx.testing import MemoryGateway
from tests.support.canaries import Canaries, secret_keys

CHAT = "/v1/chat/completions"


def ask(text: str, **fields: Any) -> dict[str, Any]:
    """A chat request."""
    return {"model": "openclaw", "messages": [{"role": "user", "content": text}], **fields}


class CanaryTests(SynchronousTestCase):
    """A day of a gateway that is full of secrets."""

    def setUp(self) -> None:
        self.canaries = Canaries()
        config = self.canaries.configuration("http://127.0.0.1:9/v1", "http://127.0.0.1:9/leaky")
        # Processes and the network are for the other test; here the model is scripted.
        config = merge(config, {"mcp": {"servers": {name: {"enabled": False} for name in config["mcp"]["servers"]}}})
        config["agents"] = {"defaults": {"skipBootstrap": True}, "list": [{"id": "main"}, {"id": "beta"}]}
        self.token = self.canaries("gateway.auth.token")
        self.memory = MemoryGateway(
            config, as_file=True, environment={"PROVIDER_API_KEY": self.canaries("a variable of the process")}
        )
        self.closed = False
        self.addCleanup(self.close)
        self.text, self.lines = io.StringIO(), io.StringIO()
        loaded = self.memory.gateway.settings
        publisher = LogPublisher(
            Sieve(textFileLogObserver(self.text), lambda: loaded.loaded),
            Sieve(json_observer(self.lines), lambda: loaded.loaded),
        )
        globalLogPublisher.addObserver(publisher)
        self.addCleanup(globalLogPublisher.removeObserver, publisher)
        self.came: dict[str, bytes] = {}

    def close(self) -> None:
        """The end of the day."""
        if not self.closed:
            self.closed = True
            self.memory.close()

    def test_every_key(self) -> None:
        """The schema has no place for a secret in which none is planted."""
        planted = {place for place in self.canaries.planted.values() if not place.startswith(("the key", "a variable"))}
        self.assertEqual(secret_keys() - planted, set())
        self.assertGreater(len(planted), 15)

    def test_canaries_sing(self) -> None:
        """The search finds what is there, in part as well."""
        self.assertEqual(self.canaries.found_in(self.memory.config_file.read_text()).count("hooks.token"), 1)
        self.assertEqual(self.canaries.found_in(f"x{self.token[10:]}y"), ["gateway.auth.token"])
        self.assertEqual(self.canaries.found_in("nothing"), [])

    def http(self) -> None:
        """Everything that is asked over HTTP, well and badly."""
        memory, token = self.memory, self.token
        for path in ("/v1/models", "/v1/capabilities", "/metrics", "/openapi.json", "/health", "/readyz", "/",
                     "/control-ui-config.json", "/v1/nothing", f"/v1/models?token={token}"):  # fmt: skip
            self.came[path] = self.whole(memory.get(path, token=token))
        memory.model.say("pong")
        self.came["chat"] = self.whole(memory.post(CHAT, ask("hi"), token=token))
        memory.model.fail("provider_auth", "the provider does not accept our key")
        self.came["refused"] = self.whole(memory.post(CHAT, ask("hi", stream=True), token=token))
        memory.model.fail("provider_error", "the provider failed", after="so")
        self.came["broken off"] = self.whole(memory.post(CHAT, ask("hi", stream=True, user="u"), token=token))
        for body in (b"{", json.dumps(ask("hi", temperature=token)).encode(), b"[]"):
            self.came[repr(body[:30])] = self.whole(memory.post(CHAT, body, token=token))
        memory.model.say("a bug")
        memory.post(CHAT, ask("hi"), token=token)
        self.came["wrong"] = self.whole(memory.get("/v1/models", token="x" + token))
        for path in ("/hooks/wake", "/channels/webhook/desk"):
            self.came[path] = self.whole(memory.post(path, {"text": "hi"}, token=self.canaries("hooks.token")))
        memory.advance(30, steps=30)

    def websocket(self) -> None:
        """Every method of the WebSocket that takes no params, and some that do."""
        client = self.memory.websocket()
        client.connect(scopes=sorted(OPERATOR_SCOPES), token=self.token)
        registry = self.memory.gateway._house.websockets.registry
        for name in registry.names:
            client.request(name, {})
        raw = client.request("config.get", {})["payload"]
        self.assertIn("__OPENCLAW_REDACTED__", json.dumps(raw))
        for name, params in (
            ("config.schema.lookup", {"path": "gateway.auth.token"}),
            ("config.patch", {"raw": '{"logging": {"level": "debug"}}', "baseHash": raw["hash"]}),
            ("config.set", {"raw": "{ gateway: 1 }", "baseHash": raw["hash"]}),
            ("config.apply", {"raw": json.dumps(raw["config"]), "baseHash": raw["hash"]}),
            ("chat.send", {"sessionKey": "main", "message": "/status", "idempotencyKey": "s"}),
            ("chat.send", {"sessionKey": "main", "message": "/config show", "idempotencyKey": "c"}),
            ("chat.history", {"sessionKey": "main"}),
            ("logs.tail", {"limit": 5000}),
            ("models.list", {"view": "all"}),
        ):
            client.request(name, params)
            self.memory.advance(1, steps=5)
        other = self.memory.websocket()
        self.assertRaises(AssertionError, other.connect, token=self.canaries("hooks.token"))
        self.memory.advance(10, steps=10)
        self.came["websocket"] = json.dumps([client.frames, other.frames, client.closed, other.closed]).encode()

    def whole(self, response: Any) -> bytes:
        """Headers and body."""
        head = json.dumps([response.code, *map(str, response.headers.items())])
        return head.encode() + b"\n" + bytes(response.body)

    def test_nothing_comes_out(self) -> None:
        """No answer, frame, error, log or file but the configuration's own has a secret in it."""
        self.http()
        self.websocket()
        self.memory.model.say("x")
        self.memory.post(CHAT, ask("hi", user="u"), token=self.token)
        home = Path(self.memory.config_file).parent
        files = {
            str(path.relative_to(home)): path.read_bytes()
            for path in home.rglob("*")
            if path.is_file() and not path.name.startswith("openclaw.json")
        }
        self.assertTrue(any(name.endswith(".sqlite") for name in files), files.keys())
        self.close()
        self.came |= files | {"text log": self.text.getvalue().encode(), "JSON log": self.lines.getvalue().encode()}
        self.assertGreater(len(self.text.getvalue()), 1000)
        leaks = {name: found for name, text in self.came.items() if (found := self.canaries.found_in(text))}
        self.assertEqual(leaks, {})
        self.flushLoggedErrors(GatewayError)

    def test_what_is_shown_of_values(self) -> None:
        """Neither text nor debugger of the configuration in memory shows one."""
        loaded = self.memory.gateway.settings.loaded
        for value in (loaded, loaded.config, loaded.config.gateway, self.memory.gateway):
            self.assertEqual(self.canaries.found_in(f"{value!s} {value!r} {pretty_repr(value)}"), [])
        self.assertIn("base_url='http://127.0.0.1:9/v1'", repr(loaded.config))
