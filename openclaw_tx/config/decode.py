# -*- test-case-name: tests.config.test_decode -*-
"""From a plain object to L{Config}: strict, and with all that is wrong at once.

msgspec stops at the first error and does not name the keys of a map on the way to it, so a walk over the schema's
types finds the issues first. msgspec then builds the value and has the last word.
"""

from __future__ import annotations

import difflib
import operator
import re
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect

from openclaw_tx.config.paths import Issues, Path, render
from openclaw_tx.config.schema import Config
from openclaw_tx.config.section import LARGEST, NO_CONTROLS
from openclaw_tx.errors import ConfigError

MAX_ISSUES = 50
"""Issues reported at once; a file with more has one thing wrong with it that breaks the rest."""

LARGEST_FLOAT = sys.float_info.max

_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_KINDS: dict[type, str] = {dict: "object", list: "array", str: "str", bool: "bool", int: "int", float: "float"}


def decode(data: dict[str, Any]) -> Config:
    """The configuration that C{data} describes, defaults filled in.

    @raise ConfigError: with the path of every unknown key, missing key, wrong type and value out of bounds.
    """
    issues: Issues = []
    for path, message in _check(data, _schema(), ()):
        issues.append((render(path), message))
        if len(issues) == MAX_ISSUES:
            break
    if not issues:
        try:
            return msgspec.convert(data, Config)
        except msgspec.ValidationError as error:
            issues.append(("", str(error)))
    raise ConfigError(issues)


def allowed(section: type, name: str) -> tuple[Any, ...]:
    """The values that a C{Literal} field of a section may have, C{None} apart."""
    hint = get_type_hints(section)[name]
    choices = [choice for choice in get_args(hint) if choice is not type(None)]
    return get_args(choices[0]) if get_origin(hint) is not Literal else tuple(choices)


@lru_cache(maxsize=1)
def _schema() -> inspect.Type:
    return inspect.type_info(Config)


def _check(value: Any, kind: inspect.Type, path: Path) -> Iterator[tuple[Path, str]]:
    """What is wrong with C{value} where C{kind} is expected."""
    if isinstance(kind, inspect.StructType):
        yield from _check_struct(value, kind, path) if isinstance(value, dict) else _wrong(value, kind, path)
    elif isinstance(kind, inspect.DictType):
        if not isinstance(value, dict):
            yield from _wrong(value, kind, path)
        else:
            for key, item in value.items():
                yield from _check(key, kind.key_type, (*path, key))
                yield from _check(item, kind.value_type, (*path, key))
    elif isinstance(kind, inspect.ListType):
        if not isinstance(value, list):
            yield from _wrong(value, kind, path)
        else:
            yield from _check_length(value, kind, path, "entries")
            for index, item in enumerate(value):
                yield from _check(item, kind.item_type, (*path, index))
    elif isinstance(kind, inspect.UnionType):
        yield from _check_union(value, kind, path)
    elif isinstance(kind, inspect.LiteralType):
        if not any(value == choice and type(value) is type(choice) for choice in kind.values):
            yield path, f"expected {_name(kind)}"
    elif not _is_scalar(value, kind):
        yield from _wrong(value, kind, path)
    else:
        yield from _check_bounds(value, kind, path)


def _check_struct(value: dict[str, Any], kind: inspect.StructType, path: Path) -> Iterator[tuple[Path, str]]:
    fields = {field.encode_name: field for field in kind.fields}
    for key, item in value.items():
        if key in fields:
            yield from _check(item, fields[key].type, (*path, key))
        else:
            near = difflib.get_close_matches(key, fields, 1)
            yield (*path, key), f"unknown key, did you mean {near[0]}?" if near else "unknown key"
    for name, field in fields.items():
        if field.required and name not in value:
            yield (*path, name), "is required"


def _check_union(value: Any, kind: inspect.UnionType, path: Path) -> Iterator[tuple[Path, str]]:
    for choice in kind.types:
        if isinstance(choice, inspect.StructType) and isinstance(value, dict):
            yield from _check_struct(value, choice, path)
            return
    found = [list(_check(value, choice, path)) for choice in kind.types]
    if all(found):
        # Of a value that is of one of the types, what is wrong with it there says more than that it fits none.
        near = [issues for choice, issues in zip(kind.types, found, strict=True) if _is_like(value, choice)]
        yield from near[0] if near else _wrong(value, kind, path)


def _is_like(value: Any, kind: inspect.Type) -> bool:
    """Whether C{value} is of the type but for what is in it."""
    if isinstance(kind, inspect.ListType | inspect.DictType):
        return isinstance(value, list if isinstance(kind, inspect.ListType) else dict)
    return _is_scalar(value, kind)


def _is_scalar(value: Any, kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.StrType):
        return isinstance(value, str)
    if isinstance(kind, inspect.BoolType):
        return isinstance(value, bool)
    if isinstance(kind, inspect.IntType):
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(kind, inspect.FloatType):
        return (
            isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST_FLOAT <= value <= LARGEST_FLOAT
        )
    if isinstance(kind, inspect.NoneType):
        return value is None
    return isinstance(kind, inspect.AnyType)


def _check_bounds(value: Any, kind: inspect.Type, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        bounds = ((">", kind.gt), (">=", kind.ge), ("<", kind.lt), ("<=", kind.le))
        limits = [(sign, bound) for sign, bound in bounds if bound is not None]
        if not all(_COMPARED[sign](value, bound) for sign, bound in limits):
            yield path, f"must be {' and '.join(f'{sign} {bound}' for sign, bound in limits)}"
        elif isinstance(kind, inspect.IntType) and value > LARGEST:
            yield path, f"must be <= {LARGEST}"
    elif isinstance(kind, inspect.StrType):
        yield from _check_length(value, kind, path, "characters")
        if kind.pattern and not _fits(value, kind.pattern):
            what = "holds a line break or another control character"
            yield path, what if kind.pattern == NO_CONTROLS else f"must match {kind.pattern}"


def _check_length(
    value: str | list[Any], kind: inspect.StrType | inspect.ListType, path: Path, of_what: str
) -> Iterator[tuple[Path, str]]:
    if kind.min_length is not None and len(value) < kind.min_length:
        yield path, "must not be empty" if kind.min_length == 1 else f"needs at least {kind.min_length} {of_what}"
    elif kind.max_length is not None and len(value) > kind.max_length:
        yield path, f"must have at most {kind.max_length} {of_what}"


def _fits(value: str, pattern: str) -> bool:
    """Whether a text matches as a whole, with digits that are ASCII's; Python's C{$} lets a line break follow."""
    return re.search(pattern, value, re.ASCII) is not None and not (pattern.endswith("$") and value.endswith("\n"))


def _wrong(value: Any, kind: inspect.Type, path: Path) -> Iterator[tuple[Path, str]]:
    yield path, f"expected {_name(kind)}, got {_KINDS.get(type(value), 'null')}"


def _name(kind: inspect.Type) -> str:
    """A type in words; never a value of the configuration."""
    if isinstance(kind, inspect.UnionType):
        return " or ".join(_name(choice) for choice in kind.types)
    if isinstance(kind, inspect.LiteralType):
        return "one of " + ", ".join(str(choice) for choice in kind.values)
    if isinstance(kind, inspect.StructType | inspect.DictType):
        return "object"
    return {
        inspect.ListType: "array",
        inspect.StrType: "str",
        inspect.BoolType: "bool",
        inspect.IntType: "int",
        inspect.FloatType: "float",
        inspect.NoneType: "null",
    }.get(type(kind), "a value")
