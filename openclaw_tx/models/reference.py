# -*- test-case-name: tests.models.test_reference -*-
"""The tables of docs/models.md that say what the code does: C{python -m openclaw_tx.models.reference} prints them."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from openclaw_tx.models.failures import FAILOVER_CODES, REASONS, RETRY_CODES, ROTATE_CODES
from openclaw_tx.models.refs import key_names, known_providers

CAUSES: Mapping[str, str] = {
    "provider_rate_limit": "429",
    "provider_error": "500, 502, connection refused or broken, unreadable answer",
    "provider_overloaded": "503, 529",
    "provider_timeout": "408, 504, silence, no connection in time",
    "provider_auth": "401",
    "provider_forbidden": "403",
    "provider_billing": "402, or words that mean it",
    "provider_rejected": "400, 404, 422 and other 4xx",
    "model_not_found": "the model is unknown, not allowed, or has too small a window",
    "local_model_not_installed": "the embedded model lacks something",
    "context_length_exceeded": "the request does not fit the context",
}
"""Code of the error -> what happened."""

RESTS: Mapping[str, str] = {
    "auth": "the key: 1, 5, 25, 60 minutes",
    "rate_limit": "the key: 1, 5, 25, 60 minutes",
    "timeout": "the key: 1, 5, 25, 60 minutes",
    "billing": "the key: 5, 10, 20, 24 hours",
    "server": "the provider: a minute",
}
"""Reason of a cooldown -> what rests, and how long."""


def keys() -> str:
    """Variables that hold keys."""
    rows = (
        f"| `{provider}` | {', then '.join(f'`{name}`' for name in key_names(provider))} |\n"
        for provider in known_providers()
    )
    return "| provider | variable |\n|---|---|\n" + "".join(rows) + "| any other | `<PROVIDER>_API_KEY` |\n"


def failures() -> str:
    """What each failure leads to."""
    head = "| what happened | code | tried again | next key | next model | rests |\n|---|---|---|---|---|---|\n"
    return head + "".join(
        f"| {cause} | `{code}` | {_yes(code in RETRY_CODES)} | {_yes(code in ROTATE_CODES)} "
        f"| {_yes(code in FAILOVER_CODES)} | {RESTS[REASONS[code]] if code in REASONS else 'nothing'} |\n"
        for code, cause in CAUSES.items()
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"


if __name__ == "__main__":
    sys.stdout.write(f"{keys()}\n{failures()}")
