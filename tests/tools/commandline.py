"""What the tests of C{exec} and C{process} share: the tools over processes, files and people that the test plays."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.interfaces import RunEngine, Sessions
from openclaw_tx.runs.system_events import SystemEventQueue
from openclaw_tx.sessions.news import News
from openclaw_tx.tools.approvals import PendingApprovals
from openclaw_tx.tools.approvals_file import ApprovalsFile
from openclaw_tx.tools.builtin.exec import Exec
from openclaw_tx.tools.builtin.process import Process
from openclaw_tx.tools.command_sessions import CommandSessions
from openclaw_tx.tools.commands import Spawner
from openclaw_tx.tools.exec_gate import ExecGate
from openclaw_tx.tools.schema import decode_arguments
from openclaw_tx.values import Principal, SessionEntry, ToolResult
from tests.support.processes import Process as Child
from tests.support.processes import Processes
from tests.tools.doubles import AGENT, Context, FoundSessions

OWNER = Principal(id="shared-secret", method="token", scopes=frozenset())


class Machine(Clock, Processes):
    """A reactor: time and processes."""

    def __init__(self) -> None:
        Clock.__init__(self)
        Processes.__init__(self)


class Engine:
    """The part of a run engine that is asked: to be told of batches."""

    def __init__(self) -> None:
        self.listeners: list[Any] = []

    def subscribe(self, listener: Any) -> Any:
        """Keep it."""
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)


class Workbench(SynchronousTestCase):
    """Base of the tests.

    @ivar exec_config: C{tools.exec}.
    @ivar tools_config: the rest of C{tools}.
    """

    def setUp(self) -> None:
        """Everything is allowed, unless the test says otherwise."""
        self.machine = Machine()
        self.root = Path(os.path.realpath(self.mktemp()))
        self.workspace = self.root / "workspace"
        self.workspace.mkdir(parents=True)
        self.exec_config: dict[str, Any] = {"security": "full", "ask": "off"}
        self.tools_config: dict[str, Any] = {}
        self.environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.root), "OPENAI_API_KEY": "secret"}
        ids = count(1)

        def new_id() -> str:
            return f"00000000-0000-4000-8000-{next(ids):012}"

        self.entry: SessionEntry | None = None
        self.sessions = FoundSessions()
        self.events = SystemEventQueue()
        self.engine = Engine()
        self.news = News()
        self.approvals = PendingApprovals(self.machine)
        self.file = ApprovalsFile(self.root, in_reactor_thread, lambda: 5000, new_id)
        gate = ExecGate(
            self.config,
            cast(Sessions, self.sessions),
            self.approvals,
            self.file,
            in_reactor_thread,
            lambda: self.environment,
            new_id,
        )
        self.commands = CommandSessions(
            Spawner(self.machine, self.machine.send, "/bin/bash"),
            self.machine,
            self.config,
            self.events,
            lambda: cast(RunEngine, self.engine),
            new_id,
            self.news,
        )
        self.exec_tool = Exec(self.config, gate, self.commands, in_reactor_thread, lambda: self.environment)
        self.process_tool = Process(self.commands)
        self.context = Context(self.machine)
        self.context.agent = replace(AGENT, workspace=str(self.workspace))

    def tearDown(self) -> None:
        """Nothing is left."""
        closing = Deferred.fromCoroutine(self.commands.close())
        for child in self.machine.spawned:
            if child.alive:
                child.end(None, signal=15)
        self.machine.groups.clear()
        self.machine.pump([0.1] * 40)
        self.successResultOf(closing)
        self.assertEqual(self.machine.getDelayedCalls(), [])

    def config(self) -> Config:
        """The configuration of the moment."""
        return msgspec.convert({"tools": {"exec": self.exec_config, **self.tools_config}}, Config)

    def run_exec(self, command: str = "x", **arguments: Any) -> Deferred[ToolResult]:
        """Call the tool, its arguments checked as a model's are."""
        wanted = {"command": command, **arguments}
        checked = decode_arguments(self.exec_tool, msgspec.json.encode(wanted).decode())
        return Deferred.fromCoroutine(self.exec_tool.call(checked, self.context))

    def refused(self, command: str = "x", **arguments: Any) -> str:
        """The text of a call that starts nothing."""
        before = len(self.machine.spawned)
        result = self.successResultOf(self.run_exec(command, **arguments))
        self.assertTrue(result.is_error, result.text)
        self.assertEqual(len(self.machine.spawned), before)
        return result.text

    def process(self, action: str, session_id: str = "", **arguments: Any) -> Deferred[ToolResult]:
        """Call the tool."""
        wanted = {"action": action, **({"sessionId": session_id} if session_id else {}), **arguments}
        checked = decode_arguments(self.process_tool, msgspec.json.encode(wanted).decode())
        return Deferred.fromCoroutine(self.process_tool.call(checked, self.context))

    @property
    def child(self) -> Child:
        """The newest process."""
        return self.machine.spawned[-1]

    @property
    def shown(self) -> str:
        """What the newest process's shell was given."""
        return self.child.command[-1]
