# -*- test-case-name: tests.wire.test_tools_invoke -*-
"""Requests to call a tool, results and refusals."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import ToolResult
from openclaw_tx.wire.tools_invoke import (
    MAX_KEY,
    ToolsInvokeError,
    ToolsInvokeRequest,
    not_available,
    parse,
    render_error,
    render_result,
)


def read(**fields: Any) -> ToolsInvokeRequest:
    """Parse."""
    return parse(json.dumps(fields).encode())


class ParseTests(SynchronousTestCase):
    """Field by field."""

    def refused(self, message: str, **fields: Any) -> None:
        """It is refused in this endpoint's envelope."""
        error = self.assertRaises(ToolsInvokeError, read, **fields)
        self.assertEqual((error.status, error.kind, error.message), (400, "invalid_request", message))

    def test_name(self) -> None:
        """C{name} wins over C{tool}; a blank or wrong one does not count."""
        self.assertEqual(read(tool="a").name, "a")
        self.assertEqual(read(tool="a", name=" b ").name, "b")
        for value in ("", "  ", None, 5, ["x"]):
            self.assertEqual(read(tool="a", name=value).name, "a")
            self.refused("tools.invoke requires name", name=value, tool=value)
        self.refused("tools.invoke requires name")

    def test_everything(self) -> None:
        """All fields; what is ignored may be anything."""
        self.assertEqual(
            read(
                tool="t",
                action=" list ",
                args={"a": 1},
                sessionKey=" main ",
                agentId="beta",
                idempotencyKey="k",
                dryRun=[1],
                zzz=1,
            ),
            ToolsInvokeRequest(
                name="t", action="list", args={"a": 1}, session_key="main", agent_id="beta", idempotency_key="k"
            ),
        )

    def test_args(self) -> None:
        """Anything but an object is no arguments, as recorded."""
        for value in (None, [1], "x", 5, True):
            self.assertEqual(read(tool="t", args=value).args, {})

    def test_texts(self) -> None:
        """Strings or nothing."""
        for field in ("action", "sessionKey", "agentId", "idempotencyKey"):
            read(tool="t", **{field: None})
            for value, kind in ((5, "number"), (True, "boolean"), ([], "array"), ({}, "object")):
                self.refused(f"{field}: Invalid input: expected string, received {kind}", tool="t", **{field: value})
        self.assertEqual(len(read(tool="t", idempotencyKey="k" * MAX_KEY).idempotency_key), 256)
        self.refused(
            "idempotencyKey: Too big: expected string to have <=256 characters", tool="t", idempotencyKey="k" * 257
        )

    def test_bodies(self) -> None:
        """What is no JSON object gets the common envelope, as recorded; nothing at all is C{{}}."""
        for body in (b"{", b"[]", b"5", b"\xff", b"[" * 10_000):
            self.assertEqual(self.assertRaises(GatewayError, parse, body).info.code, "invalid_request")
        self.assertRaises(ToolsInvokeError, parse, b"")


class RenderTests(SynchronousTestCase):
    """The two envelopes."""

    def test_result(self) -> None:
        """Text always, details where there are some."""
        self.assertEqual(
            render_result(ToolResult(text="a", details={"b": 1})),
            b'{"ok":true,"result":{"content":[{"type":"text","text":"a"}],"details":{"b":1}}}',
        )
        self.assertEqual(
            render_result(ToolResult(text="")), b'{"ok":true,"result":{"content":[{"type":"text","text":""}]}}'
        )
        self.assertRaises(TypeError, render_result, ToolResult(text="a", details=object()))
        # What a tool cut out of a text or read from a disk may hold half a character.
        self.assertIn('"text":"a\ufffd"'.encode(), render_result(ToolResult(text="a\ud83d")))

    def test_error(self) -> None:
        """Byte for byte what was recorded."""
        self.assertEqual(
            render_error(not_available("nope")),
            b'{"ok":false,"error":{"type":"not_found","message":"Tool not available: nope"}}',
        )
