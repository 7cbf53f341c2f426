"""How a verb gives up: one clear line on standard error and exit code 1, never a traceback."""

from __future__ import annotations

import click


class CommandError(click.ClickException):
    """Something the user should read; click prints it and exits with 1. A gateway may have written it."""

    def format_message(self) -> str:
        """Without what could steer the terminal."""
        from openclaw_tx.cli.output import plain

        return plain(self.message)


__all__ = ["CommandError"]
