# -*- test-case-name: tests.automation.test_job_files -*-
"""Jobs and how their runs ended, as files in the form of OpenClaw. Everything here blocks: it is for a thread.

C{jobs.json} holds C{{"version": 1, "jobs": [...]}}; it is replaced in one step, so a crash leaves the old or the new
one. C{runs/<id>.jsonl} beside it has a line for each run that ended.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import fields, replace

from openclaw_tx.automation.drafts import delivered
from openclaw_tx.automation.schedule import checked
from openclaw_tx.config.replacing import make_directory
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import CronJob, CronTimes, JobDelivery, JobRecord, JobState

VERSION = 1
MAX_BYTES = 64 * 1024 * 1024
"""A larger file of jobs is none of ours."""
MAX_LOG_BYTES = 2_000_000
"""Size of a run log at which it is shortened."""
KEEP_LINES = 1000
"""Lines that are kept then, as far as they fit into half of that size."""
_STATE = frozenset(field.encode_name for field in fields(JobState))
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Found(NamedTuple):
    """What a file of jobs held."""

    jobs: Sequence[CronJob]
    problems: Sequence[str]
    """What could not be used, and where it is now."""


def is_id(text: str) -> bool:
    """Whether a job may be called so: its log is a file of that name."""
    return _ID.fullmatch(text) is not None


def read_jobs(path: Path, now_ms: int) -> Found:
    """The jobs of a file; none when there is no file. What can not be read is put aside as a copy, never written over.

    @raise OSError: the file is there but can not be opened, or not be put aside.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Found((), ())
    jobs, problems = _decoded(data)
    if problems:
        aside = path.with_name(f"{path.name}.broken-{now_ms}")
        _write(aside, data)
        problems = [f"{path}: {problem}; the file as it was is {aside.name}" for problem in problems]
    return Found(jobs, problems)


def write_jobs(path: Path, jobs: Sequence[CronJob]) -> None:
    """Put the jobs in place of those in the file, durably.

    @raise OSError: nothing was changed.
    """
    body = msgspec.json.encode({"version": VERSION, "jobs": jobs})
    _write(path, msgspec.json.format(body, indent=2) + b"\n")


def append_record(path: Path, record: JobRecord) -> None:
    """Add a line to a run log; the oldest lines go when it has become too long.

    @raise OSError: it was not added.
    """
    make_directory(path.parent)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "ab") as file:
        file.write(msgspec.json.encode(record) + b"\n")
        size = file.tell()
    if size > MAX_LOG_BYTES:
        kept: list[bytes] = []
        room = MAX_LOG_BYTES // 2
        for line in reversed(path.read_bytes().splitlines(keepends=True)[-KEEP_LINES:]):
            room -= len(line)
            if room < 0:
                break
            kept.append(line)
        _write(path, b"".join(reversed(kept)))


def read_records(path: Path, limit: int) -> Sequence[JobRecord]:
    """The newest records of a run log, newest first; lines that are none are left out.

    @raise OSError: it is there but can not be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(2 * MAX_LOG_BYTES)
    except FileNotFoundError:
        return ()
    records: list[JobRecord] = []
    for line in reversed(data.splitlines()):
        if len(records) >= limit:
            break
        try:
            records.append(msgspec.json.decode(line, type=JobRecord))
        except (msgspec.MsgspecError, RecursionError):
            continue
    return records


def remove_records(path: Path) -> None:
    """Remove a run log, if there is one."""
    path.unlink(missing_ok=True)


def _decoded(data: bytes) -> tuple[Sequence[CronJob], Sequence[str]]:
    if len(data) > MAX_BYTES:
        return (), [f"larger than {MAX_BYTES // 1024 // 1024} MiB"]
    try:
        found: Any = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return (), [f"not JSON ({error})"]
    rows = found.get("jobs") if isinstance(found, dict) else None
    if not isinstance(rows, list):
        return (), ["no list of jobs"]
    if found.get("version", VERSION) != VERSION:
        return (), [f"of version {found['version']!r}, where {VERSION} is known"]
    jobs: dict[str, CronJob] = {}
    problems: list[str] = []
    for index, row in enumerate(rows):
        try:
            job = _job(row)
            if not is_id(job.id) or job.id in jobs:
                raise msgspec.ValidationError("its id can not be one, or is there twice")
        except (GatewayError, msgspec.ValidationError) as error:
            problems.append(f"job {index} is left out ({error})")
        else:
            jobs[job.id] = job
    return list(jobs.values()), problems


def _job(row: Any) -> CronJob:
    """A job as it is kept here, from a row that may be of OpenClaw's own: today that names the moment of an C{at} by
    its date, says beside the payload where the answer goes, and has more notes of what became of runs. These are let
    go; what else is not known is not, for the job would do something else than it was made for.

    @raise msgspec.ValidationError: it is none.
    @raise GatewayError: it can not be due, or sends an answer where there is none. An expression is not looked at: its
        zone may be known again some day.
    """
    delivery = None
    if isinstance(row, dict):
        row = dict(row)
        delivery = msgspec.convert(row.pop("delivery", None), JobDelivery | None)
        if isinstance(state := row.get("state"), dict):
            row["state"] = {name: value for name, value in state.items() if name in _STATE}
    job = msgspec.convert(row, CronJob)
    schedule = job.schedule if isinstance(job.schedule, CronTimes) else checked(job.schedule, "UTC")
    return replace(job, schedule=schedule, payload=delivered(job.payload, delivery))


def _write(path: Path, data: bytes) -> None:
    """Put C{data} in place of a file in one step, for its owner only."""
    make_directory(path.parent)
    fresh = path.with_name(f"{path.name}.new")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


__all__ = ["Found", "append_record", "is_id", "read_jobs", "read_records", "remove_records", "write_jobs"]
