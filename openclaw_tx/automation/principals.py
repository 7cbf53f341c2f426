# -*- test-case-name: tests.automation.test_principals -*-
"""As whom runs are started that no client asked for.

None of them is an admin: what such a run reads from outside must not make it the owner of the gateway. So a job makes
no jobs, and a hook changes nothing but by its agent's own tools.
"""

from __future__ import annotations

from openclaw_tx.auth.actions import READ, WRITE
from openclaw_tx.values import Principal, SessionEntry, StoredRun

_SCOPES = frozenset({READ, WRITE})

CRON = Principal(id="cron", method="local", scopes=_SCOPES)
HEARTBEAT = Principal(id="heartbeat", method="local", scopes=_SCOPES)
HOOKS = Principal(id="hooks", method="local", scopes=_SCOPES)


def stand_in(run: StoredRun, parent: SessionEntry) -> Principal:
    """Who asked for a sub-agent that the process did not outlive: his name and the bounds of his sessions, as far as
    the ledger knows them, within the one agent that is told, and with no more rights than the others here.

    @param run: the sub-agent's.
    @param parent: the session that it was for.
    """
    prefix = run.session_key.split(":", 2)[-1].rpartition("subagent:")[0]
    return Principal(
        id=run.principal_id,
        method="key" if run.principal_id.startswith("key:") else "local",
        scopes=_SCOPES,
        agents=(parent.agent_id,),
        session_prefix=prefix,
    )


__all__ = ["CRON", "HEARTBEAT", "HOOKS", "stand_in"]
