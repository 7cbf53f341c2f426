"""A small MCP server, of the standard library alone: over standard input and output, or with C{--http PORT}.

Tools: C{echo}; C{env} (names of its variables); C{slow} (progress, then waits for ever); C{children} (starts a process
that outlives its parent unless it is killed, and tells its number); C{die}.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Say = Callable[[dict[str, Any]], None]

TOOLS = [
    {
        "name": "echo",
        "description": "Say it again.",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    },
    *({"name": name, "inputSchema": {"type": "object"}} for name in ("env", "slow", "children", "die")),
]


def text(said: str) -> dict[str, Any]:
    """A result."""
    return {"content": [{"type": "text", "text": said}]}


def answer(message: dict[str, Any], say: Say, cancelled: set[Any]) -> None:
    """Answer one message, perhaps after a while."""
    method, number, params = message.get("method"), message.get("id"), message.get("params", {})
    if method == "notifications/cancelled":
        cancelled.add(params["requestId"])
        sys.stderr.write("cancelled\n")
        sys.stderr.flush()
    if number is None or method is None:
        return
    if method == "initialize":
        info = {"name": "small", "version": "1"}
        result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
    elif method == "tools/list":
        page = int(params.get("cursor", "0"))
        result = {"tools": TOOLS[page * 2 : page * 2 + 2]}
        if page * 2 + 2 < len(TOOLS):
            result["nextCursor"] = str(page + 1)
    elif method == "tools/call":
        result = call(params["name"], params.get("arguments", {}), params.get("_meta", {}), number, say, cancelled)
    else:
        say({"id": number, "error": {"code": -32601, "message": "no such method"}})
        return
    say({"id": number, "result": result})


def call(
    name: str, arguments: dict[str, Any], meta: dict[str, Any], number: Any, say: Say, cancelled: set[Any]
) -> dict[str, Any]:
    """Do what a tool does."""
    if name == "echo":
        return text(arguments["text"])
    if name == "env":
        return text(" ".join(sorted(os.environ)))
    if name == "children":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        return text(str(child.pid))
    if name == "slow":
        token = meta.get("progressToken")
        say({"method": "notifications/progress", "params": {"progressToken": token, "progress": 1, "total": 2}})
        while number not in cancelled:
            time.sleep(0.05)
        return text("cancelled")
    os._exit(7)


def serve_stdio() -> None:
    """One message a line."""
    lock, cancelled = threading.Lock(), set[Any]()

    def say(message: dict[str, Any]) -> None:
        with lock:
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            sys.stdout.flush()

    sys.stderr.write("small server ready\n")
    sys.stderr.flush()
    for line in sys.stdin:
        threading.Thread(target=answer, args=(json.loads(line), say, cancelled), daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    """Streamable HTTP: a request's answer is a stream of events."""

    protocol_version = "HTTP/1.1"
    sessions: set[str] = set()
    cancelled: set[Any] = set()

    def do_POST(self) -> None:
        """A message."""
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != "Bearer the-key":
            return self.refuse(401)
        session = self.headers.get("Mcp-Session-Id")
        if message.get("method") == "initialize":
            session = f"s{len(self.sessions)}"
            self.sessions.add(session)
        elif session not in self.sessions or self.headers.get("MCP-Protocol-Version") != "2025-06-18":
            return self.refuse(404)
        if "id" not in message:
            answer(message, lambda _: None, self.cancelled)
            return self.refuse(202)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Mcp-Session-Id", str(session))
        self.send_header("Connection", "close")
        self.end_headers()

        def say(said: dict[str, Any]) -> None:
            data = json.dumps({"jsonrpc": "2.0", **said})
            self.wfile.write(f"event: message\ndata: {data}\n\n".encode())
            self.wfile.flush()

        answer(message, say, self.cancelled)
        self.close_connection = True
        return None

    def do_GET(self) -> None:
        """There is no stream of its own."""
        self.refuse(405)

    def do_DELETE(self) -> None:
        """The end of a session."""
        self.sessions.discard(self.headers.get("Mcp-Session-Id", ""))
        sys.stdout.write("session ended\n")
        sys.stdout.flush()
        self.refuse(200)

    def refuse(self, status: int) -> None:
        """A status without a body."""
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""


def serve_http(port: int) -> None:
    """On loopback only."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}/mcp\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--http"]:
        serve_http(int(sys.argv[2]))
    else:
        serve_stdio()
