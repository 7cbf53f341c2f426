# -*- test-case-name: tests.cli.test_main -*-
"""Which configuration a command works with, and how it writes to the terminal."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from openclaw_tx.config.load import Loaded


@dataclass(frozen=True)
class Place:
    """The global options."""

    config: str | None = None
    state_dir: str | None = None
    profile: str | None = None
    no_color: bool = False

    def load(self) -> Loaded:
        """The configuration, read now.

        @raise CommandError: it can not be used; every issue has its line.
        """
        from openclaw_tx.config.load import load

        try:
            return load(os.environ, config=self.config, state_dir=self.state_dir, profile=self.profile)
        except ConfigError as error:
            raise CommandError(config_problem(error)) from None

    def console(self, stderr: bool = False) -> Console:
        """Standard output or error; without colours when asked (also by NO_COLOR) or when it is no terminal."""
        from rich.console import Console

        stream = sys.stderr if stderr else sys.stdout
        return Console(file=stream, no_color=self.no_color or None, highlight=False, soft_wrap=True)


def config_problem(error: ConfigError) -> str:
    """A L{ConfigError} as text for the terminal, an issue a line."""
    lines = [f"{path}: {message}" if path else message for path, message in error.issues]
    return "the configuration can not be used:\n" + "\n".join(f"  {line}" for line in lines)


here = click.make_pass_decorator(Place, ensure=True)
"""Hands a command its L{Place} as the first argument."""

__all__ = ["Place", "config_problem", "here"]
