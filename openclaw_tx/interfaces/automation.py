"""What starts runs by itself: jobs by the clock, and heartbeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from openclaw_tx.values import CronJob, JobDraft, JobPatch, JobRecord


class Jobs(Protocol):
    """Jobs by the clock. What a method returned for is durable."""

    def all(self) -> Sequence[CronJob]:
        """Every job, the one that is due next first; those that are never due last."""

    def get(self, job_id: str) -> CronJob:
        """
        @raise GatewayError: C{invalid_request}: there is none.
        """

    def status(self) -> Mapping[str, Any]:
        """C{enabled}, C{storePath}, C{jobs} (how many), C{nextWakeAtMs}."""

    async def add(self, draft: JobDraft) -> CronJob:
        """
        @raise GatewayError: C{invalid_request}: it can not be, or there are too many; C{storage_unavailable}: it could
            not be written down, and is not there.
        """

    async def update(self, job_id: str, patch: JobPatch, check: Callable[[CronJob], None] | None = None) -> CronJob:
        """
        @param check: looks at the job that is about to be changed. What it raises is raised here, and nothing changes.
        @raise GatewayError: as L{add} and L{get}.
        """

    async def remove(self, job_id: str) -> bool:
        """False = there is none. A run of it that is at work goes on.

        @raise GatewayError: C{storage_unavailable}: it is still there.
        """

    async def run(self, job_id: str, mode: Literal["due", "force"]) -> Mapping[str, Any]:
        """Start it now; C{due}: only if it is due. C{ran}, and C{reason} when it was not: C{not-due},
        C{already-running}.

        @raise GatewayError: as L{get}.
        """

    async def records(self, job_id: str, limit: int) -> Sequence[JobRecord]:
        """How its runs ended, newest first.

        @raise GatewayError: C{invalid_request}: no such id; C{storage_unavailable}.
        """


class Waker(Protocol):
    """Draws an agent's attention to something."""

    def wake(self, agent_id: str, session_key: str, text: str, *, now: bool, reason: str = "wake") -> bool:
        """Note an event in a session of an agent.

        @param now: have the agent look at it in a heartbeat that comes at once, rather than with its next one or its
            next message.
        @return: whether a heartbeat is on its way.
        """


__all__ = ["Jobs", "Waker"]
