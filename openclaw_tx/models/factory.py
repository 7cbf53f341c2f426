# -*- test-case-name: tests.models.test_factory -*-
"""Providers made from their configuration (spec 6.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from twisted.internet.interfaces import IReactorProcess, IReactorTCP, IReactorTime
from twisted.web.iweb import IAgent

from openclaw_tx.config.schema_models import Compat, LocalModel, ModelDefinition, ProviderDefinition
from openclaw_tx.config.vendors import completed
from openclaw_tx.interfaces import ModelProvider
from openclaw_tx.models.apis import APIS
from openclaw_tx.models.door import Door
from openclaw_tx.models.embeddings import usual_model
from openclaw_tx.models.http import HttpDoor
from openclaw_tx.models.local import LocalProvider
from openclaw_tx.models.openai import bearer
from openclaw_tx.models.provider import EmbeddingHttpProvider, HttpProvider, ServedModel, Service
from openclaw_tx.models.refs import key_names
from openclaw_tx.models.setup import ModelSetup
from openclaw_tx.models.streaming import StreamingDoor
from openclaw_tx.sending import Turn
from openclaw_tx.values import ModelInfo, Sampling

DEFAULT_API = "openai-completions"
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
        turn: Turn | None = None,
        agent: IAgent | None = None,
    ) -> None:
        """
        @param state_dir: where the weights of the embedded model live.
        @param new_id: makes ids for tool calls that came without one.
        @param new_secret: makes the key between us and the embedded model's process.
        @param agent: used instead of real connections, for tests.
        @param turn: what a read of an answer causes leaves at its end; None = it has turns of its own.
        """
        self._reactor = reactor
        self._clock = clock
        self._processes = processes
        self._state_dir = state_dir
        self._environ = environ
        self._new_id = new_id
        self._new_secret = new_secret
        self._agent = agent
        self._turn = turn or Turn()

    def remote(self, provider: str, definition: ProviderDefinition, key: str) -> ModelProvider:
        """
        @raise ValueError: the base URL, a header, or a model's C{api} can not be used.
        """
        definition = completed(provider, definition)
        door = self._door(definition)
        as_bearer = True if definition.auth == "token" else definition.auth_header
        api = APIS[definition.api or DEFAULT_API]
        headers = {**api.headers(key, as_bearer), **_lower(definition.headers)}

        def serve(model: ModelDefinition) -> ServedModel:
            served = _served(provider, model, definition, door.base_url.host)
            if not model.headers and model.api in ("", definition.api):
                return served
            own = APIS[model.api].headers(key, as_bearer) | _lower(definition.headers) if model.api else headers
            return msgspec.structs.replace(served, headers={**own, **_lower(model.headers)})

        served = [serve(model) for model in definition.models]
        any_model = None if served else serve(ModelDefinition(id=""))
        advice = "" if key else f"Set {key_names(provider)[0]} or models.providers.{provider}.apiKey."
        service = Service(provider, door, headers, self._new_id, advice)
        if api.embeddings is None:
            return HttpProvider(service, served, any_model=any_model)
        return EmbeddingHttpProvider(
            service,
            served,
            any_model=any_model,
            embedding_model=usual_model(provider, [model.id for model in definition.models]),
            embeddings_url=api.embeddings(door.base_url),
            embedding_headers={**bearer(key, as_bearer), **_lower(definition.headers)},
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
            self._turn,
        )

    def _door(self, definition: ProviderDefinition) -> Door:
        address, clock = definition.base_url, self._clock
        connect, idle = definition.connect_timeout_seconds, definition.timeout_seconds
        if self._agent is not None:
            return HttpDoor(
                self._reactor, clock, address, connect_timeout_s=connect, idle_timeout_s=idle, agent=self._agent
            )
        return StreamingDoor(
            self._reactor, clock, address, connect_timeout_s=connect, idle_timeout_s=idle, turn=self._turn
        )


def _served(provider: str, model: ModelDefinition, definition: ProviderDefinition, host: str) -> ServedModel:
    """
    @param model: one without an id stands for any.
    """
    name = model.api or definition.api or DEFAULT_API
    api = APIS.get(name)
    if api is None:
        raise ValueError(f"model {model.id}: api {name!r} is not supported")
    compat = _merged(definition.compat, model.compat)
    setup = ModelSetup(
        provider=provider,
        model=model,
        compat=compat,
        host=host,
        max_tokens=model.max_tokens or min(DEFAULT_MAX_TOKENS, model.context_window),
    )
    return ServedModel(
        info=ModelInfo(
            provider=provider,
            id=model.id,
            name=model.name or model.id,
            context_window=model.context_window,
            max_tokens=setup.max_tokens,
            reasoning=model.reasoning,
            input=tuple(model.input),
            response_format=compat.supports_response_format and api.holds(model.id),
        ),
        codec=api.codec(setup),
        defaults=Sampling(max_tokens=model.max_tokens or None),
    )


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    """Names in lower case, so that one set by hand takes the place of ours."""
    return {name.lower(): value for name, value in headers.items()}


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
