# -*- test-case-name: tests.config.test_decode -*-
"""Names of places inside a configuration: C{gateway.auth.mode}, C{agents.list[0].id}, C{models.providers["a.b"]}."""

from __future__ import annotations

import re

Path = tuple[str | int, ...]
"""Keys and list indexes from the root to a place."""

Issues = list[tuple[str, str]]
"""C{(rendered path, message)}, the stuff of a L{openclaw_tx.errors.ConfigError}."""

_PLAIN = re.compile(r"[\w$@/:-]+")


def render(path: Path) -> str:
    """The path as people write it; keys with dots or odd characters are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN.fullmatch(part):
            text += f".{part}" if text else part
        else:
            escaped = part[:80].replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
    return text
