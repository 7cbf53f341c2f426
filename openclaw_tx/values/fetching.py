"""What is fetched from elsewhere, and within which limits."""

from __future__ import annotations

from openclaw_tx.values.value import Value


class FetchLimits(Value, frozen=True):
    """How far a fetch may go. Private addresses are out of bounds whatever these say."""

    max_bytes: int = 10 * 1024 * 1024
    """Largest body."""
    max_redirects: int = 3
    timeout_s: float = 10.0
    """For all of it: names, connections, redirects, body."""
    hosts: tuple[str, ...] = ()
    """Host names allowed, exact or C{*.suffix} (which is not the suffix itself); empty = every public host."""
    cut: bool = False
    """Take the beginning of a larger body, instead of failing."""


class Fetched(Value, frozen=True):
    """What came."""

    url: str
    """Where it came from in the end."""
    status: int
    content_type: str
    """As the server says, without parameters, in lower case; "" when it does not."""
    body: bytes
    charset: str = ""
    """As the server says, in lower case; "" when it does not."""
    cut: bool = False
    """There was more than L{FetchLimits.max_bytes}."""
