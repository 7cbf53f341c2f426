# -*- test-case-name: tests.chat.test_commands -*-
"""L{openclaw_tx.chat.commands}."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.chat.commands import COMMANDS, LEVELS, USEFUL, help_text, parse, thinking_level, usage_of

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


class ParseTests(SynchronousTestCase):
    """L{parse}."""

    def test_forms(self) -> None:
        """A name or an alias, in any case, with or without a colon, and the rest as it stands."""
        for text, expected in (
            ("/status", ("status", "")),
            ("  /STATUS  ", ("status", "")),
            ("/think high what is\nthis", ("think", "high what is\nthis")),
            ("/t: low", ("think", "low")),
            ("/think:low", ("think", "low")),
            ("/new\nhello", ("new", "hello")),
            ("/status@bot", ("status", "")),
        ):
            self.assertEqual(parse(text), expected)

    def test_messages(self) -> None:
        """Whatever is no command is a message: unknown words, paths, a slash in the middle."""
        for text in ("", "/", "status", "/nope", "/usr/bin", "/statusx", "/new/path", "and /status", "//status"):
            self.assertIsNone(parse(text), text)

    def test_triggers(self) -> None:
        """Words of the configuration begin a new conversation, alone or before a message."""
        triggers = ["/new", "/reset", "start over"]
        self.assertEqual(parse("Start Over", triggers), ("reset", ""))
        self.assertEqual(parse("start over and hello", triggers), ("reset", "and hello"))
        self.assertEqual(parse("/new hello", triggers), ("new", "hello"))
        self.assertIsNone(parse("start overall", triggers))

    @given(st.text(max_size=40))
    def test_anything(self, text: str) -> None:
        """No text makes it raise; what is found is a row of the table, and its text a part of the message."""
        found = parse(f"/{text}", ["/new"])
        if found is not None:
            self.assertIn(found.spec, COMMANDS)
            self.assertIn(found.text, text)


class TableTests(SynchronousTestCase):
    """L{COMMANDS}."""

    def test_names(self) -> None:
        """No two commands share a name."""
        names = [name for spec in COMMANDS for name in (spec.name, *spec.aliases)]
        self.assertEqual(len(names), len(set(names)))
        self.assertLess(set(USEFUL), set(names))

    def test_levels(self) -> None:
        """Levels may be written in several ways; others are none."""
        self.assertEqual([thinking_level(level) for level in LEVELS], list(LEVELS))
        self.assertEqual((thinking_level("ON"), thinking_level("max"), thinking_level("much")), ("low", "high", ""))

    def test_help(self) -> None:
        """All of them, or the most useful ones with a hint at the rest."""
        self.assertEqual(len(help_text().splitlines()), len(COMMANDS) + 1)
        self.assertIn("/commands", help_text(USEFUL).splitlines()[-1])

    def test_page(self) -> None:
        """docs/commands.md explains each of them, in the words of the help."""
        page = PAGE.read_text("utf-8")
        for spec in COMMANDS:
            self.assertIn(f"- `{usage_of(spec).removesuffix(f': {spec.help}')}`: {spec.help}", page)
