# -*- test-case-name: tests.workers.test_together -*-
"""A relay asks the chief who its clients are: guesses at secrets are counted in one place, and locked out in one."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.methods import GatewayAuthenticator
from openclaw_tx.errors import GatewayError, NotHere
from openclaw_tx.interfaces import Peer, WholePeer
from openclaw_tx.values import Credentials, Principal
from openclaw_tx.workers.messages import Ask, FromRelay, Verdict
from openclaw_tx.workers.splice import PATIENCE


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

    async def ask(self, credentials: Credentials, peer: WholePeer) -> Principal:
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
            address=peer.address,
            headers=peer.headers(),
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
    the relay's own configuration, which is the same."""

    def __init__(self, questions: Questions, guard: GatewayAuthenticator) -> None:
        self._questions = questions
        self.is_valid = guard.is_valid
        self.check_origin = guard.check_origin
        self.is_local_direct = guard.is_local_direct

    async def authenticate(self, credentials: Credentials, peer: Peer) -> Principal:
        """See L{openclaw_tx.interfaces.Authenticator.authenticate}.

        @raise NotHere: the client is the chief's to serve.
        """
        if not isinstance(peer, WholePeer):
            raise NotHere
        return await self._questions.ask(credentials, peer)


__all__ = ["AskingAuthenticator", "Questions"]
