"""TLS and devices over real sockets: the command line against a gateway with a certificate of its own."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from twisted.internet.threads import deferToThread

from tests.e2e.processes import REPOSITORY, TOKEN, GatewayProcess, configuration, start_upstream
from tests.e2e.test_gateway import block

pytestmark = pytest.mark.e2e

DEVICE = "c11f8fab46159f1ea93168d7b96af615dc734d154199be941c10eccc5508dfb9"
JANUARY = {
    DEVICE: {
        "deviceId": DEVICE,
        "publicKey": "vkRELy6tYyMwYqsQjnmRgAWCVYLGrV9gPDlHcNeUJuw",
        "displayName": "desk",
        "role": "operator",
        "roles": ["operator"],
        "scopes": ["operator.read"],
        "tokens": {"operator": {"token": "0123456789abcdef", "role": "operator", "scopes": [], "createdAtMs": 1}},
        "createdAtMs": 1,
        "approvedAtMs": 1,
    }
}
"""C{devices/paired.json} of OpenClaw's January release."""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway with TLS, in the state directory of an older one."""
    child, url = block(start_upstream())
    (tmp_path / "state" / "devices").mkdir(parents=True)
    (tmp_path / "state" / "devices" / "paired.json").write_text(json.dumps(JANUARY))
    process = GatewayProcess(tmp_path, configuration(url, tls={"enabled": True}))
    process.write(configuration(url, tls={"enabled": True}, port=process.port))
    yield process
    if process.child is not None and process.child.code is None:
        block(process.stop("KILL"))
    block(child.stop())


async def say(gateway: GatewayProcess, *words: str) -> subprocess.CompletedProcess[str]:
    """Run C{openclaw-tx}."""
    place = ["--config", str(gateway.config_path), "--state-dir", str(gateway.directory / "state")]
    command = [sys.executable, "-m", "openclaw_tx.cli", *place, *words]
    run: Any = subprocess.run
    done: subprocess.CompletedProcess[str] = await deferToThread(
        run, command, capture_output=True, text=True, cwd=REPOSITORY, timeout=60
    )
    return done


@pytest_twisted.ensureDeferred
async def test_tls(gateway: GatewayProcess) -> None:
    """The command line knows its own gateway; another one it must be told of; plain HTTPS works as anywhere."""
    child = await gateway.start()
    found = re.search(r"(sha256:[0-9a-f]{64})", await child.printed("fingerprint"))
    assert found is not None
    done = await say(gateway, "health")
    assert done.returncode == 0 and done.stdout.startswith("wss://"), done.stderr
    elsewhere = ["health", "--url", f"wss://127.0.0.1:{gateway.port}", "--token", TOKEN]
    assert (await say(gateway, *elsewhere)).returncode == 1
    assert (await say(gateway, *elsewhere, "--tls-fingerprint", "00" * 32)).returncode == 1
    assert (await say(gateway, *elsewhere, "--tls-fingerprint", found[1])).returncode == 0

    def get() -> bytes:
        trusted = ssl.create_default_context(cafile=str(gateway.directory / "state" / "tls" / "gateway-cert.pem"))
        with urllib.request.urlopen(f"https://localhost:{gateway.port}/healthz", context=trusted, timeout=10) as answer:
            body: bytes = answer.read()
        return body

    assert json.loads(await deferToThread(get))["ok"]
    assert await gateway.stop() == 0


@pytest_twisted.ensureDeferred
async def test_devices(gateway: GatewayProcess) -> None:
    """Devices of the January release are there; their tokens are digested, rotated, revoked; then the device goes."""
    await gateway.start()
    paired = gateway.directory / "state" / "devices" / "paired.json"
    assert "desk  operator, operator.read  (tokens: operator)" in (await say(gateway, "devices", "list")).stdout
    token = (await say(gateway, "devices", "rotate", "desk")).stdout.strip()
    assert len(token) == 43
    stored = paired.read_text()
    assert token not in stored and "0123456789abcdef" not in stored
    assert (paired.stat().st_mode & 0o777) == 0o600
    assert (await say(gateway, "devices", "revoke", DEVICE[:8])).returncode == 0
    assert "tokens" not in json.loads(paired.read_text())[DEVICE]
    assert (await say(gateway, "devices", "rename", "desk", "lamp")).returncode == 0
    assert (await say(gateway, "devices", "remove", "lamp")).returncode == 0
    assert json.loads(paired.read_text()) == {}
    assert (await say(gateway, "devices", "list")).stdout == "No devices.\n"
    assert "No device waits" in (await say(gateway, "devices", "approve")).stdout
    refused = await say(gateway, "devices", "remove", "lamp")
    assert (refused.returncode, refused.stderr) == (1, "Error: no device is called lamp\n")
    assert (await say(gateway, "nodes", "list")).stdout == "No nodes.\n"
