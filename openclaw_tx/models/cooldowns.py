# -*- test-case-name: tests.models.test_cooldowns -*-
"""How long a provider's key rests after it failed (spec 6.4). Pure: whoever asks says what time it is.

A key that was refused, is out of quota or does not answer is left alone for 1, 5, 25, then 60 minutes; one whose bill
is not paid for 5, 10, 20, then 24 hours. A server that is down is left alone for a minute, with whatever key: that is
not the key's fault. Resting is for when there is something else to call; when there is not, L{forced_at} says from
when on the key is used all the same.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec.structs import replace

from openclaw_tx.values.value import Value

Reason = Literal["", "auth", "billing", "rate_limit", "timeout", "server"]

FIRST_S = 60.0
FACTOR = 5
LONGEST_S = 3600.0
SERVER_S = 60.0
"""A server that comes back should be noticed soon, so this does not grow."""

REFUSED_S = 60.0
"""A refused key that is all there is gets asked again after this: who has paid or mended it should not wait hours."""

MAX_ASKED_S = 3600.0
"""Longest C{Retry-After} that is obeyed."""


class Limits(NamedTuple):
    """C{auth.cooldowns} in seconds."""

    billing_s: float = 5 * 3600.0
    billing_max_s: float = 24 * 3600.0
    window_s: float = 24 * 3600.0
    """After so long without a failure the counts begin anew."""


class Standing(Value, frozen=True):
    """What is known of a key. Times are epoch milliseconds, 0 = never; names are those of C{usageStats}."""

    last_used: int = 0
    error_count: int = 0
    """Failures in a row, bills apart, those during a cooldown not counted."""
    failure_counts: dict[str, int] = {}
    """Reason -> how often."""
    last_failure_at: int = 0
    cooldown_until: int = 0
    disabled_until: int = 0
    disabled_reason: str = ""
    reason: Reason = ""
    """Of the last failure."""
    model: str = ""
    """The only model that the last failure speaks of; "" = it is about the key."""
    asked_until: int = 0
    """Until when the provider asked to be left alone."""
    doubted: bool = False
    """A request was forbidden without a word on the key, and no other was answered since."""


def failed(
    before: Standing, reason: Reason, now: int, limits: Limits, retry_after: float | None = None, model: str = ""
) -> Standing:
    """After a failure. One during a cooldown counts no further: runs that were under way together fail together.

    @param now: epoch milliseconds.
    @param retry_after: seconds the provider asked for; the least cooldown.
    @param model: see L{Standing.model}.
    """
    fresh = now - before.last_failure_at > limits.window_s * 1000
    counts = {} if fresh else before.failure_counts
    asked = now + _ms(min(max(retry_after or 0.0, 0.0), MAX_ASKED_S))
    after = replace(
        before,
        last_failure_at=now,
        failure_counts={**counts, reason: counts.get(reason, 0) + 1},
        error_count=0 if fresh else before.error_count,
        reason=reason,
        model=model,
        asked_until=asked if retry_after else 0,
    )
    if reason == "billing":
        if now < before.disabled_until:
            return replace(after, failure_counts=counts)
        pause = _growing(limits.billing_s, 2, after.failure_counts[reason], limits.billing_max_s)
        return replace(after, disabled_until=now + _ms(pause), disabled_reason=reason)
    until = max(before.cooldown_until, asked)
    if reason == "server":
        return replace(after, cooldown_until=max(until, now + _ms(SERVER_S)))
    if now < before.cooldown_until:
        return replace(after, failure_counts=counts, cooldown_until=until)
    number = after.error_count + 1
    pause = _growing(FIRST_S, FACTOR, number, LONGEST_S)
    return replace(after, error_count=number, cooldown_until=max(until, now + _ms(pause)))


def succeeded(before: Standing, since: int) -> Standing:
    """After an answer to a call that began at C{since}: all is forgiven, unless the key has failed in the meantime."""
    if before.last_failure_at > since:
        return before
    return Standing(last_used=before.last_used)


def ready_at(standing: Standing) -> int:
    """When it has rested; in epoch milliseconds."""
    return max(standing.cooldown_until, standing.disabled_until)


def forced_at(standing: Standing, model: str) -> int:
    """When it may be used for lack of anything better, for C{model}; in epoch milliseconds, never after L{ready_at}.

    What the provider asked for holds. A refused key is left alone for a minute.
    """
    if standing.model not in ("", model):
        return 0
    at = standing.asked_until
    if standing.reason in ("auth", "billing"):
        at = max(at, standing.last_failure_at + _ms(REFUSED_S))
    return min(at, ready_at(standing))


def _growing(first_s: float, factor: int, number: int, longest_s: float) -> float:
    return min(float(longest_s), first_s * float(factor) ** min(number - 1, 20))


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


__all__ = ["Limits", "Reason", "Standing", "failed", "forced_at", "ready_at", "succeeded"]
