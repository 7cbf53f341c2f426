"""Who is asking, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from openclaw_tx.values import Credentials, Principal, Target


class Peer(Protocol):
    """The other end of a request or WebSocket upgrade, as far as authentication needs it."""

    @property
    def address(self) -> str:
        """IP address of the transport's peer; "" when it has none (a UNIX socket, a test)."""

    def header(self, name: str) -> str | None:
        """First value of a header, trimmed; names are case-insensitive. Repeated lines of C{X-Forwarded-For} are
        one list (RFC 9110 5.3): joined by commas in their order."""


@runtime_checkable
class WholePeer(Protocol):
    """A L{Peer} that can be described to another process."""

    @property
    def address(self) -> str: ...

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Every header once, its name in lower case, with what L{Peer.header} gives; but not what credentials are
        in."""


class Authenticator(Protocol):
    """Who is asking, from credentials and peer; secrets are resolved at each call."""

    async def authenticate(self, credentials: Credentials, peer: Peer) -> Principal:
        """
        @raise GatewayError: C{invalid_api_key} (after the limiter's delay), C{rate_limit_exceeded} with
            C{retry_after}, C{proxy_attribution_required}. C{details["code"]} is the WebSocket detail code
            (spec 2.2 item 7).
        """

    def is_valid(self, principal: Principal) -> bool:
        """False once the credential behind C{principal} was rotated or revoked."""

    def check_origin(self, peer: Peer) -> None:
        """Refuse a browser's upgrade from a foreign page (spec 9.3); no Origin header passes.

        @raise GatewayError: C{origin_not_allowed}, C{proxy_attribution_required}.
        """

    def is_local_direct(self, peer: Peer) -> bool:
        """True for a client on this machine that came without a proxy (spec 9.2): what D12's scope rule asks."""


class Authoriser(Protocol):
    """Decides for both surfaces, by action name."""

    def __call__(self, principal: Principal, action: str, target: Target = ...) -> None:
        """
        @raise GatewayError: C{insufficient_scope}.
        @raise KeyError: the action is not in the table: a programming error.
        """


class Meter(Protocol):
    """Counts what principals ask for against their limits; those without limits pass at no cost."""

    def request(self, principal: Principal) -> None:
        """Count a request, before it is worked on.

        @raise GatewayError: C{rate_limit_exceeded} with C{retry_after}: too many, or too many tokens used.
        """

    def enter(self, principal: Principal) -> None:
        """Count a run that is about to start; L{leave} must follow.

        @raise GatewayError: C{rate_limit_exceeded}: too many at a time.
        """

    def leave(self, principal: Principal, tokens: int) -> None:
        """A run has ended, having used so many tokens."""

    def spend(self, principal: Principal, tokens: int) -> None:
        """So many tokens were used outside of runs, e.g. for embeddings."""

    def headers(self, principal: Principal) -> Mapping[str, str]:
        """C{x-ratelimit-*} of the moment, in OpenAI's names and forms; empty without limits."""
