# -*- test-case-name: tests.config.test_programs -*-
"""What of a configuration names programs to run (GHSA-g55j-c2v4-pjcg). That is said in the file or on the command line,
by who has the machine; over the wire it can be taken away, not given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openclaw_tx.config.paths import render
from openclaw_tx.config.schema import Config


def programs_in(config: Config) -> Iterator[tuple[str, Any]]:
    """Each with its place: the command of a server with all that makes it what it is, a directory where programs are
    looked for, a program that needs no allowlist."""
    for name, server in config.mcp.servers.items():
        if server.command:
            environment = tuple(sorted(server.env.items()))
            yield render(("mcp", "servers", name)), (server.command, tuple(server.args), environment, server.cwd)
    for key, listed in (("pathPrepend", config.tools.exec.path_prepend), ("safeBins", config.tools.exec.safe_bins)):
        yield from ((f"tools.exec.{key}", program) for program in listed)


def new_program(before: Config, after: Config) -> str | None:
    """The place of a program that C{after} names and C{before} does not; None = there is none."""
    known = set(programs_in(before))
    return next((place for place, program in programs_in(after) if (place, program) not in known), None)


__all__ = ["new_program", "programs_in"]
