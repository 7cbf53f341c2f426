# -*- test-case-name: tests.cli.test_setup -*-
"""C{openclaw-tx setup}: a first configuration with a token of its own and the chat endpoint on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.place import DEV_PORT, Place, here
from openclaw_tx.config.replacing import make_directory

TOKEN_BYTES = 32
"""Randomness of a token; 43 characters of text."""

DEFAULT_PORT = 18789


@click.command()
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option(
    "--force", is_flag=True, help="Replace an existing configuration; the old file is kept beside it as .bak."
)
@click.option("--if-missing", is_flag=True, help="Do nothing, successfully, when there is a configuration already.")
@click.option("--port", type=click.IntRange(1, 65535), help=f"TCP port of the gateway [default: {DEFAULT_PORT}].")
@here
def setup(place: Place, yes: bool, force: bool, if_missing: bool, port: int | None) -> None:
    """Write a first configuration.

    It has a freshly made token, listens on this machine only, and has the OpenAI-compatible endpoint on. The token is
    not printed: `openclaw-tx token` does that.
    """
    import secrets

    found = place.locate()
    if place.dev and port is None:
        port = DEV_PORT
    path = found.config
    exists = os.path.lexists(path)
    if exists and if_missing:
        click.echo(f"{path} is there already; nothing changed.", err=True)
        return
    if exists and not force:
        raise CommandError(f"{path} exists; with --force it is replaced (the old file is kept as {path.name}.bak)")
    if not yes and not click.confirm(f"Write {path}?", default=True):
        raise click.Abort
    try:
        make_directory(found.state_dir)
        make_directory(path.parent)
        backup = set_aside(path) if exists else None
        write_private(path, render(first_config(secrets.token_urlsafe(TOKEN_BYTES), port)))
    except OSError as error:
        raise CommandError(f"{error.filename or path}: {error.strerror}") from None
    click.echo(next_steps(path, backup, port or DEFAULT_PORT, place))


def first_config(token: str, port: int | None) -> dict[str, Any]:
    """What a newcomer's configuration says; everything else has its default."""
    gateway: dict[str, Any] = {"mode": "local"}
    if port is not None:
        gateway["port"] = port
    gateway["auth"] = {"mode": "token", "token": token}
    gateway["http"] = {"endpoints": {"chatCompletions": {"enabled": True}}}
    return {"gateway": gateway}


def render(config: dict[str, Any]) -> str:
    """A configuration as the text of its file."""
    return json.dumps(config, indent=2) + "\n"


def set_aside(path: Path) -> Path:
    """Move a file to the same name with C{.bak}, or C{.bak.2} and so on: an older backup is never replaced.

    @raise OSError: it can not be moved.
    """
    number = 1
    while True:
        backup = path.with_name(f"{path.name}.bak" + (f".{number}" if number > 1 else ""))
        if not os.path.lexists(backup):
            path.rename(backup)
            return backup
        number += 1


def write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner may read.

    @raise OSError: it exists, or can not be written.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(handle)


def next_steps(path: Path, backup: Path | None, port: int, place: Place) -> str:
    """What was written, and the commands to go on with, as they find the same configuration."""
    import shlex
    from importlib.util import find_spec

    places = {"--config": place.config, "--state-dir": place.state_dir}
    options = "".join(f" {name} {shlex.quote(value)}" for name, value in places.items() if value)
    serve = f"twistd -n openclaw{options}"
    if place.profile:
        options += " --dev" if place.dev else f" --profile {place.profile}"
        serve = f"OPENCLAW_PROFILE={place.profile} {serve}"
    runtime = "" if find_spec("xllamacpp") else "pip install 'openclaw-tx[local]' && "
    install = f"{runtime}openclaw-tx{options} models install"
    lines = [
        f"Wrote {path}: a new token, port {port} on this machine only, OpenAI-compatible endpoint on.",
        *([f"The file that was there is now {backup}."] if backup else []),
        "",
        "Next:",
        f"  {install}   # the embedded model; not needed with a provider of your own",
        f"  {serve}",
        f"  curl http://127.0.0.1:{port}/v1/chat/completions \\",
        f'    -H "Authorization: Bearer $(openclaw-tx{options} token)" -H "Content-Type: application/json" \\',
        """    -d '{"model": "openclaw", "messages": [{"role": "user", "content": "Hello"}]}'""",
        f'  openclaw-tx{options} agent -m "Hello"',
    ]
    return "\n".join(lines)


__all__ = ["first_config", "setup"]
