# -*- test-case-name: tests.tools.test_memory -*-
"""C{memory_get}: read a part of a memory file (spec 7.1)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, field

from openclaw_tx.interfaces import ToolContext
from openclaw_tx.tools.below import reason
from openclaw_tx.tools.memory import MemoryTool
from openclaw_tx.tools.typed import Parameters
from openclaw_tx.values import ToolResult

MAX_CHARS = 50_000
"""Characters of one result."""


class MemoryGetParameters(Parameters, frozen=True):
    """Arguments of C{memory_get}."""

    path: Annotated[str, Meta(min_length=1, max_length=4096, description="Path as memory_search gives it")]
    from_line: Annotated[int, Meta(ge=1, description="First line")] = field(default=1, name="from")
    lines: Annotated[int, Meta(ge=1, description="Number of lines; leave out for all")] | UnsetType = UNSET


class MemoryGet(MemoryTool[MemoryGetParameters]):
    """Reads files of the memory and no others."""

    name = "memory_get"
    description = (
        "Read a memory file, or some lines of it. Use it after memory_search, for no more lines than you need."
    )
    parameters = MemoryGetParameters

    async def run(self, parameters: MemoryGetParameters, context: ToolContext) -> ToolResult:
        """The lines; C{details} tells which they are. What is no memory file, or is not there, is an error result."""
        try:
            text = await self._memory.read(context.agent, parameters.path)
        except ValueError as error:
            return ToolResult(text=f"Not read: {error}.", is_error=True)
        except OSError as error:
            return ToolResult(text=f"{parameters.path} can not be read: {reason(error)}.", is_error=True)
        every = _lines(text)
        first = parameters.from_line
        wanted = every[first - 1 :] if parameters.lines is UNSET else every[first - 1 : first - 1 + parameters.lines]
        shown, last = _fitting(wanted, first)
        details = {"path": parameters.path, "from": first, "to": last, "totalLines": len(every)}
        if not wanted:
            shown = f"[there are {len(every)} lines]"
        elif last < len(every):
            shown += f"\n[lines {first} to {last} of {len(every)}; more with from={last + 1}]"
        return ToolResult(text=shown, details={**details, "truncated": last < first - 1 + len(wanted)})


def _lines(text: str) -> list[str]:
    """The lines as a search counts them (L{openclaw_tx.tools.memory_text.chunks}): only LF ends one."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    return lines if lines[-1] else lines[:-1]


def _fitting(lines: list[str], first: int) -> tuple[str, int]:
    """As many lines as one result may hold, and the number of the last one; a line too long alone is cut."""
    room = MAX_CHARS
    kept: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    if lines and not kept:
        kept = [f"{lines[0][:MAX_CHARS]} [cut: {len(lines[0]) - MAX_CHARS} more characters]"]
    return "\n".join(kept), first - 1 + len(kept)


__all__ = ["MemoryGet", "MemoryGetParameters"]
