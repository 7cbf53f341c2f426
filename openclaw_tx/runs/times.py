"""When what happened to a run."""

from __future__ import annotations


class Times:
    """Implements L{openclaw_tx.interfaces.RunTimes}."""

    __slots__ = ("called", "ended", "first_text", "queued", "started")

    def __init__(self, queued: float) -> None:
        self.queued = queued
        self.started = 0.0
        self.called = 0.0
        self.first_text = 0.0
        self.ended = 0.0


__all__ = ["Times"]
