"""The command C{openclaw-tx sessions} beside a gateway at work: one store, two processes."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from twisted.internet.threads import deferToThread

from tests.e2e.processes import TOKEN, GatewayProcess, configuration, spawn, start_upstream
from tests.sessions.openclaw_home import make_home

pytestmark = pytest.mark.e2e


def chat(url: str, key: str, text: str) -> Any:
    """A turn in a session."""
    body = {"model": "openclaw", "messages": [{"role": "user", "content": text}]}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions",
        json.dumps(body).encode(),
        {
            "Authorization": f"Bearer {TOKEN}",
            "Content-Type": "application/json",
            "x-openclaw-session-key": key,
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


@pytest_twisted.ensureDeferred
async def test_beside_a_gateway(tmp_path: Path) -> None:
    """Sessions are imported while the gateway runs; it goes on with them at once, and the list shows them."""
    upstream, url = await start_upstream()
    gateway = GatewayProcess(tmp_path, configuration(url))
    make_home(tmp_path / "theirs")
    try:
        await gateway.start()
        await deferToThread(chat, gateway.url, "ours", "hello")

        async def command(*arguments: str) -> tuple[int, Any]:
            state = ["--config", str(gateway.config_path), "--state-dir", str(tmp_path / "state")]
            child = spawn(["-m", "openclaw_tx.cli", *state, "sessions", *arguments])
            code = await child.ended
            return code, json.loads(child.output) if "--json" in arguments else child.output

        code, report = await command("import", str(tmp_path / "theirs"), "--json")
        assert (code, report["counts"]) == (1, {"added": 3, "failed": 2}), report
        await deferToThread(chat, gateway.url, "agent:main:main", "and what colour?")
        code, listed = await command("--json")
        rows = {row["key"]: row for row in listed["sessions"]}
        assert code == 0
        assert rows["agent:main:main"]["title"] == "What is in this picture?"
        assert rows["agent:main:ours"]["title"] == "hello"
        code, text = await command("export", "--out", str(tmp_path / "out"))
        assert (code, text.split()[0]) == (0, "4"), text
        lines = (tmp_path / "out/agents/main/sessions" / f"{rows['agent:main:main']['sessionId']}.jsonl").read_text()
        assert "a cat" in lines and "and what colour?" in lines
    finally:
        await gateway.stop()
        await upstream.stop()
