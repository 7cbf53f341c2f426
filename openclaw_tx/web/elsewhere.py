# -*- test-case-name: tests.web.test_elsewhere -*-
# mypy: allow-untyped-calls
"""What a process that only relays serves itself, and how it gives away all else (docs/workers.md).

What can be told by its head is given away at once, its body unread; what turns out later goes with its body
(L{openclaw_tx.errors.NotHere}). Either way not a byte was answered, and the connection stays where it was given.
"""

from __future__ import annotations

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from openclaw_tx.config.schema import Config
from openclaw_tx.web.request import BoundedRequest

HERE: frozenset[tuple[bytes, ...]] = frozenset(
    {
        (b"POST", b"v1", b"chat", b"completions"),
        (b"POST", b"v1", b"responses"),
        (b"POST", b"v1", b"embeddings"),
        (b"GET", b"v1", b"models"),
        (b"HEAD", b"v1", b"models"),
        (b"GET", b"health"),
        (b"GET", b"healthz"),
        (b"HEAD", b"health"),
        (b"HEAD", b"healthz"),
    }
)
"""Method and path of what needs nothing that is shared."""

SHARED = ("Upgrade", "X-Openclaw-Session-Key", "Idempotency-Key", "X-Openclaw-On-Disconnect")
"""Headers that name something shared: a session, or a run that is to be found again."""

RETRIED = "X-Stainless-Retry-Count"
"""The same, with C{gateway.http.joinRetries}."""


def served_here(request: Request, path: tuple[bytes, ...], config: Config) -> bool:
    """Whether a relay serves a request, as far as its head tells."""
    if (request.method, *path) not in HERE:
        return False
    headers = request.requestHeaders
    return not any(map(headers.hasHeader, SHARED)) and not (
        config.gateway.http.join_retries and headers.hasHeader(RETRIED)
    )


class HandOver(Resource):
    """Gives a request away as soon as its head is here."""

    isLeaf = True
    renders_early = True

    def render(self, request: Request) -> int:
        """Twisted's hook."""
        assert isinstance(request, BoundedRequest)
        request.give_away()
        return NOT_DONE_YET


__all__ = ["HERE", "HandOver", "served_here"]
