# -*- test-case-name: tests.automation.test_job_store -*-
"""Where jobs are kept: L{openclaw_tx.automation.job_files}, off the reactor and in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from openclaw_tx.automation import job_files
from openclaw_tx.automation.in_order import InOrder
from openclaw_tx.deferreds import Gate, InThread
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import CronJob, JobRecord


class JobStore:
    """One file of jobs, and the run logs beside it.

    @ivar path: the file.
    """

    def __init__(self, path: Path, in_thread: InThread) -> None:
        self.path = path
        self._in_order = InOrder(in_thread)
        self._wanted = 0
        self._written = 0
        self._writing: Gate | None = None
        self._log = Logger()

    async def load(self, now_ms: int) -> Sequence[CronJob]:
        """The jobs of the file; what in it is none is logged. Where there is no file, no thread is bothered.

        @raise GatewayError: C{storage_unavailable}.
        """
        if not os.path.lexists(self.path):
            return ()
        found: job_files.Found = await self._do(job_files.read_jobs, self.path, now_ms)
        for problem in found.problems:
            self._log.warn("{problem}", problem=problem)
        return found.jobs

    async def save(self, jobs: Callable[[], Sequence[CronJob]]) -> None:
        """Have the jobs of this moment, or of a later one, in the file. Who asks while a write goes on shares the next.

        @raise GatewayError: C{storage_unavailable}.
        """
        self._wanted += 1
        mine = self._wanted
        while self._written < mine:
            if self._writing is not None:
                await self._writing.wait()
                continue
            gate = self._writing = Gate()
            version = self._wanted
            try:
                await self._do(job_files.write_jobs, self.path, list(jobs()))
                self._written = version
            finally:
                self._writing = None
                gate.open()

    async def note(self, record: JobRecord) -> None:
        """Add a record to its job's log; when it can not be, that is logged."""
        try:
            await self._do(job_files.append_record, self._log_of(record.job_id), record)
        except GatewayError as error:
            self._log.warn("run log of job {job}: {error}", job=record.job_id, error=error.info.message)

    async def records(self, job_id: str, limit: int) -> Sequence[JobRecord]:
        """The newest records of a job, newest first.

        @raise GatewayError: C{storage_unavailable}.
        """
        found: Sequence[JobRecord] = await self._do(job_files.read_records, self._log_of(job_id), limit)
        return found

    async def forget(self, job_id: str) -> None:
        """Remove a job's log; when it can not be, that is logged."""
        try:
            await self._do(job_files.remove_records, self._log_of(job_id))
        except GatewayError as error:
            self._log.warn("run log of job {job}: {error}", job=job_id, error=error.info.message)

    async def idle(self) -> None:
        """Wait until all that was asked for is done."""
        await self._in_order.idle()

    def _log_of(self, job_id: str) -> Path:
        return self.path.parent / "runs" / f"{job_id}.jsonl"

    async def _do(self, function: Callable[..., Any], *arguments: Any) -> Any:
        doing: Deferred[Any] = self._in_order(function, *arguments)
        try:
            return await doing
        except OSError as error:
            self._log.warn("jobs in {path}: {error}", path=str(self.path), error=str(error))
            raise GatewayError("storage_unavailable", f"Jobs can not be kept: {error.strerror or error}.") from None


__all__ = ["JobStore"]
