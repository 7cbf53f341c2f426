# -*- test-case-name: tests.cli.test_models_status -*-
"""C{openclaw-tx models status}, C{aliases} and C{fallbacks}: what the configuration says, and where keys are from."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.output import echo_json
from openclaw_tx.cli.place import Place, here

if TYPE_CHECKING:
    from openclaw_tx.config.load import Loaded
    from openclaw_tx.config.schema_agents import ModelChoice
    from openclaw_tx.models.overview import KeyState
    from openclaw_tx.models.profiles import Profiles
    from openclaw_tx.models.registry import ModelRegistry
    from openclaw_tx.values import Agent


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--plain", is_flag=True, help="Only the ref of the model that answers.")
@click.option("--check", is_flag=True, help="Exit with 1 when a provider in use lacks a key, or one has expired.")
@click.option("--agent", "agent_id", default="", help="The agent; the default one unless given.")
@here
def status(place: Place, as_json: bool, plain: bool, check: bool, agent_id: str) -> None:
    """Show the models of an agent and where their keys come from; never a key."""
    from msgspec import to_builtins

    loaded = place.load()
    agent = agent_of(loaded, agent_id)
    keys, problems = keys_and_problems(loaded, agent)
    image = image_models(loaded)
    if plain:
        click.echo(agent.models[0])
    elif as_json:
        found = {
            "agent": agent.id,
            "defaultModel": agent.models[0],
            "fallbacks": list(agent.models[1:]),
            "imageModel": image[0] if image else None,
            "imageFallbacks": list(image[1:]),
            "aliases": alias_map(loaded),
            "allowed": allowed(loaded),
            "auth": {"providers": to_builtins(keys), "problems": problems},
        }
        echo_json(found)
    else:
        names = alias_map(loaded)
        click.echo(f"model      {agent.models[0]}   (agent {agent.id})")
        click.echo(f"fallbacks  {', '.join(agent.models[1:]) or '-'}")
        click.echo(f"images     {', '.join(image) or '-'}")
        click.echo(f"aliases    {', '.join(f'{name} = {ref}' for name, ref in names.items()) or '-'}")
        click.echo(f"allowed    {', '.join(allowed(loaded)) or 'all'}")
        for key in keys:
            click.echo(_line(key))
        for problem in problems:
            click.echo(f"warning: {problem}", err=True)
    troubles = [f"{key.provider} ({key.trouble})" for key in keys if key.trouble]
    if check and troubles:
        raise CommandError(f"keys are missing or have expired: {', '.join(troubles)}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--plain", is_flag=True, help="Alias and ref with a blank between.")
@here
def aliases(place: Place, as_json: bool, plain: bool) -> None:
    """List the short names of models."""
    found = alias_map(place.load())
    if as_json:
        echo_json({"aliases": found})
    for name, ref in {} if as_json else found.items():
        click.echo(f"{name} {ref}" if plain else f"{name} -> {ref}")
    if not (found or as_json or plain):
        click.echo("No aliases are configured.", err=True)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--plain", is_flag=True, help="Only the refs.")
@click.option("--agent", "agent_id", default="", help="The agent; the default one unless given.")
@here
def fallbacks(place: Place, as_json: bool, plain: bool, agent_id: str) -> None:
    """List the models that an agent falls back to, in their order."""
    found = agent_of(place.load(), agent_id).models[1:]
    if as_json:
        echo_json({"fallbacks": list(found)})
    for number, ref in enumerate(() if as_json else found, 1):
        click.echo(ref if plain else f"{number}. {ref}")
    if not (found or as_json or plain):
        click.echo("No fallbacks are configured.", err=True)


def registry_of(loaded: Loaded) -> ModelRegistry:
    """The models of a configuration. Asking it opens no connection and starts no process."""
    from twisted.internet import reactor

    from openclaw_tx.models.factory import HttpProviderFactory
    from openclaw_tx.models.registry import ModelRegistry

    running: Any = reactor
    # The ids and secrets of connections and processes are never asked for.
    factory = HttpProviderFactory(running, running, running, loaded.state_dir, loaded.environment, str, str)
    return ModelRegistry(lambda: loaded.config, factory, running, float, lambda: loaded.environment)


def agents_of(loaded: Loaded) -> list[Agent]:
    """All agents."""
    from openclaw_tx.agents.registry import ConfiguredAgents

    default_ref = registry_of(loaded).default_ref
    return list(ConfiguredAgents(lambda: loaded.config, loaded.state_dir, loaded.environment, default_ref).all())


def agent_of(loaded: Loaded, agent_id: str = "") -> Agent:
    """An agent; "" = the default one.

    @raise CommandError: there is no such agent.
    """
    for agent in agents_of(loaded):
        if agent.id == agent_id or (not agent_id and agent.is_default):
            return agent
    raise CommandError(f"there is no agent {agent_id!r}")


def profiles_of(loaded: Loaded, agent: Agent) -> tuple[Profiles, list[str]]:
    """The auth profiles that an agent has, and what is wrong with their file."""
    from openclaw_tx.models.profile_files import look, path_of
    from openclaw_tx.models.profiles import Profiles

    for owner in dict.fromkeys((agent.id, agent_of(loaded).id)):
        path = path_of(loaded.state_dir, owner)
        try:
            read = look(path, owner)
        except (OSError, ValueError) as error:
            return Profiles(), [f"{path}: {error.strerror if isinstance(error, OSError) else error}"]
        if read.signature is not None:
            return read.profiles, [f"{path}: {warning}" for warning in read.warnings]
    return Profiles(), []


def keys_and_problems(loaded: Loaded, agent: Agent) -> tuple[list[KeyState], list[str]]:
    """Where an agent's keys come from, and what is wrong with its profiles."""
    from openclaw_tx.errors import GatewayError
    from openclaw_tx.models.overview import keys_of
    from openclaw_tx.models.profiles import problems

    profiles, found = profiles_of(loaded, agent)
    registry = registry_of(loaded)
    in_use = set()
    for ref in (*agent.models, *image_models(loaded)):
        try:
            in_use.add(registry.info(ref).provider)
        except GatewayError as error:
            found.append(str(error))
    keys = keys_of(loaded.config, loaded.environment, profiles, in_use, int(time.time() * 1000))
    return keys, [*found, *(f"auth profile {problem}" for problem in problems(profiles, loaded.config.auth))]


def image_models(loaded: Loaded) -> tuple[str, ...]:
    """The models that look at images, where they are configured."""
    choice: ModelChoice | str = loaded.config.agents.defaults.image_model
    refs = (choice,) if isinstance(choice, str) else (choice.primary, *choice.fallbacks)
    return tuple(ref for ref in refs if ref)


def alias_map(loaded: Loaded) -> dict[str, str]:
    """Alias -> ref."""
    from openclaw_tx.models.choices import Choices

    return {alias: ref for ref, alias in Choices(loaded.config).aliases.items()}


def allowed(loaded: Loaded) -> list[str]:
    """What may be used besides primaries; empty = everything."""
    defaults = loaded.config.agents.defaults
    return list(defaults.model_policy.allow or defaults.models)


def _line(key: KeyState) -> str:
    words = {"missing": "no key", "none": "no key needed", "config": "apiKey of the configuration"}
    source = words.get(key.source, key.source.replace("env:", "variable "))
    details = [
        f"{each.id} ({', '.join(filter(None, (each.type, each.email, each.state)))}"
        f"{' until' if each.state in ('cooldown', 'disabled') else ''}{f' {_time(each.until)}' if each.until else ''})"
        for each in key.profiles
    ]
    mark = "!" if key.trouble else "*" if key.in_use else " "
    return f"{mark} {key.provider}: {': '.join([source, ', '.join(details)]) if details else source}"


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


__all__ = ["agent_of", "alias_map", "aliases", "fallbacks", "keys_and_problems", "registry_of", "status"]
