# -*- test-case-name: tests.sessions.test_tallies -*-
"""What happened in sessions, read off their transcripts: what jobs of the writer thread do.

Transcripts only grow, so what was counted is remembered, and each time just the messages that came since are read.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from openclaw_tx.sessions.worker import Connection
from openclaw_tx.values import (
    QUARTER_MS,
    SessionQuarter,
    SessionTally,
    Tallies,
    Usage,
    one_call,
    wait_step,
)

MAX_KEPT = 32 * 1024 * 1024
"""Bytes of counts that are remembered; those of the sessions that were asked for the longest time ago go first."""

KEPT_BESIDE = 160
"""Bytes that remembering a quarter takes besides its counts, about, and a message that waits for one."""

MAX_ROWS = 2000
"""Messages that one job reads of a session at most."""

MAX_TOOLS = 100
"""Names of tools that are told apart in a quarter: models make names up. What is beyond counts as L{OTHER}."""

MAX_NAME = 128
"""Characters of such a name."""

OTHER = "other"

LONGEST_WAIT_MS = 12 * 3600 * 1000
"""An answer that came later than this was not waited for."""

CUT_OFF = frozenset({"error", "aborted", "interrupted"})
"""Reasons to stop that are errors."""


class _Call(msgspec.Struct):
    name: str


class _User(msgspec.Struct, tag="user"):
    timestamp_ms: int = 0


class _Answer(msgspec.Struct, tag="assistant"):
    tool_calls: tuple[_Call, ...] = ()
    stop_reason: str = "stop"
    provider: str = ""
    model: str = ""
    usage: Usage = Usage()
    timestamp_ms: int = 0


class _Result(msgspec.Struct, tag="toolResult"):
    is_error: bool = False
    timestamp_ms: int = 0


class _Mark(msgspec.Struct, tag="compaction"):
    timestamp_ms: int = 0


_Counted = _User | _Answer | _Result | _Mark
# The few fields of a message that count: whatever else it holds, be it images, is passed over unread.
_message: msgspec.json.Decoder[_Counted] = msgspec.json.Decoder(_Counted)
_encoder = msgspec.msgpack.Encoder()
_quarter = msgspec.msgpack.Decoder(SessionQuarter)


class _Open:
    """A quarter that is being counted."""

    def __init__(self, quarter: SessionQuarter) -> None:
        self.number = quarter.number
        self.first_ms, self.last_ms = quarter.first_ms, quarter.last_ms
        self.user, self.assistant = quarter.user, quarter.assistant
        self.tool_results, self.errors = quarter.tool_results, quarter.errors
        self.tools = dict(quarter.tools)
        self.models = {(each.provider, each.model): each for each in quarter.models}
        self.waits = dict(quarter.waits)
        self.wait_ms, self.shortest_ms, self.longest_ms = quarter.wait_ms, quarter.shortest_ms, quarter.longest_ms

    def add(self, message: _Counted, at_ms: int, waited_ms: int | None) -> None:
        """Count a message.

        @param waited_ms: since somebody spoke; None = it is no answer to anybody.
        """
        self.first_ms, self.last_ms = min(self.first_ms, at_ms), max(self.last_ms, at_ms)
        if type(message) is _User:
            self.user += 1
        elif type(message) is _Result:
            self.tool_results += 1
            self.errors += message.is_error
        elif type(message) is _Answer:
            self.assistant += 1
            self.errors += message.stop_reason in CUT_OFF
            for tool in message.tool_calls:
                name = tool.name[:MAX_NAME]
                name = name if name in self.tools or len(self.tools) < MAX_TOOLS else OTHER
                self.tools[name] = self.tools.get(name, 0) + 1
            call = one_call(message.provider, message.model, message.usage)
            if call is not None:
                known = self.models.get((call.provider, call.model))
                self.models[call.provider, call.model] = known.plus(call) if known is not None else call
            if waited_ms is not None:
                self._wait(waited_ms)

    def _wait(self, ms: int) -> None:
        self.shortest_ms = min(self.shortest_ms, ms) if self.waits else ms
        self.longest_ms = max(self.longest_ms, ms)
        self.wait_ms += ms
        step = wait_step(ms)
        self.waits[step] = self.waits.get(step, 0) + 1

    def closed(self) -> SessionQuarter:
        """What was counted."""
        return SessionQuarter(
            number=self.number,
            first_ms=self.first_ms,
            last_ms=self.last_ms,
            user=self.user,
            assistant=self.assistant,
            tool_results=self.tool_results,
            errors=self.errors,
            tools=self.tools,
            models=tuple(self.models.values()),
            waits=self.waits,
            wait_ms=self.wait_ms,
            shortest_ms=self.shortest_ms,
            longest_ms=self.longest_ms,
        )


class _Known:
    """What was counted of a session. A message without a time is taken to have come with the next one that has one."""

    def __init__(self) -> None:
        self.position = 0
        self.size = KEPT_BESIDE
        self._asked_ms = 0
        self._untimed: list[_Counted] = []
        self._quarters: dict[int, bytes] = {}

    def add(self, bodies: Sequence[str]) -> None:
        """Count the messages that come next."""
        open_quarters: dict[int, _Open] = {}
        for body in bodies:
            self.position += 1
            try:
                message = _message.decode(body)
            except msgspec.MsgspecError:
                continue  # Whoever reads the transcript is told of it.
            if message.timestamp_ms:
                for untimed in (*self._untimed, message):
                    self._count(untimed, message.timestamp_ms, open_quarters)
                self.size -= KEPT_BESIDE * len(self._untimed)
                self._untimed.clear()
            elif len(self._untimed) < MAX_ROWS:
                self._untimed.append(message)
                self.size += KEPT_BESIDE
        for number, each in open_quarters.items():
            self.size -= len(self._quarters[number]) + KEPT_BESIDE if number in self._quarters else 0
            self._quarters[number] = _encoder.encode(each.closed())
            self.size += len(self._quarters[number]) + KEPT_BESIDE

    def _count(self, message: _Counted, at_ms: int, open_quarters: dict[int, _Open]) -> None:
        waited = -1
        if type(message) is _User:
            self._asked_ms = message.timestamp_ms
        elif type(message) is _Answer and message.timestamp_ms and self._asked_ms:
            waited = at_ms - self._asked_ms
        number = at_ms // QUARTER_MS
        if number not in open_quarters:
            open_quarters[number] = _Open(self._quarter(number, at_ms))
        open_quarters[number].add(message, at_ms, waited if 0 <= waited <= LONGEST_WAIT_MS else None)

    def _quarter(self, number: int, at_ms: int) -> SessionQuarter:
        known = self._quarters.get(number)
        return _quarter.decode(known) if known else SessionQuarter(number=number, first_ms=at_ms, last_ms=at_ms)

    def between(self, first: int, end: int) -> tuple[SessionQuarter, ...]:
        """The quarters from C{first} to before C{end}, in order."""
        return tuple(_quarter.decode(self._quarters[each]) for each in sorted(self._quarters) if first <= each < end)


class Tallying:
    """Counts, and remembers. Used by the writer thread only."""

    def __init__(self, max_kept: int = MAX_KEPT) -> None:
        self._max_kept = max_kept
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._size = 0

    def some(
        self, connection: Connection, session_ids: Sequence[str], first: int, end: int, max_bytes: int, last: bool
    ) -> Tallies:
        """Read on in sessions, one after the other, until about C{max_bytes} were read: those that are given back.

        @param first: from this quarter on, C{end}: to before this one.
        @param last: nothing will be read any more: those that were not read to their end are given back, too, with
            what is known of them.
        """
        found: list[SessionTally] = []
        read = 0
        for session_id in session_ids:
            known = self._known.pop(session_id, None)
            self._size -= known.size if known is not None else 0
            known, size, whole = self._read_on(connection, session_id, known or _Known(), max_bytes - read)
            read += size
            self._known[session_id] = known
            self._size += known.size
            if not whole and not last:
                break
            found.append(SessionTally(session_id=session_id, quarters=known.between(first, end), whole=whole))
        while self._size > self._max_kept and self._known:
            self._size -= self._known.popitem(last=False)[1].size
        return Tallies(tallies=tuple(found), read_bytes=read)

    def _read_on(
        self, connection: Connection, session_id: str, known: _Known, max_bytes: int
    ) -> tuple[_Known, int, bool]:
        """
        @return: what is known then, how much was read for it, and whether that was all.
        """
        # The last message that was counted is looked at again: where it is no more, the session is another one.
        again = 1 if known.position else 0
        rows = connection.run(
            connection.statements.messages_from,
            the_session=session_id,
            the_position=known.position - again,
            the_limit=again + (MAX_ROWS if max_bytes > 0 else 1),
        )
        if again and rows.fetchone() is None:
            return self._read_on(connection, session_id, _Known(), max_bytes)
        bodies: list[str] = []
        size = 0
        whole = True
        for number, (body,) in enumerate(rows, 1):
            if size >= max_bytes:
                whole = False
                break
            size += len(body)
            bodies.append(body)
            whole = number < MAX_ROWS
        known.add(bodies)
        return known, size, whole


__all__ = ["MAX_KEPT", "Tallying"]
