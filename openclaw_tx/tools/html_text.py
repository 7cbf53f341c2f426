# -*- test-case-name: tests.tools.test_html_text -*-
"""A web page as text that a model reads: headings, links, lists, code and tables stay, scripts and menus go. Pure.

Pages are strangers' work, so ours is bounded: the parser of the standard library is fed in pieces, is never left with a
large remainder (which it would look through again and again, without letting another thread run), and is stopped after
so many tags; nothing here recurses. To be called in a thread.
"""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urljoin

from openclaw_tx.tools.html_writer import Writer

STEP = 16 * 1024
"""Characters fed at once."""

MAX_OPEN = 4 * STEP
"""Longest tag, comment or script in characters; a longer one is left out. Most such are pictures within a tag."""

MAX_EVENTS = 300_000
"""Tags and pieces of text."""

MAX_TITLE = 300

_HARD = "script style noscript template svg canvas iframe object audio video select datalist button"
_SOFT = "nav aside footer"
_CLOSED = "div span section article main header ul ol table a form details"
_APART = (
    "address article blockquote center dd details dialog div dl dt fieldset figcaption figure form header hgroup "
    "legend main nav aside footer p section summary caption"
)

HARD = frozenset(_HARD.split())
"""Elements that hold nothing to read."""

SOFT = frozenset(_SOFT.split())
"""Elements around what is to be read; a page that is nothing else is read with them."""

_CAN_HIDE = frozenset(_CLOSED.split())
"""Elements that always have an end tag, so that one can tell where what is hidden ends."""

_BLOCKS = frozenset(_APART.split())
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CODE = frozenset(["code", "kbd", "samp", "tt"])

_BROKEN = re.compile(r"<!\[|&#(?:\d{8,}|[xX][0-9a-fA-F]{8,});?")
"""What some versions of the parser fail on: marked sections, and references to characters beyond all characters."""

_TAG = re.compile(r"<[a-zA-Z/!?]")
"""How anything but text begins."""

_INVISIBLE = re.compile(r"(?:display\s{0,9}:\s{0,9}none|visibility\s{0,9}:\s{0,9}hidden)", re.IGNORECASE)

Attributes = list[tuple[str, str | None]]


class Readable(NamedTuple):
    """What there is to read on a page."""

    title: str
    text: str
    cut: bool
    """There is more."""


def readable(source: str, *, markdown: bool, limit: int, base: str = "") -> Readable:
    """Read a page.

    @param markdown: keep structure as Markdown; else only the words.
    @param limit: most characters of text.
    @param base: its URL, to which relative links are relative.
    """
    safe = _BROKEN.sub(lambda match: "<!~[" if match[0] == "<![" else "\ufffd", source)
    found = _read(safe, markdown, limit, base, HARD | SOFT)
    return found if found.text or found.cut else _read(safe, markdown, limit, base, HARD)


def _read(source: str, markdown: bool, limit: int, base: str, left_out: frozenset[str]) -> Readable:
    reader = _Reader(markdown, limit, base, left_out)
    cut = False
    begin = 0
    try:
        while begin < len(source):
            reader.feed(source[begin : begin + STEP])
            begin += STEP
            if len(reader.rawdata) > MAX_OPEN:
                begin = reader.skip(source, begin)
        reader.skip(source, begin)
    except (_Enough, AssertionError, ValueError):  # the latter two are the parser's, on markup that it cannot bear
        cut = True
    text = reader.finish()
    return Readable(
        title=" ".join("".join(reader.title).split())[:MAX_TITLE],
        text=text[:limit].rstrip(),
        cut=cut or len(text) > limit,
    )


class _Enough(Exception):
    """The rest is not read."""


class _Reader(HTMLParser):
    """Turns tags into calls of a L{Writer}."""

    def __init__(self, markdown: bool, limit: int, base: str, left_out: frozenset[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self._writer = Writer(markdown)
        self._limit = limit
        self._base = base
        self._left_out = left_out
        self._left = MAX_EVENTS
        self._skipped = ""
        """Tag of the element that is being left out, with all that is in it."""
        self._depth = 0
        """Elements of that tag that are open."""
        self._in_title = False
        self._titles = 0
        self._pre: list[str] | None = None
        self._pre_length = 0

    def feed(self, data: str) -> None:
        """Read on. Nothing waits elsewhere than in C{rawdata}, as some in Python 3.14 does."""
        self.rawdata += data
        self.goahead(False)

    def skip(self, source: str, end: int) -> int:
        """Do without what the parser waits for the end of.

        @param end: how much of C{source} it was fed.
        @return: where to go on.
        """
        rest, self.rawdata = self.rawdata, ""
        begin = min(end, len(source)) - len(rest)
        if self.cdata_elem:
            # Since Python 3.14 what a title or a text field holds is kept back as well, and is read.
            kept = 0 if end >= len(source) else STEP
            if self.cdata_elem not in HARD:
                self.handle_data(unescape(rest[: len(rest) - kept]))
            self.rawdata = rest[len(rest) - kept :]
            return end
        if not _TAG.match(rest):
            self.handle_data(unescape(rest))
            return end
        closing = "-->" if rest.startswith("<!--") else ">"
        found = source.find(closing, begin)
        return len(source) if found < 0 else found + len(closing)

    def finish(self) -> str:
        """The text, with what was still open."""
        self._end_pre()
        self._writer.row_end()
        return self._writer.result()

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        """See L{HTMLParser}."""
        self._count()
        if self._skipped:
            self._depth += tag == self._skipped
        elif tag in self._left_out or (tag in _CAN_HIDE and _hidden(attrs)):
            self._skipped, self._depth = tag, 1
        elif tag == "title":
            self._in_title = True
            self._titles += 1
        elif self._pre is not None:
            self._within_pre(tag)
        elif tag == "pre":
            self._pre = []
        elif tag == "a":
            self._writer.span_end("a")
            self._writer.span("a", self._target(attrs))
        else:
            self._start(tag, attrs)

    def _start(self, tag: str, attrs: Attributes) -> None:
        writer = self._writer
        if tag in _HEADINGS:
            writer.heading(_HEADINGS[tag])
        elif tag in _BLOCKS:
            writer.block()
        elif tag == "br":
            writer.block(1)
        elif tag == "hr":
            writer.rule()
        elif tag in ("ul", "ol", "menu"):
            writer.list_start(tag == "ol")
        elif tag == "li":
            writer.item()
        elif tag == "table":
            writer.table_start()
        elif tag == "tr":
            writer.row()
        elif tag in ("td", "th"):
            writer.cell(tag == "th")
        elif tag in _CODE:
            writer.span("code")
        elif tag == "img":
            alt = next((value for name, value in attrs if name == "alt" and value), "")
            writer.text(f"[image: {alt[:MAX_TITLE]}]" if alt.strip() else "")

    def handle_endtag(self, tag: str) -> None:
        """See L{HTMLParser}."""
        self._count()
        writer = self._writer
        if self._skipped:
            self._depth -= tag == self._skipped
            if not self._depth:
                self._skipped = ""
                writer.text(" ")
        elif tag == "title":
            self._in_title = False
        elif self._pre is not None:
            if tag == "pre":
                self._end_pre()
        elif tag == "a":
            writer.span_end("a")
        elif tag in _CODE:
            writer.span_end("code")
        elif tag in _HEADINGS:
            writer.heading_end()
        elif tag in ("ul", "ol", "menu"):
            writer.list_end()
        elif tag == "table":
            writer.table_end()
        elif tag == "tr":
            writer.row_end()
        elif tag == "li":
            writer.item_end()
        elif tag in _BLOCKS:
            writer.block()

    def handle_data(self, data: str) -> None:
        """See L{HTMLParser}."""
        self._count()
        if self._skipped:
            return
        if self._in_title:
            if self._titles == 1 and len(self.title) < MAX_TITLE:
                self.title.append(data[:MAX_TITLE])
        elif self._pre is not None:
            self._pre.append(data)
            self._pre_length += len(data)
        else:
            self._writer.text(data)

    def _within_pre(self, tag: str) -> None:
        lines: list[str] = self._pre or []
        apart = tag in _BLOCKS or tag in ("tr", "li")
        if self._pre is not None and (tag == "br" or (apart and lines and not lines[-1].endswith("\n"))):
            self._pre.append("\n")

    def _end_pre(self) -> None:
        if self._pre is not None:
            self._writer.verbatim("".join(self._pre))
            self._pre, self._pre_length = None, 0

    def _target(self, attrs: Attributes) -> str:
        """Where a link leads to, if that is somewhere on the web."""
        href = next((value for name, value in attrs if name == "href" and value), "").strip()
        if not href or href.startswith("#") or len(href) > STEP:
            return ""
        try:
            target = urljoin(self._base, href)
        except ValueError:
            return ""
        return target if target.lower().startswith(("http://", "https://", "mailto:")) else ""

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0 or self._writer.length + self._pre_length > self._limit:
            raise _Enough


def _hidden(attrs: Attributes) -> bool:
    return any(
        name == "hidden"
        or (name == "aria-hidden" and value == "true")
        or (name == "style" and value and _INVISIBLE.search(value))
        for name, value in attrs
    )


__all__ = ["Readable", "readable"]
