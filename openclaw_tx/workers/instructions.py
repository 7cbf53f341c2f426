# -*- test-case-name: tests.workers.test_child -*-
"""What the parent tells a worker over its standard input, and what a worker tells the parent over its standard output.

The input stays open as long as the parent lives: its end is the worker's. Secrets of the command line go this way, for
everybody can read the arguments of a process.
"""

from __future__ import annotations

from typing import Any

import msgspec

from openclaw_tx.values.value import Value


class Instructions(Value, frozen=True):
    """The one line that a worker reads."""

    worker: int
    """Which one it is; 0 = the chief."""
    count: int
    """How many they are."""
    key: bytes
    """What they have in common, and nobody else."""
    chief: str
    """Path of the chief's socket."""
    ports: tuple[int, ...]
    """Descriptors of the sockets that clients come to."""
    door: int | None
    """Descriptor of the chief's socket, for the chief."""
    reactor: str
    """Module that installs the reactor."""
    start: dict[str, Any]
    """What the command line says: L{openclaw_tx.service.Start}."""


class Word(Value, frozen=True, omit_defaults=True):
    """A line of a worker's."""

    ready: bool = False
    """It serves."""
    drained: bool = False
    """Nothing is under way any more, and it takes nobody."""
    log: dict[str, Any] | None = None
    """An event of its log, as L{openclaw_tx.logs.json_line} has it."""


def encoded(value: Instructions | Word) -> bytes:
    """As one line."""
    return msgspec.json.encode(value) + b"\n"


def instructions(line: bytes) -> Instructions:
    """
    @raise msgspec.MsgspecError: they are none.
    """
    return msgspec.json.decode(line, type=Instructions)


def word(line: bytes) -> Word:
    """
    @raise msgspec.MsgspecError: it is none.
    """
    return msgspec.json.decode(line, type=Word)


__all__ = ["Instructions", "Word", "encoded", "instructions", "word"]
