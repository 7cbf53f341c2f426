# -*- test-case-name: tests.cli.test_client -*-
"""The WebSocket client against a gateway in memory."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError, DNSLookupError, NoRouteError
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.client import GatewayClient, connect
from openclaw_tx.cli.errors import CommandError
from tests.cli.doubles import HELLO, TARGET, ScriptedGateway


class ClientTestCase(SynchronousTestCase):
    """A gateway to talk to."""

    def setUp(self) -> None:
        """A gateway that lets everybody in."""
        self.gateway = ScriptedGateway()
        self.events: list[tuple[str, Any]] = []

    def tearDown(self) -> None:
        """No timer is left behind."""
        self.assertEqual(self.gateway.clock.getDelayedCalls(), [])

    def start(self, coroutine: Coroutine[Deferred[Any], Any, Any]) -> Deferred[Any]:
        """Start C{coroutine} and let all bytes arrive."""
        deferred = Deferred.fromCoroutine(coroutine)
        if self.gateway.pump is not None:
            self.gateway.flush()
        return deferred

    def connecting(self) -> Deferred[GatewayClient]:
        """Begin to connect."""
        return self.start(
            connect(
                TARGET, self.gateway, self.gateway.clock, lambda event, payload: self.events.append((event, payload))
            )
        )

    def connected(self) -> GatewayClient:
        """A client that has shaken hands."""
        return self.successResultOf(self.connecting())

    def refused(self, deferred: Deferred[Any]) -> str:
        """The line that the user reads."""
        return self.failureResultOf(deferred, CommandError).value.message


class HandshakeTests(ClientTestCase):
    """Connecting."""

    def test_hello(self) -> None:
        """The client waits for the challenge, offers protocols 3 and 4, the secret, and only the scopes it needs."""
        client = self.connected()
        self.assertEqual(client.hello, HELLO)
        [request] = self.gateway.requests
        params = request["params"]
        self.assertEqual((request["type"], request["method"]), ("req", "connect"))
        self.assertEqual((params["minProtocol"], params["maxProtocol"]), (3, 4))
        self.assertEqual(params["auth"], {"token": "sesame"})
        self.assertEqual(params["scopes"], ["operator.read", "operator.write"])
        self.assertEqual(params["caps"], ["tool-events"])
        self.assertEqual((params["client"]["id"], params["client"]["mode"]), ("cli", "cli"))

    def test_no_challenge(self) -> None:
        """A gateway that never challenges is given up after ten seconds, and the connection is cut."""
        self.gateway.challenges = False
        connecting = self.connecting()
        self.assertNoResult(connecting)
        self.gateway.clock.advance(10)
        self.assertEqual(self.refused(connecting), "no answer from ws://127.0.0.1:18789/ within 10 s")
        self.gateway.flush()
        self.assertEqual(self.gateway.requests, [])
        self.assertEqual(len(self.gateway.closed_with), 1)

    def test_no_connection(self) -> None:
        """An address that does not answer is given up as well."""
        self.gateway.silent = True
        connecting = self.connecting()
        self.gateway.clock.advance(10)
        self.assertIn("within 10 s", self.refused(connecting))

    def test_nothing_listens(self) -> None:
        """A refused connection tells what to start."""
        self.gateway.refusal = ConnectionRefusedError()
        self.assertEqual(self.refused(self.connecting()), "nothing listens at ws://127.0.0.1:18789/; start it")

    def test_other_connect_errors(self) -> None:
        """A name that does not exist, a network that is not there."""
        self.gateway.refusal = DNSLookupError()
        self.assertEqual(self.refused(self.connecting()), "there is no host called 127.0.0.1")
        self.gateway.refusal = NoRouteError()
        self.assertIn("cannot connect to ws://127.0.0.1:18789/: No route to host", self.refused(self.connecting()))

    def test_bad_token(self) -> None:
        """The gateway's refusal is told in its own words."""
        self.gateway.answers["connect"] = self.gateway.refusing("unauthorized: gateway token mismatch", 1008)
        self.assertEqual(self.refused(self.connecting()), "unauthorized: gateway token mismatch")

    def test_closed_without_answer(self) -> None:
        """A close before the handshake is over gives the reason of the close."""
        self.gateway.answers["connect"] = lambda request: self.gateway.close(1008, "pairing required")
        self.assertEqual(self.refused(self.connecting()), "the gateway refused the connection: pairing required")

    def test_not_a_gateway(self) -> None:
        """A WebSocket server that says something else, or just hangs up, is no gateway."""
        self.gateway.challenges = False
        connecting = self.connecting()
        self.gateway.send("welcome!")
        self.gateway.flush()
        self.assertIn("does not speak the protocol", self.refused(connecting))
        self.gateway = ScriptedGateway()
        self.gateway.challenges = False
        connecting = self.connecting()
        self.gateway.server.transport.abortConnection()
        self.gateway.flush()
        self.assertIn("does not answer like an OpenClaw gateway", self.refused(connecting))

    def test_cancelled(self) -> None:
        """Giving up while connecting cuts the connection."""
        self.gateway.challenges = False
        connecting = self.connecting()
        connecting.cancel()
        self.failureResultOf(connecting, CancelledError)
        self.gateway.flush()
        self.assertEqual(len(self.gateway.closed_with), 1)


class CallTests(ClientTestCase):
    """Requests."""

    def test_answer(self) -> None:
        """A request gets the answer with its id, also when answers come in another order."""
        client = self.connected()
        first = self.start(client.call("health", {"a": 1}, 5))
        second = self.start(client.call("status", {}, None))
        asked = self.gateway.requests[1:]
        self.assertEqual([request["method"] for request in asked], ["health", "status"])
        self.gateway.respond(asked[1], "two")
        self.gateway.respond(asked[0], "one")
        self.gateway.flush()
        self.assertEqual(self.successResultOf(first), "one")
        self.assertEqual(self.successResultOf(second), "two")

    def test_error(self) -> None:
        """An error's message is told, else its code."""
        client = self.connected()
        for message, told in (("unknown method: x", "unknown method: x"), ("", "INVALID_REQUEST")):
            self.gateway.answers["x"] = self.gateway.refusing(message)
            self.assertEqual(self.refused(self.start(client.call("x", {}, 5))), told)

    def test_accepted_then_final(self) -> None:
        """The first answer of a long call is handed on, the second one is the result."""
        client = self.connected()
        accepted: list[Any] = []
        call = self.start(client.call("agent", {}, None, lambda status, payload: accepted.append((status, payload))))
        request = self.gateway.requests[-1]
        self.gateway.respond(request, {"status": "accepted", "runId": "r"})
        self.gateway.flush()
        self.assertNoResult(call)
        self.assertEqual(accepted, [("accepted", {"status": "accepted", "runId": "r"})])
        self.gateway.respond(request, {"status": "ok"})
        self.gateway.flush()
        self.assertEqual(self.successResultOf(call), {"status": "ok"})

    def test_timeout(self) -> None:
        """An answer that takes too long is an error; when it comes after all, nobody minds."""
        client = self.connected()
        call = self.start(client.call("health", {}, 2))
        self.gateway.clock.advance(2)
        self.assertEqual(self.refused(call), "no answer to health within 2 s from ws://127.0.0.1:18789/")
        self.gateway.respond(self.gateway.requests[-1], "late")
        self.gateway.flush()
        self.gateway.answers["status"] = "fine"
        self.assertEqual(self.successResultOf(self.start(client.call("status", {}, 2))), "fine")

    def test_lost(self) -> None:
        """When the connection goes, every call ends, and later ones fail at once."""
        client = self.connected()
        call = self.start(client.call("agent", {}, None))
        self.gateway.close(1012, "service restart")
        self.gateway.flush()
        told = "the connection to the gateway was lost: service restart (1012)"
        self.assertEqual(self.refused(call), told)
        self.assertEqual(self.refused(self.start(client.call("health", {}, 5))), told)

    def test_broken_off(self) -> None:
        """A connection that breaks off is told without a protocol's jargon."""
        client = self.connected()
        call = self.start(client.call("agent", {}, None))
        self.gateway.server.transport.abortConnection()
        self.gateway.flush()
        self.assertEqual(self.refused(call), "the connection to the gateway was lost")

    def test_answers_to_nobody(self) -> None:
        """Responses and events that mean nothing here are passed over."""
        client = self.connected()
        self.gateway.send({"type": "res", "id": 77, "ok": True})
        self.gateway.send({"type": "event", "event": "tick"})
        self.gateway.send({"type": "strange", "more": [1]})
        self.gateway.flush()
        self.assertEqual(self.events, [("tick", None)])
        self.gateway.answers["health"] = {}
        self.assertEqual(self.successResultOf(self.start(client.call("health", {}, 1))), {})

    def test_broken_frame(self) -> None:
        """What is no frame ends the calls in words."""
        client = self.connected()
        call = self.start(client.call("agent", {}, None))
        self.gateway.send("[" * 100_000)
        self.gateway.flush()
        self.assertIn("does not speak the protocol", self.refused(call))

    def test_listener_fails(self) -> None:
        """An error of the one who listens (a closed pipe) reaches the one who waits."""
        self.gateway.answers["connect"] = HELLO

        def broken(event: str, payload: Any) -> None:
            raise BrokenPipeError(32, "Broken pipe")

        client = self.successResultOf(self.start(connect(TARGET, self.gateway, self.gateway.clock, broken)))
        call = self.start(client.call("agent", {}, None))
        self.gateway.event("agent", {})
        self.gateway.flush()
        self.failureResultOf(call, BrokenPipeError)


class CloseTests(ClientTestCase):
    """Saying goodbye."""

    def test_close(self) -> None:
        """A close is answered, and nothing is left."""
        client = self.connected()
        closing = self.start(client.close())
        self.gateway.flush()
        self.successResultOf(closing)
        self.assertEqual(self.gateway.closed_with, [1000])
        self.successResultOf(self.start(client.close()))

    def test_gateway_does_not_answer(self) -> None:
        """After a second the connection is cut."""
        client = self.connected()
        closing = Deferred.fromCoroutine(client.close())
        self.assertNoResult(closing)
        self.gateway.clock.advance(1)
        self.successResultOf(closing)
        self.gateway.flush()
