# -*- test-case-name: tests.automation.test_templates -*-
"""Texts with C{{{field}}} in them, filled from a request (spec 1.8). Pure.

What the operator wrote is an order to the agent; what comes from the request is not. So the values stand apart from the
text, in a block that says that it is from outside, unless the operator wants them in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from openclaw_tx.config.schema_automation import PLACE, PLACEHOLDER
from openclaw_tx.tools.untrusted import wrapped

MAX_VALUE = 50_000
"""Characters of one value."""

_STEP = re.compile(r"\.?([A-Za-z0-9_$@-]+)|\[(\d+)\]")


def value_of(place: str, payload: Any, headers: Mapping[str, str]) -> str:
    """What a request has at a place, as text; "" for nothing.

    @param place: as L{PLACE}; C{payload.} before it is the body, as without, and C{headers.} a header.
    """
    root, _, rest = place.partition(".")
    if root == "headers" and rest:
        return headers.get(rest.lower(), "")
    found = payload
    steps = _STEP.findall(rest if root == "payload" and rest else place)
    for name, index in steps:
        if name and isinstance(found, dict):
            found = found.get(name)
        elif index and isinstance(found, list) and int(index) < len(found):
            found = found[int(index)]
        else:
            return ""
    if found is None:
        return ""
    text = found if isinstance(found, str) else msgspec.json.encode(found).decode()
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]} [cut]"


def filled(template: str, payload: Any, headers: Mapping[str, str]) -> str:
    """The text with the values in it."""
    return PLACEHOLDER.sub(lambda match: _value(match, payload, headers), template).strip()


def apart(
    template: str,
    payload: Any,
    headers: Mapping[str, str],
    source: str,
    new_id: Callable[[], str],
    most: int | None = None,
) -> str:
    """The text with numbers where the values belong, and the values below it, marked as from outside.

    @param source: where they are from, in a few words.
    @param new_id: makes ids that can not be guessed.
    @param most: characters of text and values together; the rest of the values is cut. None = as many as there are.
    """
    values: list[str] = []

    def number(match: re.Match[str]) -> str:
        value = _value(match, payload, headers)
        if value not in values:
            values.append(value)
        return f"[{values.index(value) + 1}]"

    text = PLACEHOLDER.sub(number, template).strip()
    if not values:
        return text
    listed = "\n".join(f"[{index}] {value}" for index, value in enumerate(values, 1))
    if most is not None and len(listed) > (room := max(0, most - len(text))):
        listed = f"{listed[:room]} [cut]"
    return f"{text}\n\nWhat the numbers stand for:\n{wrapped(listed, source, new_id)}"


def has_places(template: str) -> bool:
    """Whether it takes anything from requests."""
    return PLACEHOLDER.search(template) is not None


def _value(match: re.Match[str], payload: Any, headers: Mapping[str, str]) -> str:
    place = PLACE.fullmatch(match[1])
    return value_of(place[1], payload, headers) if place is not None else ""


__all__ = ["apart", "filled", "has_places", "value_of"]
