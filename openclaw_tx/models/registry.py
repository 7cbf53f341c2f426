# -*- test-case-name: tests.models.test_registry -*-
"""Every configured model behind one door: refs, aliases, the allowlist, keys, failover (spec 6.1 to 6.4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.config.memory import memory_search
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_models import ProviderDefinition
from openclaw_tx.config.vendors import VENDORS, completed, implied
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import EmbeddingProvider, ModelProvider, OnEvents
from openclaw_tx.models.choices import Choices, chosen
from openclaw_tx.models.embeddings import choose, overridden
from openclaw_tx.models.failover import Failover, Target, Wish
from openclaw_tx.models.failures import refuses_thinking
from openclaw_tx.models.keyring import Asker, Keyring
from openclaw_tx.models.overview import KeyState, keys_of
from openclaw_tx.models.pool import Entry, ProviderFactory, Recipe, Remote, follow
from openclaw_tx.models.profile_files import ProfileFiles
from openclaw_tx.models.refs import DEFAULT_LOCAL_REF, LOCAL, api_key, how_to_configure, provider_id, split_ref
from openclaw_tx.models.retry import RetryPolicy
from openclaw_tx.models.sampling import with_defaults
from openclaw_tx.values import Embeddings, ModelEvent, ModelInfo, ModelReply, ModelRequest, Sampling

SMALL_WINDOW = 32_000
"""Tokens of context below which a model is warned of."""


MAX_FOUND = 1000
"""Refs remembered; more are looked up each time."""


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
        environ: Callable[[], Mapping[str, str]],
        own: Mapping[str, ModelProvider] | None = None,
        policy: RetryPolicy = RetryPolicy(),  # noqa: B008 (immutable)
        on_call: Callable[[str, str], None] = lambda provider, outcome: None,
        profiles: ProfileFiles | None = None,
    ) -> None:
        """
        @param settings: the configuration of the moment; a new object after each change.
        @param clock: tells epoch seconds.
        @param random: numbers in [0, 1) that spread retries.
        @param environ: the variables of the moment, where keys are looked up first.
        @param own: the embedder's providers by id; they win over the configuration's.
        @param on_call: told of every attempt: the provider, and C{ok}, C{cancelled} or the code of its error.
        @param profiles: where agents have more keys; None = nowhere.
        """
        self._settings = settings
        self._factory = factory
        self._environ = environ
        self._clock = clock
        self._own = {provider_id(name): provider for name, provider in (own or {}).items()}
        self._keyring = Keyring(settings, clock, profiles)
        self._failover = Failover(self._keyring, clock, random, policy, on_call)
        self._config: Config | None = None
        self._default = ""
        self._closed = False
        self._entries: dict[str, Entry] = {}
        self._choices = Choices(Config())
        self._found: dict[str, tuple[Entry, ModelInfo]] = {}
        """Ref -> what it stands for, until the configuration changes."""
        self._warned: set[str] = set()

    def catalog(self) -> Sequence[ModelInfo]:
        """Models of all providers that may be used."""
        return [info for info in self.everything() if self._choices.allows(info.ref)]

    def everything(self) -> Sequence[ModelInfo]:
        """Models of all providers, whether they may be used or not."""
        self._refresh()
        return [self._marked(entry, info) for entry in self._entries.values() for info in entry.provider.models()]

    def info(self, ref: str) -> ModelInfo:
        return self._find(ref)[1]

    def default_ref(self) -> str:
        """What an agent without a model of its own uses: the first provider's first model."""
        self._refresh()
        if not self._default:
            self._default = next((info.ref for info in self.catalog()), DEFAULT_LOCAL_REF)
        return self._default

    def stream(
        self, refs: Sequence[str], request: ModelRequest, on_events: OnEvents
    ) -> Coroutine[Any, Any, ModelReply]:
        """See L{openclaw_tx.interfaces.Models.stream}. There are many levels between a run and what its provider sends,
        so those that have nothing to wait for by themselves are no coroutines."""
        handed_on = False

        def hand_on(events: Sequence[ModelEvent]) -> None:
            nonlocal handed_on
            handed_on = True
            on_events(events)

        def attempt(provider: ModelProvider, target: Target) -> Awaitable[ModelReply]:
            asked = with_defaults(request, self._choices.params.get(target.ref, Sampling()))
            return provider.stream(target.model, asked, hand_on)

        asker = Asker(request.agent_id, request.session, request.auth_profile)
        wishes = list(self._wishes(refs or [self.default_ref()]))

        def is_final(error: GatewayError) -> bool:
            # Another level is nearer to what was asked for than another model; the caller tries it.
            return bool(request.sampling.reasoning_effort) and refuses_thinking(error)

        return self._failover.call(wishes, asker, attempt, lambda: not handed_on, is_final)

    async def embed(
        self, texts: Sequence[str], dimensions: int | None = None, *, agent_id: str = "", model: str = ""
    ) -> Embeddings:
        """See L{openclaw_tx.interfaces.Embedder.embed}. A model that the caller names must be one that may be used."""
        self._refresh()
        usual = choose(
            memory_search(self._settings().agents, agent_id),
            {name: entry.provider for name, entry in self._entries.items()},
        )
        use = overridden(usual, model)
        if use != usual and not self._choices.allows(use.ref):
            raise _not_allowed(use.ref)

        async def attempt(provider: ModelProvider, target: Target) -> Embeddings:
            assert isinstance(provider, EmbeddingProvider)
            return await provider.embed(target.model, texts, dimensions)

        target = Target(self._entries[use.name], use.model)
        found = await self._failover.call([target], Asker(agent_id), attempt)
        length = len(found.vectors[0]) if found.vectors else 0
        if dimensions is not None and length != dimensions:
            raise GatewayError(
                "unsupported_parameter",
                f"The embedding model {use.ref} gives {length} dimensions, not {dimensions}.",
                param="dimensions",
            )
        return found

    async def keys(self, agent_id: str = "") -> Sequence[KeyState]:
        """Where the keys of each provider come from and how they stand, for people.

        @param agent_id: whose profiles count; "" = the default agent's.
        """
        config, environ, profiles = self._settings(), self._environ(), await self._keyring.profiles(agent_id)
        live = {name: self._keyring.standing(each) for name, each in profiles.credentials.items()}
        providers = {**_implied(config, environ), **config.models.providers}
        whole = replace(config, models=replace(config.models, providers=providers))
        now = int(self._clock.seconds() * 1000)
        return keys_of(whole, environ, replace(profiles, standings=live), (), now)

    def cooling(self) -> Mapping[tuple[str, ...], float]:
        """Provider and reason -> how many of its keys, or the provider itself, rest at the moment."""
        return self._keyring.cooling()

    async def close(self) -> None:
        """Close all providers, the embedder's too, and write down what has become of the keys."""
        entries, self._entries = self._entries, {}
        self._closed = True
        await self._keyring.close()
        for entry in entries.values():
            await entry.close()

    def _wishes(self, refs: Sequence[str]) -> Iterator[Wish]:
        """The models to ask, each once."""
        seen = set()
        for ref in refs:
            try:
                entry, info = self._find(ref)
                self._check_window(entry, info)
            except GatewayError as error:
                name, wish = ref, error
                if name not in seen:
                    yield name, wish
            else:
                name = info.ref
                if name not in seen:
                    yield Target(entry, info.id)
            seen.add(name)

    def _find(self, ref: str) -> tuple[Entry, ModelInfo]:
        """
        @raise GatewayError: C{model_not_found}.
        """
        self._refresh()
        found = self._found.get(ref)
        if found is None:
            found = self._search(ref)
            if found[0].is_configured and len(self._found) < MAX_FOUND:  # others may change what they have
                self._found[ref] = found
        return found

    def _search(self, ref: str) -> tuple[Entry, ModelInfo]:
        wanted = self._choices.resolve(ref)
        provider, model = split_ref(wanted)
        if not provider:
            provider = split_ref(self.default_ref())[0]
        full = f"{provider}/{model}"
        entry = self._entries.get(provider)
        if entry is None:
            problem = f"Unknown model: {full} (no provider {provider!r} is configured)."
            raise GatewayError("model_not_found", f"{problem} {how_to_configure(provider)}")
        if not (self._choices.allows(full) or self._choices.allows(wanted)):
            raise _not_allowed(full)
        info = entry.model(model)
        if info is None:
            raise GatewayError("model_not_found", f"Unknown model: {full}")
        return entry, info

    def _check_window(self, entry: Entry, info: ModelInfo) -> None:
        """
        @raise GatewayError: C{model_not_found}: the model's window is too small for an agent.
        """
        least, window = self._settings().agents.defaults.min_context_tokens, info.context_window
        if not entry.is_configured or not least:
            return
        if window < least:
            raise GatewayError(
                "model_not_found",
                f"Model {info.ref} has a context window of {window} tokens; agents.defaults.minContextTokens asks for "
                f"{least}.",
            )
        if window < SMALL_WINDOW and info.ref not in self._warned:
            self._warned.add(info.ref)
            self._log.warn(
                "model {ref} has a context window of only {window} tokens; conversations will be cut early",
                ref=info.ref,
                window=window,
            )

    def _marked(self, entry: Entry, info: ModelInfo) -> ModelInfo:
        """A model with what is known of it besides what its provider says."""
        alias = self._choices.aliases.get(info.ref, "")
        reason, until = self._keyring.unavailable(entry.own, entry.needs_key)
        if not (alias or reason):
            return info
        return replace(info, alias=alias, unavailable=reason, unavailable_until_ms=until)

    def _refresh(self) -> None:
        """Follow a change of configuration: providers that did not change stay as they are."""
        config = self._settings()
        if config is self._config or self._closed:
            return
        self._config = config
        self._default = ""
        wanted: dict[str, Recipe] = dict(self._own)
        environ = self._environ()
        for name, definition in config.models.providers.items():
            vendor = provider_id(name)
            key = api_key(vendor, definition.api_key, environ, config.env.vars)
            wanted.setdefault(vendor, Remote(completed(vendor, definition), key))
        if config.models.mode == "merge" and config.models.local.enabled:
            wanted.setdefault(LOCAL, config.models.local)
        for name, definition in _implied(config, environ).items():
            wanted.setdefault(name, Remote(definition, api_key(name, "", environ, config.env.vars)))
        before, self._entries = self._entries, follow(self._entries, wanted, self._factory, self._log)
        for name, entry in before.items():
            if self._entries.get(name) is not entry:
                self._keyring.forget(name)
        self._choices = Choices(config)
        self._found.clear()
        self._warned.clear()
        for path, problem in self._choices.problems:
            self._log.error("{path}: {problem}", path=path, problem=problem)
        for path, ref in chosen(config.agents):
            provider = split_ref(self._choices.resolve(ref))[0]
            if provider and provider not in self._entries:
                self._log.warn(
                    "{path}: {ref} can not be used: no provider {provider} is configured. {hint}",
                    path=path,
                    ref=ref,
                    provider=provider,
                    hint=how_to_configure(provider),
                )


def _implied(config: Config, environ: Mapping[str, str]) -> Mapping[str, ProviderDefinition]:
    """Providers that the configuration does not name, for which there is a key."""
    keyed = {name for name in VENDORS if api_key(name, "", environ, config.env.vars)}
    keyed |= {provider_id(profile.provider) for profile in config.auth.profiles.values()}
    return implied(config.models, keyed.__contains__)


def _not_allowed(ref: str) -> GatewayError:
    return GatewayError("model_not_found", f"Model {ref} is not in the list of models that may be used.")


__all__ = ["ModelRegistry", "ProviderFactory"]
