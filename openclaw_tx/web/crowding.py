# -*- test-case-name: tests.web.test_crowding -*-
"""Who has a place among the connections, and who goes when there are more than there may be. No I/O.

When it is full, connections that ask nothing are given up for newcomers: first one that has never asked anything, then
the one that has been idle for longest. Only when all are busy is a newcomer refused.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Literal, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.auth.peers import Address, Proxies, parse_address, proxies_of
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import GatewaySection
from openclaw_tx.tally import Tally
from openclaw_tx.web.bounds import NO_LIMIT, Bounds, bounds

Refusal = Literal["total", "address", "descriptors"]
"""Which bound keeps a newcomer out: of all connections, of those from its address, of the process's descriptors."""

GRACE_SECONDS = 1.0
"""A connection that asks nothing is left alone for so long: what it has to say may be on its way."""

TRIES = 4
"""Idle connections that are asked to go for one newcomer."""

LOG_SECONDS = 10.0
"""Pause between two log lines that say that connections are refused."""


class Guest(Protocol):
    """A connection."""

    def give_up(self, idle: float) -> bool:
        """Close, unless something is on its way after all.

        @param idle: seconds for which nothing was asked.
        @return: whether it closes.
        """

    def drop(self) -> None:
        """Cut the connection, at once."""


class Sender:
    """An address, as long as it has connections."""

    __slots__ = ("accepted", "all", "idle", "key")

    def __init__(self, key: str) -> None:
        self.key = key
        self.all = 0
        self.accepted = 0
        self.idle: OrderedDict[Place, None] = OrderedDict()
        """Those of its connections that ask nothing, idle for longest first."""


class Place:
    """The place that a connection has, from its first byte to its last, whatever protocol it speaks.

    @ivar since: when it began to ask nothing.
    """

    __slots__ = ("_crowd", "_heard", "guest", "handed_over", "sender", "since")

    def __init__(self, crowd: Crowd, guest: Guest, sender: Sender | None, *, handed_over: bool) -> None:
        self._crowd = crowd
        self._heard = False
        self.guest: Guest | None = guest
        self.sender = sender
        self.handed_over = handed_over
        self.since = 0.0

    def busy(self) -> None:
        """Something is asked."""
        self._heard = True
        self._crowd.not_idle(self)

    def idle(self) -> None:
        """Nothing is asked any more."""
        self._crowd.idle(self, heard=self._heard)

    def pass_on(self) -> None:
        """The connection is no HTTP connection any more: it is busy until it ends."""
        self.busy()
        self.guest = None

    def leave(self) -> None:
        """The connection is over, or as good as. Called once or many times."""
        self._crowd.leave(self)
        self.guest = None


class Crowd:
    """All connections of a gateway's sites."""

    def __init__(
        self,
        clock: IReactorTime,
        settings: Callable[[], Config] = Config,
        files: Callable[[], int] = lambda: NO_LIMIT,
        tally: Tally | None = None,
        processes: int = 1,
    ) -> None:
        """
        @param settings: the configuration of the moment, as this process goes by it.
        @param files: how many descriptors the process may have at the moment.
        @param tally: where refusals are counted; None = nobody asks.
        @param processes: how many share the gateway's ports.
        """
        self._clock = clock
        self._settings = settings
        self._files = files
        self._tally = tally or Tally()
        self._processes = processes
        self._places: set[Place] = set()
        self._accepted = 0
        self._senders: dict[str, Sender] = {}
        self._silent: OrderedDict[Place, None] = OrderedDict()
        """Places whose connection has never asked anything, the oldest first."""
        self._idle: OrderedDict[Place, None] = OrderedDict()
        """Places whose connection has been answered, idle for longest first."""
        self._leaving: OrderedDict[Guest, None] = OrderedDict()
        """Connections without a place that were told so."""
        self._knocking: OrderedDict[Guest, None] = OrderedDict()
        """Those that have said nothing yet."""
        self._knocking_here: OrderedDict[Guest, None] = OrderedDict()
        """Those of this machine, apart: a flood from elsewhere does not drive out a supervisor's probe."""
        self._trusted: tuple[GatewaySection | None, Proxies] = (None, Proxies())
        self._refused = 0
        self._logged: float | None = None
        self._log = Logger()

    def __len__(self) -> int:
        """Connections that have a place."""
        return len(self._places)

    def enter(
        self, guest: Guest, address: str, descriptor: int | None = None, *, handed_over: bool = False
    ) -> Place | Refusal:
        """A connection has come.

        @param address: its other end; "" = it has none.
        @param descriptor: the number of its descriptor, if that is known. All lower ones are taken, so it tells how
            many the process has open, whoever opened them.
        @param handed_over: another process accepted it, and has counted it.
        @return: its place, or why it gets none.
        """
        now, limits = self._clock.seconds(), self._bounds()
        sender = self._sender(address)
        reason = self._crowded(limits, sender, handed_over)
        if reason is not None and self._make_room(now, sender if reason == "address" else None):
            reason = self._crowded(limits, sender, handed_over)
        over = -1 if descriptor is None else descriptor - limits.last
        # Who is given up closes in the next turn of the reactor: until then a quarter of the spare ones are lent.
        if reason is None and over >= 0 and (over >= limits.spare // 4 or not self._make_room(now, None)):
            reason = "descriptors"
        if reason is not None:
            return reason
        place = Place(self, guest, sender, handed_over=handed_over)
        self._places.add(place)
        self._accepted += not handed_over
        if sender is not None:
            self._senders[sender.key] = sender
            sender.all += 1
            sender.accepted += not handed_over
        place.idle()
        return place

    def knock(self, guest: Guest, address: str) -> None:
        """A connection without a place waits for what is asked on it. Too many of these, and the oldest is cut."""
        self._stay(self._knocking_here if _is_here(parse_address(address)) else self._knocking, guest)

    def refused(self, reason: Refusal) -> None:
        """A connection without a place gets none."""
        now = self._clock.seconds()
        self._tally.connections_refused.add(reason)
        self._refused += 1
        if self._logged is None or abs(now - self._logged) >= LOG_SECONDS:
            self._log.warn(
                "connections are refused, {count} since the last such line; {open} are open, the bound is {bound}",
                count=self._refused,
                open=len(self),
                bound=reason,
            )
            self._logged, self._refused = now, 0

    def see_off(self, guest: Guest) -> None:
        """A connection that was refused stays for a moment, to hear it. Too many of these, and the oldest is cut."""
        self.gone(guest)
        self._stay(self._leaving, guest)

    def gone(self, guest: Guest) -> None:
        """A connection without a place is over."""
        for guests in (self._leaving, self._knocking, self._knocking_here):
            guests.pop(guest, None)

    # -- for places

    def idle(self, place: Place, *, heard: bool) -> None:
        """See L{Place.idle}."""
        if place not in self._places:
            return
        place.since = self._clock.seconds()
        (self._idle if heard else self._silent)[place] = None
        if place.sender is not None:
            place.sender.idle[place] = None

    def not_idle(self, place: Place) -> None:
        """See L{Place.busy}."""
        self._silent.pop(place, None)
        self._idle.pop(place, None)
        if place.sender is not None:
            place.sender.idle.pop(place, None)

    def leave(self, place: Place) -> None:
        """See L{Place.leave}."""
        if place not in self._places:
            return
        self.not_idle(place)
        self._places.discard(place)
        self._accepted -= not place.handed_over
        sender = place.sender
        if sender is not None:
            sender.all -= 1
            sender.accepted -= not place.handed_over
            if not sender.all:
                del self._senders[sender.key]

    # -- inside

    def _bounds(self) -> Bounds:
        config = self._settings()
        return bounds(self._files(), config.agents.defaults.max_concurrent, config.gateway, self._processes)

    def _sender(self, text: str) -> Sender | None:
        """Whom a connection counts against; None = nobody.

        Behind a listed proxy there are many. On this machine there may be a proxy that is not listed, and whoever can
        open connections here can take the machine's descriptors without us. IPv6 counts by /64, as guesses do.
        """
        address = parse_address(text)
        if _is_here(address):
            return None
        gateway = self._settings().gateway
        if self._trusted[0] is not gateway:
            self._trusted = gateway, proxies_of(gateway)
        if not text or (address is not None and self._trusted[1].trust(address)):
            return None
        key = f"{int(address) >> 64:x}/64" if isinstance(address, IPv6Address) else str(address or text)
        return self._senders.get(key) or Sender(key)

    def _crowded(self, limits: Bounds, sender: Sender | None, handed_over: bool) -> Refusal | None:
        if sender is not None and (
            sender.all >= limits.of_one or (sender.accepted >= limits.accepted_of_one and not handed_over)
        ):
            return "address"
        if len(self._places) >= limits.places or (self._accepted >= limits.accepted and not handed_over):
            return "total"
        return None

    def _make_room(self, now: float, sender: Sender | None) -> bool:
        """Give up a connection that asks nothing.

        @param sender: one of this address; None = of any.
        """
        for queue in (self._silent, self._idle) if sender is None else (sender.idle,):
            for _ in range(min(TRIES, len(queue))):
                place = next(iter(queue))
                idle = now - place.since
                if idle < GRACE_SECONDS:
                    break
                if place.guest is not None and place.guest.give_up(idle):
                    place.leave()
                    self._tally.connections_given_up += 1
                    return True
                queue.move_to_end(place)
        return False

    def _stay(self, guests: OrderedDict[Guest, None], guest: Guest) -> None:
        guests[guest] = None
        if len(guests) > self._bounds().porch:
            oldest, _ = guests.popitem(last=False)
            oldest.drop()


def _is_here(address: Address | None) -> bool:
    """Whether it is this machine's own."""
    return address is not None and address.is_loopback


__all__ = ["Crowd", "Guest", "Place", "Refusal"]
