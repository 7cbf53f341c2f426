"""A model server for tests: speaks the APIs of L{tests.support.voices}, and fails in every way asked for.

What it does is told by the newest directive in the messages it gets, so that a test steers it through the gateway::

    hi [[chunks=3 delay=0.1 usage=21,9]]

  - C{reply=TEXT}: what to say (default C{pong}); C{_} stands for a blank
  - C{chunks=N}: say C{c1 c2 ... cN} in N chunks; C{delay=S}: wait S seconds before each
  - C{pieces=JSON}: say the strings of a JSON array, a chunk each (for a L{Script}: prompts can hold no blanks)
  - C{tool=NAME args=JSON}: call a tool (JSON without blanks); once it has its result, say C{tool said: ...}
  - C{think=1}: reason first; C{empty=1}: no text
  - C{finish=REASON}: finish reason, C{none} leaves it out; C{usage=P,C}: counts (default 11,7), C{none} sends none
  - C{status=N}: refuse, with C{retry=S} as Retry-After; C{whole=1}: a JSON reply
  - C{drop=N}: cut the connection after N chunks; C{errmid=N}: an error object after N chunks
  - C{hang=1}: never a head; C{hang=N}: silent after N-1 chunks

In memory it runs under L{treq.testing.RequestTraversalAgent} with a C{Clock}; as a server: C{python -m
tests.support.upstream --port 0}, which prints its address as a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from tests.support.voices import Completions, Piece, Voice, voice_of

_DIRECTIVES = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
_PAIR = re.compile(r"(\w+)=((?:[^\s\[\]]|\[(?!\[)|\](?!\]))+)")

Script = Callable[[dict[str, Any]], dict[str, str]]
"""Directives for a request; for tests that would rather not write them into prompts."""


class Exchange:
    """One request that came, and what became of it.

    @ivar body: the request's JSON.
    @ivar headers: its headers, names in lower case.
    @ivar path: where it went, with the query.
    @ivar outcome: C{open}, C{done}, C{status 429}, C{dropped}, or C{hung up} when the client was the one to leave.
    """

    def __init__(
        self,
        body: dict[str, Any],
        headers: dict[str, str],
        directives: dict[str, str],
        voice: Voice | None = None,
        path: str = "",
    ) -> None:
        self.voice = voice or Completions()
        self.path = path
        self.body = body
        self.headers = headers
        self.directives = directives
        self.outcome = "open"


class Upstream(Resource):
    """The whole server: any path that ends in C{/embeddings} or as one of an API does answers, C{/requests} tells which
    completions were asked for."""

    isLeaf = True

    def __init__(self, clock: IReactorTime, script: Script | None = None, keep: int = sys.maxsize) -> None:
        """
        @param keep: completions that are remembered, the newest ones.
        """
        super().__init__()
        self.exchanges: list[Exchange] = []
        self.embeddings: list[Exchange] = []
        self._clock = clock
        self._script = script
        self._keep = keep

    def render_GET(self, request: Request) -> bytes:
        """What came so far, for tests in another process; C{/v1/models} lists one model."""
        request.setHeader("content-type", "application/json")
        if request.path.endswith(b"/models"):
            return json.dumps({"object": "list", "data": [{"id": "stub-1", "object": "model"}]}).encode()
        told = [{"body": e.body, "directives": e.directives, "outcome": e.outcome} for e in self.exchanges]
        return json.dumps(told).encode()

    def render_POST(self, request: Request) -> bytes | int:
        """One completion."""
        assert request.content is not None
        body = json.loads(request.content.read())
        headers = {
            name.decode().lower(): values[0].decode() for name, values in request.requestHeaders.getAllRawHeaders()
        }
        if request.path.endswith(b"/embeddings"):
            return self._embed(request, body, headers)
        voice = voice_of(request.path.decode())
        if voice is None:
            return _refuse(request, 404, "no such path")
        directives = self._script(body) if self._script is not None else directives_of(body, voice)
        exchange = Exchange(body, headers, directives, voice, request.uri.decode())
        self.exchanges.append(exchange)
        if len(self.exchanges) > self._keep:
            del self.exchanges[0]
        if "status" in directives:
            status = int(directives["status"])
            exchange.outcome = f"status {status}"
            if "retry" in directives:
                request.setHeader("retry-after", directives["retry"])
            return _refuse(request, status, f"stub says {status}", voice)
        if "whole" in directives:
            exchange.outcome = "done"
            request.setHeader("content-type", "application/json")
            return json.dumps(whole(exchange)).encode()
        player = _Player(request, exchange, self._clock)
        request.notifyFinish().addBoth(player.gone)
        player.start()
        return NOT_DONE_YET

    def _embed(self, request: Request, body: dict[str, Any], headers: dict[str, str]) -> bytes | int:
        """Vectors of as many numbers as asked for (3), made from the length and place of each text. Directives in a
        text: C{status}, C{retry}, C{hang}, C{usage} (a number), and C{broken=JSON} to answer that."""
        text = " ".join(str(text) for text in body["input"])
        directives = dict(_PAIR.findall(" ".join(_DIRECTIVES.findall(text))))
        exchange = Exchange(body, headers, directives, path=request.uri.decode())
        self.embeddings.append(exchange)
        if "status" in directives:
            exchange.outcome = f"status {directives['status']}"
            if "retry" in directives:
                request.setHeader("retry-after", directives["retry"])
            return _refuse(request, int(directives["status"]), f"stub says {directives['status']}")
        if "hang" in directives:
            request.notifyFinish().addErrback(lambda _: setattr(exchange, "outcome", "hung up"))
            return NOT_DONE_YET
        exchange.outcome = "done"
        request.setHeader("content-type", "application/json")
        if "broken" in directives:
            return directives["broken"].encode()
        length = body.get("dimensions") or 3
        data = [
            {"object": "embedding", "index": index, "embedding": [len(text) / 8, index / 8, *[0.5] * (length - 2)]}
            for index, text in enumerate(body["input"])
        ]
        tokens = int(directives.get("usage", "9"))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        # Backwards, because the order is not promised.
        answer = {"object": "list", "data": data[::-1], "model": body["model"], "usage": usage}
        return json.dumps(answer).encode()


class _Player:
    """Plays one stream, step by step."""

    def __init__(self, request: Request, exchange: Exchange, clock: IReactorTime) -> None:
        self._request = request
        self._exchange = exchange
        self._clock = clock
        self._delay = float(exchange.directives.get("delay", "0"))
        self._steps = steps(exchange)
        self._next: Any = None

    def start(self) -> None:
        """Send the head, unless told to hang, and go on."""
        if self._exchange.directives.get("hang") == "1":
            return
        self._request.setHeader("content-type", self._exchange.voice.content_type)
        self._request.write(b"")
        self._play()

    def gone(self, reason: object) -> None:
        """The request is over, for one of three reasons."""
        if self._next is not None and self._next.active():
            self._next.cancel()
        if self._exchange.outcome == "open":
            self._exchange.outcome = "hung up" if isinstance(reason, Failure) else "done"

    def _play(self) -> None:
        for step in self._steps:
            if step == "wait":
                if self._delay:
                    self._next = self._clock.callLater(self._delay, self._play)
                    return
            elif step == "drop":
                self._exchange.outcome = "dropped"
                assert self._request.channel is not None
                self._request.channel.forceAbortClient()
                return
            elif step == "hang":
                return
            else:
                self._request.write(step.encode())
        self._request.finish()


def steps(exchange: Exchange) -> Iterator[str]:
    """Text to write, and the words C{wait}, C{drop}, C{hang}."""
    directives, voice, body = exchange.directives, exchange.voice, exchange.body
    at = {name: int(directives.get(name, "-1")) for name in ("drop", "errmid")}
    hang = int(directives.get("hang", "0")) - 1
    yield from voice.begin(body)
    for sent, piece in enumerate(pieces(exchange)):
        yield "wait"
        if sent == at["drop"]:
            yield "drop"
        if sent == at["errmid"]:
            yield from voice.error("stub mid-stream error")
            return
        if sent == hang:
            yield "hang"
        yield from voice.piece(body, piece)
    finish = directives.get("finish", "tool_calls" if wants_tool(exchange) else "stop")
    yield from voice.end(body, finish, usage_of(exchange))


def pieces(exchange: Exchange) -> Iterator[Piece]:
    """What the answer consists of, piece by piece."""
    directives = exchange.directives
    if "empty" in directives:
        return
    if "think" in directives:
        yield "think", "thinking "
        yield "think", "hard"
    if not wants_tool(exchange) or "reply" in directives:
        for text in texts(exchange):
            yield "text", text
    if wants_tool(exchange):
        arguments = directives.get("args", "")
        yield "call", directives["tool"]
        yield "args", arguments[: len(arguments) // 2]
        yield "args", arguments[len(arguments) // 2 :]


def texts(exchange: Exchange) -> list[str]:
    """The answer's text in pieces."""
    directives, (role, said) = exchange.directives, exchange.voice.heard(exchange.body)[-1]
    if "tool" in directives and role == "tool":
        return [f"tool said: {said}"]
    if "pieces" in directives:
        return [str(piece) for piece in json.loads(directives["pieces"])]
    if "chunks" in directives:
        return [("" if n == 1 else " ") + f"c{n}" for n in range(1, int(directives["chunks"]) + 1)]
    return [directives.get("reply", "pong").replace("_", " ")]


def wants_tool(exchange: Exchange) -> bool:
    """Whether to call a tool now: once for each user message."""
    return "tool" in exchange.directives and exchange.voice.heard(exchange.body)[-1][0] != "tool"


def usage_of(exchange: Exchange) -> tuple[int, int] | None:
    """Tokens of prompt and answer, or None to send none."""
    told = exchange.directives.get("usage", "11,7")
    if told == "none":
        return None
    prompt, completion = map(int, told.split(","))
    return prompt, completion


def whole(exchange: Exchange) -> dict[str, Any]:
    """The answer as one JSON object; Chat Completions only."""
    call = (exchange.directives["tool"], exchange.directives.get("args", "")) if wants_tool(exchange) else None
    return Completions().whole(exchange.body, "".join(texts(exchange)), call, usage_of(exchange))


def directives_of(body: dict[str, Any], voice: Voice) -> dict[str, str]:
    """The directives of the newest user message that holds any."""
    for role, text in reversed(voice.heard(body)):
        found = _DIRECTIVES.findall(text) if role == "user" else []
        if found:
            return dict(_PAIR.findall(found[-1]))
    return {}


def _refuse(request: Request, status: int, message: str, voice: Voice | None = None) -> bytes:
    request.setResponseCode(status)
    request.setHeader("content-type", "application/json")
    return json.dumps((voice or Completions()).refusal(status, message)).encode()


def main() -> None:
    """Listen on loopback until killed; the address goes to stdout as JSON."""
    from twisted.internet import reactor

    parser = argparse.ArgumentParser(description="A scripted model server.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--keep", type=int, default=sys.maxsize, help="completions that /requests tells of")
    chosen = parser.parse_args()
    any_reactor: Any = reactor
    site = Site(Upstream(any_reactor, keep=chosen.keep), reactor=any_reactor)
    port = any_reactor.listenTCP(chosen.port, site, interface="127.0.0.1")
    address = {"url": f"http://127.0.0.1:{port.getHost().port}/v1", "port": port.getHost().port}
    print(json.dumps(address), flush=True)  # noqa: T201
    any_reactor.run()


if __name__ == "__main__":
    main()
