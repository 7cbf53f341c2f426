"""What a request leaves: nothing that only the garbage collector could free. It is asked to look seldom
(C{tap.freeze}), so a circle of references for each request would be memory that grows between its looks."""

from __future__ import annotations

import gc
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from openclaw_tx.testing import MemoryGateway
from tests.models.memory import Memory, start

CONNECTIONS = {"GatewayChannel", "SyncBody"}
"""Here each request comes over a connection of its own, and those are circles in Twisted."""

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
        return sorted({kind.__qualname__ for kind in ours} - CONNECTIONS)

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
