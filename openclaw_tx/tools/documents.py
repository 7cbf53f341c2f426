# -*- test-case-name: tests.tools.test_documents -*-
"""What was fetched, as text for a model: pages, JSON, plain text. Pure; to be called in a thread."""

from __future__ import annotations

import codecs
import re
from typing import Literal, NamedTuple

import msgspec

from openclaw_tx.tools.html_text import readable
from openclaw_tx.values import Fetched

ExtractMode = Literal["markdown", "text"]

SNIFFED = 1024
"""Bytes at the beginning in which a page may name its charset (WHATWG HTML, 13.2.3.2)."""

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_TEXT = re.compile(
    r"text/.+|application/(?:.+\+)?(?:xml|json|yaml|toml|javascript|ecmascript|x-ndjson|x-yaml|x-sh|x-www-form-urlencoded|"
    r"sql|graphql|rtf)|application/.+\+(?:json|xml)|message/.+"
)
_META = re.compile(rb"<meta[^>]{0,300}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]{1,40})", re.IGNORECASE)
_PAGE = re.compile(rb"\s{0,200}(?:<!doctype\s+html|<html|<head|<body)", re.IGNORECASE)
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]')
"""What counts for the indentation of JSON that is known to be valid."""
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

_SAFE = (
    "ascii utf-8 utf-16 utf-16-le utf-16-be iso8859-1 iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 "
    "iso8859-8 iso8859-9 iso8859-10 iso8859-13 iso8859-14 iso8859-15 iso8859-16 cp1250 cp1251 cp1252 cp1253 cp1254 "
    "cp1255 cp1256 cp1257 cp1258 cp866 cp874 koi8-r koi8-u mac-roman mac-cyrillic gb2312 gbk gb18030 big5 big5hkscs "
    "euc_jp shift_jis cp932 iso2022_jp euc_kr cp949 tis-620"
)
_CHARSETS = frozenset(_SAFE.split())
"""Python's names of what pages are written in; its other codecs are none of a stranger's choice."""

_WESTERN = frozenset({"ascii", "iso8859-1"})
"""Names under which pages mean windows-1252 (WHATWG Encoding, 4.2)."""


class Document(NamedTuple):
    """What there is to read."""

    title: str
    text: str
    cut: bool
    """There is more, of the text or of the bytes it was made from."""


def document(fetched: Fetched, mode: ExtractMode, limit: int) -> Document:
    """Read what was fetched.

    @param limit: most characters of text.
    @raise ValueError: it is not text; says what it is.
    """
    kind, body = fetched.content_type, fetched.body
    is_page = kind in _HTML or (not kind and _PAGE.match(body) is not None)
    if kind and not is_page and not _TEXT.fullmatch(kind):
        raise ValueError(f"it is {kind}, not text")
    text = decoded(body, fetched.charset, is_page, fetched.cut)
    if "\0" in text:
        raise ValueError("it is binary data, not text")
    if is_page:
        page = readable(text, markdown=mode == "markdown", limit=limit, base=fetched.url)
        return Document(page.title, page.text, page.cut or fetched.cut)
    if kind.endswith(("/json", "+json")) and not fetched.cut:
        text = _indented(text, 4 * limit)
    return Document("", text[:limit], len(text) > limit or fetched.cut)


def decoded(body: bytes, charset: str, is_page: bool, cut: bool = False) -> str:
    """Bytes as text: by their byte order mark, by what the server says, by what the page says, as UTF-8, or else, as
    browsers do, as windows-1252. What can not be decoded becomes a replacement character.

    @param charset: what the server says; "" = nothing.
    @param cut: the end is missing, so half a character there is no sign of another charset.
    """
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body.decode(name, "replace")
    found = _codec(charset)
    if not found and is_page:
        named = _META.search(body[:SNIFFED])
        found = _codec(named[1].decode("ascii")) if named else ""
        if found.startswith("utf-16"):
            found = "utf-8"  # or it could not have been read so far (WHATWG HTML)
    if found:
        return body.decode(found, "replace")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        return body.decode("utf-8" if cut and error.start >= len(body) - 3 else "cp1252", "replace")


def _codec(name: str) -> str:
    try:
        found = codecs.lookup(name).name if name else ""
    except (LookupError, ValueError):
        return ""
    return "cp1252" if found in _WESTERN else found if found in _CHARSETS else ""


def _indented(text: str, limit: int) -> str:
    """JSON with one value a line; as it is when it is broken, or would be mostly indentation.

    @param limit: most characters of indentation.
    """
    try:
        msgspec.json.format(text, indent=-1)  # is it JSON?
        depth = 0
        for token in _TOKENS.finditer(text):
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
            limit -= 0 if token[0].startswith('"') else 2 * depth
            if limit < 0:
                return text
        return msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return text


__all__ = ["Document", "ExtractMode", "decoded", "document"]
