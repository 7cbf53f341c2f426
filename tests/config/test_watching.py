# -*- test-case-name: tests.config.test_watching -*-
"""L{openclaw_tx.config.watching}: edits of real files, on a clock of our own."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import Logger, formatEvent

from openclaw_tx.auth.startup import check_startup
from openclaw_tx.config.load import Check, Loaded, nothing_else
from openclaw_tx.config.settings import Settings
from openclaw_tx.config.watching import INTERVAL, ConfigWatcher
from tests.config.support import Home


class WatcherTests(Home):
    """L{ConfigWatcher}."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.lines: list[str] = []
        self.loads = 0
        self.log = Logger(observer=lambda event: self.lines.append(f"{event['log_level'].name}: {formatEvent(event)}"))

    def counted(self) -> Loaded:
        """The loader."""
        self.loads += 1
        return self.load(check=self.check)

    def watch(self, text: str | None = "{}", check: Check = nothing_else) -> Settings:
        """Start to watch."""
        self.check = check
        self.settings = Settings(self.load(text, check=check))
        self.watcher = ConfigWatcher(self.settings, self.counted, self.clock, self.log)
        self.watcher.startService()
        self.addCleanup(lambda: self.watcher.running and self.watcher.stopService())
        return self.settings

    def wait(self, seconds: float = 2.0) -> None:
        """Let time pass in small steps."""
        for _ in range(round(seconds * 20)):
            self.clock.advance(0.05)

    def edit(self, text: str, **names: Any) -> None:
        """Write the file and let it be found."""
        self.write(text, **names)
        self.wait()

    def test_quiet(self) -> None:
        """Without an edit nothing is loaded and nothing is logged."""
        self.watch()
        self.wait(30)
        self.assertEqual((self.loads, self.lines), (0, []))

    def test_hot(self) -> None:
        """An edit takes effect without a restart, is loaded once, and the log names paths but no values."""
        settings = self.watch()
        self.edit("{gateway: {auth: {token: 'hunter2'}, http: {endpoints: {chatCompletions: {enabled: true}}}}}")
        self.assertTrue(settings().gateway.http.endpoints.chat_completions.enabled)
        self.assertEqual(self.loads, 1)
        paths = "gateway.auth.token, gateway.http.endpoints.chatCompletions.enabled"
        self.assertEqual(self.lines, [f"info: configuration applied: {paths}"])

    def test_how_soon(self) -> None:
        """At the next look plus the quiet time, not before."""
        settings = self.watch("{gateway: {reload: {debounceMs: 1000}}}")
        self.write("{tools: {deny: ['x']}}")
        self.clock.advance(INTERVAL)
        self.clock.advance(0.99)
        self.assertEqual(settings().tools.deny, [])
        self.clock.advance(0.02)
        self.assertEqual(settings().tools.deny, ["x"])

    def test_being_written(self) -> None:
        """A file that keeps changing is left alone until it is quiet."""
        settings = self.watch()
        text = "{tools: {deny: ['x', 'y', 'z']}}"
        for length in range(1, len(text) + 1, 4):
            self.write(text[:length])
            self.wait(0.4)
            self.assertLessEqual(len(self.clock.getDelayedCalls()), 2)
        self.write(text)
        self.assertEqual(self.loads, 0)
        self.wait()
        self.assertEqual((self.loads, settings().tools.deny), (1, ["x", "y", "z"]))

    def test_changed_while_waiting(self) -> None:
        """A change within the quiet time, between two looks, is not taken half."""
        settings = self.watch()
        self.write("{tools: {deny: ['x']}}")
        self.clock.advance(INTERVAL)
        self.write("{tools: {deny: [")
        self.clock.advance(0.4)
        self.assertEqual((self.loads, self.lines), (0, []))
        self.write("{tools: {deny: ['y']}}")
        self.wait()
        self.assertEqual((settings().tools.deny, self.loads), (["y"], 1))

    def test_invalid(self) -> None:
        """What can not be used changes nothing, is told once with every issue, and again only for another edit."""
        settings = self.watch("{tools: {deny: ['good']}}")
        self.edit("{tools: {deny: 5}, gateway: {port: 'hunter2'}}")
        self.wait(30)
        self.assertEqual(settings().tools.deny, ["good"])
        [line] = self.lines
        self.assertTrue(line.startswith("error: "))
        self.assertIn("tools.deny: expected array, got int", line)
        self.assertIn("gateway.port: expected int, got str", line)
        self.assertNotIn("hunter2", line)
        self.edit("{tools: {")
        self.assertEqual((len(self.lines), settings().tools.deny), (2, ["good"]))
        self.edit("{tools: {deny: ['good']}}")
        self.assertEqual(self.lines[2:], ["info: the configuration can be used again"])

    def test_missing_variable(self) -> None:
        """A variable that is not there keeps the last good configuration; it coming with .env is enough to go on."""
        settings = self.watch()
        self.edit("{gateway: {auth: {token: '${NEW_TOKEN}'}}}")
        self.assertIn("NEW_TOKEN is not set", self.lines[0])
        self.edit("NEW_TOKEN=abc\n", name=".env")
        self.assertEqual(settings().gateway.auth.token, "abc")

    def test_restart(self) -> None:
        """What needs a restart is named and held back, the rest of the edit applies."""
        settings = self.watch()
        self.edit("{gateway: {port: 5}, tools: {deny: ['x']}}")
        self.assertEqual((settings().gateway.port, settings().tools.deny), (18789, ["x"]))
        self.assertEqual(
            self.lines, ["info: configuration applied: tools.deny", "warn: restart the gateway to apply: gateway.port"]
        )

    def test_modes(self) -> None:
        """hot does not speak of restarts; restart is like hybrid; off applies nothing until it is switched again."""
        edit = "{gateway: {port: %d, reload: {mode: '%s'}}, tools: {deny: ['%s']}}"
        settings = self.watch()
        self.edit(edit % (5, "hot", "a"))
        self.assertEqual((settings().tools.deny, len(self.lines)), (["a"], 1))
        self.edit(edit % (5, "restart", "b"))
        self.assertEqual(settings().tools.deny, ["b"])
        self.assertIn("restart the gateway", self.lines[-1])
        self.edit(edit % (5, "off", "c"))
        self.assertEqual((settings().tools.deny, settings().gateway.reload.mode), (["b"], "restart"))
        self.assertIn("is off", self.lines[-1])
        self.edit(edit % (5, "hybrid", "d"))
        self.assertEqual(settings().tools.deny, ["d"])

    def test_include(self) -> None:
        """Included files are watched; one that a failed load missed or tripped over as well."""
        self.write("{deny: ['a']}", "inc.json5")
        settings = self.watch("{tools: {$include: 'inc.json5'}}")
        self.edit("{deny: ['b']}", name="inc.json5")
        self.assertEqual(settings().tools.deny, ["b"])
        self.edit("{tools: {$include: 'other.json5'}}")
        self.assertIn("other.json5", self.lines[-1])
        self.edit("{deny: [", name="other.json5")
        self.assertIn("line 1", self.lines[-1])
        self.edit("{deny: ['c']}", name="other.json5")
        self.assertEqual(settings().tools.deny, ["c"])

    def test_appears_and_goes(self) -> None:
        """A file that was not there at the start counts when it comes, and defaults are back when it goes."""
        settings = self.watch(None)
        self.edit("{tools: {deny: ['a']}}")
        self.assertEqual(settings().tools.deny, ["a"])
        self.file.unlink()
        self.wait()
        self.assertEqual(settings().tools.deny, [])

    def test_replaced(self) -> None:
        """An editor that renames a new file into place, even of the same size and time, is noticed."""
        settings = self.watch("{tools: {deny: ['a']}}")
        stamp = self.file.stat()
        other = self.write("{tools: {deny: ['b']}}", "new.tmp")
        os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        other.replace(self.file)
        self.wait()
        self.assertEqual(settings().tools.deny, ["b"])

    def test_secret_in_dotenv(self) -> None:
        """A secret rotated in a .env file takes effect; the log has its name only."""
        settings = self.watch()
        self.edit("OPENCLAW_GATEWAY_TOKEN=hunter2\n", name=".env")
        self.assertEqual(settings.environment["OPENCLAW_GATEWAY_TOKEN"], "hunter2")
        self.assertEqual(self.lines, ["info: configuration applied: env.OPENCLAW_GATEWAY_TOKEN"])

    def test_warnings_are_told_once(self) -> None:
        """A warning known from the load before is not repeated."""
        self.watch("{browser: {}}")
        self.edit("{browser: {}, tools: {deny: ['a']}}")
        self.assertEqual(len(self.lines), 1)
        self.edit("{browser: {}, canvasHost: {}, tools: {deny: ['a']}}")
        self.assertIn("warn: not used by this gateway", self.lines[1])

    def test_unsafe_edit(self) -> None:
        """An edit that is safe only after a restart is refused as a whole and told."""
        settings = self.watch("{gateway: {bind: 'lan', auth: {token: 'a-token'}}}", check_startup)
        self.edit("{gateway: {auth: {mode: 'none'}}}")
        self.assertEqual(settings().gateway.auth.mode, None)
        self.assertIn("needs a restart", self.lines[0])

    def test_stopped(self) -> None:
        """A stopped watcher has no timer left, also when it stops in the quiet time."""
        settings = self.watch()
        self.write("{tools: {deny: ['a']}}")
        self.clock.advance(INTERVAL)
        self.assertEqual(len(self.clock.getDelayedCalls()), 2)
        self.watcher.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.wait()
        self.assertEqual((self.loads, settings().tools.deny), (0, []))
