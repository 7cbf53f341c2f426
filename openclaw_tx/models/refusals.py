# -*- test-case-name: tests.models.test_openai -*-
"""Calls of providers that come to nothing: what their answers, or the lack of one, mean to us."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from openclaw_tx.errors import GatewayError
from openclaw_tx.models.door import Answer, HttpFailure
from openclaw_tx.models.failures import gateway_error
from openclaw_tx.wire.upstream import UpstreamError, decode_error


def refusal_of(ref: str, error: HttpFailure | UpstreamError) -> GatewayError:
    """What has gone wrong with a call of C{ref}."""
    if isinstance(error, UpstreamError):
        return gateway_error(ref, error)
    return GatewayError("provider_timeout" if error.timed_out else "provider_error", f"{ref}: {error}")


async def check(ref: str, answer: Answer, advice: str = "") -> None:
    """
    @param advice: what to do when the provider does not know us; "" = nothing to say.
    @raise GatewayError: the status is none of 2xx.
    """
    if not 200 <= answer.status < 300:
        raise gateway_error(ref, await _refusal(answer), _retry_after(answer), advice)


async def _refusal(answer: Answer) -> UpstreamError:
    """The error in an answer that is none of 2xx."""
    if answer.status < 400:
        await answer.deliver(lambda _: True)
        return UpstreamError("The provider redirects elsewhere; is its baseUrl right?", status=answer.status)
    try:
        body = await answer.collect()
    except HttpFailure:
        body = b""  # the status says enough
    return decode_error(answer.status, body)


def _retry_after(answer: Answer) -> float | None:
    """Seconds that C{Retry-After} (RFC 9110, 10.2.3) or OpenAI's C{retry-after-ms} ask for."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(answer.header(name)) * unit
        except ValueError:
            continue
        if 0 <= seconds < 1e6:
            return seconds
    try:
        until = parsedate_to_datetime(answer.header("retry-after"))
        return max(0.0, (until - parsedate_to_datetime(answer.header("date"))).total_seconds())
    except (ValueError, TypeError):
        return None


__all__ = ["check", "refusal_of"]
