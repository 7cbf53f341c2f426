# -*- test-case-name: tests.models.test_inflating -*-
"""Compressed bodies, in all the shapes that servers send."""

from __future__ import annotations

import gzip
import zlib

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.models.inflating import MAX_INFLATED, Inflater

TEXT = b"data: one\n\ndata: two\n\n" * 20


def raw(data: bytes) -> bytes:
    """Without any head."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def unpacked(coding: str, body: bytes, size: int) -> bytes:
    """What comes of a body that comes in pieces of C{size} bytes."""
    inflater = Inflater(coding)
    return b"".join(piece for start in range(0, len(body), size) for piece in inflater.feed(body[start : start + size]))


class InflaterTests(SynchronousTestCase):
    """L{Inflater}."""

    def test_shapes(self) -> None:
        """Each is read, in one piece and byte by byte, whichever of the names it has."""
        for coding, body in (
            ("gzip", gzip.compress(TEXT)),
            ("gzip", gzip.compress(TEXT[:60]) + gzip.compress(TEXT[60:])),
            ("gzip", gzip.compress(TEXT) + b"\0" * 20),
            ("x-gzip", zlib.compress(TEXT)),
            ("deflate", zlib.compress(TEXT)),
            ("deflate", zlib.compress(TEXT, 0)),
            ("deflate", zlib.compress(TEXT) + b"more"),
            ("deflate", raw(TEXT)),
            ("deflate", gzip.compress(TEXT)),
        ):
            for size in (1, 7, len(body)):
                self.assertEqual(unpacked(coding, body, size), TEXT, (coding, body[:4], size))

    def test_bounded(self) -> None:
        """A bomb comes a piece at a time, and none of it is lost."""
        pieces = [len(piece) for piece in Inflater("gzip").feed(gzip.compress(b"x" * (5 * MAX_INFLATED + 3)))]
        self.assertEqual((max(pieces), sum(pieces)), (MAX_INFLATED, 5 * MAX_INFLATED + 3))

    def test_not_packed(self) -> None:
        """What is nothing of the kind is an error."""
        for coding in ("gzip", "deflate"):
            self.assertRaises(zlib.error, unpacked, coding, b"\xff\xff data: one\n\n", 100)

    def test_too_short(self) -> None:
        """Nothing comes of nothing, nor of a byte."""
        self.assertEqual((unpacked("gzip", b"", 1), unpacked("deflate", b"\x78", 1)), (b"", b""))
