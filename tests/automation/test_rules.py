# -*- test-case-name: tests.automation.test_rules -*-
"""L{openclaw_tx.automation.rules}."""

from __future__ import annotations

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.automation.rules import NO_HEARTBEATS, heartbeat_of, interval_of, is_active, seconds_of, summary
from openclaw_tx.automation.schedule import moment
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_agents import ActiveHours


def config(agents: object) -> Config:
    """A configuration with these agents."""
    return msgspec.convert({"agents": agents}, Config)


class RuleTests(SynchronousTestCase):
    """What the configuration says."""

    def test_durations(self) -> None:
        """A number alone means minutes."""
        for text, seconds in (
            ("", 0),
            ("0m", 0),
            ("30", 1800),
            ("90s", 90),
            ("2h", 7200),
            ("1d", 86400),
            ("500ms", 0.5),
        ):
            self.assertEqual(seconds_of(text), seconds, text)

    def test_off_by_default(self) -> None:
        """Nobody has heartbeats whom nobody gave any."""
        self.assertEqual(interval_of(Config(), "main"), 0)
        self.assertEqual(summary(Config(), "main"), {"enabled": False, "every": "disabled", "everyMs": None})
        self.assertEqual(NO_HEARTBEATS.of("main"), summary(Config(), "main"))

    def test_defaults(self) -> None:
        """Those of the defaults are everybody's."""
        found = config({"defaults": {"heartbeat": {"every": "30m"}}, "list": [{"id": "a"}, {"id": "b"}]})
        self.assertEqual((interval_of(found, "a"), interval_of(found, "b")), (1800, 1800))
        told = summary(found, "a")
        self.assertEqual((told["enabled"], told["every"], told["everyMs"]), (True, "30m", 1_800_000))
        self.assertEqual(told["target"], "none")
        found = config({"defaults": {"heartbeat": {"every": "30m", "target": "last"}}})
        self.assertEqual(summary(found, "main")["target"], "last")

    def test_own(self) -> None:
        """With rules of one's own, only such agents have them; they replace the defaults as a whole."""
        found = config(
            {
                "defaults": {"heartbeat": {"every": "30m", "model": "p/m"}},
                "list": [{"id": "a", "heartbeat": {"every": "1h"}}, {"id": "b"}],
            }
        )
        self.assertEqual((interval_of(found, "a"), interval_of(found, "b")), (3600, 0))
        self.assertEqual(heartbeat_of(found, "a").model, "")


class HoursTests(SynchronousTestCase):
    """Active hours."""

    def active(self, start: str, end: str, at: str, zone: str = "UTC") -> bool:
        """Whether a moment is within."""
        hours = ActiveHours(start=start, end=end, timezone=zone)
        return is_active(hours, moment(f"2026-07-01T{at}Z"), "Asia/Tokyo", "Europe/Berlin")

    def test_day(self) -> None:
        """From the start until before the end."""
        for at, expected in (("07:59", False), ("08:00", True), ("21:59", True), ("22:00", False)):
            self.assertEqual(self.active("08:00", "22:00", at), expected, at)

    def test_night(self) -> None:
        """An end before the start is on the next day."""
        for at, expected in (("21:59", False), ("22:00", True), ("02:00", True), ("06:00", False)):
            self.assertEqual(self.active("22:00", "06:00", at), expected, at)

    def test_whole_day(self) -> None:
        """Unset, or until 24:00; from one time to the same is never."""
        self.assertTrue(is_active(None, 0, "UTC", "UTC"))
        self.assertTrue(self.active("00:00", "24:00", "23:59"))
        self.assertFalse(self.active("08:00", "08:00", "08:00"))

    def test_zones(self) -> None:
        """The user's, the host's, or one by name."""
        self.assertTrue(self.active("09:00", "09:30", "00:15", "user"))
        self.assertTrue(self.active("09:00", "09:30", "00:15", ""))
        self.assertTrue(self.active("02:00", "02:30", "00:15", "local"))
        self.assertTrue(self.active("20:00", "20:30", "00:15", "America/New_York"))
