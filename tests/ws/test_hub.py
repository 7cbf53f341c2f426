# -*- test-case-name: tests.ws.test_hub -*-
"""What ready connections are told, and when nothing is done at all."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import READ
from openclaw_tx.values import Principal, RunRequest, Target, TextDelta, ToolStarted
from tests.ws.fakes import FakeRun
from tests.ws.harness import House

UI = {"id": "openclaw-control-ui", "version": "1", "platform": "linux", "mode": "webchat"}
OWNER = Principal(id="shared-secret", method="token", scopes=frozenset())


class HubTests(SynchronousTestCase):
    """Fan-out over real connections."""

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.house.close)

    def run_(self, run_id: str = "http-1") -> FakeRun:
        """A run that came in by HTTP."""
        request = RunRequest(
            run_id=run_id, agent_id="main", session_key="agent:main:openai:1", messages=(), surface="http"
        )
        return self.house.engine.start(request, OWNER)

    def test_runs_of_other_surfaces(self) -> None:
        """Everybody who may read runs sees them all; who may not sees none."""
        reader = self.house.ready(scopes=[READ])
        nobody = self.house.ready(scopes=[])
        run = self.run_()
        run.start()
        run.say("hi")
        run.end("ok", "hi")
        self.assertEqual(
            [event["payload"]["stream"] for event in reader.events("agent")], ["lifecycle", "assistant", "lifecycle"]
        )
        self.assertEqual([event["payload"]["state"] for event in reader.events("chat")], ["delta", "final"])
        self.assertEqual(nobody.events()[1:], [])

    def test_frame_numbers(self) -> None:
        """Each connection counts its own frames from 1, whatever others see."""
        self.house.ready()
        late: list[object] = []
        run = self.run_()
        run.start()
        line = self.house.ready()
        run.say("a")
        run.end("ok", "a")
        late = [event["seq"] for event in line.events() if event["event"] != "connect.challenge"]
        self.assertEqual(late, list(range(1, len(late) + 1)))

    def test_tool_events(self) -> None:
        """Only clients that say so get tool events; the others' frame numbers have no hole."""
        plain, keen = self.house.ready(), self.house.ready(caps=["tool-events"])
        run = self.run_()
        run.emit(ToolStarted(call_id="1", name="n", arguments={}))
        run.say("x")
        self.assertEqual([event["payload"]["stream"] for event in keen.events("agent")], ["tool", "assistant"])
        self.assertEqual([event["payload"]["stream"] for event in plain.events("agent")], ["assistant"])
        self.assertEqual(plain.events("agent")[0]["seq"], 1)

    def test_verbose(self) -> None:
        """In a verbose session everybody is told of tools."""
        plain = self.house.ready()
        run = self.run_()
        run.verbose = True
        run.emit(ToolStarted(call_id="1", name="n", arguments={}))
        self.assertEqual([event["payload"]["stream"] for event in plain.events("agent")], ["tool"])

    def test_late_client(self) -> None:
        """One that connects in the middle gets the whole text with the next delta."""
        run = self.run_()
        run.start()
        run.say("so far ")
        line = self.house.ready()
        run.say("and on")
        data = line.events("agent")[0]["payload"]["data"]
        self.assertEqual(data, {"text": "so far and on", "delta": "and on"})

    def test_chat_pause(self) -> None:
        """Held chat text leaves after the pause, for several runs by one timer."""
        line = self.house.ready()
        first, second = self.run_("1"), self.run_("2")
        for run in (first, second):
            run.say("a")
        self.house.flush()
        for run in (first, second):
            run.say("b")
        self.assertEqual([event["payload"]["deltaText"] for event in line.events("chat")], ["a", "a"])
        self.house.advance(0.1)
        second.say("c")
        self.house.advance(0.06)
        chats = [(event["payload"]["runId"], event["payload"]["deltaText"]) for event in line.events("chat")]
        self.assertEqual(sorted(chats[2:]), [("1", "b"), ("2", "bc")])

    def test_tick(self) -> None:
        """One tick for all, every tickIntervalMs."""
        first = self.house.ready()
        self.house.advance(10)
        second = self.house.ready()
        self.house.advance(20)
        ticks = [first.events("tick"), second.events("tick")]
        self.assertEqual([[event["payload"]["ts"] for event in events] for events in ticks], [[1_795_390_030_000]] * 2)

    def test_health(self) -> None:
        """A protocol 3 client gets the health at once; everybody gets it each minute, with its version."""
        old = self.house.ready(minProtocol=3, maxProtocol=3)
        new = self.house.ready()
        self.assertEqual((len(old.events("health")), new.events("health")), (1, []))
        self.house.advance(30)
        self.house.advance(30.1)
        self.assertEqual((len(old.events("health")), len(new.events("health"))), (2, 1))
        event = new.events("health")[0]
        self.assertEqual(event["payload"]["ok"], True)
        self.assertEqual(event["stateVersion"], {"presence": 0, "health": 2})

    def test_nobody_is_connected(self) -> None:
        """With the last client gone, no run is listened to and no timer runs."""
        line = self.house.ready(minProtocol=3, maxProtocol=3)
        run = self.run_()
        run.say("a")
        run.say("b")
        self.assertEqual(len(self.house.engine.listeners), 1)
        self.house.advance(60)
        line.client.transport.loseConnection()
        line.pump.flush()
        self.assertEqual(self.house.engine.listeners, [])
        self.assertEqual(self.house.clock.getDelayedCalls(), [])
        run.end("ok", "ab")

    def test_rotated_secret(self) -> None:
        """A new secret closes old connections: at once when the configuration changes, else with the next tick."""
        first = self.house.ready()
        self.house.authenticator.secret = "new"
        second = self.house.ready(auth={"token": "new"})
        self.house.surface.config_changed()
        self.house.flush()
        self.assertEqual((first.closed, second.closed), ((4001, "gateway credentials changed"), None))
        self.house.authenticator.secret = "newer"
        self.house.advance(30)
        self.assertEqual(second.closed, (4001, "gateway credentials changed"))

    def test_store_is_away(self) -> None:
        """Health that can not be asked for is logged, not sent; the connection stays."""
        self.house.sessions.broken = True
        line = self.house.ready(minProtocol=3, maxProtocol=3)
        self.assertEqual((line.events("health"), line.closed), ([], None))
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    def test_batch_of_many(self) -> None:
        """A batch of pieces is one agent event for everybody."""
        line = self.house.ready()
        self.run_().emit(*(TextDelta(text=str(number)) for number in range(10)))
        self.assertEqual([event["payload"]["data"]["text"] for event in line.events("agent")], ["0123456789"])

    def test_turns(self) -> None:
        """What several runs say in one turn is with every client after the next one, each run's in order."""
        lines = [self.house.ready() for _ in range(3)]
        runs = [self.run_(str(number)) for number in range(2)]
        for text in ("a", "b"):
            for run in runs:
                run.say(text)
        for line in lines:
            told = [(event["payload"]["runId"], event["payload"]["data"]["delta"]) for event in line.events("agent")]
            self.assertEqual(told, [("0", "ab"), ("1", "ab")], "the deltas of a turn make one event")

    def test_answer_after_events(self) -> None:
        """The answer to a request comes after all that was told before it, in the same turn or not."""
        line, other = self.house.ready(), self.house.ready()
        run = self.run_()
        run.say("a")
        self.house.surface.hub.publish("chat", {"n": 1}, Target())
        run.say("b")
        channel = next(one for one in self.house.surface.factory._channels if one.transport is line.pump.serverIO)
        assert channel._connection is not None
        channel._connection.send(b'{"type":"res","id":"x"}')
        kinds = [
            (frame.get("event"), frame.get("payload", {}).get("data", {}).get("delta"))
            for frame in (line.events(), line.frames)[1]
        ]
        self.assertEqual(kinds[2:], [("agent", "a"), ("chat", None), ("chat", None), ("agent", "b"), (None, None)])
        self.assertEqual([frame["seq"] for frame in line.frames[2:-1]], [1, 2, 3, 4])
        self.assertEqual([event["seq"] for event in other.events()[1:]], [1, 2, 3, 4])

    def test_health_is_made_once(self) -> None:
        """Those who may see the same get the same health, asked for once (a report asks the store twice)."""
        lines = [self.house.ready() for _ in range(4)] + [self.house.ready(scopes=[READ])]
        asked = self.house.sessions.asked
        self.house.advance(60)
        self.assertEqual([len(line.events("health")) for line in lines], [1] * 5)
        self.assertEqual(self.house.sessions.asked - asked, 2 * 2)

    def test_told_nothing_after_shutdown(self) -> None:
        """The last event is that the gateway stops, whatever the leaving of others would cause."""
        lines = [self.house.ready(client={**UI, "instanceId": str(number)}) for number in range(3)]
        run = self.run_()
        run.say("a")
        self.house.surface.stop()
        self.house.flush()
        for line in lines:
            self.assertEqual([event["event"] for event in line.events()][-1], "shutdown")
            self.assertEqual(len(line.events("agent")), 1)
            self.assertEqual(line.closed, (1012, "service restart"))

    def test_soon(self) -> None:
        """What is asked for many times before a round is done once, at its beginning; with nobody there it is not."""
        hub = self.house.surface.hub
        told: list[str] = []

        def tell() -> None:
            told.append("x")
            hub.tell_if("presence", {}, lambda _: True)

        hub.soon(tell)
        line = self.house.ready()
        hub.soon(tell)
        hub.soon(tell)
        self.assertEqual(told, [])
        self.assertEqual(len(line.events("presence")), 1)
        hub.soon(tell)
        self.assertEqual(len(line.events("presence")), 2)
        self.assertEqual(told, ["x", "x"])
