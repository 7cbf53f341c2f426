"""A day of a gateway that is full of secrets, with real processes and under a umask that takes nothing away: no secret
comes out, and what it keeps is its owner's alone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import HostnameEndpoint
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from openclaw_tx.auth.actions import OPERATOR_SCOPES
from openclaw_tx.cli.client import GatewayClient, connect
from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.target import Target
from tests.e2e.processes import Child, block, free_port, spawn, start_upstream
from tests.e2e.test_gateway import until
from tests.support.canaries import Canaries

pytestmark = pytest.mark.e2e

CHAT = "/v1/chat/completions"
OWN = ("openclaw.json", ".env", "auth-profiles.json")
"""Files that are there to hold secrets."""
ENV = '{"command":"env;sleep\\u00200.3;cat\\u0020/proc/self/cmdline"}'
VERBS = """
status --json
gateway status
gateway call config.get
doctor
models status
channels status
devices list
keys list
sessions
approvals get
logs
security audit --deep
config validate
config get gateway --json
config get models
config get channels
"""
"""What the command line is asked."""


class Leaky(Resource):
    """A provider, an MCP server and a taker of answers that says everything back: headers, and what it was told."""

    isLeaf = True

    def render(self, request: Request) -> bytes:
        """No, with all that came."""
        assert request.content is not None
        headers = {name.decode(): values[0].decode() for name, values in request.requestHeaders.getAllRawHeaders()}
        status = int(headers.get("x-want", "400"))
        request.setResponseCode(status)
        said = {"message": f"no: {json.dumps(headers)}", "type": "invalid_request_error"}
        return json.dumps({"error": said}).encode()


class Day:
    """The gateway, what it is asked, and all that came of it."""

    def __init__(self, directory: Path, upstream: str, leaky: str) -> None:
        self.directory = directory
        self.canaries = Canaries()
        self.port = free_port()
        self.state = directory / "state"
        self.config = directory / "openclaw.json"
        config = self.canaries.configuration(upstream, leaky)
        config["gateway"] |= {"mode": "local", "port": self.port}
        self.config.write_text(json.dumps(config))
        (directory / ".env").write_text(f"DOT_API_KEY={self.canaries('.env')}\n")
        self.environment = {
            "HOME": str(directory),
            "OPENCLAW_STATE_DIR": str(self.state),
            "OPENCLAW_CONFIG_PATH": str(self.config),
            "PROVIDER_API_KEY": self.canaries("a variable of the process"),
        }
        self.came: dict[str, str] = {}
        self.token = self.canaries("gateway.auth.token")
        self.gateway: Child | None = None

    @property
    def url(self) -> str:
        """Its root."""
        return f"http://127.0.0.1:{self.port}"

    def run(self, *words: str) -> Child:
        """Something of the command line, under a umask of 000."""
        command = [sys.executable, "-m", "openclaw_tx.cli", *words]
        return spawn(["-c", 'umask 000; exec "$@"', "sh", *command], self.environment, "/bin/sh")

    async def verb(self, *words: str) -> None:
        """A verb to its end."""
        child = self.run(*words)
        await child.ended
        assert "Traceback" not in child.output, child.output
        self.came[" ".join(words)] = child.output

    async def ask(self, text: str, path: str = CHAT, token: str | None = None, **fields: Any) -> None:
        """A chat request."""
        body = {"model": "openclaw", "messages": [{"role": "user", "content": text}], **fields}
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        response = await treq.post(self.url + path, json.dumps(body).encode(), headers=headers)
        self.came[f"{path} {text} {fields} {bool(token)}"] = f"{response.headers} {await response.text()}"

    async def get(self, path: str) -> None:
        """A page."""
        response = await treq.get(self.url + path, headers={"Authorization": f"Bearer {self.token}"})
        self.came[path] = f"{response.headers} {await response.text()}"

    def arguments(self) -> str:
        """What C{ps} shows of all processes."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
            except OSError:
                continue
        return "\n".join(found)


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    """Its morning and its evening."""
    upstream, url = block(start_upstream())
    site: Any = Site(Leaky())
    listening = reactor.listenTCP(0, site, interface="127.0.0.1")  # type: ignore[attr-defined]
    found = Day(tmp_path, url, f"http://127.0.0.1:{listening.getHost().port}")
    yield found
    if found.gateway is not None and found.gateway.code is None:
        block(found.gateway.stop("KILL"))
    block(upstream.stop())
    pytest_twisted.blockon(listening.stopListening())


async def work(day: Day) -> None:
    """Everything that a gateway does in a day."""
    day.gateway = day.run("gateway", "run")
    await day.gateway.printed("listening on")
    for path in ("/v1/models", "/v1/capabilities", "/metrics", "/openapi.json", "/healthz", "/readyz", "/nothing"):
        await day.get(path)
    await day.ask("hello")
    await day.ask("hello", user="ada")
    await day.ask("hello", stream=True)
    await day.ask("hello", model="openclaw/beta")  # by the leaky provider
    await day.ask("hello", model="openclaw/beta", stream=True)
    await day.ask("hello", token="wrong")
    await day.ask("hello", token="wrong", path="/hooks/agent")
    await day.ask("hello", path="/channels/webhook/desk")
    await day.ask("hello", path="/v1/nothing")
    await day.ask("[[status=500]]")
    await day.ask(f"[[tool=exec args={ENV}]]", user="ada")
    assert "PATH=" in "".join(day.came.values()), "the command ran"
    day.came["ps"] = day.arguments()
    assert "mcp_server.py" in day.came["ps"]
    client = await websocket_of(day)
    for method, params in (
        ("config.get", {}), ("status", {}), ("health", {}), ("agents.list", {}), ("models.list", {"view": "all"}),
        ("tools.catalog", {}), ("channels.status", {}), ("chat.history", {"sessionKey": "main"}), ("nothing", {}),
        ("cron.add", {"name": "j", "schedule": {"kind": "every", "everyMs": 3_600_000}, "payload": {
            "kind": "systemEvent", "text": "x"}, "sessionTarget": "main", "wakeMode": "now"}),
        ("agents.files.set", {"agentId": "main", "name": "MEMORY.md", "content": "x"}),
        ("send", {"channel": "webhook", "to": "desk", "message": "x", "idempotencyKey": "s"}),
        ("config.schema", {}), ("logs.tail", {"limit": 5000}), ("system-event", {"text": "x"}),
    ):  # fmt: skip
        try:
            day.came[method] = json.dumps(await client.call(method, params, 20))
        except CommandError as error:
            day.came[method] = str(error)
    raw = json.loads(day.came["config.get"])
    assert "__OPENCLAW_REDACTED__" in day.came["config.get"]
    patch = {"raw": '{"logging": {"level": "debug"}}', "baseHash": raw["hash"]}
    day.came["config.patch"] = json.dumps(await client.call("config.patch", patch, 20))
    await client.close()


async def websocket_of(day: Day) -> GatewayClient:
    """A WebSocket client that may do everything; all events are kept."""
    events: list[Any] = []

    def note(name: str, payload: Any) -> None:
        events.append((name, payload))
        day.came["events"] = json.dumps(events)

    target = Target(
        url=f"ws://127.0.0.1:{day.port}/", host="127.0.0.1", port=day.port, secure=False, token=day.token, password=None
    )
    endpoint = HostnameEndpoint(reactor, "127.0.0.1", day.port)
    return await connect(target, endpoint, reactor, note, scopes=sorted(OPERATOR_SCOPES))  # type: ignore[arg-type]


@pytest_twisted.ensureDeferred
async def test_a_day(day: Day) -> None:
    """No secret in an answer, an event, an error, a log, the arguments of a process, or a file that is not there to
    hold it; every file and directory of the state is its owner's alone."""
    await work(day)
    verbs = [line.split() for line in VERBS.split("\n") if line]
    verbs.append(["backup", "create", "--output", str(day.directory / "kept.tgz")])
    await gatherResults([Deferred.fromCoroutine(day.verb(*words)) for words in verbs])
    assert day.gateway is not None
    await until(lambda: (day.state / "gateway").is_dir())
    assert await day.gateway.stop() == 0
    day.came["output"] = day.gateway.output
    leaks = {name: found for name, text in day.came.items() if (found := day.canaries.found_in(text))}
    assert leaks == {}
    kept = {path: found for path in files(day) if (found := day.canaries.found_in(path.read_bytes()))}
    assert kept == {}
    assert modes(day.state) == {}
    workspaces = [path for path in day.directory.rglob("workspace*") if path.is_dir()]
    assert {path.stat().st_mode & 0o777 for path in workspaces} == {0o700}, workspaces
    assert (day.directory / "kept.tgz").stat().st_mode & 0o077 == 0
    assert day.config.stat().st_mode & 0o077 == 0, "written anew by config.patch"


def files(day: Day) -> Iterator[Path]:
    """All files but those that are there to hold secrets. (An archive of C{backup} is packed.)"""
    for path in day.directory.rglob("*"):
        if path.is_file() and not path.is_symlink() and not path.name.startswith(OWN):
            yield path


def modes(state: Path) -> dict[str, str]:
    """What others may do with the state. What an agent writes in its workspace has its user's umask; the way there has
    not."""
    found: dict[str, str] = {}
    for directory, below, names in os.walk(state):
        place = Path(directory)
        below[:] = [name for name in below if not (place / name / "AGENTS.md").exists() and name != "workspace"]
        for name, wanted in [*((each, 0o600) for each in names), (".", 0o700)]:
            mode = (place / name).lstat().st_mode & 0o777
            if mode & ~wanted:
                found[str((place / name).relative_to(state))] = f"{mode:04o}"
    return found
