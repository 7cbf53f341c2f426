# -*- test-case-name: tests.config.test_rewriting -*-
"""Edits of a JSON5 text that leave alone what they do not concern: comments, order, quotes, blank lines. Pure.

The text is cut into places of values, the old and the new value are compared, and only what differs is written anew.
The outcome is read again; should it not say what it has to, the whole is written as plain JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from openclaw_tx.config import json5

INDENT = "  "
_SPACE = re.compile(r"(?:[\s\ufeff]|//[^\n\r\u2028\u2029]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_WORD = re.compile(r"[^\s\ufeff,:\[\]{}\"'/]+")
_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_STRING_OR_COMMENT = re.compile(rf"{_STRING.pattern}|(//[^\n\r\u2028\u2029]*|/\*.*?\*/)", re.DOTALL)
_LINE_COMMENT = re.compile(r"[ \t]*//[^\n\r]*")


class Node(NamedTuple):
    """Where a value stands.

    @ivar slots: what is in it; None = it is neither an object nor a list.
    """

    start: int
    end: int
    slots: Sequence[Slot] | None = None
    is_object: bool = False


class Slot(NamedTuple):
    """A member of an object, or an item of a list."""

    key: str
    """"" in a list."""
    start: int
    """Of the key, or of the item."""
    node: Node
    comma: int
    """Where the comma after it ends; -1 = there is none."""


class Edit(NamedTuple):
    """Text in place of what stands between two offsets."""

    start: int
    end: int
    text: str


def rewrite(text: str, before: Any, after: Any) -> str:
    """C{text}, changed so that it says C{after}.

    @param text: JSON5 that can be read.
    @param before: what it says.
    """
    if same(before, after):
        return text
    try:
        edits = list(_changes(text, _Scanner(text).whole(), before, after))
        for edit in sorted(edits, reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        if same(json5.loads(text), after):
            return text
    except (json5.Json5Error, _Lost):
        pass
    return plain(after) + "\n"


def in_comments(text: str, change: Callable[[str], str]) -> str:
    """C{text} with its comments as C{change} has them.

    @param text: JSON5 that can be read.
    """
    return _STRING_OR_COMMENT.sub(lambda found: change(found[0]) if found[1] is not None else found[0], text)


def plain(value: Any) -> str:
    """A value as indented JSON."""
    return json.dumps(value, ensure_ascii=False, indent=len(INDENT))


def same(one: Any, other: Any) -> bool:
    """Equality that tells C{true} from C{1}, and objects by the order of their keys not at all."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


class _Lost(Exception):
    """The text is not what the scanner expected."""


class _Scanner:
    """Finds the places of values in a text that has been read before."""

    def __init__(self, text: str) -> None:
        self._text = text

    def whole(self) -> Node:
        """The document's value."""
        return self._value(self._skip(0), 0)

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        return found.end() if found is not None else at

    def _value(self, at: int, depth: int) -> Node:
        opening = self._text[at : at + 1]
        if depth > json5.MAX_DEPTH:
            raise _Lost
        if opening == "{" or opening == "[":
            return self._inside(at, opening == "{", depth)
        return Node(at, self._scalar(at))

    def _scalar(self, at: int) -> int:
        pattern = _STRING if self._text[at : at + 1] in ("'", '"') else _WORD
        found = pattern.match(self._text, at)
        if found is None:
            raise _Lost
        return found.end()

    def _inside(self, start: int, is_object: bool, depth: int) -> Node:
        text, closing = self._text, "}" if is_object else "]"
        slots: list[Slot] = []
        at = self._skip(start + 1)
        while text[at : at + 1] != closing:
            first, key = at, ""
            if is_object:
                end = self._scalar(at)
                key = _key(text[at:end])
                at = self._skip(end)
                if text[at : at + 1] != ":":
                    raise _Lost
                at = self._skip(at + 1)
            node = self._value(at, depth + 1)
            at = self._skip(node.end)
            comma = -1
            if text[at : at + 1] == ",":
                comma = at + 1
                at = self._skip(comma)
            elif text[at : at + 1] != closing:
                raise _Lost
            slots.append(Slot(key, first, node, comma))
        return Node(start, at + 1, slots, is_object)


def _key(written: str) -> str:
    if written[0] in "'\"" or "\\" in written:
        return str(next(iter(json5.loads(f"{{{written}: 0}}"))))
    return written


def _changes(text: str, node: Node, before: Any, after: Any) -> Iterator[Edit]:
    """What has to be written anew for the value at C{node}."""
    if same(before, after):
        return
    slots = node.slots
    if slots is not None and node.is_object and isinstance(before, dict) and isinstance(after, dict):
        if len({slot.key for slot in slots}) == len(slots):
            twins = [(before[slot.key], after[slot.key]) if slot.key in after else None for slot in slots]
            added = [(key, value) for key, value in after.items() if key not in before]
            yield from _members(text, node, slots, twins, added)
            return
    elif slots is not None and isinstance(before, list) and isinstance(after, list):
        kept, rest = _paired(before, after)
        yield from _members(text, node, slots, kept, [("", value) for value in rest])
        return
    yield Edit(node.start, node.end, _written(after, _margin(text, node.start)))


def _paired(before: list[Any], after: list[Any]) -> tuple[list[tuple[Any, Any] | None], list[Any]]:
    """Of each old item it and the new one in its place, None for one that goes; and the new ones at the end.

    With nothing taken out, items are told by their place; otherwise by being the same or having the same id.
    """
    if len(after) >= len(before):
        return list(zip(before, after, strict=False)), after[len(before) :]
    kept: list[tuple[Any, Any] | None] = []
    at = 0
    for old in before:
        if at < len(after) and (same(old, after[at]) or _is_named(old, after[at])):
            kept.append((old, after[at]))
            at += 1
        else:
            kept.append(None)
    return kept, after[at:]


def _is_named(one: Any, other: Any) -> bool:
    return isinstance(one, dict) and isinstance(other, dict) and "id" in one and one["id"] == other.get("id")


def _members(
    text: str,
    node: Node,
    slots: Sequence[Slot],
    twins: Sequence[tuple[Any, Any] | None],
    added: Sequence[tuple[str, Any]],
) -> Iterator[Edit]:
    """Take out the slots that have no twin, change the others, put what is new behind the last."""
    kept = [number for number, twin in enumerate(twins) if twin is not None]
    for number in kept:
        pair = twins[number]
        assert pair is not None
        yield from _changes(text, slots[number].node, *pair)
    yield from _removals(text, node, slots, twins, bool(added) and bool(kept))
    if not added:
        return
    if not kept:
        margin = _margin(text, node.start)
        lines = "".join(
            f"\n{margin}{INDENT}{_entry(key, value, node.is_object, margin + INDENT, True)}," for key, value in added
        )
        at = slots[-1].comma if slots and slots[-1].comma >= 0 else slots[-1].node.end if slots else node.start + 1
        yield Edit(at, at, f"{lines.removesuffix(',')}\n{margin}")
        return
    last = slots[kept[-1]]
    bare = not node.is_object or all(_NAME.match(text, slots[number].start) for number in kept)
    own_line = not text[: last.start].rpartition("\n")[2].strip() and "\n" in text[: last.start]
    margin = _margin(text, last.start)
    gap = f"\n{margin}" if own_line else " "
    entries = [_entry(key, value, node.is_object, margin, bare, own_line) for key, value in added]
    comma = last.comma >= 0
    at = last.comma if comma else last.node.end
    written = "".join(f"{gap}{entry}," for entry in entries).removesuffix("" if slots[-1].comma >= 0 else ",")
    comment = _LINE_COMMENT.match(text, at) if own_line else None
    if comment is None:
        yield Edit(at, at, written if comma else f",{written}")
        return
    if not comma:
        yield Edit(at, at, ",")
    yield Edit(comment.end(), comment.end(), written)


def _removals(
    text: str, node: Node, slots: Sequence[Slot], twins: Sequence[tuple[Any, Any] | None], followed: bool
) -> Iterator[Edit]:
    """Neighbours go together; with them goes the comma behind them, or else the one before.

    @param followed: something comes behind the last that stays, which then needs its comma.
    """
    number = 0
    while number < len(slots):
        if twins[number] is not None:
            number += 1
            continue
        first = number
        while number < len(slots) and twins[number] is None:
            number += 1
        last = slots[number - 1]
        if last.comma >= 0 or followed:
            start = len(text[: slots[first].start].rstrip())
            yield Edit(max(start, node.start + 1), max(last.comma, last.node.end), "")
        else:
            start = slots[first - 1].node.end if first else node.start + 1
            yield Edit(start, last.node.end, "")


def _entry(key: str, value: Any, is_object: bool, margin: str, bare: bool, own_line: bool = True) -> str:
    written = _written(value, margin) if own_line else json.dumps(value, ensure_ascii=False)
    if not is_object:
        return written
    name = key if bare and _NAME.fullmatch(key) else json.dumps(key, ensure_ascii=False)
    return f"{name}: {written}"


def _written(value: Any, margin: str) -> str:
    return plain(value).replace("\n", f"\n{margin}")


def _margin(text: str, at: int) -> str:
    """What the line at an offset is indented by."""
    line = text[:at].rpartition("\n")[2]
    return line[: len(line) - len(line.lstrip())]


__all__ = ["in_comments", "plain", "rewrite", "same"]
