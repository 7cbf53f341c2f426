# -*- test-case-name: tests.runs.test_directives -*-
"""Takes the directives for channels out of an answer (spec 3.10), split-safe and without I/O.

C{[[reply_to_current]]} and C{[[reply_to:<id>]]} anywhere, and lines that are C{MEDIA:<url or path>}; none of them
inside a code fence. All other text comes out as it went in, and no later than it is certain.
"""

from __future__ import annotations

import re

MAX_TAG = 256
"""Characters of a reply directive; longer ones are text."""
MAX_ID = 200
"""Characters of the id in one; likewise."""
MAX_MEDIA = 2048
"""Characters of a media line; longer ones are text."""
MAX_FILES = 20
"""Media of one answer; further lines are taken out and forgotten."""

# Possessive, so that no number of blanks is looked at twice.
_TAG = re.compile(r"\[\[[ \t]*+(?:(reply_to_current)[ \t]*+|reply_to[ \t]*+:([^\]\n]{1,256}+))\]\][ \t]*+")
_BEGUN = re.compile(
    r"\[(?:\[[ \t]*(?:r[a-z_]{0,15}|reply_to_current[ \t]*\]?|reply_to[ \t]*(?::[^\]\n]{0,220}\]?)?)?)?"
)
_MEDIA_WORD = "MEDIA:"
_MEDIA = re.compile(r"MEDIA:[ \t]*(`?)((?:https?://|file://|~?/|\.{1,2}/)[^\s`]+)\1[ \t]*\r?")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_SPECIAL = re.compile(r"[\[`~M]")
"""What directives, media lines and fences begin with."""
_START = 32
"""Characters of a line's beginning that tell a fence."""
_MAYBE_FENCE = re.compile(r" {0,3}(`{0,2}|~{0,2})")


class DirectiveFilter:
    """The text of one assistant message.

    @ivar idle: True while text without C{[} and line breaks would pass as it is; callers may then skip L{feed}.
    @ivar media: what media lines named.
    @ivar reply_to: an id, C{current}, or "".
    """

    __slots__ = ("_fence", "_held", "_said", "_start", "_trim", "idle", "media", "reply_to")

    def __init__(self) -> None:
        self.idle = False
        self.media: list[str] = []
        self.reply_to = ""
        self._held = ""
        self._fence = ""
        """The marks that opened the fence we are in."""
        self._start: str | None = ""
        """What of the current line has passed, while that may still become a fence; None = it will not."""
        self._trim = False
        """White space that follows goes with the directive before it."""
        self._said = False

    def feed(self, text: str) -> str:
        """
        @return: what is certain by now to be text.
        """
        if not self._held and not self._trim and not self._start and self._ordinary(text):
            return text
        text = self._trimmed(text)
        if not text:
            return ""
        *lines, rest = (self._held + text).split("\n")
        self._held = ""
        passed = "".join([*map(self._line, lines), self._open_line(rest)])
        self.idle = self._start is None and not self._held and not self._trim
        return passed

    def _ordinary(self, text: str) -> bool:
        """Take note of text in which there is nothing to look for, which is most of it; False = look closer."""
        if not text or _SPECIAL.search(text) is not None:
            return False
        place = text.rfind("\n")
        if text[place + 1 : place + 2] == " ":
            return False
        self._start = "" if place == len(text) - 1 else None
        self.idle = self._start is None
        self._said = self._said or not text.isspace()
        return True

    def finish(self) -> str:
        """The message is over.

        @return: what was held back and is text.
        """
        held, self._held = self._held, ""
        return "" if self._noted(held) else held

    def _line(self, rest: str) -> str:
        """The end of a line; its beginning may have passed already."""
        rest = self._untagged(self._trimmed(rest))
        if self._noted(rest):
            self._start = ""
            return ""
        if self._trim and not self._said and not rest.strip():
            # A directive on a line of its own begins the message: the line break goes with it.
            return self._passed(rest)
        self._trim = False
        passed = self._passed(rest)
        self._note_fence()
        self._start = ""
        return passed + "\n"

    def _open_line(self, rest: str) -> str:
        """A line of which more may come."""
        rest = self._untagged(self._trimmed(rest))
        if not rest:
            return ""
        if self._maybe_media(rest):
            self._held = rest
            return ""
        place = -1 if self._fence else _unfinished(rest)
        if place >= 0:
            self._held, rest = rest[place:], rest[:place]
        return self._passed(rest)

    def _passed(self, rest: str) -> str:
        """Note that this much more of a line is text."""
        if rest and self._start is not None:
            start = self._start + rest
            self._start = start[:_START] if _MAYBE_FENCE.fullmatch(start) or _FENCE.match(start) else None
        self._said = self._said or bool(rest.strip())
        return rest

    def _trimmed(self, text: str) -> str:
        """Without the white space that goes with a directive before it; at the beginning of the message all of it."""
        if not self._trim:
            return text
        text = text.lstrip(" \t") if self._said else text.lstrip()
        self._trim = not text
        return text

    def _maybe_media(self, rest: str) -> bool:
        begun = _MEDIA_WORD.startswith(rest) or (rest.startswith(_MEDIA_WORD) and len(rest) <= MAX_MEDIA)
        return begun and self._start == "" and not self._fence

    def _noted(self, line: str) -> bool:
        """Whether a line was a media line."""
        if self._start != "" or self._fence or not line.startswith(_MEDIA_WORD) or len(line) > MAX_MEDIA:
            return False
        found = _MEDIA.fullmatch(line)
        if found is not None and len(self.media) < MAX_FILES and found[2] not in self.media:
            self.media.append(found[2])
        return found is not None

    def _untagged(self, text: str) -> str:
        if self._fence or "[[" not in text:
            return text
        return _TAG.sub(self._tag, text)

    def _tag(self, found: re.Match[str]) -> str:
        if len(found[0].rstrip()) > MAX_TAG or len((found[2] or "").strip()) > MAX_ID:
            return found[0]
        self.reply_to = "current" if found[1] else found[2].strip()
        self._trim = found.end() == len(found.string)
        return ""

    def _note_fence(self) -> None:
        """Does the line that ends here open or close a fence?"""
        found = _FENCE.match(self._start) if self._start else None
        if found is None:
            return
        if not self._fence:
            self._fence = found[1]
        elif found[1].startswith(self._fence):
            self._fence = ""


def _unfinished(text: str) -> int:
    """Where a directive may have begun that is not complete; -1 = nowhere."""
    place = text.find("[", max(0, len(text) - MAX_TAG))
    while place >= 0:
        if _BEGUN.fullmatch(text, place):
            return place
        place = text.find("[", place + 1)
    return -1


__all__ = ["DirectiveFilter"]
