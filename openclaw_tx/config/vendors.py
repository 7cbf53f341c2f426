# -*- test-case-name: tests.config.test_vendors -*-
"""Providers that everybody knows: where they are and what they speak (spec 6.1, 6.2).

So an entry of C{models.providers} under such a name needs no C{baseUrl}, and with a key in the environment there need
be no entry at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from openclaw_tx.config.schema_models import Api, ModelsSection, ProviderDefinition


class Vendor(NamedTuple):
    """A well-known provider."""

    base_url: str
    api: Api = "openai-completions"


VENDORS: Mapping[str, Vendor] = {
    "anthropic": Vendor("https://api.anthropic.com", "anthropic-messages"),
    "openai": Vendor("https://api.openai.com/v1", "openai-responses"),
    "google": Vendor("https://generativelanguage.googleapis.com/v1beta", "google-generative-ai"),
    "ollama": Vendor("http://127.0.0.1:11434", "ollama"),
    "openrouter": Vendor("https://openrouter.ai/api/v1"),
    "groq": Vendor("https://api.groq.com/openai/v1"),
    "mistral": Vendor("https://api.mistral.ai/v1"),
    "xai": Vendor("https://api.x.ai/v1"),
    "cerebras": Vendor("https://api.cerebras.ai/v1"),
    "deepseek": Vendor("https://api.deepseek.com"),
    "moonshot": Vendor("https://api.moonshot.ai/v1"),
    "vercel-ai-gateway": Vendor("https://ai-gateway.vercel.sh/v1"),
}
"""Provider id -> what is known of it."""


def completed(provider: str, definition: ProviderDefinition) -> ProviderDefinition:
    """C{definition} with the base URL and the API that it leaves open.

    A base URL of one's own without C{api} means C{openai-completions}, unless it is that of a vendor which does not
    speak it there.

    @param provider: id, lower-cased.
    """
    vendor = VENDORS.get(provider, Vendor(""))
    base_url = definition.base_url or vendor.base_url
    api: Api | None = definition.api
    if api is None:
        there = base_url.strip().lower().rstrip("/")
        if vendor.api == "anthropic-messages":
            there = there.removesuffix("/v1")  # people write it with and without
        at_home = there == vendor.base_url and not vendor.api.startswith("openai-")
        api = vendor.api if at_home or not definition.base_url else "openai-completions"
    return msgspec.structs.replace(definition, base_url=base_url, api=api)


def implied(models: ModelsSection, has_key: Callable[[str], bool]) -> dict[str, ProviderDefinition]:
    """Well-known providers that are not configured, but whose key is there: any model of theirs is good.

    @param has_key: whether the environment has one for a provider id.
    """
    if models.mode != "merge":
        return {}
    listed = {name.strip().lower() for name in models.providers}
    missing = (name for name in VENDORS if name not in listed and has_key(name))
    return {name: completed(name, ProviderDefinition()) for name in missing}


__all__ = ["VENDORS", "Vendor", "completed", "implied"]
