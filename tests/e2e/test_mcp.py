"""Tools of real MCP servers, a program and one behind an address, and of an installed plugin, in a real gateway."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_twisted

from twisted.internet.threads import deferToThread

from tests.e2e.processes import TOKEN, GatewayProcess, configuration, spawn, start_upstream
from tests.e2e.test_gateway import block, until

pytestmark = pytest.mark.e2e

SERVER = Path(__file__).with_name("mcp_server.py")

HAS_TOOLS = '"server": "{}", "count": 5'
"""What is logged of a server that is connected."""

PLUGIN = """
from twisted.plugin import IPlugin
from zope.interface import implementer
from openclaw_tx.interfaces import IToolPlugin
from openclaw_tx.values import ToolResult, ToolSpec

class Tool:
    spec = ToolSpec(name="acme_greet", description="Greet.", parameters={"type": "object"})
    async def call(self, arguments, context):
        return ToolResult(text="greetings from the plugin")

@implementer(IPlugin, IToolPlugin)
class Plugin:
    def __init__(self, name, tools):
        self.name, self._tools = name, tools
    def tools(self, reactor):
        return self._tools()

def broken():
    raise ValueError("this plugin is broken")

good, bad = Plugin("acme", lambda: [Tool()]), Plugin("acme-broken", broken)
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A scripted provider."""
    child, url = block(start_upstream())
    yield url
    block(child.stop())


@pytest.fixture
def gateway(tmp_path: Path, upstream: str) -> Iterator[GatewayProcess]:
    """A gateway that is not started."""
    process = GatewayProcess(tmp_path, configuration(upstream, reload={"debounceMs": 0}))
    yield process
    if process.child is not None and process.child.code is None:
        block(process.stop("KILL"))


def with_servers(gateway: GatewayProcess, **servers: Any) -> None:
    """Write MCP servers into its configuration."""
    config = json.loads(gateway.config_path.read_text("utf-8"))
    gateway.write({**config, "mcp": {"servers": servers}})


def program(**more: Any) -> dict[str, Any]:
    """The small server as a program."""
    return {"command": sys.executable, "args": [str(SERVER)], "env": {"SMALL_KEY": "the-key-of-it"}, **more}


async def ask(gateway: GatewayProcess, tool: str, **arguments: Any) -> str:
    """What a model is told that calls a tool."""
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=TOKEN, max_retries=0, timeout=20)
    call = f"[[tool={tool} args={json.dumps(arguments, separators=(',', ':'))}]]"
    messages: list[Any] = [{"role": "user", "content": call}]
    try:
        answer = await deferToThread(client.chat.completions.create, model="openclaw", messages=messages)
    except openai.APITimeoutError:
        return ""
    content: str = answer.choices[0].message.content
    return content


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest_twisted.ensureDeferred
async def test_program(gateway: GatewayProcess) -> None:
    """A run calls its tools; it knows none of our secrets; when it dies it is started again; nothing outlives us."""
    with_servers(gateway, small=program())
    child = await gateway.start(environment={"OPENAI_API_KEY": "not-for-others"})
    await child.printed(HAS_TOOLS.format("small"))
    assert '"small server ready"' in child.output
    assert "hello" in await ask(gateway, "small__echo", text="hello")
    names = await ask(gateway, "small__env")
    assert "SMALL_KEY" in names
    assert "OPENAI_API_KEY" not in names
    assert "ended with exit code 7" in await ask(gateway, "small__die")
    assert "again" in await ask(gateway, "small__echo", text="again")
    told = await ask(gateway, "small__children")
    pid = next(int(word) for word in told.split() if word.isdigit())
    assert is_alive(pid)
    assert await gateway.stop() == 0
    await until(lambda: not is_alive(pid))
    assert "the-key-of-it" not in child.output


@pytest_twisted.ensureDeferred
async def test_cancelled(gateway: GatewayProcess) -> None:
    """A client that hangs up while a tool is at work: the server is told."""
    with_servers(gateway, small=program())
    child = await gateway.start()
    await child.printed(HAS_TOOLS.format("small"))
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=TOKEN, max_retries=0, timeout=1.5)
    messages: list[Any] = [{"role": "user", "content": "[[tool=small__slow args={}]]"}]
    with pytest.raises(openai.APITimeoutError):
        await deferToThread(client.chat.completions.create, model="openclaw", messages=messages)
    await child.printed('"line": "cancelled"')


@pytest_twisted.ensureDeferred
async def test_edits(gateway: GatewayProcess) -> None:
    """Servers come and go with edits of the configuration, without a restart."""
    child = await gateway.start()
    assert "not found" in await ask(gateway, "small__echo", text="x")
    with_servers(gateway, small=program(allow=["ec*"]))
    await child.printed(HAS_TOOLS.format("small"))
    assert "hello" in await ask(gateway, "small__echo", text="hello")
    assert "not found" in await ask(gateway, "small__env")
    with_servers(gateway)
    end = time.monotonic() + 10
    while "not found" not in await ask(gateway, "small__echo", text="x"):
        assert time.monotonic() < end


@pytest_twisted.ensureDeferred
async def test_address(gateway: GatewayProcess) -> None:
    """Streamable HTTP: with its key, its session, and the session's end at ours; a wrong key is told of."""
    server = spawn([str(SERVER), "--http", "0"])
    try:
        url = (await server.printed("\n")).strip()
        right, wrong = ({"url": url, "headers": {"Authorization": f"Bearer {key}"}} for key in ("the-key", "no"))
        with_servers(gateway, far=right, locked=wrong)
        child = await gateway.start()
        await child.printed(HAS_TOOLS.format("far"))
        await child.printed("it answered with HTTP status 401; check mcp.servers.locked.headers.")
        assert "hello" in await ask(gateway, "far__echo", text="hello")
        assert await gateway.stop() == 0
        await server.printed("session ended")
    finally:
        await server.stop("KILL")


@pytest_twisted.ensureDeferred
async def test_address_restarted(gateway: GatewayProcess) -> None:
    """A server that forgets its sessions is greeted anew within the call."""
    server = spawn([str(SERVER), "--http", "0"])
    try:
        url = (await server.printed("\n")).strip()
        with_servers(gateway, far={"url": url, "headers": {"Authorization": "Bearer the-key"}})
        child = await gateway.start()
        await child.printed(HAS_TOOLS.format("far"))
        await server.stop("KILL")
        assert "MCP server far failed" in await ask(gateway, "far__echo", text="x")
        server = spawn([str(SERVER), "--http", url.split(":")[2].split("/")[0]])
        await server.printed("\n")
        assert "hello" in await ask(gateway, "far__echo", text="hello")
    finally:
        await server.stop("KILL")


@pytest_twisted.ensureDeferred
async def test_plugin(gateway: GatewayProcess, tmp_path: Path) -> None:
    """A module in twisted/plugins of an installed package brings a tool; one that fails is named and does no harm."""
    plugins = tmp_path / "site" / "twisted" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "acme_plugin.py").write_text(PLUGIN, "utf-8")
    path = os.pathsep.join(filter(None, (str(tmp_path / "site"), os.environ.get("PYTHONPATH", ""))))
    child = await gateway.start(environment={"PYTHONPATH": path})
    assert "greetings from the plugin" in await ask(gateway, "acme_greet")
    assert "acme-broken" in child.output
    assert "this plugin is broken" in child.output
