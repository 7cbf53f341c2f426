# -*- test-case-name: tests.tools.test_over_http -*-
"""GHSA-943q-mwmv-hhvh: what nobody may call directly over HTTP."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_gateway import HttpTools
from openclaw_tx.tools.over_http import NEVER, callable_over_http
from openclaw_tx.tools.policy import GROUPS

DEFAULT = HttpTools()


def callable_(*names: str, settings: HttpTools = DEFAULT, owner: bool = True) -> set[str]:
    """What is left of them."""
    return set(callable_over_http(names, settings, owner=owner))


class OverHttpTests(SynchronousTestCase):
    """The list, and the two ways to change it."""

    def test_never(self) -> None:
        """OpenClaw's list and the file and process tools, for owners too, in any case; the rest passes."""
        listed = [name for name in NEVER if not name.startswith("group:")]
        denied = [*listed, *GROUPS["group:fs"], *GROUPS["group:runtime"]]
        self.assertEqual(callable_(*denied, *(name.upper() for name in denied)), set())
        self.assertEqual(callable_("session_status", "agents_list", "mine"), {"session_status", "agents_list", "mine"})
        self.assertLessEqual(
            {
                *("exec", "spawn", "shell", "fs_write", "fs_delete", "fs_move", "apply_patch"),
                *("sessions_spawn", "sessions_send", "cron", "gateway", "nodes"),
            },
            set(listed),
        )

    def test_allow(self) -> None:
        """Takes names off the list, for owners alone."""
        settings = HttpTools(allow=["cron", "group:fs"])
        names = ("cron", "read", "exec", "mine")
        self.assertEqual(callable_(*names, settings=settings), {"cron", "read", "mine"})
        self.assertEqual(callable_(*names, settings=settings, owner=False), {"mine"})

    def test_deny(self) -> None:
        """Adds to it, for everybody, and wins over C{allow}; wildcards and groups mean what they mean in policies."""
        settings = HttpTools(allow=["cron"], deny=["cron", "mi*", "group:sessions"])
        self.assertEqual(callable_("cron", "mine", "session_status", "other", settings=settings), {"other"})
        self.assertEqual(callable_("a", "b", settings=HttpTools(deny=["*"])), set())
