# -*- test-case-name: tests.ws.test_reference -*-
"""The chapter of docs/protocol.md that lists every method, made from the registry itself: what it does for the
authoriser, what scope that takes, its params with what is said of them in the code, and its answer.

C{python -m openclaw_tx.testing.reference} writes it into the page, between the lines that the chapter begins and ends
with; a test holds the two together. The other chapters are written by hand.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence

import msgspec

from openclaw_tx.auth.actions import ACTIONS
from openclaw_tx.config.describe import source_of, type_in_words
from openclaw_tx.ws.methods import Method

BEGIN = "<!-- methods -->"
END = "<!-- end of methods -->"
_CODE = re.compile(r"\b[CL]\{")
_MARKED = re.compile(rf"{BEGIN}.*?{END}", re.DOTALL)

INTRODUCTION = """\
This chapter is made from the code (`python -m openclaw_tx.testing.reference`). Where a scope suffices, so do those that
imply it: write implies read, admin implies all. Methods that only nodes may call say so.
"""


class Unmarked(Exception):
    """The page has no place for the chapter."""


def with_reference(page: str, methods: Sequence[Method]) -> str:
    """The page with the chapter of the moment.

    @raise Unmarked: it has no L{BEGIN} and L{END}.
    """
    chapter = f"{BEGIN}\n{reference(methods)}{END}"
    if not _MARKED.search(page):
        raise Unmarked
    return _MARKED.sub(lambda found: chapter, page, count=1)


def reference(methods: Sequence[Method]) -> str:
    """Every method, by name."""
    parts = [INTRODUCTION]
    parts += [_entry(method) for method in sorted(methods, key=lambda method: method.name)]
    return "\n".join(parts)


def _entry(method: Method) -> str:
    scope = ACTIONS[method.action].scope
    role = getattr(method, "role", "operator")
    needs = f"scope `{scope}`" if scope is not None else "any scope"
    who = f"for role `{role}`" if role != "operator" else needs
    lines = [f"### `{method.name}`", "", f"Action `{method.action}`, {who}. {_told(method.handler)}", ""]
    rows = list(_params(method.params))
    if rows:
        lines += ["| param | type | |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _told(handler: object) -> str:
    """What a handler says of itself, in Markdown."""
    text = inspect.cleandoc(getattr(handler, "__doc__", None) or "").split("\n@", 1)[0]
    return markdown(text)


def markdown(text: str) -> str:
    """Text of a docstring: C{{a, b}} is C{`{a, b}`}, links are code."""
    text = " ".join(text.split())
    parts: list[str] = []
    at = 0
    for found in _CODE.finditer(text):
        if found.start() < at:
            continue  # within the one before
        end, depth = found.end(), 1
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        inner = text[found.end() : end - 1]
        parts += [text[at : found.start()], f"`{inner.rpartition('.')[2] if found[0] == 'L{' else inner}`"]
        at = end
    return ("".join(parts) + text[at:]).strip()


def _params(params: type[msgspec.Struct]) -> Iterator[str]:
    texts, defaults = source_of(params)
    shape = msgspec.inspect.type_info(params)
    assert isinstance(shape, msgspec.inspect.StructType)
    for field in shape.fields:
        default = "" if field.required else defaults.get(field.name, "")
        told = markdown(texts.get(field.name, ""))
        notes = ["**Required.**" if field.required else "", told, f"Default `{default}`." if _says(default) else ""]
        cells = (f"`{field.encode_name}`", _type(field.type), " ".join(filter(None, notes)))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(kind: msgspec.inspect.Type) -> str:
    """A type as JSON knows it."""
    return type_in_words(kind).replace("``, ", "").replace("`True`", "true")


def _says(default: str) -> bool:
    """A default that is more than nothing."""
    return default not in ("", '""', "null", "[]", "{}", "false")


__all__ = ["BEGIN", "END", "Unmarked", "reference", "with_reference"]
