# -*- test-case-name: tests.automation.test_heartbeat -*-
"""Heartbeats: turns in which an agent looks whether something needs attention (spec 3.3, 3.4).

They come by the clock, where the configuration says how often, and when somebody wakes an agent. One that finds its
session busy waits; those that wait for one session are one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from openclaw_tx.agents.workspace import HEARTBEAT as FILE
from openclaw_tx.agents.workspace import WorkspaceFile, read
from openclaw_tx.automation import rules
from openclaw_tx.automation.in_order import ended
from openclaw_tx.automation.postman import Postman, no_postman
from openclaw_tx.automation.principals import HEARTBEAT
from openclaw_tx.automation.rules import Beat
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_agents import Heartbeat
from openclaw_tx.deferreds import InThread, spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models, SystemEvents
from openclaw_tx.listeners import Listeners
from openclaw_tx.sessions.keys import GLOBAL, canonical_key, in_scope, parse_key
from openclaw_tx.tools.background import Background
from openclaw_tx.values import Agent, HeartbeatNews, RunResult

RETRY_SECONDS = 2.0
"""Pause before a busy session is looked at again."""

LONGEST_SLEEP = 60.0
"""Seconds after which the clock is looked at anew: it may have been set."""

MAX_WANTED = 1000
"""Heartbeats that may wait for their sessions; more are not taken, but what they were for is noted all the same."""

PREVIEW_CHARS = 200

INTERVAL = "interval"
"""The reason of a heartbeat that came by the clock."""


class HeartbeatService(Service):
    """Implements L{openclaw_tx.interfaces.Waker}.

    @ivar subscribe: see L{Listeners.subscribe}; of what came of every heartbeat.
    @ivar last: what came of the last heartbeat; None = there was none.
    @ivar enabled: whether there are any at all (C{set-heartbeats}); until the process ends.
    """

    def __init__(
        self,
        settings: Callable[[], Config],
        agents: Agents,
        models: Models,
        events: SystemEvents,
        background: Background,
        clock: IReactorTime,
        in_thread: InThread,
        timezone: Callable[[], str],
        local_zone: str,
        postman: Postman | None = None,
    ) -> None:
        """
        @param settings: the configuration of the moment.
        @param timezone: the user's, asked each time.
        @param local_zone: the host's.
        @param postman: takes what agents have to tell to channels; None = there are none.
        """
        self._settings = settings
        self._agents = agents
        self._models = models
        self._events = events
        self._background = background
        self._clock = clock
        self._in_thread = in_thread
        self._timezone = timezone
        self._local_zone = local_zone
        self._postman = postman
        self._log = Logger()
        self._due: dict[str, float] = {}
        self._wanted: dict[tuple[str, str], Beat] = {}
        """Agent and session -> what is wanted there."""
        self._beating: dict[str, Deferred[Any]] = {}
        self._timer: IDelayedCall | None = None
        self._active = False
        self._news: Listeners[HeartbeatNews] = Listeners(self._log, "heartbeats")
        self.subscribe = self._news.subscribe
        self.last: HeartbeatNews | None = None
        self.enabled = True

    # -- the seam

    def wake(self, agent_id: str, session_key: str, text: str, *, now: bool, reason: str = "wake") -> bool:
        """See L{openclaw_tx.interfaces.Waker.wake}. It asks neither for the interval nor for the hours: somebody wants
        it now."""
        key = in_scope(session_key, agent_id, self._settings().session.scope)
        self._events.add(key, text)
        return now and self.beat(Beat(agent_id, key, reason))

    def session_of(self, agent_id: str, key: str = "") -> str:
        """The whole key of a session of an agent, which is C{global} where all conversations are one.

        @param key: as clients write it; "" = the main session.
        @raise GatewayError: C{invalid_request}: it is another agent's, or nobody's; or as L{canonical_key}.
        """
        scope = self._settings().session.scope
        whole = in_scope(canonical_key(key, agent_id), agent_id, scope)
        owner = parse_key(whole)
        if (owner is None or owner.agent_id != agent_id) and not whole == scope == GLOBAL:
            what = f"The session belongs to another agent than {agent_id}."
            raise GatewayError("invalid_request", what, param="sessionKey")
        return whole

    def beat(self, beat: Beat) -> bool:
        """Have a heartbeat as soon as its session is free. False when there will be none."""
        if not self._active or not self.enabled:
            return False
        place = (beat.agent_id, beat.session_key)
        known = self._wanted.get(place)
        if known is None and len(self._wanted) >= MAX_WANTED:
            return False
        if known is None or known.reason == INTERVAL:
            self._wanted[place] = beat
        self._arm(0)
        return True

    def set_enabled(self, enabled: bool) -> None:
        """Switch all heartbeats on or off; what is noted meanwhile waits for the agent's next turn."""
        self.enabled = enabled
        if not enabled:
            self._wanted.clear()
        self.config_changed()

    # -- service

    def startService(self) -> None:
        """Begin; the first heartbeat by the clock comes after one interval."""
        super().startService()  # type: ignore[no-untyped-call]
        self._active = True
        self.config_changed()

    def rest(self) -> None:
        """Start nothing any more."""
        self._active = False
        self._wanted.clear()
        self._disarm()

    def stopService(self) -> Deferred[None]:
        """
        @return: fires when those at work have ended.
        """
        self.rest()
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._settle())

    def config_changed(self) -> None:
        """Intervals may be others now. An agent whose interval stays keeps its next time."""
        if not self._active:
            return
        now, config = self._clock.seconds(), self._settings()
        due: dict[str, float] = {}
        for agent in self._agents.all():
            seconds = rules.interval_of(config, agent.id) if self.enabled else 0.0
            if seconds:
                due[agent.id] = min(self._due.get(agent.id, now + seconds), now + seconds)
        self._due = due
        self._arm()

    # -- inside

    def _look(self) -> None:
        """Have every heartbeat whose time and session it is."""
        self._timer = None
        now, config = self._clock.seconds(), self._settings()
        for agent_id, due in list(self._due.items()):
            seconds = rules.interval_of(config, agent_id)
            if due <= now or due > now + seconds:  # the latter when the clock was set back
                self._due[agent_id] = now + seconds
            if due <= now:
                self._by_the_clock(agent_id)
        busy = {run.request.session_key for run in self._background.live()}
        for place, beat in list(self._wanted.items()):
            if beat.session_key not in busy and beat.session_key not in self._beating:
                del self._wanted[place]
                self._start(beat)
        self._arm()

    def _by_the_clock(self, agent_id: str) -> None:
        own = rules.heartbeat_of(self._settings(), agent_id)
        try:
            key = self.session_of(agent_id, own.session)
        except GatewayError as error:
            self._log.warn("heartbeat of {agent}: {error}", agent=agent_id, error=error.info.message)
            return
        if len(self._wanted) < MAX_WANTED:
            self._wanted.setdefault((agent_id, key), Beat(agent_id, key, INTERVAL))

    def _start(self, beat: Beat) -> None:
        beating = spawn(self._do(beat), self._log, f"heartbeat of {beat.agent_id}")
        if not beating.called:
            self._beating[beat.session_key] = beating
            beating.addBoth(lambda _: self._ended(beat.session_key))

    def _ended(self, session_key: str) -> None:
        self._beating.pop(session_key, None)
        if self._wanted:
            self._arm(0)

    async def _do(self, beat: Beat) -> None:
        """One heartbeat, to its end."""
        started = self._clock.seconds()
        agent = self._agents.get(beat.agent_id)
        if agent is None:
            return
        try:
            why = await self._needless(beat, agent)
            if why:
                self._tell(beat, "skipped", reason=why)
                return
            own = rules.heartbeat_of(self._settings(), agent.id)
            run = self._background.run(
                HEARTBEAT,
                agent.id,
                beat.session_key,
                own.prompt or rules.PROMPT,
                prefix="heartbeat",
                trigger="heartbeat",
                model=self._models.info(own.model).ref if own.model else "",
            )
            result = await run.result()
            await self._deliver(own, beat, result)
        except CancelledError:
            raise
        except GatewayError as error:
            self._tell(beat, "failed", reason=error.info.message)
            return
        took = int((self._clock.seconds() - started) * 1000)
        if result.problem:
            self._tell(beat, "failed", reason=result.problem, duration_ms=took)
        elif result.text.strip():
            self._tell(beat, "sent", reason=beat.reason, preview=result.text[:PREVIEW_CHARS], duration_ms=took)
        else:
            self._tell(beat, "ok-token", reason=beat.reason, duration_ms=took)

    async def _deliver(self, own: Heartbeat, beat: Beat, result: RunResult) -> None:
        """Take what the agent has to tell to the channel that the configuration names.

        @raise GatewayError: it does not arrive.
        """
        if own.target in ("", "none") or result.status != "ok" or not result.text.strip():
            return
        if self._postman is None:
            raise no_postman()
        try:
            where = await self._postman.route(beat.agent_id, own.target, own.to, own.account_id, beat.session_key)
        except GatewayError:
            if own.target == "last" and not own.to:
                return  # nobody has spoken here over a channel: the session is told, as without a target
            raise
        await self._postman.send(where, result)

    async def _needless(self, beat: Beat, agent: Agent) -> str:
        """Why a heartbeat is left out; "" when it is not."""
        if beat.reason != INTERVAL:
            return "" if self._events.peek(beat.session_key) else "already-told"
        own = rules.heartbeat_of(self._settings(), agent.id)
        now = int(self._clock.seconds() * 1000)
        if not rules.is_active(own.active_hours, now, self._timezone(), self._local_zone):
            return "quiet-hours"
        if self._events.peek(beat.session_key):
            return ""
        path = f"{agent.workspace}/{FILE}"
        file: WorkspaceFile = await self._in_thread(_read, agent.workspace, path)
        return "" if file.text or file.problem else "empty-heartbeat-file"

    def _tell(
        self, beat: Beat, status: Any, *, reason: str = "", preview: str = "", duration_ms: int | None = None
    ) -> None:
        news = self.last = HeartbeatNews(
            ts=int(self._clock.seconds() * 1000),
            agent_id=beat.agent_id,
            session_key=beat.session_key,
            status=status,
            reason=reason,
            preview=preview,
            duration_ms=duration_ms,
        )
        if status == "failed":
            self._log.warn("heartbeat of {agent} failed: {reason}", agent=beat.agent_id, reason=reason)
        self._news.tell(news)

    def _arm(self, seconds: float | None = None) -> None:
        """Look again after so many seconds; None = when something is due, or a busy session may be free."""
        self._disarm()
        if not self._active:
            return
        if seconds is None:
            waits = [due - self._clock.seconds() for due in self._due.values()]
            waits += [RETRY_SECONDS] if self._wanted else []
            if not waits:
                return
            seconds = max(0.0, min([*waits, LONGEST_SLEEP]))
        self._timer = self._clock.callLater(seconds, self._look)

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    async def _settle(self) -> None:
        while self._beating:
            await ended(next(iter(self._beating.values())))


def _read(workspace: str, path: str) -> WorkspaceFile:
    return read(workspace, FILE, path)


__all__ = ["INTERVAL", "RETRY_SECONDS", "HeartbeatService"]
