# -*- test-case-name: tests.tools.test_edit -*-
"""C{edit}: one passage of a file of the workspace exchanged for another (spec 7.1)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from openclaw_tx.tools.confined import Files
from openclaw_tx.tools.file_tool import MAX_FILE_BYTES, FileTool
from openclaw_tx.tools.replacing import replaced
from openclaw_tx.tools.typed import Parameters
from openclaw_tx.tools.writing import Change, change
from openclaw_tx.values import ToolResult


class EditParameters(Parameters, frozen=True):
    """Arguments of C{edit}."""

    path: Annotated[str, Meta(description="File to change, absolute or from the workspace.")]
    old_text: Annotated[str, Meta(description="Passage to replace, exactly as it stands; it must be there only once.")]
    new_text: Annotated[str, Meta(description="What is to stand there instead.")]


class Edit(FileTool[EditParameters]):
    """Replaces a passage; bytes around it stay as they are, also where they are no text."""

    name = "edit"
    description = "Change a file: replace one passage, which must match exactly and be there only once."
    parameters = EditParameters
    aliases = {"file_path": "path", "old_string": "oldText", "new_string": "newText"}

    def work(self, files: Files, parameters: EditParameters) -> ToolResult:
        """Replace it, unless the file is changed by somebody else meanwhile."""
        found = files.read(parameters.path, MAX_FILE_BYTES)
        text = found.data.decode("utf-8", "surrogateescape")
        changed = replaced(text, parameters.old_text, parameters.new_text)
        change(files, [Change(parameters.path, changed.encode("utf-8", "surrogateescape"), before=found.stamp)])
        return ToolResult(text=f"Changed {parameters.path}.", details={"path": parameters.path})


__all__ = ["Edit", "EditParameters"]
