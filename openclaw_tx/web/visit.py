# -*- test-case-name: tests.web.test_metrics -*-
# mypy: allow-untyped-calls
"""What the tree notes on each request that passes it: which route it took, and where that is counted.

Requests of our own site have a place for it. Others are C{Componentized}, so this works under any Twisted site that the
tree is mounted in.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.web.server import Request
from zope.interface import Interface, implementer

from openclaw_tx.tally import Tally

GONE = 499
"""Counted in place of a status when the client left before its answer was complete."""


class IVisit(Interface):
    """The visit that a request pays to the tree."""


@implementer(IVisit)
class Visit:
    """One request on its way."""

    __slots__ = ("_clock", "arrived", "route", "tally")

    def __init__(self, tally: Tally, route: str, clock: IReactorTime) -> None:
        self.tally = tally
        self.route = route
        self._clock = clock
        self.arrived = clock.seconds()

    @property
    def milliseconds(self) -> float:
        """Since it came."""
        return max(0.0, self._clock.seconds() - self.arrived) * 1000

    def ended(self, request: Request, *, gone: bool) -> None:
        """Count it."""
        self.tally.request(request.method.decode("latin-1"), self.route, GONE if gone else request.code)


def note(request: Request, tally: Tally, route: str, clock: IReactorTime) -> None:
    """Note the visit on the request."""
    visit = Visit(tally, route, clock)
    if hasattr(request, "visit"):
        request.visit = visit
    else:
        request.setComponent(IVisit, visit)


def route_of(path: tuple[bytes, ...], *, listed: bool, known: bool) -> str:
    """The name of a route: of which there are few, whatever clients ask for.

    @param listed: the path stands in the tree as it is.
    @param known: the tree serves it; if it is not listed, its end is a name such as a run's.
    """
    if listed:
        return "/" + b"/".join(path).decode("latin-1")
    return "/" + b"/".join(path[:2]).decode("latin-1") + "/*" if known else "other"


def visited(request: Request) -> Visit | None:
    """The visit noted on a request."""
    found: Visit | None = request.visit if hasattr(request, "visit") else request.getComponent(IVisit)
    return found


__all__ = ["GONE", "IVisit", "Visit", "note", "route_of", "visited"]
