# -*- test-case-name: tests.ws.rpc.test_session_usage -*-
"""What the prompt of a session weighs: C{contextWeight} of C{sessions.usage}.

What a run's prompt was made of is told with the run (C{/v1/runs}) and not kept with its session. So what is told here
is what the next run would get, by the configuration and the workspace of the moment: C{source} is C{estimate}.
"""

from __future__ import annotations

import os
from typing import Any

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models
from openclaw_tx.values import ModelInfo, PromptReport, RunRequest, SessionEntry
from openclaw_tx.wire.prompt_report import system_prompt_report
from openclaw_tx.ws.rpc.inventory import ToolRooms
from openclaw_tx.ws.rpc.rows import model_ref

Weight = tuple[PromptReport, ModelInfo] | None
"""What a prompt is made of, and for which model."""


class Weights:
    """Weighs, and remembers for one answer: sessions of an agent that use one model weigh the same."""

    def __init__(self, agents: Agents, models: Models, tools: ToolRooms | None) -> None:
        """
        @param agents: those that the client may use.
        @param tools: None = it is not known what agents have, and so not what their prompts weigh.
        """
        self._agents = agents
        self._models = models
        self._tools = tools
        self._known: dict[tuple[str, str, bool], Weight] = {}

    def of(self, entry: SessionEntry) -> Weight:
        """What the prompt of a session weighs; None when its agent or model is no longer configured."""
        is_child = bool(entry.settings.spawned_by)
        key = (entry.agent_id, model_ref(entry), is_child)
        if key not in self._known:
            self._known[key] = self._weigh(entry, is_child)
        return self._known[key]

    def _weigh(self, entry: SessionEntry, is_child: bool) -> Weight:
        agent = self._agents.get(entry.agent_id)
        ref = model_ref(entry) or (agent.models[0] if agent is not None and agent.models else "")
        if agent is None or self._tools is None or not ref:
            return None
        try:
            model = self._models.info(ref)
        except GatewayError:
            return None
        request = RunRequest(
            run_id="",
            agent_id=agent.id,
            session_key=entry.key,
            messages=(),
            spawned_by=entry.settings.spawned_by,
            prompt_mode="minimal" if is_child else "full",
        )
        specs = [tool.spec for tool in self._tools.tools.allowed(agent, ref, subagent=is_child)]
        return self._agents.prompt_report(agent, request, model, specs), model


def weight_object(entry: SessionEntry, weight: Weight, now_ms: int, *, is_admin: bool) -> dict[str, Any] | None:
    """C{contextWeight} of a session.

    @param is_admin: paths are told.
    """
    if weight is None:
        return None
    report, model = weight
    told = system_prompt_report(
        report,
        generated_at_ms=now_ms,
        session_id=entry.session_id,
        session_key=entry.key,
        provider=model.provider,
        model=model.id,
    )
    told["source"] = "estimate"
    if not is_admin:
        told["workspaceDir"] = ""
        for file in told["injectedWorkspaceFiles"]:
            file["path"] = os.path.basename(file["path"])
    return told


__all__ = ["Weight", "Weights", "weight_object"]
