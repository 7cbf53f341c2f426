# -*- test-case-name: tests.tools.test_process -*-
"""C{process}: follow commands that C{exec} left in the background, type to them, end them (spec 7.1)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from twisted.internet.defer import TimeoutError

from openclaw_tx.interfaces import ToolContext
from openclaw_tx.tools.builtin.exec import RESULT_CHARS, details, ending_of, said
from openclaw_tx.tools.command_sessions import CommandSession, CommandSessions, Scope
from openclaw_tx.tools.commands import ABORT_GRACE
from openclaw_tx.tools.keystrokes import PASTE_BEGIN, PASTE_END, bytes_of, keys_of, without_end
from openclaw_tx.tools.output import readable
from openclaw_tx.tools.typed import Parameters, TypedTool
from openclaw_tx.values import ToolResult

Action = Literal["list", "poll", "log", "write", "send-keys", "submit", "paste", "kill", "clear", "remove"]
DEFAULT_LINES = 200
"""Lines that C{log} shows unless asked for another number: the last ones."""
KILL_SECONDS = 3.0
"""How long C{kill} waits for the end."""
MAX_TEXT = 65_536


class ProcessParameters(Parameters, frozen=True):
    """Arguments of C{process}."""

    action: Annotated[Action, Meta(description="What to do.")]
    session_id: Annotated[str, Meta(max_length=64, description="Session of the command; not for list.")] = ""
    data: Annotated[str, Meta(max_length=MAX_TEXT, description="For write: text for its standard input.")] = ""
    keys: Annotated[
        list[Annotated[str, Meta(max_length=64)]],
        Meta(max_length=256, description="For send-keys: Enter, C-c, Up, F1, M-x ..., or characters."),
    ] = []
    hex: Annotated[list[str], Meta(max_length=4096, description="For send-keys: bytes in hex.")] = []
    literal: Annotated[str, Meta(max_length=MAX_TEXT, description="For send-keys: text as it is.")] = ""
    text: Annotated[str, Meta(max_length=MAX_TEXT, description="For paste: the text.")] = ""
    bracketed: Annotated[bool, Meta(description="For paste: mark it as pasted.")] = True
    eof: Annotated[bool, Meta(description="For write: nothing follows.")] = False
    offset: Annotated[int, Meta(ge=0, description="For log: first line, from 0.")] | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=10_000, description="For log: how many lines.")] = DEFAULT_LINES
    timeout: Annotated[int, Meta(ge=0, le=30_000, description="For poll: milliseconds to wait for news of it.")] = 0


class Process(TypedTool[ProcessParameters]):
    """Sees the background commands of the session that asks, and no others."""

    name = "process"
    description = (
        "Follow commands that exec left in the background. list shows them, poll what is new, log lines of the output; "
        "write, send-keys, submit and paste type to one; kill ends it; clear forgets a finished one, remove any."
    )
    parameters = ProcessParameters

    def __init__(self, commands: CommandSessions) -> None:
        """
        @param commands: where they are.
        """
        super().__init__()
        self._commands = commands

    async def run(self, parameters: ProcessParameters, context: ToolContext) -> ToolResult:
        """What was asked for; C{details} as those of C{exec}."""
        scope = Scope(context.agent.id, context.session_key)
        if parameters.action == "list":
            return listed(list(self._commands.of(scope)))
        session = self._commands.get(scope, parameters.session_id)
        if session is None:
            return ToolResult(text=f"There is no session {parameters.session_id[:64]!r} here.", is_error=True)
        if parameters.action == "poll":
            return await self._poll(session, parameters.timeout, context)
        if parameters.action == "log":
            return log(session, parameters.offset, parameters.limit)
        if parameters.action == "kill":
            return await self._kill(session, context)
        if parameters.action == "clear":
            if session.status == "running":
                return ToolResult(text=f"Session {session.id} is still running: kill or remove it.", is_error=True)
            self._commands.forget(session)
            return ToolResult(text=f"Cleared session {session.id}.", details={"status": "completed"})
        if parameters.action == "remove":
            self._commands.forget(session)
            return ToolResult(text=f"Removed session {session.id}.", details={"status": "completed"})
        return self._type(session, parameters)

    async def _poll(self, session: CommandSession, timeout_ms: int, context: ToolContext) -> ToolResult:
        if timeout_ms and session.status == "running" and session.command.output.total == session.cursor:
            await self._ended(session, timeout_ms / 1000, context)
        output = session.command.output
        missing = max(0, output.dropped - session.cursor)
        text = output.since(session.cursor)
        if len(text) > RESULT_CHARS:
            missing += len(text) - RESULT_CHARS
            text = text[-RESULT_CHARS:]
        session.cursor = output.total
        news = (f"[cut: {missing} characters before]\n" if missing else "") + readable(text).rstrip()
        if session.status == "running":
            end = "(Command is still running)"
        else:
            end = ending_of(session) or "(Command exited with code 0)"
        return ToolResult(text=f"{news or '(no new output)'}\n\n{end}", details=details(session))

    async def _kill(self, session: CommandSession, context: ToolContext) -> ToolResult:
        if session.status != "running":
            return ToolResult(text=f"Session {session.id} has ended already.", details=details(session))
        session.quiet = True
        session.command.end("killed", ABORT_GRACE)
        if await self._ended(session, KILL_SECONDS, context):
            return ToolResult(text=f"Killed session {session.id}.", details=details(session))
        return ToolResult(text=f"Session {session.id} does not end.", details=details(session), is_error=True)

    async def _ended(self, session: CommandSession, seconds: float, context: ToolContext) -> bool:
        waiting = session.command.ended.wait()
        if not waiting.called:
            waiting.addTimeout(seconds, context.clock)
        try:
            await waiting
        except TimeoutError:
            return False
        return True

    def _type(self, session: CommandSession, parameters: ProcessParameters) -> ToolResult:
        """C{write}, C{send-keys}, C{submit} and C{paste}."""
        try:
            data = typed(parameters, terminal=session.command.order.terminal)
            if data:
                session.command.write(data)
        except ValueError as error:
            return ToolResult(text=f"Nothing was sent: {error}", is_error=True, details=details(session))
        if parameters.action == "write" and parameters.eof:
            session.command.end_input()
        told = f"Sent {len(data)} bytes to session {session.id}."
        return ToolResult(text=told + (" Its input has ended." if parameters.eof else ""), details=details(session))


def typed(parameters: ProcessParameters, *, terminal: bool) -> bytes:
    """The bytes that an action sends.

    @param terminal: the command is on one.
    @raise ValueError: there is no such key, or nothing to send; a sentence.
    """
    if parameters.action == "submit":
        return b"\r" if terminal else b"\n"
    if parameters.action == "write":
        data = parameters.data.encode("utf-8", "replace")
        if not data and not parameters.eof:
            raise ValueError("data is empty.")
        return data
    if parameters.action == "paste":
        data = parameters.text.encode("utf-8", "replace")
        if not data:
            raise ValueError("text is empty.")
        data = without_end(data)
        return PASTE_BEGIN + data + PASTE_END if parameters.bracketed and terminal else data
    literal = parameters.literal.encode("utf-8", "replace")
    data = keys_of(parameters.keys) + bytes_of(parameters.hex) + literal
    if not data:
        raise ValueError("keys, hex and literal are empty.")
    return data


def listed(sessions: list[CommandSession]) -> ToolResult:
    """All of them, a line each."""
    rows: list[dict[str, Any]] = []
    lines = []
    for session in sessions:
        shown = " ".join(readable(session.command.order.shown).split())[:120]
        seconds = round(session.command.seconds)
        row = {"name": shown, "startedAt": round(session.command.started_at * 1000), **details(session)}
        row["tail"] = row["tail"][-200:]
        rows.append(row)
        lines.append(f"{session.id} {session.status} {seconds} s :: {shown}")
    return ToolResult(
        text="\n".join(lines) or "No running or recent sessions.", details={"status": "completed", "sessions": rows}
    )


def log(session: CommandSession, offset: int | UnsetType, limit: int) -> ToolResult:
    """Lines of the output that is held; without an offset the last ones."""
    lines = said(session, session.command.order.max_output).split("\n")
    first = max(0, len(lines) - limit) if offset is UNSET else offset
    chosen = lines[first : first + limit]
    text = "\n".join(chosen)
    more = len(text) - RESULT_CHARS
    if more > 0 and offset is UNSET:
        text = f"[cut: {more} characters before]\n{text[more:]}"
    elif more > 0:
        text = f"{text[:RESULT_CHARS]}\n[cut: {more} characters behind]"
    hint = f"\n\n[lines {first} to {first + len(chosen) - 1} of {len(lines)}]" if len(chosen) < len(lines) else ""
    return ToolResult(
        text=(text or "(no output)") + hint, details={**details(session), "totalLines": len(lines), "offset": first}
    )


__all__ = ["Process", "ProcessParameters", "listed", "log", "typed"]
