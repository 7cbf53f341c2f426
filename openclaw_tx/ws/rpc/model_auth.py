# -*- test-case-name: tests.ws.rpc.test_model_auth -*-
"""C{models.authStatus}: where the keys of providers come from and how they stand; never a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.actions import ADMIN
from openclaw_tx.interfaces import Agents
from openclaw_tx.models.overview import KeyState, ProfileState
from openclaw_tx.wire.frames import NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.inventory import agent_named

ENV = "env:"
SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1000, 60_000, 3_600_000, 86_400_000

STATUSES = ("expired", "missing", "ok", "static")
"""What can be said of a provider, the worst first: that of its profile that is worst off."""


class AuthStatusParams(Params, frozen=True):
    """Params of C{models.authStatus}."""

    agent_id: NonEmpty | None = None
    """Whose profiles count; unset = the default agent's."""
    refresh: bool = False
    """Files of profiles are followed in any case, so it is the same."""


@runtime_checkable
class Keys(Protocol):
    """What knows of keys."""

    async def keys(self, agent_id: str = "") -> Sequence[KeyState]:
        """Each provider that there is, and how its keys stand."""


class ModelAuthMethods:
    """The family of providers' keys."""

    def __init__(self, keys: Keys, agents: Agents, clock: IReactorTime) -> None:
        self._keys = keys
        self._agents = agents
        self._clock = clock

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [Method("models.authStatus", "models.list", AuthStatusParams, self.status)]

    async def status(self, call: Call[AuthStatusParams]) -> Any:
        """C{{ts, providers[{provider, displayName, status, apiKey?{source, envVar?}, profiles[{profileId, type, status,
        reasonCode?, expiry?, email?}], expiry?}]}}. C{status} is C{ok}, C{expired}, C{missing}, or C{static} for a key
        that has no end. Providers that need no key are left out; whose a profile is, is told to administrators only."""
        agent = agent_named("models.authStatus", self._agents, call.principal, call.params.agent_id)
        now = int(self._clock.seconds() * 1000)
        is_admin = ADMIN in call.principal.scopes
        found = await self._keys.keys(agent.id)
        return {
            "ts": now,
            "providers": [
                _provider(state, now, is_admin) for state in found if state.source != "none" or state.profiles
            ],
        }


def _provider(state: KeyState, now: int, is_admin: bool) -> dict[str, Any]:
    profiles = [_profile(profile, now, is_admin) for profile in state.profiles]
    statuses = {profile["status"] for profile in profiles}
    status = next((each for each in STATUSES if each in statuses), "static")
    row: dict[str, Any] = {"provider": state.provider, "authProvider": state.provider, "displayName": state.provider}
    if state.source.startswith(ENV):
        row["apiKey"] = {"source": "env", "envVar": state.source.removeprefix(ENV)}
    elif state.source == "config":
        row["apiKey"] = {"source": "config"}
    elif state.source == "missing" and not profiles:
        status = "missing"
    row["status"], row["profiles"] = status, profiles
    ends = [profile["expiry"] for profile in profiles if "expiry" in profile]
    if ends:
        row["expiry"] = min(ends, key=lambda expiry: int(expiry["at"]))
    return row


def _profile(profile: ProfileState, now: int, is_admin: bool) -> dict[str, Any]:
    status = "static" if profile.type == "api_key" else "ok"
    row: dict[str, Any] = {"profileId": profile.id, "type": profile.type, "source": "saved"}
    row["status"] = "expired" if profile.state == "expired" else status
    if profile.state in ("cooldown", "disabled"):
        row["reasonCode"] = profile.state
    if profile.expires:
        left = profile.expires - now
        row["expiry"] = {"at": profile.expires, "remainingMs": left, "label": in_words(left)}
    if is_admin and profile.email:
        row["email"] = profile.email
    return row


def in_words(left_ms: int) -> str:
    """A time that is left, in its largest unit."""
    if left_ms <= 0:
        return "expired"
    for unit, name in ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "m")):
        if left_ms >= unit:
            return f"{left_ms // unit}{name}"
    return f"{left_ms // SECOND_MS}s"


__all__ = ["Keys", "ModelAuthMethods", "in_words"]
