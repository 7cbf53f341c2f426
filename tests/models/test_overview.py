# -*- test-case-name: tests.models.test_overview -*-
"""Where keys come from."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.models.overview import keys_of
from openclaw_tx.models.profiles import Profiles, decode
from tests.models.test_profiles import NOW, SECRET, file, key, token

PROVIDERS = {
    "openai": {"baseUrl": "https://h/v1", "apiKey": "sk-in-the-file"},
    "Z.AI": {"baseUrl": "https://h/v1"},
    "vllm": {"baseUrl": "http://h/v1"},
    "free": {"baseUrl": "https://h/v1", "authHeader": False},
}


class OverviewTests(SynchronousTestCase):
    """L{keys_of}."""

    def sources(self, profiles: Profiles = Profiles(), **environment: str) -> dict[str, str]:  # noqa: B008 (immutable)
        """Provider -> source."""
        config = msgspec.convert({"models": {"providers": PROVIDERS}}, Config)
        return {each.provider: each.source for each in keys_of(config, environment, profiles, (), NOW)}

    def test_sources(self) -> None:
        """Profiles, a variable, the configuration; what needs none is told apart from what lacks one."""
        plain = {"openai": "config", "zai": "missing", "vllm": "none", "free": "none"}
        self.assertEqual(self.sources(), plain)
        self.assertEqual(
            self.sources(decode(file(a=key("z.ai")), "main"), OPENAI_API_KEY="k"),
            {**plain, "openai": "env:OPENAI_API_KEY", "zai": "profiles"},
        )

    def test_states(self) -> None:
        """How each profile stands; only what is in use makes trouble; no secret."""
        raw = json.loads(file(ok=key(), old=token(expires=NOW), bill=key(), slow=key(), other=key("zai")))
        raw["usageStats"] = {"bill": {"disabledUntil": NOW + 5}, "slow": {"cooldownUntil": NOW + 3}}
        profiles = decode(json.dumps(raw).encode(), "main")
        named = {"ok": {"provider": "openai", "email": "me@example.org"}}
        config = msgspec.convert({"models": {"providers": PROVIDERS}, "auth": {"profiles": named}}, Config)

        def found(*in_use: str) -> dict[str, Any]:
            return {each.provider: each for each in keys_of(config, {}, profiles, in_use, NOW)}

        openai = found("openai", "zai")["openai"]
        self.assertEqual(
            [(each.id, each.type, each.state, each.until) for each in openai.profiles],
            [
                ("ok", "api_key", "ok", 0),
                ("old", "token", "expired", NOW),
                ("bill", "api_key", "disabled", NOW + 5),
                ("slow", "api_key", "cooldown", NOW + 3),
            ],
        )
        self.assertEqual([each.email for each in openai.profiles][:2], ["me@example.org", ""])
        self.assertEqual((openai.trouble, found()["openai"].trouble), ("old expired", ""))
        self.assertNotIn(SECRET, repr(found()) + json.dumps(msgspec.to_builtins(list(found().values()))))
