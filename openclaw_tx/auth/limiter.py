# -*- test-case-name: tests.auth.test_limiter -*-
"""Slow down and lock out whoever guesses secrets (spec 9.4).

A wrong secret counts against the client's address. So many of them within a sliding window lock the address out, for
right secrets too: an answer that differs would tell the guesser. Programs on this machine are not locked out but
answered late, so that a mistyped token never shuts the owner out; browsers are never exempt, since any page can reach
loopback. The table is bounded; entries are dropped in passing, without a timer each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_network
from typing import NamedTuple

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.failures import rate_limited
from openclaw_tx.auth.peers import Client, parse_address
from openclaw_tx.config.schema_gateway import RateLimit
from openclaw_tx.deferreds import sleep

MAX_ENTRIES = 10_000
"""Addresses remembered. When the table is full, all addresses not in it share one count and one lockout."""
MAX_PENDING = 64
"""Late answers outstanding for one exempt subject; beyond it attempts are refused at once, unread."""
FIRST_DELAY = 0.25
LONGEST_DELAY = 5.0
"""Seconds an exempt client waits for its first refusal, doubling up to the longest."""
SWEEP_SECONDS = 60.0
"""Pause between two looks for entries that have run out."""
FULL_SWEEP_SECONDS = 1.0
"""The same while the table is full."""
MAX_SUBJECT = 256
"""Characters of a subject that are told apart."""


class Attempt(NamedTuple):
    """Whom an attempt counts against."""

    scope: str
    """Kind of credential, e.g. C{shared-secret}: kinds count apart."""
    subject: str
    """Address, IPv6 network or browser origin."""
    exempt: bool = False
    """Slowed down instead of locked out."""


def attempt_of(scope: str, client: Client, origin: str | None, browser: bool, limits: RateLimit) -> Attempt:
    """Whom an attempt of C{client} counts against.

    IPv6 clients count by /64, the smallest network an end site owns: one host has 2**64 addresses to burn.

    @param origin: the C{Origin} header, None without one.
    @param browser: a web page is behind the request, whether or not it sent an origin.
    """
    if client.loopback and origin is not None:
        return Attempt(scope, f"origin:{origin.strip().lower()[:MAX_SUBJECT]}")
    if client.local and not browser and limits.exempt_loopback:
        return Attempt(scope, "loopback", exempt=True)
    address = parse_address(client.address)
    if isinstance(address, IPv6Address):
        return Attempt(scope, str(ip_network((address, 64), strict=False)))
    return Attempt(scope, client.address or "unknown")


class _Entry:
    """What is known of one subject."""

    __slots__ = ("failures", "last", "locked_until", "releases", "streak")

    def __init__(self) -> None:
        self.failures: deque[float] = deque()
        """Times of the failures in the window, at most C{maxAttempts}; not kept for exempt subjects."""
        self.streak = 0
        """Failures of an exempt subject without a success or a quiet window in between."""
        self.last = 0.0
        self.locked_until = 0.0
        self.releases: list[float] = []
        """When each late answer is due; it holds its place until then, even when the client has gone."""

    def over(self, now: float, window: float) -> bool:
        """Nothing of it matters any more."""
        return now >= max(self.locked_until, self.last + window, *self.releases)


class FailureLimiter:
    """Counts wrong secrets. A missing secret is not counted: it guesses nothing.

    @ivar lockouts: how often somebody was locked out so far.
    """

    def __init__(self, clock: IReactorTime, limits: Callable[[], RateLimit]) -> None:
        """
        @param limits: C{gateway.auth.rateLimit} of the moment.
        """
        self._clock = clock
        self._limits = limits
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._overflow = _Entry()
        self.lockouts = 0
        self._next_sweep = 0.0

    def __len__(self) -> int:
        """Subjects remembered."""
        return len(self._entries)

    def check(self, attempt: Attempt) -> None:
        """To be asked before a secret is looked at, or even missed.

        @raise GatewayError: C{rate_limit_exceeded}: locked out, or too many late answers outstanding.
        """
        entry = self._entries.get(attempt[:2])
        if entry is None:
            if len(self._entries) < MAX_ENTRIES:
                return
            entry = self._overflow
        now = self._clock.seconds()
        if not attempt.exempt:
            if now < entry.locked_until:
                raise rate_limited(entry.locked_until - now)
            return
        entry.releases = [due for due in entry.releases if due > now]
        if len(entry.releases) >= MAX_PENDING:
            raise rate_limited(min(entry.releases) - now)

    async def failed(self, attempt: Attempt) -> None:
        """Count a wrong secret. For an exempt subject, return only when its refusal is due.

        Cancelling the wait (the client left) does not give its place back.
        """
        limits = self._limits()
        window = limits.window_ms / 1000
        now = self._clock.seconds()
        entry = self._entry(attempt, now, window)
        if attempt.exempt:
            entry.streak = 1 if now >= entry.last + window else entry.streak + 1
            entry.last = now
            # The exponent is capped: 2**streak of a patient guesser would be a number without end.
            delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(entry.streak - 1, 10))
            entry.releases.append(now + delay)
            await sleep(self._clock, delay)
            return
        entry.last = now
        while entry.failures and entry.failures[0] <= now - window:
            entry.failures.popleft()
        entry.failures.append(now)
        if len(entry.failures) >= limits.max_attempts:
            entry.failures.clear()
            entry.locked_until = now + limits.lockout_ms / 1000
            self.lockouts += 1

    def succeeded(self, attempt: Attempt) -> None:
        """Forget the failures of a subject that knew the secret. Others behind the shared overflow stay counted."""
        entry = self._entries.get(attempt[:2])
        if entry is None:
            return
        if attempt.exempt and entry.releases:
            entry.streak = 0  # answers still due keep their places
        else:
            del self._entries[attempt[:2]]

    def _entry(self, attempt: Attempt, now: float, window: float) -> _Entry:
        """The entry to count in: the subject's own, or the shared one when there is no room for it."""
        if now >= self._next_sweep:
            self._entries = {key: entry for key, entry in self._entries.items() if not entry.over(now, window)}
            full = len(self._entries) >= MAX_ENTRIES
            self._next_sweep = now + (FULL_SWEEP_SECONDS if full else SWEEP_SECONDS)
        entry = self._entries.get(attempt[:2])
        if entry is not None:
            return entry
        if len(self._entries) >= MAX_ENTRIES:
            self._next_sweep = min(self._next_sweep, now + FULL_SWEEP_SECONDS)
            return self._overflow
        entry = self._entries[attempt[:2]] = _Entry()
        return entry
