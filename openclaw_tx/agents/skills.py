# -*- test-case-name: tests.agents.test_skills -*-
"""Skills: instructions for a kind of work, of which the prompt tells only that they are there (docs/agents.md).

A skill is a directory with a C{SKILL.md}, whose head has its name and says what it is good for. The model reads the
rest when it needs it, so a hundred skills cost a hundred lines.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from openclaw_tx.agents.front_matter import front_matter
from openclaw_tx.agents.workspace import Fingerprint, fingerprint, read_inside, text_of

FILE = "SKILL.md"

MAX_LISTED, MAX_ENTRIES = 5000, 500
"""Names read of one place, and directories looked into there, in alphabetical order; more are not seen."""

MAX_SKILLS = 150
"""Skills read from one place, and listed in one prompt."""

MAX_HEAD_BYTES = 16 * 1024
"""Read of one C{SKILL.md}: its head has to end within."""

MAX_NAME = 64
MAX_DESCRIPTION = 1024
"""Characters, as the format has it; more is cut."""


class Skill(NamedTuple):
    """One skill."""

    name: str
    description: str
    """One line."""
    path: str
    """Its C{SKILL.md}."""


class SkillDirectory:
    """The skills below one directory.

    L{refresh} costs one C{stat} for the directory and one for each entry in it; only a C{SKILL.md} whose fingerprint
    changed is read.
    """

    def __init__(self, directory: str) -> None:
        """@param directory: absolute path; it need not exist."""
        self._directory = directory
        self._print: Fingerprint = None
        self._names: tuple[str, ...] = ()
        self._cached: dict[str, tuple[Fingerprint, Skill | None]] = {}
        self.skills: tuple[Skill, ...] = ()
        """In alphabetical order of their directories; the same object as long as nothing changes."""

    def refresh(self) -> tuple[Skill, ...]:
        """Look for changes.

        @return: L{skills}.
        """
        found = fingerprint(self._directory)
        if found is None:
            self._print, self._names, self._cached, self.skills = None, (), {}, ()
            return ()
        if found != self._print:
            self._print, self._names = found, _subdirectories(self._directory)
            self._cached = {name: self._cached[name] for name in self._names if name in self._cached}
        skills = tuple(islice(filter(None, map(self._look, self._names)), MAX_SKILLS))
        if skills != self.skills:
            self.skills = skills
        return self.skills

    def _look(self, name: str) -> Skill | None:
        path = f"{self._directory}/{name}/{FILE}"
        found = fingerprint(path)
        if found is None:
            self._cached.pop(name, None)
            return None
        known = self._cached.get(name)
        if known is None or known[0] != found:
            known = self._cached[name] = (found, _read(self._directory, name, path))
        return known[1]


def _subdirectories(directory: str) -> tuple[str, ...]:
    """Names of what may be a skill; not hidden ones, nor such as could not stand in a line of the prompt."""
    try:
        with os.scandir(directory) as entries:
            listed = [entry.name for entry in islice(entries, MAX_LISTED)]
    except OSError:
        return ()
    names = sorted(name for name in listed if name.isprintable() and not name.startswith("."))
    return tuple(names[:MAX_ENTRIES])


def _read(directory: str, folder: str, path: str) -> Skill | None:
    """A skill; None for one without a head, without a description, that leads out of the directory, or that says that
    models are not to choose it by themselves."""
    data, problem = read_inside(directory, path, MAX_HEAD_BYTES)
    head = front_matter(text_of(data)) if not problem else None
    if head is None or head.get("disable-model-invocation", "").lower() == "true":
        return None
    name = one_line(head.get("name", "") or folder, MAX_NAME)
    description = one_line(head.get("description", ""), MAX_DESCRIPTION)
    return Skill(name, description, path) if name and description else None


def one_line(text: str, limit: int) -> str:
    """C{text} on one line, without control characters, in at most C{limit} characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


class SkillFilter(NamedTuple):
    """Which of the skills there are an agent is told of. Hashable."""

    only: tuple[str, ...] | None = None
    """Their names (C{agents.list[].skills}, C{agents.defaults.skills}); None = all."""
    hidden: tuple[str, ...] = ()
    """Names of those that C{skills.entries} turns off."""

    def choose(self, found: Sequence[Sequence[Skill]]) -> tuple[Skill, ...]:
        """
        @param found: the skills of each directory; of two with one name the first counts.
        """
        by_name: dict[str, Skill] = {}
        for skills in found:
            for skill in skills:
                by_name.setdefault(skill.name, skill)
        return tuple(
            skill
            for name, skill in by_name.items()
            if name not in self.hidden and (self.only is None or name in self.only)
        )


__all__ = ["FILE", "MAX_SKILLS", "Skill", "SkillDirectory", "SkillFilter", "one_line"]
