"""What is asked of the servers. The model name carries the workload to the stub; stub.c explains its letters."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    """One kind of answer, and how it is asked for."""

    name: str
    model: str
    """Model name that the stub understands."""
    chunks: int
    """Content chunks in an answer."""
    connections: int
    seconds: float = 1.5
    """Length of one measurement; C{--quick} halves it."""
    stream: bool = True
    sessions: bool = False
    """Ask the gateway to keep each conversation under a session key of its own; the other servers cannot."""


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("single", "bench-n1-b32", 1, connections=1),
        Workload("one", "bench-n1-b32", 1, connections=16),
        Workload("json", "bench-n1-b200", 1, connections=16, stream=False),
        Workload("session", "bench-n1-b32", 1, connections=16, sessions=True),
        Workload("burst", "bench-n20-b32", 20, connections=16),
        Workload("paced", "bench-n100-b32-d20", 100, connections=64, seconds=3),
    )
}
"""Measured in rounds, in this order."""

HOLD = Workload("hold", "bench-n600-b32-d1000", 600, connections=1000)
"""Streams held open at one chunk a second."""

CALLS = [Workload(f"calls{chunks}", f"bench-n{chunks}-b32-d5", chunks, connections=1) for chunks in (1, 201)]
"""Two lengths of one answer: the difference in system calls is what 200 chunks cost."""

ALL = [*WORKLOADS.values(), HOLD, *CALLS]


def http_request(port: int, workload: Workload, model: str, headers: list[str]) -> bytes:
    """One chat completion request, head and body, for load.c to send."""
    body = {
        "model": model,
        "stream": workload.stream,
        "messages": [{"role": "user", "content": "Say hello."}],
    }
    raw = json.dumps(body).encode()
    head = [
        "POST /v1/chat/completions HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json",
        "Accept: */*",
        f"Content-Length: {len(raw)}",
        *headers,
    ]
    if workload.sessions:
        head.append(f"x-openclaw-session-key: bench-{secrets.token_hex(4)}-########")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + raw
