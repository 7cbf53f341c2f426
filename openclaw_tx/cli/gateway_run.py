# -*- test-case-name: tests.cli.test_gateway_run -*-
"""C{openclaw-tx gateway run}: the same as C{twistd -n openclaw}, for whoever is used to OpenClaw's words."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from openclaw_tx.cli.errors import CommandError

if TYPE_CHECKING:
    from openclaw_tx.cli.place import Place
    from openclaw_tx.config.load import Loaded

F = TypeVar("F", bound=Callable[..., Any])


def run_options(command: F) -> F:
    """What to serve, and where."""
    secret = "Shared secret that clients must send; other users can see it in the process list."
    for option in (
        click.option("--verbose", is_flag=True, help="Log each HTTP request and each run."),
        click.option("--force", is_flag=True, help="End whoever listens on the port first."),
        click.option("--allow-unconfigured", is_flag=True, help="Start without gateway.mode=local."),
        click.option("--password", metavar="SECRET", help="The same for auth mode password."),
        click.option("--token", metavar="SECRET", help=secret),
        click.option("--auth", type=click.Choice(["token", "password", "none", "trusted-proxy"]), help="Auth mode."),
        click.option(
            "--bind",
            type=click.Choice(["loopback", "lan", "tailnet", "auto", "custom"]),
            help="Addresses to listen on.",
        ),
        click.option("--port", type=click.IntRange(1, 65535), help="TCP port [default: as configured]."),
    ):
        command = option(command)
    return command


def serve(
    place: Place,
    *,
    port: int | None,
    bind: str | None,
    auth: str | None,
    token: str | None,
    password: str | None,
    allow_unconfigured: bool,
    force: bool,
    verbose: bool,
    run: Callable[[Sequence[str]], None] | None = None,
) -> None:
    """Serve until stopped.

    @param run: runs C{twistd} with arguments.
    @raise CommandError: it does not start.
    """
    from openclaw_tx.config.load import port as configured_port

    loaded = place.load()
    check_mode(loaded, allow_unconfigured)
    number = configured_port(loaded.config, loaded.environment, port)
    free_port(loaded, number, bind, force)
    arguments = ["--nodaemon", "--pidfile=", "openclaw", f"--config={loaded.path}", f"--state-dir={loaded.state_dir}"]
    options = {"port": str(number), "bind": bind, "auth": auth, "token": token, "password": password}
    arguments += [f"--{name}={value}" for name, value in options.items() if value is not None]
    arguments += ["--verbose"] if verbose else []
    if place.profile:
        # The gateway takes the profile from its environment, which is this process's own from here on.
        os.environ["OPENCLAW_PROFILE"] = place.profile
    (run or twistd)(arguments)


def check_mode(loaded: Loaded, allow_unconfigured: bool) -> None:
    """Start only what somebody has set up.

    @raise CommandError: C{gateway.mode} is not local.
    """
    mode = loaded.config.gateway.mode
    if mode == "local" or (allow_unconfigured and mode is None):
        return
    if not loaded.exists and mode is None:
        raise CommandError(f"{loaded.path} does not exist: run `openclaw-tx setup`, or start with --allow-unconfigured")
    if mode is None:
        raise CommandError("gateway.mode is not set: set it to local, or start with --allow-unconfigured")
    raise CommandError(f"gateway.mode is {mode}: this configuration is for clients of another gateway")


def free_port(loaded: Loaded, port: int, bind: str | None, force: bool) -> None:
    """See that the port can be had; with C{force}, see to it.

    @raise CommandError: somebody has it.
    """
    from openclaw_tx.cli.ports import end_listeners, is_busy, listeners

    gateway = loaded.config.gateway
    host = gateway.custom_bind_host if (bind or gateway.bind) == "custom" else "127.0.0.1"
    url = f"{'wss' if gateway.tls.enabled else 'ws'}://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        if not is_busy(host, port):
            return
        if force:
            for ended in end_listeners(port):
                click.echo(f"ended process {ended.pid} ({ended.command}), which listened on port {port}", err=True)
            if not is_busy(host, port):
                return
    except OSError as error:
        raise CommandError(f"can not listen on {url}: {error.strerror}") from None
    who = ", ".join(f"{each.command}, process {each.pid}" for each in listeners(port))
    raise CommandError(
        f"another gateway instance, or something else, is already listening on {url}{f' ({who})' if who else ''}; "
        "stop it, or use another --port"
    )


def twistd(arguments: Sequence[str]) -> None:
    """Run C{twistd} in this process.

    @raise CommandError: the service could not be made, or could not listen.
    """
    from twisted.python import usage
    from twisted.scripts import twistd as script

    runner: Any = script  # typed in part only
    options = runner.ServerOptions()
    try:
        options.parseOptions(list(arguments))
    except usage.UsageError as error:
        raise CommandError(str(error)) from None
    try:
        runner.runApp(options)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            raise CommandError(ended.code.removeprefix("openclaw: ")) from None
        raise


__all__ = ["run_options", "serve"]
