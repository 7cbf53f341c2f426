# -*- test-case-name: tests.models.test_apis -*-
"""Google's Gemini API (api C{google-generative-ai})."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from hyperlink import DecodedURL

from openclaw_tx.models.provider import Codec
from openclaw_tx.models.setup import Abilities, ModelSetup
from openclaw_tx.wire.google_events import GenerateContentReader
from openclaw_tx.wire.google_generative_ai import GoogleDialect, encode_request, holds_with_tools

ABILITIES = Abilities(
    sampling=("max_tokens", "temperature", "top_p", "seed", "stop", "response_format", "reasoning_effort"),
    result_images=True,
    thinking="thinkingLevel from Gemini 3 on, thinkingBudget with 2.5",
    thinking_kept=True,
    response_format="from Gemini 3 on; before, without tools",
    embeddings=True,
)


def generate_content(setup: ModelSetup) -> Codec:
    """The codec of a model."""
    dialect = GoogleDialect(
        provider=setup.provider,
        max_tokens_cap=setup.model.max_tokens,
        thinking=setup.thinks and setup.compat.supports_reasoning_effort,
        images=setup.images,
        response_format=setup.compat.supports_response_format,
    )
    return Codec(_url, partial(encode_request, dialect=dialect), GenerateContentReader)


def key_headers(key: str, as_bearer: bool | None) -> dict[str, str]:
    """The key in C{x-goog-api-key}, or as a bearer token: that of an account."""
    if not key:
        return {}
    return {"authorization": f"Bearer {key}"} if as_bearer else {"x-goog-api-key": key}


def embeddings_url(base: DecodedURL) -> DecodedURL:
    """Google's own OpenAI endpoint stands beside the API."""
    return base.child("openai", "embeddings")


def _url(base: DecodedURL, model: str) -> DecodedURL:
    """The model stands in the path, before a colon that must go out as one; C{tunedModels/x} and the like bring
    their own collection."""
    *collection, name = (quote(part, safe="") for part in model.split("/"))
    encoded = base.encoded_url
    path = (*encoded.path, *(collection or ["models"]), f"{name}:streamGenerateContent")
    return DecodedURL(encoded.replace(path=path)).set("alt", "sse")


__all__ = ["ABILITIES", "embeddings_url", "generate_content", "holds_with_tools", "key_headers"]
