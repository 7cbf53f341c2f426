# -*- test-case-name: tests.models.test_retry -*-
"""Trying the same model again before anything of its answer was handed on (spec 6.5, D25)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime

from openclaw_tx.deferreds import sleep
from openclaw_tx.errors import GatewayError
from openclaw_tx.models.failures import RETRY_CODES

T = TypeVar("T")


class RetryPolicy(NamedTuple):
    """How often and how long to wait."""

    attempts: int = 3
    base_s: float = 1.0
    factor: float = 2.0
    cap_s: float = 30.0
    jitter: float = 0.1
    """Waits vary by this share up or down."""

    def wait(self, attempt: int, error: GatewayError, random: float) -> float | None:
        """Seconds to wait after a failed attempt; None = do not try again.

        @param attempt: which attempt failed, from 1.
        @param random: a number in [0, 1).
        """
        if attempt >= self.attempts or error.info.code not in RETRY_CODES:
            return None
        asked = error.info.retry_after or 0.0
        if asked > self.cap_s:
            return None
        wait = self.base_s * self.factor ** (attempt - 1) * (1 + self.jitter * (2 * random - 1))
        return max(asked, min(wait, self.cap_s))


async def retrying(
    attempt: Callable[[], Awaitable[T]],
    may_retry: Callable[[GatewayError], bool],
    *,
    policy: RetryPolicy,
    clock: IReactorTime,
    random: Callable[[], float],
    told: Callable[[str], None] = lambda outcome: None,
) -> T:
    """The result of the first attempt that succeeds.

    @param may_retry: False once something was handed on, or when there is something better to do after such a
        failure than to wait.
    @param random: numbers in [0, 1), e.g. L{random.random}.
    @param told: hears how every attempt came out: C{ok}, C{cancelled} or the code of its error.
    @raise GatewayError: the last attempt's error. Cancelling ends the wait and everything.
    """
    number = 1
    while True:
        outcome = "internal_error"
        try:
            result = await attempt()
            outcome = "ok"
            return result
        except CancelledError:
            outcome = "cancelled"
            raise
        except GatewayError as error:
            outcome = error.info.code
            wait = policy.wait(number, error, random()) if may_retry(error) else None
            if wait is None:
                raise
        finally:
            told(outcome)
        await sleep(clock, wait)
        number += 1


__all__ = ["RetryPolicy", "retrying"]
