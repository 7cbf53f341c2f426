# -*- test-case-name: tests.tools.test_safe_bins -*-
"""Programs that may run without an entry in the allowlist, as filters of their standard input (spec 7.3). Pure.

What such a program is given must name no file, neither to read nor to write, and must show no environment and start
nothing. So each has a list of the options that are known to do nothing of the kind, from its manual (GNU coreutils 9,
GNU grep 3, jq 1.7); what is not on the list is refused, abbreviations of long options among it. A program that
C{tools.exec.safeBins} names and that has no list here may run without any arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

TRUSTED_DIRECTORIES = ("/bin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")
"""A safe program is one of these directories' own; elsewhere anything may bear its name."""

_NUMBER = re.compile(r"-[0-9]+")
_JQ_FILES = re.compile(r"\b(import|include|input_filename|modulemeta|get_search_list)\b")
_JQ_ENVIRONMENT = re.compile(r"(?<![.\w])(env|ENV)\b")
"""C{env} and C{$ENV}; C{.env} is a field like any other."""


class Options(NamedTuple):
    """What a program may be given."""

    plain: str = ""
    """Short options without a value."""
    valued: str = ""
    """Short options with a value."""
    long: frozenset[str] = frozenset()
    """Long options without a value."""
    long_valued: frozenset[str] = frozenset()
    """Long options with a value, which must stand behind C{=}."""
    positionals: int = 0
    """How many other arguments it may have; they are no files."""
    number: bool = False
    """A number for an option, as in C{head -5}."""


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


OPTIONS: Mapping[str, Options] = {
    "jq": Options(
        "nrRjaCMSecs",
        "",
        words(
            "null-input raw-output raw-output0 join-output ascii-output color-output monochrome-output sort-keys "
            "exit-status compact-output slurp raw-input tab unbuffered seq stream stream-errors"
        ),
        positionals=1,
    ),
    "grep": Options(
        "EFGPiyvwxcoqsnhHbTzaLlUI",
        "emABC",
        words(
            "extended-regexp fixed-strings basic-regexp perl-regexp ignore-case no-ignore-case invert-match "
            "word-regexp line-regexp count only-matching quiet silent no-messages line-number no-filename "
            "with-filename byte-offset initial-tab null null-data text color colour line-buffered"
        ),
        words("regexp max-count after-context before-context context color colour label binary-files"),
        positionals=1,
        number=True,
    ),
    "cut": Options(
        "nsz",
        "bcdf",
        words("only-delimited zero-terminated complement"),
        words("bytes characters delimiter fields output-delimiter"),
    ),
    "sort": Options(
        "bdfghiMnRrVcCmsuz",
        "kSt",
        words(
            "ignore-leading-blanks dictionary-order ignore-case general-numeric-sort ignore-nonprinting month-sort "
            "human-numeric-sort numeric-sort random-sort reverse version-sort check merge stable unique "
            "zero-terminated debug"
        ),
        words("sort check key buffer-size field-separator parallel batch-size"),
    ),
    "uniq": Options(
        "cdDiuz",
        "fsw",
        words("count repeated ignore-case unique zero-terminated all-repeated group"),
        words("skip-fields skip-chars check-chars all-repeated group"),
    ),
    "head": Options("qvz", "cn", words("quiet silent verbose zero-terminated"), words("bytes lines"), number=True),
    "tail": Options("qvz", "cn", words("quiet silent verbose zero-terminated"), words("bytes lines"), number=True),
    "tr": Options("cCdst", "", words("complement delete squeeze-repeats truncate-set1"), positionals=2),
    "wc": Options("clmwL", "", words("bytes chars lines max-line-length words"), words("total")),
}
"""Name -> its options."""

NOTHING = Options()


def complaint(name: str, arguments: Sequence[str]) -> str:
    """Why a program is not safe with these arguments; "" = it is.

    @param name: that of the file, without its directory.
    @param arguments: without the program; patterns of file names are none.
    """
    allowed = OPTIONS.get(name, NOTHING)
    rest = list(arguments)
    positionals: list[str] = []
    given_by_option = False
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            positionals += rest
            break
        if argument.startswith("--"):
            option, separator, _ = argument[2:].partition("=")
            if option not in (allowed.long_valued if separator else allowed.long):
                return f"{name} --{option[:40]}"
            given_by_option = given_by_option or option == "regexp"
        elif argument.startswith("-") and len(argument) > 1:
            if allowed.number and _NUMBER.fullmatch(argument):
                continue
            bad = _short(argument[1:], allowed, rest)
            if bad:
                return f"{name} -{bad}"
            given_by_option = given_by_option or (name == "grep" and "e" in _letters(argument[1:], allowed))
        elif argument == "-" and not allowed.positionals:
            continue  # standard input
        else:
            positionals.append(argument)
    if len(positionals) > allowed.positionals - (1 if given_by_option else 0):
        return f"{name} with a file"
    if name == "jq" and any(_JQ_FILES.search(text) for text in positionals):
        return f"{name} with a filter that reads files"
    if name == "jq" and any(_JQ_ENVIRONMENT.search(text) for text in positionals):
        return f"{name} with a filter that reads the environment"
    return ""


def _letters(cluster: str, allowed: Options) -> str:
    """The options of a cluster: what follows one with a value is that value."""
    for position, letter in enumerate(cluster):
        if letter in allowed.valued:
            return cluster[: position + 1]
    return cluster


def _short(cluster: str, allowed: Options, rest: list[str]) -> str:
    """The first option of a cluster that is not allowed, or "". Takes a value from C{rest} where one belongs."""
    letters = _letters(cluster, allowed)
    for letter in letters:
        if letter not in allowed.plain and letter not in allowed.valued:
            return letter
    if letters[-1] in allowed.valued and len(letters) == len(cluster):
        if not rest:
            return letters[-1]
        rest.pop(0)
    return ""


__all__ = ["OPTIONS", "TRUSTED_DIRECTORIES", "Options", "complaint", "words"]
