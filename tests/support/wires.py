"""A model provider that is nothing but bytes: what it sends, when, and how its connections end is written by hand.

Nothing here knows how the gateway's client works: it stands behind the reactor's C{connectTCP}.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Any, NamedTuple

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump, connect

from tests.models.memory import Memory
from tests.support.voices import VOICES, Voice, WholeCalls


class End(Enum):
    """How a provider ends a connection."""

    FIN = "closed in good order"
    RESET = "reset"


Step = bytes | float | End
"""Bytes to send, in one read of the client; seconds to wait; or the end. After the last step nothing more happens."""

Steps = Callable[[], Iterable[Step]]
"""Makes what happens to one request."""


class Refused(NamedTuple):
    """Instead of steps: no connection comes about.

    @ivar reason: None = it just takes for ever.
    """

    reason: Exception | None = ConnectionRefusedError()


class Line(Protocol):
    """One connection of a L{RawProvider}.

    @ivar ended: who ended it: "" = nobody yet.
    """

    def __init__(self, provider: RawProvider) -> None:
        self.ended = ""
        self.playing: Iterator[Step] | None = None
        self._provider = provider
        self._pause: IDelayedCall | None = None
        self._received = b""

    def connectionMade(self) -> None:
        """Begin at once, where the provider does not wait for a request."""
        if self._provider.eager:
            self._begin(b"")

    def dataReceived(self, data: bytes) -> None:
        """Begin when a request is whole."""
        self._received += data
        if self._provider.eager:
            return
        head, blank, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if blank and len(body) >= (int(length[1]) if length else 0):
            request, self._received = self._received, b""
            self._begin(request)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Whoever did it."""
        self.ended = self.ended or "client"
        self.playing = None
        if self._pause is not None:
            self._pause.cancel()

    def turn(self) -> bool:
        """Do the next step, if it is time for it; whether anything was done."""
        if self.playing is None or self._pause is not None:
            return False
        step = next(self.playing, None)
        if step is None:
            self.playing = None
            return False
        transport: Any = self.transport
        if isinstance(step, bytes):
            transport.write(step)
        elif isinstance(step, End):
            self.ended = step.value
            self.playing = None
            reason = ConnectionLost() if step is End.RESET else ConnectionDone()
            transport.other.disconnectReason = reason
            transport.loseConnection()
        else:
            self._pause = self._provider.clock.callLater(step, self._go_on)
        return True

    def _go_on(self) -> None:
        self._pause = None

    def _begin(self, request: bytes) -> None:
        self._provider.requests.append(request)
        self.playing = iter(self._provider.next_steps()())


class RawProvider(Factory):
    """What listens at one address.

    @ivar fates: what happens to the next requests; the last one for ever.
    @ivar requests: heads and bodies that came, as they came.
    @ivar lines: all its connections.
    @ivar refused: connections that it did not take.
    @ivar listener: what takes its connections in its place, for instance to speak TLS first.
    """

    noisy = False

    def __init__(self, clock: MemoryReactorClock, *fates: Steps | Refused, eager: bool = False) -> None:
        """
        @param fates: see L{fates}.
        @param eager: its connections begin without a request, as in a TLS handshake that fails.
        """
        self.clock = clock
        self.eager = eager
        self.requests: list[bytes] = []
        self.lines: list[Line] = []
        self.refused = 0
        self.listener: Factory = self
        self._playing: list[Line] = []
        self.fates = list(fates)

    @property
    def tries(self) -> int:
        """How often it was asked."""
        return len(self.requests) + self.refused

    def refuses(self) -> Refused | None:
        """What becomes of the next connection; None = it is taken."""
        fate = self.fates[0]
        if not isinstance(fate, Refused):
            return None
        self.refused += 1
        self._shift()
        return fate

    def next_steps(self) -> Steps:
        """For the next request."""
        fate = self.fates[0]
        assert not isinstance(fate, Refused), "a connection is used again where a new one was to be refused"
        self._shift()
        return fate

    def turn(self) -> bool:
        """Do the next step of each connection that has one; whether anything was done."""
        self._playing = [line for line in self._playing if not line.ended]
        return sum(line.turn() for line in self._playing) > 0

    def buildProtocol(self, addr: Any) -> Line:
        """Take a connection."""
        line = Line(self)
        self.lines.append(line)
        self._playing.append(line)
        return line

    def _shift(self) -> None:
        if len(self.fates) > 1:
            self.fates.pop(0)


class Wires(Memory):
    """A network with a L{RawProvider} at each port.

    @ivar strays: ports that were connected to although nobody listens there.
    """

    def __init__(self, reactor: MemoryReactorClock) -> None:
        super().__init__(reactor=reactor)
        self.providers: dict[int, RawProvider] = {}
        self.strays: list[int] = []

    def accept(self) -> None:
        """Carry bytes, a step of each provider at a time."""
        super().accept()
        while sum(provider.turn() for provider in self.providers.values()):
            self.moved += 1
            super().accept()
        self._pumps = [pump for pump in self._pumps if not (pump.clientIO.disconnected and pump.serverIO.disconnected)]

    def _connect(self, factory: Any, port: int) -> None:
        provider = self.providers.get(port)
        refused = Refused() if provider is None else provider.refuses()
        if provider is None:
            self.strays.append(port)
        if provider is None or refused is not None:
            if refused is not None and refused.reason is not None:
                factory.clientConnectionFailed(None, Failure(refused.reason))
            return
        client = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", port))
        server = provider.listener.buildProtocol(None)
        assert server is not None
        ends: list[Any] = [FakeTransport(server, isServer=True), FakeTransport(client, isServer=False)]
        ends[0].other = ends[1]
        pump: IOPump = connect(server, ends[0], client, ends[1], debug=False)
        self._pumps.append(pump)


class Frame(NamedTuple):
    """A piece of an API's stream that is read as one.

    @ivar text: what it says.
    """

    data: bytes
    text: str = ""


class Speech:
    """A short answer, C{Hel} and C{lo}, in the words of one API.

    @ivar frames: all of it; the last one ends it.
    """

    def __init__(self, voice: Voice) -> None:
        self.content_type = voice.content_type
        self.sse = voice.content_type == "text/event-stream"
        self._voice = voice
        body: dict[str, Any] = {"model": "m", "messages": [], "input": []}
        frames = [Frame(text.encode()) for text in voice.begin(body)]
        for said in ("Hel", "lo"):
            *before, last = voice.piece(body, ("text", said))
            frames += [Frame(text.encode()) for text in before]
            frames.append(Frame(last.encode(), said))
        self.beginning = [*frames]
        self.frames = [*frames, *(Frame(text.encode()) for text in voice.end(body, "stop", (11, 7)))]

    def say(self, text: str, kind: str = "text") -> bytes:
        """One more frame that says this, after L{beginning}; see L{Piece<tests.support.voices.Piece>} for C{kind}."""
        return "".join(self._voice.piece({"model": "m", "messages": [], "input": []}, (kind, text))).encode()

    def says(self, kind: str) -> bool:
        """Whether pieces of this kind are sent as they come: some APIs send calls whole."""
        return bool(kind != "args" or not isinstance(self._voice, WholeCalls))

    def event(self, payload: bytes) -> bytes:
        """A frame with this payload."""
        return b"data: " + payload + b"\n\n" if self.sse else payload + b"\n"

    @property
    def nothing(self) -> bytes:
        """What keeps a connection alive and says nothing."""
        return b": ping\n\n" if self.sse else b"\n"

    def head(self, *headers: str, status: str = "200 OK", version: str = "1.1", type: str | None = None) -> bytes:
        """The head of an answer.

        @param headers: more lines.
        @param type: its content type; None = the API's own, "" = none.
        """
        kind = self.content_type if type is None else type
        lines = [f"HTTP/{version} {status}", *([f"Content-Type: {kind}"] if kind else []), *headers]
        return "\r\n".join([*lines, "", ""]).encode()

    @property
    def chunked_head(self) -> bytes:
        """That of a stream."""
        return self.head("Transfer-Encoding: chunked")

    @property
    def body(self) -> bytes:
        """The whole stream."""
        return b"".join(frame.data for frame in self.frames)

    def whole(self) -> list[bytes]:
        """The answer as it should be, a frame in each read."""
        return [self.chunked_head, *(chunk(frame.data) for frame in self.frames), b"0\r\n\r\n"]

    def cut(self) -> list[bytes]:
        """Everything up to, and with, the first word."""
        first = next(number for number, frame in enumerate(self.frames) if frame.text)
        return [self.chunked_head, *(chunk(frame.data) for frame in self.frames[: first + 1])]


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body (RFC 9112, 7.1)."""
    return b"%x\r\n%s\r\n" % (len(data), data)


API_OF = {
    "Completions": "openai-completions",
    "Messages": "anthropic-messages",
    "Responses": "openai-responses",
    "GenerateContent": "google-generative-ai",
    "OllamaChat": "ollama",
}


def speeches() -> dict[str, Speech]:
    """API, as in the configuration -> the answer in its words."""
    return {API_OF[voice.__name__]: Speech(voice()) for voice in VOICES}
