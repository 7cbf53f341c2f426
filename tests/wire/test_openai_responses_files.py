# -*- test-case-name: tests.wire.test_openai_responses_files -*-
"""Files of a request: what is read of them, and that they can not pass for instructions."""

from __future__ import annotations

import base64
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.wire.openai_responses_files import MAX_CHARS, MAX_FILE_BYTES, MAX_FILES, NOTICE, FileReader


def b64(data: bytes) -> str:
    """Base64 of it."""
    return base64.b64encode(data).decode()


def file(data: bytes = b"hello", name: str | None = "a.txt", mime: str = "text/plain", **fields: Any) -> dict[str, Any]:
    """A part in OpenAI's form."""
    return {"type": "input_file", "filename": name, "file_data": f"data:{mime};base64,{b64(data)}", **fields}


class FileTests(SynchronousTestCase):
    """One reader a request."""

    def block(self, part: dict[str, Any]) -> str:
        """What the model gets of one file."""
        reader = FileReader()
        reader.add(part, "p")
        notice, block = reader.text().split("\n\n", 1)
        self.assertEqual(notice, NOTICE)
        return block

    def fault(self, param: str, part: dict[str, Any], code: str = "invalid_request") -> str:
        """It is refused; the text."""
        error = self.assertRaises(GatewayError, FileReader().add, part, "p")
        self.assertEqual((error.info.code, error.info.param), (code, param), str(error))
        return str(error)

    def test_none(self) -> None:
        """No files, no words about files."""
        self.assertEqual(FileReader().text(), "")

    def test_types(self) -> None:
        """All that is text, by its media type or by its name."""
        for mime in ("text/plain", "text/markdown", "TEXT/HTML", "text/csv; charset=utf-8", "application/json"):
            self.assertEqual(self.block(file(mime=mime)), '<file name="a.txt">\nhello\n</file>')
        for name in ("a.txt", "b.MD", "c.html", "d.csv", "e.json", "f.log"):
            bare = {"type": "input_file", "filename": name, "file_data": b64(b"x")}
            self.assertEqual(self.block(bare), f'<file name="{name}">\nx\n</file>')

    def test_source(self) -> None:
        """OpenClaw's own form, with the name in either place."""
        source = {"type": "base64", "media_type": "text/plain", "data": b64(b"x")}
        for part in ({"source": {**source, "filename": "s.txt"}}, {"source": source, "filename": "s.txt"}):
            self.assertEqual(self.block(part), '<file name="s.txt">\nx\n</file>')

    def test_other_types(self) -> None:
        """Refused with what could be read instead."""
        for part in (
            file(mime="application/pdf"),
            file(mime="image/png"),
            {"filename": "a.pdf", "file_data": b64(b"%PDF")},
        ):
            self.assertRegex(
                self.fault("p.file_data", part), r"^Files of (application/pdf|image/png) can not be read\."
            )
        self.assertIn("unknown type", self.fault("p.file_data", {"filename": "a.bin", "file_data": b64(b"x")}))
        self.assertIn("text/csv", self.fault("p.file_data", {"file_data": b64(b"x")}))

    def test_bad_data(self) -> None:
        """Not base64, not UTF-8, nothing at all."""
        self.assertIn("base64", self.fault("p.file_data", {"filename": "a.txt", "file_data": "%%%"}))
        self.assertIn("base64", self.fault("p.file_data", {"file_data": "data:text/plain,hello"}))
        self.assertIn("UTF-8", self.fault("p.file_data", file(b"\xff\xfe")))
        self.fault("p.file_data", {"filename": "a.txt"})
        self.fault("p.filename", file(name=1))  # type: ignore[arg-type]
        self.fault("p.source", {"source": "x"})
        self.fault("p.source.data", {"source": {"type": "base64", "media_type": "text/plain"}})
        self.fault("p.source.data", {"source": {}})
        self.fault("p.source.media_type", {"source": {"type": "base64", "media_type": 1, "data": ""}})

    def test_not_fetched(self) -> None:
        """URLs and uploads are refused by name."""
        self.fault("p.file_url", {"file_url": "https://example.com/a.txt"}, "unsupported_parameter")
        self.fault("p.source.url", {"source": {"type": "url", "url": "https://x/"}}, "unsupported_parameter")
        self.fault("p.file_id", {"file_id": "file-1"}, "unsupported_parameter")

    def test_size(self) -> None:
        """Bounded in bytes, in characters, in number."""
        self.assertIn("5242880 bytes", self.fault("p.file_data", file(b"x" * (MAX_FILE_BYTES + 1))))
        self.assertIn("5242880 bytes", self.fault("p.file_data", file(b"x" * (MAX_FILE_BYTES + 100))))
        block = self.block(file(b"x" * MAX_FILE_BYTES))
        self.assertIn(f"\n{'x' * MAX_CHARS}\n[cut", block)
        self.assertIn(f"[cut: {MAX_FILE_BYTES - MAX_CHARS} more characters]", block)
        reader = FileReader()
        for _ in range(MAX_FILES):
            reader.add(file(), "p")
        self.assertEqual(self.assertRaises(GatewayError, reader.add, file(), "p9").info.param, "p9")

    def test_byte_order_mark(self) -> None:
        """Is no part of the text."""
        self.assertEqual(self.block(file(b"\xef\xbb\xbfx")), '<file name="a.txt">\nx\n</file>')

    def test_names(self) -> None:
        """Fit to stand in a mark and in a message; a file without one gets one."""
        for name, shown in (
            ('a"><b.txt', "a___b.txt"),
            ("a\nb.txt", "a_b.txt"),
            (None, "file-1"),
            ("  ", "file-1"),
            ("x" * 300 + ".txt", "x" * 128),
            ("../../etc/passwd", "../../etc/passwd"),
        ):
            self.assertEqual(FileReader().add(file(name=name), "p"), shown)

    def test_white_space_without_end(self) -> None:
        """Behind what may begin a mark, it is not looked at from every place in it again."""
        for mark in ("<", "</", "< /"):
            text = mark + " " * (MAX_CHARS - 10)
            self.assertIn(text, self.block(file(text.encode())))
            self.assertIn(f"&lt;{text[1:]}file", self.block(file(f"{text}file".encode())))

    @given(st.text(alphabet='<>/file "name=\n FILE\tx', max_size=60))
    @settings(max_examples=300, deadline=None, database=None)
    def test_no_file_ends_before_its_end(self, text: str) -> None:
        """Whatever a file holds, there is one opening and one closing mark, and the text is between them."""
        block = self.block(file(text.encode()))
        marks = re.findall(r"<\s*/?\s*file\b", block, re.IGNORECASE)
        self.assertEqual(marks, ["<file", "</file"])
        inside = block.removeprefix('<file name="a.txt">\n').removesuffix("\n</file>")
        self.assertEqual(inside.replace("&lt;", "<"), text.replace("&lt;", "<"))
