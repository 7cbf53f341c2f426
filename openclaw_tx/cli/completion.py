# -*- test-case-name: tests.cli.test_completion -*-
"""C{openclaw-tx completion}: what a shell needs to complete the verbs and options."""

from __future__ import annotations

import click

PROGRAM = "openclaw-tx"
VARIABLE = "_OPENCLAW_TX_COMPLETE"
"""Where click looks for the shell's question; made of the program's name."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    For bash: eval "$(openclaw-tx completion bash)" in ~/.bashrc; zsh likewise in ~/.zshrc; for fish: openclaw-tx
    completion fish > ~/.config/fish/completions/openclaw-tx.fish.
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    # What asks bash for its version is not asked here: the script is printed wherever it will be used.
    made = found(context.find_root().command, {}, PROGRAM, VARIABLE)
    click.echo(made.source_template % made.source_vars())


__all__ = ["completion"]
