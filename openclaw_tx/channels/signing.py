# -*- test-case-name: tests.channels.test_signing -*-
"""Signatures of webhook requests, in both directions. Pure.

A request carries the time, C{X-OpenClaw-Timestamp} (seconds since 1970), and C{X-OpenClaw-Signature}: C{sha256=} and
the hexadecimal HMAC-SHA256 of C{<timestamp>.<body>} with the secret (RFC 2104).
"""

from __future__ import annotations

import hashlib
import hmac

TIMESTAMP = "X-OpenClaw-Timestamp"
SIGNATURE = "X-OpenClaw-Signature"
WINDOW_SECONDS = 300
"""How far the time of a request may be off, either way."""
MAX_DIGITS = 12


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What proves that who knows the secret sent a body at a time."""
    signed = timestamp.encode("utf-8", "surrogatepass") + b"." + body
    return "sha256=" + hmac.new(secret.strip().encode("utf-8"), signed, hashlib.sha256).hexdigest()


def signed(secret: str, now: float, body: bytes) -> dict[str, str]:
    """The headers of a request."""
    timestamp = str(int(now))
    return {TIMESTAMP: timestamp, SIGNATURE: signature(secret, timestamp, body)}


def is_recent(timestamp: str, now: float) -> bool:
    """Whether a time is one, and of now."""
    digits = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= MAX_DIGITS
    return digits and abs(int(timestamp) - now) <= WINDOW_SECONDS


def is_genuine(secret: str, timestamp: str, given: str, body: bytes) -> bool:
    """Whether a signature is right; takes the same time wherever it is wrong."""
    wanted = signature(secret, timestamp, body).encode("ascii")
    return hmac.compare_digest(wanted, given.encode("utf-8", "surrogatepass"))


__all__ = ["SIGNATURE", "TIMESTAMP", "WINDOW_SECONDS", "is_genuine", "is_recent", "signature", "signed"]
