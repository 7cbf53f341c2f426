# -*- test-case-name: tests.runs.test_directives -*-
"""Directives leave the text, whatever the split; everything else stays, and comes in time."""

from __future__ import annotations

import time

from hypothesis import example, given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.directives import MAX_FILES, MAX_MEDIA, DirectiveFilter

CASES: list[tuple[str, str, list[str], str]] = [
    ("plain text", "plain text", [], ""),
    ("[[reply_to_current]] Hello", "Hello", [], "current"),
    ("[[reply_to_current]]\n\nHello", "Hello", [], "current"),
    ("[[ reply_to: 12 34 ]]Hello", "Hello", [], "12 34"),
    ("Hello [[reply_to:a]] there", "Hello there", [], "a"),
    ("Hello\n[[reply_to:a]]\nthere", "Hello\n\nthere", [], "a"),
    ("a[[reply_to:1]]b[[reply_to:2]]c", "abc", [], "2"),
    ("[[reply_to:]] x", "[[reply_to:]] x", [], ""),
    ("[[readme]] and [1] and [[1, 2]]", "[[readme]] and [1] and [[1, 2]]", [], ""),
    ("[", "[", [], ""),
    ("ends with [[reply_to", "ends with [[reply_to", [], ""),
    ("<b>", "<b>", [], ""),
    ("MEDIA:https://a.example/x.png", "", ["https://a.example/x.png"], ""),
    ("See\nMEDIA: `./x y.png`\nMEDIA:/tmp/a.png\nthere", "See\nMEDIA: `./x y.png`\nthere", ["/tmp/a.png"], ""),
    ("MEDIA: `./x.png`\nok", "ok", ["./x.png"], ""),
    ("MEDIA: the press", "MEDIA: the press", [], ""),
    ("The MEDIA:https://a.example/x", "The MEDIA:https://a.example/x", [], ""),
    ("MED", "MED", [], ""),
    (
        "```\nMEDIA:/a/b\n[[reply_to_current]]\n```\nMEDIA:/c/d\n",
        "```\nMEDIA:/a/b\n[[reply_to_current]]\n```\n",
        ["/c/d"],
        "",
    ),
    ("~~~~\n~~~\n[[reply_to:1]]\n~~~~\n[[reply_to:2]]x", "~~~~\n~~~\n[[reply_to:1]]\n~~~~\nx", [], "2"),
    ("a ``` b\nMEDIA:/x/y\n", "a ``` b\n", ["/x/y"], ""),
    ("[[reply_to_current]]", "", [], "current"),
    ("  [[reply_to_current]]\nx", "  x", [], "current"),
    ("MEDIA:/" + "x" * MAX_MEDIA, "MEDIA:/" + "x" * MAX_MEDIA, [], ""),
    ("[[reply_to:" + "x" * 300 + "]]", "[[reply_to:" + "x" * 300 + "]]", [], ""),
    ("a\r\nMEDIA:/x/y\r\nb", "a\r\nb", ["/x/y"], ""),
]

TEXTS = st.lists(
    st.sampled_from(
        ["[", "[[", "]]", "reply_to", "_current", ":", "7", " ", "\n", "MEDIA:", "/a/b", "```", "`", "~~~", "x", "\r\n"]
    ),
    max_size=14,
).map("".join)


def filtered(pieces: list[str]) -> tuple[str, list[str], str]:
    """Text, media and reply of a message that came in these pieces."""
    filter_ = DirectiveFilter()
    out = [filter_.feed(piece) for piece in pieces]
    out.append(filter_.finish())
    return "".join(out), filter_.media, filter_.reply_to


class DirectiveTests(SynchronousTestCase):
    """One message each."""

    def test_cases(self) -> None:
        """What is taken out and what stays, in one piece and character by character."""
        for text, said, media, reply_to in CASES:
            for pieces in ([text], list(text)):
                self.assertEqual(filtered(pieces), (said, media, reply_to), (text, len(pieces)))

    @given(TEXTS, st.data())
    @example("[[reply_to_current]]\n x", None)
    def test_split_anywhere(self, text: str, data: st.DataObject | None) -> None:
        """No split changes anything."""
        pieces = list(text)
        if data is not None:
            cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
            pieces = [text[since:to] for since, to in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        self.assertEqual(filtered(pieces), filtered([text]))

    @given(TEXTS, st.data())
    def test_fast_path(self, text: str, data: st.DataObject) -> None:
        """While the filter is idle, text without [ and line breaks may pass beside it."""
        cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
        pieces = [text[since:to] for since, to in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        filter_ = DirectiveFilter()
        out = []
        for piece in pieces:
            plain = filter_.idle and "[" not in piece and "\n" not in piece
            out.append(piece if plain else filter_.feed(piece))
        out.append(filter_.finish())
        self.assertEqual(("".join(out), filter_.media, filter_.reply_to), filtered([text]))

    def test_in_time(self) -> None:
        """Text is held only while it may be a directive (T19)."""
        filter_ = DirectiveFilter()
        for piece, out in (("[", ""), ("1]", "[1]"), (" <", " <"), ("\nM", "\n"), ("ore", "More"), ("\n", "\n")):
            self.assertEqual(filter_.feed(piece), out)

    def test_many_blanks(self) -> None:
        """Blanks without end take no time, and an id has a longest length."""
        started = time.process_time()
        for text in (f"[[reply_to:{' ' * 3000}\nx", f"[[{' ' * 100_000}x", f"[[reply_to:{' [[reply_to:' * 9000}]"):
            self.assertEqual(filtered([text]), (text, [], ""))
        self.assertLess(time.process_time() - started, 1.0)
        self.assertEqual(filtered([f"[[reply_to: {'a' * 200} ]]x"]), ("x", [], "a" * 200))
        long = f"[[reply_to:{'a' * 201}]]x"
        self.assertEqual(filtered([long]), (long, [], ""))

    def test_bounded(self) -> None:
        """An answer names so many files at most."""
        text = "".join(f"MEDIA:/x/{number}\n" for number in range(MAX_FILES + 5))
        said, media, _ = filtered([text])
        self.assertEqual((said, len(media)), ("", MAX_FILES))
