# -*- test-case-name: tests.runs.test_compactor,tests.runs.test_overflow,tests.runs.test_memory_flush -*-
"""What is due before a turn of a session: news for the agent, writing down what lasts, summarising (spec 4.6).

It is done at the start of the turn that needs it, in that turn's lane and by that turn's run: its watchers see why they
wait, its usage counts it, its abort ends it, and a crash leaves nothing half done.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from twisted.internet.defer import CancelledError

from openclaw_tx.agents.sections import SILENT_TOKEN
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import TurnStart
from openclaw_tx.runs import compaction
from openclaw_tx.runs.compactor import ConversationCompactor, Subject
from openclaw_tx.runs.dialogue import Dialogue
from openclaw_tx.runs.loop import AgentLoop
from openclaw_tx.runs.rooms import Premises
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.values import Agent, Entry, Message, Sampling, SessionEntry, TextPart, ToolChoice, UserMessage

NEWS = "System: "
"""Begins each line of a message that tells an agent the news."""
WRITERS = frozenset({"write", "edit", "apply_patch", "exec"})
"""Tools with which an agent can write something down."""
FLUSH = (
    "This conversation will soon be shortened. Write down now what should outlast it: facts, decisions, preferences "
    "and open tasks, in memory/ or MEMORY.md of your workspace, adding to what is there. Then answer "
    f"{SILENT_TOKEN}; if there is nothing to write down, answer {SILENT_TOKEN} at once. The user does not see this."
)


class Upkeep:
    """One for all runs; it holds nothing."""

    def __init__(self, premises: Premises, compactor: ConversationCompactor) -> None:
        self._premises = premises
        self._compactor = compactor

    def begun(self, turn: TurnStart) -> tuple[Dialogue, Sequence[str]]:
        """The conversation of a session's turn, with the news for its agent before the client's message.

        @return: besides, the news, which L{over} takes.
        """
        dialogue = Dialogue(turn.history, turn.added)
        news = self._premises.rooms.events.take(turn.entry.key)
        if news:
            dialogue.added.insert(max(0, len(dialogue.added) - 1), self._note(news))
        dialogue.noted = len(dialogue.added)
        return dialogue, news

    def over(self, run: AgentRun, dialogue: Dialogue, news: Sequence[str]) -> None:
        """The turn is. When the model has not said a word in it, its successor is to be told the news: the model may
        not be shown a turn that came to nothing, and has not answered it in any case."""
        if not news or run.open_text or dialogue.answered:
            return
        noted = "\n".join(f"{NEWS}{text}" for text in news)
        dialogue.added = [each for each in dialogue.added if not (isinstance(each, UserMessage) and each.text == noted)]
        for text in news:
            self._premises.rooms.events.add(run.request.session_key, text)

    async def before(
        self, run: AgentRun, agent: Agent, dialogue: Dialogue, subject: Subject, entry: SessionEntry
    ) -> None:
        """Write down what lasts and compact, where either is due. Their failures are logged; the turn goes on."""
        settings = self._premises.settings().agents.defaults.compaction
        if not settings.enabled:
            return
        limits = self._compactor.limits(subject.choice)
        size = compaction.size(dialogue.read())
        if size > limits.flush and self._may_flush(run, agent, subject, entry):
            await self._flush(run, agent, dialogue, subject, entry)
        if size > limits.threshold:
            await self._compactor.told(run, dialogue, subject, overflow=False)

    def _may_flush(self, run: AgentRun, agent: Agent, subject: Subject, entry: SessionEntry) -> bool:
        """Once between two compactions, for conversations with people, and where the agent can write."""
        if not self._premises.settings().agents.defaults.compaction.memory_flush.enabled:
            return False
        if run.request.spawned_by or run.request.trigger == "heartbeat":
            return False
        if entry.settings.memory_flush_compaction_count == entry.settings.compaction_count:
            return False
        tools = self._premises.rooms.tools.allowed(agent, subject.choice.info.ref)
        return any(tool.spec.name in WRITERS for tool in tools)

    async def _flush(
        self, run: AgentRun, agent: Agent, dialogue: Dialogue, subject: Subject, entry: SessionEntry
    ) -> None:
        """A turn that nobody sees, and that the transcript does not hold."""
        premises = self._premises
        prompt = premises.settings().agents.defaults.compaction.memory_flush.prompt or FLUSH
        history: list[Message] = list(dialogue.history)
        request = replace(
            run.request,
            run_id=f"{run.request.run_id}:memory",
            messages=(self._said(prompt),),
            trigger="memory",
            sampling=Sampling(),
            tools=(),
            tool_choice=ToolChoice(),
            stream=False,
        )
        silent = AgentRun(request, run.principal, premises.clock, _unwatched)
        silent.start(entry.session_id)
        try:
            await AgentLoop(silent, agent, Dialogue(history, request.messages), subject, premises, None).work()
        except CancelledError:
            raise
        except GatewayError as error:
            premises.log.warn("memory flush of {key}: {error}", key=entry.key, error=error.info.message)
        except Exception:
            premises.log.failure("memory flush of {key} failed", key=entry.key)
        finally:
            run.spend(silent.usage)
        await self._flushed(entry)

    async def _flushed(self, entry: SessionEntry) -> None:
        """Not again before the next compaction, whether it went well or not."""
        now = self._premises.now_ms()
        count = entry.settings.compaction_count

        def flushed(found: SessionEntry) -> SessionEntry:
            settings = replace(found.settings, memory_flush_at=now, memory_flush_compaction_count=count)
            return replace(found, settings=settings)

        try:
            await self._premises.rooms.sessions.patch(entry.key, flushed)
        except GatewayError as error:
            self._premises.log.warn("memory flush of {key}: {error}", key=entry.key, error=error.info.message)

    def _note(self, news: Sequence[str]) -> UserMessage:
        return self._said("\n".join(f"{NEWS}{text}" for text in news))

    def _said(self, text: str) -> UserMessage:
        return UserMessage(content=(TextPart(text=text),), timestamp_ms=self._premises.now_ms())


def _unwatched(run: AgentRun, batch: Sequence[Entry]) -> None:
    """Nobody is told of a silent turn."""


__all__ = ["FLUSH", "NEWS", "Upkeep"]
