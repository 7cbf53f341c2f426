# -*- test-case-name: tests.tools.test_replacing -*-
"""One passage of a text exchanged for another, for C{edit}. Pure.

Line endings do not matter when the passage is looked for. What was not touched keeps its own; new lines get those that
most lines of the text have.
"""

from __future__ import annotations

from bisect import bisect_right

from openclaw_tx.tools.typed import NotDone

BOM = "\ufeff"

MAX_COUNTED = 1000
"""Matches that are counted, to tell of them."""


class NotReplaced(NotDone):
    """The passage is not there, or not only once; the text tells the model what to do."""


def replaced(text: str, old: str, new: str) -> str:
    """C{text} with C{new} instead of C{old}, which must be there exactly once.

    @raise NotReplaced: it is not.
    """
    if not old:
        raise NotReplaced("oldText is empty; it must be the passage to replace. To write a whole file, use write.")
    mark = BOM if text.startswith(BOM) else ""
    body = text[len(mark) :]
    wanted, fresh = _plain(old.removeprefix(BOM)), _plain(new.removeprefix(BOM) if mark else new)
    if wanted == fresh:
        raise NotReplaced("oldText and newText are the same; nothing would change.")
    plain = _plain(body)
    at = plain.find(wanted)
    if at < 0:
        raise NotReplaced(_not_found(plain, wanted))
    if plain.find(wanted, at + 1) >= 0:
        raise NotReplaced(_too_many(plain, wanted))
    if "\r\n" not in body:
        return mark + plain[:at] + fresh + plain[at + len(wanted) :]
    ends = _carriage_returns(body)
    begin, end = _place(at, ends), _place(at + len(wanted), ends)
    if 2 * len(ends) >= plain.count("\n"):
        fresh = fresh.replace("\n", "\r\n")
    return mark + body[:begin] + fresh + body[end:]


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def _carriage_returns(body: str) -> list[int]:
    """Where each CRLF would be if they all were LF."""
    found, at = list[int](), body.find("\r\n")
    while at >= 0:
        found.append(at - len(found))
        at = body.find("\r\n", at + 2)
    return found


def _place(at: int, ends: list[int]) -> int:
    """A place in the plain text as one in the text itself: before the line ending, when it is at one."""
    return at + bisect_right(ends, at - 1)


def _not_found(plain: str, wanted: str) -> str:
    line = _loosely(plain, wanted)
    if line:
        return (
            f"oldText is not in the file like that; a passage at line {line} differs from it only in white space. "
            "Read it again and repeat it exactly."
        )
    return "oldText is not in the file. Read it again; the passage must be repeated exactly, with its white space."


def _loosely(plain: str, wanted: str) -> int:
    """Number of the line where C{wanted} is but for white space around its lines; 0 = nowhere."""
    lines = [line.strip() for line in plain.split("\n")]
    needle = "\n".join(line.strip() for line in wanted.strip().split("\n"))
    if not needle:
        return 0
    whole = "\n".join(lines)
    at = f"\n{whole}\n".find(f"\n{needle}\n")
    return whole.count("\n", 0, at) + 1 if at >= 0 else 0


def _too_many(plain: str, wanted: str) -> str:
    lines, at, before, line = list[int](), plain.find(wanted), 0, 1
    while at >= 0 and len(lines) < MAX_COUNTED:
        line += plain.count("\n", before, at)
        lines.append(line)
        before, at = at, plain.find(wanted, at + 1)
    count = f"{len(lines)} times" if at < 0 else f"more than {MAX_COUNTED} times"
    shown = ", ".join(map(str, lines[:5])) + (", ..." if len(lines) > 5 else "")
    return f"oldText is in the file {count} (lines {shown}). Add lines around it until it is there only once."


__all__ = ["NotReplaced", "replaced"]
