# -*- test-case-name: tests.cli.test_main -*-
"""C{openclaw-tx}: the command line. One file a verb; what is heavy is imported by the verb that needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from openclaw_tx._version import __version__
from openclaw_tx.cli.agent import agent
from openclaw_tx.cli.agents import agents
from openclaw_tx.cli.approvals import approvals
from openclaw_tx.cli.backup import backup
from openclaw_tx.cli.catalog import skills, tools
from openclaw_tx.cli.channels import channels, message
from openclaw_tx.cli.completion import completion
from openclaw_tx.cli.config import config
from openclaw_tx.cli.cron import cron
from openclaw_tx.cli.devices import devices, nodes
from openclaw_tx.cli.doctor import doctor
from openclaw_tx.cli.gateway import gateway
from openclaw_tx.cli.health import health
from openclaw_tx.cli.keys import keys
from openclaw_tx.cli.logs import logs
from openclaw_tx.cli.memory import memory
from openclaw_tx.cli.models import models
from openclaw_tx.cli.place import Place
from openclaw_tx.cli.security import security
from openclaw_tx.cli.sessions import sessions
from openclaw_tx.cli.setup import setup
from openclaw_tx.cli.status import status
from openclaw_tx.cli.system import system
from openclaw_tx.cli.token import token

AS_JSON = "as_json"
"""What every verb calls its C{--json}."""


class Main(click.Group):
    """The verbs. C{--json} before a verb is C{--json} behind it."""

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; with C{--json} see that it has that option, and give it."""
        found = super().resolve_command(context, arguments)
        if context.params.get(AS_JSON) and not context.resilient_parsing:
            words, command = wanted(self, arguments)
            if not any(option.name == AS_JSON for option in command.params):
                raise click.UsageError(f"`{words}` has no --json", context)
            context.default_map = json_defaults(self)
        return found


def wanted(group: click.Group, arguments: Sequence[str]) -> tuple[str, click.Command]:
    """The verb that arguments name, and its words."""
    words: list[str] = []
    command: click.Command = group
    for argument in arguments:
        below = command.commands.get(argument) if isinstance(command, click.Group) else None
        if below is None:
            if argument.startswith("-"):
                continue
            break
        command = below
        words.append(argument)
    return " ".join(words), command


def json_defaults(group: click.Group) -> dict[str, Any]:
    """A default map of click that turns C{--json} on wherever there is one."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        own = {AS_JSON: True} if any(option.name == AS_JSON for option in command.params) else {}
        found[name] = own | (json_defaults(command) if isinstance(command, click.Group) else {})
    return found


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--config", "config_path", metavar="FILE", help="Configuration file.")
@click.option("--state-dir", metavar="DIR", help="Directory for sessions and models.")
@click.option("--profile", metavar="NAME", help="Use the state directory ~/.openclaw-NAME.")
@click.option("--dev", is_flag=True, help="The profile dev, and port 19001 unless OPENCLAW_GATEWAY_PORT says another.")
@click.option("--json", AS_JSON, is_flag=True, help="The same as --json behind the verb.")
@click.option("--no-color", is_flag=True, help="No colours, as with NO_COLOR set.")
@click.version_option(__version__, prog_name="openclaw-tx")
@click.pass_context
def main(
    context: click.Context,
    config_path: str | None,
    state_dir: str | None,
    profile: str | None,
    dev: bool,
    as_json: bool,
    no_color: bool,
) -> None:
    """Set up, run, try and inspect an OpenClaw Gateway for Twisted."""
    if dev and profile:
        raise click.UsageError("--dev and --profile exclude each other: --dev is the profile dev")
    context.obj = Place(config_path, state_dir, "dev" if dev else profile, no_color, dev)
    if no_color:
        context.color = False


VERBS = (
    *(setup, gateway, status, health, logs, doctor, security, backup),
    *(agent, agents, cron, sessions, models, tools, skills, memory, system),
    *(config, keys, token, approvals, devices, nodes, channels, message, completion),
)
for verb in VERBS:
    main.add_command(verb)

__all__ = ["main"]
