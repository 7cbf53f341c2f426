# -*- test-case-name: tests.cli.test_channels -*-
"""C{openclaw-tx channels} and C{openclaw-tx message}: what people talk to agents over besides the gateway's port
(docs/channels.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from openclaw_tx.cli.asking import ask, asking
from openclaw_tx.cli.output import json_text, plain
from openclaw_tx.cli.place import Place

if TYPE_CHECKING:
    from openclaw_tx.cli.client import GatewayClient

SECONDS = 10.0
SEND_SECONDS = 120.0
"""Longest wait for a message to arrive: it is tried several times."""


@click.group()
def channels() -> None:
    """See channels, and how they stand."""


@channels.command()
@click.option("--channel", metavar="NAME", default="", help="Only this one.")
@asking
def status(place: Place, channel: str, as_json: bool, **remote: Any) -> None:
    """Show every account of every channel: whether it runs, and what failed last."""
    params = {"channel": channel} if channel else {}
    _call(place, remote, as_json, ("operator.read",), "channels.status", params, shown_status, SECONDS)


@channels.command(name="list")
@asking
def list_channels(place: Place, as_json: bool, **remote: Any) -> None:
    """List channels and their accounts."""
    _call(place, remote, as_json, ("operator.read",), "channels.status", {}, shown_list, SECONDS)


@click.group()
def message() -> None:
    """Send messages over channels."""


@message.command()
@click.option("-t", "--target", metavar="PEER", required=True, help="Who gets it: dm:ID, group:ID, channel:ID or ID.")
@click.option("-m", "--message", "text", metavar="TEXT", default="", help="What to say.")
@click.option("--media", metavar="URL", multiple=True, help="A file that belongs to it; repeatable.")
@click.option("--channel", metavar="NAME", default="", help="Over which channel; the only one need not be named.")
@click.option("--account", metavar="NAME", default="", help="From which account; else the channel's default one.")
@asking
def send(
    place: Place,
    target: str,
    text: str,
    media: Sequence[str],
    channel: str,
    account: str,
    as_json: bool,
    **remote: Any,
) -> None:
    """Send a message, and wait until it has arrived."""
    if not text.strip() and not media:
        raise click.UsageError("say something: --message or --media")
    params = {"to": target, "message": text, "idempotencyKey": str(uuid4())}
    params |= {name: value for name, value in (("channel", channel), ("accountId", account)) if value}
    wanted: dict[str, Any] = {**params, **({"mediaUrls": list(media)} if media else {})}
    _call(place, remote, as_json, ("operator.write",), "send", wanted, shown_sent, SEND_SECONDS)


def _call(
    place: Place,
    remote: dict[str, Any],
    as_json: bool,
    scopes: Sequence[str],
    method: str,
    params: Mapping[str, Any],
    shown: Callable[[Any], str],
    seconds: float,
) -> None:
    async def work(client: GatewayClient) -> str:
        answer = await client.call(method, params, seconds)
        return json_text(answer) if as_json else shown(answer)

    ask(place, remote, scopes, work)


def shown_list(answer: Mapping[str, Any]) -> str:
    """A line for each channel."""
    accounts = answer["channelAccounts"]
    return "\n".join(
        plain(f"{name}  {', '.join(row['accountId'] for row in accounts[name])}") for name in answer["channelOrder"]
    )


def shown_status(answer: Mapping[str, Any]) -> str:
    """A line for each account."""
    rows = [(name, row) for name in answer["channelOrder"] for row in answer["channelAccounts"][name]]
    return "\n".join(plain(_line(name, row)) for name, row in rows) or "No such channel."


def _line(channel: str, row: Mapping[str, Any]) -> str:
    parts = [channel, row["accountId"], "runs" if row.get("running") else "off"]
    for key, word in (("lastInboundAt", "in"), ("lastOutboundAt", "out")):
        if row.get(key):
            parts.append(f"{word} {datetime.fromtimestamp(row[key] / 1000, UTC):%Y-%m-%d %H:%M:%S}Z")
    if row.get("waiting"):
        parts.append(f"{row['waiting']} waiting")
    if row.get("lastError"):
        parts.append(f"failed: {row['lastError']}")
    return "  ".join(parts)


def shown_sent(answer: Mapping[str, Any]) -> str:
    """That it has arrived."""
    return plain(f"Sent over {answer['channel']}: {answer['messageId']}")


__all__ = ["channels", "message"]
