"""Runs over HTTP with real processes: killed in mid-stream, retried by a real SDK, resumed."""

from __future__ import annotations

import json
import re
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_twisted

import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.e2e.processes import KILLED, TOKEN, GatewayProcess, configuration, start_upstream
from tests.e2e.watching import Watcher
from tests.support.runs import texts

pytestmark = pytest.mark.e2e

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
STREAMS = 20


def block(coroutine: Any) -> Any:
    """Run a coroutine from a fixture that is not one."""
    return pytest_twisted.blockon(Deferred.fromCoroutine(coroutine))


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A scripted provider for the whole module."""
    child, url = block(start_upstream())
    yield url
    block(child.stop())


@pytest.fixture
def gateway(tmp_path: Path, upstream: str) -> Iterator[GatewayProcess]:
    """A gateway process that runs many at once, killed at the end if it still runs."""
    config = configuration(upstream)
    config["agents"]["defaults"] = {"maxConcurrent": 64}
    process = GatewayProcess(tmp_path, config)
    yield process
    if process.child is not None and process.child.code is None:
        block(process.stop("KILL"))


async def post(gateway: GatewayProcess, path: str, body: Any, **headers: str) -> Any:
    """POST JSON; the response."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await treq.post(f"{gateway.url}{path}", json.dumps(body).encode(), headers={**AUTHORIZED, **named})


async def get(gateway: GatewayProcess, path: str) -> Any:
    """GET JSON."""
    return await treq.json_content(await treq.get(f"{gateway.url}{path}", headers=AUTHORIZED))


@pytest_twisted.ensureDeferred
async def test_kill_in_the_middle_of_many_streams(gateway: GatewayProcess) -> None:
    """SIGKILL while 20 clients watch 20 runs: each resumes where it was, and has every event once, and the end."""
    await gateway.start()
    watchers: list[Watcher] = []
    for number in range(STREAMS):
        body = {
            "message": f"run {number} [[chunks=2000 delay=0.01]]",
            "user": f"user-{number % 3}" if number < 3 else None,
        }
        response = await post(gateway, "/v1/runs", body)
        assert response.code == 202
        watchers.append(Watcher(gateway, (await treq.json_content(response))["id"]))
    watching = [Deferred.fromCoroutine(watcher.watch()) for watcher in watchers]
    for _ in range(400):
        if all(watcher.seen > 40 for watcher in watchers):
            break
        await deferLater(reactor, 0.05)
    assert await gateway.stop("KILL") == KILLED
    ended = await DeferredList(watching)
    assert [result for _, result in ended] == [False] * STREAMS
    before = [len(watcher.found) for watcher in watchers]
    assert all(count > 40 for count in before), before
    child = await gateway.start()
    ended = await DeferredList([Deferred.fromCoroutine(watcher.watch()) for watcher in watchers])
    assert [result for _, result in ended] == [True] * STREAMS, ended
    for watcher, had in zip(watchers, before, strict=True):
        numbers = [event["seq"] for event in watcher.found]
        assert numbers == list(range(1, len(numbers) + 1)), watcher.run_id
        kinds = [event["type"] for event in watcher.found]
        assert kinds.count("run.interrupted") == 1 and kinds[-1] == "run.interrupted"
        words = texts(watcher.found).split()
        assert words == [f"c{number}" for number in range(1, len(words) + 1)]
        run = await get(gateway, f"/v1/runs/{watcher.run_id}")
        assert (run["status"], run["text"].split()) == ("interrupted", words)
        assert run["model"] == "stub/m"
        fresh = Watcher(gateway, watcher.run_id)
        assert await fresh.watch()
        assert fresh.found == watcher.found and len(fresh.found) > had
    assert "Traceback" not in child.output
    assert await gateway.stop() == 0


@pytest_twisted.ensureDeferred
async def test_t30_client_timeout_and_retries(gateway: GatewayProcess, upstream: str) -> None:
    """An SDK that gives up after a second and tries again with the same key: one run, the same answer each time."""
    await gateway.start()
    name = f"slow-{uuid.uuid4()}"
    key = {"Idempotency-Key": name}
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=TOKEN, max_retries=2, timeout=1.0)

    def ask() -> str:
        answer = client.chat.completions.create(
            model="openclaw",
            messages=[{"role": "user", "content": f"{name} [[chunks=4 delay=0.5]]"}],
            extra_headers=key,
        )
        return answer.model_dump_json()

    answers = [await deferToThread(ask) for _ in range(3)]
    assert len(set(answers)) == 1 and "c1 c2 c3 c4" in answers[0]
    assert await calls_of(upstream, name) == 1


@pytest_twisted.ensureDeferred
async def test_key_outlives_the_process(gateway: GatewayProcess, upstream: str) -> None:
    """A keyed answer is replayed after a restart, byte by byte; one that a kill cut off is an error for good."""
    await gateway.start()
    name = f"kept-{uuid.uuid4()}"
    body = {"messages": [{"role": "user", "content": f"{name} [[chunks=3]]"}], "stream": True}
    first = await treq.content(await post(gateway, "/v1/chat/completions", body, idempotency_key=name))
    cut = {"messages": [{"role": "user", "content": f"cut-{name} [[chunks=400 delay=0.02]]"}]}
    pending = Deferred.fromCoroutine(post(gateway, "/v1/chat/completions", cut, idempotency_key=f"cut-{name}"))
    pending.addErrback(lambda _: None)
    await deferLater(reactor, 1.0)
    assert await gateway.stop("KILL") == KILLED
    await gateway.start()
    again = await post(gateway, "/v1/chat/completions", body, idempotency_key=name)
    assert (await treq.content(again), again.headers.getRawHeaders("idempotency-replayed")) == (first, ["true"])
    lost = await post(gateway, "/v1/chat/completions", cut, idempotency_key=f"cut-{name}")
    assert (lost.code, lost.headers.getRawHeaders("x-should-retry")) == (500, ["false"])
    assert (await treq.json_content(lost))["error"]["code"] == "run_interrupted"
    assert (await calls_of(upstream, name), await calls_of(upstream, f"cut-{name}")) == (1, 1)


async def calls_of(upstream: str, name: str) -> int:
    """How often the provider was asked something that begins so."""
    told = await treq.json_content(await treq.get(upstream.replace("/v1", "/requests")))
    return sum(request["body"]["messages"][-1]["content"].startswith(f"{name} ") for request in told)


@pytest_twisted.ensureDeferred
async def test_detached(gateway: GatewayProcess) -> None:
    """A client that hangs up with C{continue} finds its whole answer later."""
    await gateway.start()
    body = json.dumps({"messages": [{"role": "user", "content": "[[chunks=10 delay=0.1]]"}], "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    head += f"x-openclaw-on-disconnect: continue\r\nContent-Length: {len(body)}\r\n\r\n"

    def hang_up() -> str:
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
            connection.sendall(head.encode() + body)
            answer = connection.recv(4096).decode()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        found = re.search(r"X-Openclaw-Run-Id: (\S+)", answer, re.IGNORECASE)
        assert found is not None, answer
        return found[1]

    run_id = await deferToThread(hang_up)
    watcher = Watcher(gateway, run_id)
    assert await watcher.watch()
    assert texts(watcher.found).split() == [f"c{number}" for number in range(1, 11)]
    assert (await get(gateway, f"/v1/runs/{run_id}"))["status"] == "ok"
