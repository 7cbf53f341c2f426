# -*- test-case-name: tests.models.test_apis -*-
"""Servers that speak Anthropic's Messages API (api C{anthropic-messages})."""

from __future__ import annotations

from functools import partial

from hyperlink import DecodedURL

from openclaw_tx.models.provider import Codec
from openclaw_tx.models.setup import Abilities, ModelSetup
from openclaw_tx.wire.anthropic_events import MessageReader
from openclaw_tx.wire.anthropic_messages import AnthropicDialect, encode_request

VERSION = "2023-06-01"
OAUTH_BETA = "oauth-2025-04-20"
"""Without this in C{anthropic-beta} a token of an account is not taken as one."""


ABILITIES = Abilities(
    sampling=("max_tokens", "temperature", "top_p", "stop", "reasoning_effort", "parallel_tool_calls"),
    result_images=True,
    thinking="thinking: adaptive from Claude 4.6 on, else budget_tokens",
    thinking_kept=True,
    prompt_cache="cache_control",
)


def messages(setup: ModelSetup) -> Codec:
    """The codec of a model."""
    dialect = AnthropicDialect(
        provider=setup.provider,
        max_tokens=setup.max_tokens,
        max_tokens_cap=setup.model.max_tokens,
        thinking=setup.thinks and setup.compat.supports_reasoning_effort,
        adaptive=setup.compat.force_adaptive_thinking,
        cache_control=setup.compat.supports_cache_control,
        images=setup.images,
    )
    return Codec(_url, partial(encode_request, dialect=dialect), MessageReader)


def key_headers(key: str, as_bearer: bool | None) -> dict[str, str]:
    """What proves who we are: C{x-api-key}, or a bearer token for the OAuth token of an account.

    @param key: "" = none.
    @param as_bearer: True = a bearer token, whatever it looks like.
    """
    headers = {"anthropic-version": VERSION}
    if key.startswith("sk-ant-oat"):
        return headers | {"authorization": f"Bearer {key}", "anthropic-beta": OAUTH_BETA}
    if key:
        headers |= {"authorization": f"Bearer {key}"} if as_bearer else {"x-api-key": key}
    return headers


def _url(base: DecodedURL, model: str) -> DecodedURL:
    """Configurations name the root with and without C{/v1}."""
    return base.child("messages") if base.path[-1:] == ("v1",) else base.child("v1", "messages")


__all__ = ["ABILITIES", "key_headers", "messages"]
