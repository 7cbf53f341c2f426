# -*- test-case-name: tests.ws.rpc.test_model_auth -*-
"""L{openclaw_tx.ws.rpc.model_auth}: through a whole gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from openclaw_tx.testing import MemoryGateway
from openclaw_tx.ws.rpc.model_auth import in_words
from tests.ws.rpc.test_config import AskingCase

NOW = 1_700_000_000_000
"""By the clock of the test, epoch milliseconds."""
HOUR = 3_600_000
URL = "http://127.0.0.1:9/v1"
CONFIG = {
    "models": {
        "mode": "merge",
        "local": {"enabled": False},
        "providers": {
            "written": {"baseUrl": URL, "apiKey": "sk-written", "models": [{"id": "a"}]},
            "needy": {"baseUrl": "https://needy.example/v1", "models": [{"id": "a"}]},
            "free": {"baseUrl": URL, "api": "ollama", "models": [{"id": "a"}]},
            "profiled": {"baseUrl": URL, "models": [{"id": "a"}]},
        },
    },
    "auth": {"profiles": {"profiled:me": {"provider": "profiled", "mode": "token", "email": "me@example.com"}}},
}
PROFILES = {
    "version": 1,
    "profiles": {
        "profiled:me": {"type": "token", "provider": "profiled", "token": "t-secret", "expires": NOW + 3 * HOUR},
        "profiled:old": {"type": "token", "provider": "profiled", "token": "o-secret", "expires": NOW - HOUR},
        "profiled:key": {"type": "api_key", "provider": "profiled", "key": "k-secret"},
    },
    "usageStats": {"profiled:key": {"cooldownUntil": NOW + HOUR}},
}


class AuthStatusTests(AskingCase):
    """C{models.authStatus}."""

    def setUp(self) -> None:
        """Keys of all kinds."""
        self.memory = MemoryGateway(CONFIG, environment={"OPENAI_API_KEY": "sk-environment"})
        self.addCleanup(self.memory.close)
        file = Path(self.memory._directory) / "agents" / "main" / "agent" / "auth-profiles.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(PROFILES))
        self.connect("operator.read")

    def connect(self, *scopes: str) -> None:
        """A client."""
        self.client = self.memory.websocket()
        self.client.connect(scopes=scopes)

    def providers(self, **params: Any) -> dict[str, Any]:
        """What is said of each."""
        found = self.ok("models.authStatus", **params)
        self.assertNotIn("secret", json.dumps(found))
        self.assertNotIn("sk-", json.dumps(found))
        return {row["provider"]: row for row in found["providers"]}

    def test_sources(self) -> None:
        """Of the file, of the environment, and those that there are not; who needs none is left out."""
        found = self.providers()
        self.assertEqual(found["written"]["apiKey"], {"source": "config"})
        self.assertEqual((found["written"]["status"], found["written"]["profiles"]), ("static", []))
        self.assertEqual(found["openai"]["apiKey"], {"source": "env", "envVar": "OPENAI_API_KEY"})
        self.assertEqual(found["needy"]["status"], "missing")
        self.assertNotIn("free", found)

    def test_profiles(self) -> None:
        """Each with its end; the provider is as its worst."""
        row = self.providers()["profiled"]
        profiles = {profile["profileId"].partition(":")[2]: profile for profile in row["profiles"]}
        self.assertEqual(profiles["me"]["expiry"], {"at": NOW + 3 * HOUR, "remainingMs": 3 * HOUR, "label": "3h"})
        self.assertEqual(
            {name: each["status"] for name, each in profiles.items()}, {"me": "ok", "old": "expired", "key": "static"}
        )
        self.assertEqual(profiles["key"]["reasonCode"], "cooldown")
        self.assertEqual((row["status"], row["expiry"]["label"]), ("expired", "expired"))
        self.assertNotIn("email", profiles["me"])
        self.connect("operator.admin")
        emails = [profile.get("email") for profile in self.providers()["profiled"]["profiles"]]
        self.assertEqual(emails, ["me@example.com", None, None])

    def test_agents(self) -> None:
        """Of an agent that there is."""
        self.assertIn("profiled", self.providers(agentId="beta", refresh=True))
        answer = self.client.request("models.authStatus", {"agentId": "nope"})
        self.assertIn("nope", answer["error"]["message"])

    def test_words(self) -> None:
        """A time in its largest unit."""
        for left, told in ((-1, "expired"), (59_999, "59s"), (60_000, "1m"), (HOUR, "1h"), (49 * HOUR, "2d")):
            self.assertEqual(in_words(left), told)
