"""Input that is nearly right: JSON with a few changes, texts with a few bytes too many."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from msgspec import inspect

DEEP = "\ufdd0deep\ufdd1"
"""Becomes a nesting that no reader goes down into."""
ODD_TEXTS = [
    "",
    " ",
    "\0",
    "\ud800",
    "\u2028",
    "a" * 300,
    "__proto__",
    "$ref",
    "é\U0001f600",
    "1",
    "true",
    "../x",
    DEEP,
]
ODD_NUMBERS = [0, -0.0, -1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**64), 10**400, 1e308, 1e-320, 0.1]
NOT_JSON = [float("nan"), float("inf")]

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10)
    | st.sampled_from([*ODD_TEXTS, *ODD_NUMBERS, *NOT_JSON])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
"""Whatever Python's own writer takes for JSON."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value, its own among them."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


@st.composite
def nearly(draw: st.DrawFn, *seeds: Any) -> Any:
    """One of the seeds with up to three changes: another value, one more, one less, one twice."""
    whole = copy.deepcopy(draw(st.sampled_from(seeds)))
    known = sorted({key for seed in seeds for path in places(seed) for key in path if isinstance(key, str)})
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(places(whole))))
        if not path:
            if draw(st.integers(0, 9)) == 0:
                whole = draw(values)
            elif isinstance(whole, dict):
                whole[draw(st.sampled_from(known) | st.text(max_size=6))] = draw(values)
            continue
        holder = whole
        for key in path[:-1]:
            holder = holder[key]
        change = draw(st.sampled_from(["replace", "replace", "drop", "twice", "grow"]))
        here = holder[path[-1]]
        if change == "drop":
            del holder[path[-1]]
        elif change == "twice" and isinstance(holder, list):
            holder.append(copy.deepcopy(here))
        elif change == "grow" and isinstance(here, dict) and known:
            here[draw(st.sampled_from(known))] = draw(values)
        elif change == "grow" and isinstance(here, list):
            here.append(draw(values))
        else:
            holder[path[-1]] = draw(values)
    return whole


def written(value: Any, depth: int = 3000) -> bytes:
    """As JSON, or as nearly JSON as Python makes of it.

    @param depth: of the nesting in the place of L{DEEP}.
    """
    deep = "[" * depth + "]" * depth
    return json.dumps(value).replace(json.dumps(DEEP), deep).encode("ascii")


@st.composite
def documents(draw: st.DrawFn, *seeds: Any) -> bytes:
    """What may be sent as JSON: nearly one of the seeds, now and then damaged, now and then any bytes."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.binary(max_size=60))
    value = draw(nearly(*seeds))
    if kind == 1:
        # From what every reader takes to what none does, and right at the interpreter's limit.
        found = [path for path in places(value) if path]
        if found:
            *parents, last = draw(st.sampled_from(found))
            holder = value
            for key in parents:
                holder = holder[key]
            holder[last] = DEEP
        return written(value, draw(st.sampled_from([20, 500, 3000]) | st.integers(800, 1000)))
    text = written(value)
    if kind == 2:
        at = draw(st.integers(0, len(text)))
        return text[:at] + draw(st.binary(max_size=6)) + text[at + draw(st.integers(0, 4)) :]
    return text


@st.composite
def repetitions(draw: st.DrawFn, alphabet: str, size: int = 60_000) -> str:
    """A long text of a few characters again and again, between a beginning and an end: what makes a reader that looks
    twice look a million times."""
    some = st.text(alphabet, max_size=4)
    unit = draw(st.text(alphabet, min_size=1, max_size=4))
    return draw(some) + unit * (size // len(unit)) + draw(some)


def of_type(kind: Any, words: list[str]) -> st.SearchStrategy[Any]:
    """JSON that a type takes, more or less: its members are all there is, their values may be out of bounds.

    @param kind: of L{msgspec.inspect}.
    @param words: texts that may mean something.
    """
    texts = st.sampled_from(words) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    match kind:
        case inspect.StructType():
            required = {f.encode_name: of_type(f.type, words) for f in kind.fields if f.required}
            optional = {f.encode_name: of_type(f.type, words) for f in kind.fields if not f.required}
            return st.fixed_dictionaries(required, optional=optional)
        case inspect.UnionType():
            return st.one_of([of_type(each, words) for each in kind.types])
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType() | inspect.FrozenSetType():
            return st.lists(of_type(kind.item_type, words), max_size=3)
        case inspect.DictType():
            return st.dictionaries(texts, of_type(kind.value_type, words), max_size=3)
        case inspect.LiteralType():
            return st.sampled_from(list(kind.values))
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            return st.integers(-1, 5) | st.sampled_from([2**31, 2**53, -(2**63)])
        case inspect.FloatType():
            return st.floats(-1, 1e9, allow_nan=False)
        case inspect.NoneType():
            return st.none()
        case inspect.StrType():
            return texts
    return st.none() | st.integers(0, 3) | texts | st.dictionaries(texts, texts, max_size=2)


__all__ = ["DEEP", "documents", "nearly", "of_type", "places", "repetitions", "scalars", "values", "written"]
