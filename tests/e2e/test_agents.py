"""A workspace in a real directory, with a real git, over the life of two processes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import pytest_twisted

import treq
from twisted.internet import reactor
from twisted.internet.task import deferLater

from openclaw_tx.agents.prompt import FRESH_SECONDS
from openclaw_tx.agents.workspace import STANDARD
from tests.e2e.processes import TOKEN, GatewayProcess, configuration, start_upstream

pytestmark = pytest.mark.e2e

HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


async def report(gateway: GatewayProcess) -> dict[str, Any]:
    """What the prompt of one chat completion was made of."""
    body = {"model": "openclaw", "messages": [{"role": "user", "content": "Hello"}]}
    response = await treq.post(f"{gateway.url}/v1/chat/completions", json.dumps(body).encode(), headers=HEADERS)
    await response.content()
    assert response.code == 200
    (run_id,) = response.headers.getRawHeaders("x-openclaw-run-id")
    run = await treq.json_content(await treq.get(f"{gateway.url}/v1/runs/{run_id}", headers=HEADERS))
    found: dict[str, Any] = run["prompt_report"]
    return found


@pytest_twisted.ensureDeferred
async def test_workspace_is_made_once(tmp_path: Path) -> None:
    """The first request of all makes it; what is deleted stays so, in this process and the next."""
    upstream, url = await start_upstream()
    gateway = GatewayProcess(tmp_path, configuration(url))
    workspace = tmp_path / ".openclaw" / "workspace"
    try:
        await gateway.start()
        assert not workspace.exists()
        files = (await report(gateway))["files"]
        assert [file["name"] for file in files if file["state"] in ("whole", "empty")] == list(STANDARD)
        for _ in range(100):
            if which("git") is None or (workspace / ".git" / "HEAD").exists():
                break
            await deferLater(reactor, 0.05)
        assert set(STANDARD) <= set(os.listdir(workspace))
        assert (which("git") is None) or ".git" in os.listdir(workspace)
        (workspace / "SOUL.md").unlink()
        (workspace / "BOOTSTRAP.md").unlink()
        await deferLater(reactor, 2 * FRESH_SECONDS)
        for last in (False, True):
            files = (await report(gateway))["files"]
            assert [file["name"] for file in files if file["state"] == "missing"] == ["SOUL.md", "BOOTSTRAP.md"]
            assert await gateway.stop() == 0
            if not last:
                await gateway.start()
        assert gateway.child is not None and "Traceback" not in gateway.child.output
    finally:
        if gateway.child is not None and gateway.child.code is None:
            await gateway.stop("KILL")
        await upstream.stop()
