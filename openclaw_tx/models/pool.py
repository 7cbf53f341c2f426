# -*- test-case-name: tests.models.test_pool -*-
"""Providers in use: built from the configuration once for each key, closed when nobody needs them any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

from msgspec.structs import replace

from twisted.logger import Logger

from openclaw_tx.config.schema_models import LocalModel, ProviderDefinition
from openclaw_tx.deferreds import spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import ModelProvider
from openclaw_tx.models.profiles import Credential
from openclaw_tx.values import ModelInfo

MAX_BUILT = 32
"""Keys of one provider whose connections are kept; with more, those unused for the longest time are closed."""


class ProviderFactory(Protocol):
    """Builds providers from configuration."""

    def remote(self, provider: str, definition: ProviderDefinition, key: str) -> ModelProvider:
        """
        @raise ValueError: the definition can not be used; says why, without secrets.
        """

    def local(self, settings: LocalModel) -> ModelProvider:
        """The embedded model; nothing is started yet."""


class Remote(NamedTuple):
    """What a configured provider is built from. Its text form does not show the key."""

    definition: ProviderDefinition
    key: str
    """Its own: from the environment, or C{apiKey}."""

    def __repr__(self) -> str:
        return "Remote(...)"


Recipe = Remote | LocalModel | ModelProvider
"""What a provider comes from; the last one is the embedder's own."""


class Built:
    """A provider for one key.

    @ivar calls: those that have it at the moment.
    """

    __slots__ = ("calls", "evicted", "provider")

    def __init__(self, provider: ModelProvider) -> None:
        self.provider = provider
        self.calls = 0
        self.evicted = False


class Entry:
    """One provider with all its keys.

    @ivar own: its own key.
    """

    def __init__(self, name: str, recipe: Recipe, factory: ProviderFactory, log: Logger) -> None:
        """
        @raise ValueError: the definition can not be used.
        """
        self.name = name
        self.recipe = recipe
        self._factory = factory
        self._log = log
        self._built: dict[tuple[str, str], Built] = {}
        self._holders = 0
        self._retired = False
        self.own = Credential(provider=name)
        if isinstance(recipe, Remote):
            kind = "token" if recipe.definition.auth == "token" else "api_key"
            self.own = replace(self.own, secret=recipe.key, kind=kind)
        self._main = self._build(self.own)

    @property
    def provider(self) -> ModelProvider:
        """The one with the provider's own key, for what needs no key."""
        return self._main.provider

    @property
    def needs_key(self) -> bool:
        """Whether it can hardly answer without a key."""
        return isinstance(self.recipe, Remote) and needs_key(self.recipe.definition)

    @property
    def is_configured(self) -> bool:
        """Whether it is neither the embedded one nor the embedder's own: has keys, and models of which we know less."""
        return isinstance(self.recipe, Remote)

    def model(self, model: str) -> ModelInfo | None:
        """What is known of a model; None = it has no such model."""
        listed = self.provider.models()
        for info in listed:
            if info.id == model:
                return info
        if listed or not model:
            return None
        return ModelInfo(provider=self.name, id=model, name=model, context_window=200_000, max_tokens=8192)

    def hold(self) -> None:
        """Somebody means to use it: it is not closed before L{release}."""
        self._holders += 1

    def release(self) -> None:
        """The end of a L{hold}."""
        self._holders -= 1
        self._close_if_done()

    def lend(self, credential: Credential) -> Built:
        """The provider with a key, for one call, while it is held; to be given back.

        @raise GatewayError: C{provider_auth}: it can not be built with this key.
        """
        built = self._for(credential)
        built.calls += 1
        return built

    def give_back(self, built: Built) -> None:
        """The end of a L{lend}."""
        built.calls -= 1
        if built.evicted and not built.calls:
            self._close_one(built.provider)

    def retire(self) -> None:
        """It has left the configuration: it finishes what it was asked, then closes."""
        self._retired = True
        self._close_if_done()

    async def close(self) -> None:
        """Close it now."""
        built, self._built = list(self._built.values()), {}
        for each in [self._main, *built]:
            await each.provider.close()

    def _for(self, credential: Credential) -> Built:
        key = self._key(credential)
        if not isinstance(self.recipe, Remote) or key == self._key(self.own):
            return self._main
        try:
            built = self._built.pop(key, None) or self._build(credential)
        except ValueError as error:
            raise GatewayError("provider_auth", f"{self.name}: {error}") from None
        self._built[key] = built  # now the newest
        if len(self._built) > MAX_BUILT:
            oldest = self._built.pop(next(iter(self._built)))
            oldest.evicted = True
            if not oldest.calls:
                self._close_one(oldest.provider)
        return built

    def _build(self, credential: Credential) -> Built:
        recipe = self.recipe
        if isinstance(recipe, LocalModel):
            return Built(self._factory.local(recipe))
        if not isinstance(recipe, Remote):
            return Built(recipe)
        definition = recipe.definition
        auth: Literal["token", "api-key"] = "token" if credential.kind == "token" else "api-key"
        if definition.auth != auth:
            definition = replace(definition, auth=auth)
        return Built(self._factory.remote(self.name, definition, credential.secret))

    def _close_if_done(self) -> None:
        if self._retired and not self._holders:
            spawn(self.close(), self._log, f"closing model provider {self.name}")

    def _close_one(self, provider: ModelProvider) -> None:
        spawn(provider.close(), self._log, f"closing a connection pool of model provider {self.name}")

    @staticmethod
    def _key(credential: Credential) -> tuple[str, str]:
        return (credential.kind, credential.secret)


def needs_key(definition: ProviderDefinition) -> bool:
    """Whether a provider can hardly answer without a key: servers that speak HTTP alone are one's own.

    @param definition: a whole one (L{openclaw_tx.config.vendors.completed}).
    """
    return definition.auth_header is not False and definition.base_url.startswith("https:")


def follow(
    before: Mapping[str, Entry], wanted: Mapping[str, Recipe], factory: ProviderFactory, log: Logger
) -> dict[str, Entry]:
    """The entries for a changed configuration: what did not change stays, what left is retired.

    @return: by provider id, in the order of C{wanted}; those that can not be used are told and left out.
    """
    entries: dict[str, Entry] = {}
    for name, recipe in wanted.items():
        known = before.get(name)
        if known is not None and known.recipe == recipe:
            entries[name] = known
            continue
        try:
            entries[name] = Entry(name, recipe, factory, log)
        except ValueError as error:
            log.error("models.providers.{name} is left out: {error}", name=name, error=str(error))
    for name, entry in before.items():
        if entries.get(name) is not entry:
            entry.retire()
    return entries


__all__ = ["Entry", "ProviderFactory", "Recipe", "Remote", "follow", "needs_key"]
