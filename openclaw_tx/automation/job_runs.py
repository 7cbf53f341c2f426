# -*- test-case-name: tests.automation.test_cron -*-
"""What a job does when it is due: news for the main session, or a run in a session of its own (spec 2.9, D4)."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from openclaw_tx.automation.book import Ending
from openclaw_tx.automation.postman import Postman, no_postman
from openclaw_tx.automation.principals import CRON
from openclaw_tx.automation.reporting import report
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models, Sessions, Waker
from openclaw_tx.sessions.keys import main_key
from openclaw_tx.tools.background import Background
from openclaw_tx.values import AgentTurnPayload, CronJob, RunResult, SystemEventPayload

LANE = "cron"


def session_of(agent_id: str, job_id: str) -> str:
    """Key of the session that a job's runs have."""
    return f"agent:{agent_id}:cron:{job_id}"


class JobRuns:
    """Does it."""

    def __init__(
        self,
        agents: Agents,
        models: Models,
        sessions: Sessions,
        background: Background,
        waker: Waker,
        postman: Postman | None = None,
        main: Callable[[str], str] = main_key,
    ) -> None:
        """
        @param postman: takes answers to channels; None = there are none.
        @param main: gives the key of an agent's main session.
        """
        self._main = main
        self._agents = agents
        self._models = models
        self._sessions = sessions
        self._background = background
        self._waker = waker
        self._postman = postman
        self._log = Logger()

    async def do(self, job: CronJob) -> Ending:
        """One run of a job, to its end. It never fails: how it went is the result."""
        agent_id = job.agent_id or self._agents.default_id
        try:
            if self._agents.get(agent_id) is None:
                return Ending("error", f"There is no agent {agent_id!r} any more.")
            if isinstance(job.payload, SystemEventPayload):
                return self._tell(job, agent_id, job.payload)
            return await self._turn(job, agent_id, job.payload)
        except CancelledError:
            raise
        except GatewayError as error:
            return Ending("error", error.info.message)
        except Exception:
            self._log.failure("job {job} failed", job=job.id)
            return Ending("error", "internal error")

    def _tell(self, job: CronJob, agent_id: str, payload: SystemEventPayload) -> Ending:
        key = self._main(agent_id)
        self._waker.wake(agent_id, key, payload.text, now=job.wake_mode == "now", reason=f"cron:{job.id}")
        return Ending("ok", summary=payload.text, session_key=key)

    async def _turn(self, job: CronJob, agent_id: str, payload: AgentTurnPayload) -> Ending:
        """A run in a session that begins anew each time; its main session hears how it went."""
        key = session_of(agent_id, job.id)
        ref = self._models.info(payload.model).ref if payload.model else ""
        await self._sessions.reset(key)
        timeout = payload.timeout_seconds
        run = self._background.run(
            CRON,
            agent_id,
            key,
            f"[cron:{job.id} {job.name}] {payload.message}",
            prefix="cron",
            lane=LANE,
            trigger="cron",
            model=ref,
            thinking=payload.thinking,
            timeout_s=float(timeout) if timeout is not None else None,
        )
        result = await run.result()
        news = report(result, "Cron", job.isolation)
        if news:
            main = self._main(agent_id)
            self._waker.wake(agent_id, main, news, now=job.wake_mode == "now", reason=f"cron:{job.id}")
        where = {"session_key": key, "run_id": run.request.run_id}
        if result.problem:
            return Ending("error", result.problem, summary=result.text, **where)
        try:
            await self._deliver(agent_id, payload, result)
        except GatewayError as error:
            if not payload.best_effort_deliver:
                return Ending("error", f"not delivered: {error.info.message}", summary=result.text, **where)
        return Ending("ok", summary=result.text, **where)

    async def _deliver(self, agent_id: str, payload: AgentTurnPayload, result: RunResult) -> None:
        """Send the answer where it is wanted. That is looked for now and not before the run: what a job is there to do
        does not depend on whether somebody can be told of it.

        @raise GatewayError: it can not go there.
        """
        if not payload.deliver:
            return
        if self._postman is None:
            raise no_postman()
        route = await self._postman.route(agent_id, payload.channel, payload.to, payload.account_id)
        await self._postman.send(route, result)


__all__ = ["LANE", "JobRuns", "session_of"]
