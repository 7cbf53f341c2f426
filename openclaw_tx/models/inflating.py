# -*- test-case-name: tests.models.test_inflating -*-
"""Unpacks what a server has compressed, whether or not anybody asked for it (RFC 9110, 8.4.1). No I/O."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

CODINGS = frozenset(("gzip", "x-gzip", "deflate"))
"""What can be unpacked."""

MAX_INFLATED = 1024 * 1024
"""Bytes that are unpacked at a time, and handed on before there are more."""

_GZIP = b"\x1f\x8b"


class Inflater:
    """One body, piece by piece. What is in it is seen from how it begins: C{deflate} is sent with and without the head
    of zlib (RFC 1950), and gzip may be several members, one after the other (RFC 1952, 2.2)."""

    __slots__ = ("_coding", "_head", "_inflater", "_is_first", "_is_over")

    def __init__(self, coding: str) -> None:
        """
        @param coding: one of L{CODINGS}.
        """
        self._coding = coding
        self._head = b""
        """Too little to see what it is."""
        self._inflater: Any = None
        self._is_first = True
        self._is_over = False
        """What follows is padding."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """
        @return: what C{data} holds, at most L{MAX_INFLATED} bytes at a time.
        @raise zlib.error: it can not be unpacked.
        """
        plain = b""
        while not self._is_over and (data or len(plain) == MAX_INFLATED):
            if self._inflater is None:
                self._head += data
                if len(self._head) < len(_GZIP):
                    return
                data, self._head = self._head, b""
                self._begin(data)
                continue
            plain = self._inflater.decompress(data, MAX_INFLATED)
            if plain:
                yield plain
            data = self._inflater.unconsumed_tail
            if self._inflater.eof:
                data, plain, self._inflater = self._inflater.unused_data, b"", None

    def _begin(self, data: bytes) -> None:
        """Something begins, or nothing more of interest."""
        if data.startswith(_GZIP):
            bits = 16 + zlib.MAX_WBITS
        elif not self._is_first:
            self._is_over = True
            return
        elif self._coding == "deflate" and not (data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0):
            bits = -zlib.MAX_WBITS
        else:
            bits = zlib.MAX_WBITS
        self._is_first = False
        self._inflater = zlib.decompressobj(wbits=bits)


__all__ = ["CODINGS", "MAX_INFLATED", "Inflater"]
