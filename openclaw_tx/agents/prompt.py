# -*- test-case-name: tests.agents.test_prompt -*-
"""The system prompt of a run (spec 3.3).

Sections, in this order: identity, Tooling, Workspace, Date and time, Project Context (the workspace files), Silent
replies, Heartbeats, Runtime, and last the client's own instructions. So an agent's own rules always come before what a
client adds, and all that varies from client to client stands behind what a provider can cache.

What is ours takes at most a quarter of the model's context window, at three characters a token. Sections that do not
fit are left out in the order of L{DROP_ORDER}; after them the workspace files are cut shorter. Identity and the
client's instructions are never cut. Models with a window of L{SHORT_WINDOW} tokens or less get identity, the workspace
files that exist, and the client's instructions, and no more: such models answer badly to long prompts.
"""

from __future__ import annotations

import os
import platform
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from openclaw_tx.agents.workspace import Workspace, WorkspaceFile, clipped
from openclaw_tx.values import Agent

SHORT_WINDOW = 8192
"""Tokens: models with a window of this or less get the short prompt."""

CHARS_PER_TOKEN = 3
"""A low estimate, so that the share of the window is kept in most languages."""

SHARE = 4
"""One part in this many of the window is for the system prompt."""

DROP_ORDER = ("heartbeats", "silent", "runtime", "date", "tooling", "workspace")
"""Sections that may be left out, first one first."""

MAX_PROMPTS = 128
"""Prompts and workspaces kept; the one unused for longest goes."""

SUMMARY_CHARS = 160
"""Longest one-line summary of a tool."""

SILENT_TOKEN = "NO_REPLY"
"""An answer that is only this is not shown to anybody."""

HEARTBEAT_TOKEN = "HEARTBEAT_OK"
"""The answer to a heartbeat when nothing needs attention."""


class Persona(NamedTuple):
    """How an agent presents itself (C{agents.list[].identity})."""

    name: str
    theme: str
    emoji: str


class PromptInput(NamedTuple):
    """All that decides about a prompt but for the workspace's content and the client's instructions. Hashable."""

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


class Prompts:
    """Prompts that were put together before; an unchanged one costs its workspace's C{stat} calls and a lookup."""

    def __init__(self) -> None:
        self._workspaces: OrderedDict[str, Workspace] = OrderedDict()
        self._prompts: OrderedDict[tuple[PromptInput, int], tuple[int, str]] = OrderedDict()

    def get(self, given: PromptInput, extra: str) -> str:
        """The prompt of a run.

        @param extra: the client's own instructions; "" for none.
        """
        extra = extra.strip()
        budget = given.context_window * CHARS_PER_TOKEN // SHARE
        own = self._own(given, budget)
        if not extra:
            return own
        if len(own) + len(extra) > budget:
            own = self._own(given, max(0, budget - len(extra)))
        if given.context_window <= SHORT_WINDOW:
            return f"{own}\n\n{extra}"
        return f"{own}\n\n## Instructions of this conversation\n{extra}"

    def _own(self, given: PromptInput, budget: int) -> str:
        """The part that is not the client's, in C{budget} characters."""
        workspace = _kept(self._workspaces, given.agent.workspace)
        if workspace is None:
            workspace = _keep(self._workspaces, given.agent.workspace, Workspace(given.agent.workspace))
        version = workspace.refresh()
        known = _kept(self._prompts, (given, budget))
        if known is not None and known[0] == version:
            return known[1]
        assemble = short_prompt if given.context_window <= SHORT_WINDOW else full_prompt
        text = assemble(given, workspace.files, budget)
        _keep(self._prompts, (given, budget), (version, text))
        return text


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


def short_prompt(given: PromptInput, files: Sequence[WorkspaceFile], budget: int) -> str:
    """The prompt for a model with a small window."""
    name = given.persona.name
    identity = f"You are {name}, a helpful assistant." if name else "You are a helpful assistant."
    room = min(given.total_chars, budget - len(identity))
    present = [(file.name, clipped(file.text, given.file_chars)) for file in files if file.text]
    return "\n\n".join([identity, *(text for _, text in fitted(present, room))])


def full_prompt(given: PromptInput, files: Sequence[WorkspaceFile], budget: int) -> str:
    """The prompt for every other model."""
    sections = {
        "identity": identity_section(given.persona),
        "tooling": tooling_section(given.tools),
        "workspace": f"## Workspace\nYour working directory is {given.agent.workspace}. Paths are relative to it.",
        "date": f"## Date and time\nTime zone of the user: {given.timezone}.{time_hint(given.tools)}",
        "context": context_section(files, given.file_chars, given.total_chars),
        "silent": (
            f"## Silent replies\nWhen nothing should be said, answer with exactly {SILENT_TOKEN} and not a word beside "
            f"it. Never add {SILENT_TOKEN} to a real answer."
        ),
        "heartbeats": (
            "## Heartbeats\nA heartbeat is a message that only asks whether something needs attention. If nothing "
            f"does, answer with exactly {HEARTBEAT_TOKEN}. If something does, say what, without {HEARTBEAT_TOKEN}."
        ),
        "runtime": runtime_section(given),
    }
    for name in DROP_ORDER:
        if _size(sections) <= budget:
            break
        del sections[name]
    room = min(given.total_chars, len(sections["context"]))
    while sections["context"] and (over := _size(sections) - budget) > 0:
        room -= over
        sections["context"] = context_section(files, given.file_chars, room) if room >= MIN_FILE_CHARS else ""
    return "\n\n".join(text for text in sections.values() if text)


MIN_FILE_CHARS = 200
"""Less room than this is not worth showing a file in."""


def _size(sections: Mapping[str, str]) -> int:
    return sum(len(text) + 2 for text in sections.values() if text)


def identity_section(persona: Persona) -> str:
    """Who the agent is, in one line."""
    line = "You are a personal assistant at work in an OpenClaw gateway."
    if persona.name:
        line = f"You are {persona.name}, a personal assistant at work in an OpenClaw gateway."
    if persona.theme:
        line += f" Your manner: {persona.theme}."
    if persona.emoji:
        line += f" Your emoji: {persona.emoji}."
    return line


def tooling_section(tools: Sequence[tuple[str, str]]) -> str:
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


def time_hint(tools: Sequence[tuple[str, str]]) -> str:
    """Where to learn the time. The time itself would make each prompt a new one to the provider's cache."""
    if any(name == "session_status" for name, _ in tools):
        return " Call session_status when you need the current date or time."
    return ""


def context_section(files: Sequence[WorkspaceFile], file_chars: int, total_chars: int) -> str:
    """The workspace files with their names, in order, each and all of them within their limits."""
    shown = []
    for file in files:
        if file.missing:
            shown.append((file.name, f"(Missing; expected at {file.path})"))
        elif file.problem:
            shown.append((file.name, f"(Not shown: {file.problem}.)"))
        elif file.text:
            shown.append((file.name, clipped(file.text, file_chars)))
    if not shown:
        return ""
    lines = ["# Project Context\nThe files of your workspace follow; the user keeps them for you."]
    if any(file.name == "SOUL.md" and file.text for file in files):
        lines.append("SOUL.md says who you are: take on its persona and tone, unless a rule of higher rank forbids it.")
    lines += [f"## {name}\n{text}" for name, text in fitted(shown, total_chars)]
    return "\n\n".join(lines)


def fitted(texts: Sequence[tuple[str, str]], room: int) -> list[tuple[str, str]]:
    """C{texts} in C{room} characters: the first ones whole, the one that crosses the limit clipped, the rest not."""
    kept = []
    for name, text in texts:
        if len(text) > room:
            if room >= MIN_FILE_CHARS:
                kept.append((name, clipped(text, room)))
            break
        kept.append((name, text))
        room -= len(text)
    return kept


def runtime_section(given: PromptInput) -> str:
    """One line about what the agent runs on."""
    facts = {
        "agent": given.agent.id,
        "host": platform.node(),
        "os": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "model": given.model,
        "channel": given.channel,
    }
    return "## Runtime\n" + " | ".join(f"{name}={value}" for name, value in facts.items() if value)


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
    "SHORT_WINDOW",
    "SILENT_TOKEN",
    "Persona",
    "PromptInput",
    "Prompts",
    "host_timezone",
]
