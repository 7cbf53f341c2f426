# -*- test-case-name: tests.tools.test_html_text -*-
"""Lines of Markdown, or of plain text, put together from pieces of a page. Pure."""

from __future__ import annotations

import re

MAX_DEPTH = 32
"""Lists, tables and spans within each other; what is deeper is not told apart."""

MAX_HREF = 500
"""Longest target of a link that is shown, in characters."""

_BACKTICKS = re.compile(r"`+")
_UNSAFE = str.maketrans({" ": "%20", "(": "%28", ")": "%29", "<": "%3C", ">": "%3E", "\n": "", "\t": "", "\r": ""})


class Writer:
    """Collects text; knows what is due before the next word: breaks, the mark of a list item or heading, a space.

    @ivar length: characters so far.
    """

    def __init__(self, markdown: bool) -> None:
        self.length = 0
        self._markdown = markdown
        self._parts: list[str] = []
        self._breaks = 0
        self._prefix = ""
        self._space = False
        self._lists: list[int] = []
        """Next number of each open list; 0 = it has none."""
        self._tables: list[_Table] = []
        self._spans: list[tuple[str, int, str]] = []
        """Kind, where it begins among the parts, target."""

    def text(self, data: str) -> None:
        """Words; any white space is one space."""
        words = data.split()
        if not words:
            self._space = self._space or bool(data)
            return
        self._put(" ".join(words), spaced=self._space or data[0].isspace())
        self._space = data[-1].isspace()

    def block(self, breaks: int = 2) -> None:
        """What follows stands on a new line (1) or after an empty one (2); within a table, only apart."""
        self._space = True
        if not self._in_cell and not self._prefix:
            self._breaks = max(self._breaks, breaks)

    def rule(self) -> None:
        """A line across the page."""
        self.block()
        self._put("---")
        self.block()

    def heading(self, level: int) -> None:
        """What follows is one."""
        self.block()
        if self._markdown and not self._in_cell:
            self._prefix = "#" * level + " "

    def heading_end(self) -> None:
        """It has ended."""
        self._prefix = ""
        self.block()

    def list_start(self, numbered: bool) -> None:
        """A list."""
        self.block(1 if self._lists else 2)
        if len(self._lists) < MAX_DEPTH:
            self._lists.append(int(numbered))

    def list_end(self) -> None:
        """It has ended."""
        if self._lists:
            self._lists.pop()
        self._prefix = ""
        self.block(1 if self._lists else 2)

    def item(self) -> None:
        """An item of the innermost list."""
        self.block(1)
        number = self._lists[-1] if self._lists else 0
        if number:
            self._lists[-1] += 1
        self._prefix = "  " * (len(self._lists) - 1) + (f"{number}. " if number else "- ")

    def item_end(self) -> None:
        """It has ended."""
        self._prefix = ""
        self.block(1)

    def table_start(self) -> None:
        """A table."""
        self.block()
        if len(self._tables) < MAX_DEPTH:
            self._tables.append(_Table())

    def table_end(self) -> None:
        """It has ended."""
        self.row_end()
        if self._tables:
            self._tables.pop()
        self.block()

    def row(self) -> None:
        """A row of the innermost table."""
        self.row_end()
        self._space, self._breaks = False, max(self._breaks, 1)

    def cell(self, heading: bool) -> None:
        """A cell of the row."""
        if not self._tables:
            self.text(" ")
            return
        table = self._tables[-1]
        table.headed = table.headed or heading
        table.cells += 1
        if table.cells > 1:
            self._put(" | ")
        elif self._markdown:
            self._put("| ")
        self._space = False

    def row_end(self) -> None:
        """The row has ended, if there was one."""
        table = self._tables[-1] if self._tables else None
        if table is None or not table.cells:
            return
        self._breaks, self._prefix = 0, ""
        if self._markdown:
            self._put(" |")
            if table.headed and not table.ruled:
                self._put("\n|" + " --- |" * min(table.cells, 100))
        table.ruled = True
        table.cells = 0
        self._breaks, self._space = 1, False

    def span(self, kind: str, target: str = "") -> None:
        """A link to C{target}, or code, begins."""
        if self._markdown and len(self._spans) < MAX_DEPTH:
            self._spans.append((kind, len(self._parts), target))

    def span_end(self, kind: str) -> None:
        """It has ended; one within it that is still open ends without leaving a mark."""
        at = next((at for at in reversed(range(len(self._spans))) if self._spans[at][0] == kind), None)
        if at is None:
            return
        _, begin, target = self._spans[at]
        del self._spans[at:]
        body = "".join(self._parts[begin:])
        words = " ".join(body.split())
        if not words or (kind == "a" and (not target or len(target) > MAX_HREF)):
            return
        lead = body[: len(body) - len(body.lstrip())]
        bare = words.lstrip("#").lstrip()
        marked = f"[{bare}]({target.translate(_UNSAFE)})" if kind == "a" else f"`{words}`"
        self._parts[begin:] = [lead, marked]
        self.length += len(marked) - len(body) + len(lead)

    def verbatim(self, text: str) -> None:
        """Lines as they are, e.g. a program."""
        text = text.strip("\n")
        if not text.strip():
            return
        self._breaks = max(self._breaks, 2)
        if self._markdown:
            longest = max(map(len, _BACKTICKS.findall(text)), default=0)
            fence = "`" * max(3, longest + 1)
            text = f"{fence}\n{text}\n{fence}"
        self._put(text)
        self._breaks = 2

    def result(self) -> str:
        """All of it."""
        return "".join(self._parts).strip()

    @property
    def _in_cell(self) -> bool:
        return bool(self._tables) and self._tables[-1].cells > 0

    def _put(self, text: str, spaced: bool = False) -> None:
        lead = "\n" * self._breaks if self._parts else ""
        if not lead and spaced and self._parts and not self._parts[-1].endswith((" ", "\n")):
            lead = " "
        text = lead + self._prefix + text
        self._breaks, self._prefix, self._space = 0, "", False
        self._parts.append(text)
        self.length += len(text)


class _Table:
    """A table that is open."""

    def __init__(self) -> None:
        self.cells = 0
        """Of the row that is open; 0 = none is."""
        self.headed = False
        self.ruled = False
        """Its first row has ended."""


__all__ = ["Writer"]
