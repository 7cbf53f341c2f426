# -*- test-case-name: tests.models.test_factory -*-
"""Providers made from their configuration (spec 6.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from twisted.internet.interfaces import IReactorProcess, IReactorTCP, IReactorTime
from twisted.web.iweb import IAgent

from openclaw_tx.config.schema_models import Compat, LocalModel, ModelDefinition, ProviderDefinition
from openclaw_tx.interfaces import ModelProvider
from openclaw_tx.models.embeddings import usual_model
from openclaw_tx.models.http import HttpDoor
from openclaw_tx.models.local import LocalProvider
from openclaw_tx.models.openai import OpenAICompletionsProvider, ServedModel
from openclaw_tx.values import ModelInfo, Sampling
from openclaw_tx.wire.openai_completions import Dialect

DEFAULT_MAX_TOKENS = 8192


class HttpProviderFactory:
    """Implements L{openclaw_tx.models.registry.ProviderFactory}."""

    def __init__(
        self,
        reactor: IReactorTCP,
        clock: IReactorTime,
        processes: IReactorProcess,
        state_dir: Path,
        environ: Mapping[str, str],
        new_id: Callable[[], str],
        new_secret: Callable[[], str],
        agent: IAgent | None = None,
    ) -> None:
        """
        @param state_dir: where the weights of the embedded model live.
        @param new_id: makes ids for tool calls that came without one.
        @param new_secret: makes the key between us and the embedded model's process.
        @param agent: used instead of real connections, for tests.
        """
        self._reactor = reactor
        self._clock = clock
        self._processes = processes
        self._state_dir = state_dir
        self._environ = environ
        self._new_id = new_id
        self._new_secret = new_secret
        self._agent = agent

    def remote(self, provider: str, definition: ProviderDefinition, key: str) -> ModelProvider:
        """
        @raise ValueError: the base URL, a header, or a model's C{api} can not be used.
        """
        door = HttpDoor(
            self._reactor,
            self._clock,
            definition.base_url,
            connect_timeout_s=definition.connect_timeout_seconds,
            idle_timeout_s=definition.timeout_seconds,
            agent=self._agent,
        )
        headers = dict(definition.headers)
        if key and definition.auth_header:
            headers["Authorization"] = f"Bearer {key}"
        openai = door.base_url.host.endswith((".openai.com", ".openai.azure.com"))
        return OpenAICompletionsProvider(
            provider,
            [_served(provider, model, definition.compat, openai) for model in definition.models],
            door,
            headers,
            self._new_id,
            any_model=None
            if definition.models
            else _served(provider, ModelDefinition(id=""), definition.compat, openai),
            embedding_model=usual_model(provider, [model.id for model in definition.models]),
        )

    def local(self, settings: LocalModel) -> ModelProvider:
        return LocalProvider(
            self._reactor,
            self._clock,
            self._processes,
            settings,
            self._state_dir,
            self._environ,
            self._new_id,
            self._new_secret,
        )


def _served(provider: str, model: ModelDefinition, common: Compat, openai: bool) -> ServedModel:
    """
    @param openai: the server is OpenAI's own: only there do we use what others are known to refuse.
    """
    if model.api not in ("", "openai-completions"):
        raise ValueError(f"model {model.id}: api {model.api!r} is not supported")
    compat = _merged(common, model.compat)
    return ServedModel(
        info=ModelInfo(
            provider=provider,
            id=model.id,
            name=model.name or model.id,
            context_window=model.context_window,
            max_tokens=model.max_tokens or min(DEFAULT_MAX_TOKENS, model.context_window),
            reasoning=model.reasoning,
            input=tuple(model.input),
            response_format=compat.supports_response_format,
        ),
        dialect=Dialect(
            max_tokens_field="max_completion_tokens" if openai else compat.max_tokens_field,
            developer_role=openai and model.reasoning and compat.supports_developer_role,
            store=openai and compat.supports_store,
            usage_in_streaming=compat.supports_usage_in_streaming,
            reasoning_effort=compat.supports_reasoning_effort,
            return_progress=compat.send_return_progress,
            # A model that is not listed may well see; its provider knows.
            images="image" in model.input or not model.id,
            response_format=compat.supports_response_format,
        ),
        defaults=Sampling(max_tokens=model.max_tokens or None),
        headers=dict(model.headers),
    )


def _merged(common: Compat, own: Compat) -> Compat:
    """The provider's compat with what the model's own says differently from the defaults."""
    plain = Compat()
    return Compat(
        **{
            name: getattr(own if getattr(own, name) != getattr(plain, name) else common, name)
            for name in Compat.__struct_fields__
        }
    )


__all__ = ["HttpProviderFactory"]
