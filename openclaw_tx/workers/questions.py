# -*- test-case-name: tests.workers.test_together -*-
"""A relay asks the chief who its clients are: guesses at secrets are counted in one place, and locked out in one."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.methods import GatewayAuthenticator
from openclaw_tx.errors import GatewayError, NotHere
from openclaw_tx.interfaces import Peer, WholePeer
from openclaw_tx.values import Credentials, Principal
from openclaw_tx.workers.messages import Ask, FromRelay, Verdict
from openclaw_tx.workers.splice import PATIENCE

TRUST_SECONDS = 1.0
"""How long a right secret is taken for right without another question."""

MAX_KNOWN = 1000
"""Clients that are remembered so; the oldest are forgotten first."""

SECRETS = ("token", "password", "key")
"""Methods of principals that a secret vouches for, and not what a proxy says in headers of the operator's choice."""

OF_NO_MATTER = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "traceparent",
        "tracestate",
        "user-agent",
        "x-request-id",
    }
)
"""Headers that authentication by a secret does not look at; of all others it may."""


class Questions:
    """What was asked and is not answered."""

    def __init__(self, say: Callable[[FromRelay], None], clock: IReactorTime) -> None:
        """
        @param say: tells the chief, if it is there.
        """
        self._say = say
        self._clock = clock
        self._asked: dict[int, tuple[Ask, Deferred[Verdict]]] = {}
        self._next = 0

    async def ask(self, credentials: Credentials, address: str, headers: tuple[tuple[str, str], ...]) -> Principal:
        """The principal.

        @raise NotHere: the client is the chief's to serve.
        @raise GatewayError: what the chief refuses with; C{gateway_draining}: there is no chief.
        """
        self._next += 1
        number = self._next
        asked = Ask(
            number=number,
            token=credentials.token,
            password=credentials.password,
            address=address,
            headers=headers,
        )
        waiting: Deferred[Verdict] = Deferred()
        self._asked[number] = asked, waiting
        timer = self._clock.callLater(PATIENCE, self._late, number)
        try:
            self._say(asked)
            verdict = await waiting
        finally:
            self._asked.pop(number, None)
            if timer.active():
                timer.cancel()
        if verdict.error is not None:
            raise GatewayError.from_info(verdict.error)
        if verdict.principal is None:
            raise NotHere
        return verdict.principal

    def answered(self, verdict: Verdict) -> None:
        """The chief has said it."""
        self._settle(verdict)

    def again(self) -> None:
        """Another chief is there: it was not asked any of this."""
        for asked, _ in list(self._asked.values()):
            self._say(asked)

    def close(self) -> None:
        """Nobody will answer any more."""
        for number in list(self._asked):
            self._late(number)

    def _late(self, number: int) -> None:
        gone = GatewayError("gateway_draining", "The gateway is being restarted.", retry_after=1)
        self._settle(Verdict(number=number, error=gone.info))

    def _settle(self, verdict: Verdict) -> None:
        _, waiting = self._asked.pop(verdict.number, (None, None))
        if waiting is not None and not waiting.called:
            waiting.callback(verdict)


class AskingAuthenticator:
    """Implements L{openclaw_tx.interfaces.Authenticator} in a relay. What was found out stays valid, or does not, by
    the relay's own configuration, which is the same.

    A right secret is not asked about again for L{TRUST_SECONDS} when it comes from the same address, with nothing about
    the request that matters being another. That gives guessers nothing: each new secret is the chief's to judge.
    """

    def __init__(self, questions: Questions, guard: GatewayAuthenticator, clock: IReactorTime) -> None:
        self._questions = questions
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()
        self.is_valid = guard.is_valid
        self.check_origin = guard.check_origin
        self.is_local_direct = guard.is_local_direct

    async def authenticate(self, credentials: Credentials, peer: Peer) -> Principal:
        """See L{openclaw_tx.interfaces.Authenticator.authenticate}.

        @raise NotHere: the client is the chief's to serve.
        """
        if not isinstance(peer, WholePeer):
            raise NotHere
        headers = peer.headers()
        asked = _digest(credentials, peer.address, [each for each in headers if each[0] not in OF_NO_MATTER])
        principal, until = self._known.get(asked, (None, 0.0))
        if principal is not None and self._clock.seconds() < until and self.is_valid(principal):
            return principal
        principal = await self._questions.ask(credentials, peer.address, headers)
        if principal.method in SECRETS:
            self._known.pop(asked, None)
            self._known[asked] = principal, self._clock.seconds() + TRUST_SECONDS
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return principal


def _digest(credentials: Credentials, address: str, headers: list[tuple[str, str]]) -> bytes:
    """Stands for what was asked, without the secret."""
    said = (credentials.token, credentials.password, address, headers)
    return hashlib.sha256(msgspec.msgpack.encode(said)).digest()


__all__ = ["AskingAuthenticator", "Questions"]
