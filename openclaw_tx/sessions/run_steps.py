# -*- test-case-name: tests.sessions.test_run_steps -*-
"""Steps of turns that are at work: what jobs of the writer thread do with them.

A turn joins the transcript whole, when it ends. What its tools have done by then would be unknown after a crash, so
each step is a row of its own, and the rows go when the turn ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from openclaw_tx.sessions import run_events
from openclaw_tx.sessions.records import encoded_clean, messages_of
from openclaw_tx.sessions.worker import Connection
from openclaw_tx.values import Entry, Message, Step


class Done(NamedTuple):
    """What is known of a turn that was cut off."""

    messages: Sequence[Message]
    """What it had added to its input."""
    told: int
    """Characters of what the run has said, its texts joined by blank lines, that are in C{messages}."""


def write(connection: Connection, run_id: str, steps: Sequence[Step], told: int) -> None:
    """Write steps, in the place of those with the same numbers."""
    statements = connection.statements
    for step in steps:
        connection.run(statements.delete_step, the_run=run_id, the_number=step.number)
        body = encoded_clean(step.message)
        connection.run(statements.add_step, run_id=run_id, number=step.number, told=told, body=body)


def read(connection: Connection, run_id: str) -> Done:
    """What is known of a run's turn."""
    rows = connection.run(connection.statements.steps, the_run=run_id).fetchall()
    told = max((row[0] for row in rows), default=0)
    return Done(messages_of((row[1] for row in rows), connection.report), told)


def forget(connection: Connection, run_id: str) -> None:
    """The turn is over."""
    connection.run(connection.statements.delete_steps, the_run=run_id)


def unheld_text(partial: str, events: Sequence[Entry], told: int) -> str:
    """What a run has said that is not in its steps.

    What was written down each second and what watchers were told are two accounts of the same; the one that goes
    further counts. Events that have lost their beginning can not be measured by C{told}.

    @param partial: what was written down each second.
    @param events: those that were kept.
    """
    texts = [partial[told:]]
    if events and events[0].seq == 1:
        texts.append("\n\n".join(run_events.said(events))[told:])
    return max(texts, key=len).lstrip("\n")


__all__ = ["Done", "forget", "read", "unheld_text", "write"]
