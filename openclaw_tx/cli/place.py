# -*- test-case-name: tests.cli.test_main -*-
"""Which configuration a command works with, and how it writes to the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from openclaw_tx.cli.remote import Work
    from openclaw_tx.config.environment import Location
    from openclaw_tx.config.load import Loaded

T = TypeVar("T")

DEV_PORT = 19001
"""TCP port with C{--dev}."""


@dataclass(frozen=True)
class Place:
    """The global options."""

    config: str | None = None
    state_dir: str | None = None
    profile: str | None = None
    no_color: bool = False
    dev: bool = False
    """The profile is C{dev}, and the port another one."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The process environment, with the port of C{--dev}."""
        if not self.dev or os.environ.get("OPENCLAW_GATEWAY_PORT", "").strip():
            return os.environ
        return {**os.environ, "OPENCLAW_GATEWAY_PORT": str(DEV_PORT)}

    def locate(self) -> Location:
        """Where configuration and state are, whether they exist or not.

        @raise CommandError: that can not be told.
        """
        from openclaw_tx.config.environment import locate, modernise

        try:
            return locate(
                modernise(self.environ)[0],
                Path.cwd(),
                config=self.config,
                state_dir=self.state_dir,
                profile=self.profile,
            )
        except ConfigError as error:
            raise CommandError(config_problem(error)) from None

    def load(self) -> Loaded:
        """The configuration, read now.

        @raise CommandError: it can not be used; every issue has its line.
        """
        from openclaw_tx.config.load import load

        try:
            return load(self.environ, config=self.config, state_dir=self.state_dir, profile=self.profile)
        except ConfigError as error:
            raise CommandError(config_problem(error)) from None

    def talk(
        self,
        remote: Mapping[str, str | None],
        work: Work[T],
        scopes: Sequence[str] = ("operator.read", "operator.write"),
        timeout: float = 10.0,
    ) -> T:
        """See L{openclaw_tx.cli.remote.talk}; here, so that tests can have another gateway."""
        from openclaw_tx.cli.remote import talk

        return talk(self, remote, work, scopes, timeout)

    def console(self, stderr: bool = False) -> Console:
        """Standard output or error; without colours when asked (also by NO_COLOR) or when it is no terminal."""
        from rich.console import Console

        stream = sys.stderr if stderr else sys.stdout
        return Console(file=stream, no_color=self.no_color or None, highlight=False, soft_wrap=True)


def config_problem(error: ConfigError) -> str:
    """A L{ConfigError} as text for the terminal, an issue a line."""
    lines = [f"{path}: {message}" if path else message for path, message in error.issues]
    which = f" ({error.source})" if error.source else ""
    return f"the configuration can not be used{which}:\n" + "\n".join(f"  {line}" for line in lines)


here = click.make_pass_decorator(Place, ensure=True)
"""Hands a command its L{Place} as the first argument."""

__all__ = ["Place", "config_problem", "here"]
