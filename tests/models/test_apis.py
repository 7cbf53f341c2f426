# -*- test-case-name: tests.models.test_apis -*-
"""Every API over a network in memory whose other end plays the vendor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from openclaw_tx.config.schema_models import ProviderDefinition
from openclaw_tx.interfaces import ModelProvider
from openclaw_tx.models.factory import HttpProviderFactory
from tests.contract import model_provider as contract
from tests.models.memory import Memory

ROOT = "http://127.0.0.1:9"


def made(memory: Memory, api: str, key: str = "k", **definition: Any) -> ModelProvider:
    """A provider of one model that thinks and sees, as the configuration makes it."""
    reactor: Any = memory.reactor
    factory = HttpProviderFactory(
        reactor, reactor, reactor, Path("/nowhere"), {}, new_id=lambda: "new-id", new_secret=lambda: "s"
    )
    model = {"id": "m", "reasoning": True, "input": ["text", "image"]}
    definition = {"baseUrl": ROOT, "api": api, "models": [model], **definition}
    return factory.remote("p", msgspec.convert(definition, ProviderDefinition), key)


class ApiContract(contract.ModelProviderContract):
    """The contract for the API in C{api}."""

    api = "openai-completions"

    def make(self) -> None:
        self.memory = Memory()
        self.provider = made(self.memory, self.api)


class AnthropicTests(ApiContract):
    """C{anthropic-messages}."""

    api = "anthropic-messages"


class ResponsesTests(ApiContract):
    """C{openai-responses}."""

    api = "openai-responses"


class GoogleTests(ApiContract):
    """C{google-generative-ai}."""

    api = "google-generative-ai"


class OllamaTests(ApiContract):
    """C{ollama}."""

    api = "ollama"
