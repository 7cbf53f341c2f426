"""One end of the bus."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.values import Entry, TextDelta
from openclaw_tx.workers import messages
from openclaw_tx.workers.bus import MAX_WAITING, Bus
from openclaw_tx.workers.framing import FramingError, framed
from tests.workers.wires import End

TOLD = messages.Told(run_id="r", entries=(Entry(seq=1, ts_ms=1, event=TextDelta(text="x" * 10_000)),))


class BusTests(SynchronousTestCase):
    """L{Bus}."""

    def setUp(self) -> None:
        """A relay's end, and the other one."""
        self.heard: list[messages.FromChief] = []
        self.happened: list[str] = []
        self.bus: Bus[messages.FromChief] = Bus(
            messages.chief_message,
            self.heard.append,
            lambda: self.happened.append("made"),
            lambda: self.happened.append("lost"),
        )
        self.end, other = End(), End()
        self.end.other, other.other = other, self.end
        self.end.protocol = self.bus
        self.bus.makeConnection(self.end)

    def test_hears(self) -> None:
        """Messages come in order, however they are cut."""
        said = [messages.Listen(on=True), messages.Abort(run_id="r", reason="rpc")]
        data = b"".join(framed(messages.encoded(each)) for each in said)
        for place in range(len(data)):
            self.bus.dataReceived(data[place : place + 1])
        self.assertEqual(self.heard, said)

    def test_slow_end(self) -> None:
        """When the other end does not read, what may be missed is; what must arrive is sent all the same."""
        sent = 0
        while self.bus.offer(TOLD):
            sent += 1
            self.assertLess(sent, 2000)
        self.assertLess(self.end.held_most, MAX_WAITING + 200_000)
        before = len(self.end.out)
        self.bus.send(messages.Done())
        self.assertGreater(len(self.end.out), before)
        self.end.out = b""
        self.end.carry()
        self.assertTrue(self.bus.offer(TOLD))

    def test_nonsense(self) -> None:
        """Whoever says what makes no sense is not listened to any more."""
        self.bus.dataReceived(framed(b"nonsense"))
        self.assertTrue(self.end.aborted)
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    def test_hearer_that_fails(self) -> None:
        """A message that nobody can deal with is lost alone: the connection is what all runs of a relay hang on."""
        heard = self.heard.append
        for fault in (ValueError(), FramingError()):

            def fail(message: messages.FromChief, fault: Exception = fault) -> None:
                self.bus._heard = heard
                raise fault

            self.bus._heard = fail
            said = [messages.Abort(run_id="r", reason="rpc"), messages.Listen(on=True)]
            self.bus.dataReceived(b"".join(framed(messages.encoded(each)) for each in said))
            self.assertEqual((self.heard.pop(), self.heard, self.end.aborted), (said[1], [], False))
        self.assertEqual(len(self.flushLoggedErrors()), 2)

    def test_gone(self) -> None:
        """Nothing is sent to nobody."""
        self.assertEqual(self.happened, ["made"])
        self.end.drop(Exception("gone"))
        self.bus.send(messages.Done())
        self.bus.close()
        self.assertEqual((self.happened, self.end.out), (["made", "lost"], b""))

    def test_close(self) -> None:
        """What was said before goes out before the end."""
        self.bus.send(messages.Done())
        self.bus.close()
        self.assertTrue(self.end.closing and self.end.out)
