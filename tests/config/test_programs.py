# -*- test-case-name: tests.config.test_programs -*-
"""What names a program to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.load import from_mapping
from openclaw_tx.config.programs import new_program
from openclaw_tx.config.schema import Config

SERVER = {"command": "npx", "args": ["-y", "x"], "env": {"A": "1"}}


def config(servers: dict[str, Any] | None = None, **rules: Any) -> Config:
    """A configuration with these servers and these rules of exec."""
    return from_mapping({"mcp": {"servers": servers or {}}, "tools": {"exec": rules}}, {}, Path("/nowhere")).config


class ProgramTests(SynchronousTestCase):
    """Named, changed, taken away."""

    def test_named(self) -> None:
        """Anything about a command that makes it another one is a new program."""
        before = config({"a": SERVER}, safeBins=["jq"], pathPrepend=["/opt/x"])
        for servers, rules, place in (
            ({"b": SERVER}, {}, "mcp.servers.b"),
            ({"a": {**SERVER, "command": "sh"}}, {}, "mcp.servers.a"),
            ({"a": {**SERVER, "args": ["-c", "id"]}}, {}, "mcp.servers.a"),
            ({"a": {**SERVER, "env": {"A": "2"}}}, {}, "mcp.servers.a"),
            ({"a": {**SERVER, "cwd": "/tmp"}}, {}, "mcp.servers.a"),
            ({}, {"pathPrepend": ["/opt/x", "/tmp"], "safeBins": []}, "tools.exec.pathPrepend"),
            ({}, {"safeBins": ["jq", "sh"]}, "tools.exec.safeBins"),
        ):
            self.assertEqual(new_program(before, config(servers, **rules)), place, (servers, rules))

    def test_taken_away(self) -> None:
        """Less is none, and so is all that is not about the command."""
        before = config({"a": SERVER, "b": SERVER}, safeBins=["jq", "wc"], pathPrepend=["/opt/x"])
        far = {"url": "http://127.0.0.1:1/mcp"}
        for servers, rules in (
            ({}, {"safeBins": []}),
            ({"a": {**SERVER, "enabled": False, "allow": ["x"]}, "far": far}, {"safeBins": ["wc"]}),
            ({"b": SERVER}, {"safeBins": ["wc", "jq"], "security": "deny"}),
        ):
            self.assertIsNone(new_program(before, config(servers, **rules)), (servers, rules))
