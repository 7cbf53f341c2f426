# -*- test-case-name: tests.cli.test_config -*-
"""C{openclaw-tx config}: where the configuration is, and whether it is right."""

from __future__ import annotations

import click

from openclaw_tx.cli.place import Place, here


@click.group()
def config() -> None:
    """Find and check the configuration."""


@config.command()
@here
def path(place: Place) -> None:
    """Print the path of the configuration file, whether it exists or not."""
    import os
    from pathlib import Path

    from openclaw_tx.cli.errors import CommandError
    from openclaw_tx.cli.place import config_problem
    from openclaw_tx.config.environment import locate, modernise
    from openclaw_tx.errors import ConfigError

    environ, _ = modernise(os.environ)
    try:
        found = locate(environ, Path.cwd(), config=place.config, state_dir=place.state_dir, profile=place.profile)
    except ConfigError as error:
        raise CommandError(config_problem(error)) from None
    click.echo(found.config)


@config.command()
@here
def check(place: Place) -> None:
    """Check the configuration; the exit code is 1 when it can not be used."""
    loaded = place.load()
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    if loaded.exists:
        click.echo(f"{loaded.path} is fine.")
    else:
        click.echo(f"{loaded.path} does not exist; the defaults apply. `openclaw-tx setup` writes one.")


__all__ = ["config"]
