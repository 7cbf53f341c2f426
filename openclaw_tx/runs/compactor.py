# -*- test-case-name: tests.runs.test_compactor,tests.runs.test_overflow -*-
"""Has a model summarise the older part of a conversation, and puts the summary in its place (spec 4.6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from openclaw_tx.errors import GatewayError
from openclaw_tx.runs import compaction, summaries
from openclaw_tx.runs.choices import Choice
from openclaw_tx.runs.dialogue import Dialogue
from openclaw_tx.runs.reply import ReplyFilter
from openclaw_tx.runs.rooms import Premises
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.values import (
    Compacted,
    Compacting,
    CompactionMessage,
    Message,
    ModelEvent,
    ModelRequest,
    Sampling,
    SessionEntry,
    TextPart,
    Usage,
    UserMessage,
    Value,
)

CHARACTERS = 3
"""Of a summary's input for each token of room: fewer than most texts have, so that it fits."""
LEAST_ROOM = 2000
"""Characters of a piece below which no smaller ones are tried."""
RAW_MESSAGES = 200
"""Messages of a transcript that are looked through for where a mark's kept ones begin, besides those."""


class Subject(Value, frozen=True):
    """Whose conversation it is."""

    choice: Choice
    session: SessionEntry | None
    """None = nothing is stored of it."""
    agent_id: str
    name: str
    """For L{ModelRequest.session}."""
    traceparent: str
    spend: Callable[[Usage], None]
    """Told what each call has cost."""

    @property
    def auth_profile(self) -> str:
        """The key that was chosen for the session; "" = none was."""
        return self.session.settings.auth_profile_override if self.session is not None else ""


class ConversationCompactor:
    """One for all runs; it holds nothing."""

    def __init__(self, premises: Premises) -> None:
        self._premises = premises

    def limits(self, choice: Choice) -> compaction.Limits:
        """What there is room for, by the configuration of the moment."""
        return compaction.limits(self._premises.settings().agents.defaults.compaction, choice.window)

    async def told(self, run: AgentRun, dialogue: Dialogue, subject: Subject, *, overflow: bool) -> bool:
        """Compact a run's conversation, and tell its watchers.

        @param overflow: the provider has refused it as too long, and will be asked again.
        @return: whether it is shorter now. A failure is logged, and the run can go on as it was.
        """
        keep = self.limits(subject.choice).keep
        if not _place(dialogue.read(), keep, overflow):
            return False
        reason = "overflow" if overflow else "threshold"
        run.emit([Compacting(phase="start", reason=reason)])  # type: ignore[arg-type]
        done = False
        try:
            done = (await self.compact(dialogue, subject, keep, decisive=overflow)).compacted
        except GatewayError as error:
            log = self._premises.log
            log.warn("run {run}: no summary: {error}", run=run.request.run_id, error=error.info.message)
        finally:
            run.emit([Compacting(phase="end", reason=reason, ok=done, will_retry=done and overflow)])  # type: ignore[arg-type]
        return done

    async def compact(
        self, dialogue: Dialogue, subject: Subject, keep: int, *, decisive: bool = False, instructions: str = ""
    ) -> Compacted:
        """
        @param keep: tokens of the newest messages that stay.
        @param decisive: keep half of the conversation at most, rather than doing nothing.
        @raise GatewayError: as L{openclaw_tx.interfaces.Models.stream}, or the model gave no summary.
        """
        messages = dialogue.read()
        before = compaction.size(messages)
        place = _place(messages, keep, decisive)
        if not place:
            return Compacted(compacted=False, reason="nothing to compact", tokens_before=before)
        used: list[Usage] = []

        def spend(usage: Usage) -> None:
            used.append(usage)
            subject.spend(usage)

        gone, kept = messages[:place], messages[place:]
        summary = await self._summary(gone, subject, spend, instructions)
        if compaction.text_tokens(summary) >= sum(map(compaction.message_tokens, gone)):
            # Small models are given to that.
            return Compacted(
                compacted=False, reason="the summary was no shorter", tokens_before=before, usage=_sum(used)
            )
        if not await self._put(dialogue, subject, kept, summary, before):
            return Compacted(compacted=False, reason="the session has begun anew", tokens_before=before)
        return Compacted(
            compacted=True,
            summary=summary,
            kept=len(kept),
            tokens_before=before,
            tokens_after=compaction.size(dialogue.read()),
            usage=_sum(used),
        )

    async def _put(
        self, dialogue: Dialogue, subject: Subject, kept: Sequence[Message], summary: str, before: int
    ) -> bool:
        """Let the summary take the place of what is not kept.

        @return: False = the session is not the same any more.
        """
        sessions, session = self._premises.rooms.sessions, subject.session
        from_history = dialogue.in_history(len(kept))
        if from_history < 0 or session is None:
            asked = dialogue.asked()[: summaries.MAX_ASKED]
            if asked and not any(isinstance(each, UserMessage) and each.text.startswith(asked) for each in kept):
                summary = f"{summary}\n\nWhat the user has just asked, word for word:\n{asked}"
            raw = compaction.raw_count(dialogue.added, kept)
            dialogue.shorten_turn(self._mark(summary, raw, before))
            if session is not None:
                await sessions.patch(session.key, _counted)
            return True
        own = kept[:from_history]
        stored = await sessions.transcript(session.key, len(own) + RAW_MESSAGES) if own else ()
        mark = self._mark(summary, compaction.raw_count(stored, own), before)
        if not await sessions.compact(session.key, session.session_id, mark):
            return False
        dialogue.shorten_history(mark, from_history)
        return True

    def _mark(self, summary: str, kept: int, before: int) -> CompactionMessage:
        return CompactionMessage(summary=summary, kept=kept, tokens_before=before, timestamp_ms=self._premises.now_ms())

    async def _summary(
        self, messages: Sequence[Message], subject: Subject, spend: Callable[[Usage], None], instructions: str
    ) -> str:
        """Summarise piece by piece; each call carries on what the ones before it gave."""
        models = self._premises.rooms.models
        settings = self._premises.settings().agents.defaults.compaction
        own, refs = settings.model, subject.choice.refs
        refs = tuple(dict.fromkeys((own, *refs))) if own else refs
        info = models.info(refs[0])
        bounds = compaction.limits(settings, min(info.context_window, subject.choice.window))
        sampling = Sampling(max_tokens=max(256, min(info.max_tokens, int(bounds.reserve * 0.8))))
        first = messages[0]
        earlier = first.summary if isinstance(first, CompactionMessage) else ""
        room = max(LEAST_ROOM, (bounds.threshold * CHARACTERS) - len(earlier) - len(summaries.ASK) * 2)
        while True:
            try:
                summary = earlier
                for piece in summaries.pieces(messages, room):
                    question = summaries.question(summary, piece, instructions)
                    request = ModelRequest(
                        system=summaries.SYSTEM,
                        messages=(UserMessage(content=(TextPart(text=question),)),),
                        sampling=sampling,
                        traceparent=subject.traceparent,
                        session=subject.name,
                        agent_id=subject.agent_id,
                        auth_profile=subject.auth_profile,
                    )
                    summary = await self._asked(refs, request, spend)
                return summary
            except GatewayError as error:
                if error.info.code != "context_length_exceeded" or room <= LEAST_ROOM:
                    raise
                room = max(LEAST_ROOM, room // 2)

    async def _asked(self, refs: Sequence[str], request: ModelRequest, spend: Callable[[Usage], None]) -> str:
        reply = await self._premises.rooms.models.stream(refs, request, _unheard)
        spend(reply.usage)
        said = ReplyFilter()
        text = f"{said.feed(reply.text)[0]}{said.finish()[0]}".strip()[: summaries.MAX_SUMMARY]
        if not text:
            raise GatewayError("empty_response", f"The model {reply.provider}/{reply.model} gave no summary.")
        return text


def _place(messages: Sequence[Message], keep: int, decisive: bool) -> int:
    """Where to cut; 0 = there is nothing to cut off, or too little to be worth a summary.

    Where the prompt alone fills a small window, every turn is above the threshold, and would end in a summary of the
    one before.
    """
    if decisive:
        keep = min(keep, sum(map(compaction.message_tokens, messages)) // 2)
        return compaction.tightest_cut(messages, keep)
    place = compaction.cut(messages, keep)
    gone = (message for message in messages[:place] if not isinstance(message, CompactionMessage))
    return place if sum(map(compaction.message_tokens, gone)) >= keep // 2 else 0


def _unheard(events: Sequence[ModelEvent]) -> None:
    """Nobody watches a summary being written."""


def _counted(entry: SessionEntry) -> SessionEntry:
    """One compaction more."""
    return replace(entry, settings=replace(entry.settings, compaction_count=entry.settings.compaction_count + 1))


def _sum(used: Sequence[Usage]) -> Usage:
    total = Usage()
    for usage in used:
        total = total.plus(usage)
    return total


__all__ = ["ConversationCompactor", "Subject"]
