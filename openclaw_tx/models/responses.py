# -*- test-case-name: tests.models.test_apis -*-
"""Servers that speak OpenAI's Responses API (api C{openai-responses})."""

from __future__ import annotations

from functools import partial

from hyperlink import DecodedURL

from openclaw_tx.models.openai import takes_cache_key
from openclaw_tx.models.provider import Codec
from openclaw_tx.models.setup import Abilities, ModelSetup
from openclaw_tx.wire.encoded import Encoded
from openclaw_tx.wire.openai_responses_calls import ResponsesDialect, encode_request
from openclaw_tx.wire.openai_responses_events import ResponseReader

ABILITIES = Abilities(
    sampling=("max_tokens", "temperature", "top_p", "response_format", "reasoning_effort", "parallel_tool_calls"),
    result_images=True,
    thinking="reasoning.effort, with summaries",
    thinking_kept=True,
    prompt_cache="prompt_cache_key (api.openai.com)",
    response_format="always",
    embeddings=True,
)


def responses(setup: ModelSetup) -> Codec:
    """The codec of a model."""
    dialect = ResponsesDialect(
        provider=setup.provider,
        reasoning=setup.model.reasoning,
        reasoning_effort=setup.compat.supports_reasoning_effort,
        store=setup.compat.supports_store,
        images=setup.images,
        response_format=setup.compat.supports_response_format,
        prompt_cache_key=takes_cache_key(setup),
    )
    return Codec(_url, partial(encode_request, dialect=dialect, encoded=Encoded()), ResponseReader)


def _url(base: DecodedURL, model: str) -> DecodedURL:
    return base.child("responses")


__all__ = ["ABILITIES", "responses"]
