# -*- test-case-name: tests.workers.test_framing -*-
"""Messages on a stream of bytes: four bytes of length, big-endian, then so many bytes. No I/O."""

from __future__ import annotations

MAX_FRAME = 64 * 1024 * 1024
"""Bytes of the largest message; a request's or a tool's images are the largest there are."""

_HEAD = 4


class FramingError(Exception):
    """The other end does not speak this."""


class FrameReader:
    """Takes bytes as they come, gives whole messages.

    @ivar rest: bytes after the last whole message.
    """

    def __init__(self, limit: int = MAX_FRAME) -> None:
        """
        @param limit: bytes of the largest message that is taken.
        """
        self._limit = limit
        self._buffer = bytearray()

    @property
    def rest(self) -> bytes:
        """See the class."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> None:
        """More has come."""
        self._buffer += data

    def next(self) -> bytes | None:
        """The next whole message; None = more has to come.

        @raise FramingError: it is longer than the limit.
        """
        if len(self._buffer) < _HEAD:
            return None
        size = int.from_bytes(self._buffer[:_HEAD], "big")
        if size > self._limit:
            raise FramingError(f"a message of {size} bytes")
        if len(self._buffer) < _HEAD + size:
            return None
        message = bytes(self._buffer[_HEAD : _HEAD + size])
        del self._buffer[: _HEAD + size]
        return message


def framed(message: bytes) -> bytes:
    """A message as it goes over the stream.

    @raise FramingError: it is too long.
    """
    if len(message) > MAX_FRAME:
        raise FramingError(f"a message of {len(message)} bytes")
    return len(message).to_bytes(_HEAD, "big") + message


__all__ = ["MAX_FRAME", "FrameReader", "FramingError", "framed"]
