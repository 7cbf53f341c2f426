# -*- test-case-name: tests.ws.rpc.test_approvals_file -*-
"""C{exec.approvals.get} and C{exec.approvals.set}: the file that says what runs without a question (spec 7.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openclaw_tx.auth.sight import is_bounded
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import ApprovalsFile
from openclaw_tx.values import ApprovalsSnapshot, Principal
from openclaw_tx.wire.frames import NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.asks import bad

SOCKET = "socket"
"""Part of the file in which OpenClaw keeps a token of its companion application; the token stays where it is."""


class FileGetParams(Params, frozen=True):
    """Params of C{exec.approvals.get}: none."""


class FileSetParams(Params, frozen=True):
    """Params of C{exec.approvals.set}."""

    file: dict[str, Any]
    base_hash: NonEmpty | None = None


class ApprovalsFileMethods:
    """The family of C{exec.approvals.*}."""

    def __init__(self, file: ApprovalsFile) -> None:
        self._file = file

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("exec.approvals.get", "exec.approvals.get", FileGetParams, self.get),
            Method("exec.approvals.set", "exec.approvals.set", FileSetParams, self.set),
        ]

    async def get(self, call: Call[FileGetParams]) -> Any:
        """The file as it stands."""
        _check(call.principal)
        return shown(await self._file.get())

    async def set(self, call: Call[FileSetParams]) -> Any:
        """Replace it, and show what it is now."""
        _check(call.principal)
        file = {name: value for name, value in call.params.file.items() if name != SOCKET}
        before = await self._file.get()
        if SOCKET in before.file:
            file[SOCKET] = before.file[SOCKET]
        try:
            return shown(await self._file.set(file, call.params.base_hash))
        except GatewayError as error:
            if error.info.param == "file":
                raise bad("exec.approvals.set", error.info.message) from None
            raise


def _check(principal: Principal) -> None:
    """
    @raise GatewayError: C{insufficient_scope}: a key that has bounds, while the file is about all agents and sessions.
    """
    if is_bounded(principal):
        raise GatewayError("insufficient_scope", "this key has bounds, and the approvals file is about all agents")


def shown(snapshot: ApprovalsSnapshot) -> dict[str, Any]:
    """A snapshot for clients, without the one secret that OpenClaw puts into the file."""
    file = dict(snapshot.file)
    socket = file.get(SOCKET)
    if isinstance(socket, dict):
        file[SOCKET] = {name: value for name, value in socket.items() if name != "token"}
    return {"path": snapshot.path, "exists": snapshot.exists, "hash": snapshot.hash, "file": file}
