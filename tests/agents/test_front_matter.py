# -*- test-case-name: tests.agents.test_front_matter -*-
"""Heads of SKILL.md files."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.agents.front_matter import MAX_LINES, front_matter


class FrontMatterTests(SynchronousTestCase):
    """The forms that are understood."""

    def head(self, text: str) -> dict[str, str]:
        """The values of a head."""
        found = front_matter(f"---\n{text}\n---\n# Body\nname: not this\n")
        assert found is not None
        return found

    def test_plain(self) -> None:
        """Plain values, also with colons and over several lines; comments end them."""
        self.assertEqual(
            self.head(
                "# a comment\nname: pdf-tools  # short\ndescription: Fill forms: all kinds,\n  in C# and F#,\n"
                "\n  and more\nempty:\nurl: http://x/y#z\n"
            ),
            {
                "name": "pdf-tools",
                "description": "Fill forms: all kinds, in C# and F#,  and more",
                "empty": "",
                "url": "http://x/y#z",
            },
        )

    def test_next_line(self) -> None:
        """A value may begin on the next line, as formatters put long ones there; maps and lists do, too."""
        self.assertEqual(
            self.head(
                "description:\n  Fill forms: all kinds,\n  and more # but this\nname: # the name\n  # of it\n\n  pdf\n"
                'quoted:\n  "two\n  lines"\nmap:\n  one: two\nodd map:\n  x: y\nlist:\n  -\n  - x\nflow:\n  [a, b]\n'
                "last:"
            ),
            {
                "description": "Fill forms: all kinds, and more",
                "name": "pdf",
                "quoted": "two lines",
                "map": "",
                "list": "",
                "flow": "",
                "last": "",
            },
        )

    def test_quoted(self) -> None:
        """Both quotes, with their escapes, over lines too; one that is not closed is taken as it is."""
        self.assertEqual(
            self.head(
                'a: "say \\"hi\\"\\n\\u00e9\\x41" # more\nb: \'it\'\'s\'\nc: "two\n  lines"\n'
                'd: "open\ne: \'\'\nf: "\\ud800"'
            ),
            {"a": 'say "hi"\né\x41', "b": "it's", "c": "two lines", "d": "open", "e": "", "f": "\ufffd"},
        )

    def test_blocks(self) -> None:
        """Literal blocks keep their lines, folded ones join them; marks for the end of a block are passed over."""
        self.assertEqual(
            self.head("a: |\n  one\n    two\n\n  three\nb: >-\n  one\n  two\n\n  three\nc: |+ # note\n\td\n"),
            {"a": "one\n  two\n\nthree", "b": "one two\nthree", "c": "d"},
        )

    def test_nested(self) -> None:
        """Maps and lists are passed over, and do not hide what follows; of two values the first counts."""
        self.assertEqual(
            self.head(
                'metadata:\n  name: no\n  list:\n    - x\nlist:\n- y\n???\nname: yes\nname: later\nmap: {"a": 1}'
            ),
            {"metadata": "", "list": "", "name": "yes", "map": '{"a": 1}'},
        )

    def test_none(self) -> None:
        """A file without a head, or with one that does not end in time, has none."""
        for text in (
            "",
            "name: x\n",
            "--- x\nname: y\n---\n",
            "---\nname: x\n",
            "---\n" + "a: b\n" * (MAX_LINES + 1) + "---\n",
        ):
            self.assertIsNone(front_matter(text), text[:20])
        self.assertEqual(front_matter("---\n---"), {})
        self.assertEqual(front_matter("--- \r\nname: x\r\n...\r\n"), {"name": "x"})

    @given(st.text(alphabet="ab:'\"|>#\\-\n \t{[", max_size=200))
    def test_anything(self, text: str) -> None:
        """Nothing is an error."""
        found = front_matter(f"---\n{text}\n---\n")
        assert found is not None
        for key, value in found.items():
            self.assertNotIn("\n", key)
            self.assertIsInstance(value, str)
