# -*- test-case-name: tests.tools.test_apply_patch -*-
"""C{apply_patch}: several files of the workspace changed by one patch, or none of them (spec 7.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from openclaw_tx.interfaces import ToolContext
from openclaw_tx.tools.confined import FileMissing, Files, Found
from openclaw_tx.tools.file_tool import MAX_FILE_BYTES, FileTool
from openclaw_tx.tools.patch import AddFile, Operation, UpdateFile, parse
from openclaw_tx.tools.patching import applied
from openclaw_tx.tools.typed import NotDone, Parameters
from openclaw_tx.tools.writing import Change, change
from openclaw_tx.values import Agent, ToolResult

MAX_TOTAL_BYTES = 32 * 1024 * 1024
"""Size of all files that one patch updates."""


class ApplyPatchParameters(Parameters, frozen=True):
    """Arguments of C{apply_patch}."""

    input: Annotated[
        str,
        Meta(
            description=(
                "The patch: *** Begin Patch, then for each file *** Add File: path (its lines with + before them), "
                "*** Delete File: path, or *** Update File: path (then perhaps *** Move to: path) with passages: @@ "
                "and a line above it, a few lines around the change with a space before them, - before lines that go, "
                "+ before lines that come; then *** End Patch."
            )
        ),
    ]


class ApplyPatch(FileTool[ApplyPatchParameters]):
    """Applies a patch. Every passage is found before the first file is written."""

    name = "apply_patch"
    description = "Change, add, move and delete files by a patch. It is applied as a whole or not at all."
    parameters = ApplyPatchParameters
    aliases = {"patch": "input"}

    def offered(self, agent: Agent, model_ref: str) -> bool:
        """By C{tools.exec.applyPatch}; see L{openclaw_tx.interfaces.ConditionalTool}."""
        settings = self._settings().tools.exec.apply_patch
        models = [name.strip().lower() for name in settings.allow_models]
        ref = model_ref.lower()
        return settings.enabled and (not models or ref in models or ref.partition("/")[2] in models)

    def files(self, context: ToolContext) -> Files:
        """Those of the other file tools, but no more than the workspace where C{tools.exec.applyPatch} says so."""
        files = super().files(context)
        if self._settings().tools.exec.apply_patch.workspace_only and not files.confined:
            return Files(files.root)
        return files

    def work(self, files: Files, parameters: ApplyPatchParameters) -> ToolResult:
        """Which files were added, modified and deleted."""
        patch = [_by_place(operation, files) for operation in parse(parameters.input)]
        found = _read(files, patch)
        after = applied(patch, {path: each.data.decode("utf-8", "surrogateescape") for path, each in found.items()})
        modes = {
            operation.move_to: found[operation.path].mode
            for operation in patch
            if isinstance(operation, UpdateFile) and operation.move_to and operation.path in found
        }
        deleted_first = {operation.path for operation in patch if not isinstance(operation, AddFile | UpdateFile)}
        changes = [
            Change(
                path,
                None if text is None else text.encode("utf-8", "surrogateescape"),
                before=found[path].stamp if path in found else None,
                new=text is not None and path not in found and path not in deleted_first,
                mode=modes.get(path),
            )
            for path, text in after.items()
        ]
        change(files, changes)
        return _summary(changes)


def _by_place(operation: Operation, files: Files) -> Operation:
    """With paths that are the same for the same file, however it was named."""
    path = _place(files, operation.path)
    if isinstance(operation, UpdateFile) and operation.move_to:
        return operation._replace(path=path, move_to=_place(files, operation.move_to))
    return operation._replace(path=path)


def _place(files: Files, path: str) -> str:
    try:
        return files.locate(path).removeprefix(f"{files.root}/")
    except FileMissing:
        return path  # in a directory that is still to be made


def _read(files: Files, patch: Sequence[Operation]) -> dict[str, Found]:
    """The files that are updated, but for those that the patch itself makes."""
    found: dict[str, Found] = {}
    made: set[str] = set()
    left = MAX_TOTAL_BYTES
    for operation in patch:
        if isinstance(operation, AddFile):
            made.add(operation.path)
        elif isinstance(operation, UpdateFile):
            if operation.path not in made and operation.path not in found:
                found[operation.path] = each = files.read(operation.path, min(MAX_FILE_BYTES, left))
                left -= len(each.data)
                if b"\0" in each.data:
                    raise NotDone(f"{operation.path} is not a text file.")
            made.add(operation.move_to)
    return found


def _summary(changes: Sequence[Change]) -> ToolResult:
    added = [each.path for each in changes if each.new]
    deleted = [each.path for each in changes if each.data is None]
    modified = [each.path for each in changes if each.data is not None and not each.new]
    lines = [f"{sign} {path}" for sign, paths in (("A", added), ("M", modified), ("D", deleted)) for path in paths]
    return ToolResult(
        text="\n".join(["Done:", *lines]),
        details={"summary": {"added": added, "modified": modified, "deleted": deleted}},
    )


__all__ = ["ApplyPatch", "ApplyPatchParameters"]
