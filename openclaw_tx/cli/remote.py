"""Options of every verb that talks to a gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def remote_options(command: F) -> F:
    """Adds C{--url}, C{--token} and C{--password}."""
    for option in (
        click.option("--password", metavar="SECRET", help="The gateway's password."),
        click.option("--token", metavar="SECRET", help="The gateway's token [default: as configured]."),
        click.option("--url", metavar="URL", help="Another gateway, ws:// or wss://; needs --token or --password."),
    ):
        command = option(command)
    return command


__all__ = ["remote_options"]
