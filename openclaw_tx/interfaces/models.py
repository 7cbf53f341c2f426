"""Agents and models: who answers, and with what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from openclaw_tx.values import (
    Agent,
    Embeddings,
    ModelEvent,
    ModelInfo,
    ModelReply,
    ModelRequest,
    PromptReport,
    RunRequest,
    ToolSpec,
)

OnEvents = Callable[[Sequence[ModelEvent]], None]
"""Takes the events that one read from the provider brought, in order."""


class Agents(Protocol):
    """Who answers: read from the configuration of the moment."""

    @property
    def default_id(self) -> str: ...

    def all(self) -> Sequence[Agent]:
        """Configured agents in the order of the file; never empty."""

    def get(self, agent_id: str) -> Agent | None: ...

    def system_prompt(self, agent: Agent, request: RunRequest, model: ModelInfo, tools: Sequence[ToolSpec]) -> str:
        """The system prompt of a run (spec 3.3). Cached by content; reads workspace files at most once a change. The
        first prompt of an agent makes its workspace."""

    def prompt_report(
        self, agent: Agent, request: RunRequest, model: ModelInfo, tools: Sequence[ToolSpec]
    ) -> PromptReport:
        """What the prompt is made of that L{system_prompt} gave last for the same arguments, or would give; writes
        nothing."""


class Models(Protocol):
    """Every configured model behind one door."""

    def catalog(self) -> Sequence[ModelInfo]:
        """All models of all configured providers."""

    def info(self, ref: str) -> ModelInfo:
        """What is known of a ref or alias.

        @raise GatewayError: C{model_not_found}.
        """

    async def stream(self, refs: Sequence[str], request: ModelRequest, on_events: OnEvents) -> ModelReply:
        """Call the first model of C{refs} that can answer.

        Retries, other keys of a provider and other models come only before the first event was handed on; what rests
        after a failure is called last. C{request.session} keeps a conversation with one key. The first batch handed on
        starts with L{openclaw_tx.values.ModelAnswered} (C{round} 0; the caller numbers it).

        @raise GatewayError: a C{provider_*} code, C{model_not_found}, C{local_model_not_installed},
            C{context_length_exceeded}.
        """


class ModelProvider(Protocol):
    """One provider: what an adapter or an embedder's own model implements."""

    def models(self) -> Sequence[ModelInfo]: ...

    async def stream(self, model: str, request: ModelRequest, on_events: OnEvents) -> ModelReply:
        """One attempt at one model; no retries here. Cancelling closes the provider's connection within a second.

        @param model: the provider's own id of the model.
        @raise GatewayError: as L{Models.stream}.
        """

    async def close(self) -> None:
        """Release connections and processes."""


class Embedder(Protocol):
    """Texts as vectors, by the provider that C{memorySearch} of the configuration names."""

    async def embed(
        self, texts: Sequence[str], dimensions: int | None = None, *, agent_id: str = "", model: str = ""
    ) -> Embeddings:
        """
        @param dimensions: length of the vectors; None = the model's own.
        @param agent_id: whose configuration counts; "" = the defaults.
        @param model: instead of the configured one: a bare id, or a ref of the same provider.
        @raise GatewayError: as L{Models.stream}; C{invalid_request} for a C{model} of another provider,
            C{unsupported_parameter} when the model can not give C{dimensions}.
        """


@runtime_checkable
class EmbeddingProvider(Protocol):
    """What a L{ModelProvider} has besides when it can embed."""

    def embedding_model(self) -> str:
        """Its own id of the model to use when nobody names one; "" = none is known."""

    async def embed(self, model: str, texts: Sequence[str], dimensions: int | None) -> Embeddings:
        """One attempt, as L{ModelProvider.stream}; C{dimensions} may be ignored.

        @raise GatewayError: as L{Models.stream}.
        """
