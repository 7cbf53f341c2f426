# -*- test-case-name: tests.sessions.test_crash -*-
"""Kill -9 in the middle of a transaction, many times: nothing that was promised is lost, no turn is half there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.values import AssistantMessage, Message, UserMessage
from openclaw_tx.wire import openclaw_transcript
from tests.sessions.crashing import KEYS, archives_of
from tests.sessions.helpers import Stores, scratch

KILLS = 12
ROOT = Path(__file__).resolve().parents[2]


class CrashTests(SynchronousTestCase):
    """A real process on a real file."""

    def setUp(self) -> None:
        """Start the process that forks the victims."""
        self.path = os.path.abspath(os.path.join(scratch(self), "openclaw.sqlite"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.sessions.crashing", self.path],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.addCleanup(self.end)

    def end(self) -> None:
        """The process ends with its input."""
        self.process.communicate(timeout=20)

    def do(self, call: Any) -> Any:
        """The result of a coroutine."""
        return self.successResultOf(Deferred.fromCoroutine(call))

    def line(self) -> str:
        """What the process said."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().rstrip("\n")

    def kill_one(self, after: int) -> list[str]:
        """Let a victim take some steps and kill it at once, in whatever it is doing.

        @return: ids of the runs that it was told are durable.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        victim = int(self.line())
        said = [self.line() for _ in range(after)]
        os.kill(victim, signal.SIGKILL)
        while line := self.line():
            said.append(line)
        return [run_id for run_id in said if not run_id.startswith("+")]

    def test_killed_many_times(self) -> None:
        """After each death the file is sound, each promise is kept, each cut-off turn is closed once; what was reset or
        deleted is whole in an archive."""
        promised: list[str] = []
        stores = Stores(self.path, archives_of(self.path))
        interrupted: list[str] = []
        for number in range(KILLS):
            promised += self.kill_one(number)
            store = stores.store()
            self.assertEqual(stores.database.connect().driver.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            recovered = self.do(store.recover(9000))
            self.assertTrue(len(recovered) <= 1)
            interrupted += [run.run_id for run in recovered]
            self.check(store, promised, interrupted)
            self.do(store.close())
        self.assertEqual(stores.reports, [])
        self.assertTrue(promised)

    def check(self, store: Any, promised: list[str], interrupted: list[str]) -> None:
        """Transcripts are made of whole turns: those committed, and those that were cut off."""
        ok: list[str] = []
        cut: list[str] = []
        archived = self.archived()
        for transcript in [*(self.do(store.transcript(key, 4000)) for key in KEYS), *archived]:
            for asked, said in zip(transcript[::2], transcript[1::2], strict=True):
                assert isinstance(asked, UserMessage) and isinstance(said, AssistantMessage)
                run_id = asked.text.split()[1]
                if said.stop_reason == "interrupted" or said.error_message:
                    self.assertIn(said.text, ("", f"part {run_id}"))
                    cut.append(run_id)
                else:
                    self.assertEqual(said.text.split()[:2], ["say", run_id])
                    ok.append(run_id)
            # A death between the writing of an archive and the commit leaves a turn in both, but never in one twice.
            told = [message.text.split()[1] for message in transcript[::2]]
            self.assertEqual(len(set(told)), len(told))
        self.assertEqual(set(promised) - set(ok), set())
        self.assertEqual(set(cut), set(interrupted))

    def archived(self) -> list[tuple[Message, ...]]:
        """The transcripts in archives: every file is whole."""
        found = []
        for above, _, names in os.walk(archives_of(self.path)):
            for name in names:
                if name.endswith(".tmp"):
                    continue
                with open(os.path.join(above, name), "rb") as file:
                    transcript = openclaw_transcript.read(file)
                self.assertEqual(transcript.faults, ())
                found.append(transcript.messages)
        return found
