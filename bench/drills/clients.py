"""Clients of a drill: they take what comes, also a connection that breaks, and remember what they were told."""

from __future__ import annotations

import json
from typing import Any

import treq
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.web.client import Agent, HTTPConnectionPool

from bench.drills.place import Broken, DrilledGateway
from tests.e2e.processes import TOKEN

CHAT = "/v1/chat/completions"
RUNS = "/v1/runs"


class Answer:
    """What a client was told.

    @ivar status: 0 = not even a head came.
    @ivar headers: names in lower case.
    @ivar body: bytes so far.
    @ivar whole: the answer came to its end.
    @ivar seconds: from the request to the end of the answer.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.whole = False
        self.problem = ""
        self.seconds = 0.0

    @property
    def json(self) -> Any:
        """The body."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Broken(f"no JSON: {self.status} {self.body[:200]!r} {self.problem}") from None

    @property
    def run_id(self) -> str:
        """Of the run; "" = it was not told."""
        return self.headers.get("x-openclaw-run-id", "")

    @property
    def code(self) -> str:
        """Of the error."""
        error = self.json.get("error") or {}
        return str(error.get("code", ""))

    @property
    def text(self) -> str:
        """What the model has said, of a chat completion in either form."""
        if "event-stream" not in self.headers.get("content-type", ""):
            return str(self.json["choices"][0]["message"]["content"]) if self.whole and self.status == 200 else ""
        chunks = [json.loads(event[6:]) for event in self._events if event.startswith(b"data: {")]
        return "".join(
            choice.get("delta", {}).get("content") or "" for chunk in chunks for choice in chunk.get("choices", ())
        )

    @property
    def ended(self) -> bool:
        """The answer ended as one that went well."""
        if "event-stream" not in self.headers.get("content-type", ""):
            return self.whole and self.status == 200
        return b"data: [DONE]" in self._events and b'"error":' not in self.body

    @property
    def _events(self) -> list[bytes]:
        return self.body.replace(b": ping\n", b"").split(b"\n\n")[:-1]


class Client:
    """An HTTP client with connections of its own.

    @ivar keep: whether connections are used again.
    """

    def __init__(self, reactor: Any, gateway: DrilledGateway, token: str = TOKEN, *, keep: bool = False) -> None:
        self.gateway = gateway
        self._reactor = reactor
        self._token = token
        self._pool = HTTPConnectionPool(reactor, persistent=keep)
        # A connection that went with the old process must not be taken for one to the new.
        self._pool.retryAutomatically = False
        self._http = HTTPClient(Agent(reactor, connectTimeout=10, pool=self._pool))

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        seconds: float = 60.0,
        answer: Answer | None = None,
    ) -> Answer:
        """A request and its answer, or as much of it as there was.

        @param answer: filled while it comes; cancelling the wait hangs up.
        """
        answer = answer or Answer()
        began = self._reactor.seconds()

        def received(data: bytes) -> None:
            answer.body += data

        try:
            response = await self._within(
                self._http.request(
                    method,
                    f"{self.gateway.url}{path}",
                    data=None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode(),
                    headers={
                        "Authorization": f"Bearer {self._token}",
                        "Content-Type": "application/json",
                        **(headers or {}),
                    },
                    unbuffered=True,
                ),
                seconds,
            )
            answer.status = response.code
            answer.headers = {
                name.decode().lower(): values[0].decode("latin-1")
                for name, values in response.headers.getAllRawHeaders()
            }
            await self._within(treq.collect(response, received), seconds)
            answer.whole = True
        except CancelledError:
            raise
        except Exception as error:
            answer.problem = repr(error)
        answer.seconds = self._reactor.seconds() - began
        return answer

    async def chat(
        self, text: str, *, session: str = "", stream: bool = False, seconds: float = 60.0, answer: Answer | None = None
    ) -> Answer:
        """A chat completion.

        @param session: its key; "" = it is stateless.
        """
        body = {"model": "openclaw", "messages": [{"role": "user", "content": text}], "stream": stream}
        headers = {"x-openclaw-session-key": session} if session else {}
        return await self.ask("POST", CHAT, body, headers=headers, seconds=seconds, answer=answer)

    async def run(self, run_id: str) -> Answer:
        """The run object."""
        return await self.ask("GET", f"{RUNS}/{run_id}", seconds=10)

    async def ready(self) -> bool:
        """Whether the gateway says that requests are welcome."""
        return (await self.ask("GET", "/readyz", seconds=5)).status == 200

    async def close(self) -> None:
        """Let go of idle connections."""
        await self._pool.closeCachedConnections()

    def _within(self, deferred: Deferred[Any], seconds: float) -> Deferred[Any]:
        deferred.addTimeout(seconds, self._reactor)
        return deferred
