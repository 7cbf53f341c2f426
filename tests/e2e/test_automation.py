"""Automation over real sockets: a hook's call, a job that fires at once and outlives a kill, the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from twisted.internet.threads import deferToThread

from tests.e2e.processes import REPOSITORY, GatewayProcess, configuration, start_upstream
from tests.e2e.test_gateway import block

pytestmark = pytest.mark.e2e

SECRET = "a-token-for-hooks"


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A scripted provider."""
    child, url = block(start_upstream())
    yield url
    block(child.stop())


@pytest.fixture
def gateway(tmp_path: Path, upstream: str) -> Iterator[GatewayProcess]:
    """A gateway that serves hooks."""
    config = configuration(upstream)
    config["hooks"] = {"enabled": True, "token": SECRET}
    process = GatewayProcess(tmp_path, config)
    yield process
    if process.child is not None and process.child.code is None:
        block(process.stop("KILL"))


def hook(gateway: GatewayProcess, path: str, body: Any, token: str = SECRET) -> tuple[int, str]:
    """A service's request: status and body."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{gateway.url}/hooks/{path}", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def command(gateway: GatewayProcess, *arguments: str) -> str:
    """C{openclaw-tx cron ...}: what it printed."""
    place = ["--config", str(gateway.config_path), "--state-dir", str(gateway.directory / "state")]
    done = subprocess.run(
        [sys.executable, "-m", "openclaw_tx.cli", *place, "cron", *arguments],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={"PATH": "", "HOME": str(gateway.directory), "OPENCLAW_GATEWAY_PORT": str(gateway.port)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def eventually(look: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What C{look} gives once that is something."""
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.1)
    return found


@pytest_twisted.ensureDeferred
async def test_hook(gateway: GatewayProcess) -> None:
    """A service has an agent answer; a wrong token gets nothing."""
    await gateway.start()
    status, body = await deferToThread(hook, gateway, "agent", {"message": "Look.", "name": "CI"})
    assert status == 202 and json.loads(body)["ok"] is True
    assert await deferToThread(hook, gateway, "agent", {"message": "Look."}, "wrong") == (401, "Unauthorized")
    assert await deferToThread(hook, gateway, "wake", {"text": "x", "mode": "now"}) == (200, '{"ok":true,"mode":"now"}')


@pytest_twisted.ensureDeferred
async def test_job(gateway: GatewayProcess) -> None:
    """A job that is added by the command line fires, is told of, and is there after a kill."""
    await gateway.start()

    def made() -> str:
        text = command(gateway, "add", "--name", "tick", "--every", "1s", "--message", "tick", "--json")
        return str(json.loads(text)["id"])

    job_id = await deferToThread(made)

    def ends() -> list[Any]:
        found: list[Any] = json.loads(command(gateway, "runs", "--id", job_id, "--json"))["entries"]
        return found

    first = (await deferToThread(eventually, ends))[-1]
    assert first["status"] == "ok" and first["summary"]
    assert first["sessionKey"] == f"agent:main:cron:{job_id}"
    await gateway.stop("KILL")
    await gateway.start()
    assert job_id in await deferToThread(command, gateway, "list")
    count = len(await deferToThread(ends))
    await deferToThread(eventually, lambda: len(ends()) > count)
    await deferToThread(command, gateway, "rm", job_id)
    assert job_id not in await deferToThread(command, gateway, "list", "--all")
