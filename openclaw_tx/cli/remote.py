# -*- test-case-name: tests.cli.test_target -*-
"""What every verb that talks to a gateway has in common: its options, and the conversation itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from openclaw_tx.cli.errors import CommandError

if TYPE_CHECKING:
    from openclaw_tx.cli.client import GatewayClient
    from openclaw_tx.cli.place import Place
    from openclaw_tx.cli.target import Target
    from openclaw_tx.config.load import Loaded

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

PIN = "openclaw_tx.tls_fingerprint"
"""Where click keeps C{--tls-fingerprint} while a verb is at work."""

Work = Callable[["GatewayClient"], Awaitable[T]]
"""What is done with a connection, and what comes of it."""

ADMIN_SCOPES = ("operator.admin", "operator.approvals", "operator.pairing", "operator.read", "operator.write")
"""For verbs that may call anything."""

READ_SCOPES = ("operator.read",)
"""For verbs that only look."""


def remote_options(command: F) -> F:
    """Adds C{--url}, C{--token}, C{--password} and C{--tls-fingerprint}; the last is not handed on, but counts for
    L{target_of}."""

    @wraps(command)
    def pinned(*arguments: Any, tls_fingerprint: str | None, **options: Any) -> Any:
        click.get_current_context().meta[PIN] = tls_fingerprint
        return command(*arguments, **options)

    verb: Any = pinned
    for option in (
        click.option("--tls-fingerprint", metavar="SHA256", help="The certificate that a wss:// gateway must have."),
        click.option("--password", metavar="SECRET", help="The gateway's password."),
        click.option("--token", metavar="SECRET", help="The gateway's token [default: as configured]."),
        click.option("--url", metavar="URL", help="Another gateway, ws:// or wss://; needs --token or --password."),
    ):
        verb = option(verb)
    found: F = verb
    return found


def timeout_option(default: int) -> Callable[[F], F]:
    """Adds C{--timeout}, milliseconds."""
    return click.option(
        "--timeout", type=click.IntRange(1), default=default, show_default=True, metavar="MS", help="Longest wait."
    )


def target_of(loaded: Loaded, url: str | None, token: str | None, password: str | None) -> Target:
    """The gateway that a verb's options and the configuration lead to. This machine's own is known by its
    certificate.

    @raise CommandError: they lead to none.
    """
    from openclaw_tx.cli.target import resolve
    from openclaw_tx.config.certificates import certificate_path, fingerprint_of

    context = click.get_current_context(silent=True)
    target = resolve(loaded.config, loaded.environment, url, token, password)
    pin = context.meta.get(PIN) if context is not None else None
    if pin:
        return target.pinned(pin)
    if not target.own or not target.secure:
        return target
    path = certificate_path(loaded.config.gateway.tls, loaded.state_dir)
    try:
        return target.pinned(fingerprint_of(path))
    except (OSError, ValueError) as error:
        raise CommandError(f"the certificate of this machine's gateway can not be read: {path}: {error}") from None


def talk(place: Place, remote: Mapping[str, str | None], work: Work[T], scopes: Sequence[str], timeout: float) -> T:
    """Connect, do C{work}, say goodbye.

    It runs the reactor, so a command can do it once.

    @param remote: the values of L{remote_options}.
    @param timeout: longest connect and handshake, in seconds.
    @raise CommandError: what went wrong, in words.
    """
    from openclaw_tx.cli import reactor
    from openclaw_tx.cli.client import connect, endpoint_of

    target = target_of(place.load(), remote.get("url"), remote.get("token"), remote.get("password"))
    results: list[T] = []

    async def conversation(running: Any) -> None:
        client = await connect(target, endpoint_of(target, running), running, timeout=timeout, scopes=scopes)
        try:
            results.append(await work(client))
        finally:
            await client.close()

    reactor.run(conversation)
    return results[0]


__all__ = ["ADMIN_SCOPES", "READ_SCOPES", "Work", "remote_options", "talk", "target_of", "timeout_option"]
