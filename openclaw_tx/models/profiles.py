# -*- test-case-name: tests.models.test_profiles -*-
"""Several keys of one provider: what auth-profiles.json says, and in which order they are used (spec 6.3). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from openclaw_tx.config.schema import AuthSection
from openclaw_tx.models.cooldowns import Standing, ready_at
from openclaw_tx.models.refs import provider_id
from openclaw_tx.values.value import Value

Kind = Literal["api_key", "token"]

SECRETS: Mapping[str, str] = {"api_key": "key", "token": "token"}
"""Type of a profile that can be used here -> the field that holds its secret."""

MAX_PROFILES = 500
"""Profiles of one file that are used."""

NEVER = 2**53
"""Later than any time, in epoch milliseconds."""


class Credential(Value, frozen=True):
    """One key of one provider. Its text forms do not show the secret."""

    provider: str
    secret: str = ""
    profile: str = ""
    """Id of the profile that it is from; "" = the provider's own key, from the environment or C{apiKey}."""
    owner: str = ""
    """Agent whose file the profile is in."""
    kind: Kind = "api_key"
    expires: int = NEVER
    """Epoch milliseconds."""

    def __repr__(self) -> str:
        return f"Credential(provider={self.provider!r}, profile={self.profile!r}, ...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("provider", self.provider), ("profile", self.profile)]


class Profiles(Value, frozen=True):
    """What one auth-profiles.json holds."""

    owner: str = ""
    """Agent that the file belongs to; "" = there is no file."""
    credentials: dict[str, Credential] = {}
    """Those that can be used, by profile id."""
    order: dict[str, tuple[str, ...]] = {}
    """Provider -> profile ids: C{order} of the file, which wins over that of the configuration."""
    standings: dict[str, Standing] = {}
    """C{usageStats} by profile id."""
    left_out: tuple[str, ...] = ()
    """Profiles that can not be used, each with the reason, without secrets."""

    def __repr__(self) -> str:
        return f"Profiles({sorted(self.credentials)!r})"

    def __rich_repr__(self) -> list[Any]:
        return sorted(self.credentials)


def decode(raw: bytes, owner: str) -> Profiles:
    """Read a file. What is odd in it is left out, not refused: other programs write it too.

    @param owner: id of the agent that it belongs to.
    @raise ValueError: it is no JSON object; never quotes it.
    """
    data = _parsed(raw)
    credentials: dict[str, Credential] = {}
    left_out: list[str] = []
    for name, value in _object(data.get("profiles")).items():
        made = _credential(name, value, owner)
        if isinstance(made, str):
            left_out.append(f"{name} ({made})")
        elif len(credentials) >= MAX_PROFILES:
            left_out.append(f"{name} (more than {MAX_PROFILES})")
        else:
            credentials[name] = made
    return Profiles(
        owner=owner,
        credentials=credentials,
        order={provider_id(name): _names(value) for name, value in _object(data.get("order")).items()},
        standings={
            name: standing_of(value) for name, value in _object(data.get("usageStats")).items() if name in credentials
        },
        left_out=tuple(left_out),
    )


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        data = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        raise ValueError("is not JSON") from None
    if not isinstance(data, dict):
        raise ValueError("is not a JSON object")
    return data


def _credential(name: str, value: Any, owner: str) -> Credential | str:
    """A profile, or why it can not be used."""
    if not isinstance(value, dict):
        return "no object"
    kind: Any = value.get("type")
    if kind not in SECRETS:
        return "oauth is not used here" if kind == "oauth" else "unknown type"
    provider, secret = value.get("provider"), value.get(SECRETS[kind])
    if not isinstance(provider, str) or not provider.strip():
        return "no provider"
    if not isinstance(secret, str) or not secret.strip() or not secret.strip().isprintable():
        return f"no {SECRETS[kind]}"
    return Credential(
        provider=provider_id(provider),
        secret=secret.strip(),
        profile=name,
        owner=owner,
        kind=kind,
        expires=_whole(value.get("expires")) or NEVER,
    )


def standing_of(value: Any) -> Standing:
    """An entry of C{usageStats}; what is odd counts as absent."""
    entry = _object(value)
    disabled_until = _whole(entry.get("disabledUntil"))
    cooldown_until = _whole(entry.get("cooldownUntil"))
    return Standing(
        last_used=_whole(entry.get("lastUsed")),
        error_count=_whole(entry.get("errorCount")),
        failure_counts={name: _whole(count) for name, count in _object(entry.get("failureCounts")).items()},
        last_failure_at=_whole(entry.get("lastFailureAt")),
        cooldown_until=cooldown_until,
        disabled_until=disabled_until,
        disabled_reason=str(entry.get("disabledReason") or "") if disabled_until else "",
        reason="billing" if disabled_until else "rate_limit" if cooldown_until else "",
    )


def with_standings(raw: bytes, standings: Mapping[str, Standing]) -> bytes:
    """A file's text with new C{usageStats} of some profiles; all else in it stays.

    @raise ValueError: it is no JSON object.
    """
    data = _parsed(raw)
    stats = dict(_object(data.get("usageStats")))
    for name, standing in standings.items():
        stats[name] = {**_object(stats.get(name)), **_stored(standing)}
        stats[name] = {key: entry for key, entry in stats[name].items() if entry is not None}
    encoded = msgspec.json.encode({**data, "usageStats": stats})
    return msgspec.json.format(encoded, indent=2) + b"\n"


def _stored(standing: Standing) -> dict[str, Any]:
    """An entry of C{usageStats}; None = is not to be there."""
    return {
        "lastUsed": standing.last_used or None,
        "errorCount": standing.error_count,
        "failureCounts": standing.failure_counts or None,
        "lastFailureAt": standing.last_failure_at or None,
        "cooldownUntil": standing.cooldown_until or None,
        "disabledUntil": standing.disabled_until or None,
        "disabledReason": standing.disabled_reason or None,
    }


def ordered(
    provider: str, profiles: Profiles, auth: AuthSection, standing: Callable[[Credential], Standing], now: int
) -> list[Credential]:
    """A provider's profiles in the order to use them: first those that are ready, then those that rest, the soonest
    ready first. An order that somebody set is kept; otherwise tokens come before keys, and of each the one that was
    not used for the longest time.

    @param now: epoch milliseconds.
    """
    names: Iterable[str] = profiles.order.get(provider) or _of_provider(provider, auth.order)
    in_turn = not names
    if in_turn:
        configured = [name for name, entry in auth.profiles.items() if provider_id(entry.provider) == provider]
        names = configured or profiles.credentials
    found = [profiles.credentials[name] for name in dict.fromkeys(names) if name in profiles.credentials]
    found = [each for each in found if each.provider == provider and each.expires > now and not _mismatch(each, auth)]
    if in_turn:
        found.sort(key=lambda each: (each.kind != "token", standing(each).last_used, each.profile))
    at = {each.profile: ready_at(standing(each)) for each in found}
    return sorted(found, key=lambda each: at[each.profile] if at[each.profile] > now else 0)


def problems(profiles: Profiles, auth: AuthSection) -> list[str]:
    """Why profiles that are stored or configured are not used, each with its id, without secrets."""
    found = list(profiles.left_out)
    known = {text.partition(" (")[0] for text in found}
    for name, entry in auth.profiles.items():
        if entry.mode == "oauth" and name not in profiles.credentials and name not in known:
            found.append(f"{name} (oauth is not used here)")
        elif name not in profiles.credentials and name not in known:
            found.append(f"{name} (its secret is not in auth-profiles.json)")
        elif name in profiles.credentials and _mismatch(profiles.credentials[name], auth):
            found.append(f"{name} (auth.profiles and auth-profiles.json differ about it)")
    return found


def _mismatch(credential: Credential, auth: AuthSection) -> bool:
    """Whether the configuration says something else of a profile. A token may stand in for C{oauth}."""
    entry = auth.profiles.get(credential.profile)
    if entry is None:
        return False
    kinds = ("oauth", "token") if credential.kind == "token" else ("api_key",)
    return provider_id(entry.provider) != credential.provider or entry.mode not in kinds


def _of_provider(provider: str, order: Mapping[str, list[str]]) -> list[str]:
    return next((names for name, names in order.items() if provider_id(name) == provider), [])


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(value: Any) -> tuple[str, ...]:
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()


def _whole(value: Any) -> int:
    """A count or a time; 0 for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= NEVER:
        return 0
    return int(value)


__all__ = [
    "Credential",
    "Kind",
    "Profiles",
    "decode",
    "ordered",
    "problems",
    "standing_of",
    "with_standings",
]
