# -*- test-case-name: tests.models.test_choices -*-
"""What the configuration says of models: aliases, parameters, and which may be used (spec 6.1). Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_agents import AgentDefaults, AgentEntry, AgentsSection, ModelChoice
from openclaw_tx.models.refs import split_ref
from openclaw_tx.models.sampling import sampling_of
from openclaw_tx.values import Sampling


class Choices:
    """The choices of one configuration.

    @ivar aliases: ref -> its alias as it is written.
    @ivar params: ref -> its generation parameters.
    @ivar problems: path in the configuration and what is wrong there.
    """

    def __init__(self, config: Config) -> None:
        agents = config.agents
        listed = {"/".join(split_ref(ref)): entry for ref, entry in agents.defaults.models.items()}
        self.aliases = {ref: entry.alias for ref, entry in listed.items() if entry.alias}
        self._refs = {alias.lower(): ref for ref, alias in self.aliases.items()}
        self.params: dict[str, Sampling] = {}
        self.problems: list[tuple[str, str]] = []
        for ref, entry in listed.items():
            try:
                self.params[ref] = sampling_of(entry.params)
            except ValueError as error:
                self.problems.append((f"agents.defaults.models.{ref}.params", str(error)))
        self._allows = _allowing(
            [self.resolve(ref) for ref in agents.defaults.model_policy.allow or listed],
            {self.resolve(ref) for ref in primaries(agents)},
        )

    def resolve(self, ref: str) -> str:
        """The ref that an alias stands for; any other ref with its provider's proper id."""
        wanted = self._refs.get(ref.strip().lower(), ref)
        provider, model = split_ref(wanted)
        return f"{provider}/{model}" if provider else model

    def allows(self, ref: str) -> bool:
        """Whether a ref may be used: by C{modelPolicy.allow}, or else by the keys of C{models}; primaries always."""
        return self._allows(ref)


def primaries(agents: AgentsSection) -> set[str]:
    """The refs that are an agent's first choice, to answer or to look at images."""
    holders: list[AgentDefaults | AgentEntry] = [agents.defaults, *agents.entries]
    choices = [choice for holder in holders for choice in (holder.model, holder.image_model)]
    return {choice.primary if isinstance(choice, ModelChoice) else choice for choice in choices} - {""}


def _allowing(allowed: list[str], always: set[str]) -> Callable[[str], bool]:
    """
    @param allowed: refs, C{*} in them stands for any characters; none = everything is allowed.
    """
    if not allowed:
        return lambda ref: True
    plain = {ref for ref in allowed if "*" not in ref} | always
    words = [".*".join(map(re.escape, re.split(r"\*+", ref))) for ref in allowed if "*" in ref]
    pattern = re.compile("|".join(words), re.DOTALL) if words else None
    return lambda ref: ref in plain or (pattern is not None and pattern.fullmatch(ref) is not None)


def chosen(agents: AgentsSection) -> list[tuple[str, str]]:
    """Where the configuration names models for agents to use: path, and ref."""
    holders: list[tuple[str, AgentDefaults | AgentEntry]] = [("agents.defaults", agents.defaults)]
    holders += [(f"agents.list[{index}]", entry) for index, entry in enumerate(agents.entries)]
    found = []
    for place, holder in holders:
        for name, choice in (("model", holder.model), ("imageModel", holder.image_model)):
            if isinstance(choice, ModelChoice):
                found.append((f"{place}.{name}.primary", choice.primary))
                found += [(f"{place}.{name}.fallbacks[{at}]", ref) for at, ref in enumerate(choice.fallbacks)]
            else:
                found.append((f"{place}.{name}", choice))
    return [(path, ref) for path, ref in found if ref]


__all__ = ["Choices", "chosen", "primaries"]
