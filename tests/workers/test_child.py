"""A worker as its parent sees it, and the line between them."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.logger import LogLevel, eventAsText, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.logs import json_line
from openclaw_tx.workers.child import MAX_LINE, Child, Lines
from openclaw_tx.workers.instructions import Instructions, Word, encoded, instructions, word

TOLD = Instructions(
    worker=1,
    count=2,
    key=b"\x00\xff" * 16,
    chief="/run/chief",
    ports=(3, 4),
    door=None,
    reactor="twisted.internet.epollreactor",
    start={"overrides": {"gateway": {"auth": {"token": "s3cret"}}}},
)


class Process:
    """A process's transport."""

    pid = 42
    gone = False

    def __init__(self) -> None:
        self.written = b""
        self.signals: list[str] = []

    def write(self, data: bytes) -> None:
        """To its standard input."""
        self.written += data

    def signalProcess(self, name: str) -> None:
        """Note it."""
        if self.gone:
            raise ProcessExitedAlready
        self.signals.append(name)


class ChildTests(SynchronousTestCase):
    """L{Child}."""

    def setUp(self) -> None:
        """One that has been started, and all that is logged."""
        self.ready: list[Child] = []
        self.ends: list[str] = []
        self.emptied: list[bool] = []
        self.child = Child(
            1,
            self.ready.append,
            lambda child, how: self.ends.append(how),
            lambda: self.emptied.append(self.child.drained),
        )
        self.process: Any = Process()
        self.child.makeConnection(self.process)
        self.events: list[Any] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def test_log(self) -> None:
        """What a worker logs is logged under its name, with its own time, level and fields."""
        event = {
            "log_time": 1_700_000_000.25,
            "log_level": LogLevel.warn,
            "log_namespace": "openclaw_tx.runs",
            "log_format": "run {run} is slow: {{}}",
            "run": "r-1",
        }
        line = encoded(Word(log=json.loads(json_line(event))))
        for place in range(0, len(line), 7):
            self.child.outReceived(line[place : place + 7])
        (logged,) = self.events
        self.assertEqual((logged["run"], logged["worker"], logged["log_level"]), ("r-1", 1, LogLevel.warn))
        self.assertEqual((logged["log_time"], logged["log_namespace"]), (1_700_000_000.25, "openclaw_tx.runs"))
        text = eventAsText(logged)
        self.assertIn("[worker 1|openclaw_tx.runs#warn] run r-1 is slow: {}", text)
        self.assertEqual(json.loads(json_line(logged))["worker"], 1)

    def test_failure(self) -> None:
        """A traceback comes along."""
        try:
            raise ValueError("broken")
        except ValueError:
            failure = Failure()
        event = {"log_level": LogLevel.critical, "log_format": "it failed", "log_failure": failure}
        self.child.outReceived(encoded(Word(log=json.loads(json_line(event)))))
        text = eventAsText(self.events[0])
        self.assertIn("it failed", text)
        self.assertIn("ValueError: broken", text)

    def test_drained(self) -> None:
        """It says so once it takes nobody any more."""
        self.child.outReceived(encoded(Word(ready=True)))
        self.assertEqual((self.child.drained, self.emptied), (False, []))
        self.child.outReceived(encoded(Word(drained=True)))
        self.assertEqual((self.child.drained, self.emptied), (True, [True]))

    def test_ready(self) -> None:
        """It says when it serves."""
        self.child.outReceived(encoded(Word(ready=True)))
        self.assertEqual((self.ready, self.child.pid), ([self.child], 42))

    def test_complaints(self) -> None:
        """What comes over its standard error is an error, and the last of it is remembered; so is what is no word."""
        self.child.errReceived(b"first\nModuleNotFoundError: no\n")
        self.child.outReceived(b"print\n")
        self.assertEqual(self.child.last_words, "ModuleNotFoundError: no")
        self.assertEqual([event["log_level"] for event in self.events], [LogLevel.error, LogLevel.error, LogLevel.info])

    def test_ends(self) -> None:
        """How it came to its end."""
        for reason, how in (
            (ProcessDone(0), "0"),
            (ProcessTerminated(exitCode=3), "exit code 3"),
            (ProcessTerminated(signal=9), "signal 9"),
        ):
            self.child.processEnded(Failure(reason))
            self.assertEqual(self.ends[-1], how)
        self.child.signal("TERM")
        self.process.gone = True
        self.child.signal("TERM")
        self.assertEqual(self.process.signals, ["TERM"])

    def test_instructions(self) -> None:
        """It is told over its standard input what no argument should say."""
        self.child.tell(encoded(TOLD))
        self.assertEqual(instructions(self.process.written), TOLD)
        self.assertEqual(word(encoded(Word(ready=True))), Word(ready=True))


class LinesTests(SynchronousTestCase):
    """L{Lines}."""

    def test_too_long(self) -> None:
        """Nothing of a line without an end is held; the next one is read."""
        lines = Lines()
        for _ in range(5):
            self.assertEqual(lines.feed(b"x" * MAX_LINE), [])
            self.assertLessEqual(len(lines._buffer), MAX_LINE)
        self.assertEqual(lines.feed(b"end\nnext\nla"), [b"next"])
        self.assertEqual(lines.feed(b"st\n"), [b"last"])
