# -*- test-case-name: tests.chat.test_desk -*-
"""Where chat messages are handed in: commands are carried out, the rest goes to the agent (spec 2.10)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from msgspec.structs import replace

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.auth.actions import missing_scope, sufficient
from openclaw_tx.chat.commands import Command, parse
from openclaw_tx.chat.flow import ChatFlow
from openclaw_tx.chat.known import Status
from openclaw_tx.chat.orders import Done, Orders, Rooms
from openclaw_tx.chat.values import ChatMessage, Notice
from openclaw_tx.deferreds import spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions.titles import GREETING
from openclaw_tx.values import AssistantMessage, TextPart, UserMessage

KEPT = 1000
"""Commands that are remembered, so that a repeated key does nothing."""


class ChatDesk:
    """Takes messages of chat clients."""

    def __init__(self, rooms: Rooms, flow: ChatFlow, clock: IReactorTime) -> None:
        self.flow = flow
        self._rooms = rooms
        self._orders = Orders(rooms, flow)
        self._clock = clock
        self._log = Logger()
        self._commands: OrderedDict[str, tuple[str, str, bool]] = OrderedDict()
        """Run id of a command -> who sent what, and whether it is done."""
        self._at_work: set[Deferred[None]] = set()

    def command_in(self, message: ChatMessage) -> Command | None:
        """The command that a message is; None = it is for the agent."""
        settings = self._rooms.settings()
        if not settings.commands.text or message.verbatim or not message.plain:
            return None
        return parse(message.text, settings.session.reset_triggers)

    def before(self, message: ChatMessage) -> Status | None:
        """What became of a message that was handed in under this key before; None = there was none, or a run has read
        it.

        @raise GatewayError: as L{openclaw_tx.chat.known.KnownMessages.before}.
        """
        known = self._commands.get(message.request.run_id)
        if known is not None:
            message.check(*known[:2])
            return "ok" if known[2] else "in_flight"
        return self.flow.known.before(message)

    async def take(self, message: ChatMessage) -> None:
        """Take a message: carry its command out, in the background, or have the agent read it. Under one key that is
        done once.

        @raise GatewayError: C{insufficient_scope}, or as L{before} and L{ChatFlow.send}.
        """
        command = self.command_in(message)
        if command is None:
            entry = await self._rooms.sessions.get(message.request.session_key)
            self.flow.send(message, entry.settings if entry is not None else None)
            return
        if message.principal.scopes.isdisjoint(sufficient(command.spec.scope)):
            raise missing_scope(command.spec.scope)
        if self.before(message) is not None:
            return  # the same message came again while this one was looked at, and was quicker
        self._remember(message, False)
        work: Deferred[None] = spawn(self._carry_out(command, message), self._log, f"/{command.name}")
        if not work.called:
            self._at_work.add(work)
            work.addBoth(lambda _: self._at_work.discard(work))

    def close(self) -> None:
        """Take nothing more: what waits is forgotten, commands at work are given up; their senders are told."""
        self.flow.close()
        for work in list(self._at_work):
            work.cancel()

    async def _carry_out(self, command: Command, message: ChatMessage) -> None:
        goes_on = False
        try:
            done = await self._orders.carry_out(command, message)
            if done.message:
                await self._go_on(message, done)
                goes_on = True
                return
            if done.reply:
                await self._keep(message, done.reply)
            self._tell(message, "final", text=done.reply)
        except CancelledError:
            self._tell(message, "aborted", reason="shutdown")
            raise
        except GatewayError as error:
            self._tell(message, "error", reason=error.info.message)
        except Exception:
            self._log.failure("/{name} failed", name=command.name)
            self._tell(message, "error", reason="internal error")
        finally:
            if goes_on:
                self._commands.pop(message.request.run_id, None)  # its key is the run's from now on
            else:
                self._remember(message, True)

    async def _go_on(self, message: ChatMessage, done: Done) -> None:
        """The agent reads what stood behind the command."""
        request = message.request
        [whole] = request.messages
        assert isinstance(whole, UserMessage)
        # In a group the name of who speaks stands before the command.
        named = done.message != GREETING and whole.text.endswith(message.text)
        text = f"{whole.text.removesuffix(message.text)}{done.message}" if named else done.message
        said = UserMessage(content=(TextPart(text=text),), timestamp_ms=self._now_ms())
        request = replace(
            request,
            messages=(said,),
            thinking=done.thinking or request.thinking,
            model=done.model or request.model,
        )
        entry = await self._rooms.sessions.get(request.session_key)
        following = replace(message, request=request, text=text)
        self.flow.send(following, entry.settings if entry is not None else None)

    async def _keep(self, message: ChatMessage, reply: str) -> None:
        """The command stands in the transcript, where a chat window looks for what it sent, and its answer as one that
        no model gave."""
        request = message.request
        answer = AssistantMessage(text=reply, stop_reason="injected", timestamp_ms=self._now_ms())
        await self._rooms.sessions.append(
            request.session_key, [*request.messages, answer], agent_id=request.agent_id, run_id=request.run_id
        )

    def _remember(self, message: ChatMessage, done: bool) -> None:
        self._commands[message.request.run_id] = (message.principal.id, message.request.fingerprint, done)
        while len(self._commands) > KEPT:
            self._commands.popitem(last=False)

    def _tell(self, message: ChatMessage, state: Literal["final", "error", "aborted"], **words: str) -> None:
        request = message.request
        self.flow.notify(
            Notice(
                run_id=request.run_id,
                session_key=request.session_key,
                agent_id=request.agent_id,
                owner_id=message.principal.id,
                state=state,
                **words,
            )
        )

    def _now_ms(self) -> int:
        return int(self._clock.seconds() * 1000)


__all__ = ["ChatDesk"]
