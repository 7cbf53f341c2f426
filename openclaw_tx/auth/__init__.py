"""Who is asking, and what they may do: the only door to it for both surfaces. See docs/authentication.md."""

from openclaw_tx.auth.actions import ACTIONS, authorise, granted
from openclaw_tx.auth.failures import ws_message
from openclaw_tx.auth.methods import GatewayAuthenticator, resolve_secret
from openclaw_tx.auth.startup import check_startup, startup_warnings

__all__ = [
    "ACTIONS",
    "GatewayAuthenticator",
    "authorise",
    "check_startup",
    "granted",
    "resolve_secret",
    "startup_warnings",
    "ws_message",
]
