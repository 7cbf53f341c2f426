"""How a verb gives up: one clear line on standard error and exit code 1, never a traceback."""

from __future__ import annotations

import click


class CommandError(click.ClickException):
    """Something the user should read; click prints it and exits with 1."""


__all__ = ["CommandError"]
