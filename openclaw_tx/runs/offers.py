# -*- test-case-name: tests.runs.test_offers -*-
"""What a run's model is told of the agent's tools. It is the same for run after run, so it is put together once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from openclaw_tx.interfaces import Tool
from openclaw_tx.values import ToolSpec

MAX_KEPT = 64
"""Offers remembered; the one unused for longest goes."""


class Offer(NamedTuple):
    """Tools under the policy of the moment."""

    tools: Sequence[Tool]
    by_name: Mapping[str, Tool]
    specs: tuple[ToolSpec, ...]
    """The same object as long as L{tools} is: whoever writes them out may remember that."""


class Offers:
    """Remembers by identity what L{openclaw_tx.interfaces.Tools.allowed} gave, where that can not change."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Offer] = OrderedDict()

    def of(self, tools: Sequence[Tool]) -> Offer:
        """The offer of these tools."""
        known = self._kept.get(id(tools))
        if known is not None and known.tools is tools:
            self._kept.move_to_end(id(tools))
            return known
        specs = tuple(tool.spec for tool in tools)
        offer = Offer(tools, {spec.name: tool for spec, tool in zip(specs, tools, strict=True)}, specs)
        if isinstance(tools, tuple):
            self._kept[id(tools)] = offer
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return offer


__all__ = ["Offer", "Offers"]
