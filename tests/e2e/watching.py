"""A client of C{/v1/runs/{id}/events} that comes back."""

from __future__ import annotations

from typing import Any

import treq
from twisted.web.client import ResponseDone, ResponseFailed

from tests.e2e.processes import TOKEN, GatewayProcess
from tests.support.runs import events


class Watcher:
    """A client that watches one run, and comes back with the number of its last whole event.

    @ivar found: the events it has.
    """

    def __init__(self, gateway: GatewayProcess, run_id: str) -> None:
        self.run_id = run_id
        self.found: list[dict[str, Any]] = []
        self._gateway = gateway
        self._body = b""

    async def watch(self) -> bool:
        """Watch until the stream ends, in whatever way.

        @return: whether it ended well.
        """
        self._body = b""
        last = str(self.found[-1]["seq"]) if self.found else "0"
        try:
            response = await treq.get(
                f"{self._gateway.url}/v1/runs/{self.run_id}/events",
                headers={"Authorization": f"Bearer {TOKEN}", "Last-Event-ID": last},
                unbuffered=True,
            )
            assert response.code == 200, response.code
            await treq.collect(response, self._received)
            well = True
        except (ResponseFailed, ResponseDone):
            well = False
        except Exception as error:
            assert "Connection" in type(error).__name__ or "connection" in str(error), repr(error)
            well = False
        self.found += events(self._body)
        return well

    @property
    def seen(self) -> int:
        """How many whole events the present stream has brought."""
        return self._body.count(b"\n\n")

    def _received(self, data: bytes) -> None:
        self._body += data
