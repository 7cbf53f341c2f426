# -*- test-case-name: tests.sessions.test_resets -*-
"""When a conversation begins anew by itself (spec 4.4, decision D21). Pure.

C{daily}: a conversation that began before the last boundary is over, whatever was said in it since. C{idle}: one in
which nobody has spoken for so long is over; heartbeats and cron jobs do not count. Both are judged when somebody speaks
again, never by a timer. Sessions of programs (HTTP, sub-agents, cron, hooks) never begin anew.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

from openclaw_tx.config.schema_sessions import Reset, SessionSection
from openclaw_tx.sessions.keys import conversation_of
from openclaw_tx.values import SessionEntry, StoredRun

SPOKEN = frozenset({"user", "agent"})
"""What starts a run when somebody speaks: a person, or another agent."""

AT_HOUR = 4
IDLE_MINUTES = 60
"""Of mode idle, where nothing else is said."""

_PROGRAMS = re.compile(r"(?:^|:)(?:open(?:ai|responses)(?:-user)?|subagent|cron|hook|acp|explicit):", re.IGNORECASE)


class ResetPolicy(NamedTuple):
    """The rules for one conversation."""

    at_hour: int | None
    """Hour of the day; None = no boundary."""
    idle_minutes: int | None
    """Pause; None = any."""


def policy(section: SessionSection, key: str, channel: str) -> ResetPolicy:
    """The rules for a session: of its channel, else of its kind over the general ones, field by field.

    @param channel: of the message, where the key names none.
    """
    kind, named = conversation_of(key)
    wanted = named or channel.lower()
    by_channel = next((rule for name, rule in section.reset_by_channel.items() if name.lower() == wanted), None)
    by_kind = section.reset_by_type.get(kind)
    if by_kind is None and kind == "direct":
        by_kind = section.reset_by_type.get("dm")
    layers = [by_channel] if by_channel is not None else [by_kind, section.reset]
    given = [layer for layer in layers if layer is not None]
    if not given and section.idle_minutes is not None and not section.reset_by_type:
        given = [Reset(mode="idle", idle_minutes=section.idle_minutes)]
    mode = next((layer.mode for layer in given if layer.mode is not None), "daily")
    hour = next((layer.at_hour for layer in given if layer.at_hour is not None), AT_HOUR)
    idle = next((layer.idle_minutes for layer in given if layer.idle_minutes is not None), None)
    if mode == "none":
        return ResetPolicy(None, None)
    return ResetPolicy(hour, idle) if mode == "daily" else ResetPolicy(None, idle or IDLE_MINUTES)


def is_over(rules: ResetPolicy, *, began_ms: int, spoken_ms: int, now_ms: int, zone: tzinfo | None) -> bool:
    """Whether a conversation is over.

    @param began_ms: when it began.
    @param spoken_ms: when somebody last spoke in it.
    @param zone: where the user is; None = where this machine is.
    """
    if rules.idle_minutes is not None and now_ms - spoken_ms > rules.idle_minutes * 60_000:
        return True
    return rules.at_hour is not None and began_ms < boundary_ms(now_ms, rules.at_hour, zone)


def boundary_ms(now_ms: int, hour: int, zone: tzinfo | None) -> int:
    """The last time that it was C{hour} o'clock, in epoch milliseconds.

    Once on every day of the calendar: an hour that the clocks skip is there when they have been put forward, of one
    that they repeat the first counts.
    """
    # Without a zone: naive times, which Python takes to be this machine's.
    now = datetime.fromtimestamp(now_ms / 1000, zone)
    at = now.replace(hour=hour, minute=0, second=0, microsecond=0, fold=0)
    boundary = round(at.timestamp() * 1000)
    if boundary > now_ms:
        boundary = round((at - timedelta(days=1)).replace(fold=0).timestamp() * 1000)
    return boundary


def begins_anew(section: SessionSection, zone: tzinfo | None, entry: SessionEntry, run: StoredRun, now_ms: int) -> bool:
    """Whether C{run} starts a new conversation in its session."""
    if run.resumes:
        return False
    if run.surface == "http" or run.trigger not in SPOKEN or _PROGRAMS.search(entry.key):
        return False
    rules = policy(section, entry.key, entry.settings.channel or run.channel)
    spoken = entry.interacted_at_ms or entry.updated_at_ms
    return is_over(rules, began_ms=entry.created_at_ms, spoken_ms=spoken, now_ms=now_ms, zone=zone)


__all__ = ["SPOKEN", "ResetPolicy", "begins_anew", "boundary_ms", "is_over", "policy"]
