"""Two clients with keys of their own, who may run agents and answer questions."""

from __future__ import annotations

from openclaw_tx.auth.keys import hash_of

KEYS = {
    "gateway": {
        "auth": {
            "keys": [
                {"label": name, "hash": hash_of(name), "scopes": ["operator.write", "operator.approvals"]}
                for name in ("ada", "bob")
            ]
        }
    }
}
"""Configuration; the name is the key."""
