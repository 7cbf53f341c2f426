# -*- test-case-name: tests.config.test_image_model -*-
"""C{imageModel} of one agent. Pure."""

from __future__ import annotations

from openclaw_tx.config.schema_agents import AgentsSection, ModelChoice


def image_models(agents: AgentsSection, agent_id: str) -> tuple[str, ...]:
    """Model refs for images, to try in order: the agent's own, else the defaults'; () = none is configured."""
    own = next((entry.image_model for entry in agents.entries if entry.id == agent_id), "")
    return _refs(own) or _refs(agents.defaults.image_model)


def _refs(choice: ModelChoice | str) -> tuple[str, ...]:
    refs = (choice,) if isinstance(choice, str) else (choice.primary, *choice.fallbacks)
    return tuple(dict.fromkeys(ref for ref in refs if ref))


__all__ = ["image_models"]
