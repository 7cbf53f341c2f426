# -*- test-case-name: tests.cli.test_edit -*-
"""C{openclaw-tx agents list|add|delete|set-identity}: who answers, in the configuration file."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.output import echo_json, json_option, table
from openclaw_tx.cli.place import Place, here

if TYPE_CHECKING:
    from openclaw_tx.config.editing import Candidate
    from openclaw_tx.config.load import Loaded
    from openclaw_tx.values import Agent

MAIN = "main"
SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
IDENTITY_LINE = re.compile(r"^\s*[-*]?\s*\**(name|theme|creature|vibe|emoji|manner)\**\s*:\**\s*(.+?)\s*$", re.I)
IDENTITY_FILE = "IDENTITY.md"
MAX_IDENTITY_BYTES = 64 * 1024


@click.command("list")
@json_option
@here
def list_agents(place: Place, as_json: bool) -> None:
    """List the agents of the configuration."""
    from openclaw_tx.cli.models_status import agents_of

    loaded = place.load()
    rows = [row(loaded, agent) for agent in agents_of(loaded)]
    if as_json:
        echo_json(rows)
        return
    cells = [
        ("*" if each["isDefault"] else "", each["id"], each.get("name", ""), each["model"] or "", each["workspace"])
        for each in rows
    ]
    table(place.console(), ("default", "id", "name", "model", "workspace"), cells)


def row(loaded: Loaded, agent: Agent) -> dict[str, Any]:
    """An agent as OpenClaw's command prints it. There are no channels to bind it to."""
    identity = next((entry.identity for entry in loaded.config.agents.entries if entry.id == agent.id), None)
    named = {"identityName": identity.name, "identityEmoji": identity.emoji} if identity is not None else {}
    return {
        "id": agent.id,
        **({"name": agent.name} if agent.name != agent.id else {}),
        **{key: value for key, value in named.items() if value},
        "workspace": agent.workspace,
        "agentDir": str(agent_dir(loaded, agent.id)),
        "model": agent.models[0] if agent.models else None,
        "bindings": 0,
        "isDefault": agent.is_default,
    }


def agent_dir(loaded: Loaded, agent_id: str) -> Path:
    """Where an agent's auth profiles are."""
    from openclaw_tx.models.profile_files import path_of

    return path_of(loaded.state_dir, agent_id).parent


@click.command()
@click.argument("name")
@click.option("--workspace", metavar="DIR", help="Its working directory [default: below the default workspace].")
@click.option("--model", metavar="REF", help="Its model [default: that of the defaults].")
@json_option
@here
def add(place: Place, name: str, workspace: str | None, model: str | None, as_json: bool) -> None:
    """Add an agent called NAME to the configuration file; a running gateway takes it up by itself."""
    from openclaw_tx.cli.edit import edit_config
    from openclaw_tx.cli.models_status import agent_of, agents_of

    agent_id = slug(name)
    loaded = place.load()
    if agent_id == MAIN or agent_id in (agent.id for agent in agents_of(loaded)):
        raise CommandError(f"there is an agent {agent_id} already")
    entry: dict[str, Any] = {"id": agent_id}
    if name != agent_id:
        entry["name"] = name
    if workspace is not None:
        entry["workspace"] = os.path.abspath(os.path.expanduser(workspace))
    if model is not None:
        entry["model"] = model
    alone = not loaded.config.agents.entries
    edit_config(place, lambda data: put(data, entry, alone))
    loaded = place.load()
    agent = agent_of(loaded, agent_id)
    if as_json:
        directory = str(agent_dir(loaded, agent_id))
        found = {"agentId": agent_id, "name": name, "workspace": agent.workspace, "agentDir": directory}
        echo_json(found | {"model": agent.models[0] if agent.models else None})
    else:
        click.echo(f"Added agent {agent_id}; its workspace is {agent.workspace}.")


def slug(name: str) -> str:
    """The id of an agent of that name.

    @raise CommandError: there is none.
    """
    found = re.sub(r"[^a-z0-9_-]+", "-", name.strip().lower()).strip("-")[:64]
    if not SLUG.fullmatch(found):
        raise CommandError(f"{name!r} makes no id: letters and digits are needed")
    return found


def put(data: dict[str, Any], entry: dict[str, Any], alone: bool) -> None:
    """Add an agent.

    @param alone: there is no list yet; the agent that answers without one keeps doing so.
    """
    section = data.setdefault("agents", {})
    if isinstance(section.get("entries"), dict):
        section["entries"][entry["id"]] = {key: value for key, value in entry.items() if key != "id"}
        return
    listed = section.setdefault("list", [])
    if alone:
        listed.append({"id": MAIN})
    listed.append(entry)


@click.command()
@click.argument("agent_id", metavar="ID")
@click.option("--force", is_flag=True, help="Do not ask.")
@json_option
@here
def delete(place: Place, agent_id: str, force: bool, as_json: bool) -> None:
    """Take the agent ID out of the configuration file.

    Its workspace, its sessions and its auth profiles stay where they are: what an agent wrote is nobody's to lose.
    """
    from openclaw_tx.cli.edit import edit_config
    from openclaw_tx.cli.models_status import agent_of

    loaded = place.load()
    agent = agent_of(loaded, agent_id)
    if agent.id == MAIN:
        raise CommandError(f"{MAIN} can not be deleted")
    if not force:
        if not sys.stdin.isatty():
            raise CommandError("deleting an agent takes --force where nobody can be asked")
        click.confirm(f"Delete agent {agent.id}?", abort=True, err=True)
    removed: list[int] = []

    def gone(candidate: Candidate) -> None:
        if any(entry.id == agent.id for entry in candidate.loaded.config.agents.entries):
            raise CommandError(f"agent {agent.id} is in a file that {loaded.path} includes: take it out there")

    edit_config(place, lambda data: removed.append(take_out(data, agent.id)), gone)
    if as_json:
        echo_json(
            {
                "agentId": agent.id,
                "workspace": agent.workspace,
                "workspaceRetained": True,
                "agentDir": str(agent_dir(loaded, agent.id)),
                "removedBindings": 0,
                "removedAllow": removed[0],
            }
        )
    else:
        click.echo(f"Deleted agent {agent.id}; its workspace {agent.workspace} and its sessions stay.")


def take_out(data: dict[str, Any], agent_id: str) -> int:
    """Remove an agent.

    @return: entries of C{tools.agentToAgent.allow} that named it, and are gone.
    """
    section = data.get("agents", {})
    if isinstance(section.get("entries"), dict):
        section["entries"].pop(agent_id, None)
    if section.get("list"):
        section["list"] = [entry for entry in section["list"] if entry.get("id") != agent_id]
    rules = data.get("tools", {}).get("agentToAgent", {})
    before = rules.get("allow")
    if not before:
        return 0
    rules["allow"] = [name for name in before if name != agent_id]
    if not rules["allow"]:
        rules["allow"] = before  # an empty list would let everybody take part
        return 0
    return len(before) - len(rules["allow"])


@click.command("set-identity")
@click.option("--agent", "agent_id", metavar="ID", default="", help="Whose [default: the default agent's].")
@click.option("--name", help="Name it goes by.")
@click.option("--theme", help="Character in a few words.")
@click.option("--emoji", help="Sign shown beside the name.")
@click.option("--from-identity", is_flag=True, help="Take what is not given from IDENTITY.md of the workspace.")
@click.option("--identity-file", metavar="FILE", type=click.Path(path_type=Path), help="From this file instead.")
@json_option
@here
def set_identity(
    place: Place,
    agent_id: str,
    name: str | None,
    theme: str | None,
    emoji: str | None,
    from_identity: bool,
    identity_file: Path | None,
    as_json: bool,
) -> None:
    """Say how an agent presents itself."""
    from openclaw_tx.cli.edit import edit_config
    from openclaw_tx.cli.models_status import agent_of

    agent = agent_of(place.load(), agent_id)
    file = identity_file or (Path(agent.workspace) / IDENTITY_FILE if from_identity else None)
    read = identity_of(file) if file is not None else {}
    given = {"name": name, "theme": theme, "emoji": emoji}
    identity = read | {key: value for key, value in given.items() if value is not None}
    if not identity:
        raise CommandError(
            f"{file} says nothing of its name, theme or emoji" if file else "say --name, --theme or --emoji"
        )
    edit_config(place, lambda data: identify(data, agent.id, identity))
    if as_json:
        report = {"agentId": agent.id, "identity": identity, "workspace": agent.workspace}
        echo_json(report | {"identityFile": str(file) if file is not None else None})
    else:
        told = ", ".join(f"{key} {value}" for key, value in identity.items())
        click.echo(f"Agent {agent.id}: {told}.")


def identity_of(file: Path) -> dict[str, str]:
    """What a file says in lines such as C{- Name: Ada}.

    @raise CommandError: it can not be read.
    """
    try:
        with file.open("rb") as opened:
            lines = opened.read(MAX_IDENTITY_BYTES).decode("utf-8", "replace").splitlines()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    found: dict[str, str] = {}
    for line in lines:
        match = IDENTITY_LINE.match(line)
        if match is not None:
            key = match[1].lower()
            found.setdefault(key if key in ("name", "emoji") else "theme", match[2].strip("*_ "))
    return found


def identify(data: dict[str, Any], agent_id: str, identity: dict[str, str]) -> None:
    """Give an agent an identity, in the form of the file; keys that it has and that are not given stay."""
    section = data.setdefault("agents", {})
    if isinstance(section.get("entries"), dict) and agent_id in section["entries"]:
        entry = section["entries"][agent_id]
    else:
        listed = section.setdefault("list", [])
        entry = next((each for each in listed if each.get("id") == agent_id), None)
        if entry is None:
            entry = {"id": agent_id}
            listed.append(entry)
    entry["identity"] = {**entry.get("identity", {}), **identity}


__all__ = ["add", "delete", "list_agents", "set_identity"]
