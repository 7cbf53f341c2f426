# -*- test-case-name: tests.ws.rpc.test_inventory -*-
"""C{tools.catalog}, C{tools.effective} and C{commands.list}: what agents and chat clients have to do things with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

from openclaw_tx.auth.actions import authorise
from openclaw_tx.auth.sight import agents_for
from openclaw_tx.chat.commands import COMMANDS, CommandSpec
from openclaw_tx.config.schema import Config
from openclaw_tx.interfaces import Agents, Sessions, Tool, Tools
from openclaw_tx.sessions.keys import agent_of
from openclaw_tx.tools import policy
from openclaw_tx.values import Agent, Principal, Target
from openclaw_tx.wire.frames import NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.asks import as_stored, seat
from openclaw_tx.ws.rpc.catalog import unknown_agent
from openclaw_tx.ws.rpc.rows import model_ref

LABELS = {
    "group:fs": "Files",
    "group:runtime": "Runtime",
    "group:web": "Web",
    "group:memory": "Memory",
    "group:sessions": "Sessions",
    "group:ui": "UI",
    "group:automation": "Automation",
    "group:messaging": "Messaging",
    "group:nodes": "Nodes",
}
"""Groups of tools in words; what is in none of them is under Other, what is no tool of OpenClaw's under Plugins."""

CATEGORIES = {
    "session": ("new", "reset", "stop", "compact"),
    "options": ("model", "think", "verbose", "reasoning", "queue", "send"),
    "status": ("help", "commands", "status", "whoami", "models"),
    "management": ("approve", "subagents"),
}
_CHOICES = re.compile(r"\[?(\w+(?: \| \w+)+)\]?$")


class ToolsCatalogParams(Params, frozen=True):
    """Params of C{tools.catalog}."""

    agent_id: NonEmpty | None = None
    """Checked; the catalog is the same for every agent."""
    include_plugins: bool = True
    """Those that are none of OpenClaw's own, too."""


class ToolsEffectiveParams(Params, frozen=True):
    """Params of C{tools.effective}."""

    session_key: NonEmpty
    agent_id: NonEmpty | None = None


class CommandsListParams(Params, frozen=True):
    """Params of C{commands.list}."""

    agent_id: NonEmpty | None = None
    session_key: NonEmpty | None = None
    provider: NonEmpty | None = None
    """A channel with commands of its own; there are none."""
    scope: Literal["text", "native", "both"] = "both"
    """C{native} finds none: commands are texts here."""
    include_args: bool = True


class ToolRooms(NamedTuple):
    """Where tools are."""

    tools: Tools
    every_tool: Callable[[], Sequence[Tool]]
    """All there are, whatever the policy."""


class InventoryMethods:
    """The family of what there is."""

    def __init__(
        self,
        tools: ToolRooms,
        agents: Agents,
        sessions: Sessions,
        settings: Callable[[], Config],
    ) -> None:
        self._tools = tools
        self._agents = agents
        self._sessions = sessions
        self._settings = settings

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("tools.catalog", "tools.list", ToolsCatalogParams, self.catalog),
            Method("tools.effective", "tools.list", ToolsEffectiveParams, self.effective),
            Method("commands.list", "commands.list", CommandsListParams, self.commands),
        ]

    async def catalog(self, call: Call[ToolsCatalogParams]) -> Any:
        """All tools, by group: C{{agentId, profiles[{id, label}], groups[{id, label, source, tools[{id, label,
        description, source, defaultProfiles[]}]}]}}. C{defaultProfiles} are those that let the tool pass."""
        agent = self._agent("tools.catalog", call.principal, call.params.agent_id)
        found = [
            tool for tool in self._tools.every_tool() if call.params.include_plugins or tool.spec.name in policy.NATIVE
        ]
        return {
            "agentId": agent.id,
            "profiles": [{"id": name, "label": name.capitalize()} for name in policy.PROFILES],
            "groups": [
                {"id": id, "label": label, "source": source, "tools": [_catalog_row(tool, source) for tool in tools]}
                for id, label, source, tools in grouped(found)
            ],
        }

    async def effective(self, call: Call[ToolsEffectiveParams]) -> Any:
        """The tools that a run of this session would get, by the policy of the moment: C{{agentId, profile,
        groups[{id, label, source, tools[{id, label, description, rawDescription, source}]}]}}."""
        params = call.params
        who, scope = params.agent_id or "", self._settings().session.scope
        asked = (call.principal, who, params.session_key, "", scope)
        place = seat("tools.effective", self._agents, *asked, reserved=True)
        agent = self._agent("tools.effective", call.principal, place.agent_id)
        authorise(call.principal, "tools.list", Target(agent_id=place.agent_id, session_key=place.session_key))
        place = await as_stored(self._sessions, place, params.session_key)
        entry = await self._sessions.get(place.session_key)
        ref = model_ref(entry) if entry is not None else ""
        ref = ref or (agent.models[0] if agent.models else "")
        is_child = entry is not None and bool(entry.settings.spawned_by)
        config = self._settings()
        own = next((each.tools for each in config.agents.entries if each.id == agent.id), policy.NO_POLICY)
        groups: dict[str, list[dict[str, Any]]] = {}
        for tool in self._tools.tools.allowed(agent, ref, subagent=is_child):
            source = "core" if tool.spec.name in policy.NATIVE else "plugin"
            groups.setdefault(source, []).append({**_row(tool, source), "rawDescription": tool.spec.description})
        return {
            "agentId": agent.id,
            "profile": own.profile or config.tools.profile or "full",
            "groups": [
                {"id": source, "label": source.capitalize(), "source": source, "tools": rows}
                for source, rows in groups.items()
            ],
        }

    async def commands(self, call: Call[CommandsListParams]) -> Any:
        """Commands in chat: C{{commands[{name, textAliases[], description, category, source, scope, acceptsArgs,
        args?}]}}; none while C{commands.text} is off."""
        params = call.params
        self._agent("commands.list", call.principal, params.agent_id or agent_in(params.session_key))
        if params.scope == "native" or not self._settings().commands.text:
            return {"commands": []}
        return {"commands": command_rows(include_args=params.include_args)}

    def _agent(self, method: str, principal: Principal, agent_id: str | None) -> Agent:
        return agent_named(method, self._agents, principal, agent_id)


def agent_named(method: str, agents: Agents, principal: Principal, agent_id: str | None) -> Agent:
    """An agent that a client names; unnamed = its default.

    @raise GatewayError: C{invalid_request}: there is none of that id, or none that the client may use.
    """
    agents = agents_for(agents, principal)
    agent = agents.get((agent_id or agents.default_id).strip().lower())
    if agent is None:
        raise unknown_agent(method, agent_id or "")
    return agent


def agent_in(session_key: str | None) -> str | None:
    """The agent that a session key names; None = it names none."""
    return agent_of(session_key) if session_key is not None and session_key.lower().startswith("agent:") else None


def grouped(tools: Iterable[Tool]) -> list[tuple[str, str, str, list[Tool]]]:
    """Tools by the groups of policies: id, label, source and tools of each group that has any."""
    found: dict[str, list[Tool]] = {name: [] for name in (*LABELS, "other", "plugins")}
    for tool in tools:
        name = tool.spec.name
        group = next((group for group in LABELS if name in policy.GROUPS[group]), "other")
        found["plugins" if name not in policy.NATIVE else group].append(tool)
    return [
        (
            name.removeprefix("group:"),
            LABELS.get(name, name.capitalize()),
            "plugin" if name == "plugins" else "core",
            members,
        )
        for name, members in found.items()
        if members
    ]


def _row(tool: Tool, source: str) -> dict[str, Any]:
    first = tool.spec.description.split("\n", 1)[0]
    return {"id": tool.spec.name, "label": tool.spec.name, "description": first, "source": source}


def _catalog_row(tool: Tool, source: str) -> dict[str, Any]:
    passing = [
        name
        for name, allowed in policy.PROFILES.items()
        if not allowed or policy.Matcher(allowed).matches(tool.spec.name)
    ]
    return {**_row(tool, source), "defaultProfiles": passing}


def command_rows(*, include_args: bool) -> list[dict[str, Any]]:
    """The commands of chat as clients complete them."""
    return [_command_row(spec, include_args) for spec in COMMANDS]


def _command_row(spec: CommandSpec, include_args: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": spec.name,
        "textAliases": [f"/{name}" for name in (spec.name, *spec.aliases)],
        "description": spec.help,
        "category": next(category for category, names in CATEGORIES.items() if spec.name in names),
        "source": "native",
        "scope": "text",
        "acceptsArgs": bool(spec.arguments),
    }
    if include_args and spec.arguments:
        argument: dict[str, Any] = {"name": "arguments", "description": spec.arguments, "type": "string"}
        argument["required"] = not spec.arguments.startswith("[")
        choices = _CHOICES.match(spec.arguments)
        if choices is not None:
            argument["choices"] = [{"value": word, "label": word} for word in choices[1].split(" | ")]
        row["args"] = [argument]
    return row


__all__ = ["InventoryMethods", "ToolRooms", "agent_in", "agent_named", "command_rows", "grouped"]
