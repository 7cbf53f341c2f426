"""Longest time the gateway's reactor does not turn, for hostile and merely large input: C{python -m bench.lag}.

A gateway is started as a process of its own with a clock inside its reactor, and gets one input after the other over
loopback. For each, two figures in milliseconds:

  - C{turn}: the longest turn of the reactor, from the end of one wait for events to the beginning of the next
  - C{late}: the most a timer, due every 2 ms, came late; this also shows a thread that holds the interpreter

Every other client waits for as long. A clean run has both below 50 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from bench.servers import HERE, LOAD_CORE, OUT, free_port, running
from bench.timed import BEAT, Figures

LIMIT_MS = 50.0
TOKEN = "lag-bench"
CHAT = "/v1/chat/completions"
MIB = 1024 * 1024


class Input(NamedTuple):
    """Something to send."""

    name: str
    body: bytes
    websocket: bool = False
    """As a frame after the handshake, instead of a chat request."""
    announced: int = 0
    """C{Content-Length}, when it is another than the body's."""


def inputs() -> Iterator[Input]:
    """What is sent, in order."""
    yield Input("a word (to compare with)", chat(user("hi")))
    yield Input("10,000 deep", b"[" * 10_000 + b"]" * 10_000)
    yield Input("10,000 deep inside a message", b'{"messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}")
    yield Input("NaN", b'{"messages":[],"temperature":NaN}')
    yield Input("NaN after 19 MiB", chat(user("x" * 19 * MIB))[:-1] + b',"temperature":NaN}')
    yield Input("invalid UTF-8", b'{"messages":[{"role":"user","content":"\xff\xfe"}]}')
    yield Input("invalid UTF-8 after 19 MiB", chat(user("x" * 19 * MIB))[:-4] + b'\xff"}]}')
    yield Input("1 MiB string", chat(user("x" * MIB)))
    yield Input("20 MB string", chat(user("x" * (20 * MIB - 200))))
    yield Input("20 MB string of escapes", chat(user("a\n" * ((20 * MIB - 200) // 3))))
    yield Input("20 MB string of two-byte characters", chat(user("\u00e9" * (10 * MIB - 200))))
    yield Input("13 MB image", chat(image(13 * MIB)))
    yield Input("21 MiB announced", chat(user("x" * 21 * MIB)))
    yield Input("21 MiB in chunks", chat(user("x" * 21 * MIB)), announced=-1)
    yield Input("4 MiB of tool schemas", chat(user("hi"), tools=tools(128, 4 * MIB)))
    yield Input("10,000 messages", chat(*conversation(10_000)))
    yield Input("100,000 messages", chat(*conversation(100_000)))
    yield Input("30,000 tool calls", chat(calls(30_000), user("hi")))
    yield Input("250,000 tool calls", chat(calls(250_000), user("hi")))
    yield Input("100,000 keys in a message", chat({**user("hi"), **{f"key {n}": 1 for n in range(99_000)}}))
    yield Input("20 MB string of quotes and commas", chat(user('",' * ((20 * MIB - 200) // 3))))
    yield Input("6 million empty messages", b'{"messages":[' + b"{}," * (6 * MIB) + b"{}]}")
    yield Input("10 million numbers", b'{"messages":[],"x":[' + b"1," * (10 * MIB - 100) + b"1]}")
    yield Input("1.5 million keys", b"{" + b",".join(b'"k%d":1' % n for n in range(1_500_000)) + b"}")
    yield Input("20 MiB of blanks", b" " * (20 * MIB - 2) + b"{}")
    yield Input("WebSocket: a word", frame("health", {}), True)
    yield Input("WebSocket: 10,000 deep", b"[" * 10_000, True)
    yield Input("WebSocket: 20 MB string, unknown property", frame("health", {"x": "x" * 20 * MIB}), True)
    yield Input("WebSocket: 20 MB message", frame("agent", {"message": "x" * 20 * MIB, "idempotencyKey": "k"}), True)
    yield Input("WebSocket: 10 million numbers", b"[" + b"1," * (10 * MIB) + b"1]", True)
    yield Input("WebSocket: 27 MiB frame", frame("health", {"x": "x" * 27 * MIB}), True)


def chat(*messages: Any, **fields: Any) -> bytes:
    """A chat request."""
    return json.dumps(
        {"model": "openclaw", "messages": messages, **fields}, separators=(",", ":"), ensure_ascii=False
    ).encode()


def user(text: str) -> dict[str, Any]:
    """A user message."""
    return {"role": "user", "content": text}


def image(size: int) -> dict[str, Any]:
    """A user message with a picture of so many characters."""
    url = "data:image/png;base64," + "A" * size
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}


def conversation(count: int) -> list[dict[str, Any]]:
    """So many messages."""
    return [{"role": ("user", "assistant")[n % 2], "content": f"message {n}"} for n in range(count)]


def calls(count: int) -> dict[str, Any]:
    """An assistant message with so many tool calls."""
    each = [{"id": str(n), "type": "function", "function": {"name": "f", "arguments": "{}"}} for n in range(count)]
    return {"role": "assistant", "content": None, "tool_calls": each}


def tools(count: int, size: int) -> list[dict[str, Any]]:
    """So many tools, so large together."""
    fields = size // count // 60
    schema = {
        "type": "object",
        "properties": {f"field_{n}": {"type": "string", "description": "x" * 16} for n in range(fields)},
    }
    return [{"type": "function", "function": {"name": f"tool_{n}", "parameters": schema}} for n in range(count)]


def frame(method: str, params: dict[str, Any]) -> bytes:
    """A request of the Gateway WebSocket protocol."""
    return json.dumps({"type": "req", "id": "1", "method": method, "params": params}).encode()


def send(port: int, item: Input) -> str:
    """Send an input and read the answer to its end.

    @return: the status, or the WebSocket close code or first answer.
    """
    with socket.create_connection(("127.0.0.1", port), 30) as line:
        line.settimeout(30)
        if item.websocket:
            return _send_frame(line, item.body)
        length = f"Content-Length: {len(item.body)}" if item.announced == 0 else "Transfer-Encoding: chunked"
        head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n{length}\r\n"
        head += "Connection: close\r\n\r\n"
        try:
            line.sendall(head.encode())
            if item.announced:
                for at in range(0, len(item.body), MIB):
                    piece = item.body[at : at + MIB]
                    line.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
                line.sendall(b"0\r\n\r\n")
            else:
                line.sendall(item.body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused on the way; the answer may still be there
        return _status(b"".join(_all(line)))


def _send_frame(line: socket.socket, body: bytes) -> str:
    line.sendall(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    seen = b""
    while b"connect.challenge" not in seen:
        seen += line.recv(MIB)
    connect = {
        "minProtocol": 4,
        "maxProtocol": 4,
        "client": {"id": "cli", "version": "1", "platform": "linux", "mode": "cli"},
        "role": "operator",
        "scopes": ["operator.admin"],
        "auth": {"token": TOKEN},
    }
    line.sendall(_masked(json.dumps({"type": "req", "id": "0", "method": "connect", "params": connect}).encode()))
    while b"hello-ok" not in seen:
        seen += line.recv(MIB)
    time.sleep(0.1)
    try:
        line.sendall(_masked(body))
    except (BrokenPipeError, ConnectionResetError):
        return "closed"
    line.settimeout(2)
    try:
        answer = line.recv(4096)
    except OSError:
        return "no answer"
    if answer[:1] == b"\x88":
        return f"close {int.from_bytes(answer[2:4], 'big')}"
    return "error" if b'"ok":false' in answer else "answer" if answer else "closed"


def _masked(body: bytes) -> bytes:
    """A text frame with a mask of zeros."""
    if len(body) < 126:
        length = bytes([0x80 | len(body)])
    elif len(body) < 65536:
        length = b"\xfe" + len(body).to_bytes(2, "big")
    else:
        length = b"\xff" + len(body).to_bytes(8, "big")
    return b"\x81" + length + bytes(4) + body


def _all(line: socket.socket) -> Iterable[bytes]:
    try:
        while data := line.recv(MIB):
            yield data
    except OSError:
        return


def _status(answer: bytes) -> str:
    return answer[9:12].decode() if answer.startswith(b"HTTP/1.1 ") else "no answer"


def configuration(upstream: int) -> dict[str, Any]:
    """A gateway with the scripted model server behind it."""
    model = {"id": "m", "input": ["text", "image"], "contextWindow": 100_000_000}
    provider = {"baseUrl": f"http://127.0.0.1:{upstream}/v1", "apiKey": "k", "models": [model]}
    return {
        "gateway": {
            "auth": {"mode": "token", "token": TOKEN},
            "http": {"endpoints": {"chatCompletions": {"enabled": True}}},
        },
        "models": {"mode": "replace", "providers": {"stub": provider}},
    }


def main() -> int:
    """Print the table; the exit code tells whether everything stayed below the limit."""
    parser = argparse.ArgumentParser(prog="python -m bench.lag", description=__doc__)
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        metavar="N",
        help="times each input is sent (default 3); the least of the figures counts",
    )
    parser.add_argument("--only", metavar="TEXT", help="inputs whose name contains this")
    chosen = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    with ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openclaw-lag-")))
        figures = Figures(state / "figures")
        port, upstream = free_port(), free_port()
        (state / "openclaw.json").write_text(json.dumps(configuration(upstream)))
        env = {name: value for name, value in os.environ.items() if not name.startswith("OPENCLAW_")}
        env |= {"HOME": str(state), "PYTHONPATH": str(HERE.parent)}
        model = [sys.executable, "-m", "tests.support.upstream", "--port", str(upstream)]
        stack.enter_context(running("lag-upstream", model, upstream, LOAD_CORE, env))
        gateway = [sys.executable, "-m", "bench.timed", str(state / "figures"), str(BEAT)]
        gateway += ["--config", str(state / "openclaw.json"), "--state-dir", str(state / "state"), "--port", str(port)]
        stack.enter_context(running("lag-gateway", gateway, port, env=env))
        time.sleep(1)
        return 0 if measure(port, figures, chosen.rounds, chosen.only or "") else 1


def measure(port: int, figures: Figures, rounds: int, only: str) -> bool:
    """Send everything.

    @return: whether all stayed below the limit.
    """
    good = True
    print("| input | size | answer | longest turn, ms | latest timer, ms |")
    print("| --- | ---: | --- | ---: | ---: |")
    for item in inputs():
        if only not in item.name:
            continue
        turns, lates = [], []
        for _ in range(rounds):
            figures.reset()
            answer = send(port, item)
            time.sleep(0.3)
            turn, late = figures.get()
            turns.append(turn)
            lates.append(late)
        good = good and max(min(turns), min(lates)) < LIMIT_MS
        size = f"{len(item.body) / 1e6:.1f} MB" if len(item.body) > 50_000 else f"{len(item.body)} B"
        print(f"| {item.name} | {size} | {answer} | {min(turns):.1f} | {min(lates):.1f} |", flush=True)
    return good


if __name__ == "__main__":
    sys.exit(main())
