"""Short forms of drills (bench/drills, docs/reliability.md): what `make drill` does at length is guarded here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import pytest_twisted

from twisted.internet import reactor

from bench.drills.dns import dns
from bench.drills.kill import kill
from bench.drills.limits import descriptors
from bench.drills.place import Place
from bench.drills.storage import disk, readonly

pytestmark = pytest.mark.e2e


async def one_kill(place: Place) -> None:
    """Ten runs and one SIGKILL; on a slow machine a start may take its time."""
    await kill(place, rounds=1, ready_seconds=10)


@pytest.mark.parametrize("drill", [one_kill, disk, readonly, descriptors, dns], ids=lambda drill: str(drill.__name__))
@pytest_twisted.ensureDeferred
async def test_drill(drill: Callable[[Place], Awaitable[None]]) -> None:
    """It passes, with the same runs and moments each time."""
    place = Place(reactor, "tests")
    try:
        await drill(place)
    finally:
        await place.close()
