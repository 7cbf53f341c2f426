# -*- test-case-name: tests.ws.rpc.test_logs -*-
"""C{logs.tail}: the end of the gateway's log file, and then what is added to it (spec 2.10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from openclaw_tx.auth.actions import ADMIN, missing_scope
from openclaw_tx.auth.sight import is_bounded
from openclaw_tx.deferreds import InThread
from openclaw_tx.errors import GatewayError
from openclaw_tx.log_file import tail
from openclaw_tx.wire.frames import Natural
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method


class TailParams(Params, frozen=True):
    """Params of C{logs.tail}."""

    cursor: Natural | None = None
    """Where the last answer ended; unset = the newest lines."""
    limit: Annotated[int, Meta(ge=1, le=5000)] = 500
    """Lines at most."""
    max_bytes: Annotated[int, Meta(ge=1, le=1_000_000)] = 250_000
    """Bytes looked at, from the end."""


class LogMethods:
    """The family of logs."""

    def __init__(self, log_file: Callable[[], Path | None], in_thread: InThread) -> None:
        """
        @param log_file: the file of the moment; None = there is none.
        """
        self._log_file = log_file
        self._in_thread = in_thread

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [Method("logs.tail", "logs.tail", TailParams, self.tail)]

    async def tail(self, call: Call[TailParams]) -> Any:
        """Whole lines, oldest first, and the cursor to go on with. The log tells of everybody's runs, so a client that
        may only know of its own does not get it."""
        if is_bounded(call.principal):
            raise missing_scope(ADMIN)
        path = self._log_file()
        if path is None:
            raise GatewayError("invalid_request", "logs.tail: this gateway writes no log file")
        params = call.params
        try:
            found = await self._in_thread(tail, path, params.cursor, params.limit, params.max_bytes)
        except OSError as error:
            raise GatewayError("storage_unavailable", f"The log can not be read: {error.strerror}.") from None
        return {
            "file": str(path),
            "cursor": found.cursor,
            "size": found.size,
            "lines": found.lines,
            "truncated": found.truncated,
            "reset": found.reset,
        }


__all__ = ["LogMethods"]
