# -*- test-case-name: tests.cli.test_devices -*-
"""C{openclaw-tx devices} and C{openclaw-tx nodes}: who is let in, and what nodes offer (docs/authentication.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from openclaw_tx.cli.asking import SECONDS, ask, asking
from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.output import json_text, plain
from openclaw_tx.cli.place import Place

if TYPE_CHECKING:
    from openclaw_tx.cli.client import GatewayClient

SCOPES = ("operator.admin", "operator.pairing", "operator.read", "operator.write")
SHOWN_ID = 16
"""Characters of a device id that a list shows; as many are enough to name a device."""


@click.group()
def devices() -> None:
    """See, approve and remove devices."""


@devices.command(name="list")
@asking
def list_devices(place: Place, as_json: bool, **remote: Any) -> None:
    """List devices that wait to be approved, and those that are paired."""
    _call(place, remote, as_json, "device.pair.list", {}, shown_devices)


@devices.command()
@click.argument("request", metavar="REQUEST", required=False)
@click.option("--latest", is_flag=True, help="Approve the newest request without naming it.")
@asking
def approve(place: Place, request: str | None, latest: bool, as_json: bool, **remote: Any) -> None:
    """Let the device of REQUEST in. Without one it tells which requests wait."""
    if not request and not latest:
        _call(place, remote, as_json, "device.pair.list", {}, _which)
        return

    async def work(client: GatewayClient) -> str:
        request_id = request or newest(await client.call("device.pair.list", {}, SECONDS))
        answer = await client.call("device.pair.approve", {"requestId": request_id}, SECONDS)
        device = answer["device"]
        return json_text(answer) if as_json else f"Approved: {_name(device)} ({', '.join(device['scopes'])})"

    ask(place, remote, SCOPES, work)


@devices.command()
@click.argument("request", metavar="REQUEST")
@asking
def reject(place: Place, request: str, as_json: bool, **remote: Any) -> None:
    """Refuse the device of REQUEST."""
    _call(place, remote, as_json, "device.pair.reject", {"requestId": request}, lambda _: f"Rejected: {request}")


@devices.command()
@click.argument("device", metavar="DEVICE")
@asking
def remove(place: Place, device: str, as_json: bool, **remote: Any) -> None:
    """Forget DEVICE and its tokens; its connections are closed."""
    _on_device(place, remote, as_json, device, "device.pair.remove", {}, "Removed: {deviceId}")


@devices.command()
@click.argument("device", metavar="DEVICE")
@click.argument("label", metavar="LABEL")
@asking
def rename(place: Place, device: str, label: str, as_json: bool, **remote: Any) -> None:
    """Call DEVICE by the name LABEL."""
    _on_device(place, remote, as_json, device, "device.pair.rename", {"label": label}, "{deviceId} is now {label}")


def with_role(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds C{--role}."""
    told = "Which of its tokens."
    return click.option("--role", metavar="ROLE", default="operator", show_default=True, help=told)(command)


@devices.command()
@click.argument("device", metavar="DEVICE")
@with_role
@click.option("--scope", "scopes", metavar="SCOPE", multiple=True, help="Bind the token to fewer scopes; repeatable.")
@asking
def rotate(place: Place, device: str, role: str, scopes: Sequence[str], as_json: bool, **remote: Any) -> None:
    """Make another token for DEVICE and print it; the old one is no longer good."""
    params = {"role": role, **({"scopes": list(scopes)} if scopes else {})}
    _on_device(place, remote, as_json, device, "device.token.rotate", params, "{token}")


@devices.command()
@click.argument("device", metavar="DEVICE")
@with_role
@asking
def revoke(place: Place, device: str, role: str, as_json: bool, **remote: Any) -> None:
    """Withdraw the token of DEVICE; it stays paired."""
    _on_device(place, remote, as_json, device, "device.token.revoke", {"role": role}, "Revoked: {deviceId} {role}")


@click.group()
def nodes() -> None:
    """See nodes, and approve what they offer."""


@nodes.command(name="list")
@asking
def list_nodes(place: Place, as_json: bool, **remote: Any) -> None:
    """List nodes, what they offer, and what waits for approval."""
    _call(place, remote, as_json, "node.list", {}, shown_nodes)


@nodes.command(name="approve")
@click.argument("request", metavar="REQUEST")
@asking
def approve_node(place: Place, request: str, as_json: bool, **remote: Any) -> None:
    """Let what a node offers be used, as REQUEST says."""
    _call(place, remote, as_json, "node.pair.approve", {"requestId": request}, lambda _: f"Approved: {request}")


@nodes.command(name="reject")
@click.argument("request", metavar="REQUEST")
@asking
def reject_node(place: Place, request: str, as_json: bool, **remote: Any) -> None:
    """Refuse what a node offers in REQUEST."""
    _call(place, remote, as_json, "node.pair.reject", {"requestId": request}, lambda _: f"Rejected: {request}")


# -- talking to the gateway


def _call(
    place: Place,
    remote: dict[str, Any],
    as_json: bool,
    method: str,
    params: Mapping[str, Any],
    shown: Callable[[Any], str],
) -> None:
    async def work(client: GatewayClient) -> str:
        answer = await client.call(method, params, SECONDS)
        return json_text(answer) if as_json else shown(answer)

    ask(place, remote, SCOPES, work)


def _on_device(
    place: Place,
    remote: dict[str, Any],
    as_json: bool,
    device: str,
    method: str,
    params: Mapping[str, Any],
    told: str,
) -> None:
    """Call a method for the device that a beginning of its id, or its name, names."""

    async def work(client: GatewayClient) -> str:
        device_id = chosen(device, (await client.call("device.pair.list", {}, SECONDS))["paired"])
        answer = await client.call(method, {"deviceId": device_id, **params}, SECONDS)
        return json_text(answer) if as_json else plain(told.format(**answer))

    ask(place, remote, SCOPES, work)


# -- texts; pure


def chosen(text: str, paired: Sequence[Mapping[str, Any]]) -> str:
    """The id of the one device that C{text} names: its whole id, the beginning of it, or its name.

    @raise CommandError: none, or several.
    """
    exact = [row["deviceId"] for row in paired if text in (row["deviceId"], row.get("displayName"))]
    found = exact or [row["deviceId"] for row in paired if text and row["deviceId"].startswith(text.lower())]
    if len(found) != 1:
        raise CommandError(f"{'no device is' if not found else 'several devices are'} called {text}")
    return str(found[0])


def newest(listed: Mapping[str, Any]) -> str:
    """The request that came last.

    @raise CommandError: none waits.
    """
    waiting = sorted(listed["pending"], key=lambda row: int(row["ts"]))
    if not waiting:
        raise CommandError("no device waits to be approved")
    return str(waiting[-1]["requestId"])


def shown_devices(listed: Mapping[str, Any]) -> str:
    """The list for the terminal, which what a device says of itself must not be able to steer."""
    lines = [_waiting(row) for row in listed["pending"]]
    lines += [_paired(row) for row in listed["paired"]]
    return "\n".join(lines) or "No devices."


def _which(listed: Mapping[str, Any]) -> str:
    return "\n".join(_waiting(row) for row in listed["pending"]) or "No device waits to be approved."


def _waiting(row: Mapping[str, Any]) -> str:
    asks = ", ".join([row.get("role", "operator"), *row.get("scopes", [])])
    place = f" from {row['remoteIp']}" if row.get("remoteIp") else ""
    return plain(f"waits   {row['requestId']}  {_name(row)}{place}  asks for {asks}")


def _paired(row: Mapping[str, Any]) -> str:
    state = "here  " if row.get("connected") else "away  "
    tokens = ", ".join(token["role"] for token in row.get("tokens", []))
    held = ", ".join([*row.get("roles", []), *row.get("scopes", [])])
    return plain(f"{state}  {_name(row)}  {held}" + (f"  (tokens: {tokens})" if tokens else ""))


def _name(row: Mapping[str, Any]) -> str:
    name = row.get("displayName") or row.get("clientId") or ""
    return f"{row['deviceId'][:SHOWN_ID]}  {plain(str(name))}".rstrip()


def shown_nodes(listed: Mapping[str, Any]) -> str:
    """The list for the terminal."""
    lines = []
    for row in listed["nodes"]:
        state = "here  " if row.get("connected") else "away  "
        lines.append(f"{state}  {row['nodeId'][:SHOWN_ID]}  {row.get('displayName', row.get('clientId', ''))}")
        lines.append(f"        commands: {', '.join(row.get('commands', [])) or 'none'}")
        if "pendingRequestId" in row:
            offered = ", ".join(row.get("pendingDeclaredCommands", [])) or "no commands"
            lines.append(f"        waits   {row['pendingRequestId']}  offers {offered}")
    return plain("\n".join(lines)) or "No nodes."


__all__ = ["chosen", "devices", "newest", "nodes", "shown_devices", "shown_nodes"]
