# -*- test-case-name: tests.tools.test_keystrokes -*-
"""Names of keys as the bytes that a terminal sends for them, in the names of tmux (xterm's sequences). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_KEYS: Mapping[str, bytes] = {
    "enter": b"\r",
    "return": b"\r",
    "tab": b"\t",
    "escape": b"\x1b",
    "esc": b"\x1b",
    "space": b" ",
    "bspace": b"\x7f",
    "backspace": b"\x7f",
    "up": b"\x1b[A",
    "down": b"\x1b[B",
    "right": b"\x1b[C",
    "left": b"\x1b[D",
    "home": b"\x1b[H",
    "end": b"\x1b[F",
    "insert": b"\x1b[2~",
    "ic": b"\x1b[2~",
    "delete": b"\x1b[3~",
    "dc": b"\x1b[3~",
    "pageup": b"\x1b[5~",
    "ppage": b"\x1b[5~",
    "pagedown": b"\x1b[6~",
    "npage": b"\x1b[6~",
    "btab": b"\x1b[Z",
    "s-tab": b"\x1b[Z",
    **{f"f{number}": code for number, code in enumerate((b"\x1bOP", b"\x1bOQ", b"\x1bOR", b"\x1bOS"), 1)},
    **{
        f"f{number}": b"\x1b[%d~" % code
        for number, code in zip(range(5, 13), (15, 17, 18, 19, 20, 21, 23, 24), strict=True)
    },
}

_HEX = re.compile(r"(?:0x)?([0-9a-fA-F]{1,2})")
PASTE_BEGIN, PASTE_END = b"\x1b[200~", b"\x1b[201~"
"""What stands around a pasted text, for programs that tell pasting from typing."""


def keys_of(names: Sequence[str]) -> bytes:
    """
    @param names: C{Enter}, C{C-c}, C{M-x}, C{F1} ...; a single character means itself.
    @raise ValueError: there is no such key; a sentence.
    """
    return b"".join(_key(name) for name in names)


def _key(name: str) -> bytes:
    known = _KEYS.get(name.lower())
    if known is not None:
        return known
    if len(name) == 1:
        return name.encode("utf-8", "replace")
    prefix, rest = name[:2].upper(), name[2:]
    if prefix == "C-" or name[:1] == "^":
        letter = (rest if prefix == "C-" else name[1:]).upper()
        if len(letter) == 1 and ("@" <= letter <= "_" or letter == "?"):
            return b"\x7f" if letter == "?" else bytes([ord(letter) & 0x1F])
        if letter == "SPACE":
            return b"\0"
    elif prefix == "M-" and rest:
        return b"\x1b" + _key(rest)
    raise ValueError(f"there is no key {name[:40]}.")


def bytes_of(numbers: Sequence[str]) -> bytes:
    """
    @param numbers: bytes in hex, C{1b} or C{0x1b}.
    @raise ValueError: one is none; a sentence.
    """
    found = []
    for number in numbers:
        match = _HEX.fullmatch(number.strip())
        if match is None:
            raise ValueError(f"{number[:40]} is no byte in hex.")
        found.append(int(match[1], 16))
    return bytes(found)


def without_end(pasted: bytes) -> bytes:
    """A text that can not end its own paste: without L{PASTE_END}, also where taking out one would make another."""
    if PASTE_END not in pasted:
        return pasted
    kept = bytearray()
    for byte in pasted:
        kept.append(byte)
        if kept.endswith(PASTE_END):
            del kept[-len(PASTE_END) :]
    return bytes(kept)


__all__ = ["PASTE_BEGIN", "PASTE_END", "bytes_of", "keys_of", "without_end"]
