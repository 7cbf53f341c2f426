"""What a request leaves: nothing that only the garbage collector could free. It is asked to look seldom
(C{tap.freeze}), so a circle of references for each request would be memory that grows between its looks."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from openclaw_tx.testing import MemoryGateway
from tests.models.memory import Memory, start

CONNECTIONS = {"GatewayChannel", "SyncBody"}
"""Here each request comes over a connection of its own, and those are circles in Twisted's transports for tests."""

SOCKETS = {"Alarm", "Channel", "MemoryWebSocket", "_Factory", "_Protocol"}
"""So are these; a transport of a real socket forgets its protocol."""

CHAT = "/v1/chat/completions"


class CyclesTests(SynchronousTestCase):
    """Whole ways through the house, many times."""

    def circles(self, work: Callable[[], object]) -> list[str]:
        """What of ours the collector finds after C{work} was done again and again."""
        for _ in range(3):  # what is remembered is remembered now
            work()
        gc.collect()
        self.addCleanup(gc.set_debug, gc.get_debug())
        self.addCleanup(gc.garbage.clear)
        gc.disable()
        self.addCleanup(gc.enable)
        for _ in range(20):
            work()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        ours = (type(found) for found in gc.garbage if type(found).__module__.startswith("openclaw"))
        return sorted({kind.__qualname__ for kind in ours} - CONNECTIONS - SOCKETS)

    def test_answers(self) -> None:
        """Streamed and whole, stateless and in a session."""
        gateway = MemoryGateway()
        self.addCleanup(gateway.close)

        def ask() -> None:
            for stream in (True, False):
                for user in (None, "somebody"):
                    gateway.model.say("Hello", "you")
                    body = {"messages": [{"role": "user", "content": "hi"}], "stream": stream, "user": user}
                    self.assertEqual(gateway.post(CHAT, body).code, 200)

        self.assertEqual(self.circles(ask), [])

    def test_ends_before_the_answer(self) -> None:
        """Streams and whole answers that are hung up on, runs that are cancelled, refusals, models that fail."""
        gateway = MemoryGateway()
        self.addCleanup(gateway.close)
        hello = {"messages": [{"role": "user", "content": "hi"}]}

        def ask() -> None:
            for stream in (True, False):
                left = gateway.post(CHAT, {**hello, "stream": stream, "user": "somebody"})
                gateway.model.calls[-1].text("half")
                gateway.flush()
                left.disconnect()
                gateway.advance(1)
            started = gateway.post("/v1/runs", {"message": "hi"})
            watching = gateway.get(f"/v1/runs/{started.json()['id']}/events")
            watching.disconnect()
            self.assertEqual(gateway.request("DELETE", f"/v1/runs/{started.json()['id']}").code, 200)
            gateway.advance(1)
            self.assertEqual(gateway.post(CHAT, b"{").code, 400)
            self.assertEqual(gateway.get("/v1/nothing").code, 404)
            gateway.model.fail("provider_rejected", "no")
            self.assertEqual(gateway.post(CHAT, hello).code, 400)

        self.assertEqual(self.circles(ask), [])

    def test_websocket(self) -> None:
        """A client that talks, aborts and leaves."""
        gateway = MemoryGateway()
        self.addCleanup(gateway.close)
        numbers = itertools.count()

        def ask() -> None:
            client = gateway.websocket()
            client.connect()
            message = {"sessionKey": "main", "message": "hi", "idempotencyKey": f"key{next(numbers)}"}
            client.request("chat.send", message)
            gateway.model.calls[-1].text("half")
            client.request("chat.abort", {"sessionKey": "main"})
            client.close()
            gateway.advance(2)

        self.assertEqual(self.circles(ask), [])

    def test_provider(self) -> None:
        """An exchange with a model server, whole and given up."""
        memory = Memory()
        door = memory.door()
        body = b'{"stream":true,"messages":[{"role":"user","content":"hi"}]}'

        async def exchange() -> None:
            answer = await door.send("POST", door.url("chat", "completions"), Headers({}), body)
            await answer.deliver(lambda data: False)

        def ask() -> None:
            asked = start(exchange())
            memory.accept()
            self.successResultOf(asked)

        self.assertEqual(self.circles(ask), [])
