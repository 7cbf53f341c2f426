# -*- test-case-name: tests.ws.rpc.test_cron_runs -*-
"""L{openclaw_tx.ws.rpc.cron_runs} in a whole gateway: what a page of automations asks for."""

from __future__ import annotations

from typing import Any

from tests.automation.test_scenario import TURN, Case


class RunsTests(Case):
    """Three runs of two jobs, of two agents; the last one failed."""

    def setUp(self) -> None:
        """Run them."""
        super().setUp()
        self.tea = self.call("cron.add", {**TURN, "name": "Tea", "enabled": False})["id"]
        self.mail = self.call("cron.add", {**TURN, "name": "Mail", "agentId": "beta", "enabled": False})["id"]
        for job_id, words in ((self.tea, "Earl Grey"), (self.tea, "Assam"), (self.mail, None)):
            if words is None:
                self.memory.model.fail("provider_auth")
            else:
                self.memory.model.say(words)
            self.call("cron.run", {"id": job_id})
            self.memory.advance(1, 4)

    def told(self, **params: Any) -> list[tuple[str, str]]:
        """Job and status of each entry."""
        entries = self.call("cron.runs", params)["entries"]
        return [(entry["jobName"], entry["status"]) for entry in entries]

    def test_one(self) -> None:
        """Of one job, the newest first, or the other way round."""
        page = self.call("cron.runs", {"id": self.tea})
        self.assertEqual([entry["summary"] for entry in page["entries"]], ["Assam", "Earl Grey"])
        self.assertEqual((page["total"], page["offset"], page["hasMore"], page["nextOffset"]), (2, 0, False, None))
        page = self.call("cron.runs", {"id": self.tea, "sortDir": "asc", "limit": 1})
        self.assertEqual([entry["summary"] for entry in page["entries"]], ["Earl Grey"])
        self.assertEqual((page["total"], page["hasMore"], page["nextOffset"]), (2, True, 1))

    def test_all(self) -> None:
        """Of all jobs, in the order of time."""
        self.assertEqual(self.told(scope="all"), [("Mail", "error"), ("Tea", "ok"), ("Tea", "ok")])
        self.assertEqual(self.told(scope="all", limit=1, offset=2), [("Tea", "ok")])

    def test_filters(self) -> None:
        """By agent, status, words, run and delivery, of which nothing is known."""
        for params, wanted in (
            ({"agentId": "Beta"}, ["Mail"]),
            ({"agentId": "main", "query": "assam"}, ["Tea"]),
            ({"query": "TEA"}, ["Tea", "Tea"]),
            ({"status": "error"}, ["Mail"]),
            ({"statuses": ["ok", "skipped"]}, ["Tea", "Tea"]),
            ({"status": "all", "deliveryStatus": "delivered"}, []),
            ({"deliveryStatuses": ["delivered", "unknown"], "status": "error"}, ["Mail"]),
        ):
            self.assertEqual([name for name, _ in self.told(scope="all", **params)], wanted, params)
        (newest, *_) = self.call("cron.runs", {"scope": "all"})["entries"]
        (found,) = self.call("cron.runs", {"scope": "all", "runId": newest["runId"]})["entries"]
        self.assertEqual(found, newest)

    def test_old(self) -> None:
        """Clients of protocol 3 get what they know."""
        old = self.memory.websocket()
        old.connect(("operator.read",), protocol=3)
        answer = old.request("cron.runs", {"id": self.mail, "limit": 5})["payload"]
        self.assertEqual(set(answer), {"entries"})
        self.assertNotIn("jobName", answer["entries"][0])

    def test_refused(self) -> None:
        """A job has to be named, and only one."""
        for params in ({}, {"id": "a", "jobId": "a"}, {"scope": "job"}):
            answer = self.socket.request("cron.runs", params)
            self.assertIn("expected id or jobId", answer["error"]["message"])

    def test_listed(self) -> None:
        """The same page narrows its list of jobs."""

        def names(**params: Any) -> list[str]:
            return [
                job["name"] for job in self.call("cron.list", {"enabled": "all", "sortBy": "name", **params})["jobs"]
            ]

        self.assertEqual(names(scheduleKind="all", lastRunStatus="all", trigger="all"), ["Mail", "Tea"])
        self.assertEqual((names(scheduleKind="every"), names(scheduleKind="at")), (["Mail", "Tea"], []))
        self.assertEqual((names(lastRunStatus="error"), names(lastRunStatus="unknown")), (["Mail"], []))
        self.assertEqual((names(trigger="unconditional"), names(trigger="conditional")), (["Mail", "Tea"], []))
