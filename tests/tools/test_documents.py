# -*- test-case-name: tests.tools.test_documents -*-
"""What was fetched, as text."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.documents import Document, decoded, document
from openclaw_tx.values import Fetched


def read(body: bytes | str, content_type: str = "", limit: int = 1000, **fields: Any) -> Document:
    """Read what came."""
    data = body.encode("utf-8") if isinstance(body, str) else body
    fetched = Fetched(url="https://a.example/", status=200, content_type=content_type, body=data, **fields)
    return document(fetched, "markdown", limit)


class DocumentTests(SynchronousTestCase):
    """By type."""

    def test_page(self) -> None:
        """HTML, said or seen."""
        for kind, body in (
            ("text/html", "<title>T</title><h1>x</h1>"),
            ("application/xhtml+xml", "<title>T</title><h1>x</h1>"),
            ("", "\n<!DOCTYPE html><title>T</title><h1>x</h1>"),
        ):
            self.assertEqual(read(body, kind), Document("T", "# x", False))

    def test_text(self) -> None:
        """Other text is as it is."""
        for kind in ("text/plain", "text/markdown", "application/xml", "application/atom+xml", "application/yaml", ""):
            self.assertEqual(read("<b>x</b>\n", kind).text, "<b>x</b>\n", kind)

    def test_json(self) -> None:
        """Indented, in its order; a broken or cut one as it is."""
        self.assertEqual(read('{"b":1,"a":[2]}', "application/json").text, '{\n  "b": 1,\n  "a": [\n    2\n  ]\n}')
        self.assertEqual(read('{"b":1}', "application/problem+json").text, '{\n  "b": 1\n}')
        self.assertEqual(read('{"b":1', "application/json").text, '{"b":1')
        self.assertEqual(read('{"b":1}', "application/json", cut=True), Document("", '{"b":1}', True))

    def test_json_bombs(self) -> None:
        """Indentation does not blow up what is nested deep."""
        for body in ("[" * 100_000 + "]" * 100_000, "[" * 500 + "1," * 200_000 + "1" + "]" * 500, '"\\' * 300_000):
            found = read(body, "application/json")
            self.assertEqual((found.text, found.cut), (body[:1000], True))
        quoted = '["' + '[[[[,,,,\\"' * 100 + '"]'
        self.assertEqual(read(quoted, "application/json", 9999).text, f"[\n  {quoted[1:-1]}\n]")

    def test_binary(self) -> None:
        """Refused by what the server says, or by what it is; says what it is."""
        for kind in ("image/png", "application/pdf", "application/octet-stream", "video/mp4", "application/zip"):
            self.assertIn(kind, str(self.assertRaises(ValueError, read, "x", kind)))
        self.assertIn("binary", str(self.assertRaises(ValueError, read, b"\x89PNG\0\0", "")))
        self.assertIn("binary", str(self.assertRaises(ValueError, read, b"a\0b", "text/html")))

    def test_cut(self) -> None:
        """Text beyond the limit, and bytes that did not come."""
        self.assertEqual(read("x" * 11, "text/plain", 10), Document("", "x" * 10, True))
        self.assertEqual(read("x", "text/plain", 10, cut=True), Document("", "x", True))


class CharsetTests(SynchronousTestCase):
    """What bytes mean."""

    def test_order(self) -> None:
        """The byte order mark counts most, then the server, then the page."""
        self.assertEqual(decoded("é".encode("utf-8-sig"), "latin1", True), "é")
        self.assertEqual(decoded("é".encode("utf-16"), "utf-8", True), "é")
        self.assertEqual(decoded(b"<meta charset=utf-8>\xe4", "koi8-r", True), "<meta charset=utf-8>\u0414")
        self.assertTrue(decoded(b"<meta charset='KOI8-R'>\xe4", "", True).endswith("\u0414"))
        http_equiv = b'<meta http-equiv="Content-Type" content="text/html; charset=shift_jis">\x93\xfa'
        self.assertTrue(decoded(http_equiv, "", True).endswith("\u65e5"))
        self.assertTrue(decoded(b"<meta charset='KOI8-R'>\xe4", "", False).endswith("\xe4"))

    def test_unsaid(self) -> None:
        """UTF-8, else windows-1252; a character cut off at the end does not change that."""
        self.assertEqual(decoded("é".encode(), "", False), "é")
        self.assertEqual(decoded(b"caf\xe9 \x93x\x94", "", False), "caf\xe9 \u201cx\u201d")
        self.assertEqual(decoded("日本".encode()[:-1], "", False, True), "日\ufffd")

    def test_names(self) -> None:
        """Latin-1 means windows-1252; names of nothing, and codecs that are no charset of the web, count as nothing."""
        for name in ("iso-8859-1", "us-ascii", "windows-1252"):
            self.assertEqual(decoded(b"\x93", name, False), "\u201c")
        for name in ("nope", "zlib", "hex", "idna", "punycode", "unicode_escape", "utf-7", "x" * 40, "\udcff"):
            self.assertEqual(decoded(b"\\u0041+AGE-", name, False), "\\u0041+AGE-")

    def test_page_in_utf16(self) -> None:
        """A page that says so in ASCII is none."""
        self.assertTrue(decoded(b"<meta charset=utf-16le>ab", "", True).endswith(">ab"))
