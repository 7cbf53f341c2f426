# -*- test-case-name: tests.config.test_files -*-
"""L{openclaw_tx.config.files}: reading, bounds, includes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_tx.config.files import MAX_BYTES, merge, read
from openclaw_tx.errors import ConfigError
from tests.config.support import Home

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), TREES, max_size=3)


class MergeTests(Home):
    """L{merge}."""

    def test_rules(self) -> None:
        """Objects recursively, arrays one after the other, of all else the upper one."""
        below = {"a": {"x": 1, "y": [1]}, "b": [1], "c": 1, "d": {"z": 1}}
        above = {"a": {"y": [2], "z": 3}, "b": [2], "c": [3], "d": 4}
        expected = {"a": {"x": 1, "y": [1, 2], "z": 3}, "b": [1, 2], "c": [3], "d": 4}
        self.assertEqual(merge(below, above), expected)
        self.assertEqual(below["a"], {"x": 1, "y": [1]})

    @settings(deadline=None)
    @given(OBJECTS, OBJECTS, OBJECTS)
    def test_laws(self, a: Any, b: Any, c: Any) -> None:
        """Nothing over something is that something, both ways; no key is lost; merging alike kinds is associative."""
        self.assertEqual(merge(a, {}), a)
        self.assertEqual(merge({}, a), a)
        self.assertEqual(set(merge(a, b)), set(a) | set(b))
        alike = [
            {key: value if isinstance(value, list) else [value] for key, value in tree.items()} for tree in (a, b, c)
        ]
        left = merge(merge(alike[0], alike[1]), alike[2])
        self.assertEqual(left, merge(alike[0], merge(alike[1], alike[2])))


class ReadTests(Home):
    """L{read} on files."""

    def failure(self, text: str | bytes, name: str = "openclaw.json") -> str:
        """The one issue that reading C{text} gives."""
        error = self.assertRaises(ConfigError, read, self.write(text, name))
        assert isinstance(error, ConfigError)
        self.assertEqual(len(error.issues), 1)
        self.assertIn(self.file, error.files)
        return str(error)

    def test_json_and_json5(self) -> None:
        """Both are read; the digest is that of the bytes."""
        for text in (b'{"a": [1, {"b": null}]}', b"// c\n{a: [1, {b: null}],}", b"\xef\xbb\xbf{a: [1, {'b': null}]}"):
            document = read(self.write(text))
            self.assertEqual(document.data, {"a": [1, {"b": None}]})
            self.assertEqual(document.files, (self.file,))
            self.assertEqual(document.digest, hashlib.sha256(text).hexdigest())

    def test_syntax(self) -> None:
        """A syntax error names file, line and column."""
        self.assertIn(f"{self.file}: line 2, column 4: ", self.failure("{\n a b\n}"))

    def test_not_utf8(self) -> None:
        """Bytes that are no text are told with their place."""
        self.assertIn("line 2, column 6: not UTF-8", self.failure(b"{\n a: '\xff'}"))

    def test_empty(self) -> None:
        """An empty file is more likely half written than meant."""
        for text in ("", " \n\t"):
            self.assertIn("the file is empty", self.failure(text))

    def test_not_an_object(self) -> None:
        """The root must be an object."""
        for text, kind in (("[1]", "an array"), ("5", "a number"), ("null", "null"), ("'x'", "a string")):
            self.assertIn(f"must be an object, is {kind}", self.failure(text))

    def test_hostile(self) -> None:
        """Nesting beyond reason, NaN and endless numbers are errors, in JSON and in JSON5."""
        self.assertIn("nested more than 64 deep", self.failure('{"a":' * 10_000 + "1" + "}" * 10_000))
        self.assertIn("nested more than 64 deep", self.failure('{"a":' + "[" * 500 + "]" * 500 + "}"))
        self.assertIn("nested more than 64 deep", self.failure("{a:" * 10_000))
        self.assertIn("NaN is not accepted", self.failure('{"a": NaN}'))
        self.assertIn("line 1, column 7", self.failure('{"a": 1e999}'))

    def test_too_large(self) -> None:
        """A file beyond the bound is not read to its end."""
        self.assertIn("larger than 4 MiB", self.failure(b'{"a": "' + b"x" * MAX_BYTES + b'"}'))

    def test_bound_is_for_all_files(self) -> None:
        """Includes share the bound, so that a small file can not blow itself up."""
        self.write(b'{"a": "' + b"x" * (MAX_BYTES // 3) + b'"}', "big.json")
        self.assertIn("larger than 4 MiB", self.failure('{"$include": ["big.json", "big.json", "big.json"]}'))

    def test_unreadable(self) -> None:
        """A missing file, a directory and a pipe are errors at once; the pipe does not block."""
        self.assertIn("No such file", str(self.assertRaises(ConfigError, read, self.file)))
        self.assertIn("not a regular file", str(self.assertRaises(ConfigError, read, self.state)))
        os.mkfifo(self.file)
        self.assertIn("not a regular file", str(self.assertRaises(ConfigError, read, self.file)))


class IncludeTests(Home):
    """C{$include}."""

    def data(self, text: str) -> Any:
        """What C{text} becomes."""
        return read(self.write(text)).data

    def refusal(self, text: str) -> tuple[str, str]:
        """Path and message."""
        error = self.assertRaises(ConfigError, read, self.write(text))
        assert isinstance(error, ConfigError)
        return error.issues[0]

    def test_one(self) -> None:
        """A file takes the place of the object, whatever it holds, anywhere in the tree."""
        self.write("{x: 1}", "x.json5")
        self.write("[1, 2]", "list.json5")
        self.assertEqual(
            self.data("{a: {$include: 'x.json5'}, b: [{$include: './list.json5'}]}"), {"a": {"x": 1}, "b": [[1, 2]]}
        )

    def test_root(self) -> None:
        """The root may be an include with keys of its own on top."""
        self.write("{a: {x: 1, l: [1]}, b: 1}", "base.json5")
        self.assertEqual(self.data("{$include: 'base.json5', a: {x: 2, l: [2]}}"), {"a": {"x": 2, "l": [1, 2]}, "b": 1})

    def test_list(self) -> None:
        """Several files are merged in order."""
        self.write("{a: 1, l: [1]}", "1.json5")
        self.write("{a: 2, l: [2]}", "2.json5")
        self.assertEqual(self.data("{$include: ['1.json5', '2.json5'], l: [3]}"), {"a": 2, "l": [1, 2, 3]})
        self.assertEqual(self.data("{a: {$include: []}}"), {"a": {}})

    def test_relative_to_the_including_file(self) -> None:
        """Names start at the file they stand in; C{..} and absolute ones are fine; every file is noted."""
        self.write("{$include: '../top.json5', deep: true}", "sub/inner.json5")
        self.write("{top: true}", "top.json5")
        document = read(
            self.write(f"{{a: {{$include: 'sub/inner.json5'}}, b: {{$include: '{self.state}/top.json5'}}}}")
        )
        self.assertEqual(document.data, {"a": {"top": True, "deep": True}, "b": {"top": True}})
        self.assertEqual(document.files, (self.file, self.state / "sub" / "inner.json5", self.state / "top.json5"))

    def test_cycle(self) -> None:
        """Files that include each other are refused with the chain."""
        self.write("{x: {$include: 'b.json5'}}", "a.json5")
        self.write("{y: {$include: './sub/../a.json5'}}", "b.json5")
        path, message = self.refusal("{z: {$include: 'a.json5'}}")
        self.assertEqual(path, "z.x.y.$include")
        names = [str(self.state / name) for name in ("a.json5", "b.json5", "a.json5")]
        self.assertIn(" -> ".join(names), message)
        self.assertIn("include each other", self.refusal("{$include: 'openclaw.json'}")[1])

    def test_depth(self) -> None:
        """Ten levels of includes are read, an eleventh is refused."""
        for level in range(1, 12):
            self.write(f"{{$include: '{level + 1}.json5'}}", f"{level}.json5")
        self.write("{end: true}", "11.json5")
        self.assertEqual(self.data("{$include: '2.json5'}"), {"end": True})
        self.assertIn("more than 10 deep", self.refusal("{$include: '1.json5'}")[1])

    def test_count(self) -> None:
        """A file that includes another again and again is cut off."""
        self.write("{}", "x.json5")
        names = ", ".join(["'x.json5'"] * 300)
        self.assertIn("more than 200 included files", self.refusal(f"{{$include: [{names}]}}")[1])

    def test_nesting_across_files(self) -> None:
        """Includes can not be used to nest deeper than one file may."""
        self.write("{a:" * 40 + "{$include: 'y.json5'}" + "}" * 40, "x.json5")
        self.write("{a:" * 40 + "1" + "}" * 40, "y.json5")
        self.assertIn("nested more than 64 deep", self.refusal("{$include: 'x.json5'}")[1])

    def test_refusals(self) -> None:
        """What is no name, what is not there, and what can not be merged: each with its place."""
        self.write("[1]", "list.json5")
        self.write("{,}", "bad.json5")
        for text, place, words in (
            ("{a: {$include: 5}}", "a.$include", "expected a file name"),
            ("{a: {$include: ['', 1]}}", "a.$include", "expected a file name"),
            ("{a: {$include: 'none.json5'}}", "a.$include", "No such file"),
            ("{a: {$include: 'list.json5', b: 1}}", "a.$include", "must hold an object"),
            ("{a: {$include: ['list.json5']}}", "a.$include", "must hold an object"),
            ("{a: [{$include: 'bad.json5'}]}", "a[0].$include", "line 1, column 2"),
            ("{a: {$include: 'x\\0y'}}", "a.$include", "can not read"),
        ):
            path, message = self.refusal(text)
            self.assertEqual(path, place)
            self.assertIn(words, message)

    def test_a_failed_read_names_its_files(self) -> None:
        """Also the file that was at fault, for the watcher to look at."""
        self.write("{,}", "bad.json5")
        for name in ("bad.json5", "missing.json5"):
            error = self.assertRaises(ConfigError, read, self.write(f"{{$include: '{name}'}}"))
            assert isinstance(error, ConfigError)
            self.assertEqual(error.files, (self.file, Path(self.state / name)))
