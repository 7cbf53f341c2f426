# -*- test-case-name: tests.models.test_keyring -*-
"""Which key of a provider to use next, and what has become of each (spec 6.3, 6.4)."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.config.schema import AuthSection, Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.models import cooldowns
from openclaw_tx.models.cooldowns import Limits, Standing
from openclaw_tx.models.failures import ABOUT_ONE_MODEL, REASONS, RequestForbidden, resting
from openclaw_tx.models.profile_files import ProfileFiles
from openclaw_tx.models.profiles import Credential, Profiles, ordered, problems
from openclaw_tx.values.models import Unavailable

MAX_PINS = 10_000
"""Conversations whose profile is remembered; beyond, the one that was silent for the longest time chooses anew."""

MAIN = "main"
"""The agent there is when none is configured."""

Mark = tuple[str, str, str, str]
"""Provider, agent that owns the file, profile id, secret: another secret is another key. The second and third are ""
for a provider's own key."""


class Asker(NamedTuple):
    """On whose behalf a provider is called."""

    agent_id: str = ""
    """Whose profiles count; "" = the default agent's."""
    session: str = ""
    """Conversation that stays with its profile; "" = none."""
    profile: str = ""
    """Id of the profile that somebody chose; "" = nobody did."""


class Keyring:
    """The standing of every key, and the order of use.

    A conversation stays with the profile that answered it until that one rests. It holds as many standings as there
    are keys in the configuration and in the files.
    """

    _log = Logger()

    def __init__(self, settings: Callable[[], Config], clock: IReactorTime, files: ProfileFiles | None = None) -> None:
        """
        @param clock: tells epoch seconds.
        @param files: None = there are no profiles, only the providers' own keys.
        """
        self._settings = settings
        self._clock = clock
        self._files = files
        self._keys: dict[Mark, Standing] = {}
        self._servers: dict[str, Standing] = {}
        self._seen: dict[str, Profiles] = {}
        """By owner: the profiles that L{_keys} is about."""
        self._pins: OrderedDict[tuple[str, str, str], str] = OrderedDict()
        self._told: set[str] = set()
        self._checked: tuple[Profiles | None, AuthSection | None] = (None, None)
        self._latest = 0

    async def offered(self, own: Credential, asker: Asker) -> list[Credential]:
        """The keys of a configured provider in the order to use them, those that rest last; never empty.

        @param own: the provider's own key, which comes after all profiles; one without a secret only where there
            are none.
        @raise GatewayError: C{provider_auth}: the chosen profile can not be used.
        """
        profiles = await self.profiles(asker.agent_id)
        auth = self._settings().auth
        now = self._now()
        found = ordered(own.provider, profiles, auth, self.standing, now)
        if asker.profile:
            chosen = [each for each in found if each.profile == asker.profile]
            if chosen:
                return chosen
            if asker.profile.partition(":")[0] == own.provider:
                raise GatewayError(
                    "provider_auth", f"{own.provider}: the auth profile {asker.profile!r} is missing or has expired."
                )
        pinned = self._pins.get((own.provider, asker.agent_id, asker.session), "") if asker.session else ""
        if pinned:
            found.sort(key=lambda each: each.profile != pinned or self.ready_at(each) > now)
        if own.secret or not found:
            found.append(own)
        return found

    def standing(self, credential: Credential) -> Standing:
        """What is known of a key."""
        return self._keys.get(_mark(credential), Standing())

    def ready_at(self, credential: Credential) -> int:
        """When key and server have rested; in epoch milliseconds."""
        server = self._servers.get(credential.provider, Standing())
        return max(cooldowns.ready_at(self.standing(credential)), cooldowns.ready_at(server))

    def forced_at(self, credential: Credential, model: str) -> int:
        """When a key may be used for lack of anything better; in epoch milliseconds."""
        return max(cooldowns.forced_at(self.standing(credential), model), self._server_at(credential, model))

    def resting(self, credential: Credential, model: str) -> GatewayError:
        """Why a key is not used, and when it will be."""
        known = self.standing(credential)
        key_at, server_at = cooldowns.forced_at(known, model), self._server_at(credential, model)
        server = self._servers.get(credential.provider, known)
        if server_at > key_at or (server_at == key_at and server.last_failure_at > known.last_failure_at):
            known = server
        wait = (self.forced_at(credential, model) - self._now()) / 1000
        return resting(f"{credential.provider}/{model}", known.reason, max(wait, 0.0), bool(known.model))

    def taken(self, credential: Credential) -> int:
        """A key is used now.

        @return: when that is, for L{succeeded}.
        """
        now = self._now()
        self._latest = max(now, self._latest + 1)  # so that calls of one moment take turns
        self._keys[_mark(credential)] = replace(self.standing(credential), last_used=self._latest)
        self._note(credential)
        return now

    def succeeded(self, credential: Credential, asker: Asker, since: int) -> None:
        """It has answered."""
        self._keys[_mark(credential)] = cooldowns.succeeded(self.standing(credential), since)
        server = self._servers.get(credential.provider)
        if server is not None and server.last_failure_at <= since:
            del self._servers[credential.provider]
        if asker.session and credential.profile:
            pin = (credential.provider, asker.agent_id, asker.session)
            self._pins[pin] = credential.profile
            self._pins.move_to_end(pin)
            if len(self._pins) > MAX_PINS:
                self._pins.popitem(last=False)

    def failed(self, credential: Credential, error: GatewayError, model: str) -> None:
        """It has failed, after all tries."""
        reason = REASONS.get(error.info.code)
        if reason is None:
            return
        before = self.standing(credential)
        if isinstance(error, RequestForbidden) and not before.doubted:
            # A prompt that is not to a moderator's liking must not lock out everybody: it takes two in a row.
            self._keys[_mark(credential)] = replace(before, doubted=True)
            return
        now, after = self._now(), error.info.retry_after
        about = model if error.info.code in ABOUT_ONE_MODEL else ""
        if reason == "server":
            server = self._servers.get(credential.provider, Standing())
            self._servers[credential.provider] = cooldowns.failed(server, reason, now, self._limits(), after, about)
            return
        changed = cooldowns.failed(before, reason, now, self._limits(), after, about)
        self._keys[_mark(credential)] = changed
        self._note(credential)
        self._log.info(
            "{provider}: {key} rests for {seconds} s ({reason})",
            provider=credential.provider,
            key=f"profile {credential.profile}" if credential.profile else "its key",
            seconds=(cooldowns.ready_at(changed) - now) // 1000,
            reason=reason,
        )

    def forget(self, provider: str) -> None:
        """A provider's definition or own key is another one now: what is known of the old one says nothing."""
        self._servers.pop(provider, None)
        for mark in [mark for mark in self._keys if mark[:3] == (provider, "", "")]:
            del self._keys[mark]

    def cooling(self) -> Mapping[tuple[str, ...], float]:
        """Provider and reason -> how many keys (or servers) rest at the moment."""
        now = self._now()
        resting = [(mark[0], each) for mark, each in self._keys.items()] + list(self._servers.items())
        return Counter((name, each.reason) for name, each in resting if cooldowns.ready_at(each) > now)

    def unavailable(self, own: Credential, needs_key: bool) -> tuple[Unavailable, int]:
        """Why a provider can not answer the default agent at the moment, as far as is known, and until when.

        @return: "" for no reason; epoch milliseconds, 0 = for good.
        """
        known = self._files.known(self._default_agent()) if self._files is not None else Profiles()
        now = self._now()
        found = ordered(own.provider, known or Profiles(), self._settings().auth, self.standing, now)
        if own.secret or not (found or needs_key):
            found.append(own)
        if not found:
            return ("missing-auth", 0) if known is not None else ("", 0)
        until = min(map(self.ready_at, found))
        if until <= now:
            return "", 0
        refused = all(self.standing(each).reason in ("auth", "billing") for each in found)
        return "auth-failed" if refused else "cooldown", until

    async def close(self) -> None:
        """Write down what has become of the profiles."""
        if self._files is not None:
            await self._files.close()

    async def profiles(self, agent_id: str) -> Profiles:
        """The profiles of an agent as their files have them; "" = of the default one."""
        if self._files is None:
            return Profiles()
        default = self._default_agent()
        profiles = await self._files.read(agent_id or default, default)
        if profiles.owner and self._seen.get(profiles.owner) is not profiles:
            self._follow(profiles.owner, profiles)
        auth = self._settings().auth
        if profiles is not self._checked[0] or auth is not self._checked[1]:
            self._checked = (profiles, auth)
            self._warn(problems(profiles, auth))
        return profiles

    def _server_at(self, credential: Credential, model: str) -> int:
        """When the server of a key may be asked for lack of anything better; in epoch milliseconds."""
        server = self._servers.get(credential.provider, Standing())
        return min(server.asked_until, cooldowns.ready_at(server)) if server.model in ("", model) else 0

    def _follow(self, owner: str, profiles: Profiles) -> None:
        """A file was read: profiles that are new bring their standing, those with another secret begin anew."""
        before = self._seen.get(owner, Profiles()).credentials
        self._seen[owner] = profiles
        now = set(map(_mark, profiles.credentials.values()))
        for mark in set(map(_mark, before.values())) - now:
            self._keys.pop(mark, None)
        for name, credential in profiles.credentials.items():
            if name not in before:
                self._keys[_mark(credential)] = profiles.standings.get(name, Standing())

    def _warn(self, found: list[str]) -> None:
        """Tell which profiles are not used, each once, in one line."""
        new = [problem for problem in found if problem not in self._told][: MAX_PINS - len(self._told)]
        self._told.update(new)
        if new:
            self._log.warn("auth profiles that are not used: {problems}", problems=", ".join(new))

    def _note(self, credential: Credential) -> None:
        """Have a change written down."""
        owner = credential.owner
        if self._files is not None and owner:
            self._files.write_later(owner, lambda: self._standings(owner))

    def _standings(self, owner: str) -> dict[str, Standing]:
        return {
            name: self.standing(credential)
            for name, credential in self._seen.get(owner, Profiles()).credentials.items()
            if _mark(credential) in self._keys
        }

    def _default_agent(self) -> str:
        entries = self._settings().agents.entries
        chosen = next((entry for entry in entries if entry.default), entries[0] if entries else None)
        return chosen.id if chosen is not None else MAIN

    def _limits(self) -> Limits:
        found = self._settings().auth.cooldowns
        return Limits(
            found.billing_backoff_hours * 3600, found.billing_max_hours * 3600, found.failure_window_hours * 3600
        )

    def _now(self) -> int:
        return int(self._clock.seconds() * 1000)


def _mark(credential: Credential) -> Mark:
    return (credential.provider, credential.owner, credential.profile, credential.secret)


__all__ = ["Asker", "Keyring"]
