# -*- test-case-name: tests.tools.test_exec -*-
"""C{exec}: run a command of the shell (spec 7.1, 7.3; docs/approvals.md)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from twisted.internet.defer import CancelledError, TimeoutError
from twisted.internet.interfaces import IDelayedCall

from openclaw_tx.config.replacing import make_directory
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_tools import Ask, Security
from openclaw_tx.deferreds import InThread
from openclaw_tx.interfaces import ToolContext
from openclaw_tx.tools import policy
from openclaw_tx.tools.child_environment import BadVariable, child_environment
from openclaw_tx.tools.command_sessions import CommandSession, CommandSessions, Scope
from openclaw_tx.tools.commands import ABORT_GRACE, Command, Order
from openclaw_tx.tools.confined import Files, files_of
from openclaw_tx.tools.exec_gate import ExecGate, Refused, Wish
from openclaw_tx.tools.exec_policy import tools_of
from openclaw_tx.tools.output import readable
from openclaw_tx.tools.shell import MAX_COMMAND
from openclaw_tx.tools.typed import NotDone, Parameters, TypedTool
from openclaw_tx.values import ToolProgress, ToolResult

RESULT_CHARS = 195_000
"""Characters of output in a result, so that the status behind it is not cut off."""
TAIL_CHARS = 2000
"""Characters of output in the details, and of what a background command said so far."""
PROGRESS_CHARS = 500
"""Characters of output in a report of progress."""
PROGRESS_SECONDS = (0.5, 10.0)
"""Pause after the first report, and the longest one: each is half as long again as the one before."""


class ExecParameters(Parameters, frozen=True):
    """Arguments of C{exec}."""

    command: Annotated[str, Meta(min_length=1, max_length=MAX_COMMAND, description="Command for the shell.")]
    workdir: Annotated[
        str, Meta(max_length=4096, description="Directory to run it in; leave out for the workspace.")
    ] = ""
    env: Annotated[dict[str, str], Meta(description="Variables to set; PATH can not be set.")] = {}
    yield_ms: (
        Annotated[int, Meta(ge=10, le=120_000, description="After so many milliseconds it goes on in the background.")]
        | UnsetType
    ) = UNSET
    background: Annotated[bool, Meta(description="Let it go on in the background at once.")] = False
    timeout: Annotated[int, Meta(ge=1, description="Seconds after which it is ended.")] | UnsetType = UNSET
    pty: Annotated[bool, Meta(description="Run it on a terminal, for programs that need one.")] = False
    host: Annotated[Literal["auto", "gateway"], Meta(description="Where to run it: only this machine.")] = "auto"
    security: Annotated[Security, Meta(description="A stricter mode than the configured one.")] | UnsetType = UNSET
    ask: Annotated[Ask, Meta(description="Ask a person more often than configured.")] | UnsetType = UNSET


class Exec(TypedTool[ExecParameters]):
    """Runs commands; a run that is cancelled takes its command with it."""

    name = "exec"
    description = (
        "Run a shell command and get its output and exit code. A command that takes long goes on in the background: "
        "follow it with the tool process. It may have to wait for a person's word."
    )
    parameters = ExecParameters

    def __init__(
        self,
        settings: Callable[[], Config],
        gate: ExecGate,
        commands: CommandSessions,
        in_thread: InThread,
        environment: Callable[[], Mapping[str, str]],
    ) -> None:
        """
        @param settings: gives the configuration of the moment.
        @param gate: says whether a command may run.
        @param commands: runs it.
        @param environment: that of the gateway, which commands inherit in part.
        """
        super().__init__()
        self._settings = settings
        self._gate = gate
        self._commands = commands
        self._in_thread = in_thread
        self._environment = environment

    async def run(self, parameters: ExecParameters, context: ToolContext) -> ToolResult:
        """Output, then how it ended; C{details} hold status, sessionId, pid, exitCode, durationMs, cwd and tail."""
        config = self._settings()
        try:
            session = await self._start(parameters, context, config)
        except (BadVariable, NotDone, Refused, ValueError) as error:
            return ToolResult(text=str(error), is_error=True, details={"status": "failed"})
        command = session.command
        progress = Progress(command, context)
        try:
            ended = await self._wait(parameters, context, config, command)
        except CancelledError:
            command.end("aborted", ABORT_GRACE)
            raise
        finally:
            progress.stop()
        if ended:
            return finished(session)
        self._commands.keep(
            session,
            notify=config.tools.exec.notify_on_exit,
            run_id=context.run_id if context.stateless else "",
        )
        return running(session)

    async def _start(self, parameters: ExecParameters, context: ToolContext, config: Config) -> CommandSession:
        """
        @raise Refused: it may not run.
        @raise NotDone: there is no such directory for it.
        @raise ValueError: it can not, in a sentence.
        """
        _check(parameters.command)
        settings = config.tools.exec
        inherited = self._environment()
        files = files_of(config, context.agent, inherited.get("HOME", ""))
        cwd = await self._in_thread(working_directory, files, parameters.workdir)
        environment = child_environment(inherited, parameters.env, settings.path_prepend, inherited.get("HOME", ""))
        wish = Wish(
            parameters.command,
            cwd,
            parameters.env,
            environment["PATH"],
            parameters.security or None,
            parameters.ask or None,
        )
        proved = await self._gate.admit(wish, context)
        _check(proved)
        order = Order(proved, cwd, environment, parameters.pty, settings.max_output_chars, parameters.command)
        timeout = min(parameters.timeout or settings.timeout_sec, settings.timeout_sec)
        scope = Scope(context.agent.id, context.session_key)
        try:
            session = self._commands.start(scope, order, timeout)
        except (OSError, ValueError) as error:
            raise ValueError(f"The command could not be started: {error}") from None
        if not self._may_follow(config, context):
            session.command.end_input()
        return session

    async def _wait(self, parameters: ExecParameters, context: ToolContext, config: Config, command: Command) -> bool:
        """Wait for the end, or until it is time to go on without it.

        @return: it has ended.
        """
        waiting = command.ended.wait()
        if self._may_follow(config, context):
            patience = parameters.yield_ms or config.tools.exec.background_ms
            if parameters.background:
                patience = 0
            if not waiting.called:
                waiting.addTimeout(patience / 1000, context.clock)
        try:
            await waiting
        except TimeoutError:
            return False
        return True

    def _may_follow(self, config: Config, context: ToolContext) -> bool:
        """Whether the agent may use the tool C{process}, without which nothing goes on in the background."""
        own = tools_of(config.agents.entries, context.agent.id)
        names = policy.allowed(["process"], config.tools, own, context.model)
        if context.spawned_by:
            names = policy.for_subagent(names, config.tools.subagents.tools)
        return bool(names)


class Progress:
    """Tells whoever watches the run what a command printed last, ever more seldom."""

    def __init__(self, command: Command, context: ToolContext) -> None:
        self._command = command
        self._context = context
        self._pause, self._longest = PROGRESS_SECONDS
        self._call: IDelayedCall | None = None
        command.on_output = self._printed

    def stop(self) -> None:
        """Tell no more."""
        self._command.on_output = None
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _printed(self) -> None:
        if self._call is None:
            self._call = self._context.clock.callLater(self._pause, self._tell)

    def _tell(self) -> None:
        self._call = None
        self._pause = min(self._longest, self._pause * 1.5)
        text = readable(self._command.output.tail(PROGRESS_CHARS))
        if text.strip():
            self._context.report(ToolProgress(call_id=self._context.call_id, name=Exec.name, text=text))


def working_directory(files: Files, workdir: str) -> str:
    """Where a command runs, without symbolic links; the workspace is made if it is not there.

    @raise FileRefused: not there, or outside of the workspace when files are confined to it.
    """
    make_directory(files.root)
    return files.directory(workdir) if workdir else os.path.realpath(files.root)


def details(session: CommandSession) -> dict[str, Any]:
    """A command as it stands, for programs."""
    command = session.command
    ending = command.ending
    return {
        "status": session.status,
        "sessionId": session.id,
        "pid": command.pid,
        "exitCode": ending.exit_code if ending is not None else None,
        "durationMs": round(command.seconds * 1000),
        "cwd": command.order.cwd,
        "tail": readable(command.output.tail(TAIL_CHARS)),
    }


def ending_of(session: CommandSession) -> str:
    """How a command ended, in words; "" = with exit code 0, and nothing to tell."""
    ending = session.command.ending
    assert ending is not None
    told = []
    if ending.reason == "timeout":
        told.append(f"(Command timed out after {round(session.command.seconds)} s and was ended)")
    elif ending.reason:
        told.append("(Command was ended)")
    elif ending.signal is not None:
        told.append(f"(Command was ended by signal {ending.signal})")
    elif ending.exit_code:
        told.append(f"(Command exited with code {ending.exit_code})")
    if ending.left:
        told.append("(Processes that it had left running were ended; use background for what is to go on)")
    return "\n".join(told)


def said(session: CommandSession, characters: int = RESULT_CHARS) -> str:
    """The end of a command's output, and how much is missing before it."""
    output = session.command.output
    text = output.tail(characters)
    missing = output.total - len(text)
    return (f"[cut: the first {missing} characters]\n" if missing else "") + readable(text).rstrip()


def finished(session: CommandSession) -> ToolResult:
    """The result of a command that has ended."""
    pieces = (said(session) or "(no output)", ending_of(session))
    return ToolResult(
        text="\n\n".join(piece for piece in pieces if piece),
        details=details(session),
        is_error=session.status == "failed",
    )


def running(session: CommandSession) -> ToolResult:
    """The result of a command that goes on in the background."""
    command = session.command
    session.cursor = command.output.total
    so_far = said(session, TAIL_CHARS)
    text = (
        f"Command still running (session {session.id}, pid {command.pid}). Use the tool process "
        "(list, poll, log, write, kill, remove) to follow it."
    )
    return ToolResult(text=f"{text}\n\nOutput so far:\n{so_far}" if so_far else text, details=details(session))


def _check(command: str) -> None:
    """
    @raise ValueError: no system takes such a command; a sentence.
    """
    try:
        size = len(command.encode("utf-8"))
    except UnicodeEncodeError:
        size = -1
    if size < 0 or "\0" in command:
        raise ValueError("The command must be a text without NUL.")
    if size > MAX_COMMAND:
        raise ValueError(f"The command is longer than {MAX_COMMAND} bytes.")


__all__ = ["Exec", "ExecParameters", "details", "ending_of", "finished", "running", "said", "working_directory"]
