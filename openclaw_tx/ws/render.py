# -*- test-case-name: tests.ws.test_render -*-
"""Run entries as C{agent} and C{chat} events (spec 3.5, 2.10): each batch once, for all who watch.

The protocol repeats the whole text in each delta: of the message in C{agent} events, of the run in C{chat} events. That
text is kept escaped, so that a delta costs a copy and never a second look at the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from openclaw_tx.chat.values import Notice
from openclaw_tx.interfaces import Run
from openclaw_tx.values import (
    Compacting,
    Entry,
    MessageEnded,
    ModelAnswered,
    ReasoningDelta,
    RunEnded,
    RunResult,
    RunStarted,
    TextDelta,
    ToolEnded,
    ToolProgress,
    ToolStarted,
)
from openclaw_tx.wire.frames import encode, event_body

CHAT_PAUSE = 0.15
"""Seconds between two chat deltas of a run."""
MAX_EARLIER = 500_000
"""Bytes of a run's earlier messages, as JSON, that chat deltas repeat; what is longer is no longer told."""
BLANK_LINE = rb"\n\n"
"""Stands between messages, in JSON."""
MAX_THOUGHTS = 64 * 1024
"""Characters of one message's thoughts that are told."""
MAX_TOOL_TEXT = 8000
"""Characters of a tool's result, and bytes of its arguments, that an event carries."""


class Rendered(NamedTuple):
    """An event ready to be numbered for each connection."""

    body: bytes
    droppable: bool = False
    """May be skipped for a connection that does not keep up."""
    tool: bool = False
    """Only for clients with the capability C{tool-events}, unless the session is verbose."""


class RunRenderer:
    """The events of one run. Fed every batch of the run from some point on.

    @ivar chat_due: when held chat text should leave, by the clock of L{render}; None when none is held.
    """

    __slots__ = (
        "_afresh",
        "_agent",
        "_chat",
        "_chat_at",
        "_chat_from",
        "_earlier",
        "_fresh",
        "_run",
        "_seq",
        "_started_at",
        "_text",
        "_thoughts",
        "_ts",
        "chat_due",
    )

    def __init__(self, run: Run, seq: int = 0) -> None:
        """
        @param seq: number of the last event that came before; the next one has the next number.
        """
        request = run.request
        run_id, key, agent_id = (encode(value) for value in (request.run_id, request.session_key, request.agent_id))
        self._agent = b'{"runId":%b,"sessionKey":%b,"agentId":%b,"stream":' % (run_id, key, agent_id)
        self._chat = b'{"runId":%b,"sessionKey":%b,"agentId":%b,"seq":' % (run_id, key, agent_id)
        self._run = run
        self._thoughts = ""
        self._seq = seq
        self._text = bytearray()
        self._earlier = bytearray()
        self._fresh = True
        self._chat_from = 0
        self._afresh = False
        self._chat_at = float("-inf")
        self._started_at = run.started_at_ms
        self._ts = 0
        self.chat_due: float | None = None

    def catch_up(self, entries: Sequence[Entry]) -> None:
        """Take in what happened before anybody watched; nothing is rendered of it."""
        for entry in entries:
            event = entry.event
            if type(event) is TextDelta:
                self._add(event.text)
            elif type(event) is MessageEnded:
                self._fresh = True
            self._seq = entry.seq
        self._chat_from = len(self._earlier) + len(self._text)

    def render(self, entries: Sequence[Entry], now: float) -> Iterator[Rendered]:
        """
        @param now: seconds, for the pause between chat deltas.
        """
        pieces: list[str] = []
        for entry in entries:
            event = entry.event
            self._ts = entry.ts_ms
            if type(event) is TextDelta:
                pieces.append(event.text)
                continue
            if pieces:
                yield from self._delta(pieces, now)
            if type(event) is MessageEnded:
                self._fresh = True
                yield from self._thought_through()
            elif type(event) is ReasoningDelta:
                yield from self._thought(event.text)
            elif type(event) is RunStarted:
                self._started_at = entry.ts_ms
                yield self._event("lifecycle", {"phase": "start", "startedAt": entry.ts_ms})
            elif type(event) is ModelAnswered:
                yield self._event("lifecycle", {"phase": "model", "provider": event.provider, "model": event.model})
            elif isinstance(event, ToolStarted | ToolProgress | ToolEnded):
                yield self._event("tool", _tool(event), tool=True)
            elif type(event) is Compacting:
                yield self._event("compaction", _compaction(event))
            elif type(event) is RunEnded:
                yield from self._end(event.result)
        if pieces:
            yield from self._delta(pieces, now)

    def flush_chat(self, now: float) -> Iterator[Rendered]:
        """The chat text that was held back."""
        self.chat_due = None
        if self._chat_from < len(self._earlier) + len(self._text):
            self._chat_at = now
            whole = bytes(self._earlier) + self._text
            new, self._chat_from = whole[self._chat_from :], len(whole)
            afresh, self._afresh = b',"replace":true' if self._afresh else b"", False
            body = b'%b%d,"state":"delta","deltaText":"%b"%b,"message":%b}' % (
                self._chat,
                self._seq,
                new,
                afresh,
                self._message(whole),
            )
            yield Rendered(event_body("chat", body), droppable=True)

    def _add(self, text: str) -> bytes:
        """Append to the message's text.

        @return: the new piece, escaped.
        """
        if self._fresh:
            self._fresh = False
            self._begin()
        piece = encode(text)[1:-1]
        self._text += piece
        return piece

    def _begin(self) -> None:
        """A new message: what was said stands before it in chat, as long as it is not too much."""
        if not self._text:
            return
        if len(self._earlier) + len(self._text) <= MAX_EARLIER:
            self._earlier += self._text + BLANK_LINE
        else:
            self._earlier, self._chat_from, self._afresh = bytearray(), 0, True
        self._text = bytearray()

    def _delta(self, pieces: list[str], now: float) -> Iterator[Rendered]:
        text = "".join(pieces)
        pieces.clear()
        if self._fresh:
            yield from self.flush_chat(now)
        piece = self._add(text)
        yield self._raw_event(b"assistant", b'{"text":"%b","delta":"%b"}' % (bytes(self._text), piece))
        if now - self._chat_at >= CHAT_PAUSE:
            yield from self.flush_chat(now)
        elif self.chat_due is None:
            self.chat_due = self._chat_at + CHAT_PAUSE

    def _thought(self, text: str) -> Iterator[Rendered]:
        """More of what the model thinks, for sessions that tell of it (spec 3.5; stream C{thinking})."""
        if self._run.reasoning == "off" or len(self._thoughts) >= MAX_THOUGHTS:
            return
        self._thoughts += text
        if self._run.reasoning == "stream":
            yield self._event("thinking", {"text": self._thoughts, "delta": text})

    def _thought_through(self) -> Iterator[Rendered]:
        """The thoughts of a message, all at once."""
        thoughts, self._thoughts = self._thoughts, ""
        if thoughts and self._run.reasoning == "on":
            yield self._event("thinking", {"text": thoughts, "delta": thoughts})

    def _end(self, result: RunResult) -> Iterator[Rendered]:
        times: dict[str, Any] = {"endedAt": result.ended_at_ms or self._ts}
        if self._started_at:
            times["startedAt"] = self._started_at
        error = result.error.message if result.error is not None else result.status
        yield from self.flush_chat(self._chat_at)
        if result.status in ("ok", "aborted"):
            aborted = {"aborted": True} if result.status == "aborted" else {}
            yield self._event("lifecycle", {"phase": "end", **times, **aborted})
        else:
            yield self._event("lifecycle", {"phase": "error", "error": error, **times})
        if result.status == "ok":
            said = result.payloads[-1] if result.payloads else ""
            yield self._chat_end(b"final", said)
        elif result.status == "aborted":
            said = result.payloads[-1] if result.payloads else ""
            reason = encode(result.abort_reason or "aborted")
            yield self._chat_end(b"aborted", said, b',"stopReason":' + reason)
        else:
            yield self._chat_end(b"error", "", b',"errorMessage":' + encode(error))

    def _chat_end(self, state: bytes, said: str, more: bytes = b"") -> Rendered:
        if said.strip():
            more += b',"message":' + self._message(encode(said)[1:-1])
        return Rendered(event_body("chat", b'%b%d,"state":"%b"%b}' % (self._chat, self._seq, state, more)))

    def _message(self, text: bytes) -> bytes:
        text = b'{"type":"text","text":"%b"}' % text
        return b'{"role":"assistant","content":[%b],"timestamp":%d}' % (text, self._ts)

    def _event(self, stream: str, data: dict[str, Any], *, tool: bool = False) -> Rendered:
        return self._raw_event(stream.encode("ascii"), encode(data), tool=tool)

    def _raw_event(self, stream: bytes, data: bytes, *, tool: bool = False) -> Rendered:
        self._seq += 1
        body = b'%b"%b","data":%b,"seq":%d,"ts":%d}' % (self._agent, stream, data, self._seq, self._ts)
        return Rendered(event_body("agent", body), tool=tool)


def render_notice(notice: Notice, ts_ms: int) -> Rendered:
    """How a message came out that no run of its own tells of, as the one C{chat} event of its run id."""
    payload: dict[str, Any] = {
        "runId": notice.run_id,
        "sessionKey": notice.session_key,
        "agentId": notice.agent_id,
        "seq": 0,
        "state": notice.state,
    }
    if notice.text:
        content = [{"type": "text", "text": notice.text}]
        payload["message"] = {"role": "assistant", "content": content, "timestamp": ts_ms}
    if notice.state == "error":
        payload["errorMessage"] = notice.reason
    elif notice.state == "aborted":
        payload["stopReason"] = notice.reason
    return Rendered(event_body("chat", encode(payload)))


def _compaction(event: Compacting) -> dict[str, Any]:
    return {"phase": "start"} if event.phase == "start" else {"phase": "end", "willRetry": event.will_retry}


def _tool(event: ToolStarted | ToolProgress | ToolEnded) -> dict[str, Any]:
    if isinstance(event, ToolProgress):
        partial = {"content": [{"type": "text", "text": event.text[:MAX_TOOL_TEXT]}]}
        return {"phase": "update", "name": event.name, "toolCallId": event.call_id, "partialResult": partial}
    if isinstance(event, ToolStarted):
        arguments = encode(event.arguments)
        shown = event.arguments if len(arguments) <= MAX_TOOL_TEXT else {"bytes": len(arguments), "omitted": True}
        return {"phase": "start", "name": event.name, "toolCallId": event.call_id, "args": shown}
    text = event.text if len(event.text) <= MAX_TOOL_TEXT else event.text[:MAX_TOOL_TEXT] + "…(truncated)…"
    return {
        "phase": "result",
        "name": event.name,
        "toolCallId": event.call_id,
        "isError": event.is_error,
        "result": {"content": [{"type": "text", "text": text}]},
    }
