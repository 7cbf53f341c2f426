# -*- test-case-name: tests.models.test_openai -*-
"""Calls of providers that come to nothing: what their answers, or the lack of one, mean to us."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

from twisted.web.http_headers import Headers

from openclaw_tx.config.redact import LONG_ENOUGH, names_secret
from openclaw_tx.errors import GatewayError
from openclaw_tx.models.door import Answer, HttpFailure
from openclaw_tx.models.failures import gateway_error
from openclaw_tx.wire.upstream import UpstreamError, decode_error

_KNOWN = frozenset({b"accept", b"anthropic-beta", b"anthropic-version", b"content-type", b"traceparent", b"user-agent"})
"""Headers whose values everybody may know."""

SHORTEST_KEY = 8
"""Characters below which a key is no secret: C{ollama}, C{none} or C{x} are given to servers that want any key at all,
and taking such a word out of what a server says would only make it unreadable. Keys of vendors are much longer."""


def secrets_of(*sent: Headers) -> Sequence[str]:
    """What stands in headers that we send and must not come back in a provider's words: keys of L{SHORTEST_KEY}
    characters or more, and whatever else the configuration has there that is L{LONG_ENOUGH}."""
    found: dict[str, None] = {}
    for name, values in (
        line for headers in sent for line in headers.getAllRawHeaders() if line[0].lower() not in _KNOWN
    ):
        least = SHORTEST_KEY if names_secret(name.decode("latin-1").replace("-", "_")) else LONG_ENOUGH
        texts = (value.decode("utf-8", "replace").rpartition(" ")[2] for value in values)
        found.update((text, None) for text in texts if len(text) >= least)
    return tuple(found)


def refusal_of(ref: str, error: HttpFailure | UpstreamError, secrets: Sequence[str] = ()) -> GatewayError:
    """What has gone wrong with a call of C{ref}.

    @param secrets: taken out of the provider's words.
    """
    if isinstance(error, UpstreamError):
        return gateway_error(ref, _without(error, secrets))
    return GatewayError("provider_timeout" if error.timed_out else "provider_error", f"{ref}: {error}")


async def check(ref: str, answer: Answer, advice: str = "", secrets: Sequence[str] = (), now: float = 0.0) -> None:
    """
    @param advice: what to do when the provider does not know us; "" = nothing to say.
    @param secrets: taken out of the provider's words.
    @param now: when the answer came, in seconds since 1970.
    @raise GatewayError: the status is none of 2xx.
    """
    if not 200 <= answer.status < 300:
        raise gateway_error(ref, _without(await _refusal(answer), secrets), _retry_after(answer, now), advice)


def _without(error: UpstreamError, secrets: Sequence[str]) -> UpstreamError:
    """Before the words are cut to their length: half a secret would not be found any more."""
    for secret in secrets:
        error.message = error.message.replace(secret, "***")
    return error


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


def _retry_after(answer: Answer, now: float) -> float | None:
    """Seconds that C{Retry-After} (RFC 9110, 10.2.3) or OpenAI's C{retry-after-ms} ask for. A date is compared with
    the server's own clock, if it tells what that says."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(answer.header(name)) * unit
        except ValueError:
            continue
        if 0 <= seconds < 1e6:
            return seconds
    until = _date(answer.header("retry-after"))
    return None if until is None else max(0.0, until - (_date(answer.header("date")) or now))


def _date(text: str) -> float | None:
    """Seconds since 1970 of a date in a header; None when it is none."""
    try:
        found = parsedate_to_datetime(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


__all__ = ["check", "refusal_of", "secrets_of"]
