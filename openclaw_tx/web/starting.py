# -*- test-case-name: tests.web.test_starting -*-
"""How a request gets its run: started, or the one that an earlier try of the same request started.

A request is known again by its C{Idempotency-Key}, in the ledger for a day; or, with C{gateway.http.joinRetries}, by
what it says and by the retry counter of OpenAI's SDKs, in memory for ten minutes. Source: docs/runs.md.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Run, RunEngine
from openclaw_tx.runs.archive import Archive
from openclaw_tx.runs.attendance import CANCEL, CONTINUE, Attendance, Policy, policy_of
from openclaw_tx.values import Principal, RunRequest
from openclaw_tx.web.addressing import SESSION_HEADER
from openclaw_tx.web.client_run import ClientRun
from openclaw_tx.web.exchange import Exchange

KEY_HEADER = "idempotency-key"
POLICY_HEADER = "x-openclaw-on-disconnect"
RETRY_HEADER = "x-stainless-retry-count"
MAX_KEY = 255
"""Longest key, in characters."""

RETRY_SECONDS = 600.0
"""How long a run can be joined by a retry without a key."""

MAX_REMEMBERED = 10_000
"""Requests that are known again without a look into the ledger; the oldest are forgotten first."""

FINDABLE = Policy(30.0)
"""The policy for requests that say how to find their run again, when nobody chose one: a retry has to find it."""

MEANT = (
    "x-openclaw-agent-id",
    "x-openclaw-agent",
    "x-openclaw-session-key",
    "x-openclaw-model",
    "x-openclaw-message-channel",
)
"""Headers that are part of what a request says."""


class _Asked(NamedTuple):
    """A request as far as it can be known again."""

    token: str
    """Digest of who asks and of the key or of what is asked; "" = it can not be known again."""
    fingerprint: str
    """Digest of what is asked."""
    keyed: bool
    again: bool
    """It may be a repetition."""


class Known(NamedTuple):
    """What is known of a request before anything is fetched for it."""

    asked: _Asked
    run: Run | None
    """That of an earlier try; None = this is the first, or nothing had come of it."""


class Starter:
    """Starts runs for requests, each once."""

    def __init__(
        self,
        engine: RunEngine,
        agents: Agents,
        archive: Archive,
        attendance: Attendance,
        settings: Callable[[], Config],
        clock: IReactorTime,
    ) -> None:
        self._engine = engine
        self._agents = agents
        self._archive = archive
        self._attendance = attendance
        self._settings = settings
        self._clock = clock
        self._remembered: OrderedDict[str, tuple[str, float]] = OrderedDict()
        """Token -> run id, and when it was started."""

    async def known(self, exchange: Exchange, principal: Principal) -> Known:
        """Whether an earlier try of a request has started its run. Then what the request names need not be there any
        more: an image, or an earlier response.

        @raise GatewayError: C{invalid_request} for the key, C{idempotency_key_conflict}, C{storage_unavailable}.
        """
        asked = self._asked(exchange, principal)
        found = await self._found(asked) if asked.again else None
        if found is not None and found.request.fingerprint != asked.fingerprint:
            raise GatewayError(
                "idempotency_key_conflict",
                "This idempotency key was used before for another request.",
                param="Idempotency-Key",
            )
        return Known(asked, found)

    async def start(
        self,
        exchange: Exchange,
        principal: Principal,
        request: RunRequest,
        *,
        attended: bool = True,
        known: Known | None = None,
    ) -> ClientRun:
        """The run of a request. The answer's headers name it, and tell a replay.

        @param request: what is asked; where an earlier try is known, only what the answer to it looks like.
        @param attended: the client waits for what the run says; otherwise it goes on whoever comes and goes, unless
            the client says something else.
        @param known: as L{known} found it, if that was asked.
        @raise GatewayError: C{invalid_request} for a header, as L{known}, or as L{RunEngine.start}.
        """
        policy = policy_header(exchange)
        if known is None or known.run is None:  # a try that came meanwhile may have been quicker
            known = await self.known(exchange, principal)
        asked, found = known
        if found is None:
            run = self._begin(request, principal, asked)
            policy = policy or (self._default(request, asked) if attended else CONTINUE)
        else:
            run = found
            exchange.set_header("Idempotency-Replayed", "true")
        exchange.set_header("X-Openclaw-Run-Id", run.request.run_id)
        exchange.set_header("X-Openclaw-Session-Key", run.request.session_key)
        if not attended and policy is not None:
            self._attendance.expect(run, policy)
        leave = self._attendance.attend(run, policy) if attended else _nothing
        return ClientRun(run, request, leave, replayed=found is not None)

    # -- inside

    def _asked(self, exchange: Exchange, principal: Principal) -> _Asked:
        key = idempotency_key(exchange)
        retry = exchange.header(RETRY_HEADER) if self._settings().gateway.http.join_retries else None
        if key is None and retry is None:
            return _Asked("", "", keyed=False, again=False)
        path = exchange.request.path
        said = [exchange.header(name) for name in MEANT]
        fingerprint = _digest(path, repr(said), exchange.received())
        if key is not None:
            return _Asked(_digest("key", principal.id, path, key), fingerprint, keyed=True, again=True)
        return _Asked(_digest("retry", principal.id, fingerprint), fingerprint, keyed=False, again=retry != "0")

    async def _found(self, asked: _Asked) -> Run | None:
        run = self._in_memory(asked)
        if run is None and asked.keyed:
            run = await self._archive.repeated(asked.token)
            # Meanwhile another try may have started one.
            run = self._in_memory(asked) or run
        return None if run is None or _came_to_nothing(run, asked) else run

    def _in_memory(self, asked: _Asked) -> Run | None:
        run_id, at = self._remembered.get(asked.token, ("", 0.0))
        if not run_id or (not asked.keyed and self._clock.seconds() - at > RETRY_SECONDS):
            return None
        return self._engine.get(run_id)

    def _begin(self, request: RunRequest, principal: Principal, asked: _Asked) -> Run:
        if asked.token:
            request = replace(request, fingerprint=asked.fingerprint)
        if asked.keyed:
            request = replace(request, durable=True, idempotency=asked.token)
        try:
            run = self._engine.start(request, principal)
        except GatewayError as error:
            if error.info.code == "session_not_found":  # whatever else names one names one of the principal's own
                raise GatewayError.from_info(replace(error.info, param=SESSION_HEADER)) from None
            raise
        if asked.token:
            self._remembered.pop(asked.token, None)
            self._remembered[asked.token] = (request.run_id, self._clock.seconds())
            while len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)
        return run

    def _default(self, request: RunRequest, asked: _Asked) -> Policy:
        agent = self._agents.get(request.agent_id)
        if agent is not None and agent.on_disconnect:
            return policy_of(agent.on_disconnect)
        return FINDABLE if asked.token else CANCEL


def policy_header(exchange: Exchange) -> Policy | None:
    """The policy that the client asks for; an empty header asks for none.

    @raise GatewayError: C{invalid_request}.
    """
    text = exchange.header(POLICY_HEADER)
    if not text:
        return None
    try:
        return policy_of(text.lower())
    except ValueError as error:
        raise GatewayError("invalid_request", f"Invalid {POLICY_HEADER}: {error}.", param=POLICY_HEADER) from None


def idempotency_key(exchange: Exchange) -> str | None:
    """The client's key; None = it sent none.

    @raise GatewayError: C{invalid_request}: empty, too long, or not made of printable ASCII.
    """
    key = exchange.header(KEY_HEADER)
    if key is not None and not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        raise GatewayError(
            "invalid_request",
            f"The Idempotency-Key must be 1 to {MAX_KEY} printable ASCII characters.",
            param="Idempotency-Key",
        )
    return key


def _came_to_nothing(run: Run, asked: _Asked) -> bool:
    """Whether a repetition starts anew: nothing had been done when it failed, or its client had it cancelled."""
    outcome = run.outcome
    if outcome is None or outcome.error is None:
        return False
    return bool(outcome.error.should_retry) or (not asked.keyed and outcome.status == "aborted")


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()


def _nothing() -> None:
    """Nobody came, so nobody leaves."""


__all__ = ["Known", "Starter", "idempotency_key", "policy_header"]
