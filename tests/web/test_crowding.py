# -*- test-case-name: tests.web.test_crowding -*-
"""More connections than there are places."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.testing import AccumulatingProtocol
from twisted.logger import LogEvent, LogLevel, capturedLogs
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.test.iosim import FakeTransport, connect
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.pinning import PinnedTLS
from openclaw_tx.config.certificates import digits
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import GatewaySection, Tls
from openclaw_tx.tally import Tally
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.web.crowding import GRACE_SECONDS, LOG_SECONDS, TRIES, Crowd, Place
from openclaw_tx.web.refusing import REFUSAL_SECONDS, UNREAD_SECONDS
from openclaw_tx.web.tls import secured
from tests.support.fakes import ScriptedRun, answer
from tests.support.web import Client, Harness, Wire

BODY = json.dumps({"messages": [{"role": "user", "content": "ping"}]}).encode()
SOMEBODY, ANOTHER = "192.0.2.1", "192.0.2.2"
PROXY = "198.51.100.7"


def idle(run: ScriptedRun) -> None:
    """A run that does nothing yet."""


class Guest:
    """A connection that goes when it is asked to."""

    def __init__(self, *, willing: bool = True) -> None:
        self.willing = willing
        self.asked: list[float] = []
        self.cut = False

    def give_up(self, idle: float) -> bool:
        """Note it."""
        self.asked.append(idle)
        return self.willing

    def drop(self) -> None:
        """Note it."""
        self.cut = True


class CrowdTests(SynchronousTestCase):
    """L{Crowd} by itself."""

    def setUp(self) -> None:
        """Four places, two for each address."""
        self.clock = Clock()
        self.clock.rightNow = 1_000.0
        self.gateway = GatewaySection(
            max_connections=4, max_connections_per_address=2, trusted_proxies=["198.51.0.0/16"]
        )
        self.files = 1024
        self.tally = Tally()
        self.crowd = self.build()

    def build(self, processes: int = 1) -> Crowd:
        """A crowd that goes by what is set here."""
        return Crowd(self.clock, lambda: Config(gateway=self.gateway), lambda: self.files, self.tally, processes)

    def enter(self, address: str = "127.0.0.1", guest: Guest | None = None, **named: Any) -> Place:
        """Somebody who gets a place."""
        place = self.crowd.enter(guest or Guest(), address, **named)
        assert isinstance(place, Place), place
        return place

    def busy(self, address: str = "127.0.0.1", **named: Any) -> Place:
        """Somebody who has a place and asks something."""
        place = self.enter(address, **named)
        place.busy()
        return place

    def test_total(self) -> None:
        """A place is free again when its connection is over, once."""
        places = [self.busy() for _ in range(4)]
        self.assertEqual(self.crowd.enter(Guest(), "127.0.0.1"), "total")
        places[0].leave()
        places[0].leave()
        places[0].idle()
        self.assertEqual(len(self.crowd), 3)
        self.busy()
        self.assertEqual(self.crowd.enter(Guest(), "127.0.0.1"), "total")

    def test_address(self) -> None:
        """One address has its bound, others have theirs."""
        places = [self.busy(SOMEBODY) for _ in range(2)]
        self.assertEqual(self.crowd.enter(Guest(), SOMEBODY), "address")
        self.assertEqual(self.crowd.enter(Guest(), f"::ffff:{SOMEBODY}"), "address")
        self.busy(ANOTHER)
        places[0].leave()
        self.busy(SOMEBODY)
        self.assertEqual(self.crowd.enter(Guest(), SOMEBODY), "address")

    def test_network(self) -> None:
        """IPv6 addresses of one /64 are one."""
        for address in ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"):
            self.busy(address)
        self.assertEqual(self.crowd.enter(Guest(), "2001:db8:0:1::3"), "address")
        self.busy("2001:db8:0:2::1")

    def test_no_bound_of_their_own(self) -> None:
        """Loopback, sockets without an address, and listed proxies, as the configuration has them at the moment."""
        for address in ("127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1", "", PROXY):
            places = [self.busy(address) for _ in range(4)]
            self.assertEqual(self.crowd.enter(Guest(), address), "total", address)
            for place in places:
                place.leave()
        self.gateway = GatewaySection(max_connections=4, max_connections_per_address=2)
        self.busy(PROXY)
        self.busy(PROXY)
        self.assertEqual(self.crowd.enter(Guest(), PROXY), "address")

    def test_nothing_is_kept(self) -> None:
        """Addresses are forgotten with their last connection."""
        for number in range(10):
            place = self.busy(f"192.0.2.{number}")
            place.leave()
        self.assertEqual((len(self.crowd), self.crowd._senders), (0, {}))

    def test_who_goes_first(self) -> None:
        """One that never asked anything, even if another has been idle for longer; then who has been idle longest."""
        guests = [Guest() for _ in range(4)]
        places = [self.enter(guest=guest) for guest in guests]
        for place in (places[2], places[0], places[3]):
            place.busy()
        self.clock.advance(5)
        places[2].idle()
        self.clock.advance(1)
        places[0].idle()
        self.clock.advance(1)
        order = []
        for _ in range(3):
            self.busy()
            order.append([number for number, guest in enumerate(guests) if guest.asked])
        self.assertEqual(order, [[1], [1, 2], [0, 1, 2]])
        self.assertEqual(guests[2].asked, [2.0])
        self.assertEqual(self.crowd.enter(Guest(), "127.0.0.1"), "total")
        self.assertEqual((self.tally.connections_given_up, len(self.crowd)), (3, 4))

    def test_of_the_same_address(self) -> None:
        """Who has too many gives up its own, not another's."""
        other, own = Guest(), [Guest(), Guest()]
        self.enter(ANOTHER, other)
        for guest in own:
            self.enter(SOMEBODY, guest)
        self.clock.advance(GRACE_SECONDS)
        self.enter(SOMEBODY)
        self.assertEqual([bool(guest.asked) for guest in (other, *own)], [False, True, False])

    def test_grace(self) -> None:
        """What has come just now is left alone; the newcomer is refused."""
        guests = [Guest() for _ in range(4)]
        for guest in guests:
            self.enter(guest=guest)
        self.clock.advance(GRACE_SECONDS - 0.1)
        self.assertEqual(self.crowd.enter(Guest(), "127.0.0.1"), "total")
        self.assertEqual([guest.asked for guest in guests], [[], [], [], []])
        self.clock.advance(0.1)
        self.enter()

    def test_unwilling(self) -> None:
        """Who can not go is passed over; so many are asked and no more."""
        self.gateway = GatewaySection(max_connections=TRIES + 3)
        guests = [Guest(willing=number >= 1) for number in range(TRIES + 3)]
        for guest in guests:
            self.enter(guest=guest)
        self.clock.advance(GRACE_SECONDS)
        self.enter()
        self.assertEqual([len(guest.asked) for guest in guests[:3]], [1, 1, 0])
        for guest in guests:
            guest.willing = False
        self.assertEqual(self.crowd.enter(Guest(), "127.0.0.1"), "total")
        self.assertEqual(sum(len(guest.asked) for guest in guests), 2 + TRIES)

    def test_passed_on(self) -> None:
        """What is no HTTP connection any more is never given up, and holds nothing of what it was."""
        guest = Guest()
        place = self.enter(guest=guest)
        place.pass_on()
        for _ in range(3):
            self.busy()
        self.clock.advance(60)
        self.assertEqual(self.crowd.enter(Guest(), "127.0.0.1"), "total")
        self.assertEqual((guest.asked, place.guest), ([], None))
        place.leave()
        self.busy()

    def test_descriptors(self) -> None:
        """A high number says that the process has many open, whoever opened them."""
        self.gateway = GatewaySection()
        self.busy(descriptor=895)
        self.assertEqual(self.crowd.enter(Guest(), "127.0.0.1", 896), "descriptors")
        self.files = 2048
        self.busy(descriptor=896)

    def test_descriptors_of_the_idle(self) -> None:
        """An idle one gives up its own: it closes a moment later, so a quarter of the spare ones is lent till then."""
        self.gateway = GatewaySection()
        guests = [Guest() for _ in range(3)]
        for guest in guests:
            self.enter(guest=guest)
        self.clock.advance(GRACE_SECONDS)
        self.busy(descriptor=896)
        self.busy(descriptor=896 + 31)
        self.assertEqual(self.crowd.enter(Guest(), "127.0.0.1", 896 + 32), "descriptors")
        self.assertEqual([bool(guest.asked) for guest in guests], [True, True, False])

    def test_shares(self) -> None:
        """Of several processes each accepts its share; what others accepted and handed over does not count there."""
        self.crowd = self.build(2)
        self.busy(SOMEBODY)
        self.assertEqual(self.crowd.enter(Guest(), SOMEBODY), "address")
        handed = self.busy(SOMEBODY, handed_over=True)
        self.assertEqual(self.crowd.enter(Guest(), SOMEBODY, handed_over=True), "address")
        self.busy(ANOTHER)
        self.assertEqual(self.crowd.enter(Guest(), "192.0.2.3"), "total")
        self.busy("192.0.2.3", handed_over=True)
        self.assertEqual(self.crowd.enter(Guest(), "192.0.2.4", handed_over=True), "total")
        handed.leave()
        self.busy("192.0.2.4", handed_over=True)

    def test_without_a_place(self) -> None:
        """So many may be open; then the oldest is cut. One that is over does not count, those that say nothing do not
        drive out those that were told, and those from elsewhere none of this machine."""
        self.files = 128  # 16 to spare, an eighth of which is 2
        here, there, leaving = ([Guest() for _ in range(3)] for _ in range(3))
        for guest in here[:2]:
            self.crowd.knock(guest, "::1")
        for guest in there[:2]:
            self.crowd.knock(guest, SOMEBODY)
        for guest in leaving[:2]:
            self.crowd.see_off(guest)
        self.assertFalse(any(guest.cut for guest in here + there + leaving))
        self.crowd.knock(there[2], SOMEBODY)
        self.assertEqual([guest.cut for guest in there], [True, False, False])
        self.crowd.gone(leaving[0])
        self.crowd.see_off(leaving[2])
        self.crowd.see_off(here[0])
        self.assertEqual([guest.cut for guest in leaving], [False, True, False])
        self.crowd.knock(here[2], "127.0.0.1")
        self.assertEqual([guest.cut for guest in here], [False, False, False])

    def test_log(self) -> None:
        """One line at once, then one in ten seconds at most, which says how many there were."""
        self.busy()

        def refuse(times: int) -> list[LogEvent]:
            with capturedLogs() as events:
                for _ in range(times):
                    self.crowd.refused("total")
            return [event for event in events if event["log_level"] is LogLevel.warn]

        (first,) = refuse(5)
        self.assertEqual((first["count"], first["open"], first["bound"]), (1, 1, "total"))
        self.clock.advance(LOG_SECONDS - 1)
        self.assertEqual(refuse(5), [])
        self.clock.advance(1)
        (second,) = refuse(1)
        self.assertEqual(second["count"], 10)
        self.assertEqual(dict(self.tally.connections_refused), {("total",): 11})


class Numbered(Wire):
    """A connection with a descriptor."""

    number = 0

    def fileno(self) -> int:
        """As sockets have it."""
        return self.number


class SiteTests(SynchronousTestCase):
    """A site that is full."""

    def setUp(self) -> None:
        """Two places, one for each address."""
        self.gateway = Harness()
        self.addCleanup(self.gateway.close)
        self.section = GatewaySection(max_connections=2, max_connections_per_address=1)
        self.tally = Tally()
        self.crowd = self.gateway.site.crowd = Crowd(
            self.gateway.clock, lambda: Config(gateway=self.section), lambda: 1024, self.tally
        )
        self.gateway.scripted.script = idle

    def busy(self, host: str = "127.0.0.1") -> Client:
        """A client that waits for its answer."""
        client = self.gateway.connect(host)
        client.request("POST", "/v1/chat/completions", BODY, self.gateway.credentials())
        return client

    def fill(self) -> list[Client]:
        """Nobody is idle."""
        return [self.busy(), self.busy()]

    def told(self, client: Client) -> int | None:
        """What a client reads that asks for something; None = it has a place."""
        if client.wire.protocol.place is not None:
            return None
        client.request("GET", "/v1/models", headers=self.gateway.credentials())
        return client.response.status

    def test_refused(self) -> None:
        """503 as soon as something is asked, with all that a client goes by; the connection closes a second later."""
        self.fill()
        client = self.gateway.connect(SOMEBODY)
        client.wire.pump()
        self.assertEqual(client.received, b"")
        client.request("POST", "/v1/chat/completions", BODY, self.gateway.credentials())
        response = client.response
        self.assertEqual((response.status, response.error["code"]), (503, "too_many_connections"))
        self.assertEqual(
            [response.header(name) for name in ("Retry-After", "X-Should-Retry", "Connection")], ["2", "true", "close"]
        )
        self.assertTrue(response.complete)
        client.request("POST", "/v1/chat/completions", BODY, self.gateway.credentials())
        self.assertFalse(client.closed)
        client.advance(REFUSAL_SECONDS)
        self.assertTrue(client.closed)
        self.assertEqual(len(client.responses), 1)
        self.assertEqual(len(self.gateway.scripted.runs), 2)
        self.assertEqual(dict(self.tally.connections_refused), {("total",): 1})

    def test_silent(self) -> None:
        """Who asks nothing is gone after a second, without an answer, and counts."""
        self.fill()
        clients = [self.gateway.connect(host) for host in ("127.0.0.1", SOMEBODY)]
        left = self.gateway.connect(ANOTHER)
        left.half_close()
        self.gateway.clock.advance(REFUSAL_SECONDS)
        for client in clients:
            client.wire.pump()
        self.assertEqual([(client.closed, client.received) for client in (*clients, left)], [(True, b"")] * 3)
        self.assertEqual(dict(self.tally.connections_refused), {("total",): 3})
        self.assertEqual((self.crowd._knocking, self.crowd._knocking_here), ({}, {}))

    def test_too_many_of_one(self) -> None:
        """429: it is not the gateway that is full."""
        self.busy(SOMEBODY)
        client = self.gateway.connect(SOMEBODY)
        self.assertEqual((self.told(client), client.response.error["code"]), (429, "rate_limit_exceeded"))
        self.assertEqual(client.response.header("Retry-After"), "5")
        self.busy(ANOTHER)
        self.assertEqual(len(self.crowd), 2)

    def test_free_again(self) -> None:
        """However a connection ends, its place is free."""
        first, second = self.fill()
        first.reset()
        third = self.busy()
        answer(self.gateway.scripted.runs[1])
        second.wire.pump()
        second.half_close()
        self.assertTrue(second.closed)
        self.assertEqual(len(self.crowd), 1)
        third.reset()
        self.assertEqual(len(self.crowd), 0)

    def test_the_idle_go(self) -> None:
        """One that was answered makes room; one that is at work, or at work again, does not."""
        first, second = self.fill()
        answer(self.gateway.scripted.runs[0])
        first.wire.pump()
        self.gateway.clock.advance(GRACE_SECONDS)
        third = self.busy()
        first.wire.pump()
        self.assertEqual((first.closed, first.wire.aborted, second.closed), (True, False, False))
        answer(self.gateway.scripted.runs[2])
        third.wire.pump()
        third.request("POST", "/v1/chat/completions", BODY, self.gateway.credentials())
        self.gateway.clock.advance(GRACE_SECONDS)
        self.assertEqual(self.knock(), 503)
        self.assertEqual((third.closed, self.tally.connections_given_up), (False, 1))

    def test_the_slow_go(self) -> None:
        """Neither silence nor half a head keeps a place from others."""
        silent, slow = self.gateway.connect(), self.gateway.connect()
        slow.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        self.gateway.clock.advance(GRACE_SECONDS)
        clients = self.fill()
        for gone in (silent, slow):
            gone.wire.pump()
            self.assertTrue(gone.closed)
        self.assertFalse(any(client.closed for client in clients))

    def test_unread(self) -> None:
        """One that has not read its answer keeps its place for a while longer; then it has a second to take it."""
        self.section = GatewaySection(max_connections=1)
        client = self.busy()
        client.stall()
        answer(self.gateway.scripted.runs[0])
        client.wire.producer.pauseProducing()
        self.gateway.clock.advance(GRACE_SECONDS)
        self.assertEqual(self.knock(), 503)
        self.assertFalse(client.wire.disconnecting)
        self.gateway.clock.advance(UNREAD_SECONDS)
        self.assertEqual(self.knock(), None)
        self.assertTrue(client.wire.disconnecting)
        client.advance(REFUSAL_SECONDS)
        self.assertTrue(client.wire.aborted)

    def knock(self) -> int | None:
        """What another client is told; None = it has a place."""
        return self.told(self.gateway.connect(SOMEBODY))

    def test_waiting_for_its_turn(self) -> None:
        """A request that has come and was not begun is none that is idle."""
        client = self.gateway.connect()
        other = self.busy()
        self.gateway.site.pace._waiting[client.wire.protocol] = bytearray(b"GET / HTTP/1.1\r\n")
        self.gateway.clock.advance(GRACE_SECONDS)
        self.assertEqual(self.knock(), 503)
        self.assertFalse(client.wire.disconnecting or other.closed)

    def test_probes(self) -> None:
        """A probe is answered however full it is, and its connection then closed; it is none that was refused."""
        self.fill()
        for host in ("127.0.0.1", SOMEBODY):
            for path in ("/healthz", "/readyz", "/startupz"):
                client = self.gateway.connect(host)
                client.request("GET", path)
                self.assertEqual((client.response.status, client.response.header("Connection")), (200, "close"), path)
                self.assertTrue(client.closed)
        self.assertEqual(dict(self.tally.connections_refused), {})
        self.assertEqual((self.crowd._knocking, self.crowd._knocking_here), ({}, {}))

    def test_only_one_probe(self) -> None:
        """What follows a probe is not answered."""
        self.fill()
        client = self.gateway.connect()
        client.sent_methods += ["GET"]
        client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(client.response.status, 200)
        self.assertTrue(client.closed)

    def test_many_at_once(self) -> None:
        """Of those that have no place only some are open at the same time."""
        self.fill()
        told = [self.gateway.connect(SOMEBODY) for _ in range(16)]
        for client in told:
            self.assertEqual(self.told(client), 503)
        silent = [self.gateway.connect(SOMEBODY) for _ in range(40)]
        for client in silent:
            client.wire.pump()
        self.assertEqual([client.closed for client in silent], [True] * 24 + [False] * 16)
        self.assertFalse(any(client.closed for client in told))
        self.assertEqual(self.told(silent[-1]), 503)
        told[0].wire.pump()
        self.assertTrue(told[0].closed)
        self.assertEqual(self.tally.connections_refused[("total",)], 16 + 24 + 1)

    def test_descriptors(self) -> None:
        """The number of a connection's descriptor is looked at."""
        self.section = GatewaySection()
        for number, refused in ((895, False), (896, True)):
            wire = Numbered(self.gateway.clock, SOMEBODY)
            wire.number = number
            wire.protocol = self.gateway.site.buildProtocol(wire.peer)
            wire.protocol.makeConnection(wire)
            wire.inbound = b"GET /healthz2 HTTP/1.1\r\nHost: x\r\n\r\n"[: 4 if refused else None]
            wire.pump()
            self.assertEqual(wire.taken[9:12], b"503" if refused else b"404")
            self.addCleanup(wire.drop, ConnectionError())

    def test_drain(self) -> None:
        """A gateway that stops closes those, too, that have no place."""
        clients = [*self.fill(), self.gateway.connect(), self.gateway.connect(SOMEBODY)]
        self.gateway.site.wind_down()
        self.gateway.site.cut()
        for client in clients:
            client.wire.pump()
        self.assertTrue(all(client.closed for client in clients))
        self.assertEqual(len(self.crowd), 0)


class GatewayTests(SynchronousTestCase):
    """The whole gateway, with two places."""

    def setUp(self) -> None:
        """A gateway."""
        self.memory = MemoryGateway({"gateway": {"maxConnections": 2, "maxConnectionsPerAddress": 9}})
        self.addCleanup(self.memory.close)
        self.clients: list[Client] = []

    def connect(self, host: str = SOMEBODY) -> Client:
        """A connection to the gateway's site."""
        client = Client(self.memory.site, self.memory.clock, host)
        self.addCleanup(client.reset)
        client.wire.pump()
        return client

    @staticmethod
    def status(client: Client) -> int | None:
        """What a client reads that asks for something; None = it has a place."""
        if client.wire.protocol.place is not None:
            return None
        client.request("GET", "/")
        return client.response.status

    def test_websockets(self) -> None:
        """They count as long as they are there, whatever became of the HTTP connection, and are never given up."""
        sockets = [self.memory.websocket() for _ in range(2)]
        for socket in sockets:
            socket.connect()
        self.memory.advance(GRACE_SECONDS)
        self.assertEqual(self.status(self.connect()), 503)
        sockets[0].close()
        self.memory.flush()
        self.assertEqual(self.status(self.connect()), None)
        self.assertTrue(sockets[1].request("health")["ok"])

    def test_upgrade_that_fails(self) -> None:
        """It leaves nothing behind."""
        for lines in (b"", b"Sec-WebSocket-Version: 13\r\nOrigin: https://evil.example\r\n"):
            client = self.connect("127.0.0.1")
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" + lines + b"\r\n")
            client.reset()
        self.assertEqual([self.status(self.connect()) for _ in range(3)], [None, None, 503])

    def test_metrics(self) -> None:
        """How many are open, were refused, had to go."""
        self.assertEqual([self.status(self.connect()) for _ in range(3)], [None, None, 503])
        self.memory.advance(GRACE_SECONDS)
        text = self.memory.get("/metrics").body.decode()
        self.assertIn('\nopenclaw_connections_refused_total{bound="total"} 1.0\n', text)
        self.assertIn("\nopenclaw_connections_given_up_total 1.0\n", text)
        self.assertIn("\nopenclaw_connections 2.0\n", text)

    def test_reload(self) -> None:
        """A change counts for the next connection."""
        self.assertEqual([self.status(self.connect()) for _ in range(3)], [None, None, 503])
        self.memory.gateway.reload(
            {
                **self.memory.config,
                "gateway": {**self.memory.config["gateway"], "maxConnections": 3},
            }
        )
        self.assertEqual([self.status(self.connect()) for _ in range(2)], [None, 503])

    def test_every_site(self) -> None:
        """Sites of one gateway share its places."""
        self.connect()
        other = Client(self.memory.gateway.site(), self.memory.clock, SOMEBODY)
        self.addCleanup(other.reset)
        self.assertEqual(self.status(self.connect()), 503)

    def test_tls(self) -> None:
        """Behind TLS the same answer is read."""
        for _ in range(2):
            self.connect()
        tls = secured(Tls(enabled=True), Path(self.mktemp()), self.memory.clock.seconds(), "box")
        server = tls.around(self.memory.site, self.memory.clock).buildProtocol(IPv4Address("TCP", SOMEBODY, 40000))
        here = AccumulatingProtocol()
        factory: Any = Factory.forProtocol(lambda: here)
        factory.protocolConnectionMade = None
        pinned = PinnedTLS(digits(tls.fingerprint))
        client = TLSMemoryBIOFactory(pinned, True, factory, self.memory.clock).buildProtocol(None)
        pump = connect(server, FakeTransport(server, True), client, FakeTransport(client, False))
        client.write(b"GET / HTTP/1.1\r\n")
        for _ in range(3):
            self.memory.clock.advance(0)
            pump.flush()
        self.assertTrue(here.data.startswith(b"HTTP/1.1 503 "), here.data)
        self.memory.clock.advance(REFUSAL_SECONDS)
        pump.flush()
        self.assertTrue(here.closed)
