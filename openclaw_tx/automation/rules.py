# -*- test-case-name: tests.automation.test_rules -*-
"""What the configuration says of heartbeats, made ready for use. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from openclaw_tx.automation.cron_expression import zone
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_agents import ActiveHours, Heartbeat
from openclaw_tx.interfaces import Agents, SystemEvents
from openclaw_tx.sessions.keys import in_scope, main_key

PROMPT = (
    "This is a heartbeat. Read HEARTBEAT.md of your workspace if it is there, and do what it says. Do not take up old "
    "tasks of this conversation that nobody asks for any more. If nothing needs attention, answer HEARTBEAT_OK."
)
"""What an agent is asked unless the configuration says otherwise."""

NONE: Mapping[str, Any] = {"enabled": False, "every": "disabled", "everyMs": None}
"""What is told of an agent without heartbeats."""

_DURATION = re.compile(r"(\d{1,6})(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def main_session(config: Config, agent_id: str) -> str:
    """The key of an agent's main session: its own, or that of the one conversation of all (C{session.scope})."""
    return in_scope(main_key(agent_id), agent_id, config.session.scope)


def seconds_of(duration: str) -> float:
    """Seconds of a duration such as C{30m}; a number alone means minutes; "" = 0."""
    match = _DURATION.fullmatch(duration)
    return int(match[1]) * _SECONDS[match[2] or "m"] if match is not None else 0.0


def heartbeat_of(config: Config, agent_id: str) -> Heartbeat:
    """The rules of an agent, whether or not it has heartbeats by the clock."""
    own = next((entry.heartbeat for entry in config.agents.entries if entry.id == agent_id), None)
    return own or config.agents.defaults.heartbeat


def interval_of(config: Config, agent_id: str) -> float:
    """Seconds between two heartbeats of an agent; 0.0 = it has none by the clock. When any agent has rules of its own,
    only such agents have heartbeats."""
    owners = {entry.id for entry in config.agents.entries if entry.heartbeat is not None}
    if owners and agent_id not in owners:
        return 0.0
    return seconds_of(heartbeat_of(config, agent_id).every)


def is_active(hours: ActiveHours | None, now_ms: int, user_zone: str, local_zone: str) -> bool:
    """Whether a moment lies within the hours; those whose end is before their start go over midnight, and those whose
    end is their start are none.

    @param user_zone: what C{user} and "" stand for.
    @param local_zone: what C{local} stands for.
    """
    if hours is None:
        return True
    name = {"": user_zone, "user": user_zone, "local": local_zone}.get(hours.timezone, hours.timezone)
    try:
        place = zone(name)
    except ValueError:
        place = zone("UTC")
    now = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(place)
    minute, start, end = now.hour * 60 + now.minute, _minutes(hours.start), _minutes(hours.end)
    if start <= end:
        return start <= minute < end
    return minute >= start or minute < end


def summary(config: Config, agent_id: str) -> Mapping[str, Any]:
    """What C{health} and C{status} tell of an agent's heartbeats."""
    seconds = interval_of(config, agent_id)
    if not seconds:
        return NONE
    rules = heartbeat_of(config, agent_id)
    return {
        "enabled": True,
        "every": rules.every,
        "everyMs": int(seconds * 1000),
        "prompt": rules.prompt or PROMPT,
        "target": rules.target or "none",
        "ackMaxChars": rules.ack_max_chars,
    }


class Heartbeats(NamedTuple):
    """What clients may be told of heartbeats, and of news that wait for agents."""

    settings: Callable[[], Config] | None = None
    """None = there are no heartbeats."""
    events: SystemEvents | None = None

    def seconds(self, agent_id: str) -> int:
        """Between two heartbeats of an agent; 0 = it has none by the clock."""
        return int(interval_of(self.settings(), agent_id)) if self.settings is not None else 0

    def of(self, agent_id: str) -> Mapping[str, Any]:
        """The rules of an agent."""
        return summary(self.settings(), agent_id) if self.settings is not None else NONE

    def news(self, agents: Agents) -> Sequence[str]:
        """Those that wait in the default agent's main session."""
        if self.events is None:
            return ()
        agent_id = agents.default_id
        return self.events.peek(main_session(self.settings(), agent_id) if self.settings else main_key(agent_id))


NO_HEARTBEATS = Heartbeats()


class Beat(NamedTuple):
    """A heartbeat that is due or wanted."""

    agent_id: str
    session_key: str
    reason: str
    """C{interval}, or what wants it."""


def _minutes(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)


__all__ = [
    "NO_HEARTBEATS",
    "PROMPT",
    "Beat",
    "Heartbeats",
    "heartbeat_of",
    "interval_of",
    "is_active",
    "main_session",
    "seconds_of",
    "summary",
]
