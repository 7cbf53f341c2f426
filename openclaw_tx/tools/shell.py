# -*- test-case-name: tests.tools.test_shell -*-
"""A shell command taken apart, as far as it can be proved what it runs; everything else is refused (spec 7.3). Pure.

What is understood: simple commands of plain and quoted words, joined by C{|}, C{&&}, C{||}, C{;}, C{&} and newlines.
Expansions, redirections, assignments, groups, comments, and characters that look like others are not: the allowlist
can not speak about them, so a person has to.

A command that was understood is put together again from its parts, every word quoted and every program by its absolute
path (L{render}). So what runs is what was proved, whatever another shell would have made of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, NamedTuple

MAX_COMMAND = 100_000
"""Longest command, in bytes of UTF-8: the kernel takes no argument over 128 KiB."""

MAX_SEGMENTS = 64
"""Most commands in one text."""

Operator = Literal["|", "&&", "||", ";", "&", ""]

_REFUSED = {
    "$": "it expands variables or runs other commands with $",
    "`": "it runs other commands in backticks",
    "<": "it redirects input",
    ">": "it redirects output",
    "(": "it has parentheses",
    ")": "it has parentheses",
    "{": "it has braces",
    "}": "it has braces",
    "[": "it has brackets",
}
_GLOB = "*?"
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\[.*)?\+?=", re.DOTALL)


class Unprovable(Exception):
    """It can not be told what a command would run. The text says why, to follow "because"."""


class Word(NamedTuple):
    """One argument."""

    text: str
    """What the program gets; with a pattern, the pattern."""
    quoted: str
    """The same for a shell; characters of patterns stand bare."""
    pattern: bool = False
    """The shell replaces it with names of files."""


class Segment(NamedTuple):
    """One simple command."""

    words: tuple[Word, ...]
    """Program and arguments; never empty."""
    after: Operator
    """What joins it with the next one; "" = nothing follows. The last one may have C{&}, too."""


def parse(command: str) -> tuple[Segment, ...]:
    """
    @raise Unprovable: it is not made of simple commands only, or is longer than L{MAX_COMMAND}.
    """
    if len(command.encode("utf-8", "surrogatepass")) > MAX_COMMAND:
        raise Unprovable(f"it is longer than {MAX_COMMAND} bytes")
    for character in command:
        if character not in "\t\n" and not is_plain(character):
            raise Unprovable(f"it holds the character U+{ord(character):04X}")
    return _Parser(command).parse()


def render(segments: Sequence[Segment], programs: Sequence[str]) -> str:
    """The command again.

    @param programs: absolute path of each segment's program.
    """
    pieces = []
    for segment, program in zip(segments, programs, strict=True):
        pieces += [quote(program), *(word.quoted for word in segment.words[1:])]
        if segment.after:
            pieces.append(segment.after)
    return " ".join(pieces)


def quote(text: str) -> str:
    """C{text} as one word that no shell changes."""
    return "'" + text.replace("'", "'\\''") + "'"


def is_plain(character: str) -> bool:
    """Whether a character shows, or is the plain space: no controls, no other blanks, nothing that changes the
    direction of text or can not be seen."""
    return character == " " or unicodedata.category(character)[0] not in "CZ"


class _Parser:
    """One pass over the text."""

    def __init__(self, command: str) -> None:
        self._text = command
        self._at = 0
        self._segments: list[Segment] = []
        self._words: list[Word] = []

    def parse(self) -> tuple[Segment, ...]:
        while self._at < len(self._text):
            character = self._text[self._at]
            if character in " \t":
                self._at += 1
            elif character in "|&;\n":
                self._operator()
            elif character == "#":
                raise Unprovable("it has a comment")
            else:
                self._words.append(self._word())
        if self._words:
            self._close("")
        elif self._segments and self._segments[-1].after in ("|", "&&", "||"):
            raise Unprovable("it ends in the middle")
        if not self._segments:
            raise Unprovable("it is empty")
        last = self._segments[-1]
        if last.after == ";":
            self._segments[-1] = last._replace(after="")
        return tuple(self._segments)

    def _operator(self) -> None:
        two = self._text[self._at : self._at + 2]
        if two in ("&&", "||"):
            operator: Operator = "&&" if two == "&&" else "||"
            self._at += 2
        elif two in ("|&", "&|", ";;", ";&", "&>"):
            raise Unprovable(f"it has {two}")
        else:
            one = self._text[self._at]
            operator = "|" if one == "|" else "&" if one == "&" else ";"
            self._at += 1
            if one == "\n" and not self._words:
                # A blank line, or a line that goes on after an operator.
                return
        if not self._words:
            raise Unprovable(f"there is nothing before {operator}")
        self._close(operator)

    def _close(self, operator: Operator) -> None:
        first = self._words[0]
        if first.pattern:
            raise Unprovable("the name of a program is a pattern")
        if _ASSIGNMENT.match(first.text):
            raise Unprovable("it sets a variable")
        if not first.text:
            raise Unprovable("the name of a program is empty")
        self._segments.append(Segment(tuple(self._words), operator))
        self._words = []
        if len(self._segments) > MAX_SEGMENTS:
            raise Unprovable(f"it has more than {MAX_SEGMENTS} commands")

    def _word(self) -> Word:
        """Read up to the next blank or operator."""
        text, literal = "", ""
        quoted: list[str] = []
        begin = self._at
        while self._at < len(self._text) and self._text[self._at] not in " \t|&;\n":
            character = self._text[self._at]
            if character in _REFUSED:
                raise Unprovable(_REFUSED[character])
            if character == "~" and (self._at == begin or text.endswith(("=", ":"))):
                raise Unprovable("it names a home directory with ~")
            if character in _GLOB:
                self._at += 1
                text += character
                quoted += [quote(literal), character] if literal else [character]
                literal = ""
                continue
            piece = self._piece(character)
            text, literal = text + piece, literal + piece
        if not quoted:
            return Word(text, quote(text))
        return Word(text, "".join(quoted) + (quote(literal) if literal else ""), pattern=True)

    def _piece(self, character: str) -> str:
        """What one character, one quotation or one escape stands for."""
        if character == "'":
            return self._single()
        if character == '"':
            return self._double()
        if character == "\\":
            return self._escaped()
        self._at += 1
        return character

    def _single(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise Unprovable("a quotation does not end")
        piece = self._text[self._at + 1 : end]
        self._at = end + 1
        return piece

    def _double(self) -> str:
        piece = ""
        self._at += 1
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character == '"':
                return piece
            if character in "$`":
                raise Unprovable(_REFUSED[character])
            if character == "\\":
                following = self._text[self._at : self._at + 1]
                if following == "\n":
                    raise Unprovable("a line is continued")
                if following and following in '$`"\\':
                    character = following
                    self._at += 1
            piece += character
        raise Unprovable("a quotation does not end")

    def _escaped(self) -> str:
        piece = self._text[self._at + 1 : self._at + 2]
        if not piece:
            raise Unprovable("it ends in a backslash")
        if piece == "\n":
            raise Unprovable("a line is continued")
        self._at += 2
        return piece


__all__ = ["MAX_COMMAND", "MAX_SEGMENTS", "Operator", "Segment", "Unprovable", "Word", "is_plain", "parse", "render"]
