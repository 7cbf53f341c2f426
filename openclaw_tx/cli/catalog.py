# -*- test-case-name: tests.cli.test_catalog -*-
"""C{openclaw-tx tools list} and C{skills list}: what an agent has to work with, without a gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.output import echo_json, json_option, table
from openclaw_tx.cli.place import Place, here

if TYPE_CHECKING:
    from openclaw_tx.config.load import Loaded
    from openclaw_tx.values import Agent

agent_option = click.option(
    "--agent", "agent_id", metavar="ID", default="", help="Whose [default: the default agent's]."
)


@click.group()
def tools() -> None:
    """See what agents may use."""


@tools.command("list")
@agent_option
@click.option("--model", metavar="REF", default="", help="With this model [default: the agent's own].")
@json_option
@here
def list_tools(place: Place, agent_id: str, model: str, as_json: bool) -> None:
    """List the tools that an agent is offered, as the policy and its model are."""
    from twisted.internet import reactor

    from openclaw_tx.cli.models_status import agent_of
    from openclaw_tx.errors import GatewayError
    from openclaw_tx.gateway import Gateway

    loaded = place.load()
    agent = agent_of(loaded, agent_id)
    try:
        # It is never started, so that it opens nothing and listens nowhere.
        specs = Gateway(reactor, loaded).tools(agent.id, model=model)
    except GatewayError as error:
        raise CommandError(error.info.message) from None
    if as_json:
        rows = [{"name": spec.name, "description": spec.description, "parameters": spec.parameters} for spec in specs]
        echo_json({"agentId": agent.id, "model": model or agent.models[0], "tools": rows})
    elif not specs:
        click.echo(f"Agent {agent.id} is offered no tools.")
    else:
        cells = [(spec.name, first_sentence(spec.description)) for spec in specs]
        table(place.console(), ("tool", "description"), cells)


def first_sentence(text: str) -> str:
    """As much as fits a line."""
    return text.strip().partition("\n")[0].partition(". ")[0].removesuffix(".")


@click.group()
def skills() -> None:
    """See the instructions that agents can read when they need them."""


@skills.command("list")
@agent_option
@click.option("--eligible", is_flag=True, help="Only those that the agent is told of.")
@json_option
@here
def list_skills(place: Place, agent_id: str, eligible: bool, as_json: bool) -> None:
    """List the skills of an agent."""
    from openclaw_tx.cli.models_status import agent_of

    loaded = place.load()
    agent = agent_of(loaded, agent_id)
    rows = [row for row in skill_rows(loaded, agent) if row["eligible"] or not eligible]
    if as_json:
        managed = str(loaded.state_dir / "skills")
        echo_json({"workspaceDir": agent.workspace, "managedSkillsDir": managed, "skills": rows})
    elif not rows:
        click.echo("There are no skills.", err=True)
    else:
        cells = [
            (
                row["name"],
                "ready" if row["eligible"] else "off" if row["disabled"] else "not for it",
                row["description"],
            )
            for row in rows
        ]
        table(place.console(), ("skill", "state", "description"), cells)


def skill_rows(loaded: Loaded, agent: Agent) -> list[dict[str, Any]]:
    """The skills that an agent's directories hold, with OpenClaw's keys; of two with one name the first counts."""
    from openclaw_tx.agents.skills import SkillDirectory

    config = loaded.config
    entry = next((each for each in config.agents.entries if each.id == agent.id), None)
    only = entry.skills if entry is not None and entry.skills is not None else config.agents.defaults.skills
    hidden = {name for name, each in config.skills.entries.items() if not each.enabled}
    rows: dict[str, dict[str, Any]] = {}
    for directory in agent.skill_directories:
        for skill in SkillDirectory(directory).refresh():
            filtered = only is not None and skill.name not in only
            row = {
                "name": skill.name,
                "description": skill.description,
                "eligible": skill.name not in hidden and not filtered,
                "disabled": skill.name in hidden,
                "blockedByAgentFilter": filtered,
                "source": directory,
                "path": skill.path,
            }
            rows.setdefault(skill.name, row)
    return list(rows.values())


__all__ = ["skills", "tools"]
