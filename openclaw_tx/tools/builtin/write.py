# -*- test-case-name: tests.tools.test_write -*-
"""C{write}: a whole file of the workspace (spec 7.1)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from openclaw_tx.tools.confined import Files
from openclaw_tx.tools.file_tool import FileTool
from openclaw_tx.tools.typed import Parameters
from openclaw_tx.tools.writing import Change, change
from openclaw_tx.values import ToolResult


class WriteParameters(Parameters, frozen=True):
    """Arguments of C{write}."""

    path: Annotated[str, Meta(description="File to write, absolute or from the workspace.")]
    content: Annotated[str, Meta(description="All that is to be in it.")]


class Write(FileTool[WriteParameters]):
    """Puts a file in place whole; what was there keeps its permissions."""

    name = "write"
    description = "Write a file. One that is there already is replaced; missing directories are made."
    parameters = WriteParameters
    aliases = {"file_path": "path"}

    def work(self, files: Files, parameters: WriteParameters) -> ToolResult:
        """Write it, and say how much it was."""
        data = parameters.content.encode("utf-8")
        change(files, [Change(parameters.path, data)])
        return ToolResult(
            text=f"Wrote {len(data)} bytes to {parameters.path}.",
            details={"path": parameters.path, "bytes": len(data)},
        )


__all__ = ["Write", "WriteParameters"]
