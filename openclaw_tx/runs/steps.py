# -*- test-case-name: tests.runs.test_steps -*-
"""What a session's run has done so far is written down before its tools go to work.

A turn is stored when it ends. A crash before that must not make the agent forget what its tools have done, or it would
do it again. A run without tools writes nothing here, and none waits for a disk: what is written outlives the process.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from twisted.internet.defer import CancelledError

from openclaw_tx.deferreds import spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.runs.dialogue import Dialogue
from openclaw_tx.runs.rooms import Premises
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.values import AssistantMessage, CompactionMessage, Message, Step, ToolCall, ToolResultMessage

MAX_STEPS = 8 * 1024 * 1024
"""Characters of the steps of one run; of what comes after that only what was called is written down."""

INTERRUPTED = "(The gateway went down before this call had ended: it was done in whole, in part or not at all.)"
"""The result of a call whose end nobody has seen."""

NOT_KEPT = "(The call had ended. Its result was too long to be kept when the gateway went down.)"


class Steps:
    """Notes the messages of one turn, numbered from its input on."""

    __slots__ = ("_dialogue", "_first", "_input", "_left", "_premises", "_run")

    def __init__(self, run: AgentRun, dialogue: Dialogue, premises: Premises) -> None:
        self._run = run
        self._dialogue = dialogue
        self._premises = premises
        self._input = dialogue.noted or 0
        self._left = MAX_STEPS
        self._first: int | None = None
        """Where the results of the calls at work belong; None = their beginning was not written."""

    async def begin(self, calls: Sequence[ToolCall]) -> None:
        """Note that these calls of the newest message begin, and all that was not noted before. Each has a result from
        now on, which L{done} replaces, so what is written is good as a transcript at any time.

        A store that does not take it is no reason not to work; the next call tries to write it all.
        """
        dialogue, run = self._dialogue, self._run
        if dialogue.noted is None:
            return
        now = self._premises.now_ms()
        self._first = len(dialogue.added)
        open_ = [
            ToolResultMessage(
                tool_call_id=call.id, tool_name=call.name, text=INTERRUPTED, is_error=True, timestamp_ms=now
            )
            for call in calls
        ]
        written = dialogue.noted
        steps = [self._step(place, message) for place, message in enumerate(dialogue.added[written:], written)]
        steps += [Step(number=self._first - self._input + number, message=each) for number, each in enumerate(open_)]
        run.stepped = True
        dialogue.noted = self._first + len(calls)
        if not await self._write(steps):
            dialogue.noted, self._first = written, None

    def done(self, number: int, result: ToolResultMessage) -> None:
        """Note the result of a call that L{begin} was given. It is written in the moment after; nobody waits."""
        if self._first is not None:
            step = self._step(self._first + number, result)
            spawn(self._done(step), self._premises.log, f"a step of run {self._run.request.run_id}")

    async def _done(self, step: Step) -> None:
        if not await self._write([step]) and self._dialogue.noted is not None:
            self._dialogue.noted = min(self._dialogue.noted, self._input + step.number)

    async def _write(self, steps: Sequence[Step]) -> bool:
        run, log = self._run, self._premises.log
        try:
            await self._premises.rooms.sessions.step(run.stored(), steps, len("\n\n".join(run.payloads)))
        except CancelledError:
            raise
        except GatewayError as error:
            what = error.info.message
            log.warn("what run {run} does can not be written down: {error}", run=run.request.run_id, error=what)
            return False
        return True

    def _step(self, place: int, message: Message) -> Step:
        kept = _within(message, self._left)
        self._left = max(0, self._left - _size(kept))
        return Step(number=place - self._input, message=kept)


def _within(message: Message, room: int) -> Message:
    """The message without what may be of any size; without its content when there is no room for that."""
    if isinstance(message, ToolResultMessage):
        text = message.text if len(message.text) <= room else NOT_KEPT
        return replace(message, text=text or ("[image]" if message.images else ""), images=(), details=None)
    if isinstance(message, AssistantMessage) and _size(message) > room:
        calls = tuple(replace(call, arguments="{}") for call in message.tool_calls)
        return replace(message, text=message.text[:room], reasoning="", opaque="", tool_calls=calls)
    return message


def _size(message: Message) -> int:
    if isinstance(message, AssistantMessage):
        said = len(message.text) + len(message.reasoning) + len(message.opaque)
        return said + sum(len(call.arguments) for call in message.tool_calls)
    return len(message.summary if isinstance(message, CompactionMessage) else message.text)


__all__ = ["INTERRUPTED", "MAX_STEPS", "NOT_KEPT", "Steps"]
