# -*- test-case-name: tests.runs.test_attendance -*-
"""What becomes of a run when nobody is there any more to see it: C{cancel}, C{continue}, or C{grace=<seconds>}.

The policy is the request's (header C{x-openclaw-on-disconnect}), else the agent's. It applies when the last of those
who attend a run has left: the clients that wait for its answer, and those that watch its events.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple
from weakref import WeakKeyDictionary

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from openclaw_tx.deferreds import spawn
from openclaw_tx.interfaces import Run

MAX_GRACE = 3600
"""Longest grace, in seconds."""

_GRACE = re.compile(r"grace=([1-9][0-9]{0,3})")


class Policy(NamedTuple):
    """What to do when nobody attends a run."""

    grace: float | None
    """Cancel it after so many seconds; None = let it go on."""


CANCEL = Policy(0.0)
CONTINUE = Policy(None)


def policy_of(text: str) -> Policy:
    """The policy that a word describes.

    @raise ValueError: it describes none.
    """
    if text in ("cancel", "continue"):
        return CANCEL if text == "cancel" else CONTINUE
    match = _GRACE.fullmatch(text)
    if match is None or int(match[1]) > MAX_GRACE:
        raise ValueError(f"expected cancel, continue, or grace=<1 to {MAX_GRACE} seconds>")
    return Policy(float(match[1]))


class _Attended:
    """Who attends one run."""

    def __init__(self) -> None:
        self.policy = CONTINUE
        self.present = 0
        self.timer: IDelayedCall | None = None
        self.waiting: Deferred[None] | None = None

    def recall(self) -> None:
        """Somebody is there again, or nothing is left to cancel."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.waiting is not None:
            waiting, self.waiting = self.waiting, None
            waiting.cancel()


class Attendance:
    """Counts who attends each run. A run that nobody has a policy for goes on."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._log = Logger()
        self._runs: WeakKeyDictionary[Run, _Attended] = WeakKeyDictionary()

    def expect(self, run: Run, policy: Policy) -> None:
        """Set the policy of a run that nobody attends yet: it applies once somebody has come and gone."""
        self._runs.setdefault(run, _Attended()).policy = policy

    def attend(self, run: Run, policy: Policy | None = None) -> Callable[[], None]:
        """Somebody waits for what the run will say.

        @param policy: takes the place of the run's; None = that stays as it is.
        @return: to be called when that somebody leaves; what comes after the first call does nothing.
        """
        attended = self._runs.setdefault(run, _Attended())
        if policy is not None:
            attended.policy = policy
        attended.present += 1
        attended.recall()
        left = False

        def leave() -> None:
            nonlocal left
            if not left:
                left = True
                self._leave(run, attended)

        return leave

    def _leave(self, run: Run, attended: _Attended) -> None:
        attended.present -= 1
        grace = attended.policy.grace
        if attended.present or grace is None or run.outcome is not None:
            return
        if not grace:
            run.abort("disconnect")
            return

        def over() -> None:
            attended.timer = None
            attended.recall()
            run.abort("disconnect")

        async def ended() -> None:
            await run.result()
            attended.waiting = None
            attended.recall()

        attended.timer = self._clock.callLater(grace, over)
        attended.waiting = spawn(ended(), self._log, "waiting for the end of a run that nobody attends")


__all__ = ["CANCEL", "CONTINUE", "MAX_GRACE", "Attendance", "Policy", "policy_of"]
