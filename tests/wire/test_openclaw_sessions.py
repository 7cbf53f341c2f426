# -*- test-case-name: tests.wire.test_openclaw_sessions -*-
"""Entries of sessions.json, read and written."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.values import LastRun, SessionEntry, SessionSettings
from openclaw_tx.wire.openclaw_sessions import entry_object, imported

KEY = "agent:main:main"
REAL = {
    "sessionId": "8f1caedc-7e11-4fde-9208-634b4b9ca889",
    "updatedAt": 1795390349202,
    "sessionFile": "/home/joe/.openclaw/agents/main/sessions/8f1caedc.jsonl",
    "systemSent": True,
    "abortedLastRun": False,
    "thinkingLevel": "high",
    "providerOverride": "anthropic",
    "modelOverride": "claude",
    "authProfileOverride": "anthropic:default",
    "authProfileOverrideSource": "user",
    "chatType": "direct",
    "origin": {"provider": "webchat", "surface": "webchat", "chatType": "direct"},
    "deliveryContext": {"channel": "webchat"},
    "lastChannel": "webchat",
    "inputTokens": 11,
    "outputTokens": 7,
    "totalTokens": 11,
    "modelProvider": "stub",
    "model": "stub-1",
    "contextTokens": 128000,
    "compactionCount": 2,
    "queueMode": "collect",
    "queueDebounceMs": 500,
    "sendPolicy": "deny",
    "label": "Work",
    "skillsSnapshot": {"prompt": "x", "skills": []},
}
"""An entry as the real gateway writes it."""


class EntryTests(SynchronousTestCase):
    """Both ways."""

    def test_real_entry(self) -> None:
        """What is understood has its place, the rest is kept as it is."""
        found = imported(KEY, "main", REAL)
        entry = found.entry
        self.assertEqual(found.faults, ())
        self.assertEqual(
            (entry.key, entry.agent_id, entry.session_id, entry.updated_at_ms, entry.created_at_ms, entry.label),
            (KEY, "main", REAL["sessionId"], 1795390349202, 1795390349202, "Work"),
        )
        self.assertEqual((entry.model_provider, entry.model, entry.total_tokens), ("stub", "stub-1", 11))
        self.assertEqual(
            entry.settings,
            SessionSettings(
                thinking_level="high",
                provider_override="anthropic",
                model_override="claude",
                auth_profile_override="anthropic:default",
                chat_type="direct",
                compaction_count=2,
                queue_mode="collect",
                queue_debounce_ms=500,
                send_policy="deny",
                last_channel="webchat",
            ),
        )
        self.assertEqual(
            sorted(entry.extra),
            [
                "authProfileOverrideSource",
                "contextTokens",
                "deliveryContext",
                "origin",
                "skillsSnapshot",
                "systemSent",
            ],
        )

    def test_and_back(self) -> None:
        """Nothing is lost but the path of a file that is not ours."""
        again = entry_object(imported(KEY, "main", REAL).entry)
        added = {"sessionStartedAt": 1795390349202, "lastInteractionAt": 1795390349202}
        self.assertEqual(again, {**{name: value for name, value in REAL.items() if name != "sessionFile"}, **added})

    def test_values_of_another_kind(self) -> None:
        """Are kept as they are, and told of; null is no value."""
        found = imported(
            KEY, "main", {"sessionId": "s", "thinkingLevel": 5, "sendPolicy": "maybe", "queueCap": None, "label": 7}
        )
        self.assertEqual(found.entry.extra, {"thinkingLevel": 5, "sendPolicy": "maybe"})
        self.assertEqual(len(found.faults), 2)
        self.assertEqual((found.entry.settings, found.entry.label), (SessionSettings(), ""))

    def test_times_of_today(self) -> None:
        """Today's release tells when a conversation began and when somebody last spoke."""
        value = {"sessionId": "s", "updatedAt": 30, "createdAt": 5, "sessionStartedAt": 10, "lastInteractionAt": 20}
        entry = imported(KEY, "main", value).entry
        self.assertEqual((entry.created_at_ms, entry.interacted_at_ms, entry.updated_at_ms), (10, 20, 30))
        self.assertEqual(imported(KEY, "main", {**value, "sessionStartedAt": None}).entry.created_at_ms, 5)

    def test_no_entry(self) -> None:
        """What is none is refused."""
        for value in (None, [], "x", {}, {"sessionId": " "}, {"sessionId": 5}):
            self.assertRaises(ValueError, imported, KEY, "main", value)

    def test_bare_entry(self) -> None:
        """What nobody set is left out."""
        entry = SessionEntry(key=KEY, agent_id="main", session_id="s", created_at_ms=1, updated_at_ms=2)
        self.assertEqual(
            entry_object(entry), {"sessionId": "s", "updatedAt": 2, "sessionStartedAt": 1, "abortedLastRun": False}
        )

    def test_last_run(self) -> None:
        """How the last run came out, in the words of a file; what was at work there stays as it is."""
        told = {
            "status": "timeout",
            "startedAt": 5,
            "endedAt": 9,
            "runtimeMs": 4,
            "lastRunId": "r",
            "lastRunError": "slow",
        }
        entry = imported(KEY, "main", {"sessionId": "s", **told}).entry
        self.assertEqual(
            entry.last_run, LastRun(run_id="r", status="timeout", started_at_ms=5, ended_at_ms=9, error="slow")
        )
        self.assertEqual(entry.extra, {})
        self.assertEqual(told, {name: entry_object(entry)[name] for name in told})
        cut = imported(KEY, "main", {"sessionId": "s", "status": "interrupted", "endedAt": 9}).entry
        self.assertEqual(cut.last_run, LastRun(run_id="", status="failed", ended_at_ms=9))
        for value in ({"status": "running", "startedAt": 5}, {"status": ["done"], "endedAt": 9}, {"status": "done"}):
            kept = imported(KEY, "main", {"sessionId": "s", **value}).entry
            self.assertEqual((kept.last_run, kept.extra), (None, value))

    def test_last_run_of_ours(self) -> None:
        """Stands instead of what a file once said."""
        run = LastRun(run_id="r", status="done", started_at_ms=5, ended_at_ms=9)
        extra = {"status": "running", "lastRunError": "old", "color": "red"}
        entry = SessionEntry(
            key=KEY, agent_id="main", session_id="s", created_at_ms=1, updated_at_ms=2, extra=extra, last_run=run
        )
        found = entry_object(entry)
        self.assertEqual((found["status"], found["color"], "lastRunError" in found), ("done", "red", False))

    @given(
        st.dictionaries(
            st.sampled_from([*REAL, "status", "endedAt", "startedAt", "somethingNew"]),
            st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=1),
        )
    )
    def test_any_values(self, value: dict[str, Any]) -> None:
        """A wrong value never loses the entry, and what is written can be read again."""
        entry = imported(KEY, "main", {**value, "sessionId": "s"}).entry
        again = imported(KEY, "main", json.loads(json.dumps(entry_object(entry)))).entry
        assert again.settings == entry.settings
        assert again.extra == entry.extra
