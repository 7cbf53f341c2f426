"""What the tests of the file tools share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.tools.file_tool import FileTool
from openclaw_tx.tools.schema import decode_arguments
from openclaw_tx.values import ToolResult
from tests.tools.doubles import AGENT, Context, result_of


class FileToolCase(SynchronousTestCase):
    """A tool at work in a workspace, with a secret beside it.

    @cvar kind: the tool.
    """

    kind: type[FileTool[Any]]

    def setUp(self) -> None:
        """An empty workspace."""
        self.place = Path(self.mktemp()).absolute()
        self.root = self.place / "workspace"
        self.root.mkdir(parents=True)
        (self.place / "secret").write_text("outside\n")
        self.current = Config()
        self.context = Context()
        self.context.agent = replace(AGENT, workspace=str(self.root))
        self.tool = self.kind(lambda: self.current, in_reactor_thread, lambda: {"HOME": str(self.place)})

    def configure(self, **fields: Any) -> None:
        """Another configuration, as the file would give it."""
        self.current = msgspec.convert(fields, Config)

    def put(self, path: str, data: bytes | str) -> Path:
        """A file of the workspace."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
        return file

    def call(self, **arguments: Any) -> ToolResult:
        """The tool called as a run does."""
        decoded = decode_arguments(self.tool, msgspec.json.encode(arguments).decode())
        return result_of(self, self.tool.call(decoded, self.context))

    def done(self, **arguments: Any) -> ToolResult:
        """A call that succeeds."""
        result = self.call(**arguments)
        self.assertFalse(result.is_error, result.text)
        return result

    def refused(self, why: str, **arguments: Any) -> None:
        """A call with an error result."""
        result = self.call(**arguments)
        self.assertTrue(result.is_error, result.text)
        self.assertIn(why, result.text)
