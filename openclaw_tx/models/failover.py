# -*- test-case-name: tests.models.test_failover -*-
"""From key to key and from model to model until one answers (spec 6.4).

First come the models in their order, each with the keys that are ready. A failure that another key may not share goes
to the next key before anybody waits; any other that another model may not share goes to the next model. What rests is
passed over, and called only when all else has failed: a limited provider is better than none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.deferreds import sleep
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import ModelProvider
from openclaw_tx.models.failures import FAILOVER_CODES, RETRY_CODES, ROTATE_CODES, all_failed
from openclaw_tx.models.keyring import Asker, Keyring
from openclaw_tx.models.pool import Entry
from openclaw_tx.models.profiles import Credential
from openclaw_tx.models.retry import RetryPolicy, retrying

T = TypeVar("T")


class Target(NamedTuple):
    """A model that may be called."""

    entry: Entry
    model: str

    @property
    def ref(self) -> str:
        """C{provider/model}."""
        return f"{self.entry.name}/{self.model}"


Wish = Target | tuple[str, GatewayError]
"""A model to call, or a ref and why it is none."""


class Failover:
    """What all calls have in common."""

    def __init__(
        self,
        keyring: Keyring,
        clock: IReactorTime,
        random: Callable[[], float],
        policy: RetryPolicy,
        on_call: Callable[[str, str], None],
    ) -> None:
        """
        @param random: numbers in [0, 1) that spread retries.
        @param on_call: told of every attempt: the provider, and C{ok}, C{cancelled} or the code of its error.
        """
        self.keyring = keyring
        self.clock = clock
        self.random = random
        self.policy = policy
        self.on_call = on_call

    def call(
        self,
        targets: Sequence[Wish],
        asker: Asker,
        attempt: Callable[[ModelProvider, Target], Awaitable[T]],
        untouched: Callable[[], bool] = lambda: True,
        is_final: Callable[[GatewayError], bool] = lambda error: False,
    ) -> Coroutine[Any, Any, T]:
        """The result of the first model that answers.

        @param targets: models in their order, or a ref with the reason why it is none.
        @param attempt: one attempt.
        @param untouched: False once something of an answer was handed on: then the failure is the caller's.
        @param is_final: whether the caller wants to hear of a failure rather than have another model asked.
        @raise GatewayError: that of the only model, or one for all of them.
            Cancelling ends it all.
        """
        return _Call(self, targets, asker, attempt, untouched, is_final).run()


class _Call(Generic[T]):
    """One call."""

    __slots__ = (
        "_asker",
        "_attempt",
        "_common",
        "_failures",
        "_given",
        "_is_final",
        "_keyring",
        "_passed",
        "_targets",
        "_tried",
        "_untouched",
    )

    _log = Logger()

    def __init__(
        self,
        common: Failover,
        targets: Sequence[Wish],
        asker: Asker,
        attempt: Callable[[ModelProvider, Target], Awaitable[T]],
        untouched: Callable[[], bool],
        is_final: Callable[[GatewayError], bool],
    ) -> None:
        self._common = common
        self._keyring = common.keyring
        self._given = targets
        self._targets = [target for target in targets if isinstance(target, Target)]
        self._asker = asker
        self._attempt = attempt
        self._untouched = untouched
        self._is_final = is_final
        # Without their frames, which hold this.
        self._failures: dict[str, GatewayError] = {
            target[0]: target[1] for target in targets if not isinstance(target, Target)
        }
        self._passed: list[tuple[Target, Credential]] = []
        """What rests."""
        self._tried = False

    async def run(self) -> T:
        """See L{Failover.call}."""
        for target in self._targets:
            target.entry.hold()
        try:
            for target in self._targets:
                found = await self._with_ready_keys(target)
                if found is not None:
                    return found[0]
            for target, credential in self._last_resorts():
                found = await self._after_all(target, credential)
                if found is not None:
                    return found[0]
        finally:
            for target in self._targets:
                target.entry.release()
        refs = [target[0] if not isinstance(target, Target) else target.ref for target in self._given]
        raise all_failed([(ref, self._failures[ref]) for ref in refs])

    async def _with_ready_keys(self, target: Target) -> tuple[T] | None:
        """Ask a model with one key after the other; None = with none of them, L{_failures} says why."""
        try:
            own = target.entry.own
            offered = await self._keyring.offered(own, self._asker) if target.entry.is_configured else [own]
        except GatewayError as error:
            self._failures[target.ref] = error.with_traceback(None)
            return None
        ready = [credential for credential in offered if self._is_ready(credential)]
        resting = [(target, credential) for credential in offered if credential not in ready]
        while ready:
            credential = ready.pop(0)
            if not self._is_ready(credential):  # it has failed for somebody else since
                resting.append((target, credential))
                continue
            others = partial(self._any_ready, ready)
            found = await self._ask(target, credential, others)
            if found is not None:
                return found
            if self._failures[target.ref].info.code not in ROTATE_CODES:
                return None
        self._passed += resting
        return None

    def _last_resorts(self) -> list[tuple[Target, Credential]]:
        """For each model that has one the resting key that may be used soonest; what need not wait comes first."""
        best: dict[str, tuple[int, int, Target, Credential]] = {}
        now = self._now()
        for target, credential in self._passed:
            forced = max(now, self._keyring.forced_at(credential, target.model))
            mine = (forced, self._keyring.ready_at(credential), target, credential)
            if target.ref not in best or mine[:2] < best[target.ref][:2]:
                best[target.ref] = mine
        return [(each[2], each[3]) for each in sorted(best.values(), key=lambda each: each[0])]

    async def _after_all(self, target: Target, credential: Credential) -> tuple[T] | None:
        """Use a key that rests, if that makes sense; wait for it a little, if nothing was tried so far."""
        model = target.model
        wait = (self._keyring.forced_at(credential, model) - self._now()) / 1000
        if wait > 0:
            reason = self._keyring.resting(credential, model)
            if self._tried or wait > self._common.policy.cap_s or reason.info.code not in RETRY_CODES:
                self._failures.setdefault(target.ref, reason)
                return None
            # Others wait for the same moment.
            await sleep(self._common.clock, wait * (1 + self._common.policy.jitter * self._common.random()))
        return await self._ask(target, credential, lambda: False)

    async def _ask(self, target: Target, credential: Credential, others: Callable[[], bool]) -> tuple[T] | None:
        """Ask a model with one key, again if need be.

        @param others: whether another key is ready.
        @return: its answer; None = the next one may be asked, L{_failures} says why.
        @raise GatewayError: nobody else may be asked.
        """
        self._tried = True
        since = self._keyring.taken(credential)
        try:
            lent = target.entry.lend(credential)
            try:
                result = await retrying(
                    partial(self._attempt, lent.provider, target),
                    lambda error: self._untouched() and not (error.info.code in ROTATE_CODES and others()),
                    policy=self._common.policy,
                    clock=self._common.clock,
                    random=self._common.random,
                    told=partial(self._common.on_call, target.entry.name),
                )
            finally:
                target.entry.give_back(lent)
        except GatewayError as error:
            if not self._untouched():
                raise
            self._keyring.failed(credential, error, target.model)
            if error.info.code not in FAILOVER_CODES or self._is_final(error):
                raise error from None
            self._log.info("model {ref} failed: {code}: {error}", ref=target.ref, code=error.info.code, error=error)
            self._failures[target.ref] = error.with_traceback(None)
            return None
        self._keyring.succeeded(credential, self._asker, since)
        return (result,)

    def _any_ready(self, credentials: Iterable[Credential]) -> bool:
        return any(map(self._is_ready, credentials))

    def _is_ready(self, credential: Credential) -> bool:
        return self._keyring.ready_at(credential) <= self._now()

    def _now(self) -> int:
        return int(self._common.clock.seconds() * 1000)


__all__ = ["Failover", "Target", "Wish"]
