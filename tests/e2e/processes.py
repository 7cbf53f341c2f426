"""Real processes on loopback for the end-to-end tests: the gateway under twistd, and a scripted upstream."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest_twisted

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from openclaw_tx.cli.client import SCOPES, GatewayClient, nobody
from openclaw_tx.cli.client import connect as connect_client
from openclaw_tx.cli.target import Target

REPOSITORY = Path(__file__).parent.parent.parent
TOKEN = "a-token-for-the-end-to-end-tests"


def free_port() -> int:
    """A TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Child(ProcessProtocol):
    """A child process and everything it printed.

    @ivar ended: fires with the exit code, or minus the signal's number.
    """

    def __init__(self) -> None:
        self.output = ""
        self.ended: Deferred[int] = Deferred()
        self.code: int | None = None
        self._waiting: list[tuple[str, Deferred[str]]] = []

    def outReceived(self, data: bytes) -> None:
        """Collect, and wake whoever waits for this text."""
        self.output += data.decode("utf-8", "replace")
        for item in list(self._waiting):
            if item[0] in self.output:
                self._waiting.remove(item)
                item[1].callback(self.output)

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        """Tell the exit code; waiting for text is over."""
        value: Any = reason.value
        self.code = -value.signal if value.signal else value.exitCode
        for text, waiting in self._waiting:
            waiting.errback(RuntimeError(f"ended with {self.code} before printing {text!r}:\n{self.output}"))
        self._waiting.clear()
        self.ended.callback(self.code)

    def printed(self, text: str) -> Deferred[str]:
        """Fires with all output once it contains C{text}; fails when the process ends before."""
        waiting: Deferred[str] = Deferred()
        if text in self.output:
            waiting.callback(self.output)
        elif self.code is not None:
            waiting.errback(RuntimeError(f"ended with {self.code} before printing {text!r}:\n{self.output}"))
        else:
            self._waiting.append((text, waiting))
        return waiting

    async def stop(self, name: str = "TERM") -> int:
        """Send a signal and wait for the end."""
        if self.code is None:
            try:
                self.transport.signalProcess(name)  # type: ignore[union-attr]
            except ProcessExitedAlready:
                pass
            ended: Deferred[int] = Deferred()
            self.ended.addBoth(lambda code: (ended.callback(code), code)[1])
            await ended
        assert self.code is not None
        return self.code


def spawn(arguments: list[str], environment: dict[str, str] | None = None, program: str = sys.executable) -> Child:
    """Start C{PROGRAM ARGUMENTS} in the repository; the program is this Python unless named."""
    from twisted.internet import reactor

    child = Child()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OPENCLAW_", "CLAWDBOT_"))}
    reactor.spawnProcess(  # type: ignore[attr-defined]
        child,
        program,
        [program, *arguments],
        env={**inherited, "PYTHONUNBUFFERED": "1", **(environment or {})},
        path=str(REPOSITORY),
    )
    return child


async def start_upstream(*arguments: str) -> tuple[Child, str]:
    """A scripted OpenAI-compatible server; its base URL ends in /v1."""
    child = spawn(["-m", "tests.support.upstream", "--port", "0", *arguments])
    output = await child.printed("\n")
    url: str = json.loads(output)["url"]
    return child, url


def configuration(upstream: str, **gateway: Any) -> dict[str, Any]:
    """A configuration with the endpoint on, two agents, and the scripted upstream as the only provider."""
    return {
        "gateway": {
            "auth": {"mode": "token", "token": TOKEN},
            "http": {"endpoints": {"chatCompletions": {"enabled": True}}},
            **gateway,
        },
        "agents": {"list": [{"id": "main"}, {"id": "beta"}]},
        "models": {
            "mode": "replace",
            "providers": {"stub": {"baseUrl": upstream, "apiKey": "k", "models": [{"id": "m"}]}},
        },
    }


class GatewayProcess:
    """A gateway under twistd, with its own state directory."""

    def __init__(self, directory: Path, config: dict[str, Any]) -> None:
        self.directory = directory
        self.port = free_port()
        self.config_path = directory / "openclaw.json"
        self.write(config)
        self.child: Child | None = None

    @property
    def url(self) -> str:
        """Root URL, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def write(self, config: dict[str, Any]) -> None:
        """(Re)write the configuration file."""
        self.config_path.write_text(json.dumps(config), "utf-8")

    async def start(self, *arguments: str, environment: dict[str, str] | None = None) -> Child:
        """Start and wait until it listens."""
        self.child = self.spawn(*arguments, environment=environment)
        await self.child.printed("listening on")
        return self.child

    def spawn(self, *arguments: str, environment: dict[str, str] | None = None) -> Child:
        """Start without waiting."""
        return spawn(
            [
                "-m",
                "twisted",
                "openclaw",
                "--config",
                str(self.config_path),
                "--state-dir",
                str(self.directory / "state"),
                "--port",
                str(self.port),
                *arguments,
            ],
            # The workspaces of its agents are below.
            {"HOME": str(self.directory), **(environment or {})},
        )

    async def stop(self, name: str = "TERM") -> int:
        """Stop it and tell how it ended."""
        assert self.child is not None
        return await self.child.stop(name)


async def websocket(gateway: GatewayProcess, on_event: Any = nobody, scopes: Sequence[str] = SCOPES) -> GatewayClient:
    """A WebSocket client that is let in.

    @param on_event: is called with the name and the payload of each event.
    @param scopes: what it asks for.
    """
    from twisted.internet import reactor

    target = Target(
        url=f"ws://127.0.0.1:{gateway.port}/",
        host="127.0.0.1",
        port=gateway.port,
        secure=False,
        token=TOKEN,
        password=None,
    )
    endpoint = HostnameEndpoint(reactor, "127.0.0.1", gateway.port)
    return await connect_client(target, endpoint, reactor, on_event, scopes=scopes)  # type: ignore[arg-type]


class Caller:
    """A client that keeps its connection, for as long as it may."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._connection = HTTPConnection("127.0.0.1", gateway.port, timeout=20)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers by lower-case name, and the JSON body of an answer."""
        found: tuple[int, dict[str, str], Any] = await deferToThread(self._ask, method, path, body, headers)
        return found

    def _ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        known = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", **named}
        self._connection.request(method, path, None if body is None else json.dumps(body), known)
        answer = self._connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, json.loads(answer.read())

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


async def finds_it_draining(gateway: GatewayProcess, kept: Caller) -> None:
    """Whoever comes while runs end is told so, on a connection of before as well as on a new one.

    @param kept: is connected since before.
    """
    hello = {"messages": [{"role": "user", "content": "hi"}]}
    for caller in (kept, None):
        for method, path, body, expected in (
            ("POST", "/v1/chat/completions", hello, 503),
            ("GET", "/readyz", None, 503),
            ("GET", "/healthz", None, 200),
            ("GET", "/v1/models", None, 200),
        ):
            one = caller or Caller(gateway)
            status, headers, answer = await one.ask(method, path, body)
            assert (status, headers["connection"]) == (expected, "close"), path
            if body is not None:
                assert (answer["error"]["code"], headers["retry-after"]) == ("gateway_draining", "5")
            one.close()
    status, _, answer = await Caller(gateway).ask("GET", "/", **UPGRADE)
    assert (status, answer["error"]["code"]) == (503, "gateway_draining")


def alive(pid: int) -> bool:
    """Whether a process runs, and is no zombie."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def block(coroutine: Any) -> Any:
    """Run a coroutine from a fixture that is not one."""
    return pytest_twisted.blockon(Deferred.fromCoroutine(coroutine))


KILLED = -signal.SIGKILL
