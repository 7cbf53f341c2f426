# -*- test-case-name: tests.cli.test_config -*-
"""C{openclaw-tx config}: the configuration file, found, checked, read and changed without a gateway (spec 8)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.place import Place, config_problem, here

if TYPE_CHECKING:
    from pathlib import Path

    from openclaw_tx.config.editing import Editor, Original
    from openclaw_tx.config.paths import Path as Place_in_file


@click.group()
def config() -> None:
    """Find, check, read and change the configuration."""


def file_of(place: Place) -> Path:
    """Where the configuration file is, whether it exists or not.

    @raise CommandError: it can not be told.
    """
    import os
    from pathlib import Path

    from openclaw_tx.config.environment import locate, modernise
    from openclaw_tx.errors import ConfigError

    environ, _ = modernise(os.environ)
    try:
        found = locate(environ, Path.cwd(), config=place.config, state_dir=place.state_dir, profile=place.profile)
    except ConfigError as error:
        raise CommandError(config_problem(error)) from None
    return found.config


@config.command()
@here
def file(place: Place) -> None:
    """Print the path of the configuration file, whether it exists or not."""
    click.echo(file_of(place))


@config.command(hidden=True)
@here
def path(place: Place) -> None:
    """The same as `file`."""
    click.echo(file_of(place))


@config.command()
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON.")
@here
def validate(place: Place, as_json: bool) -> None:
    """Check the configuration; the exit code is 1 when it can not be used."""
    original = original_of(editor_of(place))
    if as_json:
        issues = [{"path": path, "message": message} for path, message in original.issues]
        click.echo(json.dumps({"valid": not issues, "path": str(original.path), "issues": issues}, indent=2))
        if issues:
            raise SystemExit(1)
        return
    tell(original)


@config.command()
@here
def check(place: Place) -> None:
    """The same as `validate`."""
    tell(original_of(editor_of(place)))


@config.command()
@here
def schema(place: Place) -> None:
    """Print the JSON Schema of the configuration."""
    from openclaw_tx.config.hints import shape

    click.echo(json.dumps(shape().schema, ensure_ascii=False, indent=2))


@config.command()
@click.argument("path")
@click.option("--json", "as_json", is_flag=True, help="The value as JSON, texts as well.")
@here
def get(place: Place, path: str, as_json: bool) -> None:
    """Print what the file says at PATH, e.g. gateway.auth.mode or agents.list[0].id.

    Secrets are not shown. The exit code is 1 when nothing stands there; defaults do not count.
    """
    from openclaw_tx.config.merging import value_at
    from openclaw_tx.config.redact import redact

    original = original_of(editor_of(place))
    if original.issues and not original.expanded:
        raise problem(original)
    try:
        value = value_at(redact(original.expanded), parsed(path))
    except LookupError:
        raise CommandError(f"{path} is not set in {original.path}") from None
    if as_json or isinstance(value, dict | list):
        click.echo(json.dumps(value, ensure_ascii=False, indent=2))
    else:
        click.echo(value if isinstance(value, str) else json.dumps(value))


@config.command("set")
@click.argument("path")
@click.argument("value")
@click.option("--json", "--strict-json", "strict", is_flag=True, help="VALUE is JSON; what is none is an error.")
@click.option("--dry-run", is_flag=True, help="Check only; write nothing.")
@here
def set_(place: Place, path: str, value: str, strict: bool, dry_run: bool) -> None:
    """Set PATH to VALUE, which is read as JSON5 and taken as a text if it is none.

    The whole file is checked before it is written; comments stay, and the old file is kept as openclaw.json.bak.
    """
    from openclaw_tx.config.merging import with_value

    new = read_value(value, strict)
    change(place, path, lambda data, where: dict(with_value(data, where, new)), dry_run)


@config.command()
@click.argument("path")
@click.option("--dry-run", is_flag=True, help="Check only; write nothing.")
@here
def unset(place: Place, path: str, dry_run: bool) -> None:
    """Take PATH out of the file."""
    from openclaw_tx.config.merging import without

    def left(data: dict[str, Any], where: Place_in_file) -> dict[str, Any]:
        try:
            return dict(without(data, where))
        except LookupError:
            raise CommandError(f"{path} is not set in {file_of(place)}") from None

    change(place, path, left, dry_run)


def editor_of(place: Place) -> Editor:
    """What reads and changes the file that the global options name."""
    import os

    from openclaw_tx.config.editing import Editor
    from openclaw_tx.config.load import load

    def again(raw: bytes | None) -> Any:
        return load(os.environ, config=place.config, state_dir=place.state_dir, profile=place.profile, raw=raw)

    return Editor(file_of(place), again)


def original_of(editor: Editor) -> Original:
    """The file of the moment.

    @raise CommandError: it can not be read.
    """
    from openclaw_tx.errors import ConfigError

    try:
        return editor.read()
    except ConfigError as error:
        raise CommandError(config_problem(error)) from None


def change(
    place: Place, path: str, what: Callable[[dict[str, Any], Place_in_file], dict[str, Any]], dry_run: bool
) -> None:
    """Change the file at a place, if it can be used afterwards, and say what that takes.

    @param what: makes the new file of the old one and the place.
    """
    from openclaw_tx.config.editing import Stale
    from openclaw_tx.config.merging import differences
    from openclaw_tx.config.reload import effect
    from openclaw_tx.errors import ConfigError

    editor = editor_of(place)
    original = original_of(editor)
    if original.exists and not original.readable:
        raise problem(original)
    where = parsed(path)
    try:
        candidate = editor.changed(original, what(original.parsed, where))
        if not dry_run:
            editor.write(candidate)
    except LookupError as error:
        raise CommandError(f"{path}: {error.args[0]}" if error.args else f"{path} is not set") from None
    except Stale:
        raise CommandError(f"{original.path} was changed meanwhile; try again") from None
    except ConfigError as error:
        raise CommandError(config_problem(error)) from None
    if not list(differences(original.parsed, candidate.parsed)):
        click.echo(f"{original.path} says so already.", err=True)
        return
    click.echo(f"{original.path} {'could be' if dry_run else 'was'} changed: {path}.", err=True)
    if effect(where) == "restart":
        click.echo("It takes effect when the gateway starts again.", err=True)


def tell(original: Original) -> None:
    """What there is to say of the file.

    @raise CommandError: it can not be used.
    """
    if original.loaded is None:
        raise problem(original)
    for warning in original.loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    if original.exists:
        click.echo(f"{original.path} is fine.")
    else:
        click.echo(f"{original.path} does not exist; the defaults apply. `openclaw-tx setup` writes one.")


def problem(original: Original) -> CommandError:
    """Why the file can not be used, an issue a line."""
    from openclaw_tx.errors import ConfigError

    return CommandError(config_problem(ConfigError([*original.issues])))


def parsed(path: str) -> Place_in_file:
    """A path that was typed.

    @raise CommandError: it is none.
    """
    from openclaw_tx.config.merging import parse_path

    try:
        return parse_path(path)
    except ValueError as error:
        raise CommandError(str(error)) from None


def read_value(text: str, strict: bool) -> Any:
    """A value that was typed.

    @raise CommandError: it is no JSON5, and has to be.
    """
    from openclaw_tx.config import json5

    try:
        return json5.loads(text)
    except json5.Json5Error as error:
        if strict:
            raise CommandError(f"VALUE is not JSON: {error}") from None
        return text


__all__ = ["config"]
