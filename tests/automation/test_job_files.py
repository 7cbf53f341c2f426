# -*- test-case-name: tests.automation.test_job_files -*-
"""L{openclaw_tx.automation.job_files}, on real files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.automation import job_files
from openclaw_tx.automation.job_files import append_record, is_id, read_jobs, read_records, remove_records, write_jobs
from openclaw_tx.values import AgentTurnPayload, At, CronTimes, Isolation, JobRecord, JobState
from tests.automation.jobs import job


class FileTests(SynchronousTestCase):
    """C{jobs.json}."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "cron" / "jobs.json"

    def test_round_trip(self) -> None:
        """What was written is read; the file is its owner's alone, and nothing else is left."""
        jobs = [
            job("a", CronTimes(expr="0 7 * * *", tz="UTC"), isolation=Isolation(post_to_main_prefix="Brief")),
            job(
                "b", At(at_ms=5), isolated=False, agent_id="beta", state=JobState(last_status="error", last_error="no")
            ),
        ]
        write_jobs(self.path, [])
        write_jobs(self.path, jobs)
        self.assertEqual(list(read_jobs(self.path, 1).jobs), jobs)
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.path.parent.stat().st_mode & 0o777, 0o700)
        self.assertEqual(os.listdir(self.path.parent), ["jobs.json"])

    def test_form(self) -> None:
        """It is the form of OpenClaw."""
        write_jobs(self.path, [job("b", At(at_ms=5), isolated=False)])
        self.assertEqual(
            json.loads(self.path.read_text()),
            {
                "version": 1,
                "jobs": [
                    {
                        "id": "b",
                        "name": "job b",
                        "enabled": True,
                        "schedule": {"kind": "at", "atMs": 5},
                        "payload": {"kind": "systemEvent", "text": "look"},
                        "sessionTarget": "main",
                        "wakeMode": "next-heartbeat",
                        "createdAtMs": 0,
                        "updatedAtMs": 0,
                        "state": {},
                    }
                ],
            },
        )

    def test_none(self) -> None:
        """No file, no jobs, no problem."""
        self.assertEqual(read_jobs(self.path, 1), ((), ()))

    def test_broken(self) -> None:
        """What can not be read is kept aside and told; it is never lost."""
        self.path.parent.mkdir(parents=True)
        for number, text in enumerate(("{", "[]", '{"jobs": 1}', '{"version": 2, "jobs": []}', "\xff")):
            self.path.write_text(text, "latin-1")
            found = read_jobs(self.path, number)
            self.assertEqual((len(found.jobs), len(found.problems)), (0, 1), text)
            aside = self.path.with_name(f"jobs.json.broken-{number}")
            self.assertEqual(aside.read_text("latin-1"), text)
            self.assertEqual(aside.stat().st_mode & 0o777, 0o600)
            self.assertIn(aside.name, found.problems[0])

    def test_one_broken(self) -> None:
        """A job that is none takes no other with it."""
        write_jobs(self.path, [job("a"), job("b"), job("c")])
        data = json.loads(self.path.read_text())
        data["jobs"][1]["schedule"] = {"kind": "sometimes"}
        data["jobs"].append({**data["jobs"][0]})
        data["jobs"].append({**data["jobs"][0], "id": "../../etc/passwd"})
        self.path.write_text(json.dumps(data))
        found = read_jobs(self.path, 7)
        self.assertEqual([each.id for each in found.jobs], ["a", "c"])
        self.assertEqual(len(found.problems), 3)
        self.assertEqual(json.loads(self.path.with_name("jobs.json.broken-7").read_text()), data)

    def read(self, **fields: Any) -> job_files.Found:
        """What a file of one job is read as."""
        write_jobs(self.path, [job("a", At(at_ms=5), isolated=False)])
        data = json.loads(self.path.read_text())
        data["jobs"][0].update(fields)
        self.path.write_text(json.dumps(data))
        return read_jobs(self.path, 1)

    def test_moment_in_words(self) -> None:
        """OpenClaw of today writes down the moment of a job as a date: it is that moment, and not long ago."""
        found = self.read(schedule={"kind": "at", "at": "2099-01-01T00:00:00.000Z"})
        self.assertEqual((list(found.problems), found.jobs[0].schedule), ([], At(at_ms=4_070_908_800_000)))

    def test_no_moment(self) -> None:
        """A job whose time can not be told, or comes without end, is left out: it would begin at once."""
        for schedule in ({"kind": "at"}, {"kind": "at", "at": "soon"}, {"kind": "every", "everyMs": 1}):
            found = self.read(schedule=schedule)
            self.assertEqual((len(found.jobs), len(found.problems)), (0, 1), schedule)
            self.assertIn("schedule.", found.problems[0])

    def test_of_today(self) -> None:
        """What OpenClaw of today keeps besides: where an answer goes is understood, its notes of runs are let go."""
        found = self.read(
            sessionTarget="isolated",
            payload={"kind": "agentTurn", "message": "go"},
            delivery={"mode": "announce", "channel": "webhook", "to": "dm:7", "bestEffort": True},
            state={"lastRunAtMs": 3, "lastRunStatus": "ok", "consecutiveErrors": 0, "lastDelivered": True},
        )
        self.assertFalse(found.problems)
        [got] = found.jobs
        self.assertEqual(
            got.payload,
            AgentTurnPayload(message="go", deliver=True, channel="webhook", to="dm:7", best_effort_deliver=True),
        )
        self.assertEqual(got.state, JobState(last_run_at_ms=3))
        self.assertEqual(len(self.read(delivery={"mode": "announce"}).problems), 1)  # news have no answer
        self.assertEqual(len(self.read(delivery={"mode": "webhook", "to": "https://a.example"}).problems), 1)

    def test_failed_write(self) -> None:
        """A write that fails leaves the file as it was."""
        write_jobs(self.path, [job("a")])
        self.path.with_name("jobs.json.new").mkdir()
        self.assertRaises(OSError, write_jobs, self.path, [])
        self.assertEqual([each.id for each in read_jobs(self.path, 1).jobs], ["a"])


class RunLogTests(SynchronousTestCase):
    """C{runs/<id>.jsonl}."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "runs" / "j.jsonl"

    def record(self, number: int, summary: str = "x") -> JobRecord:
        """The record of a run."""
        return JobRecord(ts=number, job_id="j", action="finished", status="ok", summary=summary)

    def test_newest_first(self) -> None:
        """The newest that are wanted; lines that are none are left out."""
        self.assertEqual(read_records(self.path, 5), ())
        for number in range(4):
            append_record(self.path, self.record(number))
        with self.path.open("ab") as file:
            file.write(b'{"half": \n')
        append_record(self.path, self.record(4))
        self.assertEqual([each.ts for each in read_records(self.path, 3)], [4, 3, 2])
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    def test_bounded(self) -> None:
        """It does not grow without end; the newest lines stay."""
        self.patch(job_files, "MAX_LOG_BYTES", 10_000)
        for number in range(300):
            append_record(self.path, self.record(number, "y" * 100))
            self.assertLessEqual(self.path.stat().st_size, 10_000)
        self.assertEqual([each.ts for each in read_records(self.path, 2)], [299, 298])

    def test_remove(self) -> None:
        """Gone, also if it never was."""
        remove_records(self.path)
        append_record(self.path, self.record(1))
        remove_records(self.path)
        self.assertEqual(read_records(self.path, 5), ())

    def test_ids(self) -> None:
        """No id leads out of the directory."""
        for text in ("", "..", "a/b", "a\\b", ".x", "x" * 129, "a\n"):
            self.assertFalse(is_id(text), text)
        self.assertTrue(is_id("9a1c6d7f-7244-44b3-87ed-627f1930258a"))
