# -*- test-case-name: tests.cli.test_keys -*-
"""C{openclaw-tx keys}: keys for single clients. Only this command makes any, and only into the configuration file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.output import echo_json, table
from openclaw_tx.cli.place import Place, here

if TYPE_CHECKING:
    from openclaw_tx.config.load import Loaded
    from openclaw_tx.config.schema_gateway import Key


@click.group()
def keys() -> None:
    """Make keys for single clients, and list them."""


@keys.command()
@click.option("--label", required=True, help="Its name in logs and limits: lower case, e.g. laptop.")
@click.option("--scopes", metavar="S,S", help="What it may do [default: operator.read,operator.write].")
@click.option("--agents", metavar="A,A", help="Agents it may use, the first its default [default: all].")
@click.option("--session-prefix", metavar="TEXT", help='Begins the names of its sessions [default: "<label>:"].')
@click.option("--rpm", type=click.IntRange(1), help="Requests in a minute.")
@click.option("--tpm", type=click.IntRange(1), help="Tokens in a minute.")
@click.option("--concurrency", type=click.IntRange(1), help="Runs at a time.")
@click.option("--expires", metavar="TIME", help="ISO 8601 time or day from which on it is refused.")
@click.option("--write", is_flag=True, help="Add it to the configuration file.")
@here
def new(
    place: Place,
    label: str,
    scopes: str | None,
    agents: str | None,
    session_prefix: str | None,
    rpm: int | None,
    tpm: int | None,
    concurrency: int | None,
    expires: str | None,
    write: bool,
) -> None:
    """Make a key and print it, this once. With --write its hash is added to the configuration, never the key itself.

    The key goes to standard output, what to do with it to standard error.
    """
    import secrets

    from openclaw_tx.auth.keys import hash_of, new_key

    key = new_key(secrets.token_urlsafe)
    wanted = {
        "label": label,
        "hash": hash_of(key),
        "scopes": _names(scopes),
        "agents": _names(agents),
        "sessionPrefix": session_prefix,
        "rpm": rpm,
        "tpm": tpm,
        "concurrency": concurrency,
        "expires": expires,
    }
    entry = {name: value for name, value in wanted.items() if value is not None}
    loaded = place.load()
    _check(loaded, entry)
    if write:
        _add(place, loaded, entry)
        told = f"Added to {loaded.path}; a running gateway takes it up by itself."
    else:
        told = f"Add this to gateway.auth.keys in {loaded.path}:\n{json.dumps(entry, indent=2)}"
    click.echo(key)
    click.echo(f"{told}\nThe key is shown only now.", err=True)


@keys.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@here
def list_keys(place: Place, as_json: bool) -> None:
    """List the keys of the configuration; what they are is not known, only their hashes are."""
    import time

    from openclaw_tx.auth.keys import expiry, session_prefix

    rows: list[dict[str, Any]] = [
        {
            "label": key.label,
            "scopes": key.scopes,
            "agents": key.agents,
            "sessionPrefix": session_prefix(key),
            "limits": _limits(key),
            "expires": key.expires,
            "expired": expiry(key.expires) <= time.time(),
        }
        for key in place.load().config.gateway.auth.keys
    ]
    if as_json:
        echo_json({"keys": rows})
        return
    if not rows:
        click.echo("No keys are configured. `openclaw-tx keys new` makes one.", err=True)
        return
    cells = []
    for row in rows:
        limits = ", ".join(f"{name} {value}" for name, value in row["limits"].items()) or "none"
        expires = f"{row['expires']} (expired)" if row["expired"] else row["expires"] or "never"
        scopes, agents = ", ".join(row["scopes"]), ", ".join(row["agents"]) or "all"
        cells.append((row["label"], scopes, agents, f"{row['sessionPrefix']}*", limits, expires))
    table(place.console(), ("label", "scopes", "agents", "sessions", "limits", "expires"), cells)


def _names(text: str | None) -> list[str] | None:
    """The names of a comma-separated option; None when it was not given."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _limits(key: Key) -> dict[str, int]:
    limits = {"rpm": key.rpm, "tpm": key.tpm, "concurrency": key.concurrency}
    return {name: value for name, value in limits.items() if value is not None}


def _check(loaded: Loaded, entry: dict[str, Any]) -> None:
    """
    @raise CommandError: the configuration could not be used with this key.
    """
    import msgspec

    from openclaw_tx.auth.keys import key_issues
    from openclaw_tx.auth.methods import resolve_secret
    from openclaw_tx.config.schema_gateway import Key

    try:
        key = msgspec.convert(entry, Key)
    except msgspec.ValidationError as error:
        raise CommandError(f"no such key: {error}") from None
    config = loaded.config
    auth = msgspec.structs.replace(config.gateway.auth, keys=[*config.gateway.auth.keys, key])
    issues = key_issues(auth, resolve_secret(config, loaded.environment).mode)
    if issues:
        raise CommandError("\n".join(f"{path}: {message}" for path, message in issues))


def _add(place: Place, loaded: Loaded, entry: dict[str, Any]) -> None:
    """Add a key to the file.

    @raise CommandError: there is none, or it can not be written.
    """
    from openclaw_tx.cli.edit import edit_config

    if not loaded.exists:
        raise CommandError(f"{loaded.path} does not exist; `openclaw-tx setup` writes one")

    def put(data: dict[str, Any]) -> None:
        data.setdefault("gateway", {}).setdefault("auth", {}).setdefault("keys", []).append(entry)

    edit_config(place, put)


__all__ = ["keys"]
