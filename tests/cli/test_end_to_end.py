# -*- test-case-name: tests.cli.test_end_to_end -*-
"""The command line's client on a whole gateway in memory: both ends of the protocol are real."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.testing import MemoryReactorClock
from twisted.test.iosim import FakeTransport, IOPump, connect
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from openclaw_tx.cli.agent import Turn
from openclaw_tx.cli.answer import Answer
from openclaw_tx.cli.client import GatewayClient
from openclaw_tx.cli.client import connect as connect_client
from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.health import render
from openclaw_tx.config.load import from_mapping
from openclaw_tx.gateway import Gateway
from openclaw_tx.sessions.lifecycle import inline_parts
from openclaw_tx.testing import ScriptedModel
from tests.cli.doubles import TARGET


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """Leads from this machine to a site in memory."""

    def __init__(self, site: Any) -> None:
        self._site = site
        self.pumps: list[IOPump] = []

    def connect(self, factory: Any) -> Deferred[Any]:
        """Connect C{factory}."""
        here, there = IPv4Address("TCP", "127.0.0.1", 5555), IPv4Address("TCP", "127.0.0.1", 18789)
        server, client = self._site.buildProtocol(here), factory.buildProtocol(there)
        self.pumps.append(
            connect(
                server,
                FakeTransport(server, True, hostAddress=there, peerAddress=here),
                client,
                FakeTransport(client, False, hostAddress=here, peerAddress=there),
                greet=True,
            )
        )
        return succeed(client)


class EndToEndTests(SynchronousTestCase):
    """The verbs' work against a gateway that asks for a token."""

    def setUp(self) -> None:
        """A gateway on a scripted model."""
        self.reactor: Any = MemoryReactorClock()
        self.model = ScriptedModel()
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        ids = (f"00000000-0000-4000-8000-{number:012}" for number in itertools.count())
        config = {
            "agents": {"defaults": {"model": self.model.ref, "workspace": str(directory / "none")}},
            "gateway": {"auth": {"mode": "token", "token": TARGET.token}},
        }
        self.gateway = Gateway(
            self.reactor,
            from_mapping(config, {"HOME": str(directory)}, directory),
            models={self.model.provider: self.model},
            store=inline_parts(self.reactor.seconds, lambda: next(ids)),
            new_id=lambda: next(ids),
        )
        self.gateway.startService()
        self.endpoint = MemoryEndpoint(self.gateway.site())
        self.written: list[str] = []

    def tearDown(self) -> None:
        """The gateway ends and leaves no timer."""
        stopping = self.gateway.stopService()
        for _ in range(100):
            self.settle(0.1)
        self.successResultOf(stopping)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def settle(self, seconds: float = 0) -> None:
        """Let all bytes arrive, and time pass."""
        for _ in range(3):
            self.reactor.advance(seconds / 3)
            for pump in self.endpoint.pumps:
                pump.flush()

    def turn(self) -> Turn:
        """A turn that says hi."""
        answer = Answer(self.written.append, self.written.append, is_terminal=False)
        return Turn("Hi", None, None, None, 60.0, answer, new_id=lambda: "run-1")

    def connecting(self, turn: Turn, target: Any = TARGET) -> Deferred[GatewayClient]:
        """Connect."""
        connecting = Deferred.fromCoroutine(connect_client(target, self.endpoint, self.reactor, turn.on_event))
        self.settle()
        return connecting

    def close(self, client: GatewayClient) -> None:
        """Say goodbye."""
        closing = Deferred.fromCoroutine(client.close())
        self.settle()
        self.successResultOf(closing)

    def test_agent(self) -> None:
        """Pieces come as the model says them, the tool is noted, the result ends it."""
        turn = self.turn()
        client = self.successResultOf(self.connecting(turn))
        over = Deferred.fromCoroutine(turn.over(client))
        self.settle()
        call = self.model.calls[0]
        call.text("Let me ")
        self.settle(0.1)
        self.assertEqual(self.written, ["Let me "])
        call.text("see.")
        call.call_tool("session_status", {})
        call.finish()
        self.settle(0.1)
        self.model.calls[1].text("Noon.")
        self.model.calls[1].finish()
        self.settle(0.1)
        self.successResultOf(over)
        self.assertEqual("".join(self.written), "Let me see.\n[session_status]\nNoon.\n")
        self.close(client)

    def test_ctrl_c(self) -> None:
        """A cancelled turn aborts the model call in the gateway."""
        turn = self.turn()
        client = self.successResultOf(self.connecting(turn))
        over = Deferred.fromCoroutine(turn.over(client))
        self.settle()
        over.cancel()
        self.settle()
        self.failureResultOf(over, CancelledError)
        self.assertTrue(self.model.calls[0].cancelled)
        self.close(client)

    def test_failure(self) -> None:
        """A failed run tells the gateway's message."""
        turn = self.turn()
        client = self.successResultOf(self.connecting(turn))
        over = Deferred.fromCoroutine(turn.over(client))
        self.settle()
        self.model.calls[0].fail("provider_rejected", "the model said no")
        self.settle()
        self.assertIn("the model said no", self.failureResultOf(over, CommandError).value.message)
        self.close(client)

    def test_health(self) -> None:
        """The scopes that the client asks for are enough for health."""
        client = self.successResultOf(self.connecting(self.turn()))
        asking = Deferred.fromCoroutine(client.call("health", {}, 10.0))
        self.settle()
        shown = render(self.successResultOf(asking), client.hello, client.url, False)
        self.assertIn("agent main (default): 0 sessions", shown)
        self.close(client)

    def test_bad_token(self) -> None:
        """A wrong token is refused in words, without waiting for a timeout."""
        connecting = self.connecting(self.turn(), TARGET._replace(token="wrong"))
        self.settle(2)
        self.assertIn("unauthorized", self.failureResultOf(connecting, CommandError).value.message)
