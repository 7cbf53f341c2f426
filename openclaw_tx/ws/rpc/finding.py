# -*- test-case-name: tests.ws.rpc.test_finding -*-
"""C{sessions.resolve}: the one session that is meant (spec 2.10), also by the short links of OpenClaw's Control UI.

Such a link holds the beginning of the UUID that a session's key ends with, and perhaps a slug: what the session is
called, in a form fit for URLs. Where several fit, the client lets its user choose.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from msgspec import Meta

from openclaw_tx.auth.sight import agents_for, sees_session
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Sessions
from openclaw_tx.sessions.keys import canonical_key, parse_key
from openclaw_tx.values import Principal, SessionEntry, SessionFilter
from openclaw_tx.wire.frames import NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.asks import bad

MOST = 1000
"""Newest sessions that are looked at, where a label or a link may mean several."""
CANDIDATES = 10
"""Sessions that a client is told of at most, to choose from."""
SLUG = 48
"""Characters of a slug."""
_UUID = re.compile(r"(?:^|:)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$")
"""What keys of short links end with."""
Label = Annotated[str, Meta(min_length=1, max_length=512)]
Key = Annotated[str, Meta(min_length=1, max_length=512)]
ShortId = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{8,32}$")]
Slug = Annotated[str, Meta(min_length=1, max_length=256)]


class Reference(Params, frozen=True):
    """A session as a link names it."""

    key: Key
    slug: Slug | None = None
    """What the session is called, when there is none of this key."""


class ResolveParams(Params, frozen=True):
    """Params of C{sessions.resolve}: exactly one of key, session id, label, short id and reference."""

    key: Key | None = None
    session_id: NonEmpty | None = None
    label: Label | None = None
    reference: Reference | None = None
    short_id: ShortId | None = None
    """Beginning of the UUID that the key ends with, without dashes."""
    slug_hint: Slug | None = None
    """With C{shortId}: which one, if several fit."""
    agent_id: NonEmpty | None = None
    spawned_by: NonEmpty | None = None
    include_global: bool = False
    include_unknown: bool = False
    allow_missing: bool = False
    """Answer C{{ok: false}} instead of an error when there is none."""


class SessionFinder:
    """Finds sessions that a client may know of; others are not there."""

    def __init__(self, agents: Agents, sessions: Sessions, scope: Callable[[], str]) -> None:
        """
        @param scope: C{session.scope}.
        """
        self._scope = scope
        self._agents = agents
        self._sessions = sessions

    def methods(self) -> Sequence[Method]:
        """The family's entry."""
        return [Method("sessions.resolve", "sessions.resolve", ResolveParams, self.resolve)]

    async def resolve(self, call: Call[ResolveParams]) -> Any:
        """C{{ok, key, agentId (4)}} of the one session that fits; of a link also C{displayName}. Where a link fits
        several: C{{ok: false, candidates[]}}, ten at most."""
        params = call.params
        given = (params.key, params.session_id, params.label, params.short_id, params.reference)
        asked = [each for each in given if each is not None]
        if len(asked) != 1:
            raise bad("sessions.resolve", "exactly one of key, sessionId, label, shortId and reference is required")
        if params.slug_hint is not None and params.short_id is None:
            raise bad("sessions.resolve", "slugHint requires shortId")
        found = [each for each in await self._found(call.principal, params) if self._fits(call.principal, each, params)]
        candidates = [candidate(each) for each in found[:CANDIDATES]]
        if len(found) > 1:
            return {"ok": False, "candidates": candidates}
        names = ["key"]
        if params.short_id is not None or params.reference is not None:
            names += ["agentId", "displayName"]
        elif call.modern:
            names += ["agentId"]
        for one in candidates:
            return {"ok": True, **{name: one[name] for name in names if name in one}}
        if params.allow_missing:
            return {"ok": False}
        name = params.reference.key if params.reference is not None else asked[0]
        of_label = f"with label: {params.label}" if params.label is not None else ""
        raise GatewayError("invalid_request", f"No session found{f' {of_label}' if of_label else f': {name}'}")

    async def by_key(self, principal: Principal, key: str, agent_id: str) -> SessionEntry | None:
        """The session of a key.

        @param agent_id: whose, if the key names no agent; "" = the default agent's.
        """
        agents = agents_for(self._agents, principal)
        chosen = agent_id.strip().lower() or agents.default_id
        try:
            whole = canonical_key(key, chosen, prefix=principal.session_prefix, scope=self._scope())
        except GatewayError:
            return None
        # Keys of HTTP headers keep their case.
        entry = await self._sessions.get(key.strip()) or await self._sessions.get(whole)
        return entry if entry is not None and sees_session(principal, entry) else None

    async def _found(self, principal: Principal, params: ResolveParams) -> Sequence[SessionEntry]:
        """What is named; of a link all that it may mean.

        @raise GatewayError: several have the label: labels are unique among the sessions of one agent only.
        """
        agent_id = params.agent_id or ""
        if params.session_id is not None:
            return _listed(await self._sessions.by_session_id(params.session_id.strip()))
        if params.label is not None:
            wanted = SessionFilter(
                label=params.label, agent_id=agent_id.strip().lower(), spawned_by=params.spawned_by or ""
            )
            page = await self._sessions.select(wanted, limit=MOST)
            seen = [entry for entry in page.entries if sees_session(principal, entry)]
            if len(seen) > 1:
                keys = ", ".join(entry.key for entry in seen[:CANDIDATES])
                raise GatewayError("invalid_request", f"Multiple sessions found with label: {params.label} ({keys})")
            return seen
        if params.short_id is not None:
            return await self._by_short_id(params.short_id.lower(), params.slug_hint, agent_id)
        key = params.reference.key if params.reference is not None else params.key or ""
        entry = await self.by_key(principal, key, agent_id)
        slug = params.reference.slug if params.reference is not None else None
        if entry is not None or slug is None:
            return _listed(entry)
        page = await self._sessions.select(SessionFilter(agent_id=agent_id.strip().lower()), limit=MOST)
        return [each for each in page.entries if uuid_of(each.key) and slug_of(display_name(each)) == slug]

    async def _by_short_id(self, short_id: str, slug_hint: str | None, agent_id: str) -> Sequence[SessionEntry]:
        wanted = SessionFilter(agent_id=agent_id.strip().lower(), search=short_id[:8])
        page = await self._sessions.select(wanted, limit=MOST)
        found = [each for each in page.entries if uuid_of(each.key).startswith(short_id)]
        named = [each for each in found if slug_hint is not None and slug_of(display_name(each)) == slug_hint]
        return named or found

    def _fits(self, principal: Principal, entry: SessionEntry, params: ResolveParams) -> bool:
        fits = params.agent_id is None or entry.agent_id == params.agent_id.strip().lower()
        fits = fits and params.spawned_by in (None, entry.settings.spawned_by)
        # A key that was named need not be shown in lists.
        shown = params.key is not None or entry.key not in hidden_keys(params.include_global, params.include_unknown)
        return fits and shown and sees_session(principal, entry)


def candidate(entry: SessionEntry) -> dict[str, str]:
    """A session that was found."""
    found = {"key": entry.key, "agentId": entry.agent_id}
    if name := display_name(entry):
        found["displayName"] = name
    return found


def display_name(entry: SessionEntry) -> str:
    """What people call a session; "" = nobody has named it."""
    return entry.label or entry.settings.display_name


def uuid_of(key: str) -> str:
    """The UUID that a key ends with, without dashes; "" = it ends otherwise."""
    parsed = parse_key(key)
    found = _UUID.search(parsed.rest.lower()) if parsed is not None else None
    return found[1].replace("-", "") if found is not None else ""


def slug_of(name: str) -> str:
    """A name as links hold it: words of letters and digits, joined by dashes; at its end no word that could be taken
    for a short id, as those could that are made of hexadecimal digits alone."""
    words = re.findall(r"[a-z0-9]+", name.lower())
    while words and not re.search("[g-z]", words[-1]):
        words.pop()
    return "-".join(words)[:SLUG].rstrip("-")


def hidden_keys(include_global: bool, include_unknown: bool) -> tuple[str, ...]:
    """Keys that belong to nobody, unless they are wanted."""
    return (*(() if include_global else ("global",)), *(() if include_unknown else ("unknown",)))


def _listed(entry: SessionEntry | None) -> Sequence[SessionEntry]:
    return () if entry is None else (entry,)


__all__ = ["Key", "Label", "ResolveParams", "SessionFinder", "ShortId", "Slug", "hidden_keys"]
