# -*- test-case-name: tests.cli.test_output -*-
"""How verbs write."""

from __future__ import annotations

import io
from types import SimpleNamespace

import click
from click.testing import CliRunner
from rich.console import Console

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli import output
from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.output import aligned, count, echo_json, echo_raw, key_values, plain, table


def printed(function: object, *arguments: object, **keywords: object) -> str:
    """What a function prints."""

    @click.command()
    def command() -> None:
        function(*arguments, **keywords)  # type: ignore[operator]

    return CliRunner().invoke(command, [], catch_exceptions=False).stdout


class OutputTests(SynchronousTestCase):
    """JSON, tables, names and values."""

    def test_json(self) -> None:
        """Readable, and as it is in other scripts."""
        self.assertEqual(printed(echo_json, {"a": "é"}), '{\n  "a": "é"\n}\n')

    def test_json_steers_nothing(self) -> None:
        """Control characters are escapes, which say the same to a program; JSON itself asks for fewer of them."""
        text = printed(echo_json, {"a": "x\x1b[2J\x9b2J\x7f"})
        self.assertEqual(text, '{\n  "a": "x\\u001b[2J\\u009b2J\\u007f"\n}\n')

    def test_raw(self) -> None:
        """To the letter for a program; not for a terminal."""
        self.assertEqual(printed(echo_raw, "x\x9b2J"), "x\x9b2J\n")
        said: list[str] = []
        self.patch(output, "sys", SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True)))
        self.patch(click, "echo", said.append)
        echo_raw("x\x1b[2J\n")
        self.assertEqual(said, ["x\\x1b[2J\n"])

    def test_error(self) -> None:
        """What a gateway says is wrong does not steer the terminal either."""
        self.assertEqual(CommandError("no \x1b[2J").format_message(), r"no \x1b[2J")

    def test_plain_table(self) -> None:
        """In a pipe: columns that can be counted, an empty cell too, a row a line whatever is in it."""
        console = Console(file=io.StringIO())
        text = printed(table, console, ("id", "name"), [("a", ""), ("longer", "x\ny\x1b[2J")])
        self.assertEqual(text, "ID      NAME\na       -\nlonger  x y\\x1b[2J\n")

    def test_drawn_table(self) -> None:
        """On a terminal: drawn; brackets are no markup, and nothing in a cell steers the terminal."""
        file = io.StringIO()
        console = Console(file=file, force_terminal=True, width=60, no_color=True)
        table(console, ("id", "n"), [("[red]a\x1b[2J", 1)], right=("n",))
        self.assertIn("[red]a\\x1b[2J", file.getvalue())
        self.assertIn("─", file.getvalue())

    def test_no_rows(self) -> None:
        """The names of the columns alone."""
        self.assertEqual(aligned([["ID", "NAME"]]), ["ID  NAME"])

    def test_key_values(self) -> None:
        """Below each other; nothing at all for nothing."""
        self.assertEqual(printed(key_values, {"a": 1, "long": "x\x07"}), "a     1\nlong  x\\x07\n")
        self.assertEqual(printed(key_values, {}), "")

    def test_words(self) -> None:
        """One and many; text that shows stays as it is."""
        self.assertEqual([count(1, "file"), count(0, "file")], ["1 file", "0 files"])
        self.assertEqual(plain("héllo\tworld\n"), "héllo\tworld\n")
