# -*- test-case-name: tests.test_hostile -*-
"""Bodies become values: small ones at once, large ones in a thread, so that the reactor never waits for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from openclaw_tx.deferreds import InThread
from openclaw_tx.wire.large_json import LARGE

T = TypeVar("T")


class BodyReader:
    """Where the bodies of requests are parsed."""

    def __init__(self, in_thread: InThread) -> None:
        """
        @param in_thread: takes bodies of L{LARGE} bytes and more.
        """
        self._in_thread = in_thread

    async def read(self, parse: Callable[..., T], body: bytes, *arguments: Any) -> T:
        """C{parse(body, *arguments)}, with what it raises.

        @param parse: pure.
        """
        if len(body) < LARGE:
            return parse(body, *arguments)
        return await self._in_thread(parse, body, *arguments)


__all__ = ["BodyReader"]
