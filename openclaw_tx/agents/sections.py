# -*- test-case-name: tests.agents.test_prompt -*-
"""The sections of a system prompt, each for itself (spec 3.3). Pure; all of it depends on the arguments only.

What is not here: documentation (there is none on the machine), the user's numbers, reply tags, voice and reactions
(no channel of this gateway has them), and a form for reasoning (providers tell it apart).
"""

from __future__ import annotations

import platform
from collections.abc import Collection, Sequence
from typing import NamedTuple

from openclaw_tx.agents.skills import MAX_SKILLS, Skill
from openclaw_tx.agents.workspace import WorkspaceFile, clipped
from openclaw_tx.values import FileState, PromptFile, PromptSkill

SUMMARY_CHARS = 160
"""Longest one-line summary of a tool."""

SKILLS_CHARS = 30_000
"""Longest list of skills."""

MIN_FILE_CHARS = 200
"""Less room than this is not worth showing a file in."""

SILENT_TOKEN = "NO_REPLY"
"""An answer that is only this is not shown to anybody."""

HEARTBEAT_TOKEN = "HEARTBEAT_OK"
"""The answer to a heartbeat when nothing needs attention."""

ONCE = "BOOTSTRAP.md"
"""Deleted when it has been followed, so that its absence is nothing to tell of."""

MISSING = "(Missing; expected at {})"

NOTE = "## Workspace files\nFiles of your workspace that the user keeps for you follow below, under Project Context."

STYLE = (
    "## Calling tools\nCall a tool without announcing it. Say a few words first only where they help: before work of "
    "many steps, before anything that can not be undone, or when you are asked to. Call tools; never write a call as "
    "text."
)

COMMAND_LINE = (
    "## Command line\nThe gateway that you run in is looked after with `openclaw-tx`: `openclaw-tx health`, "
    "`openclaw-tx models list`, `openclaw-tx agents prompt`, `openclaw-tx config check`. `openclaw-tx --help` lists "
    "the rest; invent no command. Starting and stopping the gateway is for its operator."
)

SILENT = (
    f"## Silent replies\nWhen nothing should be said, answer with exactly {SILENT_TOKEN} and not a word beside it. "
    f"Never add {SILENT_TOKEN} to a real answer."
)

HEARTBEATS = (
    "## Heartbeats\nA heartbeat is a message that only asks whether something needs attention. If nothing does, answer "
    f"with exactly {HEARTBEAT_TOKEN}. If something does, say what, without {HEARTBEAT_TOKEN}."
)


class Persona(NamedTuple):
    """How an agent presents itself (C{agents.list[].identity})."""

    name: str
    theme: str
    emoji: str


NO_PERSONA = Persona("", "", "")


def identity(persona: Persona) -> str:
    """Who the agent is, in one line."""
    line = "You are a personal assistant at work in an OpenClaw gateway."
    if persona.name:
        line = f"You are {persona.name}, a personal assistant at work in an OpenClaw gateway."
    if persona.theme:
        line += f" Your manner: {persona.theme}."
    if persona.emoji:
        line += f" Your emoji: {persona.emoji}."
    return line


def tooling(tools: Sequence[tuple[str, str]]) -> str:
    """The allowed tools, a line each."""
    if not tools:
        return "## Tooling\nYou have no tools in this conversation: answer from what you know and were given."
    lines = [f"- {name}: {summary(description)}" for name, description in tools]
    return "\n".join(["## Tooling\nThese are your tools. Call them by exactly these names; case matters.", *lines])


def summary(description: str) -> str:
    """The first sentence of a tool's description, on one line."""
    line = " ".join(description.split())
    end = line.find(". ")
    if end >= 0:
        line = line[: end + 1]
    return line if len(line) <= SUMMARY_CHARS else line[: SUMMARY_CHARS - 3] + "..."


def skill_list(skills: Sequence[Skill]) -> tuple[str, tuple[PromptSkill, ...]]:
    """What there are instructions for, and where they are.

    @return: the section, "" without skills; and the skills that are in it.
    """
    listed: list[PromptSkill] = []
    lines: list[str] = []
    room = SKILLS_CHARS
    for skill in skills[:MAX_SKILLS]:
        line = f"- {skill.name}: {skill.description} ({skill.path})"
        room -= len(line) + 1
        if room < 0:
            break
        lines.append(line)
        listed.append(PromptSkill(name=skill.name, chars=len(line)))
    if not lines:
        return "", ()
    if len(lines) < len(skills):
        lines.append(f"({len(skills) - len(lines)} more are not listed.)")
    return "\n".join([SKILLS, *lines]), tuple(listed)


SKILLS = (
    "## Skills\nThere are instructions for some kinds of work. When a task fits one of these descriptions, read its "
    "file with `read` before you begin, and follow it; of several take the one that fits best; when none fits, read "
    "none. Paths in such a file start at its directory."
)


def memory(tools: Collection[str]) -> str:
    """How to remember; "" without tools for it."""
    search, get = "memory_search" in tools, "memory_get" in tools
    if not search and not get:
        return ""
    how = "search with `memory_search`" if search else "read `MEMORY.md` with `memory_get`"
    if search and get:
        how += ", then read just the lines that you need with `memory_get`"
    return (
        "## Memory recall\nYour memory is in `MEMORY.md` and `memory/*.md`. Before you answer anything about earlier "
        f"work, decisions, dates, people, preferences or open tasks, {how}. If you do not find it, say that you looked."
    )


def model_aliases(aliases: Sequence[tuple[str, str]]) -> str:
    """Short names of models; "" when there are none."""
    if not aliases:
        return ""
    lines = [f"- {alias}: {ref}" for alias, ref in aliases]
    return "\n".join(["## Model aliases\nWherever a model is named, these names will do as well.", *lines])


def working_directory(directory: str) -> str:
    """Where the agent works."""
    return f"## Workspace\nYour working directory is {directory}. Paths are relative to it."


def date(timezone: str, tools: Collection[str]) -> str:
    """The time zone, and where to learn the time. The time itself would make each prompt a new one to the provider's
    cache."""
    hint = " Call session_status when you need the current date or time." if "session_status" in tools else ""
    return f"## Date and time\nTime zone of the user: {timezone}.{hint}"


def runtime(agent: str, model: str, channel: str, thinking: str) -> str:
    """One line about what the agent runs on."""
    facts = {
        "agent": agent,
        "host": platform.node(),
        "os": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "model": model,
        "channel": channel,
        "thinking": thinking,
    }
    return "## Runtime\n" + " | ".join(f"{name}={value}" for name, value in facts.items() if value)


def project_context(
    files: Sequence[WorkspaceFile], file_chars: int, total_chars: int
) -> tuple[str, tuple[PromptFile, ...]]:
    """The workspace files with their names, in order, each and all of them within their limits.

    @return: the section, "" when there is nothing to show; and how each file fared.
    """
    shown, report = fitted([(file, _in_place_of(file)) for file in files], file_chars, total_chars)
    if not shown:
        return "", report
    lines = ["# Project Context\nThe files of your workspace follow; the user keeps them for you."]
    if any(file.name == "SOUL.md" and file.text for file in files):
        lines.append("SOUL.md says who you are: take on its persona and tone, unless a rule of higher rank forbids it.")
    lines += [f"## {name}\n{text}" for name, text in shown]
    return "\n\n".join(lines), report


def _in_place_of(file: WorkspaceFile) -> str:
    """What to show of a file."""
    if file.missing:
        return "" if file.name == ONCE else MISSING.format(file.path)
    return f"(Not shown: {file.problem}.)" if file.problem else file.text


def fitted(
    texts: Sequence[tuple[WorkspaceFile, str]], file_chars: int, room: int
) -> tuple[list[tuple[str, str]], tuple[PromptFile, ...]]:
    """Texts of files, each in C{file_chars} characters and all in C{room}: the first ones whole, the one that crosses
    the limit clipped, the rest not.

    @return: names and texts to show; and how each file fared.
    """
    kept: list[tuple[str, str]] = []
    report: list[PromptFile] = []
    for file, whole in texts:
        text = clipped(whole, file_chars)
        if len(text) > room:
            text = clipped(text, room) if room >= MIN_FILE_CHARS else ""
            room = 0
        room -= len(text)
        if text:
            kept.append((file.name, text))
        report.append(
            PromptFile(
                name=file.name,
                path=file.path,
                state=_state(file, whole, text),
                raw_chars=len(file.text),
                chars=len(text),
                problem="" if file.missing else file.problem,
            )
        )
    return kept, tuple(report)


def _state(file: WorkspaceFile, whole: str, text: str) -> FileState:
    if file.problem:
        return "missing" if file.missing else "refused"
    if not whole:
        return "empty" if not file.text else "left_out"
    if not text:
        return "left_out"
    return "whole" if text == whole else "cut"


__all__ = ["HEARTBEAT_TOKEN", "NO_PERSONA", "SILENT_TOKEN", "Persona"]
