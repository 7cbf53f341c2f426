# -*- test-case-name: tests.config.test_merging -*-
"""Changes of a configuration as plain objects: merge patches, single places, what differs. Pure.

A patch is RFC 7396: objects are merged, null takes a key out, all else is put in. Beyond that, as in OpenClaw, lists
whose items have ids are merged by id, and a patch that would lose items of a list has to say so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from openclaw_tx.config.paths import Path, render
from openclaw_tx.config.rewriting import same

_PART = re.compile(r"""\[(\d+)\]|\[(?:"((?:[^"\\]|\\.)*)"|'([^']*)')\]|\.?([^.\[\]]+)""")


class Lossy(Exception):
    """A patch would lose items of lists.

    @ivar paths: of the lists.
    """

    def __init__(self, paths: list[str]) -> None:
        super().__init__(", ".join(paths))
        self.paths = paths


def merge_patch(target: Any, patch: Any, replace: Collection[str] | None = (), path: str = "") -> Any:
    """C{target} with C{patch} applied; neither is changed.

    @param replace: paths of lists that are replaced as they are, e.g. C{agents.list}; None = all, as the RFC has it.
    @raise ValueError: an id stands twice in a list that is merged by id.
    """
    if isinstance(patch, dict):
        merged = dict(target) if isinstance(target, dict) else {}
        for key, value in patch.items():
            place = f"{path}.{key}" if path else key
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = merge_patch(merged.get(key), value, replace, place)
        return merged
    if replace is None or path in replace or not (isinstance(patch, list) and isinstance(target, list) and target):
        return patch
    named = all(map(_id, target)) and all(map(_id, patch))
    return _merge_items(target, patch, replace, path) if named else patch


def _merge_items(target: list[Any], patch: list[Any], replace: Collection[str], path: str) -> list[Any]:
    for items in (target, patch):
        if len({_id(item) for item in items}) < len(items):
            raise ValueError(f"an id stands twice in {path}; name it in replacePaths to replace the list")
    patches = {_id(item): item for item in patch}
    merged = [merge_patch(item, patches.pop(_id(item), {}), replace, f"{path}[]") for item in target]
    return merged + [merge_patch(None, item, replace, f"{path}[]") for item in patches.values()]


def check_lists(before: Any, after: Any, replace: Collection[str]) -> None:
    """Let a patch go on if every list keeps its items, or was named.

    @raise Lossy: with the lists that lose some.
    """
    lost = list(dict.fromkeys(path for path in _losses(before, after, "") if path not in replace))
    if lost:
        raise Lossy(lost)


def _losses(before: Any, after: Any, path: str) -> Iterator[str]:
    if isinstance(before, dict):
        for key, value in before.items():
            place = f"{path}.{key}" if path else key
            yield from _losses(value, after.get(key) if isinstance(after, dict) else None, place)
    elif isinstance(before, list) and before:
        if not isinstance(after, list):
            yield path
        elif all(map(_id, before)):
            known = {_id(item): item for item in after}
            if any(_id(item) not in known for item in before):
                yield path
            for item in before:
                yield from _losses(item, known.get(_id(item), item), f"{path}[]")
        else:
            left = list(after)
            for item in before:
                twin = next((index for index, other in enumerate(left) if same(item, other)), None)
                if twin is None:
                    yield path
                    return
                del left[twin]


def _id(item: Any) -> str:
    found = item.get("id") if isinstance(item, dict) else None
    return found if isinstance(found, str) else ""


def differences(before: Any, after: Any, path: Path = ()) -> Iterator[str]:
    """Paths of the values that differ; a list is compared as a whole."""
    if isinstance(before, dict) and isinstance(after, dict) and (before or after):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from differences(before.get(key), after.get(key), (*path, key))
    elif isinstance(after, dict) and before is None and after:
        for key, value in after.items():
            yield from differences(None, value, (*path, key))
    elif not same(before, after):
        yield render(path)


def parse_path(text: str) -> Path:
    """The place that C{gateway.auth.mode}, C{agents.list[0].id} or C{models.providers["a.b"]} names.

    @raise ValueError: it names none.
    """
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None:
            raise ValueError(f"not a path: {text}")
        index, quoted, single, name = found.groups()
        if index is not None:
            parts.append(int(index))
        elif name is not None:
            parts.append(name)
        else:
            parts.append(re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else single)
        at = found.end()
    if not parts:
        raise ValueError("the path is empty")
    return tuple(parts)


def value_at(value: Any, path: Path) -> Any:
    """What stands at a place.

    @raise LookupError: nothing does.
    """
    for part in path:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and 0 <= _index(part) < len(value):
            value = value[_index(part)]
        else:
            raise LookupError(render(path))
    return value


def with_value(value: Any, path: Path, new: Any) -> Any:
    """A copy with C{new} at a place; objects on the way are made, and a list grows by one at its end.

    @raise LookupError: the way leads through something that is neither object nor list, or past the end of a list.
    """
    if not path:
        return new
    part, *rest = path
    if isinstance(value, list):
        index = _index(part)
        if not 0 <= index <= len(value):
            raise LookupError(f"the list has {len(value)} items")
        old = value[index] if index < len(value) else None
        return [*value[:index], with_value(old, tuple(rest), new), *value[index + 1 :]]
    if value is None and isinstance(part, int):
        return with_value([], path, new)
    if not isinstance(value, dict | None) or isinstance(part, int):
        raise LookupError(f"{render((part,))} is not a key there")
    known = value or {}
    return {**known, part: with_value(known.get(part), tuple(rest), new)}


def _index(part: str | int) -> int:
    """A place in a list, C{0} as well as C{[0]}; -1 = it is none."""
    if isinstance(part, int):
        return part
    return int(part) if part.isascii() and part.isdigit() and len(part) < 10 else -1


def without(value: Any, path: Path) -> Any:
    """A copy without what stands at a place.

    @raise LookupError: nothing does.
    """
    *parents, last = path
    holder = value_at(value, tuple(parents))
    value_at(holder, (last,))
    if isinstance(holder, list):
        index = _index(last)
        return with_value(value, tuple(parents), [*holder[:index], *holder[index + 1 :]])
    return with_value(value, tuple(parents), {key: item for key, item in holder.items() if key != last})


__all__ = [
    "Lossy",
    "check_lists",
    "differences",
    "merge_patch",
    "parse_path",
    "value_at",
    "with_value",
    "without",
]
