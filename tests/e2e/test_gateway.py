"""The gateway under twistd, over real sockets: what users' own clients see, kills and restarts."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_twisted

import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from openclaw_tx.cli.client import nobody
from tests.e2e.processes import (
    KILLED,
    TOKEN,
    Caller,
    Child,
    GatewayProcess,
    block,
    configuration,
    finds_it_draining,
    spawn,
    start_upstream,
    websocket,
)

pytestmark = pytest.mark.e2e

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A scripted provider for the whole module."""
    child, url = block(start_upstream())
    yield url
    block(child.stop())


@pytest.fixture
def gateway(tmp_path: Path, upstream: str) -> Iterator[GatewayProcess]:
    """A gateway process, killed at the end if it still runs."""
    process = GatewayProcess(tmp_path, configuration(upstream))
    yield process
    if process.child is not None and process.child.code is None:
        block(process.stop("KILL"))


async def chat(gateway: GatewayProcess, content: str, **fields: Any) -> Any:
    """A chat completion over treq, not streamed."""
    body = {"messages": [{"role": "user", "content": content}], **fields}
    response = await treq.post(f"{gateway.url}/v1/chat/completions", json.dumps(body).encode(), headers=AUTHORIZED)
    return response.code, await treq.json_content(response)


async def until(condition: Any, seconds: float = 10.0) -> None:
    """Wait for something another process does."""
    for _ in range(int(seconds * 20)):
        if condition():
            return
        await deferLater(reactor, 0.05)
    raise AssertionError("it did not happen in time")


async def outcomes(upstream: str) -> list[tuple[str, str]]:
    """(last message, outcome) of every request the provider got."""
    told = await treq.json_content(await treq.get(upstream.replace("/v1", "/requests")))
    return [(request["body"]["messages"][-1]["content"], request["outcome"]) for request in told]


@pytest_twisted.ensureDeferred
async def test_s23_the_literal_curl(gateway: GatewayProcess) -> None:
    """curl as in the documentation gets an answer."""
    await gateway.start()
    body = json.dumps({"model": "openclaw", "messages": [{"role": "user", "content": "hi"}]})
    curl = ["curl", "-sS", f"{gateway.url}/v1/chat/completions"]
    curl += ["-H", f"Authorization: Bearer {TOKEN}", "-H", "Content-Type: application/json"]
    curl += ["-H", "x-openclaw-agent-id: main", "-d", body]
    done = await deferToThread(subprocess.run, curl, capture_output=True, timeout=30)
    assert json.loads(done.stdout)["choices"][0]["message"]["content"] == "pong"


@pytest_twisted.ensureDeferred
async def test_s01_openai_client(gateway: GatewayProcess) -> None:
    """The official client: plain, streamed with usage, models, typed errors, a tool round."""
    await gateway.start()
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=TOKEN, max_retries=0)

    def use() -> None:
        plain = client.chat.completions.create(model="openclaw", messages=[{"role": "user", "content": "hi"}])
        assert plain.choices[0].message.content == "pong"
        assert plain.usage is not None and plain.usage.total_tokens == 18
        stream = client.chat.completions.create(
            model="openclaw:beta",
            messages=[{"role": "user", "content": "[[chunks=3]]"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "c1 c2 c3"
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
        assert chunks[-1].usage is not None and not chunks[-1].choices
        assert [model.id for model in client.models.list()][:2] == ["openclaw", "openclaw/default"]
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="wrong").models.list()
        tool: Any = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
        called = client.chat.completions.create(
            model="openclaw",
            messages=[{"role": "user", "content": '[[tool=get_weather args={"city":"Paris"}]]'}],
            tools=[tool],
        )
        calls = called.choices[0].message.tool_calls
        assert called.choices[0].finish_reason == "tool_calls" and calls is not None
        assert json.loads(calls[0].function.arguments) == {"city": "Paris"}
        # At last: for a minute the model is left alone.
        with pytest.raises(openai.RateLimitError) as limited:
            client.chat.completions.create(
                model="openclaw", messages=[{"role": "user", "content": "[[status=429 retry=60]]"}]
            )
        assert limited.value.code == "provider_rate_limit"

    await deferToThread(use)


@pytest_twisted.ensureDeferred
async def test_s04_one_port(gateway: GatewayProcess) -> None:
    """WebSocket and HTTP at the same time on one port; the client sees the events of both kinds of run."""
    await gateway.start()
    events: list[Any] = []
    client = await websocket(gateway, lambda name, payload: events.append((name, payload)))
    code, answer = await chat(gateway, "[[chunks=2]]")
    assert (code, answer["choices"][0]["message"]["content"]) == (200, "c1 c2")
    params = {"message": "[[reply=mine]]", "agentId": "main", "idempotencyKey": "k1"}
    result = await client.call("agent", params, 30, nobody)
    assert result["result"]["payloads"][0]["text"] == "mine"
    runs = {payload["runId"] for name, payload in events if name == "agent"}
    assert runs == {"k1", answer["id"]}
    await client.close()


@pytest_twisted.ensureDeferred
async def test_disconnect_reaches_the_provider(gateway: GatewayProcess, upstream: str) -> None:
    """Hanging up cancels the provider's call within a second: before the first token, mid-stream, not streamed."""
    await gateway.start()
    for number, (script, stream) in enumerate((("hang=1", True), ("chunks=50 delay=0.2", True), ("hang=1", False))):
        name = f"bye-{number}"
        body = json.dumps(
            {"stream": stream, "messages": [{"role": "user", "content": f"{name} [[{script}]]"}]}
        ).encode()
        with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            connection.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            for _ in range(40):
                if any(text.startswith(name) for text, _ in await outcomes(upstream)):
                    break
                await deferLater(reactor, 0.05)
            await deferLater(reactor, 0.3)
        for _ in range(20):
            if [outcome for text, outcome in await outcomes(upstream) if text.startswith(name)] == ["hung up"]:
                break
            await deferLater(reactor, 0.05)
        else:
            raise AssertionError(f"{name}: the provider was not told within a second")


@pytest_twisted.ensureDeferred
async def test_kill_and_restart(gateway: GatewayProcess) -> None:
    """SIGKILL in mid-run: finished turns are there, the cut-off one is reported with what it had said, once."""
    await gateway.start()
    for text in ("first", "second"):
        assert (await chat(gateway, f"{text} [[reply=done]]", user="alice"))[0] == 200
    request = chat(gateway, "third [[chunks=400 delay=0.02]]", user="alice")
    pending = Deferred.fromCoroutine(request)
    pending.addErrback(lambda _: None)
    await deferLater(reactor, 2.5)
    assert await gateway.stop("KILL") == KILLED
    child = await gateway.start()
    await child.printed("was interrupted")
    client = await websocket(gateway)
    history = await client.call("chat.history", {"sessionKey": "agent:main:openai-user:alice"}, 30)
    roles = [message["role"] for message in history["messages"]]
    assert roles == ["user", "assistant"] * 3
    last = history["messages"][-1]
    assert last["content"][0]["text"].startswith("c1 c2")
    waited = await client.call("agent.wait", {"runId": await interrupted(gateway), "timeoutMs": 1000}, 30)
    assert waited["status"] == "error"
    await client.close()
    code, _ = await chat(gateway, "fourth [[reply=on]]", user="alice")
    assert code == 200
    assert await gateway.stop() == 0
    assert child.output.count("was interrupted") == 1
    with sqlite3.connect(gateway.directory / "state" / "gateway" / "openclaw.sqlite") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def interrupted(gateway: GatewayProcess) -> str:
    """Id of the one run that the store calls interrupted."""
    with sqlite3.connect(gateway.directory / "state" / "gateway" / "openclaw.sqlite") as database:
        rows = database.execute("SELECT run_id FROM runs WHERE status = 'interrupted'").fetchall()
    assert len(rows) == 1
    return str(rows[0][0])


@pytest_twisted.ensureDeferred
async def test_sigterm_drains(gateway: GatewayProcess) -> None:
    """SIGTERM lets a running answer end, and exits with 0. Until then who comes is told so; then the port is closed."""
    await gateway.start()
    kept = Caller(gateway)
    assert (await kept.ask("GET", "/healthz"))[0] == 200
    pending = Deferred.fromCoroutine(chat(gateway, "[[chunks=20 delay=0.1]]", user="alice"))
    await deferLater(reactor, 0.4)
    ended = Deferred.fromCoroutine(gateway.stop())
    await deferLater(reactor, 0.2)
    await finds_it_draining(gateway, kept)
    assert not pending.called
    code, answer = await pending
    assert (code, answer["choices"][0]["finish_reason"]) == (200, "stop")
    assert await ended == 0
    with pytest.raises(ConnectionRefusedError):
        await Caller(gateway).ask("GET", "/healthz")


@pytest_twisted.ensureDeferred
async def test_edits_apply(gateway: GatewayProcess, upstream: str) -> None:
    """S16, S17 on the real file: off is 404, on answers again, a broken edit keeps the last good configuration."""
    child = await gateway.start()
    off = configuration(upstream, http={"endpoints": {"chatCompletions": {"enabled": False}}})
    gateway.write(off)
    await child.printed("configuration applied")
    assert (await chat(gateway, "hi"))[0] == 404
    gateway.config_path.write_text("{broken", "utf-8")
    await child.printed("the last good one stays")
    assert (await chat(gateway, "hi"))[0] == 404
    gateway.write(configuration(upstream))
    for _ in range(100):
        if (await chat(gateway, "hi"))[0] == 200:
            return
        await deferLater(reactor, 0.05)
    raise AssertionError("the endpoint was not enabled again")


@pytest_twisted.ensureDeferred
async def test_start_failures(gateway: GatewayProcess) -> None:
    """A busy port, a broken file and a missing secret each end with one line and a non-zero code."""
    good = gateway.config_path.read_text("utf-8")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", gateway.port))
        taken.listen()
        await fails(gateway.spawn(), "can not listen")
    gateway.config_path.write_text("{", "utf-8")
    await fails(gateway.spawn(), "line 1")
    gateway.config_path.write_text("{}", "utf-8")
    await fails(gateway.spawn(), "OPENCLAW_GATEWAY_TOKEN")
    gateway.config_path.write_text(good, "utf-8")
    await fails(gateway.spawn("--port", "nope"), "--port")


async def fails(child: Child, text: str) -> None:
    """It ends badly, saying C{text} and no traceback."""
    ended: Deferred[int] = Deferred()
    child.ended.addBoth(ended.callback)
    code = await ended
    assert code not in (0, None)
    assert text in child.output
    assert "Traceback" not in child.output, child.output


@pytest_twisted.ensureDeferred
async def test_unix_socket(tmp_path: Path, upstream: str) -> None:
    """--endpoint unix: serves on a UNIX socket."""
    gateway = GatewayProcess(tmp_path, configuration(upstream))
    path = tmp_path / "s"
    await gateway.start("--endpoint", f"unix:{path}")
    curl = ["curl", "-sS", "--unix-socket", str(path), "http://localhost/healthz"]
    done = await deferToThread(subprocess.run, curl, capture_output=True, timeout=30)
    assert json.loads(done.stdout) == {"ok": True, "status": "live"}
    assert await gateway.stop() == 0


@pytest_twisted.ensureDeferred
async def test_command_line_agent(gateway: GatewayProcess) -> None:
    """C{openclaw-tx agent} streams an answer from the running gateway."""
    await gateway.start()
    environment = {"OPENCLAW_CONFIG_PATH": str(gateway.config_path), "OPENCLAW_GATEWAY_PORT": str(gateway.port)}
    child = spawn(["-m", "openclaw_tx.cli", "agent", "-m", "hello [[chunks=3]]"], environment)
    ended: Deferred[int] = Deferred()
    child.ended.addBoth(ended.callback)
    assert await ended == 0, child.output
    assert "c1 c2 c3" in child.output


@pytest_twisted.ensureDeferred
async def test_hostile_bytes(gateway: GatewayProcess) -> None:
    """Hostile requests get their status, and nothing is logged as unhandled."""
    child = await gateway.start()
    deep = b'{"messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    cases: list[tuple[bytes, int]] = [
        (b"{", 400),
        (deep, 400),
        (b'{"messages":[{"role":"user","content":"hi"}],"temperature":NaN}', 400),
        (b'{"messages":[{"role":"user","content":"\xff\xfe"}]}', 400),
        (b'{"messages":[{"role":"user","content":"hi"}],"model":"openclaw:nope"}', 400),
        (b'{"messages":"hi"}', 400),
        (b"[]", 400),
        (b"", 400),
        (b'{"model":"openclaw:nope","messages":[{"role":"user","content":"' + b"x" * 500_000 + b'"}]}', 400),
        (b" " * (21 * 1024 * 1024), 413),
    ]
    for body, expected in cases:
        response = await treq.post(f"{gateway.url}/v1/chat/completions", body, headers=AUTHORIZED)
        answer = await treq.json_content(response)
        assert response.code == expected, (body[:60], answer)
        assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert "Unhandled" not in child.output and "Traceback" not in child.output, child.output
    assert await gateway.stop() == 0
