# -*- test-case-name: tests.config.test_substitution -*-
"""L{openclaw_tx.config.substitution}."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.paths import Issues
from openclaw_tx.config.substitution import substitute

ENVIRONMENT = {"A": "1", "LONG_NAME_2": "two", "EMPTY": "", "DOLLAR": "${A}", "lower": "x"}


class SubstituteTests(SynchronousTestCase):
    """L{substitute}."""

    def replaced(self, value: Any) -> Any:
        """The result, which must come without issues."""
        issues: Issues = []
        result = substitute(value, ENVIRONMENT, issues)
        self.assertEqual(issues, [])
        return result

    def test_strings(self) -> None:
        """Whole, in part, several; escapes; and all that only looks like a reference."""
        for text, expected in (
            ("${A}", "1"),
            ("x${A}y${LONG_NAME_2}", "x1ytwo"),
            ("$${A}", "${A}"),
            ("$${MISSING}", "${MISSING}"),
            ("$$${A}", "$${A}"),
            ("${A}$${A}", "1${A}"),
            ("${DOLLAR}", "${A}"),
            ("${lower}", "${lower}"),
            ("${1A}", "${1A}"),
            ("$A ${} ${A", "$A ${} ${A"),
            ("${A-B}", "${A-B}"),
        ):
            self.assertEqual(self.replaced(text), expected)

    def test_everywhere_but_in_keys(self) -> None:
        """Strings at any depth; keys, numbers and the rest stay."""
        value = {"${A}": ["${A}", {"x": "${A}"}], "n": 5, "b": None}
        self.assertEqual(self.replaced(value), {"${A}": ["1", {"x": "1"}], "n": 5, "b": None})

    def test_missing_and_empty(self) -> None:
        """Each is an issue that names the variable and the place."""
        issues: Issues = []
        substitute({"a": [{"b": "${NOPE} ${EMPTY}"}]}, ENVIRONMENT, issues)
        self.assertEqual(
            issues,
            [
                ("a[0].b", "the environment variable NOPE is not set"),
                ("a[0].b", "the environment variable EMPTY is empty"),
            ],
        )

    def test_secret_references(self) -> None:
        """OpenClaw's reference to a variable works; other sources are refused; similar objects are left alone."""
        self.assertEqual(self.replaced({"t": {"source": "env", "provider": "default", "id": "A"}}), {"t": "1"})
        self.assertEqual(self.replaced({"source": "env", "id": "A", "more": 1})["id"], "A")
        issues: Issues = []
        substitute({"t": {"source": "exec", "id": "op read"}, "u": {"source": "env", "id": "NOPE"}}, {}, issues)
        self.assertEqual([path for path, _ in issues], ["t", "u"])
        self.assertIn("only", issues[0][1])

    @settings(deadline=None)
    @given(st.text(alphabet="${}ABab_ "))
    def test_escaping(self, text: str) -> None:
        """Text without references stays, and escaped references become exactly the references."""
        if "${" not in text:
            self.assertEqual(self.replaced(text), text)
        quoted = f"<$${{{'A' * (len(text) + 1)}}}>"
        self.assertEqual(self.replaced(quoted), quoted.replace("$$", "$"))

    @settings(deadline=None)
    @given(st.lists(st.sampled_from(["x", "${A}", "$${A}", "$", "{", "}", " "]), max_size=8))
    def test_parts(self, parts: list[str]) -> None:
        """Substitution works part by part when the parts can not run together."""
        meaning = {"${A}": "1", "$${A}": "${A}"}
        text = "|".join(parts)
        self.assertEqual(self.replaced(text), "|".join(meaning.get(part, part) for part in parts))
