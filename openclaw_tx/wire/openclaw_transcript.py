# -*- test-case-name: tests.wire.test_openclaw_transcript -*-
"""Transcripts as files of OpenClaw: JSON lines that form a tree (spec 4.3). Sans I/O, both ways.

Written is version 3: a header, then entries that each name their parent. Read are all versions: those before the tree
(entries without C{id}) are one line of descent. What of a file has no place here is counted, never silently dropped.

Branches that were left are lost on the way in; L{openclaw_tx.wire.openclaw_messages} tells what of a message is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from openclaw_tx.values import CompactionMessage, Message, Part, TextPart, UserMessage
from openclaw_tx.wire.large_json import is_too_deep
from openclaw_tx.wire.openclaw_messages import count_of, message_object, message_of, ms_of, parts_of, text_of
from openclaw_tx.wire.times import iso

VERSION = 3
"""Version of the files that are written."""

UNKEPT = frozenset({"custom", "label", "leaf", "model_change", "session_info", "thinking_level_change"})
"""Types of entries that no model reads; what they tell stands in the session's entry, or is an extension's own."""

_encoder = msgspec.json.Encoder(enc_hook=repr)


# -- out


class Writer:
    """Makes the lines of one file, each with its line break."""

    def __init__(self, session_id: str, started_ms: int, cwd: str = "") -> None:
        """
        @param started_ms: when the conversation began, in epoch milliseconds.
        @param cwd: the agent's workspace.
        """
        self._session_id = session_id
        self._started_ms = started_ms
        self._cwd = cwd
        self._number = 0
        self._messages: list[int] = []
        """Numbers of the entries that are messages or marks."""

    def header(self) -> bytes:
        """The first line."""
        head = {"type": "session", "version": VERSION, "id": self._session_id}
        return _line({**head, "timestamp": iso(self._started_ms), "cwd": self._cwd})

    def message(self, message: Message) -> bytes:
        """The next message."""
        at_ms = message.timestamp_ms or self._started_ms
        if not isinstance(message, CompactionMessage):
            line = self._entry("message", at_ms, message=message_object(message))
        else:
            # A mark that keeps nothing names itself: there is no entry from it up to the mark.
            kept = self._messages[-message.kept :] if message.kept else [self._number + 1]
            line = self._entry(
                "compaction",
                at_ms,
                summary=message.summary,
                firstKeptEntryId=_id(kept[0] if kept else self._number + 1),
                tokensBefore=message.tokens_before,
            )
        self._messages.append(self._number)
        return line

    def custom(self, kind: str, data: Any) -> bytes:
        """A line of this gateway's own: no reader takes it for a part of the conversation."""
        return self._entry("custom", self._started_ms, customType=f"openclaw-tx.{kind}", data=data)

    def _entry(self, kind: str, at_ms: int, **fields: Any) -> bytes:
        parent = _id(self._number) if self._number else None
        self._number += 1
        entry = {"type": kind, "id": _id(self._number), "parentId": parent, "timestamp": iso(at_ms), **fields}
        return _line(entry)


def written(session_id: str, started_ms: int, messages: Iterable[Message], cwd: str = "") -> Iterator[bytes]:
    """A whole transcript as lines; see L{Writer}."""
    writer = Writer(session_id, started_ms, cwd)
    yield writer.header()
    for message in messages:
        yield writer.message(message)


def _line(value: Any) -> bytes:
    return _encoder.encode(value) + b"\n"


def _id(number: int) -> str:
    return f"{number:08x}"


# -- in


class Transcript(NamedTuple):
    """What a file holds."""

    session_id: str
    """"" without a header."""
    started_ms: int
    """Epoch milliseconds; 0 = not known."""
    messages: tuple[Message, ...]
    """The branch that the last entry ends."""
    faults: tuple[str, ...]
    """Lines and parts that can not be read, each with its number."""
    left_out: Mapping[str, int]
    """What was read and has no place here: how many of each type."""


class _Node(NamedTuple):
    number: int
    """Of its line, from 1."""
    id: str
    parent: str | None
    entry: dict[str, Any]


def read(lines: Iterable[bytes]) -> Transcript:
    """Read a file of any version; a line that can not be read does not lose the others."""
    head: dict[str, Any] = {}
    nodes: list[_Node] = []
    faults: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            faults.append(f"line {number}: not JSON")
            continue
        if is_too_deep(line):
            faults.append(f"line {number}: nested too deeply")
        elif not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            faults.append(f"line {number}: not an entry")
        elif entry["type"] == "session":
            head = head or entry
        else:
            before = nodes[-1].id if nodes else None
            parent = entry.get("parentId") if "id" in entry else before
            nodes.append(_Node(number, str(entry.get("id", f"line {number}")), parent, entry))
    branch = _branch(nodes, faults)
    reader = _Reader(faults, nodes)
    for node in branch:
        reader.take(node)
    left_out = reader.left_out
    if len(branch) < len(nodes):
        left_out["entries of other branches"] += len(nodes) - len(branch)
    started = ms_of(head.get("timestamp"))
    return Transcript(text_of(head.get("id")), started, tuple(reader.messages), tuple(faults), left_out)


def _branch(nodes: Sequence[_Node], faults: list[str]) -> list[_Node]:
    """From the root to the last entry. A parent that is not there is taken to be the entry before in the file."""
    places: dict[str, int] = {}
    for place, node in enumerate(nodes):
        places.setdefault(node.id, place)
    branch: list[_Node] = []
    at = len(nodes) - 1
    while at >= 0:
        node = nodes[at]
        branch.append(node)
        if node.parent is None:
            break
        found = places.get(str(node.parent), -1)
        if not 0 <= found < at:
            # A line that could not be read, or a circle: a parent always stands before its children.
            faults.append(f"line {node.number}: its parent is not there")
            found = at - 1
        at = found
    branch.reverse()
    return branch


class _Reader:
    """Turns entries into messages."""

    def __init__(self, faults: list[str], nodes: Sequence[_Node]) -> None:
        self.messages: list[Message] = []
        self.left_out: Counter[str] = Counter()
        self._faults = faults
        self._nodes = nodes
        self._places: dict[str, int] = {}
        """Id of an entry -> how many messages stand before it."""

    def take(self, node: _Node) -> None:
        """The next entry of the branch."""
        self._places[node.id] = len(self.messages)
        entry, kind = node.entry, node.entry["type"]
        try:
            if kind == "message":
                self._message(node)
            elif kind == "compaction":
                self.messages.append(self._mark(entry))
            elif kind == "custom_message":
                self._say(parts_of(entry.get("content"), self.left_out), entry)
            elif kind == "branch_summary":
                self._say((TextPart(text=text_of(entry.get("summary"))),), entry)
            else:
                self.left_out[kind if kind in UNKEPT else f"{kind[:40]} (unknown)"] += 1
        except ValueError as error:
            self._faults.append(f"line {node.number}: {error}")

    def _say(self, parts: Sequence[Part], entry: dict[str, Any]) -> None:
        if parts:
            self.messages.append(UserMessage(content=tuple(parts), timestamp_ms=ms_of(entry.get("timestamp"))))

    def _mark(self, entry: dict[str, Any]) -> CompactionMessage:
        first = entry.get("firstKeptEntryId")
        index = entry.get("firstKeptEntryIndex")
        if first is None and isinstance(index, int) and 1 <= index <= len(self._nodes):
            first = self._nodes[index - 1].id  # version 1 counts lines, the header among them
        kept = len(self.messages) - self._places.get(str(first), len(self.messages))
        return CompactionMessage(
            summary=text_of(entry.get("summary")),
            kept=kept,
            tokens_before=count_of(entry.get("tokensBefore")),
            timestamp_ms=ms_of(entry.get("timestamp")),
        )

    def _message(self, node: _Node) -> None:
        entry = node.entry
        message = message_of(entry.get("message"), ms_of(entry.get("timestamp")), self.left_out)
        if message is not None:
            self.messages.append(message)


__all__ = ["UNKEPT", "VERSION", "Transcript", "Writer", "iso", "read", "written"]
