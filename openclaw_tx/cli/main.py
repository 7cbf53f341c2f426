# -*- test-case-name: tests.cli.test_main -*-
"""C{openclaw-tx}: the command line. One file a verb; what is heavy is imported by the verb that needs it."""

from __future__ import annotations

import click

from openclaw_tx._version import __version__
from openclaw_tx.cli.agent import agent
from openclaw_tx.cli.agents import agents
from openclaw_tx.cli.approvals import approvals
from openclaw_tx.cli.channels import channels, message
from openclaw_tx.cli.config import config
from openclaw_tx.cli.cron import cron
from openclaw_tx.cli.devices import devices, nodes
from openclaw_tx.cli.health import health
from openclaw_tx.cli.keys import keys
from openclaw_tx.cli.logs import logs
from openclaw_tx.cli.models import models
from openclaw_tx.cli.place import Place
from openclaw_tx.cli.sessions import sessions
from openclaw_tx.cli.setup import setup
from openclaw_tx.cli.token import token


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--config", "config_path", metavar="FILE", help="Configuration file.")
@click.option("--state-dir", metavar="DIR", help="Directory for sessions and models.")
@click.option("--profile", metavar="NAME", help="Use the state directory ~/.openclaw-NAME.")
@click.option("--no-color", is_flag=True, help="No colours, as with NO_COLOR set.")
@click.version_option(__version__, prog_name="openclaw-tx")
@click.pass_context
def main(
    context: click.Context, config_path: str | None, state_dir: str | None, profile: str | None, no_color: bool
) -> None:
    """Set up, try and inspect an OpenClaw Gateway for Twisted.

    The gateway itself is started with `twistd -n openclaw`.
    """
    context.obj = Place(config_path, state_dir, profile, no_color)
    if no_color:
        context.color = False


for verb in (
    setup,
    agent,
    agents,
    cron,
    sessions,
    health,
    logs,
    models,
    config,
    keys,
    token,
    approvals,
    devices,
    nodes,
    channels,
    message,
):
    main.add_command(verb)

__all__ = ["main"]
