# -*- test-case-name: tests.cli.test_output -*-
"""How verbs write: JSON for programs, tables for terminals, plain aligned columns for pipes.

What other people wrote (agents, senders of requests, names of files) is shown with everything that does not print as an
escape, so that it can not steer the terminal. In JSON an escape says the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from openclaw_tx.cli.answer import CONTROLS

if TYPE_CHECKING:
    from rich.console import Console

F = TypeVar("F", bound=Callable[..., Any])

GAP = "  "
"""Between two columns of plain text."""


def json_option(command: F) -> F:
    """Adds C{--json}, as C{as_json}."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on standard output.")(
        command
    )


def json_text(value: Any, indent: int | None = 2) -> str:
    """A value as people can read it and programs, too.

    @param indent: None = all on one line.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def echo_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json_text(value))


def plain(text: str) -> str:
    """C{text} with everything that does not show as an escape."""
    kept = CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    return "".join(
        character if character.isprintable() or character in "\n\t" else f"\\u{ord(character):04x}"
        for character in kept
    )


def echo_raw(text: str) -> None:
    """Print what is wanted as it is: for a program to the letter, on a terminal as far as it shows."""
    click.echo(plain(text) if sys.stdout.isatty() else text)


def table(
    console: Console, columns: Sequence[str], rows: Iterable[Sequence[object]], right: Collection[str] = ()
) -> None:
    """Print rows below the names of their columns; on no terminal as lines that C{awk} and C{cut} can take apart.

    @param right: columns of numbers.
    """
    cells = [[plain(str(cell)).replace("\n", " ") for cell in row] for row in rows]
    if not console.is_terminal:
        for line in aligned([[name.upper() for name in columns], *cells]):
            click.echo(line)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text  # cells may hold brackets, which are no markup

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        drawn.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))
    console.print(drawn, soft_wrap=False)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, each column as wide as its widest cell; an empty cell is C{-}, so that columns can be counted."""
    filled = [[cell or "-" for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*filled, strict=True)]
    return [GAP.join(map(str.ljust, row, widths)).rstrip() for row in filled]


def key_values(pairs: Mapping[str, object]) -> None:
    """Print names and values below each other."""
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        click.echo(f"{name.ljust(width)}{GAP}{plain(str(value))}".rstrip())


def count(number: int, noun: str) -> str:
    """C{1 session}, C{2 sessions}."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


__all__ = ["aligned", "count", "echo_json", "echo_raw", "json_option", "json_text", "key_values", "plain", "table"]
