# -*- test-case-name: tests.cli.test_agents -*-
"""C{openclaw-tx agents}: who answers, and what agents are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from openclaw_tx.cli.agents_edit import add, delete, list_agents, set_identity
from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.output import echo_json, echo_raw, plain
from openclaw_tx.cli.place import Place, here

if TYPE_CHECKING:
    from rich.console import Console

    from openclaw_tx.values import PromptReport

STATES = {"whole": "", "cut": "cut", "left_out": "left out", "empty": "empty", "missing": "missing"}
"""How a file fared, in words; of one that was refused the reason is told."""


@click.group()
def agents() -> None:
    """List, add and delete agents; see what they are told."""


@agents.command()
@click.argument("agent", required=False)
@click.option("--model", metavar="REF", default="", help="The model that the prompt is for [default: the agent's own].")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@click.option("--text", "as_text", is_flag=True, help="The prompt itself.")
@here
def prompt(place: Place, agent: str | None, model: str, as_json: bool, as_text: bool) -> None:
    """Show what the system prompt of AGENT is made of, and how much of the model's window it takes.

    It is worked out here, from the configuration and the workspace as they are now; nothing is run and nothing is
    written. Without AGENT it is that of the default agent.
    """
    from twisted.internet import reactor

    from openclaw_tx.errors import GatewayError
    from openclaw_tx.gateway import Gateway
    from openclaw_tx.wire.prompt_report import prompt_object

    if as_json and as_text:
        raise click.UsageError("--json and --text exclude each other.")
    try:
        # It is never started, so that it opens nothing and listens nowhere.
        text, report = Gateway(reactor, place.load()).preview_prompt(agent, model=model)
    except GatewayError as error:
        raise CommandError(error.info.message) from None
    if as_json:
        echo_json(prompt_object(report))
    elif as_text:
        echo_raw(text)
    else:
        show(report, place.console())


def show(report: PromptReport, console: Console) -> None:
    """The report as a table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text  # names may hold brackets, which are no markup

    table = Table("part", "characters", "", box=box.SIMPLE_HEAD, pad_edge=False)
    table.columns[1].justify = "right"

    def row(part: str, chars: int, note: str = "") -> None:
        table.add_row(Text(plain(part)), f"{chars:,}", Text(plain(note)))

    for section in report.sections:
        row(section.name, section.chars)
        if section.name == "context":
            for file in report.files:
                row(f"  {file.name}", file.chars, file.problem or _fate(file.state, file.raw_chars))
        elif section.name == "skills":
            for skill in report.skills:
                row(f"  {skill.name}", skill.chars)
    for name in report.left_out:
        row(name, 0, "left out: the model's window is too small")
    table.add_section()
    row("system prompt", report.chars)
    row(f"{len(report.tools)} tools", report.schema_chars, "schemas, sent beside it")
    console.print(table)
    console.print(
        Text(
            f"About {report.tokens:,} tokens, {report.share:.1%} of the {report.context_window:,} of {report.model}"
            f" ({report.mode} prompt)."
        )
    )


def _fate(state: str, raw_chars: int) -> str:
    word = STATES.get(state, state)
    return f"{word}: {raw_chars:,} in the file" if state in ("cut", "left_out") else word


for verb in (list_agents, add, delete, set_identity):
    agents.add_command(verb)

__all__ = ["agents"]
