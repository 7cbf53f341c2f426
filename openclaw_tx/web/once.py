# -*- test-case-name: tests.web.test_once -*-
"""Work that is done once for all who ask for it under one key, and its reply, kept for those who ask again.

In memory, and bounded: after a restart, or when so much was done since that the reply is forgotten, a key is new.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.deferreds import Gate, spawn
from openclaw_tx.errors import GatewayError

KEEP_SECONDS = 600.0
"""How long a reply is kept."""

MAX_KEPT = 256
"""Most replies kept; the oldest goes first."""

MAX_KEPT_BYTES = 16 * 1024 * 1024
"""Their bytes together."""

Key = tuple[str, str]
"""Whose it is, and its name."""


class Reply(NamedTuple):
    """A whole reply."""

    status: int
    body: bytes


Work = Callable[[], Awaitable[Reply]]


class _Entry:
    """Work under way or done."""

    def __init__(self, fingerprint: bytes) -> None:
        self.fingerprint = fingerprint
        self.ended = Gate()
        self.waiting = 0
        self.running: Deferred[None] | None = None
        self.reply: Reply | None = None
        self.error: Exception | None = None
        self.at = 0.0


class Once:
    """Replies by key."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._entries: dict[Key, _Entry] = {}
        self._bytes = 0

    async def reply(self, key: Key, fingerprint: bytes, work: Work) -> tuple[Reply, bool]:
        """The reply of C{work} or of the same work that was begun under C{key} before.

        The work goes on as long as anybody waits for it. What it fails with is not kept.

        @param fingerprint: tells one request from another.
        @return: the reply, and whether it is one that somebody else's request brought about.
        @raise GatewayError: C{idempotency_key_conflict}: the key stands for another request.
        """
        self._forget()
        entry = self._entries.get(key)
        joined = entry is not None
        if entry is None:
            entry = self._entries[key] = _Entry(fingerprint)
            entry.running = spawn(self._work(key, entry, work), self._log, "work under an idempotency key")
        elif entry.fingerprint != fingerprint:
            raise GatewayError(
                "idempotency_key_conflict", "The idempotency key was used for another request.", param="idempotencyKey"
            )
        entry.waiting += 1
        try:
            await entry.ended.wait()
        finally:
            entry.waiting -= 1
            if not entry.waiting and not entry.ended.opened:
                assert entry.running is not None
                entry.running.cancel()
                if not entry.ended.opened:  # it takes a moment to end, and who asks then asks for new work
                    del self._entries[key]
        if entry.reply is None:
            assert entry.error is not None
            raise entry.error
        return entry.reply, joined

    async def _work(self, key: Key, entry: _Entry, work: Work) -> None:
        try:
            entry.reply = await work()
        except CancelledError:
            raise
        except Exception as error:
            entry.error = error
        finally:
            entry.at = self._clock.seconds()
            if self._entries.get(key, entry) is not entry:
                pass  # nobody waited for it any more, and somebody asked again
            elif entry.reply is None:
                self._entries.pop(key, None)
                entry.error = entry.error or CancelledError()
            else:
                # The order of the table is that of the ends.
                self._entries.pop(key, None)
                self._entries[key] = entry
                self._bytes += len(entry.reply.body)
            entry.ended.open()

    def _forget(self) -> None:
        """Drop what is old or too much. Work under way is bounded by whoever does it."""
        kept = [(key, entry) for key, entry in self._entries.items() if entry.reply is not None]
        old = self._clock.seconds() - KEEP_SECONDS
        for number, (key, entry) in enumerate(kept):
            if entry.at > old and len(kept) - number <= MAX_KEPT and self._bytes <= MAX_KEPT_BYTES:
                break
            assert entry.reply is not None
            self._bytes -= len(entry.reply.body)
            del self._entries[key]


__all__ = ["KEEP_SECONDS", "MAX_KEPT", "MAX_KEPT_BYTES", "Key", "Once", "Reply", "Work"]
