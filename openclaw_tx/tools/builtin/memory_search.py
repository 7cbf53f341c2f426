# -*- test-case-name: tests.tools.test_memory -*-
"""C{memory_search}: find what was written down (spec 7.1)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from openclaw_tx.interfaces import ToolContext
from openclaw_tx.tools.memory import MemoryTool
from openclaw_tx.tools.typed import Parameters, json_result
from openclaw_tx.values import ToolResult


class MemorySearchParameters(Parameters, frozen=True):
    """Arguments of C{memory_search}."""

    query: Annotated[str, Meta(min_length=1, max_length=2000, description="What to look for, in plain words")]
    max_results: Annotated[int, Meta(ge=1, le=50, description="Results at most")] | UnsetType = UNSET
    min_score: Annotated[float, Meta(ge=0, le=1, description="Leave out results worth less, 0 to 1")] | UnsetType = (
        UNSET
    )


class MemorySearchTool(MemoryTool[MemorySearchParameters]):
    """Searches the files as they are at this moment."""

    name = "memory_search"
    description = (
        "Search your memory: MEMORY.md, memory/*.md and further notes. Use it before you answer anything about earlier "
        "work, decisions, dates, people or preferences; read around a result with memory_get."
    )
    parameters = MemorySearchParameters

    async def run(self, parameters: MemorySearchParameters, context: ToolContext) -> ToolResult:
        """C{{"results": [{"path", "startLine", "endLine", "score", "snippet", "source"}], "notes"?, "model"?}}."""
        usual = self._memory.settings(context.agent.id).query
        most = usual.max_results if parameters.max_results is UNSET else parameters.max_results
        least = usual.min_score if parameters.min_score is UNSET else parameters.min_score
        try:
            outcome = await self._memory.search(context.agent, parameters.query, most, least)
        except OSError as error:
            return ToolResult(text=f"The memory can not be searched: {error}", is_error=True)
        further = {"notes": list(outcome.notes), "model": outcome.model}
        return json_result(
            {
                "results": [msgspec.to_builtins(found) for found in outcome.results],
                **{name: value for name, value in further.items() if value},
            }
        )


__all__ = ["MemorySearchParameters", "MemorySearchTool"]
