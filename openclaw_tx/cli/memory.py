# -*- test-case-name: tests.cli.test_memory -*-
"""C{openclaw-tx memory}: an agent's memory, searched without a gateway and without a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.output import echo_json, json_option, plain
from openclaw_tx.cli.place import Place, here

if TYPE_CHECKING:
    from openclaw_tx.tools.memory import Outcome


@click.group()
def memory() -> None:
    """Search what agents remember."""


@memory.command()
@click.argument("query")
@click.option("--agent", "agent_id", metavar="ID", default="", help="Whose [default: the default agent's].")
@click.option("--max-results", type=click.IntRange(1, 100), help="At most so many [default: as configured].")
@click.option("--min-score", type=click.FloatRange(0, 1), help="Least score [default: as configured].")
@json_option
@here
def search(
    place: Place, query: str, agent_id: str, max_results: int | None, min_score: float | None, as_json: bool
) -> None:
    """Search the memory files of an agent for QUERY, as its tool memory_search does."""
    from openclaw_tx.cli import reactor
    from openclaw_tx.cli.models_status import agent_of, registry_of
    from openclaw_tx.deferreds import thread_pool
    from openclaw_tx.tools.memory import Memory

    loaded = place.load()
    agent = agent_of(loaded, agent_id)
    found: list[Outcome] = []

    async def work(running: Any) -> None:
        registry = registry_of(loaded)
        everything = Memory(
            lambda: loaded.config, registry, thread_pool(running), loaded.state_dir, lambda: loaded.environment
        )
        usual = everything.settings(agent.id).query
        most = usual.max_results if max_results is None else max_results
        least = usual.min_score if min_score is None else min_score
        try:
            found.append(await everything.search(agent, query, most, least))
        except OSError as error:
            raise CommandError(f"the index of agent {agent.id} can not be used: {error.strerror or error}") from None
        finally:
            await registry.close()

    reactor.run(work)
    show(found[0], as_json)


def show(outcome: Outcome, as_json: bool) -> None:
    """Print what was found; what was not as it should be goes to standard error."""
    from msgspec import to_builtins

    for note in outcome.notes:
        click.echo(f"warning: {plain(note)}", err=True)
    if as_json:
        echo_json({"results": to_builtins(outcome.results)})
    elif not outcome.results:
        click.echo("Nothing was found.")
    for each in () if as_json else outcome.results:
        click.echo(f"{each.score:.3f} {plain(each.path)}:{each.start_line}-{each.end_line}")
        click.echo("\n".join(f"  {line}" for line in plain(each.snippet).splitlines()) + "\n")


__all__ = ["memory"]
