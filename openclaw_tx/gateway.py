# -*- test-case-name: tests.test_gateway -*-
"""The composition root: builds the rooms and joins them. The only file that names concrete classes across rooms."""

from __future__ import annotations

import random
import secrets
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from twisted.application.internet import TimerService
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.web.resource import IResource

from openclaw_tx.agents.registry import ConfiguredAgents
from openclaw_tx.auth.actions import OPERATOR_SCOPES, authorise, granted
from openclaw_tx.auth.methods import GatewayAuthenticator
from openclaw_tx.auth.quotas import Quotas
from openclaw_tx.auth.startup import check_startup
from openclaw_tx.config.load import Loaded, from_mapping
from openclaw_tx.config.settings import Settings
from openclaw_tx.deferreds import InThread, sleep, spawn, thread_pool
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Fetcher, ModelProvider, Tool
from openclaw_tx.models.factory import HttpProviderFactory
from openclaw_tx.models.registry import ModelRegistry
from openclaw_tx.runs.admission import Admission
from openclaw_tx.runs.engine import Engine, Rooms, RunListener
from openclaw_tx.runs.local import local_request, outcome
from openclaw_tx.sessions.lifecycle import StoreParts, build_sessions, tidying
from openclaw_tx.tally import CountedAuthenticator, LagMeter, Tally
from openclaw_tx.tools.builtin.agents_list import AgentsList
from openclaw_tx.tools.builtin.session_status import SessionStatus
from openclaw_tx.tools.fetching import UrlFetcher
from openclaw_tx.tools.registry import ToolBox
from openclaw_tx.tools.schema import decode_arguments
from openclaw_tx.values import Agent, Entry, ModelInfo, Principal, RunResult
from openclaw_tx.web.metrics import Sources
from openclaw_tx.web.root import Root, WebRooms
from openclaw_tx.web.site import GatewaySite
from openclaw_tx.ws import surface as ws
from openclaw_tx.ws.hello import Place

LOCAL = Principal(id="local", method="local", scopes=OPERATOR_SCOPES)
"""Who runs agents from within the process."""

CHECKPOINT_SECONDS = 1.0
"""How often live runs are written down."""

CLOSE_SECONDS = 2.0
"""How long answers on their way may take to reach their clients at shutdown."""


class Gateway(MultiService):
    """Agents behind one resource tree, and a way to run them from Python.

    Everything it knows is in the instance; it opens no port by itself. docs/embedding.md shows it at work.

    @ivar settings: the configuration of the moment.
    @ivar engine: L{openclaw_tx.interfaces.RunEngine}.
    """

    name = "gateway"

    def __init__(
        self,
        reactor: Any,
        config: Loaded | Mapping[str, Any] | None = None,
        *,
        state_dir: str | Path | None = None,
        environment: Mapping[str, str] | None = None,
        models: Mapping[str, ModelProvider] | None = None,
        tools: Iterable[Tool] = (),
        store: StoreParts | None = None,
        fetcher: Fetcher | None = None,
        in_thread: InThread | None = None,
        access_log: bool = False,
        new_id: Callable[[], str] = lambda: str(uuid4()),
        randomness: Callable[[], float] = random.random,
    ) -> None:
        """
        @param reactor: provides IReactorTCP, IReactorTime, IReactorProcess and IReactorThreads.
        @param config: what L{openclaw_tx.load_config} gave back, or the keys of C{openclaw.json}; None = defaults.
        @param state_dir: where sessions and models are kept; a fresh temporary directory when neither this nor a
            loaded configuration says.
        @param environment: variables that secrets and provider keys may come from; none of the process's unless given.
        @param models: model providers of your own, by id.
        @param tools: tools of your own, beside the built-in ones.
        @param store: how the session store is made; None = SQLite below C{state_dir}.
        @param fetcher: gets what clients name by URL; None = one that reaches the public internet only.
        @param in_thread: where large bodies are read; None = the reactor's thread pool.
        @param access_log: log each HTTP request, whatever the configuration says.
        @param new_id: makes UUIDs.
        @param randomness: numbers in [0, 1) that spread retries.
        @raise ConfigError: the configuration can not be used.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._new_id = new_id
        self._log = Logger()
        self._verbose = access_log
        self._in_thread = in_thread or thread_pool(reactor)
        self._started_at = reactor.seconds()
        self.phase: Literal["starting", "started", "draining"] = "starting"
        if not isinstance(config, Loaded):
            directory = state_dir if state_dir is not None else tempfile.mkdtemp(prefix="openclaw-")
            config = from_mapping(config or {}, environment or {}, Path(directory), check=check_startup)
        self.settings = settings = Settings(config)
        tally = Tally()
        self._models = ModelRegistry(
            settings,
            HttpProviderFactory(
                reactor, reactor, reactor, settings.state_dir, settings.environment, new_id, secrets.token_urlsafe
            ),
            reactor,
            randomness,
            settings.environment,
            models,
            on_call=tally.provider_calls.add,
        )
        self._agents = ConfiguredAgents(settings, settings.state_dir, settings.environment, self._models.default_ref)
        self._sessions = build_sessions(
            settings().session.store,
            str(settings.state_dir),
            store or StoreParts(reactor.seconds, reactor.callFromThread, new_id=new_id),
            self._log,
        )
        builtin: list[Tool] = [SessionStatus(settings, self._sessions), AgentsList()]
        self._tools = ToolBox(settings, [*builtin, *tools])
        rooms = Rooms(
            agents=self._agents,
            models=self._models,
            tools=self._tools,
            sessions=self._sessions,
            decode_arguments=decode_arguments,
        )
        self.engine = Engine(rooms, settings, reactor, new_id)
        self.engine.subscribe(tally.watch)
        self._authenticator = GatewayAuthenticator(reactor, settings, lambda: settings.environment)
        self._quotas = Quotas(reactor, self._authenticator.keys.limits)
        self._admission = Admission(self.engine, authorise, self._quotas)
        self._websockets = ws.WebSocketSurface(
            ws.Rooms(
                self._admission,
                self._agents,
                self._models,
                self._sessions,
                CountedAuthenticator(self._authenticator, tally),
                authorise,
                granted,
                self._authenticator.is_local_direct,
            ),
            settings,
            reactor,
            Place(str(config.path), str(settings.state_dir)),
            new_id,
            tally,
        )
        self._fetcher = fetcher or UrlFetcher(reactor)
        self._sources = Sources(tally, self.engine, self, self._websockets.__len__, self._authenticator.lockouts)
        self._sites: list[GatewaySite] = []
        self._root: Root | None = None
        settings.subscribe(lambda old, new, plan: self._config_changed())
        self._add_services()

    # -- for embedders

    def resource(self) -> IResource:
        """The whole URL tree, to mount anywhere: WebSocket upgrades at its root, C{v1/...}, C{healthz}, ..."""
        if self._root is None:
            self._root = Root(
                WebRooms(
                    settings=self.settings,
                    engine=self._admission,
                    agents=self._agents,
                    models=self._models,
                    embedder=self._models,
                    tools=self._tools,
                    authenticator=CountedAuthenticator(self._authenticator, self._sources.tally),
                    authorise=authorise,
                    lifecycle=self,
                    clock=self._reactor,
                    new_id=self._new_id,
                    sessions=self._sessions,
                    meter=self._quotas,
                    sources=self._sources,
                    fetcher=self._fetcher,
                    in_thread=self._in_thread,
                ),
                self._websockets.resource,
            )
        return self._root

    def site(self) -> GatewaySite:
        """A listener's factory that enforces all limits while bytes arrive, and that stops with the gateway."""
        site = GatewaySite(self.resource(), self._reactor, self._logs_access)
        self._sites.append(site)
        return site

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
        @param on_event: called with every entry of the run's journal as it is written.
        @return: fires with the result, also when the run failed (C{status}, C{error}); cancelling it aborts the run.
            Fails with L{GatewayError} when the run was not admitted.
        """
        try:
            request = local_request(
                self._agents,
                message,
                agent_id=agent_id,
                session_key=session_key,
                user=user,
                run_id=run_id,
                now_ms=int(self._reactor.seconds() * 1000),
                new_id=self._new_id,
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
        return self._agents.all()

    def models(self) -> Sequence[ModelInfo]:
        """The models that can be used."""
        return self._models.catalog()

    # -- web.health.Lifecycle

    @property
    def uptime_ms(self) -> int:
        """Milliseconds since the gateway was made."""
        return int((self._reactor.seconds() - self._started_at) * 1000)

    def failing(self) -> Sequence[str]:
        """What keeps it from serving sessions."""
        return () if self._sessions.healthy else ("sessions",)

    # -- service

    def startService(self) -> None:
        """Begin; the session store opens in its own thread."""
        super().startService()  # type: ignore[no-untyped-call]
        self.phase = "started"

    def stopService(self) -> Deferred[None]:
        """Refuse new work, let runs end within the grace, abort the rest, say goodbye, close everything.

        @return: fires when all is stored and closed.
        """
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self.phase = "draining"
        for site in self._sites:
            site.wind_down()
        await self.engine.drain(self.settings().gateway.shutdown_grace_seconds)
        await self._websockets.stop()
        await self._last_answers()
        await super().stopService()  # type: ignore[no-untyped-call]
        await self._models.close()
        await self._sessions.close()

    async def _last_answers(self) -> None:
        """Give answers on their way a moment, then cut what is left."""
        waited = 0.0
        while waited < CLOSE_SECONDS and any(site.channels for site in self._sites):
            await sleep(self._reactor, 0.05)
            waited += 0.05
        for site in self._sites:
            site.cut()

    def _add_services(self) -> None:
        LagMeter(self._reactor, self._sources.tally).setServiceParent(self)  # type: ignore[no-untyped-call]
        checkpoints = TimerService(  # type: ignore[no-untyped-call]
            CHECKPOINT_SECONDS, lambda: spawn(self.engine.checkpoint(), self._log, "checkpoint")
        )
        checkpoints.clock = self._reactor
        checkpoints.setServiceParent(self)  # type: ignore[no-untyped-call]
        tidying(self._sessions, self._reactor, self._log).setServiceParent(self)  # type: ignore[no-untyped-call]

    # -- inside

    def _logs_access(self) -> bool:
        return self._verbose or self.settings().logging.access_log

    def _config_changed(self) -> None:
        self.engine.config_changed()
        self._websockets.config_changed()
