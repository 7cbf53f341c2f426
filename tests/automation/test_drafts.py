# -*- test-case-name: tests.automation.test_drafts -*-
"""L{openclaw_tx.automation.drafts}."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.agents.registry import ConfiguredAgents
from openclaw_tx.automation.drafts import new_job, patched
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import AgentTurnPayload, At, CronJob, JobDraft, JobPatch, SystemEventPatch, SystemEventPayload
from tests.automation.jobs import draft, job

AGENTS = ConfiguredAgents(lambda: Config(), "/s", {}, lambda: "p/m")


class DraftTests(SynchronousTestCase):
    """Jobs from what clients say."""

    def refused(self, given: JobDraft) -> str | None:
        """The field that is refused."""
        return self.assertRaises(GatewayError, new_job, given, "id", 7, "UTC", AGENTS).info.param

    def test_new(self) -> None:
        """With times of its making, and no state."""
        made = new_job(draft(At(at="2026-11-29T18:00Z"), agent_id="Main", name=" tea "), "id", 7, "UTC", AGENTS)
        self.assertEqual((made.id, made.name, made.agent_id, made.created_at_ms), ("id", "tea", "main", 7))
        self.assertEqual(made.schedule, At(at_ms=1_795_975_200_000))

    def test_refused(self) -> None:
        """What does not go together."""
        self.assertEqual(self.refused(draft(agent_id="nobody")), "agentId")
        self.assertEqual(self.refused(draft(session_target="main")), "payload.kind")
        self.assertEqual(self.refused(draft(isolated=False, session_target="isolated")), "payload.kind")
        self.assertEqual(self.refused(draft(At())), "schedule.at")

    def test_patch(self) -> None:
        """Only what is named changes; null gives the job to the default agent."""
        before = job(agent_id="main", description="old")
        after = patched(
            before, msgspec.json.decode(b'{"agentId": null, "name": "new"}', type=JobPatch), 9, "UTC", AGENTS
        )
        self.assertEqual((after.agent_id, after.name, after.description, after.updated_at_ms), ("", "new", "old", 9))
        self.assertEqual((after.payload, after.schedule, after.created_at_ms), (before.payload, before.schedule, 0))

    def test_removed_agent(self) -> None:
        """A job whose agent is no more can be changed, but for being given to one that there is not."""
        orphan = job(agent_id="gone")
        off = patched(orphan, JobPatch(enabled=False), 9, "UTC", AGENTS)
        self.assertEqual((off.enabled, off.agent_id), (False, "gone"))
        self.assertEqual(patched(orphan, JobPatch(agent_id="gone"), 9, "UTC", AGENTS).agent_id, "gone")
        self.assertEqual(patched(orphan, JobPatch(agent_id="main"), 9, "UTC", AGENTS).agent_id, "main")
        error = self.assertRaises(GatewayError, patched, orphan, JobPatch(agent_id="nobody"), 9, "UTC", AGENTS)
        self.assertEqual(error.info.param, "agentId")

    def test_patch_as_a_whole(self) -> None:
        """The changed job must hold together."""
        text = JobPatch(payload=SystemEventPatch(text="x"))
        error = self.assertRaises(GatewayError, patched, job(), text, 9, "UTC", AGENTS)
        self.assertEqual(error.info.param, "payload.kind")
        both = JobPatch(payload=SystemEventPatch(text="x"), session_target="main")
        self.assertEqual(patched(job(), both, 9, "UTC", AGENTS).session_target, "main")


class PayloadPatchTests(SynchronousTestCase):
    """What a job does, and where its answer goes, is changed by the field."""

    before = AgentTurnPayload(
        message="go", model="p/m", thinking="high", timeout_seconds=9, deliver=True, channel="chat", to="7"
    )

    def after(self, patch: str, before: CronJob | None = None) -> object:
        """The payload that a patch makes."""
        change = msgspec.json.decode(patch, type=JobPatch)
        return patched(before or job(payload=self.before), change, 9, "UTC", AGENTS).payload

    def test_one_field(self) -> None:
        """The others stay: neither the model nor the way of the answer is lost with a new message."""
        self.assertEqual(
            self.after('{"payload": {"kind": "agentTurn", "message": "new"}}'), replace(self.before, message="new")
        )
        self.assertEqual(
            self.after('{"payload": {"kind": "agentTurn", "model": "p/x"}}'), replace(self.before, model="p/x")
        )
        event = job(isolated=False)
        self.assertEqual(self.after('{"payload": {"kind": "systemEvent"}}', event), event.payload)

    def test_taken_back(self) -> None:
        """Null is what a new job has."""
        self.assertEqual(
            self.after('{"payload": {"kind": "agentTurn", "model": null, "thinking": null, "timeoutSeconds": null}}'),
            replace(self.before, model="", thinking="", timeout_seconds=None),
        )

    def test_other_kind(self) -> None:
        """It is a new one, and needs its text."""
        patch = '{"sessionTarget": "main", "payload": {"kind": "systemEvent", "text": "tea"}}'
        self.assertEqual(self.after(patch), SystemEventPayload(text="tea"))
        turn = '{"sessionTarget": "isolated", "payload": {"kind": "agentTurn", "model": "p/m"}}'
        error = self.assertRaises(GatewayError, self.after, turn, job(isolated=False))
        self.assertEqual(error.info.param, "payload.message")

    def test_delivery(self) -> None:
        """The same of where the answer goes."""
        self.assertEqual(self.after('{"delivery": {"mode": "none"}}'), replace(self.before, deliver=False))
        self.assertEqual(
            self.after('{"delivery": {"bestEffort": true}}'), replace(self.before, best_effort_deliver=True)
        )
        self.assertEqual(
            self.after('{"delivery": {"channel": "last", "to": null}}'), replace(self.before, channel="last", to="")
        )
        both = '{"payload": {"kind": "agentTurn", "message": "new"}, "delivery": {"mode": "announce"}}'
        self.assertEqual(self.after(both), replace(self.before, message="new"))
