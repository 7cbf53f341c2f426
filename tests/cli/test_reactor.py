# -*- test-case-name: tests.cli.test_reactor -*-
"""How a verb runs and ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.reactor import CLEANUP_SECONDS, INTERRUPTED, run
from openclaw_tx.deferreds import sleep
from openclaw_tx.errors import ConfigError, GatewayError


class StoppableClock(Clock):
    """As much of a reactor as a verb needs: time, and a stop that waits for what is to happen before."""

    def __init__(self, events: list[Callable[[StoppableClock], None]]) -> None:
        """@param events: what happens while it runs, one after the other."""
        super().__init__()
        self.running = False
        self._events = events
        self._triggers: list[Callable[[], Any]] = []
        self._waiting = 0
        self.stopped = False

    def addSystemEventTrigger(self, phase: str, event: str, trigger: Callable[[], Any], *args: Any) -> None:
        """Only C{before shutdown} is used."""
        assert (phase, event) == ("before", "shutdown")
        self._triggers.append(trigger)

    def callWhenRunning(self, function: Callable[..., Any], *args: Any) -> None:
        """Soon."""
        self.callLater(0, function, *args)

    def stop(self) -> None:
        """Ask the triggers, and stop when all they wait for is there."""
        if not self.running or self._waiting:
            raise ReactorNotRunning
        self._waiting = 1
        for trigger in self._triggers:
            answer = trigger()
            if isinstance(answer, Deferred) and not answer.called:
                self._waiting += 1
                answer.addBoth(lambda _: self._arrived())
        self._arrived()

    def _arrived(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self.running = False
            self.stopped = True

    def run(self) -> None:
        """Let the events happen."""
        self.running = True
        self.advance(0)
        for event in self._events:
            if self.running:
                event(self)
                self.advance(0)
        assert self.stopped, "the verb did not end"


class RunTests(SynchronousTestCase):
    """L{run}."""

    def run_verb(self, verb: Any, *events: Callable[[StoppableClock], None]) -> StoppableClock:
        """Run C{verb}; the reactor has stopped afterwards, with nothing left in it."""
        clock = StoppableClock(list(events))
        try:
            run(verb, clock)
        finally:
            self.assertTrue(clock.stopped)
            self.assertEqual(clock.getDelayedCalls(), [])
        return clock

    def problem_of(self, error: Exception) -> CommandError:
        """What becomes of an error in a verb."""

        async def verb(reactor: Any) -> None:
            raise error

        return self.assertRaises(CommandError, self.run_verb, verb)

    def test_success(self) -> None:
        """A verb that ends well ends the reactor, at once or later."""
        done: list[float] = []

        async def verb(reactor: Any) -> None:
            await sleep(reactor, 1)
            done.append(reactor.seconds())

        self.run_verb(verb, lambda clock: clock.advance(1))
        self.assertEqual(done, [1])

    def test_errors(self) -> None:
        """Each error is one clear line, nothing is logged."""
        self.assertEqual(self.problem_of(CommandError("no")).message, "no")
        self.assertEqual(self.problem_of(GatewayError("queue_full", "too many")).message, "too many")
        self.assertIn("a.b: bad", self.problem_of(ConfigError([("a.b", "bad")])).message)
        self.assertIn("internal error, please report it: KeyError", self.problem_of(KeyError("x")).message)

    def test_closed_pipe(self) -> None:
        """click itself knows what to do about a closed pipe."""

        async def verb(reactor: Any) -> None:
            raise BrokenPipeError(32, "Broken pipe")

        self.assertRaises(BrokenPipeError, self.run_verb, verb)

    def test_ctrl_c(self) -> None:
        """A stop cancels the verb, which may still await its cleanup; then the exit code says interrupted."""
        seen: list[str] = []

        async def verb(reactor: Any) -> None:
            try:
                await Deferred()
            except CancelledError:
                seen.append("cancelled")
                await sleep(reactor, 1)
                seen.append("clean")
                raise

        error = self.assertRaises(SystemExit, self.run_verb, verb, StoppableClock.stop, lambda clock: clock.advance(1))
        self.assertEqual((error.code, seen), (INTERRUPTED, ["cancelled", "clean"]))

    def test_endless_cleanup(self) -> None:
        """A cleanup that does not end does not keep the user."""

        async def verb(reactor: Any) -> None:
            try:
                await Deferred()
            finally:
                await Deferred()

        late = self.run_verb, verb, StoppableClock.stop, lambda clock: clock.advance(CLEANUP_SECONDS)
        self.assertEqual(self.assertRaises(SystemExit, *late).code, INTERRUPTED)
