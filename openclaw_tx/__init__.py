"""The OpenClaw Gateway for Twisted: agents behind an OpenAI-compatible HTTP API and the Gateway WebSocket protocol.

What an embedding application imports; docs/embedding.md shows it at work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openclaw_tx._version import __version__

if TYPE_CHECKING:
    from openclaw_tx.auth.configured import load_config
    from openclaw_tx.gateway import Gateway
    from openclaw_tx.plugins import installed_channels, installed_tools

__all__ = ["Gateway", "__version__", "installed_channels", "installed_tools", "load_config"]


def __getattr__(name: str) -> Any:
    """Import on first use: the command line and C{twist --help} need none of it."""
    if name == "Gateway":
        from openclaw_tx.gateway import Gateway

        return Gateway
    if name == "load_config":
        from openclaw_tx.auth.configured import load_config

        return load_config
    if name == "installed_channels":
        from openclaw_tx.plugins import installed_channels

        return installed_channels
    if name == "installed_tools":
        from openclaw_tx.plugins import installed_tools

        return installed_tools
    raise AttributeError(name)
