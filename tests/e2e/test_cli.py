"""The command line on a gateway that it started itself: both processes are real, so is what is between them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.e2e.processes import configuration, free_port, spawn, start_upstream

pytestmark = pytest.mark.e2e

READY = "chat completions endpoint:"


class CommandLine:
    """C{openclaw-tx} with a state directory of its own."""

    def __init__(self, state: Path) -> None:
        self.words = ["-m", "openclaw_tx.cli", "--state-dir", str(state)]

    async def __call__(self, *arguments: str, code: int = 0) -> str:
        """What a verb prints."""
        child = spawn([*self.words, *arguments])
        found = await child.ended
        assert found == code, f"{arguments}: {found}\n{child.output}"
        assert "Traceback" not in child.output, child.output
        return child.output

    async def json(self, *arguments: str, code: int = 0) -> Any:
        """The JSON that a verb prints, behind what it says on standard error, which C{spawn} puts into one."""
        output = await self(*arguments, "--json", code=code)
        return json.loads(output[re.search(r"(?m)^[\[{]", output).start() :])  # type: ignore[union-attr]


@pytest_twisted.ensureDeferred
async def test_a_gateway_and_its_command_line(tmp_path: Path) -> None:
    """Run, look at it, call it, back it up while it works, stop it, and restore it elsewhere."""
    upstream, url = await start_upstream()
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    port = free_port()
    config = configuration(url)
    config["gateway"] |= {"mode": "local", "port": port}
    config.setdefault("agents", {}).setdefault("defaults", {})["workspace"] = str(state / "workspace")
    (state / "openclaw.json").write_text(json.dumps(config))
    (state / "openclaw.json").chmod(0o600)
    command = CommandLine(state)
    gateway = spawn([*command.words, "gateway", "run"])
    try:
        await gateway.printed(READY)
        assert "OK (" in await command("gateway", "health")
        assert (await command.json("gateway", "probe"))["capability"] == "admin_capable"
        report = await command.json("gateway", "status", "--require-rpc")
        assert (report["gateway"]["port"], report["port"]["status"], report["rpc"]["ok"]) == (port, "busy", True)
        busy = await command("gateway", "run", code=1)
        assert f"already listening on ws://127.0.0.1:{port}" in busy
        params = json.dumps({"message": "hi", "idempotencyKey": "k", "agentId": "main"})
        final = await command.json("gateway", "call", "agent", "--params", params, "--expect-final")
        assert final["status"] == "ok"
        assert "unknown method: nope" in await command("gateway", "call", "nope", code=1)
        assert (await command.json("status", "--deep"))["sessions"]["count"] == 1
        doctor = await command.json("doctor", "--non-interactive")
        assert ("gateway.port", "info") in [(each["checkId"], each["severity"]) for each in doctor["findings"]]
        archive = tmp_path / "b.tar.gz"
        assert (await command.json("backup", "create", "--output", str(archive), "--verify"))["verified"]
        assert "stop it first" in await command("backup", "restore", str(archive), "--force", code=1)
        await command.json("agents", "add", "owl")
        listed = await command.json("agents", "list")
        assert listed[-1]["id"] == "owl"
        assert (await command.json("memory", "search", "anything"))["results"] == []
    finally:
        code = await gateway.stop()
        await upstream.stop()
    assert code == 0
    assert (await command.json("gateway", "probe", code=1))["ok"] is False
    fresh = tmp_path / "fresh"
    await CommandLine(fresh).json("backup", "restore", str(archive))
    restored = await CommandLine(fresh).json("sessions")
    assert restored["count"] == 1
