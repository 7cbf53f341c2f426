# -*- test-case-name: tests.auth.test_quotas -*-
"""How much a key may ask for: requests and tokens in a minute, runs at a time (asks.md 14).

Requests and tokens are token buckets: a minute's worth is there at once and comes back evenly. Tokens are counted when
they have been used, so that the bucket may go below zero; until it has come back the next request waits. On average no
key gets more than its limit. Limits are those of the moment; the shared secret has none. There is an entry for each key
of the configuration at most, and no timer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.config.schema_gateway import Key
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Principal

MINUTE = 60.0
PATIENCE = 60.0
"""Seconds that OpenAI's clients are willing to wait by themselves; a longer wait is not for them to retry."""
BUSY_SECONDS = 1.0
"""When to ask again while all of a key's runs are at work."""
SWEEP_AT = 1_000
"""Entries from which on those of keys without limits are looked for."""


class Level(NamedTuple):
    """How a limit stands."""

    limit: int
    remaining: int
    reset: float
    """Seconds until all of it is there again."""


class _Bucket:
    """Holds up to a minute's worth."""

    __slots__ = ("_at", "_used")

    def __init__(self) -> None:
        self._used = 0.0
        self._at = 0.0

    def level(self, limit: int, now: float) -> Level:
        """What is left of C{limit} a minute."""
        self._flow(limit, now)
        # A millionth is rounding, not a request.
        return Level(limit, max(0, math.floor(limit - self._used + 1e-6)), self._used * MINUTE / limit)

    def wait(self, limit: int, now: float) -> float:
        """Seconds until there is one; 0 = there is."""
        self._flow(limit, now)
        missing = self._used + 1 - limit
        return missing * MINUTE / limit if missing > 1e-6 else 0.0

    def take(self, amount: float) -> None:
        """Take it, there or not."""
        self._used += amount

    def _flow(self, limit: int, now: float) -> None:
        self._used = max(0.0, self._used - max(0.0, now - self._at) * limit / MINUTE)
        self._at = now


class _Account:
    """What one key has used."""

    __slots__ = ("live", "requests", "tokens")

    def __init__(self) -> None:
        self.requests = _Bucket()
        self.tokens = _Bucket()
        self.live = 0


class Quotas:
    """Implements L{openclaw_tx.interfaces.Meter}."""

    def __init__(self, clock: IReactorTime, limits: Callable[[Principal], Key | None]) -> None:
        """
        @param limits: the key of a principal as it is configured now; None = it has no limits.
        """
        self._clock = clock
        self._limits = limits
        self._accounts: dict[str, _Account] = {}

    def __len__(self) -> int:
        """Keys that are counted."""
        return len(self._accounts)

    def request(self, principal: Principal) -> None:
        """See L{openclaw_tx.interfaces.Meter.request}."""
        key = self._limits(principal)
        if key is None or (key.rpm is None and key.tpm is None):
            return
        now = self._clock.seconds()
        account = self._account(principal)
        wait, unit, limit = 0.0, "", 0
        if key.rpm is not None:
            wait, unit, limit = account.requests.wait(key.rpm, now), "requests", key.rpm
        if key.tpm is not None and wait == 0:
            # One token of room is enough to begin: what it will take is not known.
            wait, unit, limit = account.tokens.wait(key.tpm, now), "tokens", key.tpm
        if wait > 0:
            text = f"on {unit} per minute: limit {limit}. Please try again in {duration(wait)}."
            raise _too_much(key, text, wait, unit)
        if key.rpm is not None:
            account.requests.take(1)

    def enter(self, principal: Principal) -> None:
        """See L{openclaw_tx.interfaces.Meter.enter}."""
        key = self._limits(principal)
        if key is None:
            return
        account = self._account(principal)
        if key.concurrency is not None and account.live >= key.concurrency:
            text = f"on concurrent runs: limit {key.concurrency}. Please try again when one has ended."
            raise _too_much(key, text, BUSY_SECONDS, "concurrency")
        account.live += 1

    def leave(self, principal: Principal, tokens: int) -> None:
        """See L{openclaw_tx.interfaces.Meter.leave}."""
        account = self._accounts.get(principal.id)
        if account is not None and account.live:
            account.live -= 1
        self.spend(principal, tokens)

    def spend(self, principal: Principal, tokens: int) -> None:
        """See L{openclaw_tx.interfaces.Meter.spend}."""
        key = self._limits(principal)
        if key is not None and key.tpm is not None and tokens > 0:
            bucket = self._account(principal).tokens
            bucket.level(key.tpm, self._clock.seconds())
            bucket.take(tokens)

    def headers(self, principal: Principal) -> Mapping[str, str]:
        """See L{openclaw_tx.interfaces.Meter.headers}."""
        key = self._limits(principal)
        if key is None:
            return {}
        now = self._clock.seconds()
        account = self._account(principal)
        found: dict[str, str] = {}
        for unit, limit, bucket in (
            ("requests", key.rpm, account.requests),
            ("tokens", key.tpm, account.tokens),
        ):
            if limit is not None:
                level = bucket.level(limit, now)
                found[f"x-ratelimit-limit-{unit}"] = str(level.limit)
                found[f"x-ratelimit-remaining-{unit}"] = str(level.remaining)
                found[f"x-ratelimit-reset-{unit}"] = duration(level.reset)
        return found

    def _account(self, principal: Principal) -> _Account:
        account = self._accounts.get(principal.id)
        if account is None:
            if len(self._accounts) >= SWEEP_AT:
                self._sweep()
            account = self._accounts[principal.id] = _Account()
        return account

    def _sweep(self) -> None:
        """Drop the accounts of keys that are no more; a configuration holds a thousand."""
        self._accounts = {
            name: account
            for name, account in self._accounts.items()
            if account.live or self._limits(Principal(id=name, method="key", scopes=frozenset())) is not None
        }


def duration(seconds: float) -> str:
    """A time in the form of OpenAI's headers: C{120ms}, C{1s}, C{6m0s}, C{1h0m0s}; never less than it is."""
    if seconds <= 0:
        return "0s"
    millis = math.ceil(round(seconds * 1000, 3))
    if millis < 1000:
        return f"{millis}ms"
    whole = math.ceil(millis / 1000)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _too_much(key: Key, text: str, wait: float, unit: str) -> GatewayError:
    return GatewayError(
        "rate_limit_exceeded",
        f"Rate limit reached for key {key.label} {text}",
        retry_after=wait,
        should_retry=wait <= PATIENCE,
        details={"code": "KEY_RATE_LIMITED", "limit": unit},
    )


__all__ = ["Level", "Quotas", "duration"]
