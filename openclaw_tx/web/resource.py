# -*- test-case-name: tests.web.test_resource -*-
# mypy: allow-untyped-calls
"""What every resource is built from: it parses, calls, writes; errors, disconnects, methods are dealt with once.

Order of checks (spec 1.0): path, enabled, method, authentication, body, run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from openclaw_tx.deferreds import spawn
from openclaw_tx.errors import GatewayError, NotHere
from openclaw_tx.web.exchange import Exchange, internal_error
from openclaw_tx.web.request import no_memory

NewId = Callable[[], str]


class GatewayResource(Resource):
    """A leaf that answers with a coroutine.

    Subclasses say what they do in L{respond}. A L{GatewayError} becomes its status and body; another exception is
    logged and becomes C{internal_error}; a lost connection cancels the coroutine.
    """

    isLeaf = True
    renders_early: ClassVar[bool] = True
    """Tells L{openclaw_tx.web.site.BoundedRequest} not to wait for the body."""
    methods: ClassVar[tuple[bytes, ...]] = (b"GET", b"HEAD")
    """What it answers; everything else is 405."""

    def __init__(self, new_id: NewId) -> None:
        """
        @param new_id: makes request ids.
        """
        super().__init__()
        self._new_id = new_id
        self._log = Logger()

    async def respond(self, exchange: Exchange) -> None:
        """Answer. Must have sent a whole reply, or have raised, when it returns.

        @raise GatewayError: anything that is refused.
        """
        raise NotImplementedError

    def refusal(self) -> GatewayError | None:
        """Why nothing at all is served here right now; None = it is."""
        return None

    def render(self, request: Request) -> int:
        """Twisted's hook."""
        exchange = Exchange(request, self._new_id)
        gone = request.notifyFinish()
        answered = spawn(self._answer(exchange), self._log, f"request {exchange.id}")

        def lost(_: object) -> None:
            exchange.gone = True
            answered.cancel()

        gone.addErrback(lost)
        answered.addBoth(exchange.ended)
        return NOT_DONE_YET

    async def _answer(self, exchange: Exchange) -> None:
        """The one place where an error becomes a reply."""
        try:
            refusal = self.refusal()
            if refusal is not None:
                raise refusal
            if exchange.request.method not in self.methods:
                exchange.set_header("Allow", b", ".join(self.methods).decode("ascii"))
                raise GatewayError("method_not_allowed", "Method Not Allowed")
            try:
                await self.respond(exchange)
            except NotHere:
                await exchange.hand_over()
        except CancelledError:
            # The client has gone; nobody is left to be told. Otherwise something below was cancelled on its own.
            exchange.send_error(internal_error().info)
            raise
        except GatewayError as error:
            exchange.send_error(error.info)
            error.__traceback__ = None  # a frame that made it holds it
        except MemoryError:
            self._log.warn("request {request}: out of memory", request=exchange.id)
            exchange.send_error(no_memory().info)
        except Exception:
            self._log.failure("request {request} failed", request=exchange.id)
            exchange.send_error(internal_error().info)


class NotFound(GatewayResource):
    """No such path: 404 for every method, as JSON."""

    def refusal(self) -> GatewayError:
        """Always."""
        return GatewayError("not_found", "Not Found")


__all__ = ["GatewayResource", "NewId", "NotFound"]
