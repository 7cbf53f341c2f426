# -*- test-case-name: tests.auth.test_keys -*-
"""Keys besides the shared secret: for each client one of its own, with no more rights than it needs (asks.md 14).

The configuration holds digests, never keys. A key is random and long, so that a plain SHA-256 of it gives nothing away.
Nothing that is reached over the wire makes one: keys come from the configuration file alone.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from openclaw_tx.auth.actions import ADMIN
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import Auth, Key
from openclaw_tx.values import Principal

PREFIX = "key:"
"""What ids of their principals begin with."""
TEXT_PREFIX = "octx_"
"""What keys begin with that this project makes, so that scanners for leaked secrets know them."""
ENTROPY_BYTES = 32
"""Randomness in such a key."""
_TAKEN = ("openai:", "openai-user:", "openresponses:", "openresponses-user:", "explicit:")
"""Beginnings of the names of other sessions: no label may stand for them by accident."""
_SESSION_PREFIX = re.compile(r"(?!agent:|subagent:|cron:|acp:)[a-z0-9][a-z0-9._:-]*")
"""What can begin the name of a session that a client may use, after C{agent:<id>:}."""


class Entry(NamedTuple):
    """A key of the configuration, ready to be matched."""

    key: Key
    expires_at: float
    """Epoch seconds; infinity = never."""
    fingerprint: str
    """Keyed digest of what it is and what it may do: another one means that it is another key."""

    def principal(self, address: str) -> Principal:
        """Who comes with it."""
        return Principal(
            id=PREFIX + self.key.label,
            method="key",
            scopes=frozenset(self.key.scopes),
            ip=address,
            credential=self.fingerprint,
            agents=tuple(self.key.agents),
            session_prefix=session_prefix(self.key),
        )


class KeyRing:
    """The keys of the moment. Looked up by a digest under a key of the process, so that what the time of a look-up
    may tell is of no use to anybody."""

    def __init__(self, settings: Callable[[], Config], secret: bytes) -> None:
        """
        @param settings: the configuration of the moment.
        @param secret: keys the digests; random for each process.
        """
        self._settings = settings
        self._secret = secret
        self._auth: Auth | None = None
        self._by_digest: Mapping[bytes, Entry] = {}
        self._by_id: Mapping[str, Entry] = {}

    def find(self, offered: str) -> Entry | None:
        """The key that was offered, expired or not; None when it is none."""
        self._refresh()
        return self._by_digest.get(self._digest(hash_of(offered)))

    def get(self, principal_id: str) -> Entry | None:
        """The key of a principal; None when it is gone, or nobody's."""
        self._refresh()
        return self._by_id.get(principal_id)

    def limits(self, principal: Principal) -> Key | None:
        """What limits a principal: its key as it is now; None for those without one."""
        if principal.method != "key":
            return None
        entry = self.get(principal.id)
        return None if entry is None else entry.key

    def _refresh(self) -> None:
        auth = self._settings().gateway.auth
        if self._auth is auth:
            return
        self._auth = auth
        entries = [Entry(key, expiry(key.expires), self._fingerprint(key)) for key in auth.keys]
        self._by_digest = {self._digest(entry.key.hash): entry for entry in entries}
        self._by_id = {PREFIX + entry.key.label: entry for entry in entries}

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._secret, text.encode("ascii"), "sha256")

    def _fingerprint(self, key: Key) -> str:
        """Limits are no part of it: another limit ends nothing that is under way."""
        rights = msgspec.structs.replace(key, rpm=None, tpm=None, concurrency=None)
        return hmac.new(self._secret, msgspec.json.encode(rights), "sha256").hexdigest()


def new_key(entropy: Callable[[int], str]) -> str:
    """A fresh key.

    @param entropy: URL-safe text from so many random bytes.
    """
    return TEXT_PREFIX + entropy(ENTROPY_BYTES)


def hash_of(key: str) -> str:
    """A key as the configuration holds it."""
    return f"sha256:{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


def expiry(text: str) -> float:
    """When a key expires, in epoch seconds; infinity for "".

    @raise ValueError: not an ISO 8601 time or day.
    """
    if not text:
        return float("inf")
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def session_prefix(key: Key) -> str:
    """What the names of a key's sessions begin with: keys do not meet in a session unless somebody wants it."""
    if key.session_prefix is not None:
        return key.session_prefix.strip().lower()
    return "" if ADMIN in key.scopes else f"{key.label}:"


def key_issues(auth: Auth, mode: str) -> list[tuple[str, str]]:
    """What is wrong with the keys: C{(path, message)} pairs, never a digest.

    @param mode: the mode in force.
    """
    issues: list[tuple[str, str]] = []
    if auth.keys and mode not in ("token", "password"):
        issues.append(("gateway.auth.keys", f"keys count only in the modes token and password, not in {mode}"))
    labels: set[str] = set()
    hashes: set[str] = set()
    for index, key in enumerate(auth.keys):
        place = f"gateway.auth.keys[{index}]"
        if key.label in labels:
            issues.append((f"{place}.label", "another key has this label"))
        if key.hash in hashes:
            issues.append((f"{place}.hash", "another key has this hash"))
        if key.hash == hash_of(""):
            issues.append((f"{place}.hash", "is the hash of nothing"))
        labels.add(key.label)
        hashes.add(key.hash)
        try:
            expiry(key.expires)
        except (ValueError, OverflowError):
            issues.append((f"{place}.expires", "expected an ISO 8601 time such as 2030-12-31T12:00:00Z"))
        issues += _prefix_issues(key, place)
    return issues


def _prefix_issues(key: Key, place: str) -> list[tuple[str, str]]:
    prefix = session_prefix(key)
    malformed = prefix != "" and _SESSION_PREFIX.fullmatch(prefix) is None
    if key.session_prefix is None and (malformed or prefix in _TAKEN):
        return [(f"{place}.label", "sessions of this name have a meaning already: choose another, or a sessionPrefix")]
    if malformed:
        return [(f"{place}.sessionPrefix", "expected a name such as team-a: of letters, digits and . _ : -")]
    return []


__all__ = ["PREFIX", "Entry", "KeyRing", "expiry", "hash_of", "key_issues", "new_key", "session_prefix"]
