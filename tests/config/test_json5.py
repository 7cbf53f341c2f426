# -*- test-case-name: tests.config.test_json5 -*-
"""L{openclaw_tx.config.json5}: what is read, what is refused, and in what words."""

from __future__ import annotations

import json
import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.json5 import MAX_DEPTH, Json5Error, loads

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)

ACCEPTED = [
    ("{}", {}),
    ("[]", []),
    ("{a: 1}", {"a": 1}),
    ("{a: 1,}", {"a": 1}),
    ("[1, 2,]", [1, 2]),
    ("{'a': 'b'}", {"a": "b"}),
    ("{$a_1: null, _b: true, über: false}", {"$a_1": None, "_b": True, "über": False}),
    ("// comment\n{a: 1 /* there */, // here\n b: 2}", {"a": 1, "b": 2}),
    ("/**/ 5 /***/", 5),
    ("'it\\'s'", "it's"),
    ('"line \\\nbreak"', "line break"),
    ("'\\x41\\u0042\\n\\t\\0\\v\\q'", "AB\n\t\x00\x0bq"),
    ("+1", 1),
    ("-1", -1),
    (".5", 0.5),
    ("5.", 5.0),
    ("-.5e-3", -0.0005),
    ("0x1F", 31),
    ("-0xa", -10),
    ("1e3", 1000.0),
    ("0", 0),
    ("\ufeff\xa0\u2028{ }", {}),
    ("'a\u2028b'", "a\u2028b"),
    ("{a:{b:[{c:1}]}}", {"a": {"b": [{"c": 1}]}}),
]

REFUSED = [
    "",
    "{",
    "[1",
    "{a}",
    "{a:}",
    "{a:1,,}",
    "[,]",
    "{a:1 b:2}",
    "[1 2]",
    "{a:1}}",
    "'open",
    "'line\nbreak'",
    "/* open",
    "01",
    "1.2.3",
    "0x",
    "1a",
    "--1",
    "'\\1'",
    "'\\x4'",
    "'\\u12'",
    "word",
    "-true",
    "{1: 2}",
    "{a-b: 2}",
    "/",
    "undefined",
]


class LoadsTests(SynchronousTestCase):
    """L{loads}."""

    def test_accepted(self) -> None:
        """All that JSON5 adds to JSON is read."""
        for text, value in ACCEPTED:
            self.assertEqual(loads(text), value, text)

    def test_refused(self) -> None:
        """What is not JSON5 is an error."""
        for text in REFUSED:
            self.assertRaises(Json5Error, loads, text)

    def test_numbers_that_are_none(self) -> None:
        """NaN, Infinity and numbers beyond all bounds can not become a setting."""
        for text in ("NaN", "-NaN", "Infinity", "-Infinity", "+Infinity", "1e999"):
            self.assertRaises(Json5Error, loads, text)

    def test_surrogate_pair(self) -> None:
        """Two escapes spell one character beyond the basic plane."""
        self.assertEqual(loads("'\\ud83e\\udd9e'"), "\U0001f99e")

    def test_half_a_surrogate_pair(self) -> None:
        """A string that could not be written down again is refused."""
        self.assertRaises(Json5Error, loads, "'\\ud83e'")

    def test_where(self) -> None:
        """The error knows line and column, whatever the line ends."""
        for end in ("\n", "\r\n", "\r"):
            error = self.assertRaises(Json5Error, loads, f"{{{end}  a: 1,{end}  b: ?{end}}}")
            assert isinstance(error, Json5Error)
            self.assertEqual((error.line, error.column), (3, 6))

    def test_messages_keep_secrets(self) -> None:
        """A message shows no more than one character of the text."""
        for text in ("{token: 'hunter2}", "{token: hunter2}", "{token 'hunter2'}", "{a: 'b'} hunter2"):
            error = self.assertRaises(Json5Error, loads, text)
            self.assertNotIn("unter2", str(error))

    def test_depth(self) -> None:
        """The allowed depth is read; one more is an error, and so are ten thousand, at once."""
        loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)
        for depth in (MAX_DEPTH + 1, 10_000):
            for opening in ("[", "{a:"):
                error = self.assertRaises(Json5Error, loads, opening * depth)
                self.assertIn(f"nested more than {MAX_DEPTH} deep", str(error))

    def test_linear(self) -> None:
        """Input made to make readers backtrack is read in a fraction of a second."""
        started = time.process_time()
        for text in ("/*" * 100_000, " " * 300_000 + "x", "'" + "\\" * 300_000, "/*" + "*" * 300_000, "-" * 300_000):
            self.assertRaises(Json5Error, loads, text)
        self.assertLess(time.process_time() - started, 2.0)

    @settings(deadline=None, max_examples=150)
    @given(VALUES)
    def test_json_is_json5(self, value: Any) -> None:
        """Every JSON document means the same as JSON5."""
        self.assertEqual(loads(json.dumps(value)), value)
        self.assertEqual(loads(json.dumps(value, ensure_ascii=False, indent=1)), value)

    @settings(deadline=None, max_examples=150)
    @given(st.text(alphabet="{}[]:,'\"ab1.+-/*\\ \n0xeE", max_size=12))
    def test_anything(self, text: str) -> None:
        """Whatever the text, it is read or refused, never anything else."""
        try:
            loads(text)
        except Json5Error as error:
            self.assertGreaterEqual(min(error.line, error.column), 1)
