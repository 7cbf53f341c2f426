# -*- test-case-name: tests.cli.test_cron -*-
"""C{openclaw-tx cron}: from options to params, and from answers to text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from click.testing import CliRunner, Result

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli import cron as verbs
from openclaw_tx.cli.cron_fields import duration, fields, when
from openclaw_tx.cli.main import main
from tests.cli.doubles import NO_SECRETS

JOB = {
    "id": "j1",
    "name": "brief [x]",
    "enabled": True,
    "schedule": {"kind": "cron", "expr": "0 7 * * *", "tz": "Europe/Berlin"},
    "payload": {"kind": "agentTurn", "message": "Brief me."},
    "sessionTarget": "isolated",
    "wakeMode": "next-heartbeat",
    "state": {"nextRunAtMs": 1_796_000_000_000, "lastStatus": "ok"},
}


class CronTests(SynchronousTestCase):
    """Each verb against answers by script."""

    def setUp(self) -> None:
        """Note what is asked."""
        self.asked: list[tuple[str, Any]] = []
        self.answers: dict[str, Any] = {"cron.add": JOB, "cron.update": JOB}

        def ask(place: Any, method: str, params: Any, remote: Any) -> Any:
            self.asked.append((method, params))
            return self.answers[method]

        self.patch(verbs, "ask", ask)

    def run_verb(self, *arguments: str) -> Result:
        """C{openclaw-tx cron ...}."""
        return CliRunner().invoke(main, ["cron", *arguments], env=NO_SECRETS)

    def params(self, *arguments: str) -> Any:
        """What a verb asks for."""
        result = self.run_verb(*arguments)
        self.assertEqual(result.exit_code, 0, result.output)
        return self.asked[-1][1]

    def refused(self, words: str, arguments: Sequence[str]) -> None:
        """Wrong usage; nothing is asked."""
        result = self.run_verb(*arguments)
        self.assertEqual((result.exit_code, self.asked), (2, []), result.output)
        self.assertIn(words, result.output)

    def test_add_turn(self) -> None:
        """A message, in a session of its own."""
        found = self.params(
            *("add", "--name", "brief", "--cron", "0 7 * * *", "--tz", "Europe/Berlin", "--message", "Brief me."),
            *("--model", "p/m", "--thinking", "low", "--timeout-seconds", "9", "--agent", "main", "--wake", "now"),
            *("--post-prefix", "Brief", "--post-mode", "full", "--post-max-chars", "10", "--description", "d"),
        )
        self.assertEqual(
            found,
            {
                "name": "brief",
                "enabled": True,
                "schedule": {"kind": "cron", "expr": "0 7 * * *", "tz": "Europe/Berlin"},
                "payload": {
                    "kind": "agentTurn",
                    "message": "Brief me.",
                    "model": "p/m",
                    "thinking": "low",
                    "timeoutSeconds": 9,
                },
                "sessionTarget": "isolated",
                "wakeMode": "now",
                "agentId": "main",
                "description": "d",
                "isolation": {"postToMainPrefix": "Brief", "postToMainMode": "full", "postToMainMaxChars": 10},
            },
        )

    def test_add_event(self) -> None:
        """News for the main session, once, and then no more."""
        found = self.params(
            *("add", "--name", "tea", "--at", "2030-01-01T00:00:00Z", "--system-event", "Tea!"),
            *("--delete-after-run", "--disabled"),
        )
        self.assertEqual(found["schedule"], {"kind": "at", "at": "2030-01-01T00:00:00Z"})
        self.assertEqual((found["sessionTarget"], found["payload"]["text"]), ("main", "Tea!"))
        self.assertEqual(
            (found["deleteAfterRun"], found["enabled"], found["wakeMode"]), (True, False, "next-heartbeat")
        )

    def test_times(self) -> None:
        """Durations are from now, or a pace."""
        self.assertEqual(fields({"at": "+20m"}, 100.0), {"schedule": {"kind": "at", "atMs": 1_300_000}})
        self.assertEqual(fields({"every": "90s"}, 0), {"schedule": {"kind": "every", "everyMs": 90_000}})
        for text, seconds in (("500ms", 0.5), ("2h", 7200), ("1d", 86_400), ("5", None), ("soon", None)):
            self.assertEqual(duration(text), seconds, text)

    def test_refused(self) -> None:
        """Options that do not go together, or are not enough."""
        name = ("add", "--name", "x")
        self.refused("Say when", (*name, "--message", "x"))
        self.refused("Say what", (*name, "--every", "1m"))
        self.refused("exclude each other", (*name, "--every", "1m", "--at", "1m", "--message", "x"))
        self.refused("exclude each other", (*name, "--every", "1m", "--system-event", "x", "--message", "x"))
        self.refused("--tz goes with", (*name, "--every", "1m", "--tz", "UTC", "--message", "x"))
        self.refused("go with --message", (*name, "--every", "1m", "--system-event", "x", "--model", "p/m"))
        self.refused("duration", (*name, "--every", "often", "--message", "x"))
        self.refused("Say what to change", ("edit", "j1"))
        self.refused("--name", ("add", "--every", "1m", "--message", "x"))

    def test_edit(self) -> None:
        """Only what is named."""
        found = self.params("edit", "j1", "--every", "5m", "--disable", "--keep-after-run")
        schedule = {"kind": "every", "everyMs": 300_000}
        self.assertEqual(
            found, {"id": "j1", "patch": {"schedule": schedule, "enabled": False, "deleteAfterRun": False}}
        )
        self.assertEqual(self.params("enable", "j1"), {"id": "j1", "patch": {"enabled": True}})
        self.assertEqual(self.params("disable", "j1"), {"id": "j1", "patch": {"enabled": False}})

    def test_edit_payload(self) -> None:
        """What a job does is changed by the field; of the other kind it is a new one."""

        def payload(*arguments: str) -> Any:
            return self.params("edit", "j1", *arguments)["patch"]["payload"]

        self.assertEqual(payload("--message", "new"), {"kind": "agentTurn", "message": "new"})
        self.assertEqual(payload("--thinking", "high"), {"kind": "agentTurn", "thinking": "high"})
        self.assertEqual(
            payload("--clear-model", "--clear-thinking"), {"kind": "agentTurn", "model": None, "thinking": None}
        )
        self.assertEqual(payload("--system-event", "x"), {"kind": "systemEvent", "text": "x"})
        self.asked.clear()
        self.refused("exclude each other", ("edit", "j1", "--model", "p/m", "--clear-model"))
        self.refused("go with --message", ("edit", "j1", "--system-event", "x", "--model", "p/m"))

    def test_list(self) -> None:
        """A table; names are no markup."""
        self.answers["cron.list"] = {"jobs": [JOB]}
        result = self.run_verb("list", "--all")
        self.assertEqual(self.asked, [("cron.list", {"includeDisabled": True})])
        for text in ("j1", "brief [x]", "cron 0 7 * * *", "(Europe/Berlin)", "2026-11-30", "ok", "isolated"):
            self.assertIn(text, result.stdout)
        self.assertEqual(json.loads(self.run_verb("list", "--json").stdout), {"jobs": [JOB]})
        self.answers["cron.list"] = {"jobs": []}
        self.assertEqual(self.run_verb("list").stdout, "")

    def test_far_away(self) -> None:
        """A time that Python has no date for is told as well as can be, and does not hide the other jobs."""
        self.assertEqual(when(8_640_000_000_000_000), "after the year 9999")
        far = {**JOB, "id": "j2", "state": {"nextRunAtMs": 8_640_000_000_000_000}}
        self.answers["cron.list"] = {"jobs": [far, JOB]}
        result = self.run_verb("list")
        self.assertEqual(result.exit_code, 0)
        self.assertIn("j1", result.stdout)

    def test_status(self) -> None:
        """One line."""
        self.answers["cron.status"] = {"enabled": True, "jobs": 2, "nextWakeAtMs": None}
        self.assertEqual(self.run_verb("status").stdout, "on, 2 jobs, next never\n")

    def test_run_and_rm(self) -> None:
        """The exit code tells whether there was anything to do."""
        self.answers["cron.run"] = {"ok": True, "ran": True}
        self.assertEqual(self.params("run", "j1", "--due"), {"id": "j1", "mode": "due"})
        self.answers["cron.run"] = {"ok": True, "ran": False, "reason": "already-running"}
        result = self.run_verb("run", "j1")
        self.assertEqual((result.exit_code, "already-running" in result.output), (1, True))
        self.answers["cron.remove"] = {"ok": True, "removed": True}
        self.assertEqual(self.params("rm", "j1"), {"id": "j1"})
        self.answers["cron.remove"] = {"ok": True, "removed": False}
        self.assertEqual(self.run_verb("rm", "j1").exit_code, 1)

    def test_runs(self) -> None:
        """A line each."""
        entries = [
            {"ts": 1_796_000_000_000, "status": "error", "error": "the model\nis \x1b[1mout", "durationMs": 1500},
            {"ts": 1_796_000_000_000, "status": "ok"},
        ]
        self.answers["cron.runs"] = {"entries": entries}
        self.assertEqual(
            self.run_verb("runs", "--id", "j1").stdout.splitlines(),
            ["2026-11-30 00:53:20Z error in 1.5 s: the model is \\x1b[1mout", "2026-11-30 00:53:20Z ok"],
        )
