# -*- test-case-name: tests.agents.test_registry -*-
"""Who answers: the configured agents, with the defaults merged in (spec 5.4)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from openclaw_tx.agents.prompt import NO_PERSONA, Persona, Prompt, PromptInput, Prompts, host_timezone
from openclaw_tx.agents.report import ToolSizes, report
from openclaw_tx.agents.skills import SkillFilter
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_agents import AgentDefaults, AgentEntry, ModelChoice
from openclaw_tx.values import Agent, ModelInfo, PromptMode, PromptReport, RunRequest, ToolSpec

MAIN = "main"
"""The agent there is when none is configured."""

SKILLS = "skills"
"""Directory of skills in a workspace, and in the state directory."""


class Prepare(Protocol):
    """Makes an agent's workspace: L{openclaw_tx.agents.seeding}."""

    def __call__(self, workspace: str, *, bare: bool) -> None:
        """
        @param bare: the directory alone, without files in it.
        """


def leave_alone(workspace: str, *, bare: bool) -> None:
    """A L{Prepare} for whoever only looks."""


class _Manner(NamedTuple):
    """What an agent's prompts have besides what L{Agent} says."""

    persona: Persona
    skills: SkillFilter


class _Made(NamedTuple):
    """The prompt that was made last, and for what."""

    request: RunRequest
    agent: Agent
    model: ModelInfo
    tools: Sequence[ToolSpec]
    given: PromptInput
    prompt: Prompt

    def is_for(self, agent: Agent, request: RunRequest, model: ModelInfo, tools: Sequence[ToolSpec]) -> bool:
        """Whether it was made for these."""
        known = self.request
        return (
            known.run_id == request.run_id
            and known.extra_system == request.extra_system
            and self.agent is agent
            and self.model is model
            and self.tools == tools
        )


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
        prepare: Prepare = leave_alone,
        seconds: Callable[[], float] | None = None,
    ) -> None:
        """
        @param settings: gives the configuration of the moment.
        @param state_dir: relative workspaces are below it.
        @param environment: read for C{HOME} (paths of a configuration that was not loaded from a file may still have
            their C{~}) and C{TZ}.
        @param default_model: ref of the model for agents that name none; "" when there is no model at all.
        @param prepare: makes an agent's workspace before its files are read for a run.
        @param seconds: see L{Prompts}.
        """
        self._settings = settings
        self._state_dir = os.path.abspath(os.fspath(state_dir))
        self._environment = environment
        self._default_model = default_model
        self._prepare = prepare
        self._prompts = Prompts(seconds)
        self._sizes = ToolSizes()
        self._made: _Made | None = None
        self._summarised: tuple[tuple[ToolSpec, ...], tuple[tuple[str, str], ...]] = ((), ())
        self._host_timezone = host_timezone(environment)
        self._config: Config | None = None
        self._fallback_model = ""
        self._needs_fallback = False
        """Whether an agent has no model of its own, so that the default one matters."""
        self._agents: tuple[Agent, ...] = ()
        self._by_id: dict[str, Agent] = {}
        self._manners: dict[str, _Manner] = {}
        self._aliases: tuple[tuple[str, str], ...] = ()

    @property
    def default_id(self) -> str:
        """The entry marked default, else the first one, else C{main}."""
        return next(agent.id for agent in self.all() if agent.is_default)

    def all(self) -> Sequence[Agent]:
        """Configured agents in the order of the file; never empty."""
        config = self._settings()
        if config is not self._config or self._needs_fallback:
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
        given = self._given(agent, request, model, tools)
        self._prepare(agent.workspace, bare=self._settings().agents.defaults.skip_bootstrap)
        prompt = self._prompts.get(given, request.extra_system)
        self._made = _Made(request, agent, model, tools, given, prompt)
        return prompt.text

    def prompt_report(
        self, agent: Agent, request: RunRequest, model: ModelInfo, tools: Sequence[ToolSpec]
    ) -> PromptReport:
        """See L{openclaw_tx.interfaces.Agents.prompt_report}."""
        return self.preview(agent, request, model, tools)[1]

    def preview(
        self, agent: Agent, request: RunRequest, model: ModelInfo, tools: Sequence[ToolSpec]
    ) -> tuple[str, PromptReport]:
        """The prompt itself beside L{prompt_report}."""
        extra, made = request.extra_system, self._made
        if made is not None and made.is_for(agent, request, model, tools):
            given, prompt = made.given, made.prompt
        else:
            given = self._given(agent, request, model, tools)
            prompt = self._prompts.get(given, extra)
        return prompt.text, report(given, extra, prompt, self._sizes.of(tools, request.tools))

    def _given(self, agent: Agent, request: RunRequest, model: ModelInfo, tools: Sequence[ToolSpec]) -> PromptInput:
        self.all()
        config = self._config
        assert config is not None
        defaults = config.agents.defaults
        manner = self._manners.get(agent.id, PLAIN)
        return PromptInput(
            agent=agent,
            persona=manner.persona,
            model=model.ref,
            context_window=model.context_window,
            channel=request.channel,
            timezone=defaults.user_timezone or self._host_timezone,
            tools=self._summaries(tools),
            file_chars=defaults.bootstrap_max_chars,
            total_chars=defaults.bootstrap_total_max_chars,
            mode=mode_of(request),
            thinking=request.thinking,
            aliases=self._aliases,
            skills=manner.skills,
        )

    def _summaries(self, tools: Sequence[ToolSpec]) -> tuple[tuple[str, str], ...]:
        """Names and descriptions; of run after run they are the same."""
        if tools is not self._summarised[0]:
            summaries = tuple((tool.name, tool.description) for tool in tools)
            if not isinstance(tools, tuple):
                return summaries
            self._summarised = (tools, summaries)
        return self._summarised[1]

    def _read(self, config: Config, fallback: str) -> None:
        defaults = config.agents.defaults
        entries = config.agents.entries or [AgentEntry(id=MAIN)]
        default_id = next((entry.id for entry in entries if entry.default), entries[0].id)
        by_id: dict[str, Agent] = {}
        manners: dict[str, _Manner] = {}
        hidden = tuple(sorted(name for name, skill in config.skills.entries.items() if not skill.enabled))
        for entry in entries:
            if entry.id in by_id:
                continue
            is_default = entry.id == default_id
            workspace = self._workspace(entry, defaults, is_default)
            by_id[entry.id] = Agent(
                id=entry.id,
                name=entry.name or entry.identity.name or entry.id,
                workspace=workspace,
                models=models_of(entry.model, defaults.model, fallback),
                is_default=is_default,
                timeout_s=float(defaults.timeout_seconds),
                on_disconnect=entry.on_disconnect or defaults.on_disconnect,
                reasoning_content=(
                    defaults.reasoning_content if entry.reasoning_content is None else entry.reasoning_content
                ),
                thinking_default=entry.thinking_default or defaults.thinking_default,
                skill_directories=self._skill_directories(workspace, config),
            )
            identity = entry.identity
            chosen = defaults.skills if entry.skills is None else entry.skills
            manners[entry.id] = _Manner(
                Persona(identity.name or entry.name, identity.theme, identity.emoji),
                SkillFilter(None if chosen is None else tuple(chosen), hidden),
            )
        self._by_id, self._manners = by_id, manners
        self._aliases = tuple((model.alias, ref) for ref, model in defaults.models.items() if model.alias)
        self._agents = tuple(by_id.values())
        self._config, self._fallback_model = config, fallback
        self._needs_fallback = any(not _primary(entry.model, defaults.model) for entry in entries)

    def _workspace(self, entry: AgentEntry, defaults: AgentDefaults, is_default: bool) -> str:
        """An agent's own workspace, else that of the defaults, else C{<that>-<id>} for agents beside the default."""
        if entry.workspace:
            return self._path(entry.workspace)
        base = self._path(defaults.workspace)
        return base if is_default else f"{base}-{entry.id}"

    def _skill_directories(self, workspace: str, config: Config) -> tuple[str, ...]:
        """Where an agent's skills are: its own, those of this gateway, those of the configuration."""
        own = (os.path.join(workspace, SKILLS), os.path.join(self._state_dir, SKILLS))
        return tuple(dict.fromkeys([*own, *(self._path(text) for text in config.skills.load.extra_dirs)]))

    def _path(self, text: str) -> str:
        """Absolute form of a configured path; without C{HOME}, C{~} is the directory that holds the state one."""
        if text == "~" or text.startswith("~/"):
            home = self._environment.get("HOME") or os.path.dirname(self._state_dir)
            text = home + text[1:]
        return os.path.normpath(os.path.join(self._state_dir, text))


PLAIN = _Manner(NO_PERSONA, SkillFilter())


def mode_of(request: RunRequest) -> PromptMode:
    """How much of a prompt a run gets: a sub-agent never gets all of it."""
    return "minimal" if request.spawned_by and request.prompt_mode == "full" else request.prompt_mode


def models_of(own: ModelChoice | str, default: ModelChoice | str, fallback: str) -> tuple[str, ...]:
    """Model refs to try in order, each once.

    A bare ref of the agent's own replaces the primary and keeps the fallbacks of the defaults; an object replaces both.

    @param fallback: the primary when neither names one.
    """
    primary = _primary(own, default) or fallback
    fallbacks = _choice(default).fallbacks if isinstance(own, str) else own.fallbacks
    return tuple(dict.fromkeys(ref for ref in (primary, *fallbacks) if ref))


def _primary(own: ModelChoice | str, default: ModelChoice | str) -> str:
    return _choice(own).primary or _choice(default).primary


def _choice(model: ModelChoice | str) -> ModelChoice:
    return ModelChoice(primary=model) if isinstance(model, str) else model


__all__ = ["MAIN", "ConfiguredAgents", "models_of"]
