"""An agent with tools under twistd, over real sockets: files, a command that a person allows, chat clients, kills."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from openclaw_tx.cli.client import GatewayClient
from tests.e2e.processes import (
    KILLED,
    REPOSITORY,
    TOKEN,
    GatewayProcess,
    block,
    configuration,
    start_upstream,
    websocket,
)

pytestmark = pytest.mark.e2e

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
KEY = "agent:main:work"


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A scripted provider for the whole module."""
    child, url = block(start_upstream())
    yield url
    block(child.stop())


@pytest.fixture
def gateway(tmp_path: Path, upstream: str) -> Iterator[GatewayProcess]:
    """A gateway process, killed at the end if it still runs."""
    config = configuration(upstream, shutdownGraceSeconds=2)
    config["agents"]["defaults"] = {"maxConcurrent": 64}
    config["messages"] = {"queue": {"debounceMs": 100}}
    process = GatewayProcess(Path(os.path.realpath(tmp_path)), config)
    yield process
    if process.child is not None and process.child.code is None:
        block(process.stop("KILL"))


def workspace(gateway: GatewayProcess) -> Path:
    """That of agent main."""
    return gateway.directory / ".openclaw" / "workspace"


def careless(gateway: GatewayProcess) -> None:
    """From the start on, every command runs unasked."""
    config = json.loads(gateway.config_path.read_text())
    gateway.write({**config, "tools": {"exec": {"security": "full", "ask": "off"}}})


def tool(name: str, **arguments: Any) -> str:
    """What makes the scripted model call a tool; the arguments must be without blanks."""
    return f"[[tool={name} args={json.dumps(arguments, separators=(',', ':'))}]]"


async def chat(gateway: GatewayProcess, content: str) -> Any:
    """A chat completion in the session: status, and the answer's text or its error."""
    body = {"messages": [{"role": "user", "content": content}]}
    response = await treq.post(
        f"{gateway.url}/v1/chat/completions",
        json.dumps(body).encode(),
        headers={**AUTHORIZED, "x-openclaw-session-key": KEY},
    )
    answer = await treq.json_content(response)
    return response.code, answer["choices"][0]["message"]["content"] if response.code == 200 else answer["error"]


async def started(gateway: GatewayProcess, message: str, session: str = KEY) -> str:
    """A run that goes on by itself; its id."""
    body = json.dumps({"message": message, "session": session}).encode()
    response = await treq.post(f"{gateway.url}/v1/runs", body, headers=AUTHORIZED)
    return str((await treq.json_content(response))["id"])


async def run_of(gateway: GatewayProcess, run_id: str) -> Any:
    """The run object."""
    return await treq.json_content(await treq.get(f"{gateway.url}/v1/runs/{run_id}", headers=AUTHORIZED))


async def last_request(upstream: str) -> list[dict[str, Any]]:
    """Messages that the provider was sent last."""
    told = await treq.json_content(await treq.get(upstream.replace("/v1", "/requests")))
    messages: list[dict[str, Any]] = told[-1]["body"]["messages"]
    return messages


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait for something another process does."""
    for _ in range(int(seconds * 20)):
        if condition():
            return
        await deferLater(reactor, 0.05)
    raise AssertionError("it did not happen in time")


def alive(pid: int) -> bool:
    """Whether a process runs, and is no zombie."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def pid_in(path: Path) -> int:
    """A number that a command wrote; 0 = not yet."""
    try:
        return int(path.read_text() or 0)
    except (OSError, ValueError):
        return 0


def assert_whole(messages: list[dict[str, Any]]) -> None:
    """As providers demand: every call is followed by its result, and no result stands alone."""
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] == waiting.pop(0), messages
        else:
            assert not waiting, messages
            waiting = [call["id"] for call in message.get("tool_calls") or ()]
    assert not waiting, messages


class Chat:
    """A chat client on the WebSocket.

    @ivar told: payloads of C{chat} events so far.
    """

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.client: GatewayClient

    async def connect(self, gateway: GatewayProcess) -> None:
        """Come in."""
        self.client = await websocket(gateway, self._on_event)

    def _on_event(self, name: str, payload: Any) -> None:
        if name == "chat":
            self.told.append(payload)

    async def send(self, key: str, message: str) -> None:
        """Say something."""
        params = {"sessionKey": KEY, "message": message, "idempotencyKey": key}
        answer = await self.client.call("chat.send", params, 30)
        assert answer["status"] == "started", answer

    async def answer(self, key: str) -> str:
        """What the last event to a message says."""

        def ends() -> list[dict[str, Any]]:
            return [
                each for each in self.told if each["runId"] == key and each["state"] in ("final", "error", "aborted")
            ]

        await until(ends)
        (end,) = ends()
        return "".join(part["text"] for part in (end.get("message") or {"content": []})["content"])

    async def say(self, key: str, message: str) -> str:
        """Say something, and hear the answer."""
        await self.send(key, message)
        return await self.answer(key)


@pytest_twisted.ensureDeferred
async def test_files_and_a_command(gateway: GatewayProcess, upstream: str) -> None:
    """The agent writes a file and reads it; a person on the command line allows a command; all outlives a restart."""

    def approvals(*words: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "openclaw_tx.cli", "approvals", *words, "--url", gateway.url, "--token", TOKEN],
            capture_output=True,
            text=True,
            check=True,
            cwd=REPOSITORY,
            env={**os.environ, "HOME": str(gateway.directory)},
            timeout=30,
        ).stdout

    await gateway.start()
    wrote = await chat(gateway, "write " + tool("write", path="notes/a.md", content="hello"))
    assert wrote == (200, "tool said: Wrote 5 bytes to notes/a.md.")
    assert (workspace(gateway) / "notes" / "a.md").read_text() == "hello"
    assert await chat(gateway, "read " + tool("read", path="notes/a.md")) == (200, "tool said: hello")
    code, refused = await chat(gateway, "out " + tool("write", path="../../out.md", content="x"))
    assert code == 200 and "outside of the workspace" in refused
    assert not (gateway.directory / "out.md").exists()
    run_id = await started(gateway, "copy " + tool("exec", command="cat<notes/a.md>copy.md"))
    for _ in range(100):
        (*waiting,) = json.loads(await deferToThread(approvals, "pending", "--json"))["pending"]
        if waiting:
            break
    assert waiting[0]["request"]["command"] == "cat<notes/a.md>copy.md"
    assert not (workspace(gateway) / "copy.md").exists()
    await deferToThread(approvals, "resolve", waiting[0]["id"], "allow-once")
    await until((workspace(gateway) / "copy.md").exists)
    for _ in range(100):
        if (await run_of(gateway, run_id))["status"] == "ok":
            break
        await deferLater(reactor, 0.05)
    assert (workspace(gateway) / "copy.md").read_text() == "hello"
    assert await gateway.stop() == 0
    child = await gateway.start()
    assert await chat(gateway, "[[reply=good]]") == (200, "good")
    messages = await last_request(upstream)
    assert_whole(messages)
    called = [call["function"]["name"] for each in messages for call in each.get("tool_calls") or ()]
    assert called == ["write", "read", "write", "exec"]
    assert await gateway.stop() == 0
    assert "Traceback" not in child.output


@pytest_twisted.ensureDeferred
async def test_chat_clients(gateway: GatewayProcess, upstream: str) -> None:
    """Commands, messages that wait and are collected, a stop, and a new conversation; another client sees it all."""
    await gateway.start()
    chat_client, other = Chat(), Chat()
    await chat_client.connect(gateway)
    await other.connect(gateway)
    assert "stub/m" in await chat_client.say("k1", "/status")
    assert await chat_client.say("k2", "hi [[reply=hello]]") == "hello"
    await chat_client.send("k3", "slow [[chunks=10 delay=0.1]]")
    await chat_client.send("k4", "and one")
    await chat_client.send("k5", "and two [[reply=both]]")
    assert (await chat_client.answer("k3")).endswith("c10")
    assert (await chat_client.answer("k5"), await chat_client.answer("k4")) == ("both", "")
    asked = (await last_request(upstream))[-1]["content"]
    assert "and one" in asked and "and two" in asked
    await chat_client.send("k6", "endless [[chunks=1000 delay=0.05]]")
    await until(lambda: any(each["runId"] == "k6" for each in chat_client.told))
    stopped = await chat_client.client.call(
        "chat.send", {"sessionKey": KEY, "message": "stop", "idempotencyKey": "k7"}, 30
    )
    assert stopped["aborted"] is True
    await chat_client.answer("k6")
    await other.answer("k6")
    assert [each["state"] for each in other.told if each["runId"] == "k6"][-1] == "aborted"
    assert await chat_client.say("k8", "/new first [[reply=fresh]]") == "fresh"
    messages = await last_request(upstream)
    assert [message["role"] for message in messages] == ["system", "user"]
    history = await other.client.call("chat.history", {"sessionKey": KEY}, 30)
    assert len(history["messages"]) == 2
    for each in (chat_client, other):
        await each.client.close()
    assert await gateway.stop() == 0


@pytest_twisted.ensureDeferred
async def test_killed_in_a_tool(gateway: GatewayProcess, upstream: str) -> None:
    """SIGKILL while a command is at work: the run is reported as interrupted, and the session goes on, whole."""
    careless(gateway)
    await gateway.start()
    assert (await chat(gateway, "[[reply=one]]"))[0] == 200
    run_id = await started(gateway, "sleep " + tool("exec", command="echo$IFS$$>pid;sleep${IFS}20"))
    await until(lambda: pid_in(workspace(gateway) / "pid"))
    assert await gateway.stop("KILL") == KILLED
    child = await gateway.start()
    assert (await run_of(gateway, run_id))["status"] == "interrupted"
    assert await chat(gateway, "[[reply=two]]") == (200, "two")
    messages = await last_request(upstream)
    assert_whole(messages)
    said = [message["content"] for message in messages if message["role"] == "user"]
    assert [text.split()[0] for text in said] == ["[[reply=one]]", "sleep", "[[reply=two]]"]
    assert "cut off when the gateway went down" in messages[-2]["content"]
    assert await gateway.stop() == 0
    assert "Traceback" not in child.output
    pid = pid_in(workspace(gateway) / "pid")
    if alive(pid):  # a gateway that is killed can end nothing
        os.kill(pid, 9)


@pytest_twisted.ensureDeferred
async def test_terminated_under_load(gateway: GatewayProcess) -> None:
    """SIGTERM while runs answer, wait for a provider and are in tools: what can end ends, the rest is told so, no
    process is left, and the exit code is 0."""
    careless(gateway)
    await gateway.start()
    quick = [await started(gateway, f"quick {n} [[chunks=10 delay=0.1]]", f"agent:main:q{n}") for n in range(8)]
    stuck = [await started(gateway, f"stuck {n} [[chunks=2 hang=2]]", f"agent:main:s{n}") for n in range(4)]
    busy = [
        await started(gateway, tool("exec", command=f"echo$IFS$$>pid{n};sleep${{IFS}}20"), f"agent:main:b{n}")
        for n in range(4)
    ]
    files = [workspace(gateway) / f"pid{n}" for n in range(4)]
    await until(lambda: all(map(pid_in, files)))
    pids = list(map(pid_in, files))
    assert all(map(alive, pids))
    requests = [Deferred.fromCoroutine(chat(gateway, "stream [[chunks=5 delay=0.1]]"))]
    await deferLater(reactor, 0.2)
    assert await gateway.stop() == 0
    assert not any(map(alive, pids))
    (((_, answered)),) = await DeferredList(requests)
    assert answered == (200, "c1 c2 c3 c4 c5")
    child = await gateway.start()
    for run_id in quick:
        run = await run_of(gateway, run_id)
        assert (run["status"], run["text"].split()[-1]) == ("ok", "c10")
    for run_id in (*stuck, *busy):
        run = await run_of(gateway, run_id)
        assert (run["status"], run["error"]["code"]) == ("aborted", "gateway_restarting")
    assert await gateway.stop() == 0
    assert "Traceback" not in child.output
