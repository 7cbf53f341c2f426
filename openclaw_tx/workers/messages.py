# -*- test-case-name: tests.workers.test_messages -*-
"""What the chief and its relays say to each other over the bus, as msgpack.

A relay speaks of its runs by their ids, and numbers its questions; the answer carries the number. The first message
on a connection to the chief's socket says what it is: L{Join} for a relay's bus, L{Visit} for a client's connection
that is handed over.
"""

from __future__ import annotations

from typing import Any

import msgspec

from openclaw_tx.errors import ErrorInfo
from openclaw_tx.tally import Measured
from openclaw_tx.values import (
    Entry,
    Principal,
    RunResult,
    RunState,
    ToolEvent,
    ToolResult,
    ToolSpec,
    Usage,
)
from openclaw_tx.values.value import Value

# -- the first one


class Join(Value, frozen=True, tag="join"):
    """A relay is here."""

    key: bytes
    """What the parent gave to both, so that nobody else joins."""
    worker: int
    pid: int


class Visit(Value, frozen=True, tag="visit"):
    """What follows is a client's connection, from the first byte of a request on."""

    key: bytes
    host: str
    """The client's address; "" = it has none."""
    port: int
    own_host: str
    """The address that it came to."""
    own_port: int
    secure: bool
    """It came over TLS."""


TAKEN = b"\x06"
"""The chief's answer to L{Visit}; what follows is for the client."""

# -- from a relay


class Ask(Value, frozen=True, tag="ask"):
    """Who is this client?"""

    number: int
    token: str | None
    password: str | None
    address: str
    headers: tuple[tuple[str, str], ...]
    """Names in lower case, with the value that counts."""


class Began(Value, frozen=True, tag="began"):
    """A run was admitted, or is still there after the bus was lost."""

    run_id: str
    agent_id: str
    session_key: str
    channel: str
    stream: bool
    traceparent: str
    principal: Principal
    queued_at_ms: int


class Told(Value, frozen=True, tag="told"):
    """Entries of a run's journal, without its end; said only while the chief listens."""

    run_id: str
    entries: tuple[Entry, ...]
    verbose: bool = False
    reasoning: str = "off"


class Ended(Value, frozen=True, tag="ended"):
    """A run has ended."""

    run_id: str
    seq: int
    """Number of its last entry."""
    ts_ms: int
    result: RunResult


class Kept(Value, frozen=True, tag="kept"):
    """Entries that are durable, for one L{Follow}; none = no more will come."""

    number: int
    entries: tuple[Entry, ...]


class State(Value, frozen=True, tag="state"):
    """The answer to L{Look}."""

    number: int
    state: RunState | None
    """None = there is no such run here."""


class Call(Value, frozen=True, tag="call"):
    """A run's tool is to be called."""

    number: int
    name: str
    arguments: dict[str, Any]
    agent_id: str
    session_key: str
    run_id: str
    model: str
    usage: Usage
    principal: Principal
    call_id: str
    channel: str


class Recall(Value, frozen=True, tag="recall"):
    """Nobody waits for a tool's call any more."""

    number: int


class Counted(Value, frozen=True, tag="counted"):
    """What this relay has counted since it began."""

    readings: dict[str, Measured]
    """By the names of L{openclaw_tx.web.metrics}."""


class Done(Value, frozen=True, tag="done"):
    """Its runs have ended; it will ask for nothing more."""


FromRelay = Join | Visit | Ask | Began | Told | Ended | Kept | State | Call | Recall | Counted | Done

# -- from the chief


class Verdict(Value, frozen=True, tag="verdict"):
    """The answer to L{Ask}: a principal, or an error, or neither, when the client is the chief's to serve."""

    number: int
    principal: Principal | None = None
    error: ErrorInfo | None = None


class Listen(Value, frozen=True, tag="listen"):
    """Somebody wants to hear of all runs, or nobody any more."""

    on: bool


class Abort(Value, frozen=True, tag="abort"):
    """End a run."""

    run_id: str
    reason: str


class Look(Value, frozen=True, tag="look"):
    """How does a run stand?"""

    number: int
    run_id: str


class Follow(Value, frozen=True, tag="follow"):
    """Make the events of a run durable, and tell those after a number."""

    number: int
    run_id: str
    after: int


class Unfollow(Value, frozen=True, tag="unfollow"):
    """Tell them no more."""

    number: int


class Reported(Value, frozen=True, tag="reported"):
    """A tool tells how far it is."""

    number: int
    event: ToolEvent


class Returned(Value, frozen=True, tag="returned"):
    """A tool's call is over: its result, or in words what its exception said."""

    number: int
    result: ToolResult | None = None
    failure: str = ""


class Offered(Value, frozen=True, tag="offered"):
    """The tools that come and go, as they are now."""

    specs: tuple[ToolSpec, ...]


FromChief = Verdict | Listen | Abort | Look | Follow | Unfollow | Reported | Returned | Offered

_encoder = msgspec.msgpack.Encoder()
_from_relay = msgspec.msgpack.Decoder(FromRelay)
_from_chief = msgspec.msgpack.Decoder(FromChief)


def encoded(message: FromRelay | FromChief) -> bytes:
    """A message in bytes.

    @raise TypeError: a tool's arguments or details hold what has no such form: objects of Python, numbers of more than
        64 bits, halves of surrogate pairs.
    """
    try:
        return _encoder.encode(message)
    except (OverflowError, UnicodeEncodeError) as error:
        raise TypeError(str(error)) from None


def relay_message(data: bytes) -> FromRelay:
    """What a relay said.

    @raise msgspec.MsgspecError: it makes no sense.
    """
    return _from_relay.decode(data)


def chief_message(data: bytes) -> FromChief:
    """What the chief said.

    @raise msgspec.MsgspecError: it makes no sense.
    """
    return _from_chief.decode(data)


__all__ = [
    "TAKEN",
    "Abort",
    "Ask",
    "Began",
    "Call",
    "Counted",
    "Done",
    "Ended",
    "Follow",
    "FromChief",
    "FromRelay",
    "Join",
    "Kept",
    "Listen",
    "Look",
    "Offered",
    "Recall",
    "Reported",
    "Returned",
    "State",
    "Told",
    "Unfollow",
    "Verdict",
    "Visit",
    "chief_message",
    "encoded",
    "relay_message",
]
