# -*- test-case-name: tests.tools.test_reference -*-
"""docs/tools.md, made from the tools themselves: C{python -m openclaw_tx.tools.reference > docs/tools.md}."""

from __future__ import annotations

import sys
from typing import Any

from openclaw_tx.tools import policy
from openclaw_tx.tools.builtin.agents_list import AgentsList
from openclaw_tx.tools.builtin.apply_patch import ApplyPatch
from openclaw_tx.tools.builtin.cron import Cron
from openclaw_tx.tools.builtin.edit import Edit
from openclaw_tx.tools.builtin.exec import Exec
from openclaw_tx.tools.builtin.image import ImageTool
from openclaw_tx.tools.builtin.memory_get import MemoryGet
from openclaw_tx.tools.builtin.memory_search import MemorySearchTool
from openclaw_tx.tools.builtin.process import Process
from openclaw_tx.tools.builtin.read import Read
from openclaw_tx.tools.builtin.session_status import SessionStatus
from openclaw_tx.tools.builtin.sessions_history import SessionsHistory
from openclaw_tx.tools.builtin.sessions_list import SessionsList
from openclaw_tx.tools.builtin.sessions_send import SessionsSend
from openclaw_tx.tools.builtin.sessions_spawn import SessionsSpawn
from openclaw_tx.tools.builtin.web_fetch import WebFetch
from openclaw_tx.tools.builtin.web_search import WebSearch
from openclaw_tx.tools.builtin.write import Write
from openclaw_tx.tools.schema import parameters_of
from openclaw_tx.tools.typed import TypedTool

BUILTIN: tuple[type[TypedTool[Any]], ...] = (
    Read,
    Write,
    Edit,
    ApplyPatch,
    SessionsList,
    SessionsHistory,
    SessionsSend,
    SessionsSpawn,
    SessionStatus,
    AgentsList,
    Cron,
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

PAGES = """
More on: commands and who may allow them in [approvals](approvals.md), the web in [web tools](web-tools.md), what is
remembered in [memory](memory.md), `sessions_send` and `sessions_spawn` in [sub-agents](subagents.md), `cron` in
[automation](automation.md), tools of other servers in [MCP servers](mcp.md).
"""

FILES = """
## Files

`read`, `write`, `edit` and `apply_patch` work on the agent's workspace and nothing else. Relative paths are from there;
absolute ones that lie within it do as well. `..`, `~` and symbolic links that lead out are refused, also when a link is
put in place at the very moment; links that stay within are followed. Only regular files are opened: no pipes.

| Setting | What it does |
|---|---|
| `tools.fs.workspaceOnly: false` | every file that the gateway's user may use, and `~` |
| `agents.list[].tools.fs.workspaceOnly` | the same for one agent, either way |
| `tools.exec.applyPatch.workspaceOnly` | keeps `apply_patch` within the workspace where the others are not |
| `tools.exec.applyPatch.enabled`, `.allowModels` | whether `apply_patch` is offered, and to which models |

A file is written beside its place and renamed into it, so nobody ever sees half of one; it keeps its permissions. A
patch is applied as a whole or not at all. What somebody else has changed since it was read is not overwritten. Models
may say `file_path`, `old_string` and `new_string` instead of `path`, `oldText` and `newText`.

This keeps the file tools in, not the agent: with `exec` it can run programs that know no such bounds.
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
sees, and again when it calls a tool: what is denied to a fallback it can not call, though the list was made for another
model. A client's own function tools are not subject to it: the client runs them.

| Profile | Allows |
|---|---|
"""

GROUPS = """
| Group | Tools |
|---|---|
"""

PLUGINS = f"| `{policy.PLUGINS}` | every tool that is not one of OpenClaw's own names, such as an embedder's |\n"

OWN = """
Names in this table that no built-in tool has are reserved, so that an OpenClaw configuration means the same here.

## Tools of your own

A tool is any object with a `spec` and a coroutine `call` (`openclaw_tx.interfaces.Tool`). An application that embeds a
gateway hands them to it: `Gateway(reactor, config, tools=[...])`, see [embedding](embedding.md).

A package can bring tools to every `twistd openclaw` it is installed beside. It puts a module into `twisted/plugins` (a
directory without an `__init__.py`), with an object that provides `IToolPlugin`:

```python
# twisted/plugins/acme_dice.py
from twisted.internet.task import deferLater
from twisted.plugin import IPlugin
from zope.interface import implementer

from openclaw_tx.interfaces import IToolPlugin
from openclaw_tx.values import ToolResult, ToolSpec


class Dice:
    spec = ToolSpec(
        name="acme_dice",
        description="Throw a die, a minute from now if you like.",
        parameters={
            "type": "object",
            "properties": {"delay": {"type": "number", "minimum": 0, "maximum": 60, "description": "Seconds."}},
            "additionalProperties": False,
        },
    )

    def __init__(self, reactor):
        self.reactor = reactor

    async def call(self, arguments, context):
        await deferLater(self.reactor, arguments.get("delay", 0), lambda: None)  # cancelling the run cancels this
        return ToolResult(text="4", details={"eyes": 4, "for": context.agent.id})


@implementer(IPlugin, IToolPlugin)
class AcmeDice:
    name = "acme-dice"

    def tools(self, reactor):
        yield Dice(reactor)


plugin = AcmeDice()
```

`tools` is called once, when the gateway is made. Arguments have been checked against the schema when `call` gets them;
an exception becomes an error result. A plugin that fails is logged with its name, and the gateway does without it. A
tool that has the name of a built-in one is left out. Policies mean these tools by name and by `group:plugins`.

`tools.plugins: false` keeps `twistd openclaw` from looking for plugins. An embedded gateway has them only when it is
told so: `Gateway(reactor, config, tool_sources=[openclaw_tx.installed_tools(reactor)])`. A source of your own may also
change while the gateway runs (`openclaw_tx.interfaces.ToolSource`), as that of [MCP servers](mcp.md) does.
"""

MISTAKES = """
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
    return INTRODUCTION + rows + PAGES + FILES + POLICY + profiles + GROUPS + groups + PLUGINS + OWN + MISTAKES


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
