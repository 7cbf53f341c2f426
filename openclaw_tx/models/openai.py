# -*- test-case-name: tests.models.test_openai -*-
"""Servers that speak OpenAI's Chat Completions (api C{openai-completions})."""

from __future__ import annotations

from functools import partial

from hyperlink import DecodedURL

from openclaw_tx.models.provider import Codec
from openclaw_tx.models.setup import Abilities, ModelSetup
from openclaw_tx.values import Sampling
from openclaw_tx.wire.encoded import Encoded
from openclaw_tx.wire.openai_chunks import ChunkReader
from openclaw_tx.wire.openai_completions import Dialect, encode_request

COMPLETIONS = Abilities(
    sampling=Sampling.__struct_fields__,
    thinking="reasoning_effort",
    thinking_kept=True,
    prompt_cache="prompt_cache_key (api.openai.com)",
    response_format="always",
    embeddings=True,
)


def completions(setup: ModelSetup) -> Codec:
    """The codec of a model. What only OpenAI is known to understand goes to its own servers alone."""
    compat, model = setup.compat, setup.model
    openai = is_openai(setup.host)
    dialect = Dialect(
        provider=setup.provider,
        max_tokens_field="max_completion_tokens" if openai else compat.max_tokens_field,
        developer_role=openai and model.reasoning and compat.supports_developer_role,
        store=openai and compat.supports_store,
        usage_in_streaming=compat.supports_usage_in_streaming,
        reasoning_effort=compat.supports_reasoning_effort,
        return_progress=compat.send_return_progress,
        images=setup.images,
        response_format=compat.supports_response_format,
        prompt_cache_key=takes_cache_key(setup),
        short_tool_ids=openai,
        mistral_tool_ids=compat.requires_mistral_tool_ids or setup.provider == "mistral",
    )
    return speaking(dialect)


def speaking(dialect: Dialect) -> Codec:
    """The codec of a server that is known."""
    return Codec(_url, partial(encode_request, dialect=dialect, encoded=Encoded()), ChunkReader)


def is_openai(host: str) -> bool:
    """Whether a server is OpenAI's own, at Azure too."""
    return host.endswith((".openai.com", ".openai.azure.com"))


def takes_cache_key(setup: ModelSetup) -> bool:
    """Whether to name the conversation: a server that does not know the field may refuse it."""
    wanted = setup.compat.supports_prompt_cache_key
    return setup.host == "api.openai.com" if wanted is None else wanted


def bearer(key: str, as_bearer: bool | None) -> dict[str, str]:
    """The key as a bearer token, unless that is forbidden."""
    return {"authorization": f"Bearer {key}"} if key and as_bearer is not False else {}


def embeddings_url(base: DecodedURL) -> DecodedURL:
    """Where embeddings are made."""
    return base.child("embeddings")


def _url(base: DecodedURL, model: str) -> DecodedURL:
    return base.child("chat", "completions")


__all__ = ["COMPLETIONS", "bearer", "completions", "embeddings_url", "is_openai", "speaking", "takes_cache_key"]
