# -*- test-case-name: tests.models.test_embeddings -*-
"""Which provider and model turn texts into vectors: C{memorySearch} of the configuration (spec 1.3). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from openclaw_tx.config.schema_agents import MemorySearch
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import EmbeddingProvider, ModelProvider
from openclaw_tx.models.refs import provider_id, split_ref

USUAL: Mapping[str, str] = {
    "openai": "text-embedding-3-small",
    "google": "gemini-embedding-001",
    "mistral": "mistral-embed",
    "ollama": "nomic-embed-text",
}
"""Provider -> its model for embeddings, for those known to serve OpenAI's endpoint."""

OVERRIDE = "x-openclaw-model"
"""Header in which a client names a model; errors point at it."""

_NAMES: Mapping[str, str] = {"gemini": "google", "auto": ""}
"""What OpenClaw calls an embedding provider -> what the same one is called among model providers."""


class Embedding(NamedTuple):
    """What embeds."""

    name: str
    """Provider id."""
    provider: EmbeddingProvider
    model: str
    """The provider's own id of the model."""

    @property
    def ref(self) -> str:
        """C{provider/model}."""
        return f"{self.name}/{self.model}"


def usual_model(provider: str, listed: Iterable[str]) -> str:
    """The model that a provider most likely embeds with: one in its list that says so, else the well-known one; "" =
    nobody knows."""
    return next((model for model in listed if "embed" in model.lower()), USUAL.get(provider, ""))


def choose(settings: MemorySearch, providers: Mapping[str, ModelProvider]) -> Embedding:
    """The provider and model to use.

    @param providers: all there are, in their order.
    @raise GatewayError: C{model_not_found}, saying what to configure.
    """
    name = provider_id(settings.provider)
    name = name if name in providers else _NAMES.get(name, name)
    able = {
        each: provider
        for each, provider in providers.items()
        if isinstance(provider, EmbeddingProvider) and name in ("", each)
    }
    if name and name not in providers:
        raise _nothing(f"No provider {name!r} is configured")
    if name and not able:
        raise _nothing(f"The provider {name!r} has no embeddings")
    found = [Embedding(each, able[each], settings.model or able[each].embedding_model()) for each in able]
    if settings.model and not name:
        # A provider that has a model for embeddings at all is the likelier owner of the one that is named.
        found.sort(key=lambda each: not each.provider.embedding_model())
    usable = next((each for each in found if each.model), None)
    if usable is None:
        raise _nothing("No embedding model is configured")
    return usable


def overridden(embedding: Embedding, model: str) -> Embedding:
    """The same provider with another model.

    @param model: a bare id, or a ref.
    @raise GatewayError: C{invalid_request}: a ref of another provider.
    """
    provider, bare = split_ref(model)
    if provider and provider != embedding.name:
        raise GatewayError(
            "invalid_request",
            f"Embeddings can come from another model, but not from another provider than {embedding.name!r}.",
            param=OVERRIDE,
        )
    return embedding._replace(model=bare) if bare else embedding


def _nothing(reason: str) -> GatewayError:
    return GatewayError(
        "model_not_found",
        f"{reason}. Set agents.defaults.memorySearch.provider and agents.defaults.memorySearch.model.",
    )


__all__ = ["OVERRIDE", "USUAL", "Embedding", "choose", "overridden", "usual_model"]
