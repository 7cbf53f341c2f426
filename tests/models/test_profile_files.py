# -*- test-case-name: tests.models.test_profile_files -*-
"""Reading and writing auth-profiles.json."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.models.cooldowns import Standing
from openclaw_tx.models.profile_files import CHECK_S, WRITE_S, ProfileFiles, path_of, write
from openclaw_tx.models.profiles import Profiles
from tests.models.memory import start
from tests.models.test_profiles import file, key


class FilesCase(SynchronousTestCase):
    """Base: a state directory."""

    def setUp(self) -> None:
        self.state = Path(self.mktemp()).absolute()
        self.clock = Clock()
        self.looks = 0
        self.files = ProfileFiles(self.state, self.in_thread, self.clock)

    def in_thread(self, function: Any, *arguments: Any) -> Any:
        """At once, counted."""
        self.looks += 1
        return in_reactor_thread(function, *arguments)

    def put(self, raw: bytes, agent: str = "main", mode: int = 0o600) -> Path:
        """Write an agent's file."""
        path = path_of(self.state, agent)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
        path.chmod(mode)
        return path

    def read(self, agent: str = "main", default: str = "main") -> Profiles:
        """What the agent has."""
        return self.successResultOf(start(self.files.read(agent, default)))


class ReadTests(FilesCase):
    """L{ProfileFiles.read}."""

    def test_none(self) -> None:
        """Without a file there are no profiles, and no thread is bothered."""
        self.assertEqual((self.read(), self.looks), (Profiles(), 0))
        self.assertEqual(self.files.known("main"), Profiles())
        self.assertIsNone(self.files.known("other"))

    def test_follows_the_file(self) -> None:
        """A change is seen after a moment; one that is unchanged is not read again."""
        self.put(file(a=key()))
        self.assertEqual(list(self.read().credentials), ["a"])
        self.put(file(a=key(), b=key()))
        self.assertEqual(list(self.read().credentials), ["a"])
        self.clock.advance(CHECK_S)
        self.assertEqual((list(self.read().credentials), self.looks), (["a", "b"], 2))
        self.clock.advance(CHECK_S)
        self.assertEqual((list(self.read().credentials), self.looks), (["a", "b"], 2))
        path_of(self.state, "main").unlink()
        self.clock.advance(CHECK_S)
        self.assertEqual(self.read(), Profiles())

    def test_default_agent_s(self) -> None:
        """An agent without a file of its own has the default agent's; one with a file only that."""
        self.put(file(a=key()))
        self.assertEqual(self.read("beta").owner, "main")
        self.put(file(b=key()), "gamma")
        self.assertEqual(list(self.read("gamma").credentials), ["b"])

    def test_no_way_out(self) -> None:
        """What is no agent's id leads to no file."""
        (self.state / "x").mkdir(parents=True)
        self.assertEqual(self.read("../x", "../x"), Profiles())
        self.assertEqual(self.looks, 0)

    def test_broken(self) -> None:
        """What was known stays, and is told once; it is read again when it changes."""
        self.put(file(a=key()))
        self.read()
        self.put(b"{ broken")
        for _ in range(3):
            self.clock.advance(CHECK_S)
            self.assertEqual(list(self.read().credentials), ["a"])
        self.assertEqual(self.looks, 2)
        self.put(file(b=key()))
        self.clock.advance(CHECK_S)
        self.assertEqual(list(self.read().credentials), ["b"])

    def test_odd_files(self) -> None:
        """A pipe, a directory, too large a file."""
        path = path_of(self.state, "main")
        path.parent.mkdir(parents=True)
        os.mkfifo(path)
        self.assertEqual(self.read(), Profiles())
        path.unlink()
        path.mkdir()
        self.clock.advance(CHECK_S)
        self.assertEqual(self.read(), Profiles())
        path.rmdir()
        self.put(b" " * (1024 * 1024 + 1))
        self.clock.advance(CHECK_S)
        self.assertEqual(self.read(), Profiles())


class WarningTests(FilesCase):
    """What is told."""

    def setUp(self) -> None:
        super().setUp()
        self.events: list[dict[str, Any]] = []
        self.patch(self.files, "_log", self)

    def warn(self, format: str, **values: Any) -> None:
        """Stands in for the logger."""
        self.events.append(values)

    def test_mode(self) -> None:
        """Others may read it: it is used, and told once."""
        self.put(file(a=key()), mode=0o640)
        for _ in range(2):
            self.assertEqual(list(self.read().credentials), ["a"])
            self.clock.advance(CHECK_S)
        (event,) = self.events
        self.assertIn("mode 640", event["problem"])
        self.assertIn("chmod 600", event["problem"])

    def test_broken(self) -> None:
        """The reason, without what is in it."""
        self.put(b'{"key": "sk-very-secret"')
        self.read()
        self.assertEqual([event["problem"] for event in self.events], ["can not be used: is not JSON"])


class WriteTests(FilesCase):
    """L{ProfileFiles.write_later} and L{write}."""

    def stats(self) -> Any:
        """What the file says now."""
        return json.loads(path_of(self.state, "main").read_text()).get("usageStats")

    def test_later_and_once(self) -> None:
        """Many changes are one write, of what holds then."""
        path = self.put(file(a=key()))
        standing = Standing(last_used=1)
        self.files.write_later("main", lambda: {"a": standing})
        self.files.write_later("main", lambda: {"a": standing})
        standing = Standing(last_used=2)
        self.clock.advance(WRITE_S - 0.1)
        self.assertIsNone(self.stats())
        self.clock.advance(0.1)
        self.assertEqual((self.stats()["a"]["lastUsed"], self.looks), (2, 1))
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(list(path.parent.iterdir()), [path])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_close(self) -> None:
        """What is not written yet is written then."""
        self.put(file(a=key()))
        self.files.write_later("main", lambda: {"a": Standing(last_used=3)})
        self.successResultOf(start(self.files.close()))
        self.assertEqual((self.stats()["a"]["lastUsed"], self.clock.getDelayedCalls()), (3, []))
        self.successResultOf(start(self.files.close()))
        self.assertEqual(self.looks, 1)

    def test_meanwhile(self) -> None:
        """What others wrote in between stays."""
        self.put(file(a=key()))
        self.files.write_later("main", lambda: {"a": Standing(last_used=3)})
        self.put(file(a=key(secret="new"), b=key()))
        self.clock.advance(WRITE_S)
        self.assertEqual(set(json.loads(path_of(self.state, "main").read_text())["profiles"]), {"a", "b"})

    def test_no_file(self) -> None:
        """None is made."""
        self.files.write_later("main", lambda: {"a": Standing(last_used=3)})
        self.clock.advance(WRITE_S)
        self.assertFalse(path_of(self.state, "main").exists())

    def test_unreadable(self) -> None:
        """A file that can not be understood is left alone."""
        path = self.put(b"{ broken")
        self.files.write_later("main", lambda: {"a": Standing(last_used=3)})
        self.clock.advance(WRITE_S)
        self.assertEqual((path.read_bytes(), list(path.parent.iterdir())), (b"{ broken", [path]))

    def test_link(self) -> None:
        """A link stays one; what it points to is written."""
        path = self.put(file(a=key()))
        real = path.with_name("real.json")
        path.rename(real)
        path.symlink_to(real)
        write(path, {"a": Standing(last_used=4)})
        self.assertTrue(path.is_symlink())
        self.assertEqual(self.stats()["a"]["lastUsed"], 4)
