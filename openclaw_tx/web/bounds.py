# -*- test-case-name: tests.web.test_bounds -*-
"""How many connections a process may have, in all and from one address.

A process has so many file descriptors, and each connection takes one. The bounds leave enough of them for what serves
the connections: providers, the store, files, programs. Nothing is kept: the configuration may be edited and the limit
of the process be changed while it runs.
"""

from __future__ import annotations

from typing import NamedTuple

from openclaw_tx.config.schema_gateway import GatewaySection

SPARE = 256
SMALLEST_SPARE = 8
"""Descriptors that connections leave alone: an eighth of all, within these bounds."""

FOR_A_RUN = 2
"""Descriptors that a run may need: a provider's connection, and one for a tool."""

NO_LIMIT = 1 << 20
"""Descriptors of a process that has no limit: as many as Linux gives."""


def descriptor_limit() -> int:
    """How many descriptors this process may have at the moment (C{ulimit -n})."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return NO_LIMIT
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return NO_LIMIT if limit == resource.RLIM_INFINITY else limit


class Bounds(NamedTuple):
    """How many connections one process may have."""

    places: int
    """In all."""
    of_one: int
    """From one address."""
    accepted: int
    """In all, of those that it accepted itself."""
    accepted_of_one: int
    """From one address, of those."""
    last: int
    """Number of the first descriptor that connections leave alone."""
    spare: int
    """How many there are from there on."""

    @property
    def porch(self) -> int:
        """Connections without a place that may be open: so many that were told, so many that have said nothing yet, and
        so many of this machine that have not."""
        return self.spare // 8


def bounds(files: int, runs: int, gateway: GatewaySection, processes: int = 1) -> Bounds:
    """The bounds of one process.

    What is configured counts for all processes together: each accepts its share of it, rounded up.

    @param files: descriptors that the process may have.
    @param runs: how many it carries out at the same time.
    @param processes: how many share the gateway's ports.
    """
    spare = max(SMALLEST_SPARE, min(SPARE, files // 8))
    own = max(1, files - spare)
    places = max(1, own - min(FOR_A_RUN * runs, own // 2))
    accepted = places
    if gateway.max_connections is not None:
        places = min(places, gateway.max_connections)
        accepted = min(places, -(-gateway.max_connections // processes))
    of_one, accepted_of_one = max(1, places // 2), max(1, accepted // 2)
    if gateway.max_connections_per_address is not None:
        of_one = gateway.max_connections_per_address
        accepted_of_one = -(-of_one // processes)
    return Bounds(places, of_one, accepted, accepted_of_one, own, spare)


__all__ = ["NO_LIMIT", "Bounds", "bounds", "descriptor_limit"]
