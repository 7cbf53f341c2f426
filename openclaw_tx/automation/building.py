"""The room put together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from twisted.application.service import IService

from openclaw_tx.agents.prompt import host_timezone
from openclaw_tx.automation.cron import CronService
from openclaw_tx.automation.heartbeat import HeartbeatService
from openclaw_tx.automation.hooks import HookDesk
from openclaw_tx.automation.job_runs import JobRuns
from openclaw_tx.automation.job_store import JobStore
from openclaw_tx.automation.postman import Postman
from openclaw_tx.automation.principals import stand_in
from openclaw_tx.automation.rules import main_session
from openclaw_tx.config.settings import Settings
from openclaw_tx.deferreds import InThread
from openclaw_tx.interfaces import Agents, Channels, Models, RunEngine, Sessions, SystemEvents
from openclaw_tx.tools.background import Background
from openclaw_tx.tools.child_reports import ChildReports


class Parts(NamedTuple):
    """What it is made of, by seam."""

    settings: Settings
    agents: Agents
    models: Models
    sessions: Sessions
    events: SystemEvents
    engine: Callable[[], RunEngine]
    """The engine, once there is one."""
    reactor: Any
    """IReactorTime."""
    in_thread: InThread
    new_id: Callable[[], str]
    """Makes UUIDs."""
    channels: Callable[[], Channels]
    """The channels, once there are any."""


class Automation(NamedTuple):
    """What starts runs by itself."""

    cron: CronService
    heartbeat: HeartbeatService
    hooks: HookDesk
    reports: ChildReports
    events: SystemEvents
    settings: Settings

    @property
    def services(self) -> tuple[IService, ...]:
        """What runs by the clock."""
        return (self.cron, self.heartbeat)

    def rest(self) -> None:
        """Start nothing any more."""
        self.cron.rest()
        self.heartbeat.rest()

    def config_changed(self) -> None:
        """Go by the configuration of now."""
        self.cron.config_changed()
        self.heartbeat.config_changed()


def build_automation(parts: Parts) -> Automation:
    """Nothing is started."""
    settings, agents, models, new_id = parts.settings, parts.agents, parts.models, parts.new_id
    local_zone = host_timezone(settings.environment)

    def timezone() -> str:
        return settings().agents.defaults.user_timezone or local_zone

    def main(agent_id: str) -> str:
        return main_session(settings(), agent_id)

    background = Background(parts.engine, new_id, parts.reactor.seconds)
    postman = Postman(parts.channels, parts.sessions, main)
    heartbeat = HeartbeatService(
        settings,
        agents,
        models,
        parts.events,
        background,
        parts.reactor,
        parts.in_thread,
        timezone,
        local_zone,
        postman,
    )
    path = Path(settings.state_dir) / (settings().cron.store or "cron/jobs.json")
    cron = CronService(
        settings,
        JobStore(path, parts.in_thread),
        JobRuns(agents, models, parts.sessions, background, heartbeat, postman, main),
        agents,
        parts.reactor,
        new_id,
        timezone,
    )
    return Automation(
        cron,
        heartbeat,
        HookDesk(settings, agents, models, background, heartbeat, new_id, postman),
        ChildReports(parts.sessions, parts.events, background, stand_in, postman.follow),
        parts.events,
        settings,
    )


__all__ = ["Automation", "Parts", "build_automation"]
