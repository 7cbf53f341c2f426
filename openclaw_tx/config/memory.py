# -*- test-case-name: tests.config.test_memory -*-
"""C{memorySearch} of one agent: its own settings over those of the defaults. Pure."""

from __future__ import annotations

from openclaw_tx.config.schema_agents import AgentMemorySearch, AgentsSection, MemoryQuery, MemorySearch

NOTHING = AgentMemorySearch()


def memory_search(agents: AgentsSection, agent_id: str) -> MemorySearch:
    """What counts for an agent. A provider of its own does not take the defaults' model; its paths come on top.

    @param agent_id: "" = the defaults.
    """
    shared = agents.defaults.memory_search
    own = next((entry.memory_search for entry in agents.entries if entry.id == agent_id), NOTHING)
    query = own.query
    return MemorySearch(
        enabled=shared.enabled if own.enabled is None else own.enabled,
        provider=own.provider or shared.provider,
        model=own.model if own.provider else own.model or shared.model,
        extra_paths=list(dict.fromkeys((*shared.extra_paths, *own.extra_paths))),
        vectors=shared.vectors if own.vectors is None else own.vectors,
        query=MemoryQuery(
            max_results=shared.query.max_results if query.max_results is None else query.max_results,
            min_score=shared.query.min_score if query.min_score is None else query.min_score,
        ),
    )


def with_vectors(settings: MemorySearch) -> bool:
    """Whether memory is searched by meaning too."""
    return settings.vectors if settings.vectors is not None else bool(settings.provider or settings.model)


__all__ = ["memory_search", "with_vectors"]
