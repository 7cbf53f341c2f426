"""The Control UI before the whole gateway: what it may do by the secret alone, and what not."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.origins import CONTROL_UI, trusts_page
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import ControlUi, GatewaySection
from openclaw_tx.values import Principal
from tests.ws.harness import House
from tests.ws.identity import Identity

ASKED = ["operator.admin", "operator.read", "operator.write"]


class RuleTests(SynchronousTestCase):
    """L{trusts_page}."""

    def trusts(self, method: Any = "token", client: str = CONTROL_UI, local: bool = True, **rules: bool) -> bool:
        """Whether the secret is enough."""
        principal = Principal(id="x", method=method, scopes=frozenset())
        return trusts_page(principal, client, ControlUi(**rules), local_direct=local)

    def test_off(self) -> None:
        """Unless the operator says so, never."""
        self.assertFalse(self.trusts())

    def test_on_this_machine(self) -> None:
        """C{allowInsecureAuth} is for browsers here."""
        self.assertTrue(self.trusts(allow_insecure_auth=True))
        self.assertFalse(self.trusts(allow_insecure_auth=True, local=False))

    def test_anywhere(self) -> None:
        """C{dangerouslyDisableDeviceAuth} is for all."""
        self.assertTrue(self.trusts(dangerously_disable_device_auth=True, local=False))

    def test_the_secret_itself(self) -> None:
        """A key has bounds, a user of a proxy is somebody, and mode none proves nothing."""
        for method in ("key", "trusted-proxy", "none", "device-token"):
            self.assertFalse(self.trusts(method, dangerously_disable_device_auth=True), method)

    def test_the_page_itself(self) -> None:
        """Other clients go the usual way."""
        self.assertFalse(self.trusts(client="webchat", dangerously_disable_device_auth=True))


class ScopeTests(SynchronousTestCase):
    """What it gets: a page of this machine that knows the secret."""

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.house.close)

    def connect(self, identity: Identity | None = None, **rules: bool) -> Any:
        """The answer to its C{connect}."""
        self.house.config = Config(gateway=GatewaySection(control_ui=ControlUi(**rules)))
        line = self.house.open(headers={"Origin": "http://127.0.0.1:18789"})
        about = {"id": CONTROL_UI, "version": "1", "platform": "web", "mode": "webchat"}
        return line.connect(identity, client=about, scopes=ASKED)

    def test_without_a_device(self) -> None:
        """To read at most, unless the operator says otherwise; the setting of the moment counts."""
        for rules, scopes in (({}, ["operator.read"]), ({"allow_insecure_auth": True}, ASKED), ({}, ["operator.read"])):
            self.assertEqual(self.connect(**rules)["payload"]["auth"]["scopes"], scopes)

    def test_with_a_device(self) -> None:
        """It has to be approved, unless the operator says otherwise; then it is paired, and stays so."""
        identity = Identity()
        self.assertEqual(self.connect(identity)["error"]["code"], "NOT_PAIRED")
        told = self.connect(identity, dangerously_disable_device_auth=True)["payload"]["auth"]
        self.assertEqual(told["scopes"], ASKED)
        self.assertTrue(told["deviceToken"])
        self.assertEqual(self.connect(identity)["payload"]["auth"]["scopes"], ASKED)
