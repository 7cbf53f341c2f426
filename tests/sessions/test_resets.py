# -*- test-case-name: tests.sessions.test_resets -*-
"""When a conversation is over: the rules, the clock with its summer times, and the store that goes by them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_sessions import Reset, SessionSection
from openclaw_tx.sessions.resets import ResetPolicy, begins_anew, boundary_ms, is_over, policy
from openclaw_tx.values import SessionEntry, SessionSettings
from tests.sessions.helpers import KEY, live, replace_run

MINUTE, HOUR, DAY = 60_000, 3_600_000, 24 * 3_600_000
DAILY = ResetPolicy(4, None)
BERLIN, SYDNEY, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Sydney"), ZoneInfo("UTC")


def ms(text: str) -> int:
    """Epoch milliseconds of an ISO time; without an offset in UTC."""
    at = datetime.fromisoformat(text)
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


class PolicyTests(SynchronousTestCase):
    """Which rules hold for a session."""

    def assertPolicy(
        self, section: SessionSection, expected: tuple[Any, Any], key: str = KEY, channel: str = ""
    ) -> None:
        """Hour and minutes."""
        self.assertEqual(policy(section, key, channel), expected)

    def test_table(self) -> None:
        """Mode, hour and pause of one rule alone."""
        for given_, expected in (
            (None, (4, None)),
            (Reset(), (4, None)),
            (Reset(mode="daily", at_hour=0), (0, None)),
            (Reset(mode="daily", idle_minutes=30), (4, 30)),
            (Reset(mode="idle"), (None, 60)),
            (Reset(mode="idle", idle_minutes=5, at_hour=7), (None, 5)),
            (Reset(mode="none", at_hour=7, idle_minutes=5), (None, None)),
            (Reset(at_hour=7), (7, None)),
        ):
            self.assertPolicy(SessionSection(reset=given_), expected)

    def test_kinds(self) -> None:
        """A thread before a group; what the kind leaves open, the general rule says."""
        section = SessionSection(
            reset=Reset(mode="daily", at_hour=6, idle_minutes=99),
            reset_by_type={"group": Reset(idle_minutes=10), "thread": Reset(mode="idle"), "dm": Reset(mode="none")},
        )
        group = "agent:main:discord:group:7"
        self.assertPolicy(section, (6, 10), group)
        self.assertPolicy(section, (6, 10), "agent:main:slack:channel:c1")
        self.assertPolicy(section, (None, 99), f"{group}:thread:8")
        self.assertPolicy(section, (None, 99), "agent:main:telegram:group:7:topic:8")
        self.assertPolicy(section, (None, None))
        direct = SessionSection(reset_by_type={"direct": Reset(at_hour=1), "dm": Reset(at_hour=2)})
        self.assertPolicy(direct, (1, None), "agent:main:telegram:dm:joe")

    def test_channels(self) -> None:
        """The channel's rule stands alone; a key that names its channel needs not be told."""
        section = SessionSection(
            reset=Reset(mode="idle", idle_minutes=99),
            reset_by_type={"group": Reset(mode="none")},
            reset_by_channel={"Discord": Reset(at_hour=9)},
        )
        self.assertPolicy(section, (9, None), "agent:main:discord:group:7")
        self.assertPolicy(section, (9, None), KEY, "discord")
        self.assertPolicy(section, (None, None), "agent:main:telegram:group:7", "discord")
        self.assertPolicy(section, (None, 99), KEY, "webchat")

    def test_legacy(self) -> None:
        """C{session.idleMinutes} counts where nothing newer is said."""
        self.assertPolicy(SessionSection(idle_minutes=7), (None, 7))
        self.assertPolicy(SessionSection(idle_minutes=7, reset=Reset()), (4, None))
        self.assertPolicy(SessionSection(idle_minutes=7, reset_by_type={"group": Reset()}), (4, None))


class BoundaryTests(SynchronousTestCase):
    """The last time it was four o'clock."""

    def test_table(self) -> None:
        """By the user's clock, also on the days when it is changed."""
        for now, hour, zone, expected in (
            ("2026-01-30T03:59:59", 4, UTC_ZONE, "2026-01-29T04:00"),
            ("2026-01-30T04:00:00", 4, UTC_ZONE, "2026-01-30T04:00"),
            ("2026-01-30T02:59", 4, BERLIN, "2026-01-29T03:00"),
            ("2026-01-30T03:00", 4, BERLIN, "2026-01-30T03:00"),
            ("2026-07-30T02:00", 4, BERLIN, "2026-07-30T02:00"),
            ("2026-03-01T00:30", 4, SYDNEY, "2026-02-28T17:00"),
            # 29 March: 02:00 is followed by 03:00. 02:30 never is, three o'clock stands for it.
            ("2026-03-29T00:59", 2, BERLIN, "2026-03-28T01:00"),
            ("2026-03-29T01:00", 2, BERLIN, "2026-03-29T01:00"),
            ("2026-03-29T01:59", 4, BERLIN, "2026-03-28T03:00"),
            ("2026-03-29T02:00", 4, BERLIN, "2026-03-29T02:00"),
            # 25 October: it is twice between two and three. The first time counts, the second changes nothing.
            ("2026-10-25T00:00", 2, BERLIN, "2026-10-25T00:00"),
            ("2026-10-25T01:30", 2, BERLIN, "2026-10-25T00:00"),
            ("2026-10-25T02:59", 4, BERLIN, "2026-10-24T02:00"),
            ("2026-10-25T03:00", 4, BERLIN, "2026-10-25T03:00"),
            ("2026-01-01T00:00", 23, UTC_ZONE, "2025-12-31T23:00"),
        ):
            self.assertEqual(boundary_ms(ms(now), hour, zone), ms(expected), (now, hour, zone))

    @given(
        st.integers(ms("2000-01-01T00:00"), ms("2037-01-01T00:00")),
        st.integers(0, 23),
        st.sampled_from([BERLIN, SYDNEY, ZoneInfo("America/Sao_Paulo"), ZoneInfo("Asia/Kathmandu"), None]),
    )
    def test_any_time(self, now: int, hour: int, zone: Any) -> None:
        """It lies in the past, not much more than a day ago, and is the same until the next one."""
        last = boundary_ms(now, hour, zone)
        assert now - 26 * HOUR < last <= now
        assert boundary_ms(last, hour, zone) == last
        following = boundary_ms(last + 26 * HOUR, hour, zone)
        assert last < following
        if now < following:
            assert boundary_ms(min(now + MINUTE, following - 1), hour, zone) == last


class OverTests(SynchronousTestCase):
    """Whether a conversation is over."""

    def over(self, rules: ResetPolicy, began: str, spoken: str, now: str) -> bool:
        """In UTC."""
        return is_over(rules, began_ms=ms(began), spoken_ms=ms(spoken), now_ms=ms(now), zone=UTC_ZONE)

    def test_table(self) -> None:
        """Daily is judged by the beginning, idle by the last word; either of them ends it."""
        four, idle, both = DAILY, ResetPolicy(None, 60), ResetPolicy(4, 60)
        for rules, began, spoken, now, expected in (
            (four, "2026-01-30T03:59", "2026-01-30T03:59", "2026-01-30T04:00", True),
            (four, "2026-01-30T04:00", "2026-01-30T04:00", "2026-01-31T03:59", False),
            (four, "2026-01-28T10:00", "2026-01-30T04:30", "2026-01-30T05:00", True),
            (idle, "2026-01-01T00:00", "2026-01-30T11:00", "2026-01-30T12:00", False),
            (idle, "2026-01-30T10:00", "2026-01-30T11:00", "2026-01-30T12:01", True),
            (both, "2026-01-30T10:00", "2026-01-30T10:00", "2026-01-30T11:01", True),
            (both, "2026-01-30T03:50", "2026-01-30T03:50", "2026-01-30T04:00", True),
            (both, "2026-01-30T04:50", "2026-01-30T04:50", "2026-01-30T05:00", False),
            (ResetPolicy(None, None), "1970-01-01T00:00", "1970-01-01T00:00", "2026-01-30T05:00", False),
        ):
            self.assertEqual(self.over(rules, began, spoken, now), expected, (rules, began, spoken, now))

    def test_minutes(self) -> None:
        """They have sixty seconds: a pause of just so many minutes is none yet, a millisecond more is one."""
        for minutes in (1, 60, 7 * 24 * 60):
            idle = ResetPolicy(None, minutes)
            found = [
                is_over(idle, began_ms=0, spoken_ms=5, now_ms=5 + minutes * MINUTE + more, zone=None) for more in (0, 1)
            ]
            self.assertEqual(found, [False, True], minutes)


class WhoseTests(SynchronousTestCase):
    """Whose sessions begin anew at all."""

    def anew(self, key: str, **run: Any) -> bool:
        """A conversation of three days ago."""
        entry = SessionEntry(key=key, agent_id="main", session_id="s", created_at_ms=0, updated_at_ms=0)
        begun = replace_run(live("r", key), **{"surface": "ws", **run})
        return begins_anew(SessionSection(), UTC_ZONE, entry, begun, 3 * DAY)

    def test_keys(self) -> None:
        """Those of people do; those of programs never."""
        for key in (KEY, "global", "agent:main:work", "agent:main:telegram:dm:joe", "agent:main:discord:group:1"):
            self.assertTrue(self.anew(key), key)
        for rest in (
            "openai:0-1",
            "openai-user:joe",
            "openresponses:0-1",
            "openresponses-user:joe",
            "acme:openai-user:joe",
            "subagent:1",
            "subagent:1:subagent:2",
            "cron:job",
            "hook:1",
            "acp:1",
            "explicit:mine",
        ):
            self.assertFalse(self.anew(f"agent:main:{rest}"), rest)
        self.assertFalse(self.anew("cron:job"))

    def test_who_asks(self) -> None:
        """Chat clients, the command line and embedders speak; HTTP and what runs by itself do not."""
        for surface in ("ws", "cli", "embed"):
            self.assertTrue(self.anew(KEY, surface=surface))
        self.assertFalse(self.anew(KEY, surface="http"))
        for trigger in ("heartbeat", "cron", "hook", "subagent", "announce", "memory"):
            self.assertFalse(self.anew(KEY, trigger=trigger))
        self.assertTrue(self.anew(KEY, trigger="agent"))

    def test_channel_of_the_session(self) -> None:
        """What is known of the session's channel comes before that of the message."""
        section = SessionSection(reset_by_channel={"discord": Reset(mode="none")})
        entry = SessionEntry(
            key=KEY,
            agent_id="main",
            session_id="s",
            created_at_ms=0,
            updated_at_ms=0,
            settings=SessionSettings(channel="discord"),
        )
        run = replace_run(live("r"), surface="ws", channel="webchat")
        self.assertFalse(begins_anew(section, UTC_ZONE, entry, run, 3 * DAY))
