"""Commands of agents as real processes: what is left of them when they are aborted, followed, asked about."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import treq
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from openclaw_tx.gateway import Gateway
from openclaw_tx.testing import ScriptedModel
from openclaw_tx.tools.commands import Command, Order, Spawner
from openclaw_tx.tools.shell import Unprovable, parse, render
from tests.e2e.processes import REPOSITORY, TOKEN, alive, block

pytestmark = pytest.mark.e2e


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait for something to become true."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await deferLater(reactor, 0.02)
    raise AssertionError(f"not within {seconds} s: {condition}")


class House:
    """A gateway on a real port, with a scripted model."""

    def __init__(self, directory: Path, **exec_config: Any) -> None:
        self.model = ScriptedModel()
        self.workspace = directory / "workspace"
        self.gateway = Gateway(
            reactor,
            {
                "gateway": {
                    "auth": {"token": TOKEN},
                    "http": {"endpoints": {"chatCompletions": {"enabled": True}}},
                    "shutdownGraceSeconds": 1,
                },
                "agents": {
                    "defaults": {"model": self.model.ref, "workspace": str(self.workspace), "skipBootstrap": True},
                    "list": [{"id": "main"}],
                },
                "models": {"mode": "replace"},
                "tools": {"exec": exec_config},
            },
            state_dir=directory / "state",
            models={self.model.provider: self.model},
            environment={"PATH": os.environ["PATH"], "HOME": str(directory), "MY_TOKEN": "secret"},
        )
        self.gateway.startService()
        self.port = reactor.listenTCP(0, self.gateway.site(), interface="127.0.0.1")  # type: ignore[attr-defined]
        self.stopped = False

    @property
    def url(self) -> str:
        """Its root."""
        return f"http://127.0.0.1:{self.port.getHost().port}"

    async def stop(self) -> None:
        """Stop it."""
        if not self.stopped:
            self.stopped = True
            await self.port.stopListening()
            await self.gateway.stopService()

    def pid_of(self, name: str) -> int:
        """A number that a command wrote into its workspace; 0 = not yet."""
        try:
            return int((self.workspace / name).read_text() or 0)
        except (OSError, ValueError):
            return 0

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """A request; the decoded answer."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return await treq.json_content(await treq.request(method, f"{self.url}{path}", headers=headers, data=data))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where a gateway lives."""
    return Path(os.path.realpath(tmp_path))


@pytest.fixture
def house(directory: Path) -> Iterator[House]:
    """One in which everything is allowed."""
    found = House(directory, security="full", ask="off")
    yield found
    block(found.stop())


@pytest.fixture
def careful(directory: Path) -> Iterator[House]:
    """One as it comes."""
    found = House(directory)
    yield found
    block(found.stop())


FAMILY = """\
echo $$ > leader
(trap '' TERM HUP INT; echo $BASHPID > deaf; while true; do sleep 0.05; done) &
bash -c 'echo $$ > child; sleep 300; true' &
sleep 300
"""
"""A command with children and grandchildren, one of which does not listen to TERM."""


@pytest_twisted.ensureDeferred
async def test_abort_takes_the_family(house: House) -> None:
    """DELETE of a run inside a tool: within a second and a half nobody of the group is left."""
    house.model.call_tool("exec", {"command": FAMILY})
    run = await house.ask("POST", "/v1/runs", {"message": "go"})
    await until(lambda: all(house.pid_of(name) for name in ("leader", "deaf", "child")))
    family = [house.pid_of(name) for name in ("leader", "deaf", "child")]
    assert all(alive(pid) for pid in family)
    begun = reactor.seconds()  # type: ignore[attr-defined]
    await house.ask("DELETE", f"/v1/runs/{run['id']}")
    await until(lambda: not any(alive(pid) for pid in family))
    assert reactor.seconds() - begun < 1.5  # type: ignore[attr-defined]
    assert (await house.ask("GET", f"/v1/runs/{run['id']}"))["status"] == "aborted"


@pytest_twisted.ensureDeferred
async def test_abort_at_once(house: House) -> None:
    """A run that is aborted before its command has come to itself leaves nothing either."""
    commands = house.gateway._house.commands
    for delay in (0.0, 0.002, 0.005, 0.01, 0.02):
        house.model.call_tool("exec", {"command": "echo $$ > early; sleep 300"})
        running = house.gateway.run_agent("go")
        await until(lambda: commands._dying)
        (command,) = commands._dying
        await deferLater(reactor, delay)
        running.cancel()
        running.addErrback(lambda _: None)
        await until(lambda: not commands._dying)
        assert not alive(command.pid)


@pytest_twisted.ensureDeferred
async def test_timeout_and_what_is_left(house: House) -> None:
    """A command whose time is over, and one that leaves a server behind: nobody of the group is left."""
    house.model.call_tool("exec", {"command": FAMILY, "timeout": 1})
    house.model.call_tool("exec", {"command": "sleep 300 & echo $! > left; echo started"})
    house.model.call_tool("exec", {"command": "nohup sleep 300 >/dev/null 2>&1 & echo $! > quiet"})
    house.model.say("done")
    result = await house.gateway.run_agent("go", session_key="main")
    assert result.status == "ok"
    texts = [message.text for message in house.model.requests[-1].messages[-5:] if hasattr(message, "tool_call_id")]
    assert "timed out" in texts[0]
    assert texts[1].startswith("started") and "use background" in texts[1]
    pids = [house.pid_of(name) for name in ("leader", "deaf", "child", "left", "quiet")]
    assert all(pids)
    await until(lambda: not any(alive(pid) for pid in pids))


@pytest_twisted.ensureDeferred
async def test_background_and_stop(house: House) -> None:
    """A background command is polled, typed to, ends with news; another one ends with the gateway."""
    model = house.model
    model.call_tool(
        "exec", {"command": "echo ready; read line; echo got $line; env | grep -c TOKEN", "background": True}
    )
    first = house.gateway.run_agent("go", session_key="main")
    await until(lambda: len(model.calls) == 2)
    session = model.requests[-1].messages[-1].details["sessionId"]
    for arguments in (
        {"action": "poll", "sessionId": session, "timeout": 3000},
        {"action": "write", "sessionId": session, "data": "hello\n"},
        {"action": "poll", "sessionId": session, "timeout": 3000},
    ):
        call = model.calls[-1]
        call.call_tool("process", arguments)
        count = len(model.calls)
        call.finish()
        await until(lambda count=count: len(model.calls) > count)
    read = [message.text for message in model.requests[-1].messages if getattr(message, "tool_name", "") == "process"]
    assert read[0].startswith("ready"), read
    assert "got hello\n0" in read[2], read
    assert house.gateway._house.events.peek("agent:main:main")[0].startswith("Exec completed")
    model.calls[-1].call_tool("exec", {"command": "echo $$ > server; sleep 300", "background": True})
    model.calls[-1].finish()
    await until(lambda: house.pid_of("server"))
    model.calls[-1].text("done")
    model.calls[-1].finish()
    assert (await first).status == "ok"
    pid = house.pid_of("server")
    assert alive(pid)
    await house.stop()
    assert not alive(pid)


@pytest_twisted.ensureDeferred
async def test_terminal(house: House) -> None:
    """On a terminal: there is one, control sequences are dropped, and its whole session ends with the run."""
    house.model.call_tool(
        "exec", {"command": "test -t 0 && test -t 1 && printf '\\033[1mbold\\033[0m\\n'; stty size", "pty": True}
    )
    house.model.call_tool("exec", {"command": "echo $$ > leader; sleep 300 & echo $! > child; wait", "pty": True})
    run = await house.ask("POST", "/v1/runs", {"message": "go"})
    await until(lambda: house.pid_of("leader") and house.pid_of("child"))
    assert house.model.requests[-1].messages[-1].text.startswith("bold\n")
    pids = [house.pid_of("leader"), house.pid_of("child")]
    await house.ask("DELETE", f"/v1/runs/{run['id']}")
    await until(lambda: not any(alive(pid) for pid in pids), 1.5)


@pytest_twisted.ensureDeferred
async def test_flood(house: House) -> None:
    """A command that never stops printing neither fills the memory nor keeps the reactor from its work."""
    house.model.call_tool("exec", {"command": "yes | head -c 30000000; yes", "timeout": 2})
    house.model.say("done")
    late = 0.0
    running = house.gateway.run_agent("go", session_key="main")
    while not running.called:
        before = reactor.seconds()  # type: ignore[attr-defined]
        await deferLater(reactor, 0.01)
        late = max(late, reactor.seconds() - before - 0.01)  # type: ignore[attr-defined]
    assert (await running).status == "ok"
    assert late < 0.25, late
    text = house.model.requests[-1].messages[-1].text
    assert "timed out" in text and len(text) < 200_000


class Socket(WebSocketClientProtocol):
    """A client of the WebSocket protocol on a real connection."""

    def __init__(self, on_frame: Callable[[Socket, dict[str, Any]], None]) -> None:
        super().__init__()
        self.on_frame = on_frame
        self.answers: dict[str, Deferred[Any]] = {}

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A frame."""
        frame = json.loads(payload)
        if frame["type"] == "res" and frame["id"] in self.answers:
            self.answers.pop(frame["id"]).callback(frame)
        self.on_frame(self, frame)

    def ask(self, method: str, params: dict[str, Any]) -> Deferred[Any]:
        """Call a method."""
        number = f"{method}-{len(self.answers)}-{id(params)}"
        answer = self.answers[number] = Deferred()
        self.sendMessage(json.dumps({"type": "req", "id": number, "method": method, "params": params}).encode())
        return answer


def connect(house: House, on_event: Callable[[Socket, dict[str, Any]], None]) -> Deferred[Socket]:
    """A client with the scope for approvals."""
    ready: Deferred[Socket] = Deferred()

    def take(socket: Socket, frame: dict[str, Any]) -> None:
        if frame.get("event") == "connect.challenge":
            params = {
                "minProtocol": 4,
                "maxProtocol": 4,
                "client": {"id": "e2e", "version": "1", "platform": "linux", "mode": "cli"},
                "role": "operator",
                "scopes": ["operator.approvals"],
                "auth": {"token": TOKEN},
            }
            socket.ask("connect", params).addCallback(lambda _: ready.callback(socket))
        elif frame["type"] == "event":
            on_event(socket, frame)

    factory = WebSocketClientFactory(house.url.replace("http", "ws"), reactor=reactor)
    factory.protocol = lambda: Socket(take)  # type: ignore[assignment]
    reactor.connectTCP("127.0.0.1", house.port.getHost().port, factory)  # type: ignore[attr-defined]
    return ready


@pytest_twisted.ensureDeferred
async def test_approval_over_websocket(careful: House) -> None:
    """A chat request over HTTP waits while somebody on a WebSocket decides; the second time nobody has to."""
    asked: list[str] = []

    def decide(socket: Socket, frame: dict[str, Any]) -> None:
        if frame["event"] == "exec.approval.requested":
            asked.append(frame["payload"]["request"]["command"])
            params = {"id": frame["payload"]["id"], "decision": "allow-always"}
            socket.ask("exec.approval.resolve", params)

    client = await connect(careful, decide)
    for _ in range(2):
        careful.model.call_tool("exec", {"command": "id -u"})
        careful.model.say("done")
        answer = await careful.ask(
            "POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "who are you"}]}
        )
        assert answer["choices"][0]["message"]["content"] == "done"
        assert careful.model.requests[-1].messages[-1].text == str(os.getuid())
    assert asked == ["id -u"]
    client.sendClose()
    await until(lambda: len(careful.gateway._house.websockets) == 0)


@pytest_twisted.ensureDeferred
async def test_approval_by_command_line(careful: House, directory: Path) -> None:
    """The command line shows what waits, answers it, and edits the allowlist."""

    def openclaw_tx(*words: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "openclaw_tx.cli", "approvals", *words, "--url", careful.url, "--token", TOKEN],
            capture_output=True,
            text=True,
            check=True,
            cwd=REPOSITORY,
            env={**os.environ, "HOME": str(directory), "OPENCLAW_STATE_DIR": str(directory / "client")},
            timeout=30,
        ).stdout

    careful.model.call_tool("exec", {"command": "hostname > name"})
    careful.model.say("done")
    running = careful.gateway.run_agent("go")
    await until(careful.gateway._house.approvals.pending)
    (row,) = json.loads(await deferToThread(openclaw_tx, "pending", "--json"))["pending"]
    assert row["request"]["command"] == "hostname > name"
    assert "hostname > name" in await deferToThread(openclaw_tx, "pending")
    assert "allow-once" in await deferToThread(openclaw_tx, "resolve", row["id"], "allow-once")
    assert (await running).status == "ok"
    assert (careful.workspace / "name").read_text().strip()
    assert "does not exist" in await deferToThread(openclaw_tx, "get")
    assert "Added" in await deferToThread(openclaw_tx, "allowlist", "add", "/usr/bin/id", "--agent", "main")
    assert "/usr/bin/id" in await deferToThread(openclaw_tx, "allowlist", "list")
    careful.model.call_tool("exec", {"command": "id -u"})
    careful.model.say("done")
    assert (await careful.gateway.run_agent("go")).status == "ok"
    assert careful.model.requests[-1].messages[-1].text == str(os.getuid())
    assert "Removed" in await deferToThread(openclaw_tx, "allowlist", "remove", "/usr/bin/id", "--agent", "main")


@pytest_twisted.ensureDeferred
async def test_injections_do_nothing(directory: Path) -> None:
    """With C{echo} on the list and nobody to ask, no trick of the shell writes a file."""
    house = House(directory, ask="off")
    (directory / "state").mkdir(exist_ok=True)
    file = {
        "version": 1,
        "defaults": {"security": "allowlist", "ask": "off"},
        "agents": {"*": {"allowlist": [{"pattern": "/usr/bin/echo"}, {"pattern": "/usr/bin/ls"}]}},
    }
    (directory / "state" / "exec-approvals.json").write_text(json.dumps(file))
    tricks = [
        "echo x > pwned",
        "echo $(touch pwned)",
        "echo `touch pwned`",
        "echo x; touch pwned",
        "echo x\ntouch pwned",
        "echo x | tee pwned",
        "echo x && touch pwned",
        "echo x || touch pwned",
        "echo x & touch pwned",
        "A=b touch pwned",
        'echo "$(touch pwned)"',
        "echo ${x:-$(touch pwned)}",
        "eval touch pwned",
        "echo <(touch pwned)",
        "echo x >| pwned",
        "command touch pwned",
        "(touch pwned)",
        "{ touch pwned; }",
        "echo x \\\n> pwned",
        "\\touch pwned",
        "to''uch pwned",
        "/bin/../bin/touch pwned",
        "if true; then touch pwned; fi",
        "echo x |& tee pwned",
        "echo x;\ttouch pwned",
        "source /dev/stdin",
        ". ./x",
        "exec touch pwned",
        "echo() { touch pwned; }; echo",
        "alias echo='touch pwned'\necho",
        "trap 'touch pwned' EXIT",
        "! touch pwned",
        "time touch pwned",
        "coproc touch pwned",
        "echo x\r\ntouch pwned",
    ]
    for trick in tricks:
        house.model.call_tool("exec", {"command": trick})
    house.model.call_tool("exec", {"command": "echo 'x > pwned' '$(touch pwned)' \"a;b\" *", "env": {"LANG": "C"}})
    house.model.say("done")
    result = await house.gateway.run_agent("go", session_key="main")
    assert result.status == "ok"
    results = [message for message in house.model.requests[-1].messages if getattr(message, "tool_name", "") == "exec"]
    assert [message.is_error for message in results] == [True] * len(tricks) + [False]
    assert results[-1].text == "x > pwned $(touch pwned) a;b *"
    assert not list(house.workspace.glob("pwned"))
    await house.stop()


def spoken(command: str) -> bytes:
    """What the shell makes of a command: every argument of every program, ended by NUL."""
    return subprocess.run(["/bin/bash", "--norc", "-c", command], capture_output=True, timeout=10, check=False).stdout


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(st.sampled_from("ab1 '\"\\-=#:,%^!+@é]"), max_size=12), max_size=5))
def test_parser_agrees_with_bash(pieces: list[str]) -> None:
    """Where the parser understands a command, bash understands the same; and the proved form is no other."""
    command = "printf '%s\\0' " + " ".join(pieces)
    try:
        segments = parse(command)
    except Unprovable:
        return
    if len(segments) != 1 or any(word.pattern for word in segments[0].words):
        return
    expected = [word.text for word in segments[0].words[2:]] or [""]
    told = spoken(command).decode("utf-8", "replace").split("\0")[:-1]
    assert told == expected, command
    assert spoken(render(segments, ["/usr/bin/printf"])) == spoken(command)
    assert shlex.split(render(segments, ["/usr/bin/printf"]))[1:] == [word.text for word in segments[0].words[1:]]


@pytest_twisted.ensureDeferred
async def test_launcher_keeps_signals(directory: Path) -> None:
    """SIGPIPE ends a command as it does in a shell, and file descriptors of the gateway do not get through."""
    spawner = Spawner(reactor)
    order = Order("yes | head -1; ls /proc/$$/fd | wc -l", str(directory), {"PATH": os.environ["PATH"]}, False, 1000)
    command: Command = spawner.start(order)
    await command.ended.wait()
    text = command.output.since(0)
    assert "Broken pipe" not in text and text.split()[0] == "y"
    assert int(text.split()[1]) <= 4, text
