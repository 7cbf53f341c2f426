"""The rooms that automation works with: an engine by script, sessions that only begin anew, configured agents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.agents.registry import ConfiguredAgents
from openclaw_tx.automation.cron import CronService
from openclaw_tx.automation.heartbeat import HeartbeatService
from openclaw_tx.automation.hooks import HookDesk
from openclaw_tx.automation.job_runs import JobRuns
from openclaw_tx.automation.job_store import JobStore
from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import InThread, in_reactor_thread
from openclaw_tx.errors import GatewayError
from openclaw_tx.runs.system_events import SystemEventQueue
from openclaw_tx.tools.background import Background
from openclaw_tx.values import CronNews, HeartbeatNews, ModelInfo
from tests.support.fakes import ScriptedEngine, ScriptedRun

START = 1_700_000_040
"""Seconds: the beginning of a minute."""


class Models:
    """Knows one model and one alias."""

    def info(self, ref: str) -> ModelInfo:
        """The model."""
        if ref not in ("p/fast", "fast"):
            raise GatewayError("model_not_found", f"Unknown model: {ref}")
        return ModelInfo(provider="p", id="fast", name="fast", context_window=8192, max_tokens=1024)


class Sessions:
    """Notes which sessions began anew."""

    def __init__(self) -> None:
        self.reset_keys: list[str] = []

    async def reset(self, key: str) -> None:
        """Note it."""
        self.reset_keys.append(key)


class Engine(ScriptedEngine):
    """Runs stay open until a test ends them; those that have not are live."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, lambda run: None)

    def live(self) -> list[ScriptedRun]:
        """Runs without an outcome."""
        return [run for run in self.runs if run.outcome is None]


class House:
    """Everything of the room, on a clock.

    @ivar told: events of jobs and heartbeats, in order.
    """

    def __init__(
        self,
        case: SynchronousTestCase,
        config: Any = None,
        *,
        path: Path | None = None,
        in_thread: InThread = in_reactor_thread,
        now: float = START,
    ) -> None:
        """
        @param config: of the gateway.
        @param path: file of the jobs.
        """
        self.config = msgspec.convert(config or {}, Config)
        self.clock = Clock()
        self.clock.rightNow = now
        self.engine = Engine(self.clock)
        self.sessions = Sessions()
        self.events = SystemEventQueue()
        self.path = path or Path(case.mktemp()) / "jobs.json"
        self.directory = Path(case.mktemp()).absolute()
        self._number = 0
        agents = ConfiguredAgents(lambda: self.config, self.directory, {}, lambda: "p/m")
        background: Any = Background(lambda: self.engine, self.new_id, self.clock.seconds)  # type: ignore[arg-type, return-value]
        settings: Callable[[], Config] = lambda: self.config  # noqa: E731
        models: Any = Models()
        sessions: Any = self.sessions
        self.agents = agents
        self.heartbeat = HeartbeatService(
            settings, agents, models, self.events, background, self.clock, in_thread, lambda: "UTC", "UTC"
        )
        self.cron = CronService(
            settings,
            JobStore(self.path, in_thread),
            JobRuns(agents, models, sessions, background, self.heartbeat),
            agents,
            self.clock,
            self.new_id,
            lambda: "UTC",
        )
        self.hooks = HookDesk(settings, agents, models, background, self.heartbeat, self.new_id)
        self.told: list[CronNews | HeartbeatNews] = []
        self.cron.subscribe(self.told.append)
        self.heartbeat.subscribe(self.told.append)

    def new_id(self) -> str:
        """id1, id2 ..."""
        self._number += 1
        return f"id{self._number}"

    def configure(self, config: Any) -> None:
        """Go by another configuration."""
        self.config = msgspec.convert(config, Config)
        self.cron.config_changed()
        self.heartbeat.config_changed()

    def start(self) -> None:
        """Start the services."""
        self.heartbeat.startService()
        self.cron.startService()

    def advance(self, seconds: float) -> None:
        """Let time pass, and what is to be done in a moment be done."""
        self.clock.advance(seconds)
        for _ in range(3):
            self.clock.advance(0)

    @property
    def now_ms(self) -> int:
        """The time."""
        return int(self.clock.seconds() * 1000)

    @property
    def runs(self) -> list[ScriptedRun]:
        """Every run that was started."""
        return self.engine.runs

    def answer(self, text: str = "", number: int = -1) -> None:
        """End a run with an answer."""
        run = self.runs[number]
        if text:
            run.say(text)
        run.end()
        self.advance(0)

    def beats(self) -> list[tuple[str, str]]:
        """What came of heartbeats, and why."""
        return [(news.status, news.reason) for news in self.told if isinstance(news, HeartbeatNews)]

    def actions(self) -> list[str]:
        """What happened to jobs."""
        return [news.action for news in self.told if isinstance(news, CronNews)]


__all__ = ["START", "House"]
