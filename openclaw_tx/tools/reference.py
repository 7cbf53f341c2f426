# -*- test-case-name: tests.tools.test_reference -*-
"""docs/tools.md, made from the tools themselves: C{python -m openclaw_tx.tools.reference > docs/tools.md}."""

from __future__ import annotations

import sys
from typing import Any

from openclaw_tx.tools import policy
from openclaw_tx.tools.builtin.agents_list import AgentsList
from openclaw_tx.tools.builtin.exec import Exec
from openclaw_tx.tools.builtin.image import ImageTool
from openclaw_tx.tools.builtin.memory_get import MemoryGet
from openclaw_tx.tools.builtin.memory_search import MemorySearchTool
from openclaw_tx.tools.builtin.process import Process
from openclaw_tx.tools.builtin.session_status import SessionStatus
from openclaw_tx.tools.builtin.sessions_history import SessionsHistory
from openclaw_tx.tools.builtin.sessions_list import SessionsList
from openclaw_tx.tools.builtin.sessions_send import SessionsSend
from openclaw_tx.tools.builtin.sessions_spawn import SessionsSpawn
from openclaw_tx.tools.builtin.web_fetch import WebFetch
from openclaw_tx.tools.builtin.web_search import WebSearch
from openclaw_tx.tools.schema import parameters_of
from openclaw_tx.tools.typed import TypedTool

BUILTIN: tuple[type[TypedTool[Any]], ...] = (
    SessionsList,
    SessionsHistory,
    SessionsSend,
    SessionsSpawn,
    SessionStatus,
    AgentsList,
    Exec,
    Process,
    WebSearch,
    WebFetch,
    MemorySearchTool,
    MemoryGet,
    ImageTool,
)
"""Every built-in tool there is, in the order of the table."""

INTRODUCTION = """\
# Tools

What an agent can do besides answering. This page is made from the code (`python -m openclaw_tx.tools.reference`).

| Tool | What it does | Parameters (`*` required) | Groups | Profiles |
|---|---|---|---|---|
"""

POLICY = """
## Which tools an agent may use

A chain of stages narrows the list; no stage can bring back what an earlier one took:

1. `tools.profile` (an agent's own `tools.profile` replaces it), widened by `alsoAllow`
2. the same of `tools.byProvider`, key `provider/model` before `provider`
3. `tools.allow` and `tools.deny`
4. `allow` and `deny` of the `tools.byProvider` entry
5. `agents.list[].tools.allow` and `deny`
6. `allow` and `deny` of that agent's `byProvider` entry

At each stage `deny` wins; an empty `allow` lets the rest in. Case does not matter, `*` stands for any characters,
`bash` means `exec`, and `apply_patch` is in wherever `exec` is allowed. A name that means no tool matches nothing: an
`allow` list of unknown names only leaves the agent without tools. The policy is applied to the list that the model
sees, and again when it calls a tool. A client's own function tools are not subject to it: the client runs them.

| Profile | Allows |
|---|---|
"""

GROUPS = """
| Group | Tools |
|---|---|
"""

PLUGINS = f"| `{policy.PLUGINS}` | every tool that is not one of OpenClaw's own names, such as an embedder's |\n"

MISTAKES = """
Names in this table that no built-in tool has yet are reserved, so that an OpenClaw configuration means the same here.

## When a call goes wrong

Arguments that do not fit a tool's schema, an unknown or forbidden tool, and an exception within a tool all become an
error result that the model reads; the run goes on.
"""


def render() -> str:
    """The whole page."""
    rows = "".join(_row(tool) for tool in BUILTIN)
    profiles = "".join(
        f"| `{name}` | {', '.join(f'`{entry}`' for entry in allows) or 'everything, as without a profile'} |\n"
        for name, allows in policy.PROFILES.items()
    )
    groups = "".join(
        f"| `{name}` | {', '.join(f'`{entry}`' for entry in names)} |\n" for name, names in policy.GROUPS.items()
    )
    return INTRODUCTION + rows + POLICY + profiles + GROUPS + groups + PLUGINS + MISTAKES


def _row(tool: type[TypedTool[Any]]) -> str:
    schema = parameters_of(tool.parameters)
    required = schema.get("required", [])
    parameters = "; ".join(
        f"`{name}`{'*' if name in required else ''}: {part.get('description', part.get('type', ''))}"
        for name, part in schema["properties"].items()
    )
    groups = [name for name, names in policy.GROUPS.items() if tool.name in names]
    profiles = [
        name for name, allows in policy.PROFILES.items() if not allows or policy.Matcher(allows).matches(tool.name)
    ]
    cells = [
        f"`{tool.name}`",
        tool.description,
        parameters or "none",
        *(", ".join(names) for names in (groups, profiles)),
    ]
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.stdout.write(render())
