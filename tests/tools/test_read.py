# -*- test-case-name: tests.tools.test_read -*-
"""C{read}."""

from __future__ import annotations

import base64
import os

from msgspec.structs import replace

from openclaw_tx.interfaces import ConcurrentTool
from openclaw_tx.tools.builtin.read import MAX_ENTRIES, MAX_IMAGE_BYTES, Read
from openclaw_tx.values import ImagePart
from tests.tools.file_case import FileToolCase

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


class ReadTests(FileToolCase):
    """What the model is shown."""

    kind = Read

    def test_text(self) -> None:
        """A small file as it is."""
        self.put("a.txt", "one\ntwo\n")
        result = self.done(path="a.txt")
        self.assertEqual(result.text, "one\ntwo\n")
        self.assertEqual(result.details, {"path": "a.txt", "firstLine": 1, "lastLine": 2, "lines": 2})
        self.put("empty", "")
        self.assertEqual(self.done(path="empty").text, "[The file is empty.]")

    def test_alias(self) -> None:
        """file_path is the same as path; both at once are a mistake, and only path is in the schema."""
        self.put("a.txt", "x")
        self.assertEqual(self.done(file_path="a.txt").text, "x")
        error = self.assertRaises(ValueError, self.call, path="a.txt", file_path="b.txt")
        self.assertIn("file_path", str(error))
        self.assertNotIn("file_path", self.tool.spec.parameters["properties"])

    def test_pieces(self) -> None:
        """A piece, with how to go on; at the end nothing is left to go on with."""
        self.put("a.txt", "".join(f"line {number}\n" for number in range(1, 11)))
        text = self.done(path="a.txt", offset=3, limit=2).text
        self.assertEqual(text, "line 3\nline 4\n\n[These are lines 3 to 4 of 10. Go on with offset=5.]")
        text = self.done(path="a.txt", offset=9, limit=5).text
        self.assertEqual(text, "line 9\nline 10\n\n[These are lines 9 to 10 of 10.]")
        self.refused("There is no line 99; the file has 10.", path="a.txt", offset=99)
        self.assertRaises(ValueError, self.call, path="a.txt", offset=0)

    def test_long(self) -> None:
        """Cut at the number of lines, at the size, and within one long line."""
        self.put("lines", "\n" * 3000)
        self.assertIn("[These are lines 1 to 2000 of 3000. Go on with offset=2001.]", self.done(path="lines").text)
        self.put("bytes", ("x" * 1023 + "\n") * 100)
        self.assertIn("[These are lines 1 to 50 of 100. Go on with offset=51.]", self.done(path="bytes").text)
        self.put("line", "y" * 100_000 + "\nz")
        text = self.done(path="line").text
        self.assertIn("Line 1 is too long to be shown whole. These are lines 1 to 1 of 2. Go on with offset=2.", text)
        self.assertLess(len(text), 52_000)

    def test_skills(self) -> None:
        """Instructions of skills can be read wherever they are, and nothing beside them."""
        skills = self.place / "skills"
        (skills / "weather").mkdir(parents=True)
        (skills / "weather" / "SKILL.md").write_text("Look out of the window.\n")
        (skills / "weather" / "out").symlink_to(self.place / "secret")
        self.context.agent = replace(self.context.agent, skill_directories=(str(self.root / "skills"), str(skills)))
        self.assertEqual(self.done(path=f"{skills}/weather/SKILL.md").text, "Look out of the window.\n")
        self.refused("outside", path=f"{skills}/weather/out")
        self.refused("outside", path=f"{skills}/../secret")
        self.refused("outside", path=f"{skills}-other/x")

    def test_huge(self) -> None:
        """A huge file costs no more than its beginning."""
        with self.put("huge", "first\n").open("r+b") as file:
            file.seek(1 << 20)
            file.write(b"\n")
            file.truncate(1 << 40)
        self.refused("not a text file", path="huge")
        self.put("huge", b"a" * 9000).open("r+b").truncate(1 << 40)
        self.assertIn("of many", self.done(path="huge").text)

    def test_images(self) -> None:
        """An image goes to the model as one, known by its first bytes and not by its name."""
        self.put("picture.txt", PNG)
        result = self.done(path="picture.txt")
        self.assertEqual(result.images, (ImagePart(data=base64.b64encode(PNG).decode(), mime_type="image/png"),))
        self.assertIn("image/png, 72 bytes", result.text)
        for head in (b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP"):
            self.put("other", head)
            self.assertEqual(len(self.done(path="other").images), 1)

    def test_large_image(self) -> None:
        """An image that no provider takes is refused."""
        self.put("big", PNG + bytes(MAX_IMAGE_BYTES))
        self.refused("larger than 5 MiB", path="big")

    def test_binary(self) -> None:
        """What is neither text nor an image is refused."""
        self.put("program", b"\x7fELF\0\0")
        self.refused("not a text file", path="program")
        self.put("photo.heic", b"\0\0\0\x18ftypheic\0\0")
        self.refused("not a text file", path="photo.heic")

    def test_directory(self) -> None:
        """Of a directory the names are listed, so many at most."""
        self.put("d/b", "")
        self.put("d/a/x", "")
        result = self.done(path="d")
        self.assertEqual(result.text, "d is a directory. In it are:\na/\nb")
        self.assertEqual(result.details["entries"], ["a/", "b"])
        (self.root / "none").mkdir()
        self.assertIn("[nothing]", self.done(path="none").text)
        for number in range(MAX_ENTRIES + 1):
            self.put(f"many/{number}", "")
        self.assertEqual(len(self.done(path="many").details["entries"]), MAX_ENTRIES)
        self.assertIn("more than these", self.done(path="many").text)

    def test_confined(self) -> None:
        """Nothing outside of the workspace, unless the configuration allows it; looked at anew for each call."""
        (self.root / "link").symlink_to(self.place / "secret")
        os.mkfifo(self.root / "pipe")
        for path in ("../secret", str(self.place / "secret"), "link", "~/secret", ".."):
            self.refused("outside of the workspace", path=path)
        self.refused("not a regular file", path="pipe")
        self.refused("There is no file nothing.", path="nothing")
        self.configure(tools={"fs": {"workspaceOnly": False}})
        for path in ("../secret", str(self.place / "secret"), "link", "~/secret"):
            self.assertEqual(self.done(path=path).text, "outside\n")
        self.configure(
            tools={"fs": {"workspaceOnly": False}},
            agents={"list": [{"id": "main", "tools": {"fs": {"workspaceOnly": True}}}]},
        )
        self.refused("outside of the workspace", path="../secret")

    def test_concurrent(self) -> None:
        """Several files may be read at the same time."""
        assert isinstance(self.tool, ConcurrentTool)
        self.assertTrue(self.tool.concurrent)
