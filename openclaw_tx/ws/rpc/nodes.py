# -*- test-case-name: tests.ws.rpc.test_nodes -*-
"""C{node.*}: what nodes offer, the approval of it, and commands for them (spec 2.4, 2.10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from openclaw_tx.auth.actions import ADMIN, may, missing_scope
from openclaw_tx.auth.pairing_records import PairedDevice
from openclaw_tx.auth.sight import is_bounded
from openclaw_tx.errors import GatewayError
from openclaw_tx.wire.frames import Natural, NonEmpty
from openclaw_tx.wire.history import arguments_of
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.connection import Connection
from openclaw_tx.ws.handshake import DeviceRooms
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.nodes import NodeRequest, NodeResolved, Nodes, Outcome, offered_by
from openclaw_tx.ws.rpc.devices import Hub, Id, NoParams, RequestParams, unbounded

DEFAULT_TIMEOUT_MS = 30_000
MAX_TIMEOUT_MS = 600_000
"""Longest wait for a node; longer ones are cut to it."""
ALIVE = "node.presence.alive"
"""The event by which a node says that it is well; others are heard, and nothing is done about them."""


class NodeParams(Params, frozen=True):
    """Params of C{node.describe} and C{node.pair.remove}."""

    node_id: Id


class PairParams(Params, frozen=True):
    """Params of C{node.pair.request}. The node itself says what it offers; what is said here of it is not needed."""

    node_id: Id
    display_name: NonEmpty | None = None
    platform: NonEmpty | None = None
    version: NonEmpty | None = None
    core_version: NonEmpty | None = None
    ui_version: NonEmpty | None = None
    device_family: NonEmpty | None = None
    model_identifier: NonEmpty | None = None
    caps: list[NonEmpty] | None = None
    commands: list[NonEmpty] | None = None
    remote_ip: NonEmpty | None = None
    silent: bool = False


class VerifyParams(Params, frozen=True):
    """Params of C{node.pair.verify}."""

    node_id: Id
    token: NonEmpty

    def __repr__(self) -> str:
        return "VerifyParams(...)"


class RenameParams(Params, frozen=True):
    """Params of C{node.rename}."""

    node_id: Id
    display_name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\S")]


class InvokeParams(Params, frozen=True):
    """Params of C{node.invoke}."""

    node_id: Id
    command: NonEmpty
    idempotency_key: NonEmpty
    params: Any = UNSET
    timeout_ms: Natural = DEFAULT_TIMEOUT_MS


class NodeError(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a node could not."""

    code: str = ""
    message: str = ""


class ResultParams(Params, frozen=True):
    """Params of C{node.invoke.result}."""

    id: Id
    node_id: Id
    ok: bool
    payload: Any = UNSET
    payload_json: str | UnsetType | None = msgspec.field(name="payloadJSON", default=UNSET)
    error: NodeError | None = None


class EventParams(Params, frozen=True):
    """Params of C{node.event}."""

    event: NonEmpty
    payload: Any = UNSET
    payload_json: str | UnsetType | None = msgspec.field(name="payloadJSON", default=UNSET)


class NodeNews:
    """Tells operators of what nodes offer."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def tell(self, news: NodeRequest | NodeResolved) -> None:
        """To those that may approve."""
        if isinstance(news, NodeRequest):
            self._hub.tell_if("node.pair.requested", _pending(news), _approves)
            return
        request = news.request
        payload = {
            "requestId": request.request_id,
            "nodeId": request.node_id,
            "decision": news.decision,
            "ts": request.ts,
        }
        self._hub.tell_if("node.pair.resolved", payload, _approves)


class NodeMethods:
    """The family of nodes. Keys with bounds get none of it: nodes belong to the whole gateway."""

    def __init__(self, nodes: Nodes, rooms: DeviceRooms) -> None:
        self._nodes = nodes
        self._rooms = rooms

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("node.pair.list", "node.pair.list", NoParams, self.pair_list),
            Method("node.pair.request", "node.pair.request", PairParams, self.pair_request),
            Method("node.pair.approve", "node.pair.approve", RequestParams, self.pair_approve),
            Method("node.pair.reject", "node.pair.reject", RequestParams, self.pair_reject),
            Method("node.pair.remove", "node.pair.remove", NodeParams, self.pair_remove),
            Method("node.pair.verify", "node.pair.verify", VerifyParams, self.pair_verify),
            Method("node.rename", "node.rename", RenameParams, self.rename),
            Method("node.list", "node.list", NoParams, self.list),
            Method("node.describe", "node.describe", NodeParams, self.describe),
            Method("node.invoke", "node.invoke", InvokeParams, self.invoke),
            Method("node.invoke.result", "node.invoke.result", ResultParams, self.result, "node"),
            Method("node.event", "node.event", EventParams, self.event, "node"),
        ]

    # -- approval

    async def pair_list(self, call: Call[NoParams]) -> Any:
        """What waits, and what is approved."""
        unbounded(call.principal)
        return {
            "pending": [_pending(request) for request in self._nodes.pending()],
            "paired": [self._row(device) for device in self._nodes.all() if device.node is not None],
        }

    async def pair_request(self, call: Call[PairParams]) -> Any:
        """Have somebody look at a node that is paired as a device."""
        unbounded(call.principal)
        request, created = self._nodes.ask(self._nodes.known(call.params.node_id))
        return {"status": "pending", "request": _pending(request), "created": created}

    async def pair_approve(self, call: Call[RequestParams]) -> Any:
        """Let what a node offers be used. Commands are done on another machine: that takes an administrator."""
        principal, request = unbounded(call.principal), self._nodes.request(call.params.request_id)
        if request.surface.commands and ADMIN not in principal.scopes:
            raise missing_scope(ADMIN)
        device = self._nodes.approve(request)
        await self._rooms.book.saved()
        return {"requestId": request.request_id, "node": self._row(device)}

    async def pair_reject(self, call: Call[RequestParams]) -> Any:
        """Do not let it be used."""
        unbounded(call.principal)
        request = self._nodes.request(call.params.request_id)
        self._nodes.resolve(request, "rejected")
        return {"requestId": request.request_id, "nodeId": request.node_id}

    async def pair_remove(self, call: Call[NodeParams]) -> Any:
        """Take back what was approved; the device stays paired."""
        unbounded(call.principal)
        self._nodes.known(call.params.node_id)
        self._rooms.pairing.approve_node(call.params.node_id, None)
        await self._rooms.book.saved()
        return {"nodeId": call.params.node_id}

    async def pair_verify(self, call: Call[VerifyParams]) -> Any:
        """Whether a token is that of a node."""
        unbounded(call.principal)
        if self._rooms.tokens.find(call.params.node_id, "node", call.params.token) is None:
            return {"ok": False}
        return {"ok": True, "node": self._row(self._nodes.known(call.params.node_id))}

    # -- nodes

    async def rename(self, call: Call[RenameParams]) -> Any:
        """Give a node a name that people know it by."""
        principal, name = unbounded(call.principal), call.params.display_name.strip()
        node_id = self._nodes.known(call.params.node_id).device_id
        self._rooms.pairing.rename(node_id, name, principal)
        await self._rooms.book.saved()
        return {"nodeId": node_id, "displayName": name}

    async def list(self, call: Call[NoParams]) -> Any:
        """All nodes."""
        unbounded(call.principal)
        return {"ts": self._rooms.book.now_ms(), "nodes": [self._row(device) for device in self._nodes.all()]}

    async def describe(self, call: Call[NodeParams]) -> Any:
        """One node."""
        unbounded(call.principal)
        return {"ts": self._rooms.book.now_ms(), **self._row(self._nodes.known(call.params.node_id))}

    async def invoke(self, call: Call[InvokeParams]) -> Any:
        """Have a node do a command, and say how it came out."""
        unbounded(call.principal)
        params = call.params
        timeout_s = min(params.timeout_ms or DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS) / 1000
        outcome = await self._nodes.invoke(
            params.node_id, params.command, params.params, timeout_s, params.idempotency_key
        )
        if not outcome.ok:
            told = {"code": outcome.code or "ERROR", "message": outcome.message or "node invoke failed"}
            message = f"{outcome.code}: {outcome.message}" if outcome.code else told["message"]
            raise GatewayError("node_failed", message, details={"nodeError": told})
        answer: dict[str, Any] = {"ok": True, "nodeId": params.node_id, "command": params.command}
        answer["payload"] = None if outcome.payload is UNSET else outcome.payload
        answer["payloadJSON"] = None if outcome.payload_json is UNSET else outcome.payload_json
        return answer

    # -- what nodes say

    async def result(self, call: Call[ResultParams]) -> Any:
        """How a command came out. One that nobody waits for any more is no error of the node's."""
        params, error = call.params, call.params.error or NodeError()
        payload = params.payload
        if payload is UNSET and isinstance(params.payload_json, str):
            payload = _read(params.payload_json)
        outcome = Outcome(params.ok, payload, params.payload_json or UNSET, error.code[:64], error.message[:2000])
        waited = self._nodes.answered(_node(call), params.id, params.node_id, outcome)
        return {"ok": True} if waited else {"ok": True, "ignored": True}

    async def event(self, call: Call[EventParams]) -> Any:
        """Something happened at a node. Agents hear nothing of it here; that it is alive is noted."""
        connection, event = _node(call), call.params.event[:128]
        if not call.modern:
            return {"ok": True}
        if event != ALIVE:
            return {"ok": True, "event": event, "handled": False, "reason": "unsupported_event"}
        self._rooms.book.seen(self._nodes.known(connection.principal.device_id))
        return {"ok": True, "event": event, "handled": True}

    # -- rows

    def _row(self, device: PairedDevice) -> dict[str, Any]:
        connection = self._nodes.connection(device.device_id)
        approved, waiting = device.node, self._nodes.request_of(device.device_id)
        offered = offered_by(connection) if connection is not None else approved
        row: dict[str, Any] = {
            "nodeId": device.device_id,
            "displayName": device.display_name,
            "platform": device.platform,
            "deviceFamily": device.device_family,
            "clientId": device.client_id,
            "clientMode": device.client_mode,
            "remoteIp": device.remote_ip,
            "caps": [cap for cap in (offered.caps if offered else ()) if approved and cap in approved.caps],
            "commands": list(self._nodes.usable(device)),
            "permissions": offered.permissions if offered and approved else {},
            "approvalState": "approved" if waiting is None and approved else "pending-approval",
            "lastSeenAtMs": device.last_seen_at_ms,
            "approvedAtMs": approved.approved_at_ms if approved else device.approved_at_ms,
            "paired": True,
            "connected": connection is not None,
        }
        if waiting is not None:
            row |= {
                "pendingRequestId": waiting.request_id,
                "pendingDeclaredCaps": list(waiting.surface.caps),
                "pendingDeclaredCommands": list(waiting.surface.commands),
            }
        if connection is not None and connection.params is not None:
            client = connection.params.client
            row |= {
                "version": client.version,
                "modelIdentifier": client.model_identifier,
                "pathEnv": connection.params.path_env,
            }
        return {name: value for name, value in row.items() if value != ""}


def _pending(request: NodeRequest) -> dict[str, Any]:
    surface = request.surface
    return {
        "requestId": request.request_id,
        "nodeId": request.node_id,
        "caps": list(surface.caps),
        "commands": list(surface.commands),
        "permissions": surface.permissions,
        "requiredApproveScopes": ["operator.pairing", *([ADMIN] if surface.commands else [])],
        "silent": False,
        "ts": request.ts,
    }


def _approves(connection: Connection) -> bool:
    """Whether it is told of nodes that wait."""
    return may(connection.principal, "node.pair.list") and not is_bounded(connection.principal)


def _read(text: str) -> Any:
    """What a node sent as a text of JSON; UNSET when it is none."""
    try:
        return arguments_of(text) if text.strip() else UNSET
    except ValueError:
        return UNSET


def _node(call: Call[Any]) -> Connection:
    """The node's connection."""
    assert isinstance(call.caller, Connection)
    return call.caller


__all__ = ["NodeMethods", "NodeNews"]
