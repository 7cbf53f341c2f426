# -*- test-case-name: tests.config.test_redact -*-
"""Configurations without their secrets, and back (D29)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from openclaw_tx.config.paths import Issues, Path, render

REDACTED = "__OPENCLAW_REDACTED__"
"""Stands for a secret. Written back, it means: as it was."""

LONG_ENOUGH = 12
"""Characters of a value that may be a secret although its name does not say so."""

_SECRET_KEY = re.compile(
    r"(token|password|passphrase|secret|credentials?|authorization|cookie|api_?key|(private|secret|access|signing)_?key|hash)$",
    re.IGNORECASE,
)
PARENTS = {"headers", "vars", "env"}
"""Objects of which every string is treated as a secret."""
_NAMES = ("id", "label", "name")
"""Keys that name an item of a list, the surest first."""
_REFERENCE = re.compile(r"\$\{[A-Z_][A-Z0-9_]*\}")
_USER_INFO = re.compile(r"(?<=://)([^/?#@\s:]*):([^/?#\s]*)(?=@)")
_LONE_USER = re.compile(rf"(?<=://)[^/?#@\s:]{{{LONG_ENOUGH},}}(?=@)")
"""A name without a password may be a token in its place."""

_PARAMETER = re.compile(r"(?<=[?&])([^=?&#\s]{1,64})=([^&#\s]+)")
_SECRET_PARAMETER = re.compile(r"(^|[-_.])(key|auth|sig|signature)$", re.IGNORECASE)


def redact(value: Any, key: str = "", inside_secret: bool = False) -> Any:
    """A copy of C{value} (plain JSON) with L{REDACTED} for every secret.

    Secret is a string under a key that says so (hashes of keys as well), every header and environment variable, and in
    a URL the password, a name that may be a token, and the parameters whose names say so.
    C{${NAME}} stays: it names a secret without being one.
    """
    if isinstance(value, dict):
        names_secret = _SECRET_KEY.search(key) is not None and "source" not in value
        inside = inside_secret or key in PARENTS or names_secret
        return {name: redact(item, name, inside) for name, item in value.items()}
    if isinstance(value, list):
        return [redact(item, key, inside_secret) for item in value]
    if value is None or isinstance(value, bool) or value == "":
        return value
    if isinstance(value, str) and _REFERENCE.fullmatch(value):
        return value
    if inside_secret or _SECRET_KEY.search(key):
        return REDACTED
    return _without_secrets(value) if isinstance(value, str) else value


def _without_secrets(text: str) -> str:
    """C{text} without the secrets of URLs in it."""
    found = _LONE_USER.sub(_hidden_user, _USER_INFO.sub(rf"\1:{REDACTED}", text))
    return _PARAMETER.sub(_hidden, found) if "://" in found else found


def _hidden_user(found: re.Match[str]) -> str:
    return found[0] if _REFERENCE.fullmatch(found[0]) else REDACTED


def _hidden(found: re.Match[str]) -> str:
    return f"{found[1]}={REDACTED}" if _is_secret(found) else found[0]


def _is_secret(found: re.Match[str]) -> bool:
    """Whether a parameter of a URL is one."""
    name, value = found.groups()
    return (names_secret(name) or bool(_SECRET_PARAMETER.search(name))) and not _REFERENCE.fullmatch(value)


def names_secret(key: str) -> bool:
    """Whether what stands under C{key} is a secret by its name."""
    return _SECRET_KEY.search(key) is not None


def secrets_in(value: Any, key: str = "", inside_secret: bool = False) -> Iterator[str]:
    """Every secret in C{value} (plain JSON): strings under a key that says so, and what is secret in URLs.

    Of headers and variables, whose names may say nothing, those that are long enough to be secrets
    (L{LONG_ENOUGH}) count as well. What names a secret (C{${NAME}}, C{{source, id}}) is none.
    """
    if isinstance(value, dict):
        inside = inside_secret or key in PARENTS or (names_secret(key) and "source" not in value)
        for name, item in value.items():
            yield from secrets_in(item, name, inside)
    elif isinstance(value, list):
        for item in value:
            yield from secrets_in(item, key, inside_secret)
    elif isinstance(value, str) and not _REFERENCE.fullmatch(value):
        if names_secret(key) or (inside_secret and len(value) >= LONG_ENOUGH):
            yield value
        yield from (found[2] for found in _USER_INFO.finditer(value))
        yield from (found[0] for found in _LONE_USER.finditer(value) if not _REFERENCE.fullmatch(found[0]))
        if "://" in value:
            yield from (found[2] for found in _PARAMETER.finditer(value) if _is_secret(found))


def restore(value: Any, original: Any, issues: Issues, path: Path = ()) -> Any:
    """C{value} with every L{REDACTED} replaced by what C{original} has in that place.

    @param issues: receives the places where the original has nothing to put back.
    """
    if isinstance(value, dict):
        known = original if isinstance(original, dict) else {}
        return {key: restore(item, known.get(key), issues, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        twins = _twins(value, original if isinstance(original, list) else [])
        return [restore(item, twins[index], issues, (*path, index)) for index, item in enumerate(value)]
    if not isinstance(value, str) or REDACTED not in value:
        return value
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    if original is not None and value in (REDACTED, redact(original, key)):
        return original
    issues.append((render(path), f"{REDACTED} stands for a secret that is not there"))
    return value


def _twins(items: list[Any], originals: list[Any]) -> list[Any]:
    """Of each item the one it was: by its place as long as nothing says that it is another one, else by its name.

    Going by the place alone would give an item its neighbour's secret once one before it was taken out.
    """
    names = [_name(item) for item in originals]
    if len(items) == len(names) and all(_name(item) in ("", name) for item, name in zip(items, names, strict=True)):
        return list(originals)
    named = {name: item for name, item in zip(names, originals, strict=True) if names.count(name) == 1}
    return [named.get(name) if (name := _name(item)) else None for item in items]


def _name(item: Any) -> str:
    """What tells an item of a list from the others; "" = nothing, or something that is a secret itself."""
    if not isinstance(item, dict):
        return ""
    found = ((key, item[key]) for key in _NAMES if isinstance(item.get(key), str) and item[key])
    return next((f"{key}={value}" for key, value in found if "://" not in value and value != REDACTED), "")
