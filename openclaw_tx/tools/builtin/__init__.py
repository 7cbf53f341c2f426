"""The built-in tools, one a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import InThread
from openclaw_tx.interfaces import (
    Approvals,
    Embedder,
    Fetcher,
    Jobs,
    Models,
    RunEngine,
    Sessions,
    SystemEvents,
    Tool,
    Waker,
)
from openclaw_tx.tools.approvals_file import ApprovalsFile
from openclaw_tx.tools.background import Background
from openclaw_tx.tools.builtin.agents_list import AgentsList
from openclaw_tx.tools.builtin.apply_patch import ApplyPatch
from openclaw_tx.tools.builtin.cron import Cron
from openclaw_tx.tools.builtin.edit import Edit
from openclaw_tx.tools.builtin.exec import Exec
from openclaw_tx.tools.builtin.image import ImageTool
from openclaw_tx.tools.builtin.memory_get import MemoryGet
from openclaw_tx.tools.builtin.memory_search import MemorySearchTool
from openclaw_tx.tools.builtin.process import Process
from openclaw_tx.tools.builtin.read import Read
from openclaw_tx.tools.builtin.session_status import SessionStatus
from openclaw_tx.tools.builtin.sessions_history import SessionsHistory
from openclaw_tx.tools.builtin.sessions_list import SessionsList
from openclaw_tx.tools.builtin.sessions_send import SessionsSend
from openclaw_tx.tools.builtin.sessions_spawn import SessionsSpawn
from openclaw_tx.tools.builtin.web_fetch import WebFetch
from openclaw_tx.tools.builtin.web_search import WebSearch
from openclaw_tx.tools.builtin.write import Write
from openclaw_tx.tools.child_reports import ChildReports
from openclaw_tx.tools.command_sessions import CommandSessions
from openclaw_tx.tools.exec_gate import ExecGate
from openclaw_tx.tools.memory import Memory
from openclaw_tx.tools.services import ServiceClient
from openclaw_tx.tools.session_sight import SessionSight


class ToolParts(NamedTuple):
    """What built-in tools are made of, by seam."""

    settings: Callable[[], Config]
    """The configuration of the moment."""
    sessions: Sessions
    models: Models
    embedder: Embedder
    engine: Callable[[], RunEngine]
    """The engine, once there is one."""
    events: SystemEvents
    fetcher: Fetcher
    reactor: Any
    """IReactorTime, IReactorTCP, IReactorProcess."""
    in_thread: InThread
    state_dir: Path
    environment: Callable[[], Mapping[str, str]]
    new_id: Callable[[], str]
    jobs: Jobs
    waker: Waker
    approvals: Approvals
    approvals_file: ApprovalsFile
    commands: CommandSessions
    reports: ChildReports


def builtin_tools(parts: ToolParts) -> list[Tool]:
    """Every built-in tool, in the order of the documentation."""
    gate = ExecGate(
        parts.settings,
        parts.sessions,
        parts.approvals,
        parts.approvals_file,
        parts.in_thread,
        parts.environment,
        parts.new_id,
    )
    sight = SessionSight(parts.settings, parts.sessions)
    background = Background(parts.engine, parts.new_id, parts.reactor.seconds)
    files = (parts.settings, parts.in_thread, parts.environment)
    return [
        Read(*files),
        Write(*files),
        Edit(*files),
        ApplyPatch(*files),
        SessionsList(sight, parts.sessions, parts.models),
        SessionsHistory(sight, parts.sessions),
        SessionsSend(sight, background, parts.settings),
        SessionsSpawn(parts.settings, parts.sessions, parts.models, parts.reports, background, parts.new_id),
        SessionStatus(parts.settings, parts.sessions, parts.models),
        AgentsList(parts.settings),
        Cron(parts.jobs, parts.waker),
        Exec(parts.settings, gate, parts.commands, parts.in_thread, parts.environment),
        Process(parts.commands),
        *_knowledge(parts),
    ]


def _knowledge(parts: ToolParts) -> list[Tool]:
    """What brings in what stands elsewhere: the web, memory, images."""
    settings, clock, new_id = parts.settings, parts.reactor, parts.new_id
    memory = Memory(settings, parts.embedder, parts.in_thread, parts.state_dir, parts.environment)
    return [
        WebSearch(settings, ServiceClient(parts.reactor), clock, parts.environment, new_id),
        WebFetch(settings, parts.fetcher, clock, parts.in_thread, new_id),
        MemorySearchTool(memory),
        MemoryGet(memory),
        ImageTool(settings, parts.models, parts.fetcher, parts.in_thread, new_id),
    ]


__all__ = ["ToolParts", "builtin_tools"]
