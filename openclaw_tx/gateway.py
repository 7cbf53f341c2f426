# -*- test-case-name: tests.test_gateway -*-
"""A gateway as its embedders see it: a service, a resource tree, a way to run agents."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.web.resource import IResource

from openclaw_tx.assembly import Materials, build, crew_rooms, web_rooms
from openclaw_tx.auth.configured import configured
from openclaw_tx.config.holding import Holding
from openclaw_tx.config.load import Loaded, from_mapping
from openclaw_tx.config.settings import Settings
from openclaw_tx.config.temporary import temporary_directory
from openclaw_tx.deferreds import InThread, thread_pool
from openclaw_tx.errors import GatewayError
from openclaw_tx.ids import new_uuid
from openclaw_tx.interfaces import Fetcher, IChannel, ModelProvider, Poster, Tool, ToolSource
from openclaw_tx.runs.checkpoints import checkpoints
from openclaw_tx.runs.engine import RunListener
from openclaw_tx.runs.local import LOCAL, local_request, outcome
from openclaw_tx.sessions.lifecycle import StoreParts, tidying
from openclaw_tx.tally import LagMeter
from openclaw_tx.values import Agent, Entry, ModelInfo, PromptReport, RunRequest, RunResult, ToolSpec
from openclaw_tx.web.bounds import descriptor_limit
from openclaw_tx.web.crowding import Crowd
from openclaw_tx.web.metrics import Sources, measured
from openclaw_tx.web.root import Root
from openclaw_tx.web.site import GatewaySite
from openclaw_tx.web.sites import CLOSE_SECONDS, Sites
from openclaw_tx.workers.crew import Crew

ABORT_SECONDS = 6.0
"""How long runs of other processes may take to end once their grace is over."""


class Gateway(MultiService):
    """Agents behind one resource tree, and a way to run them from Python.

    Everything it knows is in the instance; it opens no port by itself. docs/embedding.md shows it at work.

    @ivar settings: the configuration of the moment.
    @ivar engine: L{openclaw_tx.interfaces.RunEngine}.
    """

    def __init__(
        self,
        reactor: Any,
        config: Loaded | Mapping[str, Any] | None = None,
        *,
        state_dir: str | Path | None = None,
        environment: Mapping[str, str] | None = None,
        models: Mapping[str, ModelProvider] | None = None,
        tools: Iterable[Tool] = (),
        tool_sources: Sequence[ToolSource] = (),
        store: StoreParts | None = None,
        fetcher: Fetcher | None = None,
        in_thread: InThread | None = None,
        access_log: bool = False,
        new_id: Callable[[], str] = new_uuid,
        randomness: Callable[[], float] = random.random,
        log_file: Callable[[], Path | None] = lambda: None,
        automation: bool = True,
        channels: Sequence[IChannel] = (),
        poster: Poster | None = None,
        crew: Crew | None = None,
        files: Callable[[], int] = descriptor_limit,
    ) -> None:
        """
        @param reactor: provides IReactorTCP, IReactorTime, IReactorProcess and IReactorThreads.
        @param config: what L{openclaw_tx.load_config} gave back, or the keys of C{openclaw.json}; None = defaults.
        @param state_dir: where sessions and models are kept; a temporary directory, which goes with the gateway, when
            neither this nor a loaded configuration says. A loaded one has its own, and its own environment.
        @param environment: variables that secrets and provider keys may come from; none of the process's unless given.
        @param models: model providers of your own, by id.
        @param tools: tools of your own, beside the built-in ones.
        @param tool_sources: tools of yours that come and go, and those of installed packages
            (L{openclaw_tx.installed_tools}).
        @param store: how the session store is made; None = SQLite below C{state_dir}.
        @param fetcher: gets what clients name by URL; None = one that reaches the public internet only.
        @param in_thread: where large bodies are read; None = the reactor's thread pool.
        @param access_log: log each HTTP request, whatever the configuration says.
        @param new_id: makes UUIDs.
        @param randomness: numbers in [0, 1) that spread retries.
        @param log_file: where the process's log is read for clients (L{openclaw_tx.log_file}); None = there is none.
        @param automation: whether it is the gateway of its state directory, of which there can be one: it has the jobs,
            heartbeats and devices. Without it, it only runs agents, beside that one.
        @param channels: channels of your own (docs/channels.md), and those of installed packages
            (L{openclaw_tx.installed_channels}).
        @param poster: posts to URLs of the configuration; None = one that reaches the public internet.
        @param crew: the part of this process among several that are one gateway (docs/workers.md); None = it is the
            only one.
        @param files: how many file descriptors the process may have open, asked for each connection that comes.
        @raise ConfigError: the configuration can not be used.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor, self._new_id, self._log = reactor, new_id, Logger()
        self._verbose, self._automation = access_log, automation
        self._crew = crew = crew or Crew()
        self._in_thread = in_thread or thread_pool(reactor)
        self._started_at = reactor.seconds()
        self.phase: Literal["starting", "started", "draining"] = "starting"
        config = configured(config, state_dir, environment, lambda: temporary_directory(self, "openclaw-"))
        self.settings = settings = Settings(config)
        self._given = Materials(
            reactor=reactor,
            settings=settings,
            models=models,
            tools=tools,
            tool_sources=tool_sources,
            store=store,
            fetcher=fetcher,
            in_thread=self._in_thread,
            new_id=new_id,
            randomness=randomness,
            log_file=log_file,
            channels=channels,
            poster=poster,
            crew=crew,
        )
        self._holding = Holding(settings.state_dir, self._log, wanted=automation)
        self._house = house = build(self._given, self._log)
        self.engine = house.engine
        crowd = Crowd(reactor, crew.share(settings), files, house.tally, crew.members)
        self._sites = Sites(reactor, self._logs_access, house.turn, crew.elsewhere, crowd)
        self._sources = Sources(
            house.tally,
            house.admission,
            self,
            house.websockets.__len__,
            house.guard.lockouts,
            house.models.cooling,
            crew.others,
            crew.count,
            crowd.__len__,
        )
        crew.join(crew_rooms(house, reactor, lambda: measured(self._sources)))
        self._root: Root | None = None
        settings.subscribe(lambda old, new, plan: self._config_changed())
        self._add_services()

    # -- for embedders

    def resource(self) -> IResource:
        """The whole URL tree, to mount anywhere: WebSocket upgrades at its root, C{v1/...}, C{healthz}, ..."""
        house = self._house
        if self._root is None:
            rooms = web_rooms(self._given, house, self, self._sources)
            self._root = Root(rooms, house.websockets.resource)
        return self._root

    def site(self, *, handed_over: bool = False) -> GatewaySite:
        """A listener's factory that enforces all limits while bytes arrive, and that stops with the gateway.

        @param handed_over: its connections were accepted, and counted, by other processes of the gateway.
        """
        return self._sites.make(self.resource(), handed_over=handed_over)

    def run_agent(
        self,
        message: str,
        *,
        agent_id: str | None = None,
        session_key: str | None = None,
        user: str | None = None,
        model: str = "",
        extra_system: str = "",
        timeout_s: float | None = None,
        run_id: str | None = None,
        on_event: Callable[[Entry], None] | None = None,
    ) -> Deferred[RunResult]:
        """Run an agent once.

        @param agent_id: who; None = the agent that the session key names, else the default one.
        @param session_key: a session to continue, C{agent:<id>:<name>} or just a name.
        @param user: a session by user name, as with OpenAI's C{user}; without both the run is stateless.
        @param model: model ref C{provider/model} instead of the agent's own.
        @param extra_system: added to the system prompt.
        @param timeout_s: instead of the agent's own; 0 = no limit.
        @param run_id: an idempotency key; the same one again joins the same run.
        @param on_event: called with every entry of the run's journal as it is written, until it raises something.
        @return: fires with the result, also when the run failed (C{status}, C{error}); cancelling it aborts the run.
            Fails with L{GatewayError} when the run was not admitted.
        """
        try:
            request = local_request(
                self._house.agents,
                message,
                agent_id=agent_id,
                session_key=session_key,
                user=user,
                run_id=run_id,
                now_ms=int(self._reactor.seconds() * 1000),
                new_id=self._new_id,
                scope=self.settings().session.scope,
                model=model,
                extra_system=extra_system,
                timeout_s=timeout_s,
            )
            run = self.engine.start(request, LOCAL)
        except GatewayError:
            return fail()
        return Deferred.fromCoroutine(outcome(run, on_event))

    def subscribe(self, listener: RunListener) -> Callable[[], None]:
        """Call C{listener(run, entries)} with every batch of every run.

        @return: ends the subscription.
        """
        return self.engine.subscribe(listener)

    def reload(self, config: Loaded | Mapping[str, Any]) -> None:
        """Go by another configuration from now on.

        @raise ConfigError: it can not be used; nothing was changed.
        """
        if not isinstance(config, Loaded):
            loaded = self.settings.loaded
            config = from_mapping(config, loaded.outer_environment, loaded.state_dir, check=loaded.check)
        self.settings.replace(config)

    def agents(self) -> Sequence[Agent]:
        """The configured agents."""
        return self._house.agents.all()

    def models(self) -> Sequence[ModelInfo]:
        """The models that can be used."""
        return self._house.models.catalog()

    def preview_prompt(self, agent_id: str | None = None, *, model: str = "") -> tuple[str, PromptReport]:
        """The system prompt that an agent would get now, and what it is made of. Nothing is run, nothing written.

        @param agent_id: whose; None = the default agent's.
        @param model: ref of the model that it would be for; "" = the agent's own.
        @raise GatewayError: C{invalid_request}: there is no such agent; C{model_not_found}.
        """
        agent, info, request = self._asked_for(agent_id, model)
        tools = [tool.spec for tool in self._house.tools.allowed(agent, info.ref)]
        return self._house.agents.preview(agent, request, info, tools)

    def tools(self, agent_id: str | None = None, *, model: str = "") -> Sequence[ToolSpec]:
        """The tools that an agent is offered at this moment; parameters and errors as of L{preview_prompt}."""
        agent, info, _ = self._asked_for(agent_id, model)
        return [tool.spec for tool in self._house.tools.allowed(agent, info.ref)]

    def _asked_for(self, agent_id: str | None, model: str) -> tuple[Agent, ModelInfo, RunRequest]:
        house, new_id = self._house, self._new_id
        request = local_request(
            house.agents, "", agent_id=agent_id, session_key=None, user=None, run_id=None, now_ms=0, new_id=new_id
        )
        agent = house.agents.get(request.agent_id)
        if agent is None:
            raise GatewayError("invalid_request", f"Unknown agent {agent_id!r}.", param="agent_id")
        return agent, house.models.info(model or agent.models[0]), request

    # -- web.health.Lifecycle

    @property
    def uptime_ms(self) -> int:
        """Milliseconds since the gateway was made."""
        return int((self._reactor.seconds() - self._started_at) * 1000)

    def failing(self) -> Sequence[str]:
        """What keeps it from serving sessions."""
        return () if self._house.sessions.healthy else ("sessions",)

    # -- service

    def startService(self) -> None:
        """Begin, once; the session store opens in its own thread.

        @raise ConfigError: another gateway is at work on the state directory.
        @raise RuntimeError: it was stopped; what begins again is another gateway.
        """
        if self.phase == "draining":
            raise RuntimeError("a gateway that was stopped does not start again: make another one")
        if self.running:
            return
        self._holding.take()
        super().startService()  # type: ignore[no-untyped-call]
        if self._crew.is_chief:
            self._house.channels.start()
        self.phase = "started"

    def stopService(self) -> Deferred[None]:
        """Refuse new work, let runs end within the grace, abort the rest, say goodbye, close everything.

        @return: fires when all is stored and closed.
        """
        return Deferred.fromCoroutine(self._stop())

    async def drain(self) -> None:
        """Refuse new work, and wait for runs, for the grace at most. With ports still open, who comes is told."""
        self.phase = "draining"
        self._sites.drain()
        self._house.websockets.drain()
        self._house.automation.rest()
        self._house.desk.close()
        await self.engine.quiesce(self.settings().gateway.shutdown_grace_seconds)

    async def _stop(self) -> None:
        if self.phase != "draining":
            await self.drain()
        self._sites.wind_down()
        grace = self.settings().gateway.shutdown_grace_seconds
        await self.engine.drain(0.0)
        await self._crew.drained(grace + ABORT_SECONDS)
        await self._house.channels.close()
        await self._house.commands.close()
        await self._house.websockets.stop()
        await self._sites.last_answers()
        await self._crew.answered(grace + CLOSE_SECONDS)
        if self.running:
            await super().stopService()  # type: ignore[no-untyped-call]
        await self._house.book.close()
        await self._house.models.close()
        await self._house.usage.flush()
        await self._house.sessions.close()
        self._holding.release()

    def _add_services(self) -> None:
        house, reactor, log = self._house, self._reactor, self._log
        services: list[Any] = [house.repositories, *(house.automation.services if self._automation else ())]
        services += [LagMeter(reactor, self._sources.tally), checkpoints(self.engine, house.usage, reactor, log)]
        services += self._crew.services()
        if self._crew.is_chief:
            left_behind = house.automation.reports.left_behind if self._automation else None
            services += [house.mcp, tidying(house.sessions, reactor, log, left_behind, house.channels.cut_off)]
        for service in services:
            service.setServiceParent(self)

    # -- inside

    def _logs_access(self) -> bool:
        return self._verbose or self.settings().logging.access_log

    def _config_changed(self) -> None:
        self.engine.config_changed()
        self._house.mcp.config_changed()
        self._house.websockets.config_changed()
        self._house.automation.config_changed()
