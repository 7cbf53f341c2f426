# -*- test-case-name: tests.test_leaving -*-
"""T13: clients that leave in every window of a request, before the whole gateway: the work ends, what was said is kept,
nothing is left, and the next request finds everything as it should be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.interfaces import ToolContext
from openclaw_tx.values import Fetched, FetchLimits, ToolResult, ToolSpec
from tests.support.house import House
from tests.support.raw_http import TOKEN
from tests.support.web import Client

PICTURE = {"type": "image_url", "image_url": {"url": "https://sea.example/a.png"}}


class Endless:
    """Something that is never done: what is given out fires when it is cancelled.

    @ivar cancelled: how often that was.
    @ivar begun: how often it was asked for.
    """

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0

    def wait(self) -> Deferred[Any]:
        """Begin."""
        self.begun += 1
        return Deferred(self._cancel)

    def _cancel(self, _: Deferred[Any]) -> None:
        self.cancelled += 1


class SlowFetcher(Endless):
    """Implements L{openclaw_tx.interfaces.Fetcher}."""

    async def fetch(self, url: str, limits: FetchLimits, headers: Mapping[str, str] | None = None) -> Fetched:
        """Never."""
        found: Fetched = await self.wait()
        return found


class SlowTool(Endless):
    """Implements L{openclaw_tx.interfaces.Tool}."""

    spec = ToolSpec(name="ponder", description="Think.", parameters={"type": "object", "properties": {}})

    async def call(self, arguments: Mapping[str, Any], context: ToolContext) -> ToolResult:
        """Never."""
        found: ToolResult = await self.wait()
        return found


class Window(NamedTuple):
    """A moment at which a client leaves.

    @ivar prompt: with directives for the model server.
    @ivar after: seconds from the request to leaving.
    @ivar said: what had been said by then.
    @ivar asked: how often the model server was asked by then.
    @ivar outcome: what became of its last call.
    """

    name: str
    prompt: str
    after: float = 1.0
    said: str = ""
    asked: int = 1
    outcome: str = "hung up"
    picture: bool = False
    stalled: bool = False
    """The client does not read."""
    blocked: bool = False
    """Another run of the session is at work."""
    ended: str = "aborted"
    """C{stopReason} of what is kept; "" = nothing is."""


WINDOWS = (
    Window("in the queue", "hi", asked=0, blocked=True, ended=""),
    Window("while an image is fetched", "hi", asked=0, picture=True, ended=""),
    Window("before the head of the model's answer", "[[hang=1]]"),
    Window("before the first word", "[[chunks=3 delay=9]]"),
    Window("between two tries", "[[status=500]]", 0.5, outcome="status 500"),
    Window("while it thinks", "[[think=1 chunks=3 delay=0.8]]", 1.2),
    Window("in the text", "[[chunks=9 delay=1]]", 2.5, "c1 c2"),
    Window("in a silence after text", "[[chunks=3 hang=3]]", 5.0, "c1 c2"),
    Window("while a tool works", "[[tool=ponder]]", outcome="done"),
    Window("without having read a word", "[[chunks=9 delay=1]]", 2.5, "c1 c2", stalled=True),
    Window(
        "after the end, without having read it",
        "[[chunks=3]]",
        said="c1 c2 c3",
        outcome="done",
        stalled=True,
        ended="stop",
    ),
    Window("after the end", "[[chunks=3]]", said="c1 c2 c3", outcome="done", ended="stop"),
)


class LeavingTests(SynchronousTestCase):
    """Every window, streamed and not, in a session and without one."""

    def setUp(self) -> None:
        """A gateway."""
        self.slow = fetcher, tool = SlowFetcher(), SlowTool()
        images = {"images": {"allowUrl": True}}
        self.house = House(
            {"gateway": {"http": {"endpoints": {"chatCompletions": images}}}}, fetcher=fetcher, tools=[tool]
        )
        self.addCleanup(self.house.close)

    def ask(
        self, text: str, user: str = "", stream: bool = False, picture: bool = False, stall: bool = False
    ) -> Client:
        """A chat request, on a connection of its own."""
        content: Any = [{"type": "text", "text": text}, PICTURE] if picture else text
        body: dict[str, Any] = {"messages": [{"role": "user", "content": content}], "stream": stream}
        if user:
            body["user"] = user
        client = self.house.connect()
        if stall:
            client.stall()
        client.request("POST", "/v1/chat/completions", json.dumps(body).encode(), {"Authorization": f"Bearer {TOKEN}"})
        self.house.settle()
        return client

    def test_windows(self) -> None:
        """The work ends within a second; what was said is in the transcript, marked; the session goes on."""
        number = 0
        for window in WINDOWS:
            for stream in (True, False):
                for session in (True, False):
                    if window.blocked and not session:
                        continue
                    number += 1
                    with self.subTest(window=window.name, stream=stream, session=session):
                        self.leave(window, stream, f"user{number}" if session else "")

    def leave(self, window: Window, stream: bool, user: str) -> None:
        """Ask, leave, look."""
        exchanges, endless = self.house.exchanges, [(each.begun, each.cancelled) for each in self.slow]
        first = self.ask("[[chunks=2 delay=5]]", user) if window.blocked else None
        before, running = len(exchanges), len(list(self.house.memory.gateway.engine.live()))
        client = self.ask(window.prompt, user, stream, window.picture, window.stalled)
        self.house.advance(window.after)
        self.assertEqual(len(exchanges) - before, window.asked)
        client.reset()
        self.house.advance(0.9)
        self.assertEqual(len(list(self.house.memory.gateway.engine.live())), running)
        self.assertEqual([each.outcome for each in exchanges[before:]][-1:], [window.outcome] if window.asked else [])
        begun = [(each.begun - one, each.cancelled - two) for each, (one, two) in zip(self.slow, endless, strict=True)]
        expected = [(int(it), int(it)) for it in (window.picture, "ponder" in window.prompt)]
        self.assertEqual(begun, expected)
        if first is not None:
            self.house.advance(12)
            self.assertEqual(first.response.json["choices"][0]["message"]["content"], "c1 c2")
        if user:
            kept = [one for one in self.house.stored(user) if one[0] == "assistant" and one[2] != "toolUse"]
            wanted = [("assistant", window.said, window.ended)] if window.ended else []
            if window.blocked:
                wanted = [("assistant", "c1 c2", "stop")]
            self.assertEqual(kept, wanted)
        again = self.ask("[[reply=back]]", user)
        self.assertEqual(again.response.json["choices"][0]["message"]["content"], "back")
        again.reset()

    def test_upload(self) -> None:
        """In a body, by length and chunked, before its first byte and before its last: nothing runs."""
        body = json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        for lines, sent in (
            (f"Content-Length: {len(body)}", body),
            ("Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)),
            (f"Content-Length: {len(body)}\r\nExpect: 100-continue", body),
        ):
            whole = f"{head}{lines}\r\n\r\n".encode() + sent
            for position in range(1, len(whole)):
                client = self.house.connect()
                client.send(whole[:position])
                client.reset()
                self.house.clients.remove(client)
        self.house.settle()
        self.assertEqual((self.house.exchanges, len(self.house.memory.site.channels)), ([], 0))
        self.assertEqual(list(self.house.memory.gateway.engine.live()), [])
