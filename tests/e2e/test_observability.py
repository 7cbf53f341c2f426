"""Metrics, traces and the log of a gateway under the real twistd."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

import treq

from tests.e2e.processes import TOKEN, Child, block, configuration, free_port, spawn, start_upstream

pytestmark = pytest.mark.e2e

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
TWISTD = ["-c", "from twisted.scripts.twistd import run; run()", "--nodaemon", "--pidfile="]


@pytest.fixture
def upstream() -> Iterator[str]:
    """A scripted provider."""
    child, url = block(start_upstream())
    yield url
    block(child.stop())


def twistd(directory: Path, config: dict[str, Any], *arguments: str) -> tuple[Child, str]:
    """A gateway under twistd, and its root URL."""
    path = directory / "openclaw.json"
    path.write_text(json.dumps(config), "utf-8")
    port = free_port()
    state = str(directory / "state")
    child = spawn(
        [
            *TWISTD,
            *arguments,
            "openclaw",
            "--config",
            str(path),
            "--state-dir",
            state,
            "--port",
            str(port),
            "--verbose",
        ],
        {"HOME": str(directory)},  # where agents have their workspaces
    )
    return child, f"http://127.0.0.1:{port}"


async def converse(url: str) -> None:
    """One run, one refusal, one scrape."""
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()
    headers = {**AUTHORIZED, "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    response = await treq.post(f"{url}/v1/chat/completions", body, headers=headers)
    assert response.code == 200, await treq.content(response)
    assert "total;dur=" in response.headers.getRawHeaders("server-timing")[0]
    await treq.content(response)
    response = await treq.get(f"{url}/v1/models", headers={"Authorization": "Bearer a-wrong-secret"})
    assert response.code == 401
    await treq.content(response)
    response = await treq.get(f"{url}/metrics", headers=AUTHORIZED)
    text = await treq.text_content(response)
    assert 'openclaw_runs_total{agent="main",code="",status="ok",surface="http"} 1.0\n' in text
    assert "process_resident_memory_bytes " in text


@pytest_twisted.ensureDeferred
async def test_json_log(tmp_path: Path, upstream: str) -> None:
    """Every line that twistd prints is one JSON object, Twisted's own too; the run's names its trace; no secret."""
    child, url = twistd(tmp_path, {**configuration(upstream), "logging": {"consoleStyle": "json"}})
    try:
        await child.printed("listening on")
        await converse(url)
    finally:
        await child.stop()
    records = [json.loads(line) for line in child.output.splitlines()]
    assert all({"time", "level", "namespace", "message"} <= set(record) for record in records)
    assert any(record["namespace"].startswith("twisted.") for record in records)
    ends = [record for record in records if "run" in record]
    assert [(end["trace"], end["agent"], end["status"]) for end in ends] == [(TRACE, "main", "ok")]
    paths = [record["path"] for record in records if "path" in record]
    assert paths == ["/v1/chat/completions", "/v1/models", "/metrics"]
    assert TOKEN not in child.output and "a-wrong-secret" not in child.output


@pytest_twisted.ensureDeferred
async def test_level_and_file(tmp_path: Path, upstream: str) -> None:
    """With --logfile the log is text in that file; C{logging.level} holds back the gateway's lines and no others."""
    log = tmp_path / "gateway.log"
    config = {**configuration(upstream), "logging": {"level": "error", "accessLog": True}}
    child, url = twistd(tmp_path, config, "--logfile", str(log))
    try:
        response = None
        for _ in range(100):
            try:
                response = await treq.get(f"{url}/healthz")
                break
            except Exception:
                await pause(0.1)
        assert response is not None and response.code == 200
        await treq.content(response)
    finally:
        await child.stop()
    text = log.read_text("utf-8")
    assert "twistd" in text and "Server Shut Down" in text
    assert "openclaw_tx" not in text and "/healthz" not in text


async def pause(seconds: float) -> None:
    """Let another process get on."""
    from twisted.internet import reactor
    from twisted.internet.task import deferLater

    await deferLater(reactor, seconds)  # type: ignore[arg-type]
