"""What runs work with: the rooms beside and below, by seam, and the settings of the moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.config.schema import Config
from openclaw_tx.interfaces import Agents, Models, Sessions, SystemEvents, Tool, Tools
from openclaw_tx.runs.offers import Offers


class ArgumentDecoder(Protocol):
    """Validates a model's arguments against a tool's schema."""

    def __call__(self, tool: Tool, text: str) -> Mapping[str, Any]:
        """
        @raise ValueError: one sentence for the model.
        """


class Rooms(NamedTuple):
    """What a run needs, by seam."""

    agents: Agents
    models: Models
    tools: Tools
    sessions: Sessions
    decode_arguments: ArgumentDecoder
    events: SystemEvents


class Premises(NamedTuple):
    """The rooms, and what all of L{openclaw_tx.runs} shares besides."""

    rooms: Rooms
    settings: Callable[[], Config]
    clock: IReactorTime
    log: Logger
    offers: Offers

    def now_ms(self) -> int:
        """Epoch milliseconds."""
        return int(self.clock.seconds() * 1000)


__all__ = ["ArgumentDecoder", "Premises", "Rooms"]
