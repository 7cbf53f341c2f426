# -*- test-case-name: tests.web.test_sites -*-
"""All sites of a gateway, as it starts and stops them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.web.resource import IResource

from openclaw_tx.deferreds import sleep
from openclaw_tx.interfaces import Elsewhere
from openclaw_tx.sending import Turn
from openclaw_tx.web.crowding import Crowd
from openclaw_tx.web.site import GatewaySite

CLOSE_SECONDS = 2.0
"""How long answers on their way may take to reach their clients at shutdown."""

LOOK_SECONDS = 0.05
"""Pause until it is looked again whether they have."""


class Sites:
    """Sites of one tree, whose connections are bounded together."""

    def __init__(
        self,
        reactor: Any,
        access_log: Callable[[], bool],
        turn: Turn,
        elsewhere: Elsewhere | None,
        crowd: Crowd,
    ) -> None:
        """
        The parameters are those of L{GatewaySite}.
        """
        self._reactor = reactor
        self._access_log = access_log
        self._turn = turn
        self._elsewhere = elsewhere
        self._crowd = crowd
        self._sites: list[GatewaySite] = []

    def __iter__(self) -> Iterator[GatewaySite]:
        """Those that were made."""
        return iter(self._sites)

    def make(self, root: IResource, *, handed_over: bool) -> GatewaySite:
        """Another one."""
        site = GatewaySite(
            root,
            self._reactor,
            self._access_log,
            self._turn,
            self._elsewhere,
            self._crowd,
            handed_over=handed_over,
        )
        self._sites.append(site)
        return site

    def drain(self) -> None:
        """Close each connection after one more answer."""
        for site in self._sites:
            site.drain()

    def wind_down(self) -> None:
        """Close idle connections now, and the others after their answer."""
        for site in self._sites:
            site.wind_down()

    async def last_answers(self) -> None:
        """Give answers on their way a moment, then cut what is left."""
        end = self._reactor.seconds() + CLOSE_SECONDS
        while self._reactor.seconds() < end and any(site.channels for site in self._sites):
            await sleep(self._reactor, LOOK_SECONDS)
        for site in self._sites:
            site.cut()


__all__ = ["CLOSE_SECONDS", "Sites"]
