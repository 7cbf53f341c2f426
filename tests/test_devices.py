# -*- test-case-name: tests.test_devices -*-
"""Devices and the whole gateway, in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.websocket import MemoryWebSocket
from tests.ws.identity import Identity

CLIENT = {"id": "test", "version": "1", "platform": "test", "mode": "test"}


class DeviceTests(SynchronousTestCase):
    """From pairing to a run."""

    def setUp(self) -> None:
        self.memory = MemoryGateway()
        self.addCleanup(self.memory.close)
        self.identity = Identity()

    def come(self, auth: dict[str, str], scopes: list[str]) -> tuple[MemoryWebSocket, dict[str, Any]]:
        client = self.memory.websocket()
        (challenge,) = [event["payload"] for event in client.events("connect.challenge")]
        params = {"minProtocol": 4, "maxProtocol": 4, "client": CLIENT, "scopes": scopes, "auth": auth}
        signed = self.identity.sign(params, challenge["nonce"], challenge["ts"])
        return client, client.request("connect", signed)

    def test_from_pairing_to_a_run(self) -> None:
        """A device is paired with the secret, comes back with its token, and runs an agent; the token is nowhere on
        disk, and no key to the HTTP API."""
        _, hello = self.come({"token": self.memory.config["gateway"]["auth"]["token"]}, ["operator.write"])
        token = hello["payload"]["auth"]["deviceToken"]
        client, hello = self.come({"deviceToken": token}, ["operator.write"])
        self.assertEqual(hello["payload"]["auth"]["method"], "device-token")
        self.memory.model.say("pong")
        client.request("agent", {"message": "ping", "agentId": "main", "idempotencyKey": "k1"})
        self.memory.advance(1, steps=5)
        (final,) = [event["payload"] for event in client.events("chat") if event["payload"]["state"] == "final"]
        self.assertEqual(final["message"]["content"][0]["text"], "pong")
        answer = self.memory.get("/v1/models", token=token)
        self.memory.advance(1)
        self.assertEqual(answer.code, 401)
        files = list((Path(self.memory.gateway.settings.state_dir) / "devices").iterdir())
        self.assertEqual(sorted(file.name for file in files), ["paired.json", "pending.json"])
        self.assertTrue(all(file.stat().st_mode & 0o777 == 0o600 for file in files))
        self.assertNotIn(token, "".join(file.read_text() for file in files))
        self.assertEqual(list(json.loads(files[0].read_text()) | json.loads(files[1].read_text())), [self.identity.id])

    def test_token_alone(self) -> None:
        """A browser that keeps nothing but its device's token reads what the Control UI is told before it connects, as
        often as it likes and without guessing; nothing else opens by it."""
        _, hello = self.come({"token": self.memory.config["gateway"]["auth"]["token"]}, ["operator.admin"])
        token = hello["payload"]["auth"]["deviceToken"]
        browser = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
        for _ in range(20):
            for path in ("/control-ui-config.json", "/__openclaw/control-ui-config.json"):
                answer = self.memory.get(path, token=token, headers=browser)
                self.assertEqual((answer.code, answer.json()["assistantAgentId"]), (200, "main"))
        for method, path in (("GET", "/v1/models"), ("POST", "/v1/chat/completions"), ("GET", "/metrics")):
            answer = self.memory.request(
                method, path, b"{}" if method == "POST" else None, token=token, headers=browser
            )
            self.assertEqual(answer.code, 401, path)
        self.assertEqual(self.memory.get("/control-ui-config.json", token=token[:-1], headers=browser).code, 401)

    def test_secret_rotated(self) -> None:
        """The gateway's secret may change: the device still comes in, who came with the old secret does not stay."""
        owner, hello = self.come({"token": self.memory.config["gateway"]["auth"]["token"]}, ["operator.read"])
        token = hello["payload"]["auth"]["deviceToken"]
        device, _ = self.come({"deviceToken": token}, ["operator.read"])
        gateway = {**self.memory.config["gateway"], "auth": {"mode": "token", "token": "another-secret"}}
        self.memory.gateway.reload({**self.memory.config, "gateway": gateway})
        self.memory.advance(0)
        self.assertEqual(owner.closed, (4001, "gateway credentials changed"))
        self.assertIsNone(device.closed)
        self.assertTrue(self.come({"deviceToken": token}, ["operator.read"])[1]["ok"])
