# -*- test-case-name: tests.cli.test_gateway_status -*-
"""C{openclaw-tx gateway status} and C{probe}, held against what OpenClaw's own print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from twisted.internet.error import ConnectionRefusedError
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli import ports
from openclaw_tx.cli.gateway import gateway
from openclaw_tx.cli.probe import Probe
from tests.cli.doubles import NO_SECRETS, MemoryPlace, ScriptedGateway
from tests.cli.recorded import (
    BUILD,
    GATEWAY_PROBE,
    GATEWAY_PROBE_LEFT_OUT,
    GATEWAY_STATUS,
    GATEWAY_STATUS_LEFT_OUT,
    keys,
)

HELLO = {
    "type": "hello-ok",
    "protocol": 4,
    "server": {"version": "9.9", "connId": "c"},
    "auth": {"role": "operator", "scopes": ["operator.admin"]},
}


class StatusTestCase(SynchronousTestCase):
    """A gateway in memory, set up on port 4000."""

    def setUp(self) -> None:
        """Nobody is looked for on real ports."""
        self.gateway = ScriptedGateway()
        self.gateway.answers |= {"connect": HELLO, "health": {"ok": True}, "status": {}, "system-presence": []}
        self.state = Path(self.mktemp()).absolute()
        self.state.mkdir()
        (self.state / "openclaw.json").write_text('{"gateway": {"port": 4000, "auth": {"token": "sesame"}}}')
        self.patch(ports, "is_busy", lambda host, port: True)
        self.patch(ports, "listeners", lambda port: [ports.Listener(12, "python", "python -m x")])

    def invoke(self, *words: str) -> Result:
        """Run a verb of C{gateway}."""
        place = MemoryPlace(state_dir=str(self.state), gateway=self.gateway)
        return CliRunner().invoke(gateway, words, obj=place, env=NO_SECRETS)

    def report(self, *words: str) -> Any:
        """The JSON that a verb prints."""
        result = self.invoke(*words, "--json")
        return json.loads(result.stdout)


class StatusTests(StatusTestCase):
    """gateway status."""

    def test_keys(self) -> None:
        """Everything that OpenClaw tells, but for what is not here; nothing of its own."""
        ours = {key for key in keys(self.report("status")) if not key.startswith("port.listeners.")}
        missing = {key for key in GATEWAY_STATUS - ours if not key.startswith(GATEWAY_STATUS_LEFT_OUT)}
        self.assertEqual(missing - set(BUILD), set())
        self.assertEqual(ours - GATEWAY_STATUS, set())

    def test_values(self) -> None:
        """Where it is, who is there, how it answers."""
        report = self.report("status")
        self.assertEqual((report["gateway"]["port"], report["gateway"]["portSource"]), (4000, "config"))
        self.assertEqual(report["gateway"]["probeUrl"], "ws://127.0.0.1:4000")
        self.assertEqual((report["port"]["status"], report["port"]["listeners"][0]["pid"]), ("busy", 12))
        self.assertEqual(report["rpc"]["capability"], "admin_capable")
        self.assertEqual(report["gateway"]["version"], "9.9")

    def test_tls(self) -> None:
        """A gateway with TLS is there by other addresses."""
        (self.state / "openclaw.json").write_text('{"gateway": {"port": 4000, "tls": {"enabled": true}}}')
        gateway = self.report("status", "--no-probe")["gateway"]
        links = {"httpUrl": "https://127.0.0.1:4000/", "wsUrl": "wss://127.0.0.1:4000"}
        self.assertEqual((gateway["probeUrl"], gateway["controlUiLinks"]), ("wss://127.0.0.1:4000", links))

    def test_text(self) -> None:
        """The same for people."""
        text = self.invoke("status", "--deep").stdout
        for words in ("port=4000 (config)", "busy (python, process 12)", "admin-capable", "Health", "ok"):
            self.assertIn(words, text)

    def test_no_gateway(self) -> None:
        """That is told, and is exit code 1 only where somebody requires it."""
        self.gateway.refusal = ConnectionRefusedError()
        result = self.invoke("status")
        self.assertEqual(result.exit_code, 0)
        self.assertIn("failed: nothing listens", result.stdout)
        self.assertEqual(self.invoke("status", "--require-rpc").exit_code, 1)
        self.assertEqual(self.report("status")["rpc"]["capability"], "unknown")

    def test_no_probe(self) -> None:
        """--no-probe connects to nobody."""
        self.assertNotIn("rpc", self.report("status", "--no-probe"))
        self.assertEqual(self.gateway.requests, [])

    def test_broken_configuration(self) -> None:
        """It is told what is wrong with it."""
        (self.state / "openclaw.json").write_text('{"gateway": {"port": "x"}}')
        report = self.report("status")
        self.assertFalse(report["config"]["cli"]["valid"])
        self.assertIn("gateway.port", report["config"]["cli"]["issues"][0])
        self.assertIn("can not be used", self.invoke("status").stdout)


class ProbeTests(StatusTestCase):
    """gateway probe."""

    def test_keys(self) -> None:
        """Everything that OpenClaw tells, but for what is not here; nothing of its own."""
        self.gateway.answers["health"] = self.gateway.answers["status"] = None
        self.gateway.answers |= {name: [] for name in ("health", "status", "system-presence")}
        ours = set(keys(self.report("probe")))
        missing = {key for key in GATEWAY_PROBE - ours if not key.startswith(GATEWAY_PROBE_LEFT_OUT)}
        self.assertEqual(missing - set(BUILD), set())
        self.assertEqual(ours - GATEWAY_PROBE, set())

    def test_limited(self) -> None:
        """A client that may not read: reachable, degraded, and why."""
        self.gateway.answers["status"] = self.gateway.refusing("missing scope: operator.read")
        report = self.report("probe")
        self.assertEqual((report["ok"], report["degraded"]), (True, True))
        self.assertEqual(report["warnings"][0]["code"], "probe_scope_limited")
        self.assertTrue(report["targets"][0]["connect"]["scopeLimited"])
        self.assertIn("limited: missing scope", self.invoke("probe").stdout)

    def test_not_offered(self) -> None:
        """What a gateway does not have is not asked for, and is no fault."""
        self.gateway.answers["connect"] = {**HELLO, "features": {"methods": ["health", "status"]}}
        report = self.report("probe")
        self.assertFalse(report["degraded"])
        self.assertIsNone(report["targets"][0]["presence"])
        self.assertEqual(self.gateway.methods(), ["connect", "health", "status"])

    def test_no_gateway(self) -> None:
        """Exit code 1, and JSON all the same."""
        self.gateway.refusal = ConnectionRefusedError()
        result = self.invoke("probe", "--json")
        self.assertEqual((result.exit_code, json.loads(result.stdout)["ok"]), (1, False))
        self.assertIn("Reachable     no", self.invoke("probe").stdout)

    def test_capability(self) -> None:
        """OpenClaw's words for what may be done."""
        for scopes, word in (
            (["operator.write", "operator.read"], "write_capable"),
            (["operator.read"], "read_only"),
            ([], "connected_no_operator_scope"),
        ):
            self.assertEqual(Probe(hello={"auth": {"scopes": scopes}}).capability, word)
        self.assertEqual(Probe(error="x: pairing required").capability, "pairing_pending")
