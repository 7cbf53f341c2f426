# -*- test-case-name: tests.ws.rpc.test_usage -*-
"""Tokens and what they cost, added up: the one place where that is done. Pure.

Costs are worked out when they are asked for, by the prices of the moment (C{models.providers.*.models[].cost}).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_models import Cost
from openclaw_tx.values import ModelCalls, UsageRow

MILLION = 1_000_000

Prices = Mapping[tuple[str, str], Cost]
"""What models cost, by provider and id."""

_COUNTS = ("input", "output", "cacheRead", "cacheWrite", "totalTokens")
_COSTS = ("totalCost", "inputCost", "outputCost", "cacheReadCost", "cacheWriteCost")
_FREE = Cost()


def prices(config: Config) -> Prices:
    """What the configured models cost; those of which it is not known are left out."""
    return {
        (provider, model.id): model.cost
        for provider, definition in config.models.providers.items()
        for model in definition.models
        if model.cost is not None
    }


class Sums:
    """Tokens and US dollars, as C{totals} has them.

    @ivar entries: how many runs or calls were added up.
    """

    __slots__ = ("costs", "counts", "entries", "missing")

    def __init__(self) -> None:
        self.counts = [0] * 3
        self.costs = [0.0] * 3
        self.missing = 0
        self.entries = 0

    def add(self, took: UsageRow | ModelCalls, known: Prices) -> None:
        """Add what runs or calls of a model took; of those without a price the cost is missing."""
        entries = took.runs if isinstance(took, UsageRow) else took.calls
        price = known.get((took.provider, took.model))
        if price is None:
            self.missing += entries
            price = _FREE
        counts, costs = self.counts, self.costs
        counts[0] += took.input_tokens
        counts[1] += took.output_tokens
        counts[2] += took.cached_tokens
        costs[0] += took.input_tokens * price.input / MILLION
        costs[1] += took.output_tokens * price.output / MILLION
        costs[2] += took.cached_tokens * price.cache_read / MILLION
        self.entries += entries

    def merge(self, other: Sums) -> None:
        """Add what others have added up."""
        for index in range(3):
            self.counts[index] += other.counts[index]
            self.costs[index] += other.costs[index]
        self.missing += other.missing
        self.entries += other.entries

    @property
    def tokens(self) -> int:
        """All of them."""
        return sum(self.counts)

    @property
    def cost(self) -> float:
        """US dollars."""
        return round(sum(self.costs), 9)

    def totals(self) -> dict[str, Any]:
        """The object of the wire. What writing to a provider's cache took is never known, 0."""
        (fresh, output, cached), (fresh_cost, output_cost, cached_cost) = self.counts, self.costs
        return {
            **dict(zip(_COUNTS, (fresh, output, cached, 0, self.tokens), strict=True)),
            **dict(zip(_COSTS, self._rounded(fresh_cost, output_cost, cached_cost), strict=True)),
            "missingCostEntries": self.missing,
        }

    def _rounded(self, *costs: float) -> Iterator[float]:
        yield self.cost
        yield from (round(cost, 9) for cost in costs)
        yield 0.0


def largest_first(sums: Sums) -> tuple[float, int]:
    """Key by which lists are sorted."""
    return -sums.cost, -sums.tokens


__all__ = ["Prices", "Sums", "largest_first", "prices"]
