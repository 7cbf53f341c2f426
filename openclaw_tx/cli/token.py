# -*- test-case-name: tests.cli.test_config -*-
"""C{openclaw-tx token}: the gateway's shared secret, for C{$(...)}."""

from __future__ import annotations

import click

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.place import Place, here


@click.command()
@here
def token(place: Place) -> None:
    """Print the secret that clients must send.

    From the configuration or the environment, whichever is in force. For use in other commands:
    curl -H "Authorization: Bearer $(openclaw-tx token)" ...
    """
    from openclaw_tx.auth.methods import resolve_secret

    loaded = place.load()
    secret = resolve_secret(loaded.config, loaded.environment)
    if secret.value is None:
        if secret.mode in ("none", "trusted-proxy"):
            raise CommandError(f"gateway.auth.mode is {secret.mode}: there is no shared secret")
        raise CommandError(f"no gateway {secret.mode} is set; `openclaw-tx setup` writes a configuration with one")
    click.echo(secret.value)


__all__ = ["token"]
