"""The built-in tools, one a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import InThread
from openclaw_tx.interfaces import Embedder, Fetcher, Models, RunEngine, Sessions, SystemEvents, Tool
from openclaw_tx.tools.builtin.agents_list import AgentsList
from openclaw_tx.tools.builtin.image import ImageTool
from openclaw_tx.tools.builtin.memory_get import MemoryGet
from openclaw_tx.tools.builtin.memory_search import MemorySearchTool
from openclaw_tx.tools.builtin.session_status import SessionStatus
from openclaw_tx.tools.builtin.web_fetch import WebFetch
from openclaw_tx.tools.builtin.web_search import WebSearch
from openclaw_tx.tools.memory import Memory
from openclaw_tx.tools.services import ServiceClient


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


def builtin_tools(parts: ToolParts) -> list[Tool]:
    """Every built-in tool, in the order of the documentation."""
    settings, clock, new_id = parts.settings, parts.reactor, parts.new_id
    services = ServiceClient(parts.reactor)
    memory = Memory(settings, parts.embedder, parts.in_thread, parts.state_dir, parts.environment)
    return [
        SessionStatus(settings, parts.sessions),
        AgentsList(),
        WebSearch(settings, services, clock, parts.environment, new_id),
        WebFetch(settings, parts.fetcher, clock, parts.in_thread, new_id),
        MemorySearchTool(memory),
        MemoryGet(memory),
        ImageTool(settings, parts.models, parts.fetcher, parts.in_thread, new_id),
    ]


__all__ = ["ToolParts", "builtin_tools"]
