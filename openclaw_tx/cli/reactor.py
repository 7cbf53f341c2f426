# -*- test-case-name: tests.cli.test_reactor -*-
"""Runs a verb's coroutine in the reactor: errors become one line, Ctrl-C lets the verb clean up first."""

from __future__ import annotations

import signal
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet import task
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.python.failure import Failure

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.errors import ConfigError, GatewayError

INTERRUPTED = 128 + signal.SIGINT
"""Exit code after Ctrl-C."""

CLEANUP_SECONDS = 5.0
"""How long a verb may take to clean up after Ctrl-C."""

Verb = Callable[[Any], Coroutine[Deferred[Any], Any, None]]
"""A verb's work: takes the reactor."""


def run(verb: Verb, reactor: Any = None) -> None:
    """Run C{verb} to its end. The reactor can not be started again afterwards.

    Ctrl-C cancels what the verb awaits; it may still await things for a few seconds in order to clean up.

    @param reactor: for tests; None = the real one.
    @raise CommandError: what went wrong, in words.
    @raise SystemExit: C{INTERRUPTED} after Ctrl-C.
    """
    problems: list[BaseException] = []

    def start(running: Any) -> Deferred[None]:
        ended: Deferred[None] = Deferred()
        work = Deferred.fromCoroutine(verb(running))

        def done(result: Any) -> None:
            if isinstance(result, Failure) and result.value is not None:
                problems.append(result.value)
            if not ended.called:
                ended.callback(None)

        def interrupted() -> Deferred[None]:
            if not ended.called:
                work.cancel()
            if not ended.called:
                late = running.callLater(CLEANUP_SECONDS, work_is_late)
                ended.addBoth(lambda _: late.cancel() if late.active() else None)
            return ended

        def work_is_late() -> None:
            problems.append(CancelledError())
            ended.callback(None)

        running.addSystemEventTrigger("before", "shutdown", interrupted)
        work.addBoth(done)
        return ended

    try:
        task.react(start, _reactor=reactor)
    except SystemExit:
        pass  # react always ends like this; what matters is in problems
    except ReactorNotRunning:
        pass
    if problems:
        raise explained(problems[0])


def explained(problem: BaseException) -> BaseException:
    """C{problem} as click takes it best: a line for the user, or an exit code."""
    if isinstance(problem, CancelledError):
        return SystemExit(INTERRUPTED)
    if isinstance(problem, GatewayError):
        return CommandError(problem.info.message)
    if isinstance(problem, ConfigError):
        from openclaw_tx.cli.place import config_problem

        return CommandError(config_problem(problem))
    if isinstance(problem, CommandError | OSError) or not isinstance(problem, Exception):
        return problem  # click itself ends quietly on a closed pipe
    return CommandError(f"internal error, please report it: {type(problem).__name__}: {problem}")


__all__ = ["explained", "run"]
