# -*- test-case-name: tests.tools.test_command_sessions -*-
"""What is remembered of commands, and for how long."""

from __future__ import annotations

import signal
from typing import Any

from twisted.internet.defer import Deferred

from openclaw_tx.tools.command_sessions import CommandSession, Scope
from openclaw_tx.values import Entry, RunEnded, RunResult, RunStarted, SessionChange
from tests.tools.commandline import Workbench

SCOPE = Scope("main", "agent:main:main")


class Run:
    """A run, as far as its id is asked."""

    def __init__(self, run_id: str) -> None:
        self.request = self
        self.run_id = run_id


def ended(run_id: str) -> Entry:
    """The last entry of a run."""
    result = RunResult(run_id=run_id, session_key="k", agent_id="main", status="ok")
    return Entry(seq=2, ts_ms=0, event=RunEnded(result=result))


class SessionsTests(Workbench):
    """Through the tool, which is how commands come here."""

    def start(self, **arguments: Any) -> CommandSession:
        """A background command."""
        calling = self.run_exec("make all", background=True, **arguments)
        self.machine.advance(0)
        found = self.commands.get(
            Scope("main", self.context.session_key), self.successResultOf(calling).details["sessionId"]
        )
        assert found is not None
        return found

    def test_news(self) -> None:
        """The end of a background command is told to its session, once."""
        session = self.start()
        self.child.print("\x1b[31mall\nis well\x1b[0m\n")
        self.child.end(0)
        self.assertEqual(
            self.events.take("agent:main:main"),
            (f"Exec completed ({session.id}, code 0): make all :: all is well",),
        )
        session = self.start(timeout=1)
        self.machine.advance(1)
        self.child.end(None, signal=15)
        self.assertEqual(self.events.take("agent:main:main"), (f"Exec failed ({session.id}, timed out): make all",))

    def test_no_news(self) -> None:
        """Switched off, or in the foreground, or removed by the model itself."""
        calling = self.run_exec()
        self.child.end(0)
        self.successResultOf(calling)
        self.commands.forget(self.start())
        self.child.end(None, signal=15)
        self.exec_config["notifyOnExit"] = False
        self.start()
        self.child.end(0)
        self.assertEqual(self.events.peek("agent:main:main"), ())

    def test_deleted_session(self) -> None:
        """Commands of a session that is deleted end, and nobody is told; a reset, or another session, leaves them."""
        session = self.start()
        key = session.scope.session_key
        for change in (
            SessionChange(key=key, agent_id="main", reason="reset"),
            SessionChange(key="agent:main:other", agent_id="main", reason="delete"),
        ):
            self.news.tell(change)
        self.assertEqual(session.status, "running")
        self.assertEqual(self.machine.signals(self.child.pid), [])
        self.news.tell(SessionChange(key=key, agent_id="main", reason="delete"))
        self.assertEqual(self.machine.signals(self.child.pid), [signal.SIGTERM])
        self.assertIsNone(self.commands.get(session.scope, session.id))
        self.child.end(None, signal=15)
        self.assertEqual(self.events.peek(key), ())

    def test_cleanup(self) -> None:
        """A finished one is forgotten after its time."""
        self.exec_config["cleanupMs"] = 60_000
        session = self.start()
        self.child.end(0)
        self.machine.advance(59)
        self.assertIs(self.commands.get(SCOPE, session.id), session)
        self.machine.advance(1)
        self.assertIsNone(self.commands.get(SCOPE, session.id))

    def test_bounds(self) -> None:
        """Of too many finished ones, or too much output of theirs, the oldest go; running ones stay."""
        self.commands.max_finished = 3
        running = self.start()
        finished = []
        for _ in range(5):
            finished.append(self.start())
            self.child.end(0)
        self.assertEqual(list(self.commands.of(SCOPE)), [running, *finished[2:]])
        self.commands.max_finished_chars = 25
        for _ in range(3):
            finished.append(self.start())
            self.child.print("0123456789")
            self.child.end(0)
        self.assertEqual(list(self.commands.of(SCOPE)), [running, *finished[-2:]])

    def test_stateless(self) -> None:
        """Commands of a run without a session end with it, and nobody is listened to afterwards."""
        self.context.stateless = True
        session = self.start()
        (listener,) = self.engine.listeners
        listener(Run("r1"), [Entry(seq=1, ts_ms=0, event=RunStarted(session_id="s"))])
        listener(Run("r2"), [ended("r2")])
        self.assertEqual(self.machine.signals(self.child.pid), [])
        listener(Run("r1"), [ended("r1")])
        self.assertEqual(self.machine.signals(self.child.pid), [signal.SIGTERM])
        self.assertIsNone(self.commands.get(SCOPE, session.id))
        self.assertEqual(self.engine.listeners, [])
        self.child.end(None, signal=15)
        self.assertEqual(self.events.peek("agent:main:main"), ())

    def test_close(self) -> None:
        """Every group is ended, killed if need be, and waited for; nothing starts any more."""
        self.start()
        calling = self.run_exec()
        first, second = self.machine.spawned
        first.end(0)
        self.events.take("agent:main:main")
        self.start()
        third = self.child
        self.machine.groups[third.pid] = 1
        closing = Deferred.fromCoroutine(self.commands.close())
        self.assertEqual(self.machine.signals(second.pid), [signal.SIGTERM])
        second.end(None, signal=15)
        third.exit(None, signal=15)
        self.machine.advance(0.3)
        self.assertNoResult(closing)
        self.machine.pump([0.05] * 20)
        self.assertIn(signal.SIGKILL, self.machine.signals(third.pid))
        self.machine.groups.clear()
        self.machine.advance(0.05)
        self.successResultOf(closing)
        self.assertTrue(self.successResultOf(calling).is_error)
        self.assertEqual(self.machine.getDelayedCalls(), [])
        self.assertEqual(self.events.peek("agent:main:main"), ())
        self.assertIn("shutting down", self.refused())

    def test_close_in_vain(self) -> None:
        """What the kernel holds is not waited for for ever."""
        self.start()
        closing = Deferred.fromCoroutine(self.commands.close())
        self.machine.pump([0.1] * 45)
        self.assertNoResult(closing)
        self.machine.pump([0.1] * 10)
        self.successResultOf(closing)
