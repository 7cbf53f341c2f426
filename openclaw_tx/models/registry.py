# -*- test-case-name: tests.models.test_registry -*-
"""Every configured model behind one door: refs, aliases, the allowlist, keys, failover (spec 6.1 to 6.4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.config.memory import memory_search
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_agents import AgentEntry, ModelChoice
from openclaw_tx.config.schema_models import LocalModel, ProviderDefinition
from openclaw_tx.deferreds import spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import ModelProvider, OnEvents
from openclaw_tx.models.embeddings import choose, overridden
from openclaw_tx.models.failures import FAILOVER_CODES, all_failed
from openclaw_tx.models.refs import DEFAULT_LOCAL_REF, LOCAL, api_key, provider_id, split_ref
from openclaw_tx.models.retry import RetryPolicy, retrying
from openclaw_tx.models.sampling import sampling_of, with_defaults
from openclaw_tx.values import Embeddings, ModelEvent, ModelInfo, ModelReply, ModelRequest, Sampling

T = TypeVar("T")


class ProviderFactory(Protocol):
    """Builds providers from configuration."""

    def remote(self, provider: str, definition: ProviderDefinition, key: str) -> ModelProvider:
        """
        @raise ValueError: the definition can not be used; says why, without secrets.
        """

    def local(self, settings: LocalModel) -> ModelProvider:
        """The embedded model; nothing is started yet."""


class _Entry:
    """A provider in use, and what it was built from."""

    def __init__(self, provider: ModelProvider, recipe: Any) -> None:
        self.provider = provider
        self.recipe = recipe
        self.calls = 0
        self.retired = False


class ModelRegistry:
    """Implements L{openclaw_tx.interfaces.Models} and L{openclaw_tx.interfaces.Embedder}; follows the configuration of
    the moment."""

    _log = Logger()

    def __init__(
        self,
        settings: Callable[[], Config],
        factory: ProviderFactory,
        clock: IReactorTime,
        random: Callable[[], float],
        environ: Mapping[str, str],
        own: Mapping[str, ModelProvider] | None = None,
        policy: RetryPolicy = RetryPolicy(),  # noqa: B008 (immutable)
        on_call: Callable[[str, str], None] = lambda provider, outcome: None,
    ) -> None:
        """
        @param settings: the configuration of the moment; a new object after each change.
        @param random: numbers in [0, 1) that spread retries.
        @param environ: where keys are looked up first.
        @param own: the embedder's providers by id; they win over the configuration's.
        @param on_call: told of every attempt: the provider, and C{ok}, C{cancelled} or the code of its error.
        """
        self._settings = settings
        self._factory = factory
        self._clock = clock
        self._random = random
        self._environ = environ
        self._own = {provider_id(name): provider for name, provider in (own or {}).items()}
        self._policy = policy
        self._on_call = on_call
        self._config: Config | None = None
        self._default = ""
        self._closed = False
        self._entries: dict[str, _Entry] = {}
        self._aliases: dict[str, str] = {}
        self._allowed: frozenset[str] = frozenset()
        self._params: dict[str, Sampling] = {}

    def catalog(self) -> Sequence[ModelInfo]:
        """Models of all providers that the allowlist lets through."""
        self._refresh()
        listed = (info for entry in self._entries.values() for info in entry.provider.models())
        return [info for info in listed if not self._allowed or info.ref in self._allowed]

    def info(self, ref: str) -> ModelInfo:
        return self._find(ref)[1]

    def default_ref(self) -> str:
        """What an agent without a model of its own uses: the first provider's first model."""
        self._refresh()
        if not self._default:
            self._default = next((info.ref for info in self.catalog()), DEFAULT_LOCAL_REF)
        return self._default

    async def stream(self, refs: Sequence[str], request: ModelRequest, on_events: OnEvents) -> ModelReply:
        failures: list[tuple[str, GatewayError]] = []
        handed_on = False

        def hand_on(events: Sequence[ModelEvent]) -> None:
            nonlocal handed_on
            handed_on = True
            on_events(events)

        for ref in dict.fromkeys(refs or [self.default_ref()]):
            try:
                return await self._call(ref, request, hand_on, lambda: not handed_on)
            except GatewayError as error:
                if handed_on or error.info.code not in FAILOVER_CODES:
                    raise
                failures.append((ref, error))
                self._log.info("model {ref} failed: {code}: {error}", ref=ref, code=error.info.code, error=error)
        raise all_failed(failures)

    async def embed(
        self, texts: Sequence[str], dimensions: int | None = None, *, agent_id: str = "", model: str = ""
    ) -> Embeddings:
        """See L{openclaw_tx.interfaces.Embedder.embed}. A model that the caller names must be in the allowlist."""
        self._refresh()
        usual = choose(
            memory_search(self._settings().agents, agent_id),
            {name: entry.provider for name, entry in self._entries.items()},
        )
        use = overridden(usual, model)
        if use != usual and self._allowed and use.ref not in self._allowed:
            raise GatewayError("model_not_found", f"Model {use.ref} is not in the list of models that may be used.")
        entry = self._entries[use.name]
        found = await self._counted(
            entry, use.name, lambda: use.provider.embed(use.model, texts, dimensions), lambda: True
        )
        length = len(found.vectors[0]) if found.vectors else 0
        if dimensions is not None and length != dimensions:
            raise GatewayError(
                "unsupported_parameter",
                f"The embedding model {use.ref} gives {length} dimensions, not {dimensions}.",
                param="dimensions",
            )
        return found

    async def close(self) -> None:
        """Close all providers, the embedder's too."""
        entries, self._entries = self._entries, {}
        self._closed = True
        for entry in entries.values():
            await entry.provider.close()

    async def _call(
        self, ref: str, request: ModelRequest, on_events: OnEvents, may_retry: Callable[[], bool]
    ) -> ModelReply:
        entry, info = self._find(ref)
        request = with_defaults(request, self._params.get(info.ref, Sampling()))
        return await self._counted(
            entry, info.provider, lambda: entry.provider.stream(info.id, request, on_events), may_retry
        )

    async def _counted(
        self, entry: _Entry, name: str, attempt: Callable[[], Awaitable[T]], may_retry: Callable[[], bool]
    ) -> T:
        """Call a provider, with retries, while it is known to be at work."""
        entry.calls += 1
        try:
            told = partial(self._told, name, attempt)
            return await retrying(told, may_retry, policy=self._policy, clock=self._clock, random=self._random)
        finally:
            entry.calls -= 1
            self._close_if_done(entry, name)

    async def _told(self, name: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """One attempt, of which the outcome is told."""
        outcome = "internal_error"
        try:
            result = await attempt()
            outcome = "ok"
            return result
        except CancelledError:
            outcome = "cancelled"
            raise
        except GatewayError as error:
            outcome = error.info.code
            raise
        finally:
            self._on_call(name, outcome)

    def _find(self, ref: str) -> tuple[_Entry, ModelInfo]:
        """
        @raise GatewayError: C{model_not_found}.
        """
        self._refresh()
        wanted = self._aliases.get(ref.strip().lower(), ref.strip())
        provider, model = split_ref(wanted)
        if not provider:
            provider = split_ref(self.default_ref())[0]
        full = f"{provider}/{model}"
        entry = self._entries.get(provider)
        if entry is None:
            raise GatewayError("model_not_found", f"Unknown model: {full} (no provider {provider!r} is configured).")
        if self._allowed and full not in self._allowed:
            raise GatewayError("model_not_found", f"Model {full} is not in the list of models that may be used.")
        listed = entry.provider.models()
        for info in listed:
            if info.id == model:
                return entry, info
        if listed or not model:
            raise GatewayError("model_not_found", f"Unknown model: {full}")
        return entry, ModelInfo(provider=provider, id=model, name=model, context_window=200_000, max_tokens=8192)

    def _refresh(self) -> None:
        """Follow a change of configuration: providers that did not change stay as they are."""
        config = self._settings()
        if config is self._config or self._closed:
            return
        self._config = config
        self._default = ""
        wanted: dict[str, Any] = dict(self._own)
        for name, definition in config.models.providers.items():
            key = api_key(provider_id(name), definition.api_key, self._environ, config.env.vars)
            wanted.setdefault(provider_id(name), (definition, key))
        if config.models.mode == "merge" and config.models.local.enabled:
            wanted.setdefault(LOCAL, config.models.local)
        before, self._entries = self._entries, {}
        for name, recipe in wanted.items():
            known = before.get(name)
            if known is not None and known.recipe == recipe:
                self._entries[name] = before.pop(name)
            else:
                self._add(name, recipe)
        for name, entry in before.items():
            entry.retired = True
            self._close_if_done(entry, name)
        self._read_choices(config)

    def _add(self, name: str, recipe: Any) -> None:
        try:
            if isinstance(recipe, LocalModel):
                provider = self._factory.local(recipe)
            elif isinstance(recipe, tuple):
                provider = self._factory.remote(name, *recipe)
            else:
                provider = recipe
        except ValueError as error:
            self._log.error("models.providers.{name} is left out: {error}", name=name, error=str(error))
            return
        self._entries[name] = _Entry(provider, recipe)

    def _close_if_done(self, entry: _Entry, name: str) -> None:
        """A provider that left the configuration answers what it was asked, then closes."""
        if entry.retired and entry.calls == 0:
            spawn(entry.provider.close(), self._log, f"closing model provider {name}")

    def _read_choices(self, config: Config) -> None:
        """Aliases, parameters and the allowlist of C{agents.defaults.models}; primaries are always allowed."""
        listed = {"/".join(split_ref(ref)): entry for ref, entry in config.agents.defaults.models.items()}
        self._aliases = {entry.alias.lower(): ref for ref, entry in listed.items() if entry.alias}
        self._params = {}
        for ref, entry in listed.items():
            try:
                self._params[ref] = sampling_of(entry.params)
            except ValueError as error:
                self._log.error("agents.defaults.models.{ref}.params: {error}", ref=ref, error=str(error))
        holders: list[AgentEntry | Any] = [config.agents.defaults, *config.agents.entries]
        primaries = {_primary(choice) for holder in holders for choice in (holder.model, holder.image_model)} - {""}
        allowed = {"/".join(split_ref(self._aliases.get(ref.lower(), ref))) for ref in primaries} | set(listed)
        self._allowed = frozenset(allowed) if listed else frozenset()


def _primary(choice: ModelChoice | str) -> str:
    return choice if isinstance(choice, str) else choice.primary


__all__ = ["ModelRegistry", "ProviderFactory"]
