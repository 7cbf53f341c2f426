# -*- test-case-name: tests.ws.test_reference -*-
"""Writes the reference of the WebSocket methods into docs/protocol.md: C{python -m openclaw_tx.testing.reference}.

The methods are those that a gateway with everything on really serves.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from openclaw_tx.testing.gateway import MemoryGateway
from openclaw_tx.ws.methods import Method
from openclaw_tx.ws.reference import with_reference

PAGE = Path("docs") / "protocol.md"


def served() -> Sequence[Method]:
    """Every method of a gateway whose configuration is a file."""
    memory = MemoryGateway(as_file=True)
    try:
        return memory.gateway._house.websockets.registry.all()
    finally:
        memory.close()


def main(path: Path = PAGE) -> None:
    """Renew the page."""
    path.write_text(with_reference(path.read_text("utf-8"), served()), "utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
