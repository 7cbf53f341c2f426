"""What an installed package provides to give agents tools. L{twisted.plugin} finds it, so it is a zope interface."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zope.interface import Attribute, Interface

from openclaw_tx.interfaces.tools import Tool


class IToolPlugin(Interface):
    """An object in a module of C{twisted.plugins} that has tools; docs/tools.md shows one."""

    name: str = Attribute("Short name, for the log.")

    def tools(reactor: Any) -> Iterable[Tool]:
        """Its tools, asked for once when the gateway is made.

        @param reactor: what the gateway runs on; a tool takes time, connections and processes from it.
        """


__all__ = ["IToolPlugin"]
