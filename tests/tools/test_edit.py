# -*- test-case-name: tests.tools.test_edit -*-
"""C{edit}."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred

from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.tools.builtin.edit import Edit
from openclaw_tx.tools.confined import Files, Found
from openclaw_tx.tools.file_tool import MAX_FILE_BYTES
from tests.tools.doubles import result_of
from tests.tools.file_case import FileToolCase


class Busy(Files):
    """Somebody else writes the file right after it was read."""

    def read(self, path: str, limit: int) -> Found:
        """Read, and let the other one write."""
        found = super().read(path, limit)
        Path(found.path).write_bytes(b"somebody else's a\n")
        return found


class BusyEdit(Edit):
    """The tool in such company."""

    def files(self, context: object) -> Files:
        """The workspace."""
        return Busy(self.root)


class EditTests(FileToolCase):
    """What is in the file then."""

    kind = Edit

    def test_edit(self) -> None:
        """A passage is replaced, also by the names that other programs have for the parameters."""
        file = self.put("a.py", "x = 1\ny = 2\n")
        self.assertEqual(self.done(path="a.py", oldText="x = 1", newText="x = 3").text, "Changed a.py.")
        self.done(file_path="a.py", old_string="y = 2\n", new_string="")
        self.assertEqual(file.read_text(), "x = 3\n")

    def test_bytes(self) -> None:
        """Bytes that are no text, line endings and the mark stay as they are."""
        file = self.put("a", b"\xef\xbb\xbf\xff\xfe x\r\ny\r\n")
        self.done(path="a", oldText="x\ny", newText="1\n2")
        self.assertEqual(file.read_bytes(), b"\xef\xbb\xbf\xff\xfe 1\r\n2\r\n")

    def test_refused(self) -> None:
        """A file that is not there, is too large or elsewhere; a passage that is not there once."""
        self.put("a", "x x")
        self.refused("There is no file b.", path="b", oldText="x", newText="y")
        self.refused("2 times", path="a", oldText="x", newText="y")
        self.refused("not in the file", path="a", oldText="z", newText="y")
        self.refused("outside", path="../secret", oldText="outside", newText="y")
        self.put("big", b"").open("r+b").truncate(MAX_FILE_BYTES + 1)
        self.refused("larger than", path="big", oldText="x", newText="y")

    def test_changed_meanwhile(self) -> None:
        """What somebody else has just written is not overwritten."""
        file = self.put("a", "a\n")
        tool = BusyEdit(Config, in_reactor_thread, dict)
        tool.root = str(self.root)
        result = result_of(self, tool.call({"path": "a", "oldText": "a", "newText": "b"}, self.context))
        self.assertIn("changed by somebody else", result.text)
        self.assertEqual(file.read_text(), "somebody else's a\n")

    def test_in_a_thread(self) -> None:
        """Nothing is done on the reactor's thread; a call that is cancelled stops waiting."""
        handed: list[Deferred[object]] = []

        def later(*arguments: object) -> Deferred[object]:
            handed.append(Deferred())
            return handed[-1]

        file = self.put("a", "a\n")
        tool = Edit(Config, later, dict)  # type: ignore[arg-type]
        call = Deferred.fromCoroutine(tool.call({"path": "a", "oldText": "a", "newText": "b"}, self.context))
        self.assertEqual((len(handed), file.read_text()), (1, "a\n"))
        call.cancel()
        self.failureResultOf(call)
