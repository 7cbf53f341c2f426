# -*- test-case-name: tests.tools.test_read -*-
"""What the file tools have in common: they work on an agent's files, in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import InThread
from openclaw_tx.interfaces import ToolContext
from openclaw_tx.tools.confined import Files, files_of
from openclaw_tx.tools.typed import P, TypedTool
from openclaw_tx.values import ToolResult

MAX_FILE_BYTES = 8 * 1024 * 1024
"""Largest file that is changed."""


class FileTool(TypedTool[P]):
    """Base of tools that read and write the files of an agent."""

    def __init__(
        self, settings: Callable[[], Config], in_thread: InThread, environment: Callable[[], Mapping[str, str]]
    ) -> None:
        """
        @param settings: gives the configuration of the moment, for who is confined.
        @param environment: has C{HOME}.
        """
        super().__init__()
        self._settings = settings
        self._in_thread = in_thread
        self._environment = environment

    def files(self, context: ToolContext) -> Files:
        """Those that the agent may use now."""
        return files_of(self._settings(), context.agent, self._environment().get("HOME", ""))

    async def run(self, parameters: P, context: ToolContext) -> ToolResult:
        """Do it, in a thread.

        @raise NotDone: it can not be done.
        """
        return await self._in_thread(self.work, self.files(context), parameters)

    def work(self, files: Files, parameters: P) -> ToolResult:
        """What the tool does. Blocks.

        @raise NotDone: it can not be done.
        """
        raise NotImplementedError


__all__ = ["MAX_FILE_BYTES", "FileTool"]
