# -*- test-case-name: tests.tools.test_read -*-
"""C{read}: a file of the workspace, as text or as an image (spec 7.1)."""

from __future__ import annotations

import base64
from typing import Annotated, Any, BinaryIO

from msgspec import Meta

from openclaw_tx.interfaces import ToolContext
from openclaw_tx.tools.confined import FileRefused, Files, IsDirectory
from openclaw_tx.tools.excerpt import MAX_LINES, Excerpt, excerpt
from openclaw_tx.tools.file_tool import FileTool
from openclaw_tx.tools.typed import Parameters
from openclaw_tx.values import ImagePart, ToolResult
from openclaw_tx.wire.openai_chat_images import sniff

IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Kinds of images that models can see."""

MAX_IMAGE_BYTES = 5 * 1024 * 1024
"""Largest image; providers take no larger ones."""

MAX_ENTRIES = 500
"""Names of a directory that are shown."""

_HEAD = 8192
"""Bytes that tell what kind of file it is."""


class ReadParameters(Parameters, frozen=True):
    """Arguments of C{read}."""

    path: Annotated[str, Meta(description="File to read, absolute or from the workspace.")]
    offset: Annotated[int, Meta(ge=1, description="Number of the first line, from 1.")] = 1
    limit: Annotated[int, Meta(ge=1, description=f"How many lines, at most {MAX_LINES}.")] = MAX_LINES


class Read(FileTool[ReadParameters]):
    """Reads a piece of a text file, a whole image, or the names in a directory."""

    name = "read"
    description = (
        f"Read a file. Text is cut at {MAX_LINES} lines or 50 KiB, with a note on how to go on; png, jpeg, gif and "
        "webp files are shown as images; of a directory the names are listed."
    )
    parameters = ReadParameters
    aliases = {"file_path": "path"}
    concurrent = True

    async def run(self, parameters: ReadParameters, context: ToolContext) -> ToolResult:
        """Do it; what lies below a directory of skills may be read, wherever that is."""
        files = self.files(context)
        skills = next((place for place in context.agent.skill_directories if is_below(parameters.path, place)), "")
        if files.confined and skills and not is_below(parameters.path, files.root):
            files = Files(skills)
        return await self._in_thread(self.work, files, parameters)

    def work(self, files: Files, parameters: ReadParameters) -> ToolResult:
        """The text with a note on what is missing, an image, or a directory's names."""
        try:
            with files.reading(parameters.path) as file:
                head = file.read(_HEAD)
                kind = sniff(head)
                if kind in IMAGES:
                    return _image(parameters.path, file, head, kind)
                if b"\0" in head:
                    raise FileRefused(f"{parameters.path} is not a text file, and no image that can be shown.")
                file.seek(0)
                return _text(parameters.path, excerpt(file, parameters.offset, parameters.limit))
        except IsDirectory:
            return _listing(parameters.path, files.entries(parameters.path, MAX_ENTRIES + 1))


def is_below(path: str, directory: str) -> bool:
    """Whether an absolute path is written as one below a directory; where it leads is another matter."""
    return path.startswith(directory.rstrip("/") + "/")


def _text(path: str, found: Excerpt) -> ToolResult:
    details: dict[str, Any] = {"path": path, "firstLine": found.first, "lastLine": found.last, "lines": found.total}
    if found.last < found.first:
        return ToolResult(text="[The file is empty.]", details=details)
    if found.is_all and found.first == 1:
        return ToolResult(text=found.text, details=details)
    notes = []
    if found.is_cut:
        notes.append(f"Line {found.first} is too long to be shown whole.")
    of = "many" if found.total is None else found.total
    notes.append(f"These are lines {found.first} to {found.last} of {of}.")
    if found.total is None or found.last < found.total:
        notes.append(f"Go on with offset={found.last + 1}.")
    gap = "" if found.text.endswith("\n") else "\n"
    return ToolResult(text=f"{found.text}{gap}\n[{' '.join(notes)}]", details=details)


def _image(path: str, file: BinaryIO, head: bytes, kind: str) -> ToolResult:
    data = head + file.read(MAX_IMAGE_BYTES + 1 - len(head))
    if len(data) > MAX_IMAGE_BYTES:
        raise FileRefused(f"The image {path} is larger than {MAX_IMAGE_BYTES // 2**20} MiB.")
    return ToolResult(
        text=f"The image {path} ({kind}, {len(data)} bytes):",
        details={"path": path, "mimeType": kind, "bytes": len(data)},
        images=(ImagePart(data=base64.b64encode(data).decode("ascii"), mime_type=kind),),
    )


def _listing(path: str, names: list[str]) -> ToolResult:
    shown = names[:MAX_ENTRIES]
    more = [f"[There are more than these {MAX_ENTRIES}.]"] if len(names) > MAX_ENTRIES else []
    lines = [f"{path} is a directory. In it are:", *(shown or ["[nothing]"]), *more]
    return ToolResult(text="\n".join(lines), details={"path": path, "entries": shown})


__all__ = ["IMAGES", "MAX_ENTRIES", "MAX_IMAGE_BYTES", "Read", "ReadParameters"]
