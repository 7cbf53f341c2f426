# -*- test-case-name: tests.agents.test_front_matter -*-
"""The head of a C{SKILL.md}: the few forms of YAML that such heads use, and nothing that could run away. Pure.

Source: the Agent Skills format (https://agentskills.io/specification); YAML 1.2.2, chapters 7 and 8, for the scalars.

Understood are C{key: value} on the first level, plain (also over several indented lines, of which the first may be the
next one), in single or double quotes, and blocks that begin with C{|} or C{>}. What lies deeper (maps, lists) is passed
over. Nothing is an error: a line that is none of this is passed over too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_LINES = 400
"""A head longer than this is none."""

_FENCE = "---"
_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]{0,63})[ \t]*:(?:[ \t]+(.*))?")
_DEEPER = re.compile(r"-(?:[ \t]|$)|[?{\[&*!]|[^\s'\"#]+[ \t]*:(?:[ \t]|$)")
"""How a map or a list begins."""
_BLOCK = re.compile(r"([|>])[-+0-9]{0,2}[ \t]*(?:#.*)?")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}


def front_matter(text: str) -> dict[str, str] | None:
    """The values by key; of two with one key the first counts.

    @param text: the file from its beginning.
    @return: None when it does not begin with a head, or the head has no end.
    """
    lines = text.splitlines()[: MAX_LINES + 2]
    if not lines or lines[0].rstrip() != _FENCE:
        return None
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() in (_FENCE, "...")), None)
    if end is None:
        return None
    head = lines[1:end]
    found: dict[str, str] = {}
    position = 0
    while position < len(head):
        match = _KEY.fullmatch(head[position].rstrip())
        position += 1
        if match is None:
            continue
        # What belongs to this key: all lines up to the next one that is not indented.
        start = position
        while position < len(head) and (not head[position].strip() or head[position][0] in " \t"):
            position += 1
        found.setdefault(match[1], _value(match[2] or "", head[start:position]))
    return found


def _value(first: str, more: Sequence[str]) -> str:
    first = first.strip()
    block = _BLOCK.fullmatch(first)
    if block is not None:
        return _literal(more) if block[1] == "|" else _folded(_literal(more))
    if not first or first.startswith("#"):
        more = [line.strip() for line in more if line.strip() and not line.lstrip().startswith("#")]
        if not more or _DEEPER.match(more[0]):
            return ""
        first, more = more[0], more[1:]
    whole = " ".join([first, *(line.strip() for line in more)]).strip()
    if whole[:1] == '"':
        return _ESCAPE.sub(_unescaped, _quoted(whole, re.compile(r'"((?:[^"\\]|\\.)*)"')))
    if whole[:1] == "'":
        return _quoted(whole, re.compile(r"'((?:[^']|'')*)'")).replace("''", "'")
    return re.split(r"(?:^|[ \t])#", whole, maxsplit=1)[0].rstrip()


def _quoted(text: str, form: re.Pattern[str]) -> str:
    """What is between the quotes; the text as it is when they are not closed."""
    match = form.match(text)
    return match[1] if match is not None else text[1:]


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) > 1:
        char = chr(int(code[1:], 16))
        return "\N{REPLACEMENT CHARACTER}" if "\ud800" <= char <= "\udfff" else char
    return _ESCAPES.get(code, code)


def _literal(lines: Sequence[str]) -> str:
    """Lines without the indentation that all of them share."""
    depth = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[depth:].rstrip() for line in lines).strip("\n")


def _folded(text: str) -> str:
    """Lines joined, but for blank ones between paragraphs."""
    return "\n".join(" ".join(paragraph.split("\n")) for paragraph in text.split("\n\n"))


__all__ = ["MAX_LINES", "front_matter"]
