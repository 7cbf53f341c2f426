# -*- test-case-name: tests.ws.test_hub -*-
"""C{agent} and C{chat} events: what runs say, told to all who may read them (spec 2.7).

What a run says waits for the next round of the fan-out and is rendered then, once: the deltas of several turns make one
event when there is more to tell than can be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from openclaw_tx.auth.sight import run_target
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Authoriser, Run
from openclaw_tx.values import Entry, RunEnded
from openclaw_tx.wire.events import Event
from openclaw_tx.ws.fanout import Audience, Fanout
from openclaw_tx.ws.render import Rendered, RunRenderer
from openclaw_tx.ws.timers import Alarm, Timers

MAX_WAITING = 10_000
"""Entries of runs that wait for a round; with more they are rendered all the same."""
ROUNDING = 0.001
"""Seconds by which sums of times may be off."""


class RunEvents:
    """The live runs as clients follow them."""

    def __init__(self, fanout: Fanout, timers: Timers, authorise: Authoriser) -> None:
        self._fanout = fanout
        self._timers = timers
        self._authorise = authorise
        self._runs: dict[str, _Stream] = {}
        self._fresh: dict[str, _Stream] = {}
        self._waiting = 0
        self._chat: Alarm | None = None

    def on_batch(self, run: Run, entries: Sequence[Entry]) -> None:
        """A listener of the engine."""
        run_id = run.request.run_id
        stream = self._runs.get(run_id)
        if stream is None:
            stream = self._runs[run_id] = _Stream(run, entries[0].seq)
        stream.fresh += entries
        self._fresh[run_id] = stream
        if type(entries[-1].event) is RunEnded:
            self._runs.pop(run_id, None)
        self._waiting += len(entries)
        if self._waiting >= MAX_WAITING:
            self.collect()
        self._fanout.wake()

    def collect(self) -> None:
        """Post what waits."""
        if not self._fresh:
            return
        fresh, self._fresh, self._waiting = self._fresh, {}, 0
        now = self._timers.seconds()
        for run_id, stream in fresh.items():
            entries, stream.fresh = stream.fresh, []
            self._post(stream, stream.renderer.render(entries, now))
            due = stream.renderer.chat_due
            if due is not None and run_id in self._runs and self._chat is None and self._fanout:
                self._chat = self._timers.after(due - now, self._on_chat)

    def forget(self, audience: Audience) -> None:
        """It is gone."""
        for stream in self._runs.values():
            stream.readers.pop(audience, None)

    def clear(self) -> None:
        """Nobody is there: follow no run."""
        if self._chat is not None:
            self._chat.cancel()
            self._chat = None
        self._runs.clear()
        self._fresh.clear()
        self._waiting = 0

    def _on_chat(self) -> None:
        """The pause of at least one run is over."""
        self._chat = None
        self.collect()
        now = self._timers.seconds()
        later: list[float] = []
        for stream in list(self._runs.values()):
            due = stream.renderer.chat_due
            if due is not None and due <= now + ROUNDING:
                self._post(stream, stream.renderer.flush_chat(now))
            elif due is not None:
                later.append(due)
        if later and self._chat is None and self._fanout:
            self._chat = self._timers.after(min(later) - now, self._on_chat)

    def _post(self, stream: _Stream, events: Iterable[Rendered]) -> None:
        def hears(audience: Audience) -> bool:
            known = stream.readers.get(audience)
            if known is None:
                known = stream.readers[audience] = audience.may(self._authorise, "runs.events", stream.target)
            return known

        def hears_tools(audience: Audience) -> bool:
            return (audience.tools or stream.verbose) and hears(audience)

        for event in events:
            self._fanout.post(Event(event.body, event.droppable), hears_tools if event.tool else hears)


class _Stream:
    """A live run as the hub follows it.

    @ivar fresh: entries that have not been rendered.
    @ivar readers: whether an audience may read the run.
    """

    __slots__ = ("_run", "fresh", "readers", "renderer", "target")

    def __init__(self, run: Run, first: int) -> None:
        """
        @param first: journal number of the first entry that will be rendered; what came before is caught up with.
        """
        self._run = run
        self.renderer = RunRenderer(run)
        self.fresh: list[Entry] = []
        self.readers: dict[Audience, bool] = {}
        self.target = run_target(run)
        if first > 1:
            self._catch_up(run, first)

    @property
    def verbose(self) -> bool:
        """Everybody is told of tools."""
        return self._run.verbose

    def _catch_up(self, run: Run, first: int) -> None:
        past: list[Entry] = []
        try:
            run.watch(past.extend)()
        except GatewayError:
            return  # the beginning is no longer held: the text starts here
        self.renderer.catch_up([entry for entry in past if entry.seq < first])


__all__ = ["RunEvents"]
