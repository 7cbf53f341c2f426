# -*- test-case-name: tests.ws.rpc.test_skills -*-
"""C{skills.*}: the skills there are, and which of them agents are told of.

OpenClaw has besides a public registry of skills (ClawHub), from which it installs programs and texts by others, and a
library of its users' own. This gateway fetches nobody's skills and knows no users: the registry answers as one that
can not be reached, the library is empty. A skill comes here as a directory, put there by whoever owns the machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta

from openclaw_tx.agents.skills import Skill, SkillDirectory
from openclaw_tx.agents.workspace import read_inside, text_of
from openclaw_tx.auth.actions import ADMIN
from openclaw_tx.config.editing import Candidate, Editor, Original
from openclaw_tx.config.live import LiveConfig
from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import InThread
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents
from openclaw_tx.wire.frames import NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.asks import bad
from openclaw_tx.ws.rpc.config import may_write
from openclaw_tx.ws.rpc.inventory import agent_in, agent_named

SOURCES = ("openclaw-workspace", "openclaw-managed")
"""OpenClaw's words for the first two places of skills; the others are C{openclaw-extra}."""

CARD = "skill-card.md"
"""A file beside C{SKILL.md} that tells people about the skill."""

MAX_CARD = 256 * 1024
"""Bytes of it; a larger one is taken for none."""

SELECTION_LIMIT = 64
"""Skills of OpenClaw's library that a session starts with at most."""


class SkillsStatusParams(Params, frozen=True):
    """Params of C{skills.status}."""

    agent_id: NonEmpty | None = None
    session_key: NonEmpty | None = None


class SkillCardParams(Params, frozen=True):
    """Params of C{skills.skillCard}."""

    skill_key: NonEmpty
    agent_id: NonEmpty | None = None


class SecurityVerdictsParams(Params, frozen=True):
    """Params of C{skills.securityVerdicts}."""

    agent_id: NonEmpty | None = None


class SearchParams(Params, frozen=True):
    """Params of C{skills.search}."""

    query: NonEmpty | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class DetailParams(Params, frozen=True):
    """Params of C{skills.detail}."""

    slug: NonEmpty


class LibraryListParams(Params, frozen=True):
    """Params of C{skills.library.list}."""

    session_key: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    scope: Literal["mine", "team", "all"] = "all"


class UpdateParams(Params, frozen=True):
    """Params of C{skills.update}."""

    skill_key: NonEmpty | None = None
    """Name of the skill."""
    enabled: bool | None = None
    """Whether agents are told of it; unset = as it is."""
    api_key: str | None = None
    """Refused: skills get no environment of their own here. C{env.vars} of the configuration is everybody's."""
    env: dict[str, str] | None = None
    """Refused likewise."""
    source: Literal["clawhub"] | None = None
    """Instead of C{skillKey}: fetch skills anew from the registry, which is not there."""
    slug: NonEmpty | None = None
    all: bool = False
    force: bool = False
    agent_id: NonEmpty | None = None


class Placed(NamedTuple):
    """A skill where it was found."""

    number: int
    """Of the directory among those of the agent."""
    skill: Skill
    card_size: int | None
    """Bytes of its card; None = it has none."""


class SkillMethods:
    """The family of skills."""

    def __init__(
        self, agents: Agents, settings: Callable[[], Config], live: LiveConfig | None, in_thread: InThread
    ) -> None:
        """
        @param live: where skills are turned on and off; None = nowhere.
        """
        self._agents = agents
        self._settings = settings
        self._live = live
        self._in_thread = in_thread

    def methods(self) -> Sequence[Method]:
        """The family's entries; without a file nothing can be turned off."""
        reading = [
            Method("skills.status", "skills.status", SkillsStatusParams, self.status),
            Method("skills.skillCard", "skills.status", SkillCardParams, self.card),
            Method("skills.securityVerdicts", "skills.status", SecurityVerdictsParams, self.verdicts),
            Method("skills.library.list", "skills.status", LibraryListParams, self.library),
            Method("skills.search", "skills.status", SearchParams, self.search),
            Method("skills.detail", "skills.status", DetailParams, self.detail),
        ]
        if self._live is None or not self._live.has_file:
            return reading
        return [*reading, Method("skills.update", "skills.update", UpdateParams, self.update)]

    # -- those there are

    async def status(self, call: Call[SkillsStatusParams]) -> Any:
        """The skills of an agent: C{{workspaceDir, managedSkillsDir, skills[{name, skillKey, description, source,
        filePath, baseDir, disabled, blockedByAllowlist, eligible, skillCard?, ...}]}}. Paths are told to administrators
        only. Skills need nothing here that could be missing, so C{requirements} and C{missing} are empty."""
        params = call.params
        named = params.agent_id or agent_in(params.session_key)
        agent = agent_named("skills.status", self._agents, call.principal, named)
        config = self._settings()
        found = await self._in_thread(_read, agent.skill_directories)
        entry = next((each for each in config.agents.entries if each.id == agent.id), None)
        chosen = config.agents.defaults.skills if entry is None or entry.skills is None else entry.skills
        is_admin = ADMIN in call.principal.scopes
        rows = []
        for placed in found:
            known = config.skills.entries.get(placed.skill.name)
            disabled = known is not None and not known.enabled
            blocked = chosen is not None and placed.skill.name not in chosen
            rows.append(_row(placed, is_admin, disabled, blocked))
        directories = agent.skill_directories
        return {
            "workspaceDir": agent.workspace if is_admin else "",
            "managedSkillsDir": directories[1] if is_admin and len(directories) > 1 else "",
            "skills": rows,
        }

    async def card(self, call: Call[SkillCardParams]) -> Any:
        """What C{skill-card.md} beside a skill's C{SKILL.md} tells people: C{{schema, skillKey, path, sizeBytes,
        content}}. One of more than 256 KiB is none."""
        key = call.params.skill_key
        agent = agent_named("skills.skillCard", self._agents, call.principal, call.params.agent_id)
        found = await self._in_thread(_card, agent.skill_directories, key)
        if found is None:
            raise GatewayError("invalid_request", f"skill card not found for {key[:100]}", param="skillKey")
        path, data = found
        return {
            "schema": "openclaw.skills.skill-card.v1",
            "skillKey": key,
            "path": _path(path, ADMIN in call.principal.scopes),
            "sizeBytes": len(data),
            "content": text_of(data),
        }

    async def verdicts(self, call: Call[SecurityVerdictsParams]) -> Any:
        """What the registry thinks of the skills that came from it: C{{schema, items[]}}. None did, so C{items} is
        empty."""
        agent_named("skills.securityVerdicts", self._agents, call.principal, call.params.agent_id)
        return {"schema": "openclaw.skills.security-verdicts.v1", "items": []}

    async def update(self, call: Call[UpdateParams]) -> Any:
        """Turn a skill on or off for all agents, in the configuration file: C{{ok, skillKey, config}}."""
        params = call.params
        may_write(call.principal)
        if params.source is not None:
            raise no_registry()
        if params.skill_key is None:
            raise bad("skills.update", "must have required property 'skillKey'")
        for name, value in (("apiKey", params.api_key), ("env", params.env)):
            if value is not None:
                raise bad("skills.update", f"{name}: skills get no environment of their own; use env.vars")
        agents = self._agents.all()
        names = await self._in_thread(_names, [agent.skill_directories for agent in agents])
        if params.skill_key not in names:
            raise bad("skills.update", f"skillKey: there is no skill {params.skill_key[:100]}")
        if params.enabled is not None:
            await self._turn(params.skill_key, params.enabled)
        known = self._settings().skills.entries.get(params.skill_key)
        return {"ok": True, "skillKey": params.skill_key, "config": {"enabled": known is None or known.enabled}}

    async def _turn(self, name: str, enabled: bool) -> None:
        assert self._live is not None

        def edit(editor: Editor, original: Original) -> Candidate:
            data = dict(original.parsed)
            section = data["skills"] = _copy(data.get("skills"))
            entries = section["entries"] = _copy(section.get("entries"))
            entries[name] = {**_copy(entries.get(name)), "enabled": enabled}
            return editor.changed(original, data)

        await self._live.change(edit)

    # -- those elsewhere

    async def library(self, call: Call[LibraryListParams]) -> Any:
        """The users' own skills: C{{entries[], profileId, multipleProfiles, defaultTarget, canManageWorkspace,
        defaultSelectionLimit}}. There are no users, so there are none, and none can be made over the wire."""
        return {
            "entries": [],
            "profileId": None,
            "multipleProfiles": False,
            "defaultTarget": "unavailable",
            "canManageWorkspace": False,
            "defaultSelectionLimit": SELECTION_LIMIT,
        }

    async def search(self, call: Call[SearchParams]) -> Any:
        """Search the public registry of skills: always C{UNAVAILABLE}, for this gateway does not ask it."""
        raise no_registry()

    async def detail(self, call: Call[DetailParams]) -> Any:
        """Look a skill up in that registry: always C{UNAVAILABLE}."""
        raise no_registry()


def no_registry() -> GatewayError:
    """C{registry_unavailable}."""
    return GatewayError(
        "registry_unavailable", "ClawHub can not be reached: this gateway does not use the public registry of skills"
    )


def _copy(section: Any) -> dict[str, Any]:
    return dict(section) if isinstance(section, dict) else {}


def _skills(directories: Sequence[str]) -> list[tuple[int, Skill]]:
    """The skills of some directories, with the number of the directory; the first one to name a skill has it."""
    found: dict[str, tuple[int, Skill]] = {}
    for number, directory in enumerate(directories):
        for skill in SkillDirectory(directory).refresh():
            found.setdefault(skill.name, (number, skill))
    return list(found.values())


def _names(places: Sequence[Sequence[str]]) -> set[str]:
    return {skill.name for directories in set(map(tuple, places)) for _, skill in _skills(directories)}


def _read(directories: Sequence[str]) -> list[Placed]:
    return [Placed(number, skill, _card_size(skill)) for number, skill in _skills(directories)]


def _card_size(skill: Skill) -> int | None:
    """Bytes of a skill's card, which is not read; None = it has none."""
    try:
        size = os.stat(_card_path(skill)).st_size
    except OSError:
        return None
    _, problem = read_inside(os.path.dirname(skill.path), _card_path(skill), 0)
    return size if size <= MAX_CARD and not problem else None


def _card(directories: Sequence[str], name: str) -> tuple[str, bytes] | None:
    """Path and content of a skill's card."""
    skill = next((skill for _, skill in _skills(directories) if skill.name == name), None)
    if skill is None:
        return None
    data, problem = _read_card(skill)
    return None if problem else (_card_path(skill), data)


def _read_card(skill: Skill) -> tuple[bytes, str]:
    data, problem = read_inside(os.path.dirname(skill.path), _card_path(skill), MAX_CARD)
    return (b"", "too large") if len(data) > MAX_CARD else (data, problem)


def _card_path(skill: Skill) -> str:
    return os.path.join(os.path.dirname(skill.path), CARD)


def _path(path: str, is_admin: bool) -> str:
    return path if is_admin else os.path.basename(path)


def _row(placed: Placed, is_admin: bool, disabled: bool, blocked: bool) -> dict[str, Any]:
    nothing: dict[str, list[str]] = {"bins": [], "anyBins": [], "env": [], "config": [], "os": []}
    number, skill, card_size = placed
    eligible = not disabled and not blocked
    row: dict[str, Any] = {
        "name": skill.name,
        "skillKey": skill.name,
        "description": skill.description,
        "source": SOURCES[number] if number < len(SOURCES) else "openclaw-extra",
        "bundled": False,
        "filePath": _path(skill.path, is_admin),
        "baseDir": _path(os.path.dirname(skill.path), is_admin),
        "always": False,
        "disabled": disabled,
        "blockedByAllowlist": blocked,
        "blockedByAgentFilter": blocked,
        "eligible": eligible,
        "platformIncompatible": False,
        "modelVisible": eligible,
        "userInvocable": False,
        "commandVisible": False,
        "requirements": nothing,
        "missing": nothing,
        "configChecks": [],
        "install": [],
    }
    if card_size is not None:
        row["skillCard"] = {"present": True, "path": _path(_card_path(skill), is_admin), "sizeBytes": card_size}
    return row


__all__ = ["SkillMethods", "no_registry"]
