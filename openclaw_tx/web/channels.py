# -*- test-case-name: tests.channels.test_webhook -*-
"""C{POST /channels/webhook/<name>}: a service says something to an agent, and signs it (docs/channels.md).

Who signs right may do this and nothing else; no other credential of the gateway is asked for or of any good here.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from twisted.internet.interfaces import IReactorTime
from twisted.web.server import Request

from openclaw_tx.auth.failures import unauthorized
from openclaw_tx.auth.limiter import FailureLimiter, attempt_of
from openclaw_tx.auth.peers import attribute, proxies_of
from openclaw_tx.channels.signing import SIGNATURE, TIMESTAMP
from openclaw_tx.channels.webhook import MessageBody, WebhookChannel
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.hooks import LIMITS, decoded
from openclaw_tx.web.reading import BodyReader
from openclaw_tx.web.resource import GatewayResource, NewId

PATH = (b"channels", b"webhook")


class WebhookIn(GatewayResource):
    """One service's messages; its name is the rest of the path."""

    methods = (b"POST",)

    def __init__(
        self,
        new_id: NewId,
        webhook: WebhookChannel,
        settings: Callable[[], Config],
        clock: IReactorTime,
        reader: BodyReader,
    ) -> None:
        """
        @param settings: the configuration of the moment.
        """
        super().__init__(new_id)
        self._webhook = webhook
        self._settings = settings
        self._limiter = FailureLimiter(clock, lambda: LIMITS)
        self._reader = reader

    async def respond(self, exchange: Exchange) -> None:
        """C{202 {"ok": true, "runId"}}; of a message that was there before, with C{"duplicate": true}.

        @raise GatewayError: C{not_found}, C{invalid_api_key}, C{payload_too_large}, C{rate_limit_exceeded},
            C{proxy_attribution_required}; or as L{WebhookChannel.receive}.
        """
        attempt = attempt_of("webhook", attribute(exchange, proxies_of(self._settings().gateway)), None, False, LIMITS)
        self._limiter.check(attempt)
        name = name_of(exchange.request)
        account = self._webhook.account(name)
        if account is None:
            raise GatewayError("not_found", "Not Found")
        timestamp, signature = exchange.header(TIMESTAMP.lower()) or "", exchange.header(SIGNATURE.lower()) or ""
        if not timestamp or not signature:
            raise unauthorized("AUTH_TOKEN_MISSING")
        body = await exchange.body(account.max_body_bytes)
        if not self._webhook.is_genuine(account, timestamp, signature, body):
            await self._limiter.failed(attempt)
            raise unauthorized("AUTH_TOKEN_MISMATCH")
        self._limiter.succeeded(attempt)
        message = await self._reader.read(decoded, body, MessageBody)
        received = await self._webhook.receive(name, message)
        answer = {"ok": True, "runId": received.run_id, **({"duplicate": True} if received.duplicate else {})}
        exchange.send_json(msgspec.json.encode(answer), 202)


def name_of(request: Request) -> str:
    """The last part of the path."""
    assert request.prepath is not None
    last: bytes = request.prepath[-1]
    return last.decode("utf-8", "replace")


__all__ = ["PATH", "WebhookIn", "name_of"]
