# -*- test-case-name: tests.web.test_chat,tests.web.test_responses,tests.web.test_responses_stream -*-
"""Runs as answers to requests, whichever API asked: start it, name it in the headers, send it whole or as a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.config.schema_gateway import AnswerEndpoint
from openclaw_tx.interfaces import Authenticator, Run
from openclaw_tx.values import Principal, RunRequest, RunResult
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.run_stream import RunStream, StreamOptions, StreamWriter, whole_result
from openclaw_tx.web.starting import Known, Starter
from openclaw_tx.web.timing import show_timing


class Rendering(NamedTuple):
    """A run in the words of one API."""

    whole: Callable[[RunResult], bytes]
    """The body of an answer that is not streamed."""
    writer: Callable[[], StreamWriter]
    """The frames of one that is."""


class Answers:
    """Starts runs and sends what they say."""

    def __init__(self, starter: Starter, authenticator: Authenticator, clock: IReactorTime) -> None:
        self._starter = starter
        self._authenticator = authenticator
        self._clock = clock
        self._log = Logger()

    async def send(
        self,
        exchange: Exchange,
        principal: Principal,
        request: RunRequest,
        render: Callable[[Run], Rendering],
        settings: AnswerEndpoint,
        known: Known | None = None,
    ) -> None:
        """Run an agent and send what it says; C{request.stream} says how.

        @param known: as L{Starter.start} takes it.
        @raise GatewayError: the run was not admitted, or failed before a status went out.
        """
        run = await self._starter.start(exchange, principal, request, known=known)
        rendering = render(run)
        if not request.stream:
            result = await whole_result(run)
            show_timing(exchange, run.times)
            exchange.set_header("X-Openclaw-Model", f"{result.provider}/{result.model}")
            exchange.send_json(rendering.whole(result))
            return
        keep_alive, hold = settings.keep_alive_seconds, settings.hold_status_seconds
        options = StreamOptions(
            keep_alive=keep_alive,
            # To a proxy in front, a status that is held back is silence too.
            hold=min(hold, keep_alive) if keep_alive else hold,
            still_valid=lambda: self._authenticator.is_valid(principal),
        )
        await RunStream(run, exchange, rendering.writer(), options, self._clock, self._log).follow()


__all__ = ["Answers", "Rendering"]
