# -*- test-case-name: tests.cli.test_remote -*-
"""What every verb that talks to a gateway has in common: its options, and the conversation itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from openclaw_tx.cli.client import GatewayClient
    from openclaw_tx.cli.place import Place

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

Work = Callable[["GatewayClient"], Awaitable[T]]
"""What is done with a connection, and what comes of it."""

ADMIN_SCOPES = ("operator.admin", "operator.approvals", "operator.pairing", "operator.read", "operator.write")
"""For verbs that may call anything."""

READ_SCOPES = ("operator.read",)
"""For verbs that only look."""


def remote_options(command: F) -> F:
    """Adds C{--url}, C{--token} and C{--password}."""
    for option in (
        click.option("--password", metavar="SECRET", help="The gateway's password."),
        click.option("--token", metavar="SECRET", help="The gateway's token [default: as configured]."),
        click.option("--url", metavar="URL", help="Another gateway, ws:// or wss://; needs --token or --password."),
    ):
        command = option(command)
    return command


def timeout_option(default: int) -> Callable[[F], F]:
    """Adds C{--timeout}, milliseconds."""
    return click.option(
        "--timeout", type=click.IntRange(1), default=default, show_default=True, metavar="MS", help="Longest wait."
    )


def talk(place: Place, remote: Mapping[str, str | None], work: Work[T], scopes: Sequence[str], timeout: float) -> T:
    """Connect, do C{work}, say goodbye.

    It runs the reactor, so a command can do it once.

    @param remote: the values of L{remote_options}.
    @param timeout: longest connect and handshake, in seconds.
    @raise CommandError: what went wrong, in words.
    """
    from openclaw_tx.cli import reactor
    from openclaw_tx.cli.client import connect, endpoint_of
    from openclaw_tx.cli.target import resolve

    loaded = place.load()
    target = resolve(loaded.config, loaded.environment, remote.get("url"), remote.get("token"), remote.get("password"))
    results: list[T] = []

    async def conversation(running: Any) -> None:
        client = await connect(target, endpoint_of(target, running), running, timeout=timeout, scopes=scopes)
        try:
            results.append(await work(client))
        finally:
            await client.close()

    reactor.run(conversation)
    return results[0]


__all__ = ["ADMIN_SCOPES", "READ_SCOPES", "Work", "remote_options", "talk", "timeout_option"]
