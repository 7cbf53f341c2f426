# -*- test-case-name: tests.web.test_docs -*-
"""The documents of the HTTP surface say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import CODES
from openclaw_tx.wire.openai_chat import parse
from tests.support.web import Harness

DOCS = Path(__file__).parent.parent.parent / "docs"


class ErrorsTests(SynchronousTestCase):
    """docs/errors.md."""

    def test_every_code_as_it_is(self) -> None:
        """Same codes in the same order, with their status, type, retry advice and WebSocket code."""
        rows = re.findall(
            r"^\| `(\w+)` \| (\d+) \| `(\w+)` \| (\w*) \| `(\w+)` \| (\w.*) \|$",
            (DOCS / "errors.md").read_text("utf-8"),
            re.MULTILINE,
        )
        retry = {True: "true", False: "false", None: ""}
        self.assertEqual(
            [row[:5] for row in rows],
            [(code, str(kind.status), kind.type, retry[kind.should_retry], kind.ws) for code, kind in CODES.items()],
        )


class HttpTests(SynchronousTestCase):
    """docs/http.md."""

    def test_every_path(self) -> None:
        """The table of paths is the tree."""
        text = (DOCS / "http.md").read_text("utf-8")
        gateway = Harness()
        self.addCleanup(gateway.close)
        for path in gateway.root.table:
            self.assertIn(f"`/{b'/'.join(path).decode()}`", text)

    def test_example(self) -> None:
        """The body of the curl line is a request."""
        body = re.search(r"-d '(.*)'", (DOCS / "http.md").read_text("utf-8"))
        assert body is not None
        parse(body[1].encode()).require_message()
