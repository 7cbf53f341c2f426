# -*- test-case-name: tests.cli.test_devices -*-
"""What verbs share that ask a running gateway one thing and print it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from openclaw_tx.cli.output import json_option
from openclaw_tx.cli.place import Place, here
from openclaw_tx.cli.remote import remote_options

if TYPE_CHECKING:
    from openclaw_tx.cli.remote import Work

SECONDS = 10.0
"""Longest wait for an answer of the gateway."""


def asking(command: Callable[..., Any]) -> Callable[..., Any]:
    """What such a verb takes: C{--json} and the gateway to talk to."""
    return json_option(remote_options(here(command)))


def ask(place: Place, remote: dict[str, Any], scopes: Sequence[str], work: Work[str]) -> None:
    """Connect, do C{work}, print what it gives, hang up.

    @param remote: values of L{remote_options}.
    @param scopes: to ask for.
    """
    click.echo(place.talk(remote, work, scopes))


__all__ = ["SECONDS", "ask", "asking"]
