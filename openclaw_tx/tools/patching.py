# -*- test-case-name: tests.tools.test_patch -*-
"""What becomes of files when a patch (L{openclaw_tx.tools.patch}) is applied. Pure.

Passages are looked for from the top of the file down, each below the one before. The first of these ways that finds
one counts: the lines are the same; they are but for white space at their ends; they are but for white space at both
ends and typographic characters that models write plainly. Lines that stay remain as they stand in the file.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence

from openclaw_tx.tools.patch import AddFile, DeleteFile, Hunk, Operation, UpdateFile
from openclaw_tx.tools.replacing import BOM
from openclaw_tx.tools.typed import NotDone

_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u2018\u2019\u201a\u201b", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f", '"'),
        **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u3000", " "),
    }
)

_WAYS: tuple[Callable[[str], str], ...] = (str, str.rstrip, lambda line: line.strip().translate(_PLAIN))
"""How lines are compared, the strictest first."""


class DoesNotFit(NotDone):
    """A patch that can not be applied to these files."""


def applied(patch: Sequence[Operation], texts: Mapping[str, str]) -> dict[str, str | None]:
    """What becomes of the files.

    @param texts: the files that the patch updates, by path.
    @return: path -> the new text, None = the file goes.
    @raise DoesNotFit: a passage is not there, or an operation does not go with an earlier one.
    """
    after: dict[str, str | None] = {}
    for operation in patch:
        path = operation.path
        text = after[path] if path in after else texts.get(path)
        gone = path in after and text is None
        if isinstance(operation, AddFile):
            if text is not None:
                raise DoesNotFit(f"{path} is there already; update it, or delete it first.")
            after[path] = operation.text
        elif gone:
            raise DoesNotFit(f"{path} was deleted or moved by an earlier part of the patch.")
        elif isinstance(operation, DeleteFile):
            after[path] = None
        else:
            assert isinstance(operation, UpdateFile)
            if text is None:
                raise DoesNotFit(f"There is no file {path}.")
            target = operation.move_to or path
            if target != path:
                if after.get(target) is not None or target in texts:
                    raise DoesNotFit(f"{target} is there already; nothing can be moved to it.")
                after[path] = None
            after[target] = patched(text, operation.hunks, path)
    return after


def patched(text: str, hunks: Sequence[Hunk], path: str) -> str:
    """A text with its passages changed. Line endings stay; new lines get those that most lines have.

    @param path: for errors.
    @raise DoesNotFit: a passage is not there.
    """
    mark = BOM if text.startswith(BOM) else ""
    file = _File(text[len(mark) :])
    done, at = list[str](), 0
    for number, hunk in enumerate(hunks, 1):
        begin = file.place(hunk, at, f"{path}, passage {number} of {len(hunks)}")
        done += file.whole(at, begin)
        at = begin
        for line in hunk.lines:
            if line.kind == "+":
                done.append(line.text + file.end)
            else:
                done += file.whole(at, at + 1) if line.kind == " " else ()
                at += 1
    done += file.whole(at, len(file.lines))
    # A last line without an end gets one when something follows it now.
    ended = [line if line.endswith("\n") else line + file.end for line in done[:-1]]
    return mark + "".join([*ended, *done[-1:]])


class _File:
    """A text by lines, in which passages are found."""

    def __init__(self, text: str) -> None:
        pieces = text.split("\n")
        if pieces[-1] == "":
            pieces.pop()
        self.lines = [piece.removesuffix("\r") for piece in pieces]
        self._whole = [piece + "\n" for piece in pieces]
        if self._whole and not text.endswith("\n"):
            self._whole[-1] = pieces[-1]
        returns = sum(piece.endswith("\r") for piece in pieces)
        self.end = "\r\n" if returns and 2 * returns >= len(pieces) else "\n"
        self._indexes: dict[int, _Index] = {}

    def whole(self, begin: int, end: int) -> Sequence[str]:
        """Lines with their ends."""
        return self._whole[begin:end]

    def place(self, hunk: Hunk, start: int, what: str) -> int:
        """Index of the first line of a passage.

        @param start: look from this line on.
        @param what: names the passage, for errors.
        @raise DoesNotFit: it is not there.
        """
        for above in hunk.above:
            found = self._find([above], start)
            if found is None:
                raise DoesNotFit(f"{what}: there is no line {above!r}{_below(start)}.")
            start = found + 1
        old = [line.text for line in hunk.lines if line.kind != "+"]
        if not old:
            return start if hunk.above and not hunk.at_end else len(self.lines)
        if hunk.at_end:
            last = len(self.lines) - len(old)
            if last >= start and any(
                [fold(line) for line in self.lines[last:]] == [fold(line) for line in old] for fold in _WAYS
            ):
                return last
            raise DoesNotFit(f"{what}: the file does not end with these lines:\n{_quoted(old)}")
        found = self._find(old, start)
        if found is None:
            raise DoesNotFit(f"{what}: these lines are not in the file{_below(start)}:\n{_quoted(old)}")
        return found

    def _find(self, wanted: Sequence[str], start: int) -> int | None:
        for way, fold in enumerate(_WAYS):
            if way not in self._indexes:
                self._indexes[way] = _Index([fold(line) for line in self.lines])
            found = self._indexes[way].find([fold(line) for line in wanted], start)
            if found is not None:
                return found
        return None


class _Index:
    """Lines as one text, in which the search for some of them takes no more time than there are characters."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._text = "".join(f"\n{line}" for line in lines) + "\n"
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def find(self, wanted: Sequence[str], start: int) -> int | None:
        """Index of the first of the wanted lines; None = they are not there."""
        at = self._text.find("".join(f"\n{line}" for line in wanted) + "\n", self._starts[start])
        return bisect_left(self._starts, at) if at >= 0 else None


def _below(start: int) -> str:
    return f" below line {start}" if start else ""


def _quoted(lines: Sequence[str]) -> str:
    shown = [f"  {line[:200]}" for line in lines[:5]]
    return "\n".join([*shown, *([f"  ({len(lines) - 5} more)"] if len(lines) > 5 else [])])


__all__ = ["DoesNotFit", "applied", "patched"]
