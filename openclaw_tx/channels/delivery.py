"""An answer on its way, which any number may wait for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from openclaw_tx.deferreds import Gate, spawn
from openclaw_tx.errors import GatewayError


class PendingDelivery:
    """Implements L{openclaw_tx.interfaces.Delivery}. It goes on whether or not anybody waits."""

    def __init__(self, work: Coroutine[Deferred[Any], Any, str], log: Logger, what: str) -> None:
        """
        @param work: delivers, and gives the id of the message.
        @param what: a few words for the log.
        """
        self._gate = Gate()
        self._log = log
        self._what = what
        self._message_id = ""
        self._error: GatewayError | None = None
        self._then: list[Callable[[], None]] = []
        self._work = spawn(self._do(work), log, what)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self._gate.opened

    @property
    def failed(self) -> bool:
        """Whether it has ended, and nothing has arrived."""
        return self._error is not None

    def when_ended(self, then: Callable[[], None]) -> None:
        """Call something at the end; only before it."""
        self._then.append(then)

    async def wait(self) -> str:
        """See L{openclaw_tx.interfaces.Delivery.wait}."""
        await self._gate.wait()
        if self._error is not None:
            raise self._error
        return self._message_id

    def call_off(self) -> None:
        """See L{openclaw_tx.interfaces.Delivery.call_off}."""
        self._work.cancel()

    async def _do(self, work: Coroutine[Deferred[Any], Any, str]) -> None:
        try:
            self._message_id = await work
        except CancelledError:
            self._error = GatewayError("run_aborted", "The delivery was called off.")
            raise
        except GatewayError as error:
            self._error = error
            self._log.warn("{what} was not delivered: {error}", what=self._what, error=error.info.message)
        except Exception:
            self._error = GatewayError("delivery_failed", "The message could not be delivered.")
            self._log.failure("{what} was not delivered", what=self._what)
        finally:
            self._gate.open()
            for then in self._then:
                then()


__all__ = ["PendingDelivery"]
