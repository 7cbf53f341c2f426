# -*- test-case-name: tests.cli.test_main -*-
"""The tables of docs/cli.md, made from the commands themselves: C{python -m openclaw_tx.cli.reference docs/cli.md}."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from openclaw_tx.cli.main import main

MARK = "<!-- From here on the page is made by python -m openclaw_tx.cli.reference docs/cli.md -->"
"""What stands above it in the page is written by hand."""


def commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command below C{group} and its words; of groups those that can stand alone."""
    for name, command in sorted(group.commands.items()):
        if command.hidden:
            continue
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")


def page() -> str:
    """The generated part."""
    lines = [MARK, "", "## All verbs and options"]
    for words, command in commands(main):
        arguments = [each for each in command.params if isinstance(each, click.Argument)]
        call = " ".join(["openclaw-tx", words, *(_usage(each) for each in arguments)])
        lines += ["", f"### {call}", "", _sentence(command)]
        options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
        if options:
            lines += ["", "| option | |", "|---|---|"]
            lines += [f"| {_names(option)} | {_help(option)} |" for option in options]
    return "\n".join(lines) + "\n"


def _usage(argument: click.Argument) -> str:
    name = argument.human_readable_name
    return name if argument.required else f"[{name}]"


def _sentence(command: click.Command) -> str:
    return " ".join((command.help or "").split("\n\n")[0].split())


def _names(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in sorted(option.opts, key=len, reverse=True))
    if option.is_flag or option.count:
        return names
    kind = option.metavar or option.type.name.upper()
    if isinstance(option.type, click.Choice):
        kind = "|".join(map(str, option.type.choices))
    elif isinstance(option.type, click.types.IntParamType) and not option.metavar:
        kind = "N"
    return f"{names} `{kind}`".replace("|", "\\|")


def _help(option: click.Option) -> str:
    default = option.default if option.show_default else None
    told = " ".join((option.help or "").split()).rstrip(".").replace("|", "\\|").replace("<", "\\<")
    return told + (f"; {default} unless given" if default not in (None, "", False) else "")


def updated(text: str) -> str:
    """The page with its generated part as it has to be."""
    return text.partition(MARK)[0] + page()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(updated(target.read_text("utf-8")), "utf-8")
