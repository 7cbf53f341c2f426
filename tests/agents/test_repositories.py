# -*- test-case-name: tests.agents.test_repositories -*-
"""git init in new workspaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.agents.repositories import TIMEOUT_S, Repositories
from tests.support.processes import Processes


class RepositoriesTests(SynchronousTestCase):
    """Processes that are none, and a git that is a file."""

    def setUp(self) -> None:
        """A machine with git."""
        self.bin = Path(self.mktemp()).absolute()
        self.bin.mkdir()
        (self.bin / "git").write_text("")
        (self.bin / "git").chmod(0o755)
        self.environment = {"PATH": str(self.bin), "HOME": "/home/ann", "OPENAI_API_KEY": "secret"}
        self.processes = Processes()
        self.clock: Any = MemoryReactorClock()
        self.repositories = Repositories(self.processes, self.clock, lambda: self.environment)

    def test_init(self) -> None:
        """It is run once, without secrets, and leaves nothing when it has ended."""
        self.repositories.create("/w")
        (process,) = self.processes.spawned
        self.assertEqual(process.command, [str(self.bin / "git"), "init", "--quiet"])
        self.assertEqual(process.env, {"PATH": str(self.bin), "HOME": "/home/ann"})
        process.end(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.successResultOf(self.repositories.stopService())

    def test_failure(self) -> None:
        """One that fails, or can not be started, is nobody's trouble."""
        self.repositories.create("/w")
        self.processes.spawned[0].end(128)
        self.processes.error = OSError("no more processes")
        self.repositories.create("/w")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_endless(self) -> None:
        """One that does not end is killed."""
        self.repositories.create("/w")
        self.clock.advance(TIMEOUT_S)
        (process,) = self.processes.spawned
        self.assertEqual(process.signals, ["KILL"])
        process.end(None, 9)

    def test_stop(self) -> None:
        """Stopping kills what runs and waits until it has gone."""
        self.repositories.create("/w")
        (process,) = self.processes.spawned
        stopped = self.repositories.stopService()
        self.assertEqual(process.signals, ["KILL"])
        self.assertNoResult(stopped)
        process.end(None, 9)
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_git(self) -> None:
        """Without git, without a PATH, and on a reactor without processes nothing is run."""
        for path in ({"PATH": "/nowhere"}, {}):
            Repositories(self.processes, self.clock, lambda: path).create("/w")  # noqa: B023 (called at once)
        Repositories(self.clock, self.clock, lambda: self.environment).create("/w")
        self.assertEqual(self.processes.spawned, [])
