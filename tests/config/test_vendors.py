# -*- test-case-name: tests.config.test_vendors -*-
"""Providers that everybody knows."""

from __future__ import annotations

from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_models import ModelsSection, ProviderDefinition
from openclaw_tx.config.vendors import VENDORS, completed, implied


def definition(**fields: Any) -> ProviderDefinition:
    """An entry of C{models.providers}."""
    return msgspec.convert(fields, ProviderDefinition)


class CompletedTests(SynchronousTestCase):
    """L{completed}."""

    def filled(self, provider: str, **fields: Any) -> tuple[str, str | None]:
        """Base URL and API."""
        found = completed(provider, definition(**fields))
        return found.base_url, found.api

    def test_well_known(self) -> None:
        """All that is left open is known; what is said is not touched."""
        for name, vendor in VENDORS.items():
            self.assertEqual(self.filled(name), (vendor.base_url, vendor.api))
        self.assertEqual(
            self.filled("openai", api="openai-completions"), ("https://api.openai.com/v1", "openai-completions")
        )
        self.assertEqual(self.filled("google", baseUrl="http://x", api="ollama"), ("http://x", "ollama"))

    def test_base_url_without_api(self) -> None:
        """It means OpenAI's completions, also under a well-known name; unless the vendor does not speak them there."""
        for name, url, api in (
            ("mine", "http://h/v1", "openai-completions"),
            ("openai", "https://api.openai.com/v1", "openai-completions"),
            ("anthropic", "http://proxy/v1", "openai-completions"),
            ("anthropic", "https://api.anthropic.com/", "anthropic-messages"),
            ("anthropic", "https://api.anthropic.com/v1", "anthropic-messages"),
            ("google", "https://generativelanguage.googleapis.com/v1beta", "google-generative-ai"),
            ("google", "https://generativelanguage.googleapis.com/v1beta/openai", "openai-completions"),
            ("ollama", "http://127.0.0.1:11434", "ollama"),
            ("ollama", "http://127.0.0.1:11434/v1", "openai-completions"),
        ):
            self.assertEqual(self.filled(name, baseUrl=url), (url, api))

    def test_unknown(self) -> None:
        """Of a stranger nothing is known."""
        self.assertEqual(self.filled("mine"), ("", "openai-completions"))


class ImpliedTests(SynchronousTestCase):
    """L{implied}."""

    def names(self, *keys: str, **models: Any) -> list[str]:
        """Which providers are there by their keys alone."""
        section = msgspec.convert(models, ModelsSection)
        found = implied(section, lambda name: name in keys)
        for name, entry in found.items():
            self.assertEqual((entry.base_url, entry.models), (VENDORS[name].base_url, []))
        return list(found)

    def test_by_key(self) -> None:
        """Those with a key that are not configured, unless only the configured ones shall be there."""
        self.assertEqual(self.names("anthropic", "groq", "mine"), ["anthropic", "groq"])
        self.assertEqual(self.names(), [])
        self.assertEqual(self.names("anthropic", providers={"Anthropic ": {}}), [])
        self.assertEqual(self.names("anthropic", mode="replace"), [])
