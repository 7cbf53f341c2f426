# -*- test-case-name: tests.models.test_registry -*-
"""Names of models and the keys of their providers (spec 6.1, 6.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from openclaw_tx.config.vendors import VENDORS

LOCAL = "local"
"""Provider id of the embedded model."""
DEFAULT_LOCAL_REF = "local/smollm2-135m"

_SAME_PROVIDER: Mapping[str, str] = {
    "z.ai": "zai",
    "z-ai": "zai",
    "opencode-zen": "opencode",
    "qwen": "qwen-portal",
    "kimi-code": "kimi-coding",
}

_USUAL_NAMES = (
    "openai",
    "openrouter",
    "groq",
    "cerebras",
    "xai",
    "mistral",
    "moonshot",
    "minimax",
    "synthetic",
    "venice",
)
"""Providers of OpenClaw whose key is in C{<PROVIDER>_API_KEY}, for the documentation."""

_KEY_NAMES: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_OAUTH_TOKEN", "ANTHROPIC_API_KEY"),
    "google": ("GEMINI_API_KEY",),
    "zai": ("ZAI_API_KEY", "Z_AI_API_KEY"),
    "vercel-ai-gateway": ("AI_GATEWAY_API_KEY",),
    "opencode": ("OPENCODE_API_KEY", "OPENCODE_ZEN_API_KEY"),
    "github-copilot": ("COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"),
}
"""Names that differ from C{<PROVIDER>_API_KEY}."""


def provider_id(name: str) -> str:
    """Lower-cased, and one id for the several names of a provider."""
    lower = name.strip().lower()
    return _SAME_PROVIDER.get(lower, lower)


def split_ref(ref: str) -> tuple[str, str]:
    """Provider id and model id: split at the first slash; no slash = no provider."""
    provider, slash, model = ref.strip().partition("/")
    return (provider_id(provider), model) if slash else ("", provider)


def known_providers() -> Sequence[str]:
    """Ids of the providers that OpenClaw has a variable for."""
    return sorted((*_USUAL_NAMES, *_KEY_NAMES))


def key_names(provider: str) -> tuple[str, ...]:
    """Environment variables that may hold a provider's key, best first."""
    return _KEY_NAMES.get(provider) or (provider.upper().replace("-", "_").replace(".", "_") + "_API_KEY",)


def api_key(provider: str, configured: str, environ: Mapping[str, str], defaults: Mapping[str, str]) -> str:
    """The key to use: the environment, then C{env.vars} of the configuration, then the provider's C{apiKey}."""
    source = key_source(provider, configured, environ, defaults)
    if source.startswith("env:"):
        name = source.removeprefix("env:")
        return environ.get(name) or defaults[name]
    return configured


def key_source(provider: str, configured: str, environ: Mapping[str, str], defaults: Mapping[str, str]) -> str:
    """Where L{api_key} is from: C{env:<NAME>}, C{config}, or "" when there is none."""
    for name in key_names(provider):
        if environ.get(name) or defaults.get(name):
            return f"env:{name}"
    return "config" if configured else ""


def how_to_configure(provider: str) -> str:
    """What to do about a provider that is not configured, one sentence."""
    if provider in VENDORS:
        return f"Set {' or '.join(key_names(provider))}, or add models.providers.{provider} to the configuration."
    return f"Add models.providers.{provider} to the configuration."


__all__ = [
    "DEFAULT_LOCAL_REF",
    "LOCAL",
    "api_key",
    "how_to_configure",
    "key_names",
    "key_source",
    "known_providers",
    "provider_id",
    "split_ref",
]
