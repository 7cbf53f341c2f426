# -*- test-case-name: tests.agents.test_skills -*-
"""Skills: where they are found, and which of them count."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.agents.skills import MAX_HEAD_BYTES, MAX_SKILLS, Skill, SkillDirectory, SkillFilter, one_line


class SkillDirectoryTests(SynchronousTestCase):
    """One directory of skills."""

    def setUp(self) -> None:
        """A directory that does not exist yet."""
        self.root = Path(self.mktemp()).absolute()
        self.skills = SkillDirectory(str(self.root))

    def write(self, folder: str, text: str = "---\ndescription: Does things.\n---\n") -> Path:
        """Put a skill there."""
        path = self.root / folder / "SKILL.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def names(self) -> list[str]:
        """Names of the skills that there are now."""
        return [skill.name for skill in self.skills.refresh()]

    def test_found(self) -> None:
        """Name, description and place; a name of the head goes before that of the directory."""
        self.assertEqual(self.skills.refresh(), ())
        first = self.write("b", "---\nname: better\ndescription: >\n  Makes it\n  better.\n---\nHow.\n")
        second = self.write("a")
        self.assertEqual(
            self.skills.refresh(),
            (Skill("a", "Does things.", str(second)), Skill("better", "Makes it better.", str(first))),
        )

    def test_passed_over(self) -> None:
        """What is hidden, has no head or no description, is no directory, or that models are not to choose."""
        self.write(".hidden")
        self.write("two\n## lines")
        self.write("headless", "# How\n")
        self.write("nameless", "---\nname: x\n---\n")
        self.write("manual", "---\ndescription: d\ndisable-model-invocation: true\n---\n")
        self.write("endless", "---\ndescription: d\nx: " + "y" * MAX_HEAD_BYTES + "\n---\n")
        (self.root / "SKILL.md").write_text("---\ndescription: d\n---\n")
        (self.root / "empty").mkdir()
        (self.root / "odd").mkdir()
        os.mkfifo(self.root / "odd" / "SKILL.md")
        self.assertEqual(self.names(), [])

    def test_long_body(self) -> None:
        """Only the beginning of a file is read, so that its length does not matter."""
        self.write("a", "---\ndescription: d\n---\n" + "x" * 3_000_000)
        self.assertEqual(self.names(), ["a"])

    def test_links(self) -> None:
        """A link that leads out is not followed, one that stays is; the directory itself may be one."""
        outside = self.root.parent / f"{self.root.name}-outside"
        outside.mkdir()
        (outside / "SKILL.md").write_text("---\ndescription: secret\n---\n")
        self.write("real")
        (self.root / "link").symlink_to(outside)
        (self.root / "file").mkdir()
        (self.root / "file" / "SKILL.md").symlink_to(outside / "SKILL.md")
        (self.root / "twin").symlink_to("real")
        self.assertEqual(self.names(), ["real", "twin"])
        alias = self.root.parent / f"{self.root.name}-alias"
        alias.symlink_to(self.root)
        self.assertEqual([skill.name for skill in SkillDirectory(str(alias)).refresh()], ["real", "twin"])

    def test_changes(self) -> None:
        """New, changed and deleted skills are seen; without a change the very same object is given."""
        path = self.write("a")
        (self.root / "b").mkdir()
        first = self.skills.refresh()
        self.assertIs(self.skills.refresh(), first)
        os.utime(path, ns=(1, 1))
        self.assertIs(self.skills.refresh(), first)
        self.write("b")
        self.assertEqual(self.names(), ["a", "b"])
        self.write("a", "---\ndescription: Other.\n---\n")
        self.assertEqual(self.skills.refresh()[0].description, "Other.")
        path.unlink()
        self.assertEqual(self.names(), ["b"])

    def test_unchanged_is_not_read(self) -> None:
        """A skill is read again only when its file looks changed."""
        path = self.write("a")
        self.write("b")
        self.skills.refresh()
        before = path.stat()
        text = path.read_text().replace("things", "THINGS")
        with path.open("r+") as file:
            file.write(text)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.assertEqual(self.skills.refresh()[0].description, "Does things.")
        self.write("b", "---\ndescription: Other.\n---\n")
        self.assertEqual([skill.description for skill in self.skills.refresh()], ["Does things.", "Other."])
        os.utime(path, ns=(1, 1))
        self.assertEqual(self.skills.refresh()[0].description, "Does THINGS.")

    def test_bounds(self) -> None:
        """So many and no more, each in one bounded line."""
        for number in range(MAX_SKILLS + 5):
            self.write(f"s{number:03}", f"---\nname: {'n' * 100}\ndescription: {'d' * 2000}\n---\n")
        found = self.skills.refresh()
        self.assertEqual(len(found), MAX_SKILLS)
        self.assertEqual((len(found[0].name), len(found[0].description)), (64, 1024))

    def test_one_line(self) -> None:
        """Nothing in a head can begin a line of the prompt."""
        self.assertEqual(one_line("a\n\n## Rules\t\x1b[0m\u2028b", 100), "a ## Rules [0m b")


class SkillFilterTests(SynchronousTestCase):
    """Which skills an agent is told of."""

    FOUND = (
        (Skill("a", "of the workspace", "/w/a"), Skill("b", "b", "/w/b")),
        (Skill("a", "of the state", "/s/a"), Skill("c", "c", "/s/c")),
    )

    def test_precedence(self) -> None:
        """The first directory that has a name counts."""
        self.assertEqual([skill.path for skill in SkillFilter().choose(self.FOUND)], ["/w/a", "/w/b", "/s/c"])

    def test_filter(self) -> None:
        """A list of names, an empty one, and names that are off; one that is off does not bring back a twin."""
        for chosen, names in (
            (SkillFilter(only=("c", "nope", "a")), ["a", "c"]),
            (SkillFilter(only=()), []),
            (SkillFilter(hidden=("a",)), ["b", "c"]),
            (SkillFilter(only=("a", "b"), hidden=("a",)), ["b"]),
        ):
            self.assertEqual([skill.name for skill in chosen.choose(self.FOUND)], names)
