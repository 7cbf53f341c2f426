# -*- test-case-name: tests.models.test_apis -*-
"""Servers that speak OpenAI's Responses API (api C{openai-responses})."""

from __future__ import annotations

from collections.abc import Callable

from hyperlink import DecodedURL

from openclaw_tx.models.openai import takes_cache_key
from openclaw_tx.models.setup import Abilities, ModelSetup
from openclaw_tx.values import ModelRequest
from openclaw_tx.values.value import Value
from openclaw_tx.wire.openai_responses_calls import ResponsesDialect, encode_request
from openclaw_tx.wire.openai_responses_events import ResponseReader
from openclaw_tx.wire.replies import Framing, ReplyReader
from openclaw_tx.wire.sse import SseDecoder


class Responses(Value, frozen=True):
    """The L{openclaw_tx.models.provider.Codec} of the Responses API."""

    dialect: ResponsesDialect = ResponsesDialect()

    def url(self, base: DecodedURL, model: str) -> DecodedURL:
        return base.child("responses")

    def encode(self, model: str, request: ModelRequest) -> bytes:
        return encode_request(model, request, self.dialect)

    def reader(self, new_id: Callable[[], str]) -> ReplyReader:
        return ResponseReader(new_id)

    def framing(self) -> Framing:
        return SseDecoder()


ABILITIES = Abilities(
    sampling=("max_tokens", "temperature", "top_p", "response_format", "reasoning_effort", "parallel_tool_calls"),
    result_images=True,
    thinking="reasoning.effort, with summaries",
    thinking_kept=True,
    prompt_cache="prompt_cache_key (api.openai.com)",
    response_format="always",
    embeddings=True,
)


def responses(setup: ModelSetup) -> Responses:
    """The codec of a model."""
    return Responses(
        dialect=ResponsesDialect(
            provider=setup.provider,
            reasoning=setup.model.reasoning,
            reasoning_effort=setup.compat.supports_reasoning_effort,
            store=setup.compat.supports_store,
            images=setup.images,
            response_format=setup.compat.supports_response_format,
            prompt_cache_key=takes_cache_key(setup),
        )
    )


__all__ = ["ABILITIES", "Responses", "responses"]
