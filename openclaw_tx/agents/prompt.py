# -*- test-case-name: tests.agents.test_prompt -*-
"""The system prompt of a run, and what it is made of (spec 3.3, docs/agents.md).

Sections, in the order of L{full_prompt}, and last the client's own instructions. So an agent's own rules always come
before what a client adds, and all that varies from client to client stands behind what a provider can cache.

What is ours takes at most a quarter of the model's context window, at three characters a token. Sections that do not
fit are left out in the order of L{DROP_ORDER}; after them the workspace files are cut shorter. Identity and the
client's instructions are never cut. Models with a window of L{SHORT_WINDOW} tokens or less get identity, what the user
wrote into the workspace files, and the client's instructions, and no more: such models answer badly to long prompts.

The same inputs give the same string object, as long as no file changes its content.
"""

from __future__ import annotations

import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from openclaw_tx.agents import sections as say
from openclaw_tx.agents.sections import HEARTBEAT_TOKEN, NO_PERSONA, SILENT_TOKEN, Persona
from openclaw_tx.agents.skills import Skill, SkillDirectory, SkillFilter
from openclaw_tx.agents.workspace import Workspace, WorkspaceFile, templates
from openclaw_tx.values import Agent, PromptFile, PromptMode, PromptSection, PromptSkill

SHORT_WINDOW = 8192
"""Tokens: models with a window of this or less get the short prompt."""

CHARS_PER_TOKEN = 3
"""A low estimate, so that the share of the window is kept in most languages."""

SHARE = 4
"""One part in this many of the window is for the system prompt."""

DROP_ORDER = (
    "cli",
    "aliases",
    "heartbeats",
    "silent",
    "runtime",
    "note",
    "style",
    "memory",
    "date",
    "skills",
    "tooling",
    "workspace",
)
"""Sections that may be left out, first one first."""

SUBAGENT_FILES = ("AGENTS.md", "TOOLS.md")
"""What sub-agents get of the workspace."""

MAX_PROMPTS = 128
"""Prompts, workspaces and directories of skills kept; the one unused for longest goes."""

FRESH_SECONDS = 0.05
"""So many runs begin in the time that a person takes to save a file and ask a question that it is not worth a dozen
system calls for each of them to find out that nobody did."""

MAX_KEPT_EXTRA = 16_000
"""Characters: client's instructions longer than this are put behind the prompt anew each time."""

HEADING = "## Instructions of this conversation"


class PromptInput(NamedTuple):
    """All that decides about a prompt but for what is in the workspace and the client's instructions. Hashable."""

    agent: Agent
    persona: Persona
    model: str
    context_window: int
    channel: str
    timezone: str
    tools: tuple[tuple[str, str], ...]
    """Name and description of each allowed tool."""
    file_chars: int
    """Most characters of one workspace file."""
    total_chars: int
    """Most characters of all workspace files."""
    mode: PromptMode = "full"
    thinking: str = ""
    """Level that the run asks for; "" = none."""
    aliases: tuple[tuple[str, str], ...] = ()
    """Short names of models, and the refs they stand for."""
    skills: SkillFilter = SkillFilter()


class Prompt(NamedTuple):
    """A prompt and what it is made of."""

    text: str
    mode: str
    """As in L{openclaw_tx.values.PromptReport}."""
    sections: tuple[PromptSection, ...]
    left_out: tuple[str, ...] = ()
    files: tuple[PromptFile, ...] = ()
    skills: tuple[PromptSkill, ...] = ()


class _Own(NamedTuple):
    """The part of a prompt that is not the client's, and what it was made from."""

    files: tuple[WorkspaceFile, ...]
    found: tuple[tuple[Skill, ...], ...]
    prompt: Prompt


class Prompts:
    """Prompts that were put together before; an unchanged one costs its files' C{stat} calls, now and then, and a
    lookup."""

    def __init__(self, seconds: Callable[[], float] | None = None) -> None:
        """
        @param seconds: tells the time; files that were looked at L{FRESH_SECONDS} ago are not looked at again. None =
            they always are.
        """
        self._seconds = seconds
        self._looked: dict[tuple[str, str], float] = {}
        self._templates = {name: text.strip() for name, text in templates().items()}
        self._workspaces: OrderedDict[str, Workspace] = OrderedDict()
        self._skills: OrderedDict[str, SkillDirectory] = OrderedDict()
        self._prompts: OrderedDict[tuple[PromptInput, int], _Own] = OrderedDict()
        self._whole: OrderedDict[tuple[PromptInput, int, str], tuple[Prompt, Prompt]] = OrderedDict()

    def get(self, given: PromptInput, extra: str) -> Prompt:
        """The prompt of a run.

        @param extra: the client's own instructions; "" for none.
        """
        extra = extra.strip()
        budget = given.context_window * CHARS_PER_TOKEN // SHARE
        own = self._own(given, budget)
        if not extra:
            return own
        if len(own.text) + len(extra) > budget:
            budget = max(0, budget - len(extra))
            own = self._own(given, budget)
        if len(extra) > MAX_KEPT_EXTRA:
            return _with_extra(own, extra)
        key = (given, budget, extra)
        known = _kept(self._whole, key)
        if known is None or known[0] is not own:
            known = _keep(self._whole, key, (own, _with_extra(own, extra)))
        return known[1]

    def _own(self, given: PromptInput, budget: int) -> Prompt:
        """The part that is not the client's, in C{budget} characters."""
        files: tuple[WorkspaceFile, ...] = ()
        found: tuple[tuple[Skill, ...], ...] = ()
        if given.mode != "none":
            files = self._files(given.agent.workspace)
        if given.mode == "full" and _has(given, "read"):
            found = tuple(map(self._skills_in, given.agent.skill_directories))
        key = (given, budget)
        known = _kept(self._prompts, key)
        if known is not None and known.files == files and known.found == found:
            return known.prompt
        if given.mode == "none":
            prompt = bare_prompt(given)
        elif given.context_window <= SHORT_WINDOW:
            prompt = short_prompt(given, files, budget, self._templates)
        else:
            prompt = full_prompt(given, files, given.skills.choose(found), budget)
        return _keep(self._prompts, key, _Own(files, found, prompt)).prompt

    def _files(self, directory: str) -> tuple[WorkspaceFile, ...]:
        workspace = _kept(self._workspaces, directory)
        if workspace is None:
            workspace = _keep(self._workspaces, directory, Workspace(directory))
        if not self._is_fresh("files", directory):
            workspace.refresh()
        return workspace.files

    def _skills_in(self, directory: str) -> tuple[Skill, ...]:
        skills = _kept(self._skills, directory)
        if skills is None:
            skills = _keep(self._skills, directory, SkillDirectory(directory))
        return skills.skills if self._is_fresh("skills", directory) else skills.refresh()

    def _is_fresh(self, what: str, directory: str) -> bool:
        """Whether a directory was looked at a moment ago for that. Notes that it is now, if not."""
        if self._seconds is None:
            return False
        now = self._seconds()
        if 0 <= now - self._looked.get((what, directory), -FRESH_SECONDS) < FRESH_SECONDS:
            return True
        if len(self._looked) >= MAX_PROMPTS:
            self._looked.clear()
        self._looked[what, directory] = now
        return False


K = TypeVar("K")
V = TypeVar("V")


def _kept(cache: OrderedDict[K, V], key: K) -> V | None:
    found = cache.get(key)
    if found is not None:
        cache.move_to_end(key)
    return found


def _keep(cache: OrderedDict[K, V], key: K, value: V) -> V:
    cache[key] = value
    if len(cache) > MAX_PROMPTS:
        cache.popitem(last=False)
    return value


def _has(given: PromptInput, tool: str) -> bool:
    return any(name == tool for name, _ in given.tools)


def _with_extra(own: Prompt, extra: str) -> Prompt:
    """The prompt with the client's instructions at its end; a short one is spared the heading."""
    text = extra if own.mode == "short" else f"{HEADING}\n{extra}"
    section = PromptSection(name="instructions", chars=len(text))
    return own._replace(text=f"{own.text}\n\n{text}", sections=(*own.sections, section))


def bare_prompt(given: PromptInput) -> Prompt:
    """The identity line and nothing else."""
    text = say.identity(given.persona)
    return Prompt(text, "none", (PromptSection(name="identity", chars=len(text)),))


def short_prompt(
    given: PromptInput, files: Sequence[WorkspaceFile], budget: int, untouched: Mapping[str, str]
) -> Prompt:
    """The prompt for a model with a small window.

    @param untouched: what files hold that nobody has changed since they were put there; they say nothing.
    """
    name = given.persona.name if given.mode == "full" else ""
    identity = f"You are {name}, a helpful assistant." if name else "You are a helpful assistant."
    texts = [
        (file, "" if file.text == untouched.get(file.name) else file.text) for file in _for_mode(files, given.mode)
    ]
    shown, report = say.fitted(texts, given.file_chars, min(given.total_chars, budget - len(identity)))
    parts = {"identity": identity, "context": "\n\n".join(text for _, text in shown)}
    return _joined("short", parts, (), report, ())


def full_prompt(given: PromptInput, files: Sequence[WorkspaceFile], skills: Sequence[Skill], budget: int) -> Prompt:
    """The prompt for every other model: all of it, or what a sub-agent gets."""
    whole = given.mode == "full"
    names = {name for name, _ in given.tools}
    files = _for_mode(files, given.mode)
    skill_list, listed = say.skill_list(skills) if whole and "read" in names else ("", ())
    context, shown = say.project_context(files, given.file_chars, given.total_chars)
    parts = {
        "identity": say.identity(given.persona if whole else NO_PERSONA),
        "tooling": say.tooling(given.tools),
        "style": say.STYLE if names else "",
        "cli": say.COMMAND_LINE if "exec" in names else "",
        "skills": skill_list,
        "memory": say.memory(names) if whole else "",
        "aliases": say.model_aliases(given.aliases) if whole else "",
        "workspace": say.working_directory(given.agent.workspace),
        "date": say.date(given.timezone, names),
        "note": say.NOTE if context else "",
        "context": context,
        "silent": say.SILENT if whole else "",
        "heartbeats": say.HEARTBEATS if whole else "",
        "runtime": say.runtime(given.agent.id, given.model, given.channel, given.thinking),
    }
    left_out = []
    for name in DROP_ORDER:
        if _size(parts) <= budget:
            break
        if parts.pop(name):
            left_out.append(name)
    room = min(given.total_chars, len(context))
    while parts["context"] and (over := _size(parts) - budget) > 0:
        room -= over
        parts["context"], shown = say.project_context(files, given.file_chars, max(0, room))
        if room < say.MIN_FILE_CHARS:
            parts["context"], shown = "", say.fitted([(file, file.text) for file in files], 0, 0)[1]
            left_out.append("context")
    return _joined(given.mode, parts, tuple(left_out), shown, listed if "skills" in parts else ())


def _for_mode(files: Sequence[WorkspaceFile], mode: PromptMode) -> Sequence[WorkspaceFile]:
    return files if mode == "full" else [file for file in files if file.name in SUBAGENT_FILES]


def _size(parts: Mapping[str, str]) -> int:
    return sum(len(text) + 2 for text in parts.values() if text)


def _joined(
    mode: str,
    parts: Mapping[str, str],
    left_out: tuple[str, ...],
    files: tuple[PromptFile, ...],
    skills: tuple[PromptSkill, ...],
) -> Prompt:
    present = {name: text for name, text in parts.items() if text}
    return Prompt(
        "\n\n".join(present.values()),
        mode,
        tuple(PromptSection(name=name, chars=len(text)) for name, text in present.items()),
        left_out,
        files,
        skills,
    )


def host_timezone(environment: Mapping[str, str]) -> str:
    """IANA name of the host's time zone: C{TZ}, else what /etc/localtime links to, else UTC."""
    name = environment.get("TZ", "").removeprefix(":").strip()
    if name and not name.startswith("/"):
        return name
    link = os.path.realpath(name or "/etc/localtime")
    _, found, zone = link.partition("/zoneinfo/")
    return zone if found and sys.platform != "win32" else "UTC"


__all__ = [
    "DROP_ORDER",
    "HEARTBEAT_TOKEN",
    "NO_PERSONA",
    "SHORT_WINDOW",
    "SILENT_TOKEN",
    "Persona",
    "Prompt",
    "PromptInput",
    "Prompts",
    "host_timezone",
]
