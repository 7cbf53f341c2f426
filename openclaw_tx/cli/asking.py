# -*- test-case-name: tests.cli.test_devices -*-
"""What verbs share that ask a running gateway one thing and print it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from openclaw_tx.cli.place import Place, here
from openclaw_tx.cli.remote import remote_options, target_of

if TYPE_CHECKING:
    from openclaw_tx.cli.client import GatewayClient

SECONDS = 10.0
"""Longest wait for an answer of the gateway."""

Work = Callable[["GatewayClient"], Awaitable[str]]
"""Asks the gateway; gives what to print."""


def asking(command: Callable[..., Any]) -> Callable[..., Any]:
    """What such a verb takes: C{--json} and the gateway to talk to."""
    with_json = click.option("--json", "as_json", is_flag=True, help="Print the gateway's whole answer as JSON.")
    return with_json(remote_options(here(command)))


def ask(place: Place, remote: dict[str, Any], scopes: Sequence[str], work: Work) -> None:
    """Connect, do C{work}, print what it gives, hang up.

    @param remote: values of L{remote_options}.
    @param scopes: to ask for.
    """
    from openclaw_tx.cli import reactor
    from openclaw_tx.cli.client import connect, endpoint_of

    target = target_of(place.load(), **remote)

    async def talk(running: Any) -> None:
        client = await connect(target, endpoint_of(target, running), running, scopes=scopes)
        try:
            click.echo(await work(client))
        finally:
            await client.close()

    reactor.run(talk)


__all__ = ["SECONDS", "Work", "ask", "asking"]
