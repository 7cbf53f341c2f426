"""Files of one directory, and never of another."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.web.static import MAX_BYTES, name_of, read, type_of


class NameTests(SynchronousTestCase):
    """What may be asked for."""

    def test_names(self) -> None:
        """Parts are put together."""
        self.assertEqual(name_of((b"assets", b"index-1.js")), "assets/index-1.js")
        self.assertEqual(name_of((b"",)), "")

    def test_refused(self) -> None:
        """Ways out, hidden files, and what is no name."""
        for path in (
            (b"..", b"x"),
            (b"a", b"..", b"x"),
            (b".",),
            (b".git", b"config"),
            (b"a", b""),
            (b"", b"a"),
            (b"../x",),
            (b"a\\b",),
            (b"a\0.js",),
            (b"c:",),
            (b"\xff",),
        ):
            self.assertIsNone(name_of(path), path)

    @given(st.lists(st.binary(max_size=8), min_size=1, max_size=5))
    def test_never_out(self, path: list[bytes]) -> None:
        """Whatever is asked for stays below the directory."""
        name = name_of(path)
        if name is not None:
            self.assertEqual(os.path.normpath(f"/root/{name}"), f"/root/{name}".rstrip("/"))
            self.assertNotIn("\0", name)

    def test_types(self) -> None:
        """By the ending; what is not known is not shown."""
        self.assertEqual(type_of("a/b.JS"), "text/javascript; charset=utf-8")
        self.assertEqual(type_of("a.exe"), "application/octet-stream")


class ReadTests(SynchronousTestCase):
    """What is there."""

    def setUp(self) -> None:
        """A directory with a file and its compressed twin, and a secret beside it."""
        base = Path(self.mktemp())
        self.root = base / "root"
        (self.root / "assets").mkdir(parents=True)
        (self.root / "assets" / "a.js").write_bytes(b"plain")
        (self.root / "assets" / "a.js.gz").write_bytes(b"small")
        self.outside = base / "secret"
        self.outside.write_bytes(b"secret")

    def read(self, name: str, *accepted: str) -> bytes | None:
        """The bytes of a file."""
        found = read(str(self.root), name, accepted)
        return None if found is None else found.content

    def test_file(self) -> None:
        """With its time."""
        os.utime(self.root / "assets" / "a.js", (1000, 1000))
        found = read(str(self.root), "assets/a.js")
        self.assertEqual(found, (b"plain", 1000, ""))

    def test_compressed(self) -> None:
        """The twin goes to who takes it, under the file's own time."""
        os.utime(self.root / "assets" / "a.js", (1000, 1000))
        self.assertEqual(read(str(self.root), "assets/a.js", ("br", "gzip")), (b"small", 1000, "gzip"))

    def test_a_twin_alone(self) -> None:
        """Is no file."""
        (self.root / "b.js.gz").write_bytes(b"small")
        self.assertIsNone(self.read("b.js", "gzip"))

    def test_no_file(self) -> None:
        """Missing, a directory, a pipe."""
        os.mkfifo(self.root / "pipe")
        for name in ("nope", "assets", "pipe", "assets/a.js/x", ""):
            self.assertIsNone(self.read(name), name)

    def test_links(self) -> None:
        """Neither a linked file nor one below a linked directory, wherever they lead."""
        (self.root / "link").symlink_to(self.outside.absolute())
        (self.root / "inside").symlink_to("assets/a.js")
        (self.root / "up").symlink_to(self.outside.parent.absolute())
        for name in ("link", "inside", "up/secret"):
            self.assertIsNone(self.read(name), name)

    def test_root_may_be_a_link(self) -> None:
        """It is the operator's word."""
        link = self.root.parent / "current"
        link.symlink_to(self.root.absolute())
        self.root = link
        self.assertEqual(self.read("assets/a.js"), b"plain")

    def test_too_large(self) -> None:
        """Is not read."""
        with open(self.root / "large.js", "wb") as file:
            file.truncate(MAX_BYTES + 1)
        self.assertIsNone(self.read("large.js"))
