"""As whom runs are started that no client asked for.

None of them is an admin: what such a run reads from outside must not make it the owner of the gateway. So a job makes
no jobs, and a hook changes nothing but by its agent's own tools.
"""

from __future__ import annotations

from openclaw_tx.auth.actions import READ, WRITE
from openclaw_tx.values import Principal

_SCOPES = frozenset({READ, WRITE})

CRON = Principal(id="cron", method="local", scopes=_SCOPES)
HEARTBEAT = Principal(id="heartbeat", method="local", scopes=_SCOPES)
HOOKS = Principal(id="hooks", method="local", scopes=_SCOPES)

__all__ = ["CRON", "HEARTBEAT", "HOOKS"]
