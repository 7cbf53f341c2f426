# -*- test-case-name: tests.tools.test_over_http -*-
"""Which tools nobody may call directly over HTTP, whatever an agent's policy allows (spec 1.5, GHSA-943q-mwmv-hhvh).

A model that uses a tool does so within a run, which is seen and can be stopped. C{POST /tools/invoke} has none of that,
so what can start programs, touch files, steer sessions or change the gateway itself is not offered there. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from openclaw_tx.config.schema_gateway import HttpTools
from openclaw_tx.tools.policy import Matcher

NEVER = (
    "exec",
    "spawn",
    "shell",
    "fs_write",
    "fs_delete",
    "fs_move",
    "apply_patch",
    "sessions_spawn",
    "sessions_send",
    "cron",
    "gateway",
    "nodes",
    "group:fs",
    "group:runtime",
)
"""Denied by default: OpenClaw's list, and the file and process tools that it never had there in the first place."""

_NEVER = Matcher(NEVER)


def callable_over_http(names: Iterable[str], settings: HttpTools, *, owner: bool) -> frozenset[str]:
    """Those of C{names} that may be called.

    @param settings: C{allow} takes names off the default list, for owners; C{deny} adds to it, for everybody.
    @param owner: the caller may do everything.
    """
    denied, back = Matcher(settings.deny), Matcher(settings.allow)
    return frozenset(
        name
        for name in names
        if not denied.matches(name) and (not _NEVER.matches(name) or (owner and back.matches(name)))
    )


__all__ = ["NEVER", "callable_over_http"]
