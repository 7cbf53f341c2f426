# -*- test-case-name: tests.channels.test_routing -*-
"""L{openclaw_tx.channels.routing}, and the keys of conversations on channels."""

from __future__ import annotations

from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.channels.routing import agent_for
from openclaw_tx.config.schema_channels import Binding
from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions.keys import conversation_of, peer_key
from openclaw_tx.values import ChannelPeer, InboundMessage

PEER = {"peer": {"kind": "group", "id": "Room"}}


def message(peer: str = "group:room", account: str = "ops", **fields: Any) -> InboundMessage:
    """A message over a webhook."""
    return InboundMessage(channel="webhook", account_id=account, id="1", peer=ChannelPeer.of(peer), text="x", **fields)


def bindings(*matches: dict[str, Any]) -> list[Binding]:
    """A binding for each, whose agents are C{a0}, C{a1} ..."""
    return [
        msgspec.convert({"agentId": f"a{number}", "match": {"channel": "webhook", **match}}, Binding)
        for number, match in enumerate(matches)
    ]


class BindingTests(SynchronousTestCase):
    """Who answers."""

    def test_specificity(self) -> None:
        """Each level comes before those behind it, in whatever order they stand."""
        levels: list[dict[str, Any]] = [
            {"accountId": "*", **PEER},
            {"accountId": "*", "guildId": "g"},
            {"accountId": "*", "teamId": "t"},
            {"accountId": "ops"},
            {"accountId": "*"},
        ]
        said = message(guild_id="g", team_id="t")
        for first in range(len(levels)):
            rest = levels[first:]
            self.assertEqual(agent_for(bindings(*rest), said, "ops"), "a0", rest)
            self.assertEqual(agent_for(bindings(*rest[::-1]), said, "ops"), f"a{len(rest) - 1}", rest)

    def test_all_must_fit(self) -> None:
        """One part that does not fit is enough."""
        for match, fits in (
            ({"accountId": "ops", **PEER}, True),
            ({"accountId": "shop", **PEER}, False),
            ({"accountId": "OPS"}, True),
            ({"accountId": "*", "peer": {"kind": "dm", "id": "room"}}, False),
            ({"accountId": "*", "guildId": "g"}, False),
            ({"accountId": "*", "channel": "telegram"}, False),
            ({"accountId": "*", "channel": "Webhook"}, True),
        ):
            self.assertEqual(agent_for(bindings(match), message(), "ops"), "a0" if fits else "", match)

    def test_direct_is_dm(self) -> None:
        """Both words for a person."""
        match = {"accountId": "*", "peer": {"kind": "direct", "id": "ann"}}
        self.assertEqual(agent_for(bindings(match), message("dm:ann"), ""), "a0")

    def test_no_account(self) -> None:
        """Means the default one."""
        self.assertEqual(agent_for(bindings({}), message(), "ops"), "a0")
        self.assertEqual(agent_for(bindings({}), message(), "shop"), "")

    def test_equal(self) -> None:
        """The first counts."""
        self.assertEqual(agent_for(bindings({"accountId": "*"}, {"accountId": "*"}), message(), ""), "a0")


class KeyTests(SynchronousTestCase):
    """Where it is kept."""

    def key(self, said: InboundMessage, dm_scope: str = "main", **more: Any) -> str:
        """The key for agent C{a}."""
        return peer_key("a", said, dm_scope=dm_scope, **more)

    def test_scopes(self) -> None:
        """What people share."""
        said = message("dm:Ann")
        for scope, key in (
            ("main", "agent:a:main"),
            ("per-peer", "agent:a:dm:ann"),
            ("per-channel-peer", "agent:a:webhook:dm:ann"),
            ("per-account-channel-peer", "agent:a:webhook:ops:dm:ann"),
        ):
            self.assertEqual(self.key(said, scope), key)
        self.assertEqual(self.key(said, scope="global"), "global")

    def test_groups(self) -> None:
        """Have their own, whatever people share; one of each account."""
        self.assertEqual(self.key(message()), "agent:a:webhook:ops:group:room")
        self.assertEqual(self.key(message(account="default")), "agent:a:webhook:group:room")
        self.assertEqual(self.key(message("channel:r", "default")), "agent:a:webhook:channel:r")
        self.assertEqual(conversation_of(self.key(message())), ("group", "webhook"))

    def test_links(self) -> None:
        """Several ids of one person; with and without the channel before them."""
        links = {"Annie": ["webhook:ANN", "telegram:7"], "bob": ["b0b"]}
        for peer, name in (("ann", "annie"), ("b0b", "bob"), ("7", "7")):
            self.assertEqual(self.key(message(f"dm:{peer}"), "per-peer", links=links), f"agent:a:dm:{name}")

    def test_impossible(self) -> None:
        """Ids that no key can have."""
        for peer in ("x" * 600, "a\nb"):
            error = self.assertRaises(GatewayError, self.key, message(f"group:{peer}"))
            self.assertEqual(error.info.param, "peer.id")
