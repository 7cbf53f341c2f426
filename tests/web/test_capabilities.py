# -*- test-case-name: tests.web.test_capabilities -*-
"""C{GET /v1/capabilities}."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx._version import __version__
from openclaw_tx.auth.actions import authorise
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import ChatCompletions, ControlUi, GatewaySection
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.values import Principal
from openclaw_tx.wire import openai_embeddings, tools_invoke
from openclaw_tx.wire.openai_chat_fields import CHAT_FIELDS
from tests.support.web import Harness
from tests.web.test_tools import Probe

DOCS = Path(__file__).parents[2] / "docs"


class DocumentTests(SynchronousTestCase):
    """The document over scripted rooms."""

    def gateway(self, **more: Any) -> Harness:
        """A gateway."""
        gateway = Harness(**more)
        self.addCleanup(gateway.close)
        return gateway

    def read(self, gateway: Harness) -> Any:
        """The document."""
        response = gateway.ask("GET", "/v1/capabilities").response
        self.assertEqual((response.status, response.header("cache-control")), (200, "no-store"))
        return response.json

    def endpoints(self, gateway: Harness) -> dict[str, Any]:
        """Its endpoints by path."""
        return {entry.pop("path"): entry for entry in self.read(gateway)["endpoints"]}

    def test_head(self) -> None:
        """Who is talking, and which protocols it speaks."""
        document = self.read(self.gateway())
        self.assertEqual(
            {name: document[name] for name in ("object", "schema", "server", "version", "protocols")},
            {
                "object": "gateway.capabilities",
                "schema": 1,
                "server": "openclaw_tx",
                "version": __version__,
                "protocols": {"http": "openai", "websocket": {"oldest": 3, "newest": 4}},
            },
        )

    def test_endpoints(self) -> None:
        """Every path of the tree with its methods; on or off, and by which key."""
        gateway = self.gateway()
        found = self.endpoints(gateway)
        tree = {f"/{b'/'.join(path).decode()}" for path in gateway.root.table}
        self.assertLessEqual(tree | {"/v1/models/{id}"}, set(found))
        self.assertEqual(
            found["/v1/embeddings"],
            {
                "methods": ["POST"],
                "enabled": True,
                "authenticated": True,
                "allowed": ["POST"],
                "config_key": "gateway.http.endpoints.chatCompletions.enabled",
            },
        )
        self.assertEqual(found["/healthz"], {"methods": ["GET", "HEAD"], "enabled": True, "authenticated": False})
        self.assertEqual((found["/tools/invoke"]["enabled"], found["/tools/invoke"]["config_key"]), (True, None))
        gateway.chat = ChatCompletions(enabled=False)
        found = self.endpoints(gateway)
        self.assertEqual((found["/v1/chat/completions"]["enabled"], found["/v1/embeddings"]["enabled"]), (False, False))

    def test_page_elsewhere(self) -> None:
        """The root is off when no page is there: it is 404."""
        for rules in (ControlUi(enabled=False), ControlUi(base_path="/claw")):
            config = Config(gateway=GatewaySection(control_ui=rules))
            root = self.endpoints(self.gateway(settings=lambda config=config: config))["/"]
            self.assertEqual(root["enabled"], False)

    def test_scopes(self) -> None:
        """A client that may only read learns so."""

        async def reader(credentials: Any, peer: Any) -> Principal:
            return Principal(id="r", method="token", scopes=frozenset({"operator.read"}))

        gateway = self.gateway(authorise=authorise)
        gateway.one_secret.authenticate = reader  # type: ignore[method-assign]
        found = self.endpoints(gateway)
        self.assertEqual((found["/v1/chat/completions"]["allowed"], found["/v1/models"]["allowed"]), ([], ["GET"]))

    def test_t32_fields(self) -> None:
        """T32: what is supported, ignored and refused, as the parsers' own tables have it."""
        document = self.read(self.gateway())["request_fields"]
        for path, table in (
            ("/v1/chat/completions", CHAT_FIELDS),
            ("/v1/embeddings", openai_embeddings.FIELDS),
            ("/tools/invoke", tools_invoke.FIELDS),
        ):
            groups = document[path]
            self.assertEqual(sorted(groups), ["ignored", "refused", "supported"])
            self.assertEqual({name for group in groups.values() for name in group}, set(table))
            self.assertEqual(set(groups["refused"]), {name for name, row in table.items() if row.how == "refused"})
        self.assertIn("n", document["/v1/chat/completions"]["refused"])
        self.assertIn("store", document["/v1/chat/completions"]["ignored"])

    def test_tables_are_the_parsers(self) -> None:
        """A field that is called supported is read, and no other is."""
        for table, readers in (
            (openai_embeddings.FIELDS, set(openai_embeddings.READERS)),
            (tools_invoke.FIELDS, {*tools_invoke.READERS, *tools_invoke.ALIASES}),
        ):
            self.assertEqual({name for name, row in table.items() if row.how in ("used", "forwarded")}, readers)

    def test_features_and_limits(self) -> None:
        """They follow the configuration."""
        gateway = self.gateway()
        document = self.read(gateway)
        self.assertEqual(document["features"]["images"]["urls"], False)
        self.assertEqual(document["features"]["structured_outputs"], ["text", "json_object", "json_schema"])
        self.assertTrue(document["features"]["embeddings"])
        self.assertEqual(
            (document["features"]["runs"], document["features"]["resume"]["header"]), (True, "last-event-id")
        )
        self.assertEqual(document["features"]["idempotency"]["header"], "idempotency-key")
        self.assertEqual(document["limits"]["embeddings"]["inputs"], 128)
        self.assertEqual(document["limits"]["body_bytes"]["/tools/invoke"], 2 * 1024 * 1024)
        gateway.chat = ChatCompletions(enabled=False, max_body_bytes=77)
        document = self.read(gateway)
        self.assertEqual(document["limits"]["body_bytes"]["/v1/chat/completions"], 77)
        self.assertFalse(document["features"]["embeddings"])
        self.assertEqual((document["features"]["runs"], document["features"]["resume"]), (False, False))

    def test_agents_and_models(self) -> None:
        """Who there is, what it is called as a model, what it can do and what of that over HTTP."""
        gateway = self.gateway()
        gateway.tools.tools = [Probe("probe"), Probe("exec")]
        document = self.read(gateway)
        self.assertEqual(
            document["agents"][1],
            {
                "id": "beta",
                "name": "beta",
                "default": False,
                "model": "openclaw/beta",
                "backend_models": ["scripted/model"],
                "tools": ["probe", "exec"],
                "invokable_tools": ["probe"],
            },
        )
        self.assertEqual([agent["default"] for agent in document["agents"]], [True, False])
        self.assertEqual([model["ref"] for model in document["models"]], ["scripted/model"])

    def test_refused(self) -> None:
        """Not without a secret, not with another method."""
        gateway = self.gateway()
        self.assertEqual(gateway.ask("GET", "/v1/capabilities", authorised=False).response.status, 401)
        response = gateway.ask("POST", "/v1/capabilities", b"{}").response
        self.assertEqual((response.status, response.header("allow")), (405, "GET, HEAD"))

    def test_no_secrets(self) -> None:
        """Nothing of the configuration but what is meant."""
        gateway = MemoryGateway({"models": {"providers": {"p": {"baseUrl": "http://h/v1", "apiKey": "sk-secret"}}}})
        self.addCleanup(gateway.close)
        response = gateway.get("/v1/capabilities")
        self.assertEqual(response.code, 200)
        for secret in ("sk-secret", "a-token-for-tests", "http://h"):
            self.assertNotIn(secret, response.text())

    def test_page(self) -> None:
        """docs/capabilities.md speaks of every key there is."""
        page = (DOCS / "capabilities.md").read_text("utf-8")

        def keys(value: Any, path: str) -> None:
            if isinstance(value, dict):
                for name, inner in value.items():
                    if not name.startswith("/") and path.split(".")[0] != "request_fields":
                        self.assertIn(f"`{name}`", page, f"{path}.{name}")
                    keys(inner, f"{path}.{name}" if path else name)
            elif isinstance(value, list):
                for inner in value:
                    keys(inner, path)

        keys(json.loads(json.dumps(self.read(self.gateway()))), "")
