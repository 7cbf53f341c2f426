"""What a model is told of tools."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.offers import MAX_KEPT, Offers
from tests.runs.rooms import Lookup


class OffersTests(SynchronousTestCase):
    """L{Offers}."""

    def test_remembered(self) -> None:
        """For the same tuple the same object, so whoever writes tools out can remember that; a list may change."""
        offers = Offers()
        tools = (Lookup(),)
        offer = offers.of(tools)
        self.assertIs(offers.of(tools), offer)
        self.assertEqual((offer.specs, dict(offer.by_name)), ((tools[0].spec,), {"look": tools[0]}))
        listed = list(tools)
        self.assertIsNot(offers.of(listed), offers.of(listed))

    def test_bound(self) -> None:
        """The one unused for longest is forgotten."""
        offers = Offers()
        tools = [(Lookup(),) for _ in range(MAX_KEPT + 1)]
        first = offers.of(tools[0])
        for each in tools[1:]:
            offers.of(each)
        self.assertIsNot(offers.of(tools[0]), first)
