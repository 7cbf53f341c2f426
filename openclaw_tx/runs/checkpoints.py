# -*- test-case-name: tests.runs.test_checkpoints -*-
"""Live runs, and what runs took, are written down every second."""

from __future__ import annotations

from twisted.application.internet import TimerService
from twisted.application.service import IService
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.deferreds import spawn
from openclaw_tx.runs.engine import Engine
from openclaw_tx.runs.usage import UsageLog

CHECKPOINT_SECONDS = 1.0
"""How often."""


def checkpoints(engine: Engine, usage: UsageLog, clock: IReactorTime, log: Logger) -> IService:
    """The service that does it."""

    async def write() -> None:
        await engine.checkpoint()
        await usage.flush()

    service = TimerService(CHECKPOINT_SECONDS, lambda: spawn(write(), log, "checkpoint"))  # type: ignore[no-untyped-call]
    service.clock = clock
    return service


__all__ = ["CHECKPOINT_SECONDS", "checkpoints"]
