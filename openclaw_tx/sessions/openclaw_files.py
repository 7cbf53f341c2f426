# -*- test-case-name: tests.cli.test_sessions -*-
"""OpenClaw's session files (spec 4.2, 4.3), found, read and written: C{sessions.json}, and a JSONL file a session.

For commands: everything blocks. Files that are read are left as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from openclaw_tx.config.replacing import make_directory
from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions.archives import word, write_whole
from openclaw_tx.sessions.keys import MAIN_AGENT, SENTINELS, canonical_key, parse_key
from openclaw_tx.values import Message, SessionEntry
from openclaw_tx.wire.openclaw_sessions import entry_object, imported
from openclaw_tx.wire.openclaw_transcript import Transcript, read, written

INDEX = "sessions.json"


class Store(NamedTuple):
    """The sessions of one agent, as files."""

    file: Path
    """Its C{sessions.json}."""
    agent_id: str
    """Whose the sessions are whose keys name nobody."""


class Candidate(NamedTuple):
    """A session in a file."""

    key: str
    """As it stands there."""
    entry: SessionEntry | None
    """None = it can not be used; C{faults} tell why."""
    messages: Sequence[Message] = ()
    faults: tuple[str, ...] = ()
    left_out: Mapping[str, int] = {}
    """What of its transcript has no place here: how many of each kind."""


class Unreadable(Exception):
    """A file is not what it should be. The text is for the operator."""


def stores(place: Path, agent_id: str = "") -> list[Store]:
    """The stores at a place: a C{sessions.json}, its directory, or a state directory with agents.

    @param agent_id: only this agent's; and whose a store is that does not lie in the directory of an agent.
    """
    if place.is_file():
        indexes = [place]
    elif (place / INDEX).is_file():
        indexes = [place / INDEX]
    else:
        indexes = sorted(place.glob(f"agents/*/sessions/{INDEX}"))
    found = [Store(index, _agent_of(index) or agent_id or MAIN_AGENT) for index in indexes]
    return [store for store in found if agent_id in ("", store.agent_id)]


def _agent_of(index: Path) -> str:
    """The agent in whose directory a store lies; "" = it lies in none."""
    parts = index.absolute().parts
    return parts[-3].lower() if len(parts) > 3 and parts[-4] == "agents" and parts[-2] == "sessions" else ""


def candidates(store: Store) -> Iterator[Candidate]:
    """The sessions of a store, one after the other.

    @raise Unreadable: the index can not be read.
    """
    try:
        index = msgspec.json.decode(store.file.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"{store.file}: {error}") from None
    if not isinstance(index, dict):
        raise Unreadable(f"{store.file}: expected an object of sessions by key")
    for key, value in index.items():
        yield _candidate(store, key, value)


def orphans(store: Store) -> int:
    """How many transcripts lie beside an index that does not name them: of sessions that were begun anew."""
    try:
        index = msgspec.json.decode(store.file.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0
    named = {_file_name(value) for value in index.values()} if isinstance(index, dict) else set()
    return sum(path.name not in named for path in store.file.parent.glob("*.jsonl"))


def _candidate(store: Store, key: str, value: Any) -> Candidate:
    try:
        whole = canonical_key(key, store.agent_id, fold_case=False)
        parsed = parse_key(whole)
        agent_id = parsed.agent_id if parsed is not None and whole not in SENTINELS else store.agent_id
        entry, faults = imported(whole, agent_id, value)
    except GatewayError as error:
        return Candidate(key, None, faults=(error.info.message,))
    except ValueError as error:
        return Candidate(key, None, faults=(str(error),))
    path = store.file.parent / _file_name(value)
    try:
        with path.open("rb") as file:
            transcript = read(file)
    except FileNotFoundError:
        transcript = Transcript("", 0, (), (), {})
    except OSError as error:
        return Candidate(key, None, faults=(f"its transcript can not be read: {error}",))
    if transcript.started_ms:
        entry = replace(entry, created_at_ms=transcript.started_ms)
    faults = (*faults, *(f"{path.name}, {fault}" for fault in transcript.faults))
    return Candidate(key, entry, transcript.messages, faults, transcript.left_out)


def _file_name(value: Any) -> str:
    """The name of a session's transcript. Only the name: files elsewhere are not a store's."""
    if not isinstance(value, dict):
        return ""
    named = value.get("sessionFile")
    name = os.path.basename(named.replace("\\", "/")) if isinstance(named, str) else ""
    return name or f"{os.path.basename(str(value.get('sessionId')))}.jsonl"


class Writer:
    """Writes sessions below C{agents/} of a directory, one agent's index at the end of it."""

    def __init__(self, directory: Path) -> None:
        """
        @param directory: what is missing is made, for the owner only.
        """
        self._directory = directory
        self._indexes: dict[str, dict[str, Any]] = {}

    def add(self, entry: SessionEntry, messages: Sequence[Message]) -> None:
        """Write a session's transcript.

        @raise Unreadable: there is an index already, which would be lost.
        @raise OSError: it can not be written.
        """
        directory = self._place(entry.agent_id)
        index = self._indexes.get(entry.agent_id)
        if index is None:
            if os.path.lexists(directory / INDEX):
                raise Unreadable(f"{directory / INDEX} is there already; export into another directory")
            make_directory(str(directory))
            index = self._indexes[entry.agent_id] = {}
        name = f"{word(entry.session_id)}.jsonl"
        write_whole(str(directory / name), written(entry.session_id, entry.created_at_ms, messages))
        index[entry.key] = entry_object(entry)
        if name != f"{entry.session_id}.jsonl":
            index[entry.key]["sessionFile"] = name

    def close(self) -> None:
        """Write the indexes.

        @raise OSError: one can not be written.
        """
        for agent_id, index in self._indexes.items():
            text = msgspec.json.format(msgspec.json.encode(index, enc_hook=repr), indent=2)
            write_whole(str(self._place(agent_id) / INDEX), iter((text,)))

    def _place(self, agent_id: str) -> Path:
        return self._directory / "agents" / word(agent_id) / "sessions"


__all__ = ["Candidate", "Store", "Unreadable", "Writer", "candidates", "orphans", "stores"]
