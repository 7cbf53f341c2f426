# -*- test-case-name: tests.web.test_guard -*-
"""Nobody passes unasked."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import ACTIONS
from openclaw_tx.config.schema_gateway import ChatCompletions
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Principal, Target
from openclaw_tx.web.guard import Endpoint
from openclaw_tx.web.models import ModelDetail
from tests.support.web import NO_TARGET, SECRET, Harness


class GuardTests(SynchronousTestCase):
    """Authentication and authorisation of /v1."""

    def setUp(self) -> None:
        """A gateway that writes down what was asked of its authoriser."""
        self.asked: list[tuple[str, str]] = []
        self.refuse = False
        self.gateway = Harness(authorise=self._authorise)
        self.addCleanup(self.gateway.close)

    def _authorise(self, principal: Principal, action: str, target: Target = NO_TARGET) -> None:
        self.asked.append((principal.id, action))
        if self.refuse:
            raise GatewayError("insufficient_scope", "missing scope: operator.read")

    def test_every_v1_leaf_is_guarded(self) -> None:
        """No route under /v1 can forget the guard, and each names an action of the table."""
        leaves = [
            *(resource for path, resource in self.gateway.root.table.items() if path[0] == b"v1"),
            self.gateway.root.find((b"v1", b"models", b"x")),
        ]
        self.assertGreater(len(leaves), 2)
        for leaf in leaves:
            self.assertIsInstance(leaf, Endpoint)
            assert isinstance(leaf, Endpoint)
            for method in leaf.methods:
                self.assertIn(leaf.action_of(method), ACTIONS)
            self.assertIs(type(leaf).respond, Endpoint.respond)
        self.assertIsInstance(leaves[-1], ModelDetail)

    def test_s07_credentials(self) -> None:
        """Bearer only, scheme in any case, blanks around the secret; everything else is 401."""
        for value in (f"Bearer {SECRET}", f"bearer {SECRET}", f"BEARER   {SECRET} "):
            self.assertEqual(
                self.gateway.ask("GET", "/v1/models", headers={"Authorization": value}).response.status, 200
            )
        for value in ("", "Bearer", "Bearer ", "Bearer wrong", f"Basic {SECRET}", SECRET, f"Bearer{SECRET}"):
            response = self.gateway.ask(
                "GET", "/v1/models", headers={"Authorization": value}, authorised=False
            ).response
            self.assertEqual(
                (response.status, response.error["message"], response.error["type"], response.error["code"]),
                (401, "Unauthorized", "unauthorized", "invalid_api_key"),
                value,
            )
            # A token is wrong only where there is one.
            wrong = ', error="invalid_token"' if value == "Bearer wrong" else ""
            self.assertEqual(response.header("www-authenticate"), f'Bearer realm="openclaw"{wrong}')

    def test_other_places_for_a_secret(self) -> None:
        """A query or another header is no place for one."""
        client = self.gateway.ask("GET", f"/v1/models?token={SECRET}", headers={"X-Api-Key": SECRET}, authorised=False)
        self.assertEqual(client.response.status, 401)

    def test_first_of_several(self) -> None:
        """Of a repeated header the first value counts."""
        client = self.gateway.connect()
        client.send(
            "GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer no\r\n"
            f"Authorization: Bearer {SECRET}\r\n\r\n".encode()
        )
        self.assertEqual(client.response.status, 401)

    def test_actions(self) -> None:
        """Each route asks for its own."""
        self.gateway.say()
        self.gateway.ask("GET", "/v1/models")
        self.gateway.ask("GET", "/v1/models/openclaw")
        self.assertEqual(
            self.asked,
            [
                ("shared-secret", "chat.completions"),
                ("shared-secret", "models.list"),
                ("shared-secret", "models.list"),
            ],
        )

    def test_missing_scope(self) -> None:
        """403 with four keys; nothing runs, no body is read."""
        self.refuse = True
        response = self.gateway.say().response
        self.assertEqual((response.status, response.error["code"]), (403, "insufficient_scope"))
        self.assertEqual(self.gateway.scripted.runs, [])

    def test_method_before_authentication(self) -> None:
        """S3: 405 needs no secret, and asks nobody."""
        response = self.gateway.ask("GET", "/v1/chat/completions", authorised=False).response
        self.assertEqual((response.status, response.header("allow")), (405, "POST"))
        self.assertEqual(self.gateway.one_secret.calls, 0)

    def test_disabled_before_everything(self) -> None:
        """D1: 404 for every method and without a secret; the text names the switch."""
        self.gateway.chat = ChatCompletions(enabled=False)
        for method, path in (
            ("POST", "/v1/chat/completions"),
            ("GET", "/v1/chat/completions"),
            ("GET", "/v1/models"),
            ("DELETE", "/v1/models/openclaw"),
        ):
            response = self.gateway.ask(method, path, authorised=False).response
            self.assertEqual((response.status, response.error["code"]), (404, "endpoint_disabled"))
            self.assertIn("gateway.http.endpoints.chatCompletions.enabled", response.error["message"])
        self.assertEqual(self.gateway.one_secret.calls, 0)
