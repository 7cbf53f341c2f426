# -*- test-case-name: tests.cli.test_devices -*-
"""C{openclaw-tx devices} and C{nodes}: what they print and which device they mean."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.devices import chosen, newest, shown_devices, shown_nodes
from openclaw_tx.cli.errors import CommandError

ID = "c11f8fab46159f1ea93168d7b96af615dc734d154199be941c10eccc5508dfb9"
DEVICE: dict[str, Any] = {
    "deviceId": ID,
    "displayName": "desk",
    "roles": ["operator"],
    "scopes": ["operator.read"],
    "connected": True,
    "tokens": [{"role": "operator"}],
}


class TextTests(SynchronousTestCase):
    """Pure parts; the way to the gateway is tested with the approvals."""

    def test_devices(self) -> None:
        """Those that wait first; nothing that a device says of itself steers the terminal."""
        waiting = {
            "requestId": "r1",
            "deviceId": "ab" * 32,
            "displayName": "evil\x1b[2J",
            "remoteIp": "192.0.2.9",
            "role": "operator",
            "scopes": ["operator.admin"],
        }
        self.assertEqual(
            shown_devices({"pending": [waiting], "paired": [DEVICE]}).split("\n"),
            [
                "waits   r1  abababababababab  evil\\x1b[2J from 192.0.2.9  asks for operator, operator.admin",
                "here    c11f8fab46159f1e  desk  operator, operator.read  (tokens: operator)",
            ],
        )
        self.assertEqual(shown_devices({"pending": [], "paired": []}), "No devices.")

    def test_nodes(self) -> None:
        """What they offer, and what waits."""
        row = {"nodeId": ID, "displayName": "shed", "connected": False, "commands": []}
        row |= {"pendingRequestId": "r1", "pendingDeclaredCommands": ["ping"]}
        self.assertEqual(
            shown_nodes({"nodes": [row]}).split("\n"),
            ["away    c11f8fab46159f1e  shed", "        commands: none", "        waits   r1  offers ping"],
        )
        self.assertEqual(shown_nodes({"nodes": []}), "No nodes.")

    def test_chosen(self) -> None:
        """By id, the beginning of it, or name; never a guess."""
        other = {**DEVICE, "deviceId": "c2" + ID[2:], "displayName": "lamp"}
        for text in (ID, ID[:2], "C11F", "desk"):
            self.assertEqual(chosen(text, [DEVICE, other]), ID)
        for text in ("c", "", "x", "des"):
            self.assertRaises(CommandError, chosen, text, [DEVICE, other])

    def test_newest(self) -> None:
        """The request that came last."""
        rows = [{"requestId": "a", "ts": 1}, {"requestId": "b", "ts": 3}, {"requestId": "c", "ts": 2}]
        self.assertEqual(newest({"pending": rows}), "b")
        self.assertRaises(CommandError, newest, {"pending": []})
