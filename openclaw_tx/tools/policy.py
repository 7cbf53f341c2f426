# -*- test-case-name: tests.tools.test_policy -*-
"""Which tools an agent may use: a chain of stages that only ever narrows (spec 7.2). Pure functions.

Stages, in order: the profile with C{alsoAllow}; the provider's profile; C{tools}; C{tools.byProvider};
C{agents.list[].tools}; that agent's C{byProvider}. An agent's own profile replaces the global one. At each stage a tool
that C{deny} matches is out; an empty C{allow} lets the rest in, another one only what it matches. Names that mean no
tool match nothing, so that a list of only such names allows nothing at all (D26).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from openclaw_tx.config.schema_tools import ToolPolicy

_GROUPS: Mapping[str, tuple[str, ...]] = {
    "group:fs": ("read", "write", "edit", "apply_patch"),
    "group:runtime": ("exec", "process"),
    "group:web": ("web_search", "web_fetch"),
    "group:memory": ("memory_search", "memory_get"),
    "group:sessions": ("sessions_list", "sessions_history", "sessions_send", "sessions_spawn", "session_status"),
    "group:ui": ("browser", "canvas"),
    "group:automation": ("cron", "gateway"),
    "group:messaging": ("message",),
    "group:nodes": ("nodes",),
}

NATIVE = frozenset(name for names in _GROUPS.values() for name in names) | {"agents_list", "image", "tts"}
"""Every tool name of OpenClaw's own table; all others are plugin tools."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    **_GROUPS,
    "group:openclaw": tuple(sorted(NATIVE - {*_GROUPS["group:fs"], *_GROUPS["group:runtime"]})),
}
"""Group name -> tool names. C{group:plugins} stands for every name that is not L{NATIVE}."""

PLUGINS = "group:plugins"

ALIASES: Mapping[str, str] = {"bash": "exec", "apply-patch": "apply_patch"}
"""Other names of tools, in policies."""

PROFILES: Mapping[str, tuple[str, ...]] = {
    "minimal": ("session_status",),
    "coding": ("group:fs", "group:runtime", "group:sessions", "group:memory", "image"),
    "messaging": ("group:messaging", "sessions_list", "sessions_history", "sessions_send", "session_status"),
    "full": (),
}
"""Profile -> what it allows; empty = everything."""

SUBAGENT_DENY = (
    "sessions_list",
    "sessions_history",
    "sessions_send",
    "sessions_spawn",
    "session_status",
    "gateway",
    "agents_list",
    "cron",
    "memory_search",
    "memory_get",
)
"""What a sub-agent may not use, unless C{tools.subagents.tools.allow} names it."""

NO_POLICY = ToolPolicy()


def allowed(names: Iterable[str], shared: ToolPolicy, own: ToolPolicy, model_ref: str) -> list[str]:
    """The names that the whole chain lets through, in their order.

    @param shared: C{tools} of the configuration.
    @param own: C{tools} of the agent.
    @param model_ref: C{provider/model}, for C{byProvider}.
    """
    shared_provider, own_provider = by_provider(shared, model_ref), by_provider(own, model_ref)
    stages = [
        _profile_stage(own, shared),
        _profile_stage(own_provider, shared_provider),
        *((list_of(policy), policy.deny) for policy in (shared, shared_provider, own, own_provider)),
    ]
    tests = [(Matcher(allow), Matcher(deny)) for allow, deny in stages]
    return [name for name in names if all(_passes(name, allow, deny) for allow, deny in tests)]


def for_subagent(names: Iterable[str], policy: ToolPolicy) -> list[str]:
    """The names that a sub-agent may use, the last stage of the chain.

    @param policy: C{tools.subagents.tools} of the configuration.
    """
    allow, deny = Matcher(list_of(policy)), Matcher(policy.deny)
    usual = Matcher([name for name in SUBAGENT_DENY if allow.is_empty or not allow.matches(name)])
    return [name for name in names if not usual.matches(name) and _passes(name, allow, deny)]


def _profile_stage(own: ToolPolicy, shared: ToolPolicy) -> tuple[list[str], list[str]]:
    """The profile stage as allow and deny lists; C{alsoAllow} widens the profile it stands beside."""
    profile = own.profile or shared.profile
    names = PROFILES[profile] if profile else ()
    if not names:
        return [], []
    return [*names, *(own.also_allow or shared.also_allow)], []


def list_of(policy: ToolPolicy) -> list[str]:
    """The allow list of a stage. C{alsoAllow} without C{allow} restricts nothing: it is for the profile."""
    return [*policy.allow, *policy.also_allow] if policy.allow else []


def by_provider(policy: ToolPolicy, model_ref: str) -> ToolPolicy:
    """The entry of C{byProvider} for a model: C{provider/model} goes before C{provider}, case does not matter."""
    if not policy.by_provider:
        return NO_POLICY
    entries = {key.strip().lower(): entry for key, entry in policy.by_provider.items()}
    ref = model_ref.strip().lower()
    return entries.get(ref) or entries.get(ref.partition("/")[0]) or NO_POLICY


def _passes(name: str, allow: Matcher, deny: Matcher) -> bool:
    if deny.matches(name):
        return False
    if allow.is_empty or allow.matches(name):
        return True
    return name.lower() == "apply_patch" and _passes("exec", allow, deny)


class Matcher:
    """A list of tool names, groups and C{*} wildcards, ready to be asked."""

    def __init__(self, entries: Sequence[str]) -> None:
        """@param entries: as configured; case and surrounding blanks do not matter."""
        self.is_empty = not entries
        self._names: set[str] = set()
        self._patterns: list[re.Pattern[str]] = []
        self._plugins = False
        for entry in entries:
            text = entry.strip().lower()
            if text == PLUGINS:
                self._plugins = True
            elif text in GROUPS:
                self._names.update(GROUPS[text])
            elif "*" in text:
                self._patterns.append(wildcard(text))
            else:
                self._names.add(ALIASES.get(text, text))

    def matches(self, name: str) -> bool:
        """Whether the list speaks of the tool called C{name}."""
        text = name.lower()
        if text in self._names or (self._plugins and text not in NATIVE):
            return True
        return any(pattern.fullmatch(text) for pattern in self._patterns)


def wildcard(text: str) -> re.Pattern[str]:
    """C{text} as a pattern in which C{*} stands for any characters. Runs of stars are one, so that no list of stars
    makes matching slow."""
    return re.compile(".*".join(re.escape(piece) for piece in re.split(r"\*+", text)), re.DOTALL)


__all__ = [
    "ALIASES",
    "GROUPS",
    "NATIVE",
    "PLUGINS",
    "PROFILES",
    "SUBAGENT_DENY",
    "Matcher",
    "allowed",
    "by_provider",
    "for_subagent",
]
