# -*- test-case-name: tests.ws.test_fanout -*-
"""How one event reaches very many connections: a log that all of them are behind in for a moment.

What is told goes to the end of the log. In the next turn of the reactor a round begins: one connection after the other
gets all it has not heard yet, in one write, for a bounded time each turn. What is told while a round is under way waits
for the next; so the slower the rounds, the more goes into each write. A connection that must be up to date before it is
told something else (the answer to a request) is served out of turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Authoriser
from openclaw_tx.values import Principal, Target
from openclaw_tx.wire.events import Batch, Event
from openclaw_tx.ws.connection import Connection
from openclaw_tx.ws.slices import Slices

MAX_LOG = 16 * 1024 * 1024
"""Bytes in the log. With more everybody gets theirs at once: that keeps the gateway from all else, also from making
more."""
TOOL_EVENTS = "tool-events"
"""Capability of clients that want tool events."""


class Audience:
    """Connections that may hear the same, so that it is decided once for all of them.

    @ivar principal: who they are, without what no decision may depend on.
    @ivar tools: they want tool events.
    @ivar count: how many they are.
    """

    __slots__ = ("count", "principal", "tools")

    def __init__(self, principal: Principal, tools: bool) -> None:
        self.principal = principal
        self.tools = tools
        self.count = 0

    def may(self, authorise: Authoriser, action: str, target: Target) -> bool:
        """Whether they may do C{action} to C{target}."""
        try:
            authorise(self.principal, action, target)
        except GatewayError:
            return False
        return True


class _Reader:
    """A connection, and how far it has heard."""

    __slots__ = ("audience", "connection", "heard")

    def __init__(self, connection: Connection, audience: Audience, heard: int) -> None:
        self.connection = connection
        self.audience = audience
        self.heard = heard


class _Post:
    """An event in the log.

    @ivar stale: a newer one tells all that it would.
    """

    __slots__ = ("event", "hears", "stale", "topic", "wants")

    def __init__(
        self,
        event: Event,
        hears: Callable[[Audience], bool] | None,
        wants: Callable[[Connection], bool] | None,
        topic: str,
    ) -> None:
        self.event = event
        self.hears = hears
        self.wants = wants
        self.topic = topic
        self.stale = False


class _Due:
    """What an audience has not heard since some place in the log.

    @ivar batch: all of it, when none of it depends on the connection.
    """

    __slots__ = ("_posts", "batch")

    def __init__(self, posts: list[_Post]) -> None:
        self._posts = posts
        personal = any(post.wants is not None for post in posts)
        self.batch = None if personal else Batch([post.event for post in posts])

    def of(self, connection: Connection) -> Batch:
        """What one of them wants of it."""
        if self.batch is not None:
            return self.batch
        return Batch([post.event for post in self._posts if post.wants is None or post.wants(connection)])


class Fanout:
    """The log and its readers."""

    def __init__(self, slices: Slices, collect: Callable[[], None]) -> None:
        """
        @param collect: posts what its owner has held back until it is needed; called at the beginning of a round.
        """
        self._slices = slices
        self._collect = collect
        self._readers: dict[int, _Reader] = {}
        self._audiences: dict[tuple[Principal, bool], Audience] = {}
        self._log: list[_Post] = []
        self._first = 0
        self._bytes = 0
        self._last: dict[str, _Post] = {}
        self._due: dict[tuple[Audience, int], _Due] = {}
        self._rounds: Iterator[None] | None = None
        self._telling_all = False

    def __len__(self) -> int:
        """Connections."""
        return len(self._readers)

    def __iter__(self) -> Iterator[Connection]:
        """The connections of the moment, in the order they came."""
        return iter([reader.connection for reader in self._readers.values()])

    def audiences(self) -> dict[Audience, Connection]:
        """All that there are, with one connection of each."""
        return {reader.audience: reader.connection for reader in self._readers.values()}

    def join(self, connection: Connection) -> None:
        """Tell it what is posted from now on."""
        tools = TOOL_EVENTS in connection.caps
        key = (msgspec.structs.replace(connection.principal, ip="", credential=""), tools)
        audience = self._audiences.get(key)
        if audience is None:
            audience = self._audiences[key] = Audience(key[0], tools)
        audience.count += 1
        self._readers[connection.number] = _Reader(connection, audience, self._first + len(self._log))

    def leave(self, connection: Connection) -> Audience | None:
        """Tell it no more.

        @return: its audience, if that is gone with it.
        """
        reader = self._readers.pop(connection.number, None)
        if reader is None:
            return None
        audience = reader.audience
        audience.count -= 1
        if audience.count:
            return None
        del self._audiences[audience.principal, audience.tools]
        return audience

    def post(
        self,
        event: Event,
        hears: Callable[[Audience], bool] | None = None,
        wants: Callable[[Connection], bool] | None = None,
        topic: str = "",
        replaces: Sequence[str] = (),
    ) -> None:
        """Tell an event to all who may hear it.

        @param hears: whether an audience may; None = each.
        @param wants: whether a connection of such an audience is told; asked when it is its turn. None = each.
        @param topic: what it tells the state of; "" = of nothing.
        @param replaces: topics whose last event need not be told to who has not heard it, now that there is this one.
        """
        if not self._readers:
            return
        for name in replaces:
            last = self._last.pop(name, None)
            if last is not None:
                last.stale = True
                self._bytes -= len(last.event)
        post = _Post(event, hears, wants, topic)
        if topic:
            self._last[topic] = post
        self._log.append(post)
        self._bytes += len(event)
        self._due.clear()
        self.wake()
        if self._bytes > MAX_LOG:
            self.tell_all()

    def wake(self) -> None:
        """There is something to tell, or to collect."""
        if self._rounds is None and self._readers:
            self._rounds = self._serve_all()
            self._slices.add(self._rounds)

    def catch_up(self, connection: Connection) -> None:
        """Tell a connection now all that was posted."""
        reader = self._readers.get(connection.number)
        if reader is not None:
            self._collect()
            self._serve(reader)

    def tell_all(self) -> None:
        """Tell everybody now all that was posted. What that causes to be told goes out by rounds."""
        if self._telling_all:
            return
        self._telling_all = True
        try:
            last = self._first + len(self._log)
            for reader in list(self._readers.values()):
                self._serve(reader)
            self._forget(last)
        finally:
            self._telling_all = False

    def clear(self) -> None:
        """Nobody is there: hold nothing."""
        self._forget(self._first + len(self._log))
        if self._rounds is not None:
            self._slices.drop(self._rounds)
            self._rounds = None

    def _serve_all(self) -> Iterator[None]:
        """Serve everybody, until nobody is behind; a step is a connection."""
        this = self._rounds
        try:
            while self._readers:
                self._collect()
                last = self._first + len(self._log)
                if last == self._first:
                    break
                for reader in list(self._readers.values()):
                    if reader.heard < last:
                        self._serve(reader)
                        yield
                    if self._rounds is not this:
                        return  # everybody left
                self._forget(last)
        except Exception:
            self._rounds = None
            self.wake()  # for the others; this one is not asked again
            raise
        self._rounds = None

    def _serve(self, reader: _Reader) -> None:
        since, reader.heard = reader.heard, self._first + len(self._log)
        if since == reader.heard:
            return
        key = (reader.audience, since)
        due = self._due.get(key)
        if due is None:
            posts = self._log[since - self._first :]
            audience = reader.audience
            due = _Due([post for post in posts if not post.stale and (post.hears is None or post.hears(audience))])
            self._due[key] = due
        reader.connection.tell(due.of(reader.connection))

    def _forget(self, last: int) -> None:
        """Everybody has heard what comes before the number C{last}."""
        count = last - self._first
        if count <= 0:
            return
        for post in self._log[:count]:
            if not post.stale:
                self._bytes -= len(post.event)
            if self._last.get(post.topic) is post:
                del self._last[post.topic]
        del self._log[:count]
        self._first = last
        self._due.clear()


__all__ = ["MAX_LOG", "TOOL_EVENTS", "Audience", "Fanout"]
