# -*- test-case-name: tests.models.test_overview -*-
"""Where each provider's key comes from and how it stands, for people; never the key. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from openclaw_tx.config.schema import AuthSection, Config
from openclaw_tx.models.cooldowns import Standing
from openclaw_tx.models.pool import needs_key
from openclaw_tx.models.profiles import NEVER, Profiles, ordered
from openclaw_tx.models.refs import key_source, provider_id
from openclaw_tx.values.value import Value


class ProfileState(Value, frozen=True, omit_defaults=True, rename="camel"):
    """An auth profile."""

    id: str
    type: str
    state: str
    """C{ok}, C{expired}, C{cooldown} or C{disabled}, as its file says."""
    until: int = 0
    """When a rest is over, or when it has expired; epoch milliseconds."""
    email: str = ""
    """Whose it is, as C{auth.profiles} says."""
    expires: int = 0
    """When it can no longer be used, epoch milliseconds; 0 = never."""


class KeyState(Value, frozen=True, omit_defaults=True, rename="camel"):
    """A configured provider."""

    provider: str
    source: str
    """C{profiles}, C{env:<NAME>}, C{config}, C{none} when it needs no key, or C{missing}."""
    in_use: bool
    """It has the model, a fallback or the image model of an agent."""
    profiles: tuple[ProfileState, ...] = ()

    @property
    def trouble(self) -> str:
        """What somebody should do something about; "" = nothing."""
        if not self.in_use:
            return ""
        expired = [profile.id for profile in self.profiles if profile.state == "expired"]
        if self.source == "missing":
            return "no key"
        return f"{', '.join(expired)} expired" if expired else ""


def keys_of(
    config: Config, environment: Mapping[str, str], profiles: Profiles, in_use: Iterable[str], now: int
) -> list[KeyState]:
    """Every configured provider, in the order of the file.

    @param in_use: ids of the providers that agents use.
    @param now: epoch milliseconds.
    """
    used = set(in_use)
    found = []
    for name, definition in config.models.providers.items():
        provider = provider_id(name)
        usable = ordered(provider, profiles, config.auth, lambda each: Standing(), now)
        source = key_source(provider, definition.api_key, environment, config.env.vars)
        if usable:
            source = "profiles"
        elif not source:
            source = "missing" if needs_key(definition) else "none"
        states = [
            _state(profiles, config.auth, id, now)
            for id, credential in profiles.credentials.items()
            if credential.provider == provider
        ]
        found.append(KeyState(provider=provider, source=source, in_use=provider in used, profiles=tuple(states)))
    return found


def _state(profiles: Profiles, auth: AuthSection, id: str, now: int) -> ProfileState:
    credential, standing = profiles.credentials[id], profiles.standings.get(id, Standing())
    state, until = "ok", 0
    if credential.expires <= now:
        state, until = "expired", credential.expires
    elif standing.disabled_until > now:
        state, until = "disabled", standing.disabled_until
    elif standing.cooldown_until > now:
        state, until = "cooldown", standing.cooldown_until
    entry = auth.profiles.get(id)
    email = entry.email if entry is not None else ""
    expires = credential.expires if credential.expires < NEVER else 0
    return ProfileState(id=id, type=credential.kind, state=state, until=until, email=email, expires=expires)


__all__ = ["KeyState", "ProfileState", "keys_of"]
