# -*- test-case-name: tests.models.test_failures -*-
"""What a provider's failure means to us: one table from statuses and codes to L{GatewayError} (spec 6.4)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from openclaw_tx.errors import GatewayError
from openclaw_tx.models.cooldowns import Reason
from openclaw_tx.wire.upstream import UpstreamError

FAILOVER_CODES = frozenset(
    {
        "provider_auth",
        "provider_forbidden",
        "provider_billing",
        "provider_rejected",
        "provider_rate_limit",
        "provider_error",
        "provider_overloaded",
        "provider_timeout",
        "model_not_found",
        "local_model_not_installed",
    }
)
"""Failures that the next model may not share."""

RETRY_CODES = frozenset({"provider_rate_limit", "provider_error", "provider_overloaded"})
"""Failures that may be gone a moment later. Silence is not among them: the run has waited long enough for it."""

REASONS: Mapping[str, Reason] = {
    "provider_auth": "auth",
    "provider_forbidden": "auth",
    "provider_billing": "billing",
    "provider_rate_limit": "rate_limit",
    "provider_timeout": "timeout",
    "provider_error": "server",
    "provider_overloaded": "server",
}
"""Failures after which a key rests, or, for C{server}, the provider with all its keys."""

ROTATE_CODES = frozenset(code for code, reason in REASONS.items() if reason != "server")
"""Failures that another key of the same provider may not share."""

ABOUT_ONE_MODEL = frozenset({"provider_forbidden", "provider_rate_limit"})
"""Failures that may be about the model as much as about the key: permissions and limits are often set for each."""

ABOUT_US = frozenset({"provider_auth", "provider_forbidden", "provider_billing"})
"""Failures that no other request with the same key would be spared."""

_BY_STATUS: Mapping[int, str] = {
    401: "provider_auth",
    402: "provider_billing",
    403: "provider_forbidden",
    408: "provider_timeout",
    429: "provider_rate_limit",
    503: "provider_overloaded",
    504: "provider_timeout",
    524: "provider_timeout",
    529: "provider_overloaded",
}

_BY_WORD: Mapping[str, str] = {
    "insufficient_quota": "provider_billing",
    "billing_error": "provider_billing",
    "billing_hard_limit_reached": "provider_billing",
    "context_length_exceeded": "context_length_exceeded",
    "exceed_context_size_error": "context_length_exceeded",
    "model_not_found": "model_not_found",
    "rate_limit_exceeded": "provider_rate_limit",
    "rate_limit_error": "provider_rate_limit",
    "overloaded_error": "provider_overloaded",
    "authentication_error": "provider_auth",
    "invalid_api_key": "provider_auth",
    "permission_error": "provider_forbidden",
    "timeout_error": "provider_timeout",
    "invalid_request_error": "provider_rejected",
    "not_found_error": "provider_rejected",
    "request_too_large": "provider_rejected",
    "invalid_prompt": "provider_rejected",
    "server_is_overloaded": "provider_overloaded",
    "slow_down": "provider_overloaded",
    "invalid_argument": "provider_rejected",
    "failed_precondition": "provider_rejected",
    "unauthenticated": "provider_auth",
    "permission_denied": "provider_forbidden",
    "resource_exhausted": "provider_rate_limit",
    "unavailable": "provider_overloaded",
    "deadline_exceeded": "provider_timeout",
}
"""C{error.code} or C{error.type}, where it says more than the status or there is no status."""

_SHARPER = frozenset({"provider_billing", "context_length_exceeded", "model_not_found"})
"""Words that win over the status they came with."""

_CONTEXT = re.compile(
    r"maximum (context|prompt length)|context[ _](length|window|size|limit)|(prompt|input) (is )?too long"
    r"|too many (input )?tokens|exceeds? the maximum number of tokens|model token limit|token limit exceeded"
    r"|length of the messages|range of input length|prompt token count of \d+ exceeds|`inputs` tokens \+",
    re.IGNORECASE,
)
_REF = re.compile(r"(?<!\S)[^\s/]++/\S+: ")
_THINKING = re.compile(r"reasoning|thinking|\beffort\b", re.IGNORECASE)
_IN_WORDS = (
    (re.compile(r"\bAPI key (not valid|expired|not found)|API_KEY_INVALID", re.IGNORECASE), "provider_auth"),
    (re.compile(r"\bcredit balance\b", re.IGNORECASE), "provider_billing"),
)
"""What Google and Anthropic say with a mere 400."""
_OF_US = re.compile(
    r"\bkeys?\b|credential|permission|\baccounts?\b|organi[sz]ation|subscription|suspended|deactivated|unauthori[sz]ed"
    r"|\bnot (authori[sz]ed|allowed|permitted|entitled) to (access|use|call)\b|\baccess to\b.*\bmodel\b",
    re.IGNORECASE,
)
"""A 403 that speaks of the key and of what it may do, not of the one request."""
_OF_THE_REQUEST = re.compile(r"flagged|moderat|content[ _-](policy|filter)|\bprompt\b", re.IGNORECASE)
"""A 403 for what was said, whatever else its words are: OpenRouter's moderation, a firewall in between."""
_NO_MODEL = re.compile(r"\bmodel\b", re.IGNORECASE)
_SECRETS = re.compile(
    r"(?<=://)[^/\s@]+@|\b(sk|pk|key|gsk|xai|AIza)[-_][\w*.-]{6,}|\b(AIza|ya29\.)[\w*-]{16,}|(?<=Bearer )\S+"
)
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f]+")

MAX_WORDS = 500
"""Most characters of a provider's own words in an error."""

MAX_READ = 4 * MAX_WORDS
"""Most characters of them that are looked at: what is wrong stands at the beginning, and some look for a while."""


class RequestForbidden(GatewayError):
    """C{provider_forbidden} that does not speak of our key: the next request may well be allowed."""


def gateway_error(ref: str, error: UpstreamError, retry_after: float | None = None, advice: str = "") -> GatewayError:
    """The error of ours for one of a provider.

    @param ref: C{provider/model}, which the message begins with.
    @param retry_after: seconds the provider asked to wait; None = what the error itself says.
    @param advice: what to do when it does not know us, one sentence; "" = nothing to say.
    """
    if retry_after is None:
        retry_after = error.retry_after
    code = _code_of(error)
    words = clean(error.message)
    status = "" if error.status is None else str(error.status)
    said = " ".join(part for part in (status, words) if part)
    if code in ("provider_rejected", "context_length_exceeded", "model_not_found"):
        return GatewayError(
            code, f"{ref}: {said}" if words else f"{ref}: the provider rejected the request ({status or code})."
        )
    if code == "provider_forbidden" and not _is_of_us(error):
        if words:
            return RequestForbidden(code, f"{ref}: {said}")
        refusal = f"{ref}: the provider forbids the request ({said or code})."
        return RequestForbidden(code, f"{refusal} {advice}" if advice else refusal)
    if code in ABOUT_US:
        # Providers like to quote the key here.
        because = {"provider_auth": "key", "provider_forbidden": "permissions", "provider_billing": "quota or balance"}
        refusal = f"{ref}: the provider does not accept our {because[code]} ({status or code})."
        return GatewayError(code, f"{refusal} {advice}" if advice and code != "provider_billing" else refusal)
    return GatewayError(code, f"{ref}: {said or 'the provider failed without saying why'}", retry_after=retry_after)


def refuses_thinking(error: GatewayError) -> bool:
    """Whether a provider refused a request for how hard the model was to think, so that another level may do."""
    # A model may be called after what it does, as kimi-k2-thinking is.
    return error.info.code == "provider_rejected" and _THINKING.search(_REF.sub("", error.info.message)) is not None


def clean(words: str) -> str:
    """A provider's words as one bounded line without anything that looks like a secret."""
    line = _BLANKS.sub(" ", words[:MAX_READ]).strip()
    line = _SECRETS.sub("***", line)
    return line if len(line) <= MAX_WORDS else line[: MAX_WORDS - 3] + "..."


def _code_of(error: UpstreamError) -> str:
    by_word = _BY_WORD.get(error.code.lower()) or _BY_WORD.get(error.type.lower())
    status, said = error.status, error.message[:MAX_READ]
    if status is None:
        code = by_word or "provider_error"
    elif by_word in _SHARPER:
        code = by_word
    elif status in _BY_STATUS:
        code = _BY_STATUS[status]
    else:
        code = "provider_rejected" if 400 <= status < 500 else "provider_error"
    if code == "provider_error" and _CONTEXT.search(said):
        return "context_length_exceeded"  # a stream's error often has no kind, Ollama's never
    if code == "provider_rejected":
        for words, meaning in _IN_WORDS:
            if words.search(said):
                return meaning
        if _CONTEXT.search(said):
            return "context_length_exceeded"
        if status == 404 and _NO_MODEL.search(said):
            return "model_not_found"
    return code


def _is_of_us(error: UpstreamError) -> bool:
    """Whether a 403 is about our key, so that the next request with it would fare no better."""
    said = error.message[:MAX_READ]
    if _OF_THE_REQUEST.search(said):
        return False
    kinds = (error.code.lower(), error.type.lower())
    return any(_BY_WORD.get(kind) in ABOUT_US for kind in kinds) or _OF_US.search(said) is not None


def resting(ref: str, reason: Reason, wait_s: float, about_model: bool = False) -> GatewayError:
    """Why a model was not asked: its key or its provider rests.

    @param about_model: a refused key was refused for this model only.
    """
    seconds = math.ceil(wait_s)
    again = f"it is asked again in {seconds} seconds" if seconds else "it is asked again soon"
    if reason in ("auth", "billing"):
        code, what = "provider_billing", "quota or balance"
        if reason == "auth":
            code, what = ("provider_forbidden", "permissions") if about_model else ("provider_auth", "key")
        return GatewayError(code, f"{ref}: the provider did not accept our {what}; {again}.", retry_after=wait_s)
    code = "provider_overloaded" if reason == "server" else "provider_rate_limit"
    return GatewayError(code, f"{ref}: the provider wants to be left alone; {again}.", retry_after=wait_s)


def all_failed(failures: list[tuple[str, GatewayError]]) -> GatewayError:
    """One error for several models that were tried: the most hopeful one's code, everybody's reason.

    @param failures: model ref and its error, in the order tried; not empty.
    """
    if len(failures) == 1:
        return failures[0][1]
    hopeful = next((error for _, error in failures if error.info.should_retry), failures[-1][1])
    waits = [error.info.retry_after for _, error in failures if error.info.retry_after is not None]
    reasons = "; ".join(f"{ref}: {str(error).removeprefix(f'{ref}: ')}" for ref, error in failures)
    return GatewayError(
        hopeful.info.code,
        f"All models failed ({len(failures)}): {reasons}",
        retry_after=min(waits, default=None),
        should_retry=hopeful.info.should_retry,
    )


__all__ = [
    "ABOUT_ONE_MODEL",
    "FAILOVER_CODES",
    "MAX_WORDS",
    "REASONS",
    "RETRY_CODES",
    "ROTATE_CODES",
    "RequestForbidden",
    "all_failed",
    "clean",
    "gateway_error",
    "refuses_thinking",
    "resting",
]
