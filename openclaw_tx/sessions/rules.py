# -*- test-case-name: tests.sessions.test_sql -*-
"""What the configuration says of sessions, as the store goes by it. Read at each use: an edit counts at once."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_sessions import SessionSection
from openclaw_tx.sessions.resets import begins_anew
from openclaw_tx.sessions.send_policy import check_send
from openclaw_tx.values import SessionEntry, StoredRun


class Rules(NamedTuple):
    """The rules of the moment. Without any, every conversation goes on for ever and everything may be said."""

    section: SessionSection | None = None
    zone: tzinfo | None = None
    """Where the user is; None = where this machine is."""
    subagents_ms: int = 0
    """How long the session of a sub-agent is kept after its last use; 0 = for ever."""

    def admit(self, entry: SessionEntry | None, run: StoredRun) -> None:
        """
        @param entry: the run's session, if there is one yet.
        @raise GatewayError: C{invalid_request}: chat clients may not speak there.
        """
        if self.section is not None and run.surface in ("ws", "channel"):
            check_send(self.section.send_policy, run.session_key, entry, run.channel)

    def begins_anew(self, entry: SessionEntry, run: StoredRun, now_ms: int) -> bool:
        """Whether the run starts a new conversation in its session."""
        return self.section is not None and begins_anew(self.section, self.zone, entry, run, now_ms)


def rules_of(config: Config) -> Rules:
    """The rules of a configuration."""
    defaults = config.agents.defaults
    zone: tzinfo | None = None
    if defaults.user_timezone:
        try:
            zone = ZoneInfo(defaults.user_timezone)
        except (KeyError, OSError, ValueError):  # this machine has no zones
            zone = UTC
    return Rules(config.session, zone, defaults.subagents.archive_after_minutes * 60_000)


__all__ = ["Rules", "rules_of"]
