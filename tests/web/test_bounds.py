# -*- test-case-name: tests.web.test_bounds -*-
"""How many connections fit."""

from __future__ import annotations

import resource

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_gateway import GatewaySection
from openclaw_tx.web.bounds import Bounds, bounds, descriptor_limit

UNSET = GatewaySection()


def configured(total: int | None = None, of_one: int | None = None) -> GatewaySection:
    """What somebody wants."""
    return GatewaySection(max_connections=total, max_connections_per_address=of_one)


class BoundsTests(SynchronousTestCase):
    """L{bounds}."""

    def test_what_is_left(self) -> None:
        """Descriptors, without the spare ones and two for each run; runs never get more than half."""
        for files, runs, places, last in (
            (1024, 8, 880, 896),
            (1024, 20_000, 448, 896),
            (20_000, 64, 19_616, 19_744),
            (65_536, 8, 65_264, 65_280),
            (64, 8, 40, 56),
        ):
            found = bounds(files, runs, UNSET)
            self.assertEqual(found[:4], (places, places // 2, places, places // 2), (files, runs))
            self.assertEqual(found.last, last)

    def test_full_load(self) -> None:
        """9,500 streams with a provider's connection each fit into 20,000 descriptors."""
        found = bounds(20_000, 20_000, UNSET)
        self.assertGreater(found.places, 9_500 + 100)
        self.assertGreater(found.last, 2 * 9_500 + 100)

    def test_hardly_any(self) -> None:
        """There is always a place, and always something to spare."""
        for files in range(40):
            found = bounds(files, 8, UNSET)
            self.assertGreaterEqual(min(found.places, found.of_one, found.porch), 1, files)
        self.assertEqual(bounds(0, 8, UNSET)[:5], (1, 1, 1, 1, 1))

    def test_configured(self) -> None:
        """What is configured counts, as far as there are descriptors."""
        self.assertEqual(bounds(1024, 8, configured(100))[:4], (100, 50, 100, 50))
        self.assertEqual(bounds(1024, 8, configured(100, 80))[:4], (100, 80, 100, 80))
        self.assertEqual(bounds(1024, 8, configured(None, 10_000))[:4], (880, 10_000, 880, 10_000))
        self.assertEqual(bounds(1024, 8, configured(100_000)).places, 880)

    def test_several_processes(self) -> None:
        """Each accepts its share of what is configured, rounded up, but may be handed all of it; descriptors are its
        own."""
        self.assertEqual(bounds(1024, 8, configured(100, 10), 3)[:4], (100, 10, 34, 4))
        self.assertEqual(bounds(1024, 8, configured(1, 1), 4)[:4], (1, 1, 1, 1))
        self.assertEqual(bounds(1024, 8, UNSET, 3), bounds(1024, 8, UNSET))

    def test_limit(self) -> None:
        """The process's own limit of the moment."""
        self.assertEqual(descriptor_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self.patch(resource, "getrlimit", lambda _: (1024, 4096))
        self.assertEqual(descriptor_limit(), 1024, "not what it could ask for")

    def test_no_limit(self) -> None:
        """As many as Linux gives, not minus one."""
        self.patch(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.assertEqual(descriptor_limit(), 1 << 20)

    def test_porch(self) -> None:
        """Connections without a place take an eighth of the spare descriptors, of each kind."""
        self.assertEqual([Bounds(1, 1, 1, 1, 1, spare).porch for spare in (8, 128, 256)], [1, 16, 32])
