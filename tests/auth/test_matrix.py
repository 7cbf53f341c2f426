# -*- test-case-name: tests.auth.test_matrix -*-
"""Action by scope by transport, generated from what is served. A release gate.

Every HTTP route and every WebSocket method there is must name an action of the one table, and must give, on the wire,
the very verdict of the authoriser. Somebody who adds a route without an action, or authorises it in a way of its own,
fails here (GHSA-68f8-9mhj-h2mp, GHSA-5jvj-hxmh-6h6j, CVE-2026-32919).
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import ACTIONS, OPERATOR_SCOPES, authorise, may
from openclaw_tx.auth.keys import hash_of
from openclaw_tx.config.schema_gateway import Endpoints
from openclaw_tx.errors import GatewayError
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.values import Principal
from openclaw_tx.web.guard import Endpoint
from openclaw_tx.web.resource import GatewayResource
from openclaw_tx.web.root import Root
from openclaw_tx.ws import rpc
from openclaw_tx.ws.methods import Method, Methods

PUBLIC = {"/", "/health", "/healthz", "/ready", "/readyz", "/startup", "/startupz", "/openapi.json"}
"""Paths that answer without authentication; whoever adds one must be able to say why."""

SCOPE_SETS = [frozenset[str](), *(frozenset({scope}) for scope in sorted(OPERATOR_SCOPES)), OPERATOR_SCOPES]
"""What the keys of the test hold."""

BODIES = (b"POST", b"PUT", b"PATCH")


class Route(NamedTuple):
    """A path with a method, and what it does."""

    path: str
    method: str
    action: str


def secret_of(scopes: frozenset[str]) -> str:
    """The key that holds these scopes."""
    return f"key {'+'.join(sorted(scopes)) or 'nothing'}"


def configuration() -> dict[str, Any]:
    """Everything that can be switched on is on; a key for each set of scopes."""
    switches = {field.encode_name: {"enabled": True} for field in msgspec.structs.fields(Endpoints)}
    keys = [
        {"label": f"k{number}", "hash": hash_of(secret_of(scopes)), "scopes": sorted(scopes)}
        for number, scopes in enumerate(SCOPE_SETS)
    ]
    return {"gateway": {"auth": {"keys": keys}, "http": {"endpoints": switches}}}


def principal(scopes: frozenset[str]) -> Principal:
    """Who comes with such a key."""
    return Principal(id="key:k", method="key", scopes=scopes)


class MatrixTests(SynchronousTestCase):
    """What is served, against the table."""

    def setUp(self) -> None:
        """A gateway with everything on."""
        self.memory = MemoryGateway(configuration(), as_file=True)
        self.addCleanup(self.memory.close)
        root = self.memory.gateway.resource()
        assert isinstance(root, Root)
        self.root = root

    def resources(self) -> dict[str, GatewayResource]:
        """Every path that is served, with an example for each id."""
        found: dict[str, GatewayResource] = {}
        for path, resource in self.root.routes():
            example = re.sub(r"{\w+}", "openclaw", path)
            assert isinstance(resource, GatewayResource), path
            self.assertIs(self.root.find(tuple(example.encode("ascii").split(b"/")[1:])), resource, path)
            found[example] = resource
        return found

    def routes(self) -> Iterator[Route]:
        """Every guarded path and method."""
        for path, resource in self.resources().items():
            if isinstance(resource, Endpoint):
                for method in resource.methods:
                    yield Route(path, method.decode("ascii"), resource.action_of(method))

    def test_every_resource_is_known(self) -> None:
        """A resource is guarded or on the list of public ones, and none is in the tree that this test does not see."""
        for path, resource in self.resources().items():
            self.assertNotEqual(path in PUBLIC, isinstance(resource, Endpoint), path)
        seen = {id(resource) for resource in self.resources().values()}
        held = [
            value
            for value in vars(self.root).values()
            if isinstance(value, Endpoint)
            or (isinstance(value, tuple | list) and any(isinstance(v, Endpoint) for v in value))
        ]
        for value in held:
            for resource in value if isinstance(value, tuple | list) else [value]:
                self.assertIn(id(resource), seen, f"{resource} is not among Root.routes()")

    def test_every_route_has_an_action(self) -> None:
        """By a name of the table."""
        routes = list(self.routes())
        self.assertGreater(len(routes), 3)
        for route in routes:
            self.assertIn(route.action, ACTIONS, route)

    def test_every_method_has_an_action(self) -> None:
        """By a name of the table."""
        methods = self.methods()
        self.assertGreater(len(methods), 8)
        for name, action in methods.items():
            self.assertIn(action, ACTIONS, name)

    def methods(self) -> dict[str, str]:
        """Every WebSocket method and its action."""
        registry = self.memory.gateway._house.websockets.registry
        return {name: registry.action_of(name) for name in registry.names}

    def test_every_declared_method_is_served(self) -> None:
        """The gateway of this test has all methods that there are, so that none escapes the matrix."""
        declared: set[str] = set()
        for module in pkgutil.iter_modules(rpc.__path__):
            source = Path(rpc.__path__[0], f"{module.name}.py").read_text("utf-8")
            declared |= set(re.findall(r"\bMethod\(\s*\"([^\"]+)\"", source))
        self.assertGreater(len(declared), 60)
        self.assertEqual(declared ^ set(self.methods()), set())

    def test_a_method_without_an_action(self) -> None:
        """The tests above can fail: a method whose action nobody entered is noticed, and so is an action that is no
        longer asked for."""
        family = [Method("new.method", "new.action", msgspec.Struct, self.serve_nothing)]
        registry = Methods([family], authorise)
        self.assertNotIn(registry.action_of("new.method"), ACTIONS)
        used = {registry.action_of(name) for name in registry.names}
        self.assertNotEqual(set(ACTIONS) - used - set(ASKED_WITHIN), set())

    async def serve_nothing(self, call: Any) -> Any:
        """A handler."""

    def test_nobody_without_a_credential(self) -> None:
        """Guarded routes are 401 without a secret and with a wrong one; public ones answer."""
        for route in self.routes():
            for token in (None, "wrong"):
                response = self.ask(route, token)
                self.memory.advance(10)
                self.assertEqual(response.code, 401, (route, token))
        for path in PUBLIC:
            self.assertEqual(self.memory.get(path, token=None).code, 200, path)

    def test_http(self) -> None:
        """Every route, for every set of scopes: refused exactly when the authoriser refuses its action."""
        for route in self.routes():
            for scopes in SCOPE_SETS:
                response = self.ask(route, secret_of(scopes))
                expected = self.verdict(route.action, scopes)
                self.assertEqual(self.refusal_of(response, expected), expected, (route, sorted(scopes)))

    def test_websocket(self) -> None:
        """Every method, for every set of scopes: the same."""
        for scopes in SCOPE_SETS:
            client = self.memory.websocket()
            client.connect(scopes=[], token=secret_of(scopes))
            for name, action in self.methods().items():
                answer = client.request(name, {"nonsense": True})
                error = {} if answer["ok"] else answer["error"]
                refused = error.get("message", "") if error.get("code") == "FORBIDDEN" else ""
                self.assertEqual(refused, self.verdict(action, scopes), (name, sorted(scopes)))
            client.close()

    def test_no_action_is_left_over(self) -> None:
        """Every action of the table is what some route or method does, or stands on the list with its reason."""
        used = {route.action for route in self.routes()} | set(self.methods().values())
        self.assertEqual(set(ACTIONS) - used - set(ASKED_WITHIN), set())

    def test_admin_may_everything(self) -> None:
        """And nobody may do more."""
        for action in ACTIONS:
            self.assertTrue(may(principal(OPERATOR_SCOPES), action))

    def ask(self, route: Route, token: str | None) -> Any:
        """A request that nothing but authorisation can refuse with 403."""
        body = b"[]" if route.method.encode("ascii") in BODIES else None
        return self.memory.request(route.method, route.path, body, token=token)

    def refusal_of(self, response: Any, expected: str) -> str:
        """The message of a missing scope, or ""."""
        if response.code != 403:
            self.assertNotIn(response.code, (0, 401, 500))
            return ""
        if not response.body:
            return expected  # HEAD: the status must do
        error = response.json()["error"]
        self.assertEqual(error["code"], "insufficient_scope")
        return str(error["message"])

    def verdict(self, action: str, scopes: frozenset[str]) -> str:
        """The authoriser's own."""
        try:
            authorise(principal(scopes), action)
        except GatewayError as error:
            self.assertEqual(error.info.code, "insufficient_scope")
            return error.info.message
        return ""


ASKED_WITHIN = {
    "channels.receive": "the desk of channels, whose signed routes have no scopes",
    "connect": "the handshake, before there are methods",
    "health": "readiness asks it for the details",
    "models.override": "the header x-openclaw-model of a run",
    "runs.read": "the look-up of a run, by agent.wait and the routes below /v1/runs",
    "runs.events": "the fan-out to WebSocket clients, for each run and connection",
    "sessions.configure": "sessions.patch, for fields that take more than operator.write",
}
"""Actions that are no route and no method of their own -> where they are asked for."""
