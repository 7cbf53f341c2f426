"""C{--workers 2} with real processes: what is spread, what is the chief's, and what is left of one that is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
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
    TOKEN,
    Caller,
    Child,
    GatewayProcess,
    alive,
    block,
    configuration,
    finds_it_draining,
    start_upstream,
    websocket,
)
from tests.support.runs import events

pytestmark = pytest.mark.e2e

APPROVER = ("operator.read", "operator.write", "operator.approvals")
"""Scopes of a client that may answer what agents ask."""
LONG = "[[chunks=3000 delay=0.01]]"
"""A prompt that is answered for half a minute."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A scripted provider for the whole module."""
    child, url = block(start_upstream())
    yield url
    block(child.stop())


class Crew(GatewayProcess):
    """A gateway of two workers, and what is seen of it from outside. Every request has a connection of its own."""

    async def begin(self, *arguments: str) -> Child:
        """Start, and wait until both serve."""
        child = await self.start("--workers", "2", *arguments)
        await self.both()
        return child

    async def both(self) -> None:
        """Wait until both are there."""

        async def there() -> bool:
            return (await self.workers())["connected"] == 2

        await until(there, 60)

    async def workers(self) -> Any:
        """What the readiness probe tells of workers; nobody is there while there is no chief."""
        try:
            response = await treq.get(f"{self.url}/readyz", persistent=False, timeout=20)
            return (await treq.json_content(response)).get("workers", {"connected": 0})
        except Exception:
            return {"connected": 0, "relays": []}

    async def relay(self) -> Any:
        """The one relay: its pid and how many runs it has."""
        found = await self.workers()
        return found["relays"][0]

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """A request; the response."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await treq.request(
            method,
            f"{self.url}{path}",
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", **named},
            data=None if body is None else json.dumps(body).encode(),
            persistent=False,
            unbuffered=True,
        )

    async def chat(self, text: str, **body: Any) -> Any:
        """A chat completion, as JSON."""
        asked = {"messages": [{"role": "user", "content": text}], **body}
        response = await self.ask("POST", "/v1/chat/completions", asked)
        answer = await treq.json_content(response)
        assert response.code == 200, answer
        return answer

    async def stream(self, text: str) -> Stream:
        """A streamed chat completion under way."""
        asked = {"messages": [{"role": "user", "content": text}], "stream": True}
        return Stream(await self.ask("POST", "/v1/chat/completions", asked))

    async def stream_of_relay(self) -> Stream:
        """A streamed run that is the relay's; those that are not are hung up on."""
        for _ in range(40):
            stream = await self.stream(LONG)
            for _ in range(10):
                if (await self.relay())["runs"]:
                    return stream
                await deferLater(reactor, 0.02)
            stream.hang_up()
        raise AssertionError("the relay gets nothing to do")

    def pid(self, worker: int) -> int:
        """The newest process of a worker, as the log tells."""
        assert self.child is not None
        return int(re.findall(rf"worker {worker} serves, process (\d+)", self.log)[-1])

    @property
    def log(self) -> str:
        """All that was logged, as text."""
        assert self.child is not None
        found = []
        for line in self.child.output.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                found.append(line)
                continue
            text = event["log_format"]
            for name, value in event.get("log_flattened", {}).items():
                text = text.replace("{" + name.partition("!")[0] + "}", str(value))
            found.append(f"[{event.get('log_system', '')}] {text}")
        return "\n".join(found)


class Stream:
    """An answer under way.

    @ivar run_id: of its run.
    @ivar ended: fires when it has ended: with True if well.
    """

    def __init__(self, response: Any) -> None:
        assert response.code == 200
        self.run_id: str = response.headers.getRawHeaders("x-openclaw-run-id")[0]
        self.body = b""
        self._response = response
        self.ended = treq.collect(response, self._more)
        self.ended.addCallbacks(lambda _: b"data: [DONE]" in self.body and b'"error"' not in self.body, lambda _: False)

    def hang_up(self) -> None:
        """The client leaves."""
        self._response.original._transport._producer.abortConnection()

    def _more(self, data: bytes) -> None:
        self.body += data


@pytest.fixture
def crew(tmp_path: Path, upstream: str) -> Iterator[Crew]:
    """Two workers, killed at the end if they still run."""
    config = configuration(upstream)
    config["gateway"]["http"]["endpoints"]["responses"] = {"enabled": True}
    config["agents"]["defaults"] = {"maxConcurrent": 64}
    process = Crew(tmp_path, config)
    yield process
    if process.child is not None and process.child.code is None:
        block(process.stop("KILL"))


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait for something to become true."""
    for _ in range(int(seconds / 0.05)):
        found = condition()
        if await found if hasattr(found, "__await__") else found:
            return
        await deferLater(reactor, 0.05)
    raise AssertionError(f"not within {seconds} s: {condition}")


@pytest_twisted.ensureDeferred
async def test_spread(crew: Crew) -> None:
    """Requests without a session are answered by both workers; what is counted is counted together."""
    await crew.begin()
    # Together, so that one who is at work leaves some to the other.
    asked = [Deferred.fromCoroutine(crew.chat("hi [[chunks=3]]")) for _ in range(40)]
    assert all(ok for ok, _ in await DeferredList(asked))
    seen = Path(f"/proc/{(await crew.relay())['pid']}/stat").read_text()
    assert seen

    async def counted() -> bool:
        text = (await treq.content(await crew.ask("GET", "/metrics"))).decode()
        assert "openclaw_workers 2.0" in text
        return 'openclaw_runs_total{agent="main",code="",status="ok",surface="http"} 40.0' in text

    await until(counted)
    models = await treq.json_content(await crew.ask("GET", "/v1/models"))
    assert "openclaw" in [model["id"] for model in models["data"]]
    assert await crew.stop() == 0
    assert "Traceback" not in crew.log
    assert re.search(r"\[worker 0\|openclaw_tx", crew.log)


@pytest_twisted.ensureDeferred
async def test_sessions(crew: Crew) -> None:
    """A session is one wherever its requests arrive: it has its history, and one turn at a time."""
    await crew.begin()
    for number in range(8):
        await crew.chat(f"turn {number} [[reply=answer-{number}]]", user="ada")
    history = await treq.json_content(await crew.ask("GET", "/v1/runs/none"))
    assert history["error"]["code"] == "run_not_found"
    together = [
        Deferred.fromCoroutine(crew.chat(f"t{number} [[chunks=3 delay=0.05]]", user="ada")) for number in range(6)
    ]
    assert all(ok for ok, _ in await DeferredList(together))
    client = await websocket(crew)
    found = await client.call("chat.history", {"sessionKey": "agent:main:openai-user:ada", "limit": 100}, 20)
    roles = [message["role"] for message in found["messages"]]
    assert roles == ["user", "assistant"] * 14
    said = [message["content"][0]["text"] for message in found["messages"] if message["role"] == "assistant"]
    assert said == [f"answer-{number}" for number in range(8)] + ["c1 c2 c3"] * 6
    await client.close()
    stored = [
        (await treq.json_content(await crew.ask("POST", "/v1/responses", {"model": "openclaw", "input": "hi"})))["id"]
        for _ in range(4)
    ]
    for response_id in stored:
        body = {"model": "openclaw", "input": "more", "previous_response_id": response_id}
        assert (await crew.ask("POST", "/v1/responses", body)).code == 200
    assert await crew.stop() == 0


@pytest_twisted.ensureDeferred
async def test_watch_and_abort_from_a_socket(crew: Crew) -> None:
    """A WebSocket client is told what a relay's run says, and ends it."""
    await crew.begin()
    told: list[tuple[str, Any]] = []
    clients: list[GatewayClient] = [await websocket(crew, lambda name, payload: told.append((name, payload)))]
    clients += [await websocket(crew) for _ in range(5)]
    sent = await clients[-1].call(
        "chat.send", {"sessionKey": "main", "message": "hi [[reply=yes]]", "idempotencyKey": "k1"}, 20
    )
    assert sent["status"] == "started"
    stream = await crew.stream_of_relay()

    def says() -> bool:
        mine = [payload for name, payload in told if name == "agent" and payload["runId"] == stream.run_id]
        return sum(payload["stream"] == "assistant" for payload in mine) > 3

    await until(says)
    aborted = await clients[0].call("chat.abort", {"sessionKey": session_of(told, stream), "runId": stream.run_id}, 20)
    assert aborted["runIds"] == [stream.run_id]
    assert not await stream.ended

    def over() -> bool:
        mine = [payload for name, payload in told if name == "agent" and payload["runId"] == stream.run_id]
        return mine[-1]["stream"] == "lifecycle" and mine[-1]["data"]["phase"] in ("end", "error")

    await until(over)
    for client in clients:
        await client.close()
    assert await crew.stop() == 0
    assert "Traceback" not in crew.log


def session_of(told: list[tuple[str, Any]], stream: Stream) -> str:
    """The session key that a run's events name."""
    return next(payload["sessionKey"] for name, payload in told if payload.get("runId") == stream.run_id)


@pytest_twisted.ensureDeferred
async def test_runs(crew: Crew) -> None:
    """C{/v1/runs/<id>} shows, follows and cancels a relay's run wherever it is asked."""
    await crew.begin()
    stream = await crew.stream_of_relay()
    await until(lambda: stream.body.count(b"\n\n") > 20)
    for _ in range(4):
        shown = await treq.json_content(await crew.ask("GET", f"/v1/runs/{stream.run_id}"))
        assert shown["status"] == "running" and shown["text"].startswith("c1 c2")
    watching = await crew.ask("GET", f"/v1/runs/{stream.run_id}/events")
    assert watching.code == 200
    body: list[bytes] = []
    followed = treq.collect(watching, body.append)
    await until(lambda: len(events(b"".join(body))) > 20)
    cancelled = await crew.ask("DELETE", f"/v1/runs/{stream.run_id}")
    assert cancelled.code in (200, 202)
    await followed
    assert not await stream.ended
    seen = events(b"".join(body))
    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
    assert seen[-1]["type"] == "run.aborted"
    shown = await treq.json_content(await crew.ask("GET", f"/v1/runs/{stream.run_id}"))
    assert shown["status"] == "aborted"
    assert await crew.stop() == 0
    assert "Traceback" not in crew.log


@pytest_twisted.ensureDeferred
async def test_kill_a_relay(crew: Crew) -> None:
    """C{kill -9} of a relay: the chief serves on, its runs have an end, and it comes back."""
    await crew.begin()
    stream = await crew.stream_of_relay()
    await until(lambda: stream.body.count(b"\n\n") > 200)
    old = (await crew.relay())["pid"]
    os.kill(old, signal.SIGKILL)
    assert not await stream.ended
    for _ in range(5):
        await crew.chat("hi")
    shown = await treq.json_content(await crew.ask("GET", f"/v1/runs/{stream.run_id}"))
    assert shown["status"] == "interrupted", shown
    await crew.both()
    assert (await crew.relay())["pid"] != old
    assert "worker 1 has died (signal 9)" in crew.log
    assert await crew.stop() == 0


@pytest_twisted.ensureDeferred
async def test_kill_the_chief(crew: Crew) -> None:
    """C{kill -9} of the chief: a relay's answers go on, who comes meanwhile waits, and what was told is remembered."""
    await crew.begin()
    stream = await crew.stream_of_relay()
    await crew.chat("before [[reply=one]]", user="ada")
    response = await crew.ask("POST", "/v1/runs", {"message": LONG})
    run_id = (await treq.json_content(response))["id"]
    await deferLater(reactor, 1.2)
    old = crew.pid(0)
    os.kill(old, signal.SIGKILL)
    size = len(stream.body)
    waiting = [Deferred.fromCoroutine(crew.chat("meanwhile [[reply=two]]")) for _ in range(6)]
    results = await DeferredList(waiting)
    # The connections that the chief had accepted are lost with it, as with any process.
    assert any(ok for ok, _ in results)
    await crew.both()
    assert crew.pid(0) != old
    assert len(stream.body) > size
    assert (await crew.relay())["runs"] == 1
    shown = await treq.json_content(await crew.ask("GET", f"/v1/runs/{stream.run_id}"))
    assert shown["status"] == "running"

    async def closed() -> bool:
        found = await treq.json_content(await crew.ask("GET", f"/v1/runs/{run_id}"))
        return bool(found["status"] == "interrupted")

    await until(closed)
    await crew.ask("DELETE", f"/v1/runs/{stream.run_id}")
    assert not await stream.ended
    await crew.chat("after [[reply=three]]", user="ada")
    assert await crew.stop() == 0


@pytest_twisted.ensureDeferred
async def test_term_under_load(crew: Crew) -> None:
    """SIGTERM while both are at work: every answer that has begun comes whole, and all exit with 0."""
    await crew.begin()
    streams = [await crew.stream("[[chunks=100 delay=0.02]]") for _ in range(12)]
    streams.append(
        Stream(await crew.ask("POST", "/v1/chat/completions", spoken("[[chunks=100 delay=0.02]]", user="x")))
    )
    assert crew.child is not None
    pids = [crew.pid(0), crew.pid(1)]
    code = Deferred.fromCoroutine(crew.stop())
    assert [await stream.ended for stream in streams] == [True] * 13
    assert await code == 0
    assert not any(map(alive, pids))
    assert "Traceback" not in crew.log and "killed" not in crew.log
    assert not list((crew.directory / "state" / "workers").glob("*/*"))


def spoken(text: str, **more: Any) -> dict[str, Any]:
    """A chat request to be streamed."""
    return {"messages": [{"role": "user", "content": text}], "stream": True, **more}


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("session", [{}, {"user": "x"}])
async def test_term_is_told(crew: Crew, session: dict[str, str]) -> None:
    """While one of them has a run, wherever it is, who comes is told that all are ending; then the port is closed."""
    await crew.begin()
    kept = Caller(crew)
    assert (await kept.ask("GET", "/healthz"))[0] == 200
    stream = Stream(await crew.ask("POST", "/v1/chat/completions", spoken("[[chunks=150 delay=0.02]]", **session)))
    code = Deferred.fromCoroutine(crew.stop())
    await deferLater(reactor, 0.5)
    await finds_it_draining(crew, kept)
    assert await stream.ended
    assert await code == 0
    with pytest.raises(ConnectionRefusedError):
        await Caller(crew).ask("GET", "/healthz")


@pytest_twisted.ensureDeferred
async def test_idle_ones_end_at_once(crew: Crew) -> None:
    """The port of a gateway that has nothing to wait for is free again soon."""
    await crew.begin()
    code = Deferred.fromCoroutine(crew.stop())

    def is_free() -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", crew.port)) != 0

    await until(is_free, 2.0)
    assert await code == 0


@pytest_twisted.ensureDeferred
async def test_parent_is_gone(crew: Crew) -> None:
    """Nobody is left behind by a parent that was killed."""
    await crew.begin()
    pids = [crew.pid(0), crew.pid(1)]
    await crew.stop("KILL")
    await until(lambda: not any(map(alive, pids)), 20)


@pytest_twisted.ensureDeferred
async def test_tls(tmp_path: Path, upstream: str) -> None:
    """TLS ends in whichever worker has the connection, also when the chief serves it."""
    import ssl
    import urllib.request

    crew = Crew(tmp_path, configuration(upstream, tls={"enabled": True}))
    child = await crew.start("--workers", "2")
    await child.printed("worker 1 has joined")
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE

    def ask(user: str | None) -> Any:
        body = json.dumps({"messages": [{"role": "user", "content": "hi [[chunks=3]]"}], "user": user}).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        url = f"https://127.0.0.1:{crew.port}/v1/chat/completions"
        asked = urllib.request.Request(url, body, headers)
        with urllib.request.urlopen(asked, context=trusting, timeout=20) as answer:
            return json.load(answer)["choices"][0]["message"]["content"]

    try:
        for number in range(6):
            assert await deferToThread(ask, None) == "c1 c2 c3"
            assert await deferToThread(ask, f"u{number}") == "c1 c2 c3"
    finally:
        assert await crew.stop() == 0


@pytest_twisted.ensureDeferred
async def test_guesses_are_counted_together(tmp_path: Path, upstream: str) -> None:
    """Wrong secrets lock an address out after as many tries as with one process, for right secrets too."""
    config = configuration(upstream)
    limit = {"maxAttempts": 5, "windowMs": 60_000, "lockoutMs": 60_000, "exemptLoopback": False}
    config["gateway"]["auth"]["rateLimit"] = limit
    crew = Crew(tmp_path, config)
    await crew.begin()
    try:
        wrong = {"Authorization": "Bearer wrong-wrong-wrong"}
        codes = [(await crew.ask("POST", "/v1/chat/completions", {}, **wrong)).code for _ in range(12)]
        assert codes == [401] * 5 + [429] * 7
        right = [(await crew.ask("GET", "/v1/models")).code for _ in range(8)]
        assert right == [429] * 8
    finally:
        assert await crew.stop() == 0


@pytest_twisted.ensureDeferred
async def test_limits_of_keys(tmp_path: Path, upstream: str) -> None:
    """A key's requests in a minute are its requests to all workers together."""
    import hashlib

    key = "octx_a-key-for-the-end-to-end-tests"
    config = configuration(upstream)
    digest = hashlib.sha256(key.encode()).hexdigest()
    config["gateway"]["auth"]["keys"] = [{"label": "limited", "hash": f"sha256:{digest}", "rpm": 7}]
    crew = Crew(tmp_path, config)
    await crew.begin()
    try:
        body = {"messages": [{"role": "user", "content": "hi"}]}
        named = {"Authorization": f"Bearer {key}"}
        codes = [(await crew.ask("POST", "/v1/chat/completions", body, **named)).code for _ in range(12)]
        assert codes == [200] * 7 + [429] * 5
    finally:
        assert await crew.stop() == 0


@pytest_twisted.ensureDeferred
async def test_reload(crew: Crew) -> None:
    """A secret that was rotated is refused by every worker, and the new one taken by all; a relay's stream ends."""
    await crew.begin()
    config = json.loads(crew.config_path.read_text())
    config["gateway"]["auth"]["token"] = "another-token-for-the-tests"
    stream = await crew.stream_of_relay()
    crew.write(config)

    async def refused() -> bool:
        return all([(await crew.ask("GET", "/v1/models")).code == 401 for _ in range(4)])

    await until(refused, 20)
    new = {"Authorization": "Bearer another-token-for-the-tests"}
    assert [(await crew.ask("GET", "/v1/models", None, **new)).code for _ in range(6)] == [200] * 6
    assert not await stream.ended and b"no longer valid" in stream.body
    assert await crew.stop() == 0


@pytest_twisted.ensureDeferred
async def test_approval(tmp_path: Path, upstream: str) -> None:
    """A tool of a relay's run asks a person, who is asked by the chief; the answer reaches the run."""
    config = configuration(upstream)
    config["tools"] = {"exec": {"security": "allowlist", "ask": "always"}}
    crew = Crew(tmp_path, config)
    await crew.begin()
    asked: list[Any] = []
    client = await websocket(crew, lambda name, payload: asked.append((name, payload)), scopes=APPROVER)
    arguments = json.dumps({"command": "echo approved-$((40+2))"}, separators=(",", ":")).replace(" ", "\\u0020")
    try:
        for _ in range(20):
            answer = Deferred.fromCoroutine(crew.chat(f"[[tool=exec args={arguments}]]"))
            await until(lambda: questions(asked), 20)
            relayed = (await crew.relay())["runs"]
            question = questions(asked)[0]
            asked.clear()
            await client.call("exec.approval.resolve", {"id": question["id"], "decision": "allow-once"}, 20)
            text = (await answer)["choices"][0]["message"]["content"]
            assert "approved-42" in text, text
            if relayed:
                break
        else:
            raise AssertionError("the relay was never asked")
    finally:
        await client.close()
        assert await crew.stop() == 0


def questions(told: list[tuple[str, Any]]) -> list[Any]:
    """What agents have asked."""
    return [payload for name, payload in told if name == "exec.approval.requested"]


@pytest_twisted.ensureDeferred
async def test_refusals(tmp_path: Path, upstream: str) -> None:
    """What can not work is one line, and no process is left."""
    crew = Crew(tmp_path, configuration(upstream))
    for arguments, words in (
        (("--workers", "0"), "--workers takes a number"),
        (("--workers", "2", "--endpoint", "ssl:1:privateKey=x"), "can be shared by workers"),
    ):
        child = crew.spawn(*arguments)
        await child.ended
        assert child.code != 0 and words in child.output, child.output
