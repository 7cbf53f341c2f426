# -*- test-case-name: tests.agents.test_registry -*-
"""Who answers: the configured agents, with the defaults merged in (spec 5.4)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from openclaw_tx.agents.prompt import Persona, PromptInput, Prompts, host_timezone
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_agents import AgentDefaults, AgentEntry, ModelChoice
from openclaw_tx.values import Agent, ModelInfo, RunRequest, ToolSpec

MAIN = "main"
"""The agent there is when none is configured."""


class ConfiguredAgents:
    """Implements L{openclaw_tx.interfaces.Agents} from the configuration of the moment.

    The list is worked out once for each C{Config} object, so a reload is seen by the next run and an unchanged
    configuration costs one identity check.
    """

    def __init__(
        self,
        settings: Callable[[], Config],
        state_dir: str | os.PathLike[str],
        environment: Mapping[str, str],
        default_model: Callable[[], str],
    ) -> None:
        """
        @param settings: gives the configuration of the moment.
        @param state_dir: relative workspaces are below it.
        @param environment: read for C{HOME} (paths of a configuration that was not loaded from a file may still have
            their C{~}) and C{TZ}.
        @param default_model: ref of the model for agents that name none; "" when there is no model at all.
        """
        self._settings = settings
        self._state_dir = os.path.abspath(os.fspath(state_dir))
        self._environment = environment
        self._default_model = default_model
        self._prompts = Prompts()
        self._host_timezone = host_timezone(environment)
        self._config: Config | None = None
        self._fallback_model = ""
        self._agents: tuple[Agent, ...] = ()
        self._by_id: dict[str, Agent] = {}
        self._personas: dict[str, Persona] = {}

    @property
    def default_id(self) -> str:
        """The entry marked default, else the first one, else C{main}."""
        return next(agent.id for agent in self.all() if agent.is_default)

    def all(self) -> Sequence[Agent]:
        """Configured agents in the order of the file; never empty."""
        config = self._settings()
        fallback = self._default_model()
        if config is not self._config or fallback != self._fallback_model:
            self._read(config, fallback)
        return self._agents

    def get(self, agent_id: str) -> Agent | None:
        """The agent called C{agent_id}, or None."""
        self.all()
        return self._by_id.get(agent_id)

    def system_prompt(self, agent: Agent, request: RunRequest, model: ModelInfo, tools: Sequence[ToolSpec]) -> str:
        """The system prompt of a run; see L{openclaw_tx.agents.prompt}."""
        self.all()
        config = self._config
        assert config is not None
        defaults = config.agents.defaults
        return self._prompts.get(
            PromptInput(
                agent=agent,
                persona=self._personas.get(agent.id, NO_PERSONA),
                model=model.ref,
                context_window=model.context_window,
                channel=request.channel,
                timezone=defaults.user_timezone or self._host_timezone,
                tools=tuple((tool.name, tool.description) for tool in tools),
                file_chars=defaults.bootstrap_max_chars,
                total_chars=defaults.bootstrap_total_max_chars,
            ),
            request.extra_system,
        )

    def _read(self, config: Config, fallback: str) -> None:
        defaults = config.agents.defaults
        entries = config.agents.entries or [AgentEntry(id=MAIN)]
        default_id = next((entry.id for entry in entries if entry.default), entries[0].id)
        by_id: dict[str, Agent] = {}
        personas: dict[str, Persona] = {}
        for entry in entries:
            if entry.id in by_id:
                continue
            is_default = entry.id == default_id
            by_id[entry.id] = Agent(
                id=entry.id,
                name=entry.name or entry.identity.name or entry.id,
                workspace=self._workspace(entry, defaults, is_default),
                models=models_of(entry.model, defaults.model, fallback),
                is_default=is_default,
                timeout_s=float(defaults.timeout_seconds),
                on_disconnect=entry.on_disconnect or defaults.on_disconnect,
                reasoning_content=(
                    defaults.reasoning_content if entry.reasoning_content is None else entry.reasoning_content
                ),
                thinking_default=entry.thinking_default or defaults.thinking_default,
            )
            identity = entry.identity
            personas[entry.id] = Persona(identity.name or entry.name, identity.theme, identity.emoji)
        self._by_id, self._personas = by_id, personas
        self._agents = tuple(by_id.values())
        self._config, self._fallback_model = config, fallback

    def _workspace(self, entry: AgentEntry, defaults: AgentDefaults, is_default: bool) -> str:
        """An agent's own workspace, else that of the defaults, else C{<that>-<id>} for agents beside the default."""
        if entry.workspace:
            return self._path(entry.workspace)
        base = self._path(defaults.workspace)
        return base if is_default else f"{base}-{entry.id}"

    def _path(self, text: str) -> str:
        """Absolute form of a configured path; without C{HOME}, C{~} is the directory that holds the state one."""
        if text == "~" or text.startswith("~/"):
            home = self._environment.get("HOME") or os.path.dirname(self._state_dir)
            text = home + text[1:]
        return os.path.normpath(os.path.join(self._state_dir, text))


NO_PERSONA = Persona("", "", "")


def models_of(own: ModelChoice | str, default: ModelChoice | str, fallback: str) -> tuple[str, ...]:
    """Model refs to try in order, each once.

    A bare ref of the agent's own replaces the primary and keeps the fallbacks of the defaults; an object replaces both.

    @param fallback: the primary when neither names one.
    """
    primary = _choice(own).primary or _choice(default).primary or fallback
    fallbacks = _choice(default).fallbacks if isinstance(own, str) else own.fallbacks
    return tuple(dict.fromkeys(ref for ref in (primary, *fallbacks) if ref))


def _choice(model: ModelChoice | str) -> ModelChoice:
    return ModelChoice(primary=model) if isinstance(model, str) else model


__all__ = ["MAIN", "ConfiguredAgents", "models_of"]
