"""A gateway with a clock inside its reactor: C{python -m bench.timed FIGURES BEAT ARGUMENTS}.

It is C{twist openclaw ARGUMENTS}; beside its work it notes the longest turn of the reactor in the file FIGURES, and how
late a timer came that is due every BEAT seconds (0 = there is no such timer, and an idle gateway stays idle).
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from pathlib import Path
from typing import Any

BEAT = 0.002
"""Seconds between two calls of the timer."""

_FIGURES = struct.Struct("ddd")


class Figures:
    """Numbers that the gateway's process writes and the driver reads."""

    def __init__(self, path: Path) -> None:
        """
        @param path: the file; it is made if it is not there.
        """
        if not path.exists():
            path.write_bytes(bytes(_FIGURES.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _FIGURES.size)

    def get(self) -> tuple[float, float]:
        """Longest turn and latest timer since L{reset}, in milliseconds."""
        turn, late, _ = _FIGURES.unpack(self._map[:])
        return 1000 * turn, 1000 * late

    def busy(self) -> float:
        """The most that a turn was on the CPU since L{reset}, in milliseconds: whatever else the machine has to do."""
        return 1000 * float(_FIGURES.unpack(self._map[:])[2])

    def reset(self) -> None:
        """From zero again."""
        self._map[:] = _FIGURES.pack(0, 0, 0)

    def note(self, *figures: float) -> None:
        """Keep the largest: of turns, of how late timers came, of time on the CPU."""
        before = _FIGURES.unpack(self._map[:])
        if any(figure > known for figure, known in zip(figures, before, strict=True)):
            self._map[:] = _FIGURES.pack(*map(max, figures, before))


class Poller:
    """The reactor's poller, timed: a turn is what happens from one wait to the next."""

    def __init__(self, poller: Any, figures: Figures) -> None:
        self._wait = poller.poll
        self._figures = figures
        self._since = self._busy = 0.0
        self.register, self.modify, self.unregister = poller.register, poller.modify, poller.unregister
        self.close, self.fileno = poller.close, poller.fileno

    def poll(self, *arguments: Any) -> Any:
        """See C{select.epoll.poll}."""
        if self._since:
            self._figures.note(time.perf_counter() - self._since, 0, time.thread_time() - self._busy)
        try:
            return self._wait(*arguments)
        finally:
            self._since, self._busy = time.perf_counter(), time.thread_time()


def serve(path: Path, beat: float, arguments: list[str]) -> None:
    """Be the gateway. Does not return."""
    from twisted.application.twist._twist import Twist
    from twisted.internet import reactor

    figures = Figures(path)
    loop: Any = reactor
    loop._poller = Poller(loop._poller, figures)

    def tick(due: float) -> None:
        now = time.perf_counter()
        figures.note(0, now - due, 0)
        loop.callLater(beat, tick, time.perf_counter() + beat)

    if beat:
        loop.callWhenRunning(lambda: tick(time.perf_counter()))
    Twist.main(["twist", "--log-level=error", "openclaw", *arguments])


if __name__ == "__main__":
    serve(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
