"""Webhooks over real sockets: in, to an agent, out to a service on this machine, and out again after a restart."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from openclaw_tx.channels.signing import SIGNATURE, TIMESTAMP, is_genuine
from tests.e2e.processes import REPOSITORY, GatewayProcess, configuration, start_upstream
from tests.e2e.test_gateway import block

pytestmark = pytest.mark.e2e

SECRET = "a-secret-for-webhooks"
HOOK = "a-token-for-hooks"


class Service(Resource):
    """Takes answers; the first one only at the second try."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.tries = 0
        self.waiting: Deferred[Any] = Deferred()

    def render_POST(self, request: Request) -> bytes:
        """One answer."""
        self.tries += 1
        if self.tries == 1:
            request.setResponseCode(503)
            return b""
        assert request.content is not None
        body = request.content.read()
        assert is_genuine(SECRET, request.getHeader(TIMESTAMP) or "", request.getHeader(SIGNATURE) or "", body)
        waiting, self.waiting = self.waiting, Deferred()
        waiting.callback(json.loads(body))
        return b"{}"


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A scripted provider."""
    child, url = block(start_upstream())
    yield url
    block(child.stop())


@pytest_twisted.ensureDeferred
async def test_both_ways(tmp_path: Path, upstream: str) -> None:
    """The command of docs/channels.md has an agent answer a service; after a restart a hook's answer finds it, too."""
    service, listening = Service(), None
    config = configuration(upstream)
    gateway = GatewayProcess(tmp_path, config)
    try:
        site: Any = Site(service)
        listening = reactor.listenTCP(0, site, interface="127.0.0.1")  # type: ignore[attr-defined]
        url = f"http://127.0.0.1:{listening.getHost().port}/answers"
        config["channels"] = {"webhook": {"support": {"secret": SECRET, "outUrl": url, "allowLoopback": True}}}
        config["hooks"] = {"enabled": True, "token": HOOK}
        gateway.write(config)
        await gateway.start()
        answered = service.waiting
        said = json.loads(await deferToThread(documented, gateway.url))
        assert said["ok"] is True
        answer = await answered.addTimeout(20, reactor)
        assert (answer["id"], answer["peer"]) == (said["runId"], {"kind": "dm", "id": "ann"})
        assert answer["text"] and service.tries == 2
        again = json.loads(await deferToThread(documented, gateway.url))
        assert again == {**said, "duplicate": True}
        assert await gateway.stop() == 0
        await gateway.start()
        assert json.loads(await deferToThread(documented, gateway.url)) == again
        answered = service.waiting
        printed = await deferToThread(
            command, gateway, "message", "send", "--target", "group:room", "--message", "News."
        )
        assert printed.startswith("Sent over webhook: send_")
        answer = await answered.addTimeout(20, reactor)
        assert (answer["peer"], answer["text"]) == ({"kind": "group", "id": "room"}, "News.")
        assert "webhook  support  runs" in await deferToThread(command, gateway, "channels", "status")
        answered = service.waiting
        await deferToThread(hook, gateway.url)
        answer = await answered.addTimeout(20, reactor)
        assert answer["peer"] == {"kind": "dm", "id": "ann"}
    finally:
        if gateway.child is not None and gateway.child.code is None:
            await gateway.stop("KILL")
        if listening is not None:
            await listening.stopListening()


def documented(url: str) -> str:
    """What the command of the page prints."""
    page = (Path(REPOSITORY) / "docs" / "channels.md").read_text("utf-8")
    found = re.search(r"```sh\n(BODY=.*?)```", page, re.DOTALL)
    assert found is not None
    script = found[1].replace("http://127.0.0.1:18789", url)
    environment = {"SUPPORT_SECRET": SECRET, "PATH": "/usr/bin:/bin:/usr/local/bin"}
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, env=environment, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def command(gateway: GatewayProcess, *arguments: str) -> str:
    """C{openclaw-tx ...}: what it printed."""
    place = ["--config", str(gateway.config_path), "--state-dir", str(gateway.directory / "state")]
    done = subprocess.run(
        [sys.executable, "-m", "openclaw_tx.cli", *place, *arguments],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={"PATH": "", "HOME": str(gateway.directory), "OPENCLAW_GATEWAY_PORT": str(gateway.port)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def hook(url: str) -> None:
    """A hook whose answer goes to who spoke last."""
    headers = {"Authorization": f"Bearer {HOOK}", "Content-Type": "application/json"}
    body = json.dumps({"message": "Look.", "deliver": True}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/hooks/agent", body, headers), timeout=20) as answer:
        assert answer.status == 202
