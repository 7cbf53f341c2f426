# -*- test-case-name: tests.chat.test_desk -*-
"""What the commands of L{openclaw_tx.chat.commands} do. Each answers with a text for the client."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from openclaw_tx._version import __version__
from openclaw_tx.auth.actions import ADMIN
from openclaw_tx.auth.sight import agents_for, sees_run
from openclaw_tx.chat.commands import LEVELS, SWITCH, USEFUL, Command, help_text, thinking_level
from openclaw_tx.chat.flow import MODES, ChatFlow
from openclaw_tx.chat.values import ChatMessage
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Approvals, Compactor, Models, Run, RunEngine, Sessions
from openclaw_tx.sessions.titles import GREETING
from openclaw_tx.values import Agent, Principal, SessionEntry, SessionSettings

MAX_LISTED = 50
"""Models that one answer names."""

_OPTION = re.compile(r"(debounce|cap|drop):(\S+)", re.IGNORECASE)
_DURATION = re.compile(r"(\d{1,7})(ms|s|m)?")
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "": 1}
DECISIONS = ("allow-once", "allow-always", "deny")


class Rooms(NamedTuple):
    """What commands need, by seam."""

    engine: RunEngine
    agents: Agents
    models: Models
    sessions: Sessions
    compactor: Compactor
    approvals: Approvals
    settings: Callable[[], Config]


class Done(NamedTuple):
    """What became of a command."""

    reply: str = ""
    """For the client; "" = nothing is said."""
    message: str = ""
    """What the agent is to read now; "" = nothing."""
    thinking: str = ""
    """Thinking level for that message alone."""
    model: str = ""
    """Model ref for that message alone."""


class Orders:
    """Carries commands out."""

    def __init__(self, rooms: Rooms, flow: ChatFlow) -> None:
        self._rooms = rooms
        self._flow = flow
        self._table: Mapping[str, Callable[[Command, ChatMessage], Awaitable[Done]]] = {
            "help": self._help,
            "commands": self._commands,
            "status": self._status,
            "whoami": self._whoami,
            "new": self._new,
            "reset": self._new,
            "model": self._model,
            "models": self._models,
            "think": self._think,
            "verbose": self._verbose,
            "reasoning": self._reasoning,
            "queue": self._queue,
            "send": self._send,
            "compact": self._compact,
            "subagents": self._subagents,
            "approve": self._approve,
        }

    async def carry_out(self, command: Command, message: ChatMessage) -> Done:
        """Do it.

        @raise GatewayError: it can not be done; the message is for the client.
        """
        return await self._table[command.name](command, message)

    async def stop_runs(self, runs: list[Run], principal: Principal, reason: str) -> list[str]:
        """Abort those that C{principal} may, and wait until they have ended.

        @return: their ids.
        """
        mine = [run for run in runs if run.principal.id == principal.id or ADMIN in principal.scopes]
        aborted = [run for run in mine if run.abort(reason)]
        for run in aborted:
            await run.result()
        return [run.request.run_id for run in aborted]

    # -- to look

    async def _help(self, command: Command, message: ChatMessage) -> Done:
        return Done(help_text(USEFUL))

    async def _commands(self, command: Command, message: ChatMessage) -> Done:
        return Done(help_text())

    async def _whoami(self, command: Command, message: ChatMessage) -> Done:
        who = message.principal
        return Done(f"You are {who.id} ({who.method}), allowed {', '.join(sorted(who.scopes)) or 'nothing'}.")

    async def _status(self, command: Command, message: ChatMessage) -> Done:
        request = message.request
        entry = await self._rooms.sessions.get(request.session_key)
        settings = entry.settings if entry is not None else SessionSettings()
        agent = self._agent(message)
        ref = settings.model_ref or (agent.models[0] if agent.models else "")
        lines = [f"OpenClaw gateway for Twisted {__version__}", f"Agent: {agent.name} ({agent.id})"]
        chosen = " (chosen here)" if settings.model_ref else ""
        lines.append(f"Model: {ref or 'none'}{chosen}")
        try:
            window = self._rooms.models.info(ref).context_window if ref else 0
        except GatewayError as error:
            window = 0
            lines.append(f"  {error.info.message}")
        used = entry.total_tokens if entry is not None else 0
        if window:
            lines.append(f"Context: {used:,} of {window:,} tokens ({100 * used // window} %)")
        if entry is not None:
            lines.append(f"Last answer: {entry.input_tokens:,} tokens in, {entry.output_tokens:,} out")
            lines.append(f"Compactions: {settings.compaction_count}")
        lines.append(f"Session: {request.session_key}" + (f" ({entry.label})" if entry and entry.label else ""))
        levels = {"thinking": settings.thinking_level, "verbose": settings.verbose_level}
        levels["reasoning"] = settings.reasoning_level
        lines.append("Levels: " + ", ".join(f"{name} {level or 'default'}" for name, level in levels.items()))
        options = self._flow.options(request.channel, settings)
        waiting = self._flow.waiting(request.session_key)
        at_work = len(self._flow.live(request.session_key))
        lines.append(f"Queue: {options.mode}; {at_work} at work, {waiting} waiting")
        return Done("\n".join(lines))

    async def _models(self, command: Command, message: ChatMessage) -> Done:
        wanted = command.text.lower()
        found = [info for info in self._rooms.models.catalog() if not wanted or info.provider == wanted]
        if not found:
            return Done(f"There are no models of {command.text}." if wanted else "There are no models.")
        more = [f"and {len(found) - MAX_LISTED} more"] if len(found) > MAX_LISTED else []
        return Done(
            "\n".join([*(f"{info.ref} ({info.context_window:,} tokens)" for info in found[:MAX_LISTED]), *more])
        )

    # -- a new beginning

    async def _new(self, command: Command, message: ChatMessage) -> Done:
        key = message.request.session_key
        self._flow.forget(key, "reset")
        runs = [run for run in self._rooms.engine.live() if key in (run.request.session_key, run.request.spawned_by)]
        await self.stop_runs(runs, message.principal, "reset")
        ref, text = self._leading_model(command.text) if command.name == "new" else ("", command.text)
        await self._rooms.sessions.reset(key)
        if ref:
            await self._set_model(message, ref)
        return Done(message=text or GREETING)

    def _leading_model(self, text: str) -> tuple[str, str]:
        """The model that C{/new} names first, if it is one, and the rest."""
        word, rest = _first_word(text)
        known = {name.lower(): info.ref for info in self._rooms.models.catalog() for name in (info.ref, info.id)}
        ref = known.get(word.lower(), "")
        if not ref and word:
            try:
                info = self._rooms.models.info(word)
            except GatewayError:
                return "", text
            # A provider that takes every name would take any word for a model; an alias stands for another one.
            ref = info.ref if "/" in word or info.id.lower() != word.lower() else ""
        return (ref, rest) if ref else ("", text)

    # -- to choose

    async def _model(self, command: Command, message: ChatMessage) -> Done:
        word, rest = _first_word(command.text)
        if word.lower() in ("list", "ls"):
            return await self._models(Command("models", rest), message)
        if word.lower() in ("", "status"):
            settings = await self._settings_of(message)
            agent = self._agent(message)
            default = agent.models[0] if agent.models else "none"
            return Done(f"Model: {settings.model_ref or default}. The agent's own is {default}. /models lists them.")
        if word.lower() in ("default", "reset") and not rest:
            await self._patch(message, provider_override="", model_override="")
            return Done("This conversation goes on with the agent's own model.")
        info = self._rooms.models.info(word)
        if rest:
            return Done(message=rest, model=info.ref)
        await self._set_model(message, info.ref)
        return Done(f"This conversation goes on with {info.ref}.")

    async def _think(self, command: Command, message: ChatMessage) -> Done:
        word, rest = _first_word(command.text)
        if not word:
            level = (await self._settings_of(message)).thinking_level
            return Done(f"Thinking level: {level or 'default'}. There are: {', '.join(LEVELS)}, default.")
        if word.lower() == "default" and not rest:
            await self._patch(message, thinking_level="")
            return Done("Thinking level: default.")
        level = thinking_level(word)
        if not level:
            return Done(f"There is no thinking level {word!r}. There are: {', '.join(LEVELS)}, default.")
        if rest:
            return Done(message=rest, thinking=level)
        await self._patch(message, thinking_level=level)
        return Done(f"Thinking level: {level}.")

    async def _verbose(self, command: Command, message: ChatMessage) -> Done:
        return await self._switch(command, message, "verbose_level", SWITCH)

    async def _reasoning(self, command: Command, message: ChatMessage) -> Done:
        return await self._switch(command, message, "reasoning_level", {**SWITCH, "stream": "stream"})

    async def _switch(self, command: Command, message: ChatMessage, field: str, values: Mapping[str, str]) -> Done:
        name = command.spec.name.capitalize()
        word = command.text.lower()
        if not word:
            level = getattr(await self._settings_of(message), field)
            return Done(f"{name}: {level or 'default'}.")
        if word != "default" and word not in values:
            return Done(f"Usage: /{command.name} {command.spec.arguments}")
        level = values.get(word, "")
        await self._patch(message, **{field: level})
        return Done(f"{name}: {level or 'default'}.")

    async def _queue(self, command: Command, message: ChatMessage) -> Done:
        changes: dict[str, Any] = {}
        for word in command.words:
            option = _OPTION.fullmatch(word)
            if word.lower() in ("default", "reset"):
                changes.update(queue_mode="", queue_debounce_ms=None, queue_cap=None, queue_drop="")
            elif word.lower() in MODES:
                changes["queue_mode"] = word.lower()
            elif option is None:
                return Done(f"There is no queue option {word!r}. Usage: /queue {command.spec.arguments}")
            else:
                changes.update(_queue_option(option[1].lower(), option[2].lower()))
        if changes:
            await self._patch(message, **changes)
        options = self._flow.options(message.request.channel, await self._settings_of(message))
        return Done(
            f"Queue: {options.mode}, debounce {options.debounce_ms} ms, cap {options.cap}, drop {options.drop}; "
            f"{self._flow.waiting(message.request.session_key)} waiting."
        )

    async def _send(self, command: Command, message: ChatMessage) -> Done:
        policies = {"on": "allow", "allow": "allow", "off": "deny", "deny": "deny", "inherit": "", "default": ""}
        word = command.text.lower()
        if word not in policies:
            return Done(f"Usage: /send {command.spec.arguments}")
        await self._patch(message, send_policy=policies[word])
        return Done(f"Answers here: {policies[word] or 'as configured'}.")

    # -- to do

    async def _compact(self, command: Command, message: ChatMessage) -> Done:
        done = await self._rooms.compactor.compact(message.request.session_key, command.text)
        if not done.compacted:
            return Done(f"Nothing was summarised: {done.reason}")
        return Done(f"Summarised: {done.tokens_before:,} tokens before, {done.tokens_after:,} after.")

    async def _subagents(self, command: Command, message: ChatMessage) -> Done:
        key = message.request.session_key
        children = [run for run in self._rooms.engine.live() if run.request.spawned_by == key]
        seen = [run for run in children if sees_run(message.principal, run)]
        word = command.text.lower() or "list"
        if word == "stop":
            stopped = await self.stop_runs(seen, message.principal, "stop")
            return Done(f"Stopped {len(stopped)} sub-agent{'' if len(stopped) == 1 else 's'}.")
        if word != "list":
            return Done("Usage: /subagents list | stop")
        if not seen:
            return Done("No sub-agents are at work.")
        return Done("\n".join(f"{run.request.run_id}: {run.status}, {run.request.session_key}" for run in seen))

    async def _approve(self, command: Command, message: ChatMessage) -> Done:
        words = command.words
        if len(words) != 2 or words[1].lower() not in DECISIONS:
            return Done(f"Usage: /approve {command.spec.arguments}")
        decision: Any = words[1].lower()
        if not self._rooms.approvals.resolve(words[0], decision, message.principal):
            return Done(f"There is no question {words[0]} (any more).")
        return Done(f"Answered {words[0]}: {decision}.")

    # -- inside

    def _agent(self, message: ChatMessage) -> Agent:
        agent = agents_for(self._rooms.agents, message.principal).get(message.request.agent_id)
        if agent is None:
            raise GatewayError("invalid_request", f"Unknown agent '{message.request.agent_id}'.")
        return agent

    async def _settings_of(self, message: ChatMessage) -> SessionSettings:
        entry = await self._rooms.sessions.get(message.request.session_key)
        return entry.settings if entry is not None else SessionSettings()

    async def _set_model(self, message: ChatMessage, ref: str) -> None:
        info = self._rooms.models.info(ref)
        await self._patch(message, provider_override=info.provider, model_override=info.id)

    async def _patch(self, message: ChatMessage, **fields: Any) -> None:
        """Set something for the session, which is made if need be."""

        def change(entry: SessionEntry) -> SessionEntry:
            return replace(entry, settings=replace(entry.settings, **fields))

        request = message.request
        await self._rooms.sessions.patch(request.session_key, change, agent_id=request.agent_id)


def _first_word(text: str) -> tuple[str, str]:
    """The first word, and what comes behind it, in the same line or in the next ones."""
    word, rest = [*text.split(maxsplit=1), "", ""][:2]
    return word, rest


def _queue_option(name: str, value: str) -> dict[str, Any]:
    """
    @raise GatewayError: C{invalid_request}: the value is none.
    """
    if name == "drop" and value in ("summarize", "old", "new"):
        return {"queue_drop": value}
    if name == "cap" and value.isascii() and value.isdigit() and 1 <= int(value) <= 1000:
        return {"queue_cap": int(value)}
    found = _DURATION.fullmatch(value)
    if name == "debounce" and found is not None:
        return {"queue_debounce_ms": int(found[1]) * _UNITS[found[2] or ""]}
    raise GatewayError("invalid_request", f"{value!r} is no value for {name}")


__all__ = ["Done", "Orders", "Rooms"]
