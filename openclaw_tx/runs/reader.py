# -*- test-case-name: tests.runs.test_engine,tests.runs.test_loop -*-
"""One model call's events become the run's: thinking and the calls of the agent's own tools stay inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from openclaw_tx.agents.silence import heartbeat_text
from openclaw_tx.errors import GatewayError
from openclaw_tx.runs.cut import stopped_early
from openclaw_tx.runs.reply import ReplyFilter
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.values import (
    ModelAnswered,
    ModelEvent,
    ModelReply,
    ReasoningDelta,
    RunEvent,
    TextDelta,
    ToolCallDelta,
)
from openclaw_tx.wire.pieces import Pieces

MAX_TEXT = 8 * 1024 * 1024
"""Characters a run may say, or one message of it say, think and ask tools for; beyond, it is stopped with
C{run_failed}."""

Showing = Literal["all", "json", "none"]
"""What of the text is shown as it comes: all, text that begins as JSON does, or nothing before L{CallReader.show}."""


class CallReader:
    """Reads one model call.

    @ivar shown: True once some of its text was shown.
    @ivar began: True once anything was handed on; the model can not be asked again as if nothing had been.
    @ivar silent: True when the model chose to say nothing.
    """

    __slots__ = (
        "_ack_max_chars",
        "_calls_seen",
        "_client_names",
        "_declined",
        "_filter",
        "_heard",
        "_indexes",
        "_length",
        "_refused",
        "_round",
        "_run",
        "_showing",
        "_text",
        "began",
        "shown",
        "silent",
    )

    def __init__(
        self,
        run: AgentRun,
        round_: int,
        client_names: frozenset[str],
        showing: Showing,
        ack_max_chars: int | None = None,
        *,
        directed: bool = True,
    ) -> None:
        """
        @param client_names: the client's own tools, whose calls are shown.
        @param ack_max_chars: it answers a heartbeat: nothing is shown before the end, and nothing at all when there is
            nothing to report (L{heartbeat_text}).
        @param directed: as for L{ReplyFilter}.
        """
        self.shown = False
        self.began = False
        self.silent = False
        self._run = run
        self._round = round_
        self._client_names = client_names
        self._showing = showing if ack_max_chars is None else "none"
        self._ack_max_chars = ack_max_chars
        self._filter = ReplyFilter(directed=directed)
        self._heard = False
        """Text came, whatever has become of it."""
        self._indexes: dict[int, int] = {}
        self._text = Pieces()
        self._declined = Pieces()
        self._refused = False
        """The refusal was shown."""
        self._length = 0
        self._calls_seen: set[int] = set()

    def take(self, batch: Sequence[ModelEvent]) -> None:
        """Hand a batch on."""
        self.began = True
        out: list[RunEvent] = []
        for event in batch:
            if type(event) is TextDelta:
                text = event.text
                self._heard = True
                if event.refusal:
                    self._decline(event, out)
                elif self._filter.passing and self._showing == "all" and "[" not in text and "\n" not in text:
                    self._text.append(text)
                    if len(self._text) >= self._text.most:
                        self._text.join()
                    out.append(event)
                    self.shown = True
                else:
                    self._text_and_thought(*self._filter.feed(text), out)
                self._length += len(text)
            elif type(event) is ToolCallDelta:
                self._tool_call(event, out)
                self._length += len(event.arguments)
            elif type(event) is ModelAnswered:
                self._run.provider, self._run.model = event.provider, event.model
                out.append(ModelAnswered(provider=event.provider, model=event.model, round=self._round))
            else:
                out.append(event)
                if type(event) is ReasoningDelta:
                    self._length += len(event.text)
        if out:
            self._run.emit(out)
        if max(self._run.text_length, self._length) > MAX_TEXT:
            raise GatewayError("run_failed", f"The answer grew past {MAX_TEXT} characters and was stopped.")

    def finish(self, reply: ModelReply) -> str:
        """Hand on what was held back, and what came with the reply alone: an embedder's provider may just give the
        whole back. Reasoning alone counts as the answer, if the model ended with it: what was cut
        short in the middle of it is no answer yet.

        @return: the text of this assistant message, but for what L{declined} says.
        """
        late: list[ModelEvent] = []
        if reply.text and not self._heard:
            late.append(TextDelta(text=reply.text, refusal=reply.refusal))
        if not self._calls_seen:
            for index, call in enumerate(reply.tool_calls):
                late.append(ToolCallDelta(index=index, id=call.id, name=call.name, arguments=call.arguments))
        if late:
            self.take(late)
        out: list[RunEvent] = []
        self._text_and_thought(*self._filter.finish(), out)
        self._run.direct(self._filter.media, self._filter.reply_to)
        self.silent = self._filter.silent
        ended = not (reply.tool_calls or stopped_early(reply))
        if ended and reply.reasoning and not self.said and not self._filter.reply_to:
            self._text_and_thought(reply.reasoning, "", out)
        if out:
            self._run.emit(out)
        text = self._text.text
        if self._ack_max_chars is None or reply.tool_calls:
            return text
        told = heartbeat_text(text, self._ack_max_chars)
        self.silent = self.silent or not (told or self.declined)
        self.show(told)
        return told

    @property
    def declined(self) -> str:
        """How the message declines to answer; "" = it does not."""
        return self._declined.text

    @property
    def said(self) -> bool:
        """Whether the message says anything, be it to a channel, or chose not to."""
        return self.silent or bool(self._filter.media) or bool("".join([*self._text, *self._declined]).strip())

    def show(self, text: str) -> None:
        """Show the whole message after all; of what was shown as it came nothing is shown again."""
        if text and not self.shown:
            self.shown = True
            self._run.emit([TextDelta(text=text)])
        if self._declined and not self._refused:
            self._refused = True
            self._run.emit([TextDelta(text=self.declined, refusal=True)])

    def _decline(self, event: TextDelta, out: list[RunEvent]) -> None:
        """A refusal is nobody's directive and in no format; it only has to be allowed to show."""
        self._declined.grow(event.text)
        if self._refused or self._showing != "none":
            self._refused = True
            out.append(event)

    def _text_and_thought(self, text: str, thought: str, out: list[RunEvent]) -> None:
        if thought:
            out.append(ReasoningDelta(text=thought))
        if not text:
            return
        self._text.grow(text)
        if self._showing == "json":
            self._decide()
            text = self._text.text
        if self._showing == "all":
            self.shown = True
            out.append(TextDelta(text=text))

    def _decide(self) -> None:
        """The first character tells JSON from prose."""
        start = self._text.text.lstrip()
        if start:
            self._showing = "all" if start[0] in "{[" else "none"

    def _tool_call(self, event: ToolCallDelta, out: list[RunEvent]) -> None:
        """Client tools are shown under indexes of their own, the agent's stay inside."""
        if event.index not in self._calls_seen:
            self._calls_seen.add(event.index)
            if event.name in self._client_names:
                self._indexes[event.index] = len(self._indexes)
        if event.index in self._indexes:
            out.append(
                ToolCallDelta(index=self._indexes[event.index], id=event.id, name=event.name, arguments=event.arguments)
            )


__all__ = ["MAX_TEXT", "CallReader", "Showing"]
