# -*- test-case-name: tests.cli.test_gateway -*-
"""C{openclaw-tx gateway}: serve, call a method, look whether it is well."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.gateway_run import run_options, serve
from openclaw_tx.cli.gateway_status import probe_verb, status
from openclaw_tx.cli.output import echo_json, json_option, plain
from openclaw_tx.cli.place import Place, here
from openclaw_tx.cli.remote import ADMIN_SCOPES, READ_SCOPES, remote_options, timeout_option

if TYPE_CHECKING:
    from openclaw_tx.cli.client import GatewayClient


@click.group(invoke_without_command=True)
@run_options
@click.pass_context
def gateway(context: click.Context, /, **options: Any) -> None:
    """Serve, call a method of the gateway, look whether it is well.

    Without a verb it serves, as `openclaw-tx gateway run` does.
    """
    if context.invoked_subcommand is None:
        serve(context.ensure_object(Place), **options)


@gateway.command()
@run_options
@here
def run(place: Place, /, **options: Any) -> None:
    """Serve in the foreground, as `twistd -n openclaw` does.

    SIGTERM and Ctrl-C let runs finish first.
    """
    serve(place, **options)


@gateway.command()
@click.argument("method")
@click.option("--params", metavar="JSON", default="{}", show_default=True, help="Parameters, an object.")
@click.option("--expect-final", is_flag=True, help="Wait for the result of a run, not only for the word it began.")
@json_option
@timeout_option(10_000)
@remote_options
@here
def call(
    place: Place, /, method: str, params: str, expect_final: bool, as_json: bool, timeout: int, **remote: str | None
) -> None:
    """Call METHOD of the gateway and print its answer as JSON."""
    given = parsed(params)

    async def work(client: GatewayClient) -> Any:
        try:
            return await client.call(method, given, timeout / 1000, accepted if expect_final else None)
        except CommandError as error:
            raise CommandError(f"Gateway call failed: {error.message}") from None

    payload = place.talk(remote, work, ADMIN_SCOPES, timeout / 1000)
    if not as_json:
        click.echo(f"Gateway call: {plain(method)}")
    echo_json(payload)


def accepted(status: str, payload: Any) -> None:
    """A run began; its result is still to come."""


def parsed(params: str) -> dict[str, Any]:
    """
    @raise CommandError: C{params} is no JSON object.
    """
    try:
        value = json.loads(params)
    except ValueError as error:
        raise CommandError(f"--params is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise CommandError("--params must be a JSON object")
    return value


@gateway.command()
@json_option
@timeout_option(10_000)
@remote_options
@here
def health(place: Place, /, as_json: bool, timeout: int, **remote: str | None) -> None:
    """Ask the gateway whether it is well. The exit code is 1 when it is not, or does not answer."""

    async def work(client: GatewayClient) -> tuple[Any, int]:
        asked = time.monotonic()
        payload = await client.call("health", {}, timeout / 1000)
        return payload, int((time.monotonic() - asked) * 1000)

    payload, took = place.talk(remote, work, READ_SCOPES, timeout / 1000)
    well = isinstance(payload, dict) and bool(payload.get("ok"))
    if as_json:
        echo_json(payload)
    elif well:
        click.echo(f"Gateway Health\nOK ({took}ms)")
    else:
        error = payload.get("error") if isinstance(payload, dict) else None
        click.echo(f"Gateway Health\nnot well{f': {plain(str(error))}' if error else ''}")
    if not well:
        raise SystemExit(1)


gateway.add_command(status)
gateway.add_command(probe_verb)

__all__ = ["gateway"]
