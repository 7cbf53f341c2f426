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
    user: str = ""
    """The request's C{user}, for whom the gateway keeps a session; the other servers cannot. C{{run}} is another word
    in each measurement, C{########} another number in each request."""
    answers: int = 0
    """The measurement ends with so many, before its time is over; 0 = when its time is over."""

    @property
    def ours_alone(self) -> bool:
        """Whether it asks for something that only the gateway can do."""
        return bool(self.user)


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("single", "bench-n1-b32", 1, connections=1),
        Workload("one", "bench-n1-b32", 1, connections=16),
        Workload("session", "bench-n1-b32", 1, connections=16, user="{run}-########"),
        Workload("json", "bench-n1-b200", 1, connections=16, stream=False),
        Workload("burst", "bench-n20-b32", 20, connections=16),
        Workload("paced", "bench-n100-b32-d20", 100, connections=64, seconds=3),
    )
}
"""Measured in rounds, in this order."""

HOLD = Workload("hold", "bench-n600-b32-d1000", 600, connections=1000)
"""Streams held open at one chunk a second."""

CALLS = [Workload(f"calls{chunks}", f"bench-n{chunks}-b32-d2", chunks, connections=1) for chunks in (1, 401)]
"""Two lengths of one answer: the difference in system calls is what 400 chunks cost. Both are shorter than a second, so
that neither is noted in the ledger of runs."""

ALL = [*WORKLOADS.values(), HOLD, *CALLS]
"""Those that the gateway has an agent for."""

ONCE = {
    "idle": "CPU when nobody asks anything, with and without a thousand idle connections",
    "calls": "system calls a chunk",
    "hold": "many open streams, on every server",
    "full": "9,500 open streams, on the gateway",
    "sessions": "growth with the number of stored sessions",
    "turns": "growth with the turns of a conversation",
    "ws": "a thousand watchers over WebSocket",
}
"""What is measured besides the rounds."""


def http_request(port: int, workload: Workload, model: str, headers: list[str]) -> bytes:
    """One chat completion request, head and body, for load.c to send."""
    body: dict[str, object] = {
        "model": model,
        "stream": workload.stream,
        "messages": [{"role": "user", "content": "Say hello."}],
    }
    if workload.user:
        body["user"] = workload.user.replace("{run}", secrets.token_hex(4))
    raw = json.dumps(body).encode()
    head = [
        "POST /v1/chat/completions HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json",
        "Accept: */*",
        f"Content-Length: {len(raw)}",
        *headers,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + raw
