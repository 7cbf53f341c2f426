# -*- test-case-name: tests.cli.test_local -*-
"""C{openclaw-tx agent --local}: the same engine, in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from openclaw_tx.cli.agent import Turn
from openclaw_tx.cli.errors import CommandError
from openclaw_tx.config.load import Loaded
from openclaw_tx.gateway import Gateway
from openclaw_tx.values import Entry, MessageEnded, RunResult, TextDelta, ToolStarted
from openclaw_tx.ws.rpc.results import final


def quiet_gateway(reactor: Any, loaded: Loaded) -> Gateway:
    """One that does nothing by itself: jobs and heartbeats are for the gateway that serves."""
    return Gateway(reactor, loaded, automation=False)


async def run_here(
    reactor: Any, loaded: Loaded, turn: Turn, build: Callable[[Any, Loaded], Gateway] = quiet_gateway
) -> None:
    """Run C{turn} on a gateway of its own that listens nowhere, and close that again.

    @param build: makes the gateway.
    @raise CommandError: the run failed.
    @raise GatewayError: it was not admitted.
    """
    gateway = build(reactor, loaded)
    gateway.startService()
    try:
        result = await _ask(gateway, turn)
    except OSError:
        raise  # nobody reads what we write any more
    except BaseException:
        turn.end_line()
        raise
    finally:
        await gateway.stopService()
    if result.problem:
        turn.end_line()
        raise CommandError(result.problem)
    turn.show(final(result))


async def _ask(gateway: Gateway, turn: Turn) -> RunResult:
    """Run the agent; whoever writes the answer may fail (a closed pipe), which ends the run."""
    broken: list[Exception] = []
    asked: list[Deferred[RunResult]] = []

    def on_event(entry: Entry) -> None:
        if broken:
            return
        try:
            turn_event(turn, entry)
        except Exception as error:
            broken.append(error)
            for running in asked:
                running.cancel()

    running = gateway.run_agent(
        turn.message,
        agent_id=turn.agent_id,
        session_key=turn.session_key or "main",
        timeout_s=turn.timeout,
        run_id=turn.run_id,
        on_event=on_event,
    )
    asked.append(running)
    if broken:
        running.cancel()
    try:
        return await running
    except Exception:
        if broken:
            raise broken[0] from None
        raise


def turn_event(turn: Turn, entry: Entry) -> None:
    """Show an entry of the run's journal."""
    if turn.answer is None:
        return
    match entry.event:
        case TextDelta(text=text):
            turn.answer.text(text)
        case MessageEnded():
            turn.answer.message_ended()
        case ToolStarted(name=name):
            turn.answer.tool(name)


__all__ = ["run_here"]
