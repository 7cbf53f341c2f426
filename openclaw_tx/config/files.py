# -*- test-case-name: tests.config.test_files -*-
"""From files to one plain object: strict JSON or JSON5, with C{$include} (spec 5.2)."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from openclaw_tx.config import json5
from openclaw_tx.config.paths import Path as Place
from openclaw_tx.config.paths import render
from openclaw_tx.errors import ConfigError
from openclaw_tx.values.value import Value

INCLUDE = "$include"
MAX_BYTES = 4 * 1024 * 1024
"""Most bytes of a configuration, all its included files together."""
MAX_INCLUDE_DEPTH = 10
MAX_FILES = 200


class Document(Value, frozen=True):
    """What the files say, before anything is made of it."""

    data: dict[str, Any]
    files: tuple[Path, ...]
    """Every file that was read, in the order of reading."""
    digest: str
    """SHA-256 of the main file's bytes, in hex."""


def parse(raw: bytes) -> Any:
    """The value of a JSON or JSON5 text.

    @raise json5.Json5Error: with line and column.
    """
    try:
        value = msgspec.json.decode(raw)
        if not json5.is_too_deep(value):
            return value
    except (msgspec.MsgspecError, RecursionError):
        pass
    # Not strict JSON, or not for us: the slower reader accepts more, and tells better what is wrong.
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line_start = before.rfind(b"\n") + 1
        raise json5.Json5Error("not UTF-8", before.count(b"\n") + 1, error.start - line_start + 1) from None
    if not text.strip():
        raise json5.Json5Error("the file is empty", 1, 1)
    return json5.loads(text)


def merge(below: Any, above: Any) -> Any:
    """C{above} laid over C{below}: objects recursively, arrays concatenated, of all else the upper one."""
    if isinstance(below, dict) and isinstance(above, dict):
        merged = dict(below)
        for key, value in above.items():
            merged[key] = merge(merged[key], value) if key in merged else value
        return merged
    if isinstance(below, list) and isinstance(above, list):
        return [*below, *above]
    return above


def read(path: Path, raw: bytes | None = None) -> Document:
    """Read C{path} and all it includes.

    @param path: absolute.
    @param raw: what the file is taken to hold; None = what it holds.
    @raise ConfigError: unreadable, too large, not JSON5, not an object, or a bad include; its C{files} are those
        that were tried, so that a watcher knows what to look at.
    """
    reader = _Reader()
    try:
        raw = reader.bytes_of(path, ()) if raw is None else reader.given(raw, path)
        data = reader.expand(reader.parsed(raw, path, ()), path, (path,), ())
        if not isinstance(data, dict):
            reader.fail((), f"{path}: must be an object, is {_kind(data)}")
    except ConfigError as error:
        error.files = tuple(reader.files)
        raise
    return Document(data=data, files=tuple(reader.files), digest=hashlib.sha256(raw).hexdigest())


def raw_of(path: Path) -> bytes | None:
    """What a file holds; None when it is not there.

    @raise ConfigError: it is unreadable, too large, or no regular file.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        pass  # let the reader say what is wrong with it
    return _Reader().bytes_of(path, ())


class _Reader:
    """Reads one configuration: counts bytes and files, remembers what it touched."""

    def __init__(self) -> None:
        self.files: list[Path] = []
        self._reads = 0
        self._left = MAX_BYTES

    def fail(self, place: Place, message: str) -> NoReturn:
        """Give up."""
        raise ConfigError([(render(place), message)])

    def bytes_of(self, path: Path, place: Place) -> bytes:
        """Content of a regular file within the budget."""
        self._reads += 1
        if path not in self.files:
            self.files.append(path)
        if self._reads > MAX_FILES:
            self.fail(place, f"more than {MAX_FILES} included files")
        try:
            # Without O_NONBLOCK a named pipe would stop the whole process here.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            self.fail(place, f"can not read {path}: {_reason(error)}")
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                self.fail(place, f"can not read {path}: not a regular file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                raw = file.read(self._left + 1)
        except OSError as error:
            self.fail(place, f"can not read {path}: {_reason(error)}")
        finally:
            os.close(descriptor)
        self._left -= len(raw)
        if self._left < 0:
            self.fail(place, f"{path}: the configuration is larger than {MAX_BYTES // (1024 * 1024)} MiB")
        return raw

    def given(self, raw: bytes, path: Path) -> bytes:
        """What a file is to hold, within the same budget."""
        self.files.append(path)
        self._left -= len(raw)
        if self._left < 0:
            self.fail((), f"{path}: the configuration is larger than {MAX_BYTES // (1024 * 1024)} MiB")
        return raw

    def parsed(self, raw: bytes, path: Path, place: Place) -> Any:
        """The value in a file's bytes."""
        try:
            return parse(raw)
        except json5.Json5Error as error:
            raise ConfigError([(render(place), f"{path}: {error}")]) from None

    def expand(self, value: Any, path: Path, chain: tuple[Path, ...], place: Place) -> Any:
        """C{value} of file C{path} with every include in it replaced by what it names.

        @param chain: the files being read, outermost first.
        """
        if len(place) > json5.MAX_DEPTH:
            self.fail((), f"{path}: nested more than {json5.MAX_DEPTH} deep")
        if isinstance(value, list):
            return [self.expand(item, path, chain, (*place, index)) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        siblings = {key: self.expand(item, path, chain, (*place, key)) for key, item in value.items() if key != INCLUDE}
        if INCLUDE not in value:
            return siblings
        names = value[INCLUDE]
        several = isinstance(names, list)
        result: Any = {}
        for name in names if several else [names]:
            if not isinstance(name, str) or not name:
                self.fail((*place, INCLUDE), "expected a file name or a list of file names")
            included = self._included(path.parent / name, chain, place)
            if (several or siblings) and not isinstance(included, dict):
                self.fail((*place, INCLUDE), f"{name} must hold an object to be merged, holds {_kind(included)}")
            result = merge(result, included) if several else included
        return merge(result, siblings) if siblings else result

    def _included(self, target: Path, chain: tuple[Path, ...], place: Place) -> Any:
        target = Path(os.path.normpath(target))
        here = (*place, INCLUDE)
        if target in chain:
            names = " -> ".join(str(file) for file in (*chain[chain.index(target) :], target))
            self.fail(here, f"the files include each other: {names}")
        if len(chain) > MAX_INCLUDE_DEPTH:
            self.fail(here, f"includes are nested more than {MAX_INCLUDE_DEPTH} deep")
        raw = self.bytes_of(target, here)
        return self.expand(self.parsed(raw, target, here), target, (*chain, target), place)


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
