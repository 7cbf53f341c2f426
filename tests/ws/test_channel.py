# -*- test-case-name: tests.ws.test_channel -*-
"""The transport: limits, closes on the wire, readers that do not read, and clients that go silent."""

from __future__ import annotations

from typing import Any

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.values import Principal, RunRequest
from openclaw_tx.ws import liveness
from openclaw_tx.ws.channel import MAX_WAITING
from openclaw_tx.ws.connection import Connection
from openclaw_tx.ws.hello import MAX_EARLY_PAYLOAD, MAX_PAYLOAD
from tests.ws.harness import House, Line


def request(size: int) -> bytes:
    """A frame of so many bytes."""
    head, tail = b'{"type":"req","id":"1","method":"health","params":{"x":"', b'"}}'
    return head + b"y" * (size - len(head) - len(tail)) + tail


class LimitTests(SynchronousTestCase):
    """How large a message may be."""

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.house.close)

    def test_before_hello(self) -> None:
        """64 KiB and no more; the close says why."""
        line = self.house.open()
        line.raw(request(MAX_EARLY_PAYLOAD + 1))
        self.assertEqual(line.closed, (1009, ""))
        line = self.house.open()
        line.raw(request(MAX_EARLY_PAYLOAD))
        self.assertEqual(line.closed, (1008, "invalid handshake: first request must be connect"))

    def test_after_hello(self) -> None:
        """25 MiB and no more."""
        line = self.house.ready()
        line.raw(request(600_000))
        self.assertEqual(line.frames[-1]["error"]["message"], "invalid health params: at root: unexpected property 'x'")
        line.raw(b" " * (MAX_PAYLOAD + 1))
        self.assertEqual(line.closed, (1009, ""))

    def test_fragments_count_together(self) -> None:
        """A message in small frames is no way around the limit."""
        line = self.house.open()
        line.client.beginMessage()
        for _ in range(70):
            line.client.sendMessageFrame(b"y" * 1000)
        line.pump.flush()
        self.assertEqual(line.closed, (1009, ""))
        self.assertEqual(len(line.frames), 1)

    def test_utf8(self) -> None:
        """A text message that is not UTF-8 closes with 1007; a binary one counts as no JSON."""
        line = self.house.open()
        line.raw(b'{"\xff":1}')
        self.assertEqual(line.closed, (1007, "invalid UTF-8"))
        line = self.house.open()
        line.raw(b'{"\xff":1}', binary=True)
        self.assertEqual(line.closed, (1000, ""))

    def test_broken_frame(self) -> None:
        """A frame that breaks the WebSocket protocol closes with 1002."""
        line = self.house.open()
        line.client.sendFrame(opcode=5, payload=b"x")
        line.pump.flush()
        self.assertEqual(line.closed[0], 1002)

    def test_no_compression(self) -> None:
        """No extension is agreed on."""
        line = self.house.ready()
        self.assertEqual(line.client.websocket_extensions_in_use, [])


class DeadlineTests(SynchronousTestCase):
    """Time limits, all on the injected clock."""

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.house.close)

    def test_silence_before_hello(self) -> None:
        """15 seconds, then 1000 without a reason."""
        line = self.house.open()
        self.house.advance(14.9)
        self.assertEqual(line.closed, None)
        self.house.advance(0.1)
        self.assertEqual((line.closed, line.client.gone), ((1000, ""), True))

    def test_ping(self) -> None:
        """An idle client is pinged every 30 seconds and stays as long as it answers."""
        line = self.house.ready()
        for _ in range(10):
            self.house.advance(30)
        self.assertEqual(line.closed, None)

    def test_no_pong(self) -> None:
        """One that does not answer within 25 seconds is cut off."""
        line = self.house.ready()
        line.client.onPing = lambda payload: None
        self.house.advance(30)
        self.house.advance(24.9)
        self.assertFalse(line.client.gone)
        self.house.advance(0.2)
        self.assertTrue(line.client.gone)
        self.assertEqual(len(self.house.surface), 0)

    def test_no_pong_while_sending(self) -> None:
        """One that sends a large message over a slow line can not answer before its end; it is not cut off until it
        falls silent."""
        line = self.house.ready()
        line.client.onPing = lambda payload: None
        message = request(200_000)
        line.client.beginMessage()
        line.client.beginMessageFrame(len(message))
        for begin in range(0, len(message), 10_000):
            line.client.sendMessageFrameData(message[begin : begin + 10_000])
            line.pump.flush()
            self.house.advance(20)
        line.client.endMessage()
        line.pump.flush()
        self.assertIn("unexpected property 'x'", line.frames[-1]["error"]["message"])
        self.assertFalse(line.client.gone)
        self.house.advance(60)
        self.assertTrue(line.client.gone)

    def test_no_pong_while_reading(self) -> None:
        """Neither can one that has not come to the ping, as long as it takes what was sent before."""
        line = self.house.ready()
        line.client.onPing = lambda payload: None
        waiting = iter([900, 600, 600])
        self.patch(liveness, "unsent", lambda transport: next(waiting))
        self.house.advance(30)
        self.house.advance(25)
        self.assertFalse(line.client.gone)
        self.house.advance(25)
        self.assertTrue(line.client.gone)

    def test_no_pong_while_reading_and_told_more(self) -> None:
        """Nor one that takes what was sent before while as much is written behind it. One that takes nothing is gone
        though more is written."""
        line = self.house.ready()
        line.client.onPing = lambda payload: None
        (channel,) = self.house.surface.factory._channels
        waiting = 900
        self.patch(liveness, "unsent", lambda transport: waiting)
        self.house.advance(30)
        channel.send(b" " * 500 + b"{}")
        waiting = 1000
        self.house.advance(25)
        self.assertFalse(line.client.gone)
        told = channel._told
        self.house.advance(10)
        channel.send(b" " * 500 + b"{}")
        waiting += channel._told - told
        self.house.advance(15)
        self.assertTrue(line.client.gone)

    def test_unsolicited_pong(self) -> None:
        """A pong nobody asked for harms nothing, before hello or after."""
        line = self.house.open()
        line.client.sendPong(b"x")
        line.pump.flush()
        self.house.advance(15)
        self.assertEqual(line.closed, (1000, ""))

    def test_close_is_not_answered(self) -> None:
        """A client that does not answer a close is cut off after a second."""
        line = self.house.open()
        line.client.onCloseFrame = lambda code, reason: None
        line.raw(b"not json")
        self.house.advance(0.9)
        self.assertFalse(line.client.gone)
        self.house.advance(0.2)
        self.assertTrue(line.client.gone)

    def test_client_closes(self) -> None:
        """A client's close is answered and the connection ended; nothing is left."""
        line = self.house.ready()
        line.client.sendClose()
        line.pump.flush()
        self.assertTrue(line.client.wasClean)
        self.assertEqual((len(self.house.surface), self.house.clock.getDelayedCalls()), (0, []))

    def test_close_codes(self) -> None:
        """It gets its own code back, 1000 for none, and 1002 for one that may not be sent."""
        for code, answered in (
            (1000, 1000),
            (1001, 1001),
            (3005, 3005),
            (4000, 4000),
            (4999, 4999),
            (None, 1000),
            (1005, 1002),
            (1006, 1002),
            (999, 1002),
            (2000, 1002),
            (5000, 1002),
        ):
            line = self.house.ready()
            line.client.sendCloseFrame(code, b"because" if code is not None else None)
            line.pump.flush()
            self.assertEqual(line.closed[0], answered, code)
        self.house.advance(2)
        self.assertEqual((len(self.house.surface), self.house.clock.getDelayedCalls()), (0, []))

    def test_client_closes_and_reads_no_more(self) -> None:
        """One that closes without reading what is under way is cut off after a second too."""
        line = self.house.ready()
        line.pump.serverIO.stalled = True
        line.ask("health")
        line.client.sendClose()
        line.pump.flush()
        self.house.advance(1.0)
        self.assertEqual((len(self.house.surface), self.house.clock.getDelayedCalls()), (0, []))


class SlowReaderTests(SynchronousTestCase):
    """Back-pressure."""

    def setUp(self) -> None:
        self.house = House(max_buffered=20_000)
        self.addCleanup(self.house.close)
        self.line: Line = self.house.ready()
        owner = Principal(id="p", method="token", scopes=frozenset())
        run_request = RunRequest(run_id="r", agent_id="main", session_key="agent:main:x", messages=())
        self.run_ = self.house.engine.start(run_request, owner)

    def say(self, *texts: str) -> None:
        """Each in a turn of its own."""
        for text in texts:
            self.run_.say(text)
            self.house.clock.advance(0)

    def stall(self) -> None:
        self.line.pump.serverIO.stalled = True

    def resume(self) -> None:
        self.line.pump.serverIO.stalled = False
        self.line.pump.flush()

    def numbers(self) -> list[int]:
        return [frame["seq"] for frame in self.line.frames if "seq" in frame]

    def test_held_and_delivered(self) -> None:
        """What a client does not take at once it gets later, in order."""
        self.stall()
        self.say(*(f"{number} " for number in range(20)))
        self.assertEqual(self.numbers(), [])
        self.resume()
        self.assertEqual(self.numbers(), list(range(1, len(self.numbers()) + 1)))
        self.assertEqual(self.line.events("agent")[-1]["payload"]["data"]["text"].split()[-1], "19")
        self.assertEqual(self.line.closed, None)

    def test_droppable(self) -> None:
        """A client far behind misses ticks and chat deltas, without a hole in the numbers."""
        self.stall()
        self.say("x" * 5400)
        self.house.advance(0.2)
        self.say("y", "y")
        self.house.advance(30)
        self.resume()
        self.say("z")
        self.house.advance(0.2)
        self.assertEqual(len(self.line.events("agent")), 4)
        chat = [event["payload"]["deltaText"] for event in self.line.events("chat")]
        self.assertEqual(chat, ["x" * 5400, "z"], "y was skipped; the next delta has the whole text all the same")
        self.assertEqual(self.line.events("chat")[-1]["payload"]["message"]["content"][0]["text"][-4:], "xyyz")
        self.assertEqual(self.line.events("tick"), [])
        self.assertEqual(self.numbers(), list(range(1, len(self.numbers()) + 1)))

    def test_t42_slow_consumer(self) -> None:
        """Over the limit the client is told on the wire, 1008, and the run does not notice."""
        self.stall()
        self.say(*["x" * 3000] * 4)
        self.assertEqual(len(self.house.surface.hub), 0)
        self.resume()
        self.assertEqual(self.line.closed, (1008, "slow consumer"))
        self.assertEqual(self.run_.status, "queued")

    def test_no_json(self) -> None:
        """What is no JSON is ignored; the log says so, and however many there are, that is one line in 10 seconds."""
        with capturedLogs() as events:
            for _ in range(5):
                self.line.raw(b"not json")
            self.house.advance(10)
            self.line.raw(b"{")
        self.assertEqual([event["count"] for event in events], [1, 5])
        self.assertTrue(self.line.call("health")["ok"])

    def test_slow_consumers_in_the_log(self) -> None:
        """The log says so, with the address; many at once are one line."""
        with capturedLogs() as events:
            for _ in range(3):
                self.stall()
                self.say(*["x" * 3000] * 4)
                self.resume()
                self.line = self.house.ready()
            self.house.advance(10)
            self.stall()
            self.say(*["x" * 3000] * 4)
            self.resume()
        found = [formatEvent(event) for event in events if "did not read" in (event["log_format"] or "")]
        self.assertEqual(
            found,
            [
                "a client was cut off because it did not read: WebSocket connection from 127.0.0.1; "
                f"{count} since the last such line"
                for count in (1, 3)
            ],
        )

    def test_t42_slow_consumer_that_never_reads(self) -> None:
        """One that does not read for another second is cut off."""
        self.stall()
        self.say(*["x" * 3000] * 4)
        self.house.advance(1.0)
        self.assertTrue(self.line.client.gone)
        self.assertEqual(self.line.closed, None)
        self.assertEqual((len(self.house.surface), self.house.clock.getDelayedCalls()), (0, []))

    def test_others_do_not_wait(self) -> None:
        """A client that does not read costs nobody else anything."""
        other = self.house.ready()
        self.stall()
        self.say(*["x" * 1000] * 10)
        self.assertEqual(len(other.events("agent")), 10)


class FloodTests(SynchronousTestCase):
    """Too many connections."""

    def test_waiting_from_one_address(self) -> None:
        """Only so many connections of one address may be outside the door; another address is not concerned; one
        that got in, or left, makes room."""
        house = House()
        self.addCleanup(house.close)
        lines = [house.open() for _ in range(MAX_WAITING)]
        self.assertTrue(all(line.client.opened for line in lines))
        self.assertFalse(house.open().client.opened)
        self.assertTrue(house.open(address="192.0.2.1").client.opened)
        lines[0].connect()
        self.assertTrue(house.open().client.opened)
        self.assertFalse(house.open().client.opened)
        lines[1].raw(b"not json")
        self.assertTrue(house.open().client.opened)

    def test_all_leave(self) -> None:
        """A flood that has passed leaves nothing behind."""
        house = House()
        for _ in range(MAX_WAITING):
            house.open()
        house.close()
        self.assertEqual((len(house.surface), house.surface.factory._waiting), (0, {}))
        self.assertEqual(house.clock.getDelayedCalls(), [])


class BugTests(SynchronousTestCase):
    """Programming errors stay inside."""

    def test_exception(self) -> None:
        """It is logged once, the client gets 1011, and others are served on."""
        house = House()
        self.addCleanup(house.close)
        line, other = house.ready(), house.ready()

        class Broken(Connection):
            __slots__ = ()

            def received(self, data: bytes) -> None:
                raise ZeroDivisionError

        channel: Any = next(iter(house.surface.factory._channels - {_channel_of(house, other)}))
        channel._connection.__class__ = Broken
        line.ask("health")
        self.assertEqual(line.closed, (1011, "internal error"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(other.call("health")["ok"])


def _channel_of(house: House, line: Line) -> Any:
    return next(channel for channel in house.surface.factory._channels if channel.transport is line.pump.serverIO)
