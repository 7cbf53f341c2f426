# -*- test-case-name: tests.models.test_apis -*-
"""Ollama over its own API (api C{ollama})."""

from __future__ import annotations

from collections.abc import Callable

from hyperlink import DecodedURL

from openclaw_tx.config.schema_models import ModelDefinition
from openclaw_tx.models.setup import Abilities, ModelSetup
from openclaw_tx.values import ModelRequest
from openclaw_tx.values.value import Value
from openclaw_tx.wire.lines import LineDecoder
from openclaw_tx.wire.ollama_chat import ChatReader, OllamaDialect, encode_request
from openclaw_tx.wire.replies import Framing, ReplyReader

_UNSAID = ModelDefinition(id="").context_window


class OllamaChat(Value, frozen=True):
    """The L{openclaw_tx.models.provider.Codec} of C{/api/chat}."""

    dialect: OllamaDialect = OllamaDialect()

    def url(self, base: DecodedURL, model: str) -> DecodedURL:
        return _root(base).child("api", "chat")

    def encode(self, model: str, request: ModelRequest) -> bytes:
        return encode_request(model, request, self.dialect)

    def reader(self, new_id: Callable[[], str]) -> ReplyReader:
        return ChatReader(new_id)

    def framing(self) -> Framing:
        return LineDecoder()


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


def chat(setup: ModelSetup) -> OllamaChat:
    """The codec of a model. A context window that was configured is the one to run it with."""
    window = setup.model.context_window
    return OllamaChat(
        dialect=OllamaDialect(
            context_window=0 if window == _UNSAID else window,
            thinking=setup.thinks and setup.compat.supports_reasoning_effort,
            images=setup.images,
            response_format=setup.compat.supports_response_format,
        )
    )


def embeddings_url(base: DecodedURL) -> DecodedURL:
    """Ollama's own OpenAI endpoint stands beside the API."""
    return _root(base).child("v1", "embeddings")


def _root(base: DecodedURL) -> DecodedURL:
    """Configurations name the root, and some its OpenAI endpoint."""
    return base.replace(path=base.path[:-1]) if base.path[-1:] == ("v1",) else base


__all__ = ["ABILITIES", "OllamaChat", "chat", "embeddings_url"]
