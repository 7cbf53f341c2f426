# -*- test-case-name: tests.sessions.test_lifecycle -*-
"""Where the store is, how it opens beside a reactor, and what keeps it tidy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, Logger
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import ConfigError
from openclaw_tx.sessions.lifecycle import (
    MEMORY,
    TIDY_SECONDS,
    StoreParts,
    build_sessions,
    inline_parts,
    open_sessions,
    store_path,
    tidying,
)
from openclaw_tx.sessions.sql import SqlSessions
from openclaw_tx.sessions.threads import InlineWorker
from tests.sessions.helpers import KEY, at_once, ended, live, scratch, user

ROOT = Path(__file__).resolve().parents[2]


def ids() -> Callable[[], str]:
    """Ids that count."""
    numbers = count(1)
    return lambda: f"id{next(numbers)}"


class LifecycleTests(SynchronousTestCase):
    """L{openclaw_tx.sessions.lifecycle} without a reactor."""

    def setUp(self) -> None:
        """Log events are kept."""
        self.events: list[LogEvent] = []
        self.log = Logger(observer=self.events.append)
        self.state_dir = scratch(self)

    def do(self, call: Any) -> Any:
        """The result of a coroutine."""
        return self.successResultOf(Deferred.fromCoroutine(call))

    def open(self, store: str = "", new_id: Callable[[], str] | None = None) -> SqlSessions:
        """Open a store that works at once."""
        sessions: SqlSessions = self.do(
            open_sessions(
                store, self.state_dir, StoreParts(lambda: 1.0, at_once, InlineWorker, new_id or ids(), 0), self.log
            )
        )
        self.addCleanup(lambda: self.do(sessions.close()))
        return sessions

    def test_paths(self) -> None:
        """Nothing is below the state directory; URLs name files, relative ones below it too."""
        home = os.path.expanduser("~")
        for store, expected in (
            ("", "/state/gateway/openclaw.sqlite"),
            ("sqlite:///x.sqlite", "/state/x.sqlite"),
            ("sqlite:////var/x%20y.sqlite", "/var/x y.sqlite"),
            ("sqlite:///~/x.sqlite", f"{home}/x.sqlite"),
            ("sqlite://", MEMORY),
            ("sqlite:///:memory:", MEMORY),
        ):
            self.assertEqual(store_path(store, "/state", self.log), expected)
        self.assertEqual(self.events, [])

    def test_path_of_openclaw(self) -> None:
        """A real configuration may name sessions.json: it loads, with a warning."""
        path = store_path("~/.openclaw/agents/{agentId}/sessions/sessions.json", "/state", self.log)
        self.assertEqual(path, "/state/gateway/openclaw.sqlite")
        self.assertEqual(len(self.events), 1)

    def test_bad_urls(self) -> None:
        """Refused with the name of the setting; a secret in the URL is not repeated."""
        for store in (
            "postgresql://joe:hunter2@db/openclaw",
            "postgres://joe:hunter2@db/openclaw",
            "mysql://joe:hunter2@db/x",
            "sqlite://x.sqlite",
            "sqlite:///x?mode=ro",
            "://x",
        ):
            error = self.assertRaises(ConfigError, store_path, store, "/state", self.log)
            self.assertEqual([path for path, _ in error.issues], ["session.store"])
            self.assertNotIn("hunter2", str(error))
        error = self.assertRaises(ConfigError, store_path, "postgresql://db/x", "/state", self.log)
        self.assertIn("not there yet", str(error))

    def test_open_and_close(self) -> None:
        """The file is where it should be; after closing only it remains."""
        sessions = self.open()
        directory = os.path.join(self.state_dir, "gateway")
        self.assertIn("openclaw.sqlite", os.listdir(directory))
        self.do(sessions.close())
        self.assertEqual(sorted(os.listdir(directory)), ["openclaw.sqlite", "openclaw.sqlite.owners"])
        self.assertEqual(os.listdir(os.path.join(directory, "openclaw.sqlite.owners")), [])
        self.assertEqual(self.events, [])

    def test_opens_in_spite_of_trouble(self) -> None:
        """A store that can not be reached now is logged and given back: it works when the cause is gone."""
        with open(self.state_dir, "w"):
            pass
        sessions = self.open()
        self.assertTrue(any(event["log_level"].name == "error" for event in self.events))
        self.assertFalse(sessions.healthy)
        os.unlink(self.state_dir)
        self.assertIsNone(self.do(sessions.delete(KEY)))
        self.assertTrue(sessions.healthy)

    def test_wrong_file_is_a_mistake_in_the_configuration(self) -> None:
        """That is not waited out."""
        os.makedirs(self.state_dir)
        self.do(self.open("sqlite:///x.sqlite").close())
        path = os.path.join(self.state_dir, "x.sqlite")
        with open(path, "r+b") as file:
            file.seek(68)  # the application id
            file.write(b"\0\0\0\7")
        parts = inline_parts(lambda: 1.0, ids())
        opening = open_sessions("sqlite:///x.sqlite", self.state_dir, parts, self.log)
        self.failureResultOf(Deferred.fromCoroutine(opening), ConfigError)
        sessions = build_sessions("sqlite:///x.sqlite", self.state_dir, parts, self.log)
        service = tidying(sessions, Clock(), self.log)
        service.startService()
        self.successResultOf(service.stopService())
        [event] = self.events
        self.assertIn("another program", event["error"])
        self.assertFalse(sessions.healthy)

    def test_memory(self) -> None:
        """For tests of applications: no file, no thread. The database opens with the first use."""
        sessions = build_sessions("sqlite://", "", inline_parts(lambda: 1.0, ids()), self.log)
        self.assertFalse(sessions.healthy)
        self.do(sessions.begin(live("r1"), [user("a")]))
        self.assertEqual(self.do(sessions.count()), 1)
        self.assertTrue(sessions.healthy)
        self.do(sessions.close())

    def test_tidying(self) -> None:
        """At its start and every ten minutes: crashed runs are closed and logged once, old rows go."""
        crashed = self.open(new_id=iter(["crashed", "s1", "s2"]).__next__)
        self.do(crashed.begin(live("r1"), [user("a")]))
        self.do(crashed.begin(live("r2", "agent:main:other"), [user("a")]))
        run = ended("r2", "agent:main:other", at_ms=2000)
        self.do(crashed.commit(run, [user("a")], model_provider="", model="", context_tokens=None))
        crashed._owners.release()
        sessions, clock = self.open(), Clock()
        clock.advance(3600)
        service = tidying(sessions, clock, self.log)
        service.startService()
        self.assertEqual(self.do(sessions.get_run("r1")).status, "interrupted")
        [event] = self.events
        self.assertEqual((event["id"], event["key"]), ("r1", KEY))
        self.assertEqual(self.do(sessions.get_run("r2")).status, "ok")
        clock.pump([TIDY_SECONDS] * 150)
        self.assertIsNone(self.do(sessions.get_run("r2")))
        self.assertEqual(len(self.events), 1)
        self.successResultOf(service.stopService())
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_tidying_outlives_trouble(self) -> None:
        """It is tried again next time."""
        with open(self.state_dir, "w"):
            pass
        sessions, clock = self.open(), Clock()
        service = tidying(sessions, clock, self.log)
        service.startService()
        os.unlink(self.state_dir)
        warnings = len(self.events)
        clock.advance(TIDY_SECONDS)
        self.assertIn("works again", self.events[-1]["text"])
        self.assertEqual(len(self.events), warnings + 1)
        self.successResultOf(service.stopService())

    def test_start_is_quick(self) -> None:
        """Importing the room brings in neither SQLAlchemy nor the reactor."""
        code = (
            "import sys, openclaw_tx.sessions.lifecycle\n"
            "sys.exit(any(name in sys.modules for name in ('sqlalchemy', 'twisted.internet.reactor')))"
        )
        self.assertEqual(subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode, 0)
