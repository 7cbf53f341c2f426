# -*- test-case-name: tests.ws.rpc.test_nodes -*-
"""Nodes: programs on other machines that do commands for the gateway (spec 2.4, 2.8).

A node is a device paired in the role C{node}. What it offers it says anew with each connect; what of that may be used
is what an operator has approved. The newest connection of a node counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.device_book import DeviceBook
from openclaw_tx.auth.pairing import Pairing
from openclaw_tx.auth.pairing_records import NodeSurface, PairedDevice
from openclaw_tx.errors import GatewayError
from openclaw_tx.wire.frames import encode, event_body
from openclaw_tx.ws.connection import Connection

REQUEST_MS = 300_000
"""How long the request of a node waits for somebody's word, in ms."""
MAX_PENDING = 64
"""Requests that wait; the oldest go."""
MAX_NAMES = 256
"""Capabilities, commands and permissions of a node, each; more are not seen."""
MAX_INVOCATIONS = 64
"""Commands at work on one node; more are refused as retryable."""


class NodeRequest(NamedTuple):
    """A node whose offer waits for approval."""

    request_id: str
    node_id: str
    surface: NodeSurface
    ts: int


class NodeResolved(NamedTuple):
    """A request was answered."""

    request: NodeRequest
    decision: str
    """C{approved} or C{rejected}."""


class Outcome(NamedTuple):
    """What a node said of a command."""

    ok: bool
    payload: Any = UNSET
    payload_json: str | UnsetType = UNSET
    code: str = ""
    message: str = ""


class _Invocation(NamedTuple):
    node_id: str
    connection: Connection
    done: Deferred[Outcome]


class Nodes:
    """All nodes of one gateway, and the commands they are at."""

    def __init__(
        self,
        book: DeviceBook,
        pairing: Pairing,
        clock: IReactorTime,
        new_id: Callable[[], str],
        tell: Callable[[NodeRequest | NodeResolved], None],
    ) -> None:
        """
        @param tell: called with every request and how it came out.
        """
        self._book = book
        self._pairing = pairing
        self._clock = clock
        self._new_id = new_id
        self._tell = tell
        self._live: dict[str, Connection] = {}
        self._pending: dict[str, NodeRequest] = {}
        self._invocations: dict[str, _Invocation] = {}

    # -- they come and go

    def joined(self, connection: Connection) -> None:
        """See L{openclaw_tx.ws.connection.Watch}. What a program on this machine offers is approved unasked: it knows
        the gateway's secret, or was paired by somebody who did."""
        if connection.role != "node":
            return
        node_id = connection.principal.device_id
        self._live[node_id] = connection
        device = self._book.get(node_id)
        if device is None:
            return
        offered = offered_by(connection)
        if device.node is not None and device.node.covers(offered):
            return
        if connection.local:
            self._pairing.approve_node(node_id, self._stamped(offered))
        else:
            self.ask(device)

    def left(self, connection: Connection) -> None:
        """See L{openclaw_tx.ws.connection.Watch}: whoever waits for it is told."""
        if connection.role != "node":
            return
        if self._live.get(connection.principal.device_id) is connection:
            del self._live[connection.principal.device_id]
        for invocation in [one for one in self._invocations.values() if one.connection is connection]:
            invocation.done.errback(not_connected("node disconnected"))

    def connection(self, node_id: str) -> Connection | None:
        """The connection of a node; None = it is not there."""
        return self._live.get(node_id)

    def all(self) -> Sequence[PairedDevice]:
        """Paired devices that are nodes, those that are there first."""
        nodes = [device for device in self._book.paired() if "node" in device.roles]
        return sorted(nodes, key=lambda device: device.device_id not in self._live)

    def known(self, node_id: str) -> PairedDevice:
        """
        @raise GatewayError: C{invalid_request}: there is no such node.
        """
        device = self._book.get(node_id)
        if device is None or "node" not in device.roles:
            raise GatewayError("invalid_request", "unknown nodeId", param="nodeId")
        return device

    # -- what they offer

    def ask(self, device: PairedDevice) -> tuple[NodeRequest, bool]:
        """Let the offer of a node wait for approval.

        @return: the request, and whether it is a new one.
        """
        connection = self._live.get(device.device_id)
        offered = offered_by(connection) if connection is not None else device.node or NodeSurface()
        self._expire()
        waiting = self.request_of(device.device_id)
        if waiting is not None and waiting.surface == offered:
            return waiting, False
        if waiting is not None:
            self.resolve(waiting, "rejected")
        if len(self._pending) >= MAX_PENDING:
            self.resolve(next(iter(self._pending.values())), "rejected")
        request = NodeRequest(self._new_id(), device.device_id, offered, self._book.now_ms())
        self._pending[request.request_id] = request
        self._tell(request)
        return request, True

    def pending(self) -> Sequence[NodeRequest]:
        """Requests that wait, the newest first."""
        self._expire()
        return sorted(self._pending.values(), key=lambda request: -request.ts)

    def request(self, request_id: str) -> NodeRequest:
        """
        @raise GatewayError: C{invalid_request}: there is none.
        """
        self._expire()
        found = self._pending.get(request_id)
        if found is None:
            raise GatewayError("invalid_request", "unknown requestId", param="requestId")
        return found

    def request_of(self, node_id: str) -> NodeRequest | None:
        """The request of a node, if one waits."""
        self._expire()
        return next((one for one in self._pending.values() if one.node_id == node_id), None)

    def approve(self, request: NodeRequest) -> PairedDevice:
        """Let what a node offers be used.

        @raise GatewayError: C{invalid_request}: the device was removed meanwhile.
        """
        self.known(request.node_id)
        device = self._pairing.approve_node(request.node_id, self._stamped(request.surface))
        self.resolve(request, "approved")
        return device

    def resolve(self, request: NodeRequest, decision: str) -> None:
        """A request waits no longer."""
        if self._pending.pop(request.request_id, None) is not None:
            self._tell(NodeResolved(request, decision))

    def usable(self, device: PairedDevice) -> Sequence[str]:
        """Commands of a node that may be used: approved, and offered now if it is there."""
        approved = device.node.commands if device.node is not None else ()
        connection = self._live.get(device.device_id)
        if connection is None:
            return approved
        return [command for command in offered_by(connection).commands if command in approved]

    # -- what they do

    async def invoke(self, node_id: str, command: str, params: Any, timeout_s: float, idempotency_key: str) -> Outcome:
        """Have a node do a command, and wait for it.

        Cancelling it stops the waiting; the node goes on.

        @param params: JSON values; UNSET = none.
        @raise GatewayError: C{invalid_request}: no such node, or not one of its commands; C{node_unavailable}: it is
            not there, went away, is too busy or took too long.
        """
        device = self.known(node_id)
        connection = self._live.get(node_id)
        if connection is None:
            raise not_connected("node not connected")
        if command not in self.usable(device):
            raise self._not_allowed(device, connection, command)
        if sum(one.connection is connection for one in self._invocations.values()) >= MAX_INVOCATIONS:
            raise GatewayError("node_unavailable", "node busy: too many commands at work", details={"code": "BUSY"})
        invocation_id = self._new_id()
        done: Deferred[Outcome] = Deferred()
        self._invocations[invocation_id] = _Invocation(node_id, connection, done)
        request: dict[str, Any] = {"id": invocation_id, "nodeId": node_id, "command": command}
        if params is not UNSET:
            request["paramsJSON"] = encode(params).decode()
        request |= {"timeoutMs": round(timeout_s * 1000), "idempotencyKey": idempotency_key}
        overdue = self._clock.callLater(timeout_s, lambda: done.errback(timed_out()))
        try:
            connection.event(event_body("node.invoke.request", encode(request)))
            return await done
        finally:
            if overdue.active():
                overdue.cancel()
            del self._invocations[invocation_id]

    def answered(self, connection: Connection, invocation_id: str, node_id: str, outcome: Outcome) -> bool:
        """A node says how a command came out.

        @return: whether anybody still waited for it.
        @raise GatewayError: C{invalid_request}: it speaks for another node.
        """
        if node_id != connection.principal.device_id:
            raise GatewayError("invalid_request", "nodeId mismatch", param="nodeId")
        invocation = self._invocations.get(invocation_id)
        if invocation is None or invocation.node_id != node_id or invocation.done.called:
            return False
        invocation.done.callback(outcome)
        return True

    # -- inside

    def _not_allowed(self, device: PairedDevice, connection: Connection, command: str) -> GatewayError:
        offered = command in offered_by(connection).commands
        if offered and self.request_of(device.device_id) is None:
            self.ask(device)
        reason = (
            "what the node offers is not approved yet; see: openclaw-tx nodes list"
            if offered
            else f'the node does not support "{command[:64]}"'
        )
        return GatewayError(
            "invalid_request",
            f"node command not allowed: {reason}",
            param="command",
            details={"command": command[:64], "reason": "not approved" if offered else "command not declared by node"},
        )

    def _stamped(self, surface: NodeSurface) -> NodeSurface:
        return NodeSurface(
            caps=surface.caps,
            commands=surface.commands,
            permissions=surface.permissions,
            approved_at_ms=self._book.now_ms(),
        )

    def _expire(self) -> None:
        oldest = self._book.now_ms() - REQUEST_MS
        for request in [one for one in self._pending.values() if one.ts <= oldest]:
            del self._pending[request.request_id]


def offered_by(connection: Connection) -> NodeSurface:
    """What a node said of itself at its connect."""
    params = connection.params
    if params is None:
        return NodeSurface()
    return NodeSurface(
        caps=tuple(dict.fromkeys(params.caps))[:MAX_NAMES],
        commands=tuple(dict.fromkeys(params.commands))[:MAX_NAMES],
        permissions=dict(sorted(params.permissions.items())[:MAX_NAMES]),
    )


def not_connected(message: str) -> GatewayError:
    """C{node_unavailable}: it is not there."""
    told = {"code": "NOT_CONNECTED", "message": message}
    return GatewayError("node_unavailable", message, details={"code": "NOT_CONNECTED", "nodeError": told})


def timed_out() -> GatewayError:
    """C{node_unavailable}: it took too long."""
    told = {"code": "TIMEOUT", "message": "node invoke timed out"}
    return GatewayError("node_unavailable", told["message"], details={"code": "TIMEOUT", "nodeError": told})


__all__ = ["NodeRequest", "NodeResolved", "Nodes", "Outcome", "offered_by"]
