# -*- test-case-name: tests.web.test_elsewhere -*-
"""The head of a request, put together again for another process."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.web.http_headers import Headers

_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"expect"})


def head_of(method: bytes, uri: bytes, version: bytes, headers: Headers, length: int | None, expect: bool) -> bytes:
    """The head of a request, to be read again.

    @param length: of the body, which follows as it is; None = it follows as it came.
    @param expect: the client waits to be told that it may send it.
    """
    lines = [b"%s %s %s" % (method, uri, version), *_lines(headers, whole=length is None)]
    if length is not None:
        lines.append(b"Content-Length: %d" % length)
    if expect:
        lines.append(b"Expect: 100-continue")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _lines(headers: Headers, *, whole: bool) -> Iterable[bytes]:
    for name, values in headers.getAllRawHeaders():
        if whole or name.lower() not in _FRAMING:
            for value in values:
                yield b"%s: %s" % (name, value)


__all__ = ["head_of"]
