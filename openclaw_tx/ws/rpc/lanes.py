# -*- test-case-name: tests.ws.rpc.test_lanes -*-
"""C{diagnostics.lanes}: where runs are at work, and where they wait (spec 3.8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.sight import sees_run
from openclaw_tx.config.lanes import capacities
from openclaw_tx.config.schema import Config
from openclaw_tx.interfaces import RunEngine
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method


class LanesParams(Params, frozen=True):
    """Params of C{diagnostics.lanes}: none."""


class LaneMethods:
    """The family of lanes."""

    def __init__(self, engine: RunEngine, settings: Callable[[], Config], clock: IReactorTime) -> None:
        self._engine = engine
        self._settings = settings
        self._clock = clock

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [Method("diagnostics.lanes", "status", LanesParams, self.lanes)]

    async def lanes(self, call: Call[LanesParams]) -> Any:
        """C{{ts, lanes[{lane, activeCount, queuedCount, maxConcurrent}], dynamic{laneCount, activeCount, queuedCount,
        queuedLaneCount}|null}}: runs that the client may know of. C{dynamic} is of sessions, each of which is a lane
        with one place; who has that may still wait for one among the others."""
        active: Counter[str] = Counter()
        queued: Counter[str] = Counter()
        sessions: Counter[str] = Counter()
        for run in self._engine.live():
            if not sees_run(call.principal, run):
                continue
            request = run.request
            (active if run.status == "running" else queued)[request.lane] += 1
            if not request.stateless:
                sessions[request.session_key] += 1
        return {
            "ts": int(self._clock.seconds() * 1000),
            "lanes": [
                {
                    "lane": lane,
                    "activeCount": active[lane],
                    "queuedCount": queued[lane],
                    "maxConcurrent": places,
                }
                for lane, places in sorted(capacities(self._settings()).items())
            ],
            "dynamic": _of_sessions(sessions) if sessions else None,
        }


def _of_sessions(runs: Counter[str]) -> dict[str, int]:
    """The lanes of sessions together: in each the first has the place."""
    return {
        "laneCount": len(runs),
        "activeCount": len(runs),
        "queuedCount": runs.total() - len(runs),
        "queuedLaneCount": sum(count > 1 for count in runs.values()),
    }


__all__ = ["LaneMethods"]
