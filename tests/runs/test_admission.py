# -*- test-case-name: tests.runs.test_admission -*-
"""The engine behind the authoriser and the limits of keys."""

from __future__ import annotations

from typing import Any

import msgspec

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import authorise
from openclaw_tx.auth.keys import hash_of
from openclaw_tx.auth.quotas import Quotas
from openclaw_tx.config.schema_gateway import Key
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import RunEngine
from openclaw_tx.runs.admission import Admission
from openclaw_tx.values import Principal, RunRequest, TextPart, Usage, UserMessage
from tests.support.fakes import OWNER, ScriptedEngine, ScriptedRun

WHO = Principal(
    id="key:laptop",
    method="key",
    scopes=frozenset({"operator.write"}),
    agents=("main",),
    session_prefix="laptop:",
)


def request(number: int = 1, agent: str = "main", key: str = "agent:main:laptop:x", **rest: Any) -> RunRequest:
    """A run request."""
    message = UserMessage(content=(TextPart(text="hi"),))
    return RunRequest(
        run_id=f"run-{number}", agent_id=agent, session_key=key, messages=(message,), **{"surface": "ws", **rest}
    )


class JoiningEngine(ScriptedEngine):
    """The same run id joins the run that is there."""

    def start(self, request: RunRequest, principal: Principal) -> ScriptedRun:
        """Join or start."""
        return self.get(request.run_id) or super().start(request, principal)


class AdmissionTests(SynchronousTestCase):
    """Bounds before limits, limits before the engine."""

    def setUp(self) -> None:
        """An engine without limits."""
        self.clock = Clock()
        self.key = Key(label="laptop", hash=hash_of("x"))
        self.engine = JoiningEngine(self.clock, lambda run: None)
        self.quotas = Quotas(self.clock, lambda principal: self.key if principal.method == "key" else None)
        self.admission = Admission(self.engine, authorise, self.quotas)
        self.seam: RunEngine = self.admission

    def limit(self, **limits: Any) -> None:
        """Change the key's limits."""
        self.key = msgspec.structs.replace(self.key, **limits)

    def start(self, *arguments: Any, **options: Any) -> ScriptedRun:
        """Start as the key."""
        run = self.seam.start(request(*arguments, **options), WHO)
        assert isinstance(run, ScriptedRun)
        return run

    def refused(self, code: str, *arguments: Any, **options: Any) -> GatewayError:
        """Start in vain; nothing may have started."""
        before = len(self.engine.runs)
        error = self.assertRaises(GatewayError, self.start, *arguments, **options)
        self.assertEqual(error.info.code, code)
        self.assertEqual(len(self.engine.runs), before)
        return error

    def test_bounds(self) -> None:
        """Foreign agents and sessions are not there, whoever forgot to ask; a stateless run names no session."""
        self.refused("invalid_request", agent="beta", key="agent:beta:laptop:x")
        self.refused("session_not_found", key="agent:main:other:x")
        self.refused("session_not_found", key="agent:main:main")
        self.refused("session_not_found", key="global")
        self.start(key="agent:main:openai:uuid", stateless=True)
        self.start(2)

    def test_scope(self) -> None:
        """Who may not run agents does not, on any way."""
        reader = msgspec.structs.replace(WHO, scopes=frozenset({"operator.read"}))
        error = self.assertRaises(GatewayError, self.seam.start, request(), reader)
        self.assertEqual(error.info.code, "insufficient_scope")

    def test_owner(self) -> None:
        """The owner has no bounds and no limits."""
        self.limit(rpm=1, concurrency=1)
        for number in range(5):
            self.seam.start(request(number, agent="beta", key="agent:beta:any"), OWNER)

    def test_concurrency(self) -> None:
        """A run holds its place until it has ended, however it ends."""
        self.limit(concurrency=1)
        run = self.start(1)
        self.refused("rate_limit_exceeded", 2)
        run.end()
        run = self.start(3)
        self.refused("rate_limit_exceeded", 4)
        run.abort("rpc")
        self.start(5)

    def test_tokens(self) -> None:
        """What a run has used counts when it has ended, failed runs included."""
        self.limit(tpm=100)
        run = self.start(1)
        self.start(2)
        run.end(usage=Usage(prompt_tokens=90, completion_tokens=20))
        error = self.refused("rate_limit_exceeded", 3)
        self.assertEqual(self.quotas.headers(WHO)["x-ratelimit-remaining-tokens"], "0")
        self.clock.advance((error.info.retry_after or 0) + 0.01)
        run = self.start(4)
        run.end(status="error", error=error.info, usage=Usage(prompt_tokens=50))
        self.refused("rate_limit_exceeded", 5)

    def test_requests(self) -> None:
        """Runs over WebSockets count as requests here; those by HTTP were counted by the guard."""
        self.limit(rpm=1)
        self.start(1)
        self.refused("rate_limit_exceeded", 2)
        self.start(3, surface="http")

    def test_joining_counts_nothing(self) -> None:
        """The same run again is the same run, within any limit."""
        self.limit(rpm=1, concurrency=1)
        run = self.start(1)
        for _ in range(3):
            self.assertIs(self.start(1), run)
        run.end()
        self.assertIs(self.start(1), run)

    def test_refused_by_the_engine(self) -> None:
        """A full queue does not cost a place."""
        self.limit(concurrency=1)
        self.engine.refuse = GatewayError("queue_full", "full")
        for number in range(3):
            self.refused("queue_full", number)
        self.engine.refuse = None
        self.start(9)

    def test_the_rest(self) -> None:
        """Everything else is the engine's."""
        run = self.start(1)
        self.assertIs(self.seam.get("run-1"), run)
        self.assertEqual(list(self.seam.live()), [run])

        heard: list[Any] = []
        stop = self.seam.subscribe(lambda run, entries: heard.append(run))
        run.say("x")
        stop()
        run.say("y")
        self.assertEqual(heard, [run])
