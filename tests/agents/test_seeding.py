# -*- test-case-name: tests.agents.test_seeding -*-
"""Making workspaces."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.agents.seeding import Seeding
from openclaw_tx.agents.workspace import STANDARD, has_content, templates


class TemplateTests(SynchronousTestCase):
    """What new workspaces hold."""

    def test_all_of_them(self) -> None:
        """One for each standard file, short; that for heartbeats has nothing to do in it."""
        found = templates()
        self.assertEqual(tuple(found), STANDARD)
        self.assertLess(sum(map(len, found.values())), 4000)
        for name, text in found.items():
            self.assertTrue(text.startswith(f"# {name}\n"), name)
            self.assertEqual(has_content(text), name != "HEARTBEAT.md", name)


class SeedingTests(SynchronousTestCase):
    """One workspace."""

    def setUp(self) -> None:
        """A state directory, and a workspace deep in nowhere."""
        self.top = Path(self.mktemp()).absolute()
        self.workspace = self.top / "home" / "work"
        self.new: list[str] = []
        self.seeding = self.again()

    def again(self) -> Seeding:
        """The next process."""
        return Seeding(str(self.top / "state"), self.new.append)

    def prepare(self, seeding: Seeding | None = None, *, bare: bool = False) -> list[str]:
        """Use the workspace.

        @return: what is in it then.
        """
        (seeding or self.seeding).prepare(str(self.workspace), bare=bare)
        return sorted(os.listdir(self.workspace))

    def test_new(self) -> None:
        """Directory and files come into being, for their owner only, and it is told."""
        self.assertEqual(self.prepare(), sorted(STANDARD))
        self.assertEqual((self.workspace / "AGENTS.md").read_text(), templates()["AGENTS.md"])
        for path, mode in (
            (self.workspace.parent, 0o700),
            (self.workspace, 0o700),
            (self.workspace / "SOUL.md", 0o600),
        ):
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), mode)
        self.assertEqual(self.new, [str(self.workspace)])
        self.prepare(self.again())
        self.assertEqual(len(self.new), 1)

    def test_deleted_stays_deleted(self) -> None:
        """Neither in this process nor in the next one does a file come back: not one, not all, not the directory's."""
        self.prepare()
        (self.workspace / "BOOTSTRAP.md").unlink()
        (self.workspace / "SOUL.md").write_text("mine")
        for seeding in (self.seeding, self.again()):
            self.assertNotIn("BOOTSTRAP.md", self.prepare(seeding))
            self.assertEqual((self.workspace / "SOUL.md").read_text(), "mine")
        for name in os.listdir(self.workspace):
            (self.workspace / name).unlink()
        self.assertEqual(self.prepare(self.again()), [])
        self.workspace.rmdir()
        self.assertEqual(self.prepare(self.again()), [])

    def test_somebodys(self) -> None:
        """Where any of the standard files is, or a memory, nothing is added; also not after they are deleted."""
        for name in ("SOUL.md", "MEMORY.md", "memory"):
            self.workspace = self.top / f"of-{name}"
            self.workspace.mkdir(parents=True)
            (self.workspace / name).write_text("mine")
            self.assertEqual(self.prepare(), [name])
            (self.workspace / name).unlink()
            self.assertEqual(self.prepare(self.again()), [])
        self.assertEqual(self.new, [])

    def test_dangling_link(self) -> None:
        """A link that leads nowhere is somebody's too, and nothing is written through it."""
        self.workspace.mkdir(parents=True)
        (self.workspace / "AGENTS.md").symlink_to(self.top / "elsewhere")
        self.assertEqual(self.prepare(), ["AGENTS.md"])
        self.assertFalse((self.top / "elsewhere").exists())

    def test_directory_with_other_things(self) -> None:
        """A directory of other things gets the files, but is not new."""
        self.workspace.mkdir(parents=True)
        (self.workspace / "notes.txt").write_text("x")
        self.assertEqual(self.prepare(), sorted([*STANDARD, "notes.txt"]))
        self.assertEqual(self.new, [])

    def test_bare(self) -> None:
        """With skipBootstrap there is a directory and nothing in it; without it again the files come."""
        self.assertEqual(self.prepare(bare=True), [])
        self.assertEqual(self.prepare(bare=False), sorted(STANDARD))

    def test_no_disk(self) -> None:
        """What can not be made is logged once, and fails nothing."""
        self.top.mkdir()
        (self.top / "home").write_text("a file")
        with capturedLogs() as logs:
            for _ in range(3):
                self.seeding.prepare(str(self.workspace), bare=False)
        self.assertEqual([event["log_level"] for event in logs], [LogLevel.warn])
        self.assertEqual(logs[0]["workspace"], str(self.workspace))

    def test_no_state_directory(self) -> None:
        """When only the note can not be written the workspace is there all the same."""
        self.top.mkdir()
        (self.top / "state").write_text("a file")
        with capturedLogs() as logs:
            self.assertEqual(self.prepare(), sorted(STANDARD))
        self.assertEqual(len(logs), 1)
