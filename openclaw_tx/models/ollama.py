# -*- test-case-name: tests.models.test_apis -*-
"""Ollama over its own API (api C{ollama})."""

from __future__ import annotations

from functools import partial

from hyperlink import DecodedURL

from openclaw_tx.config.schema_models import ModelDefinition
from openclaw_tx.models.provider import Codec
from openclaw_tx.models.setup import Abilities, ModelSetup
from openclaw_tx.wire.lines import LineDecoder
from openclaw_tx.wire.ollama_chat import ChatReader, OllamaDialect, encode_request

_UNSAID = ModelDefinition(id="").context_window


ABILITIES = Abilities(
    sampling=(
        "max_tokens",
        "temperature",
        "top_p",
        "frequency_penalty",
        "presence_penalty",
        "seed",
        "stop",
        "response_format",
        "reasoning_effort",
    ),
    tool_choice=("auto", "none"),
    thinking="think",
    response_format="without tools",
    embeddings=True,
)


def chat(setup: ModelSetup) -> Codec:
    """The codec of a model. A context window that was configured is the one to run it with."""
    window = setup.model.context_window
    dialect = OllamaDialect(
        context_window=0 if window == _UNSAID else window,
        thinking=setup.thinks and setup.compat.supports_reasoning_effort,
        images=setup.images,
        response_format=setup.compat.supports_response_format,
    )
    return Codec(_url, partial(encode_request, dialect=dialect), ChatReader, LineDecoder)


def embeddings_url(base: DecodedURL) -> DecodedURL:
    """Ollama's own OpenAI endpoint stands beside the API."""
    return _root(base).child("v1", "embeddings")


def _root(base: DecodedURL) -> DecodedURL:
    """Configurations name the root, and some its OpenAI endpoint."""
    return base.replace(path=base.path[:-1]) if base.path[-1:] == ("v1",) else base


def _url(base: DecodedURL, model: str) -> DecodedURL:
    return _root(base).child("api", "chat")


__all__ = ["ABILITIES", "chat", "embeddings_url"]
