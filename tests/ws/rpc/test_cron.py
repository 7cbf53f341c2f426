# -*- test-case-name: tests.ws.rpc.test_cron -*-
"""L{openclaw_tx.ws.rpc.cron} in a whole gateway: shapes of both protocol versions, scopes, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from openclaw_tx.auth.keys import hash_of
from openclaw_tx.testing.gateway import START
from tests.automation.test_scenario import TURN, Case

EVENT = {
    "name": "tea",
    "schedule": {"kind": "at", "at": "2030-01-01T00:00:00Z"},
    "sessionTarget": "main",
    "wakeMode": "now",
    "payload": {"kind": "systemEvent", "text": "Tea!"},
}
NOW = int(START * 1000)


class MethodTests(Case):
    """Jobs over the wire."""

    def refused(self, method: str, params: Any, words: str) -> None:
        """An answer that is expected to be bad."""
        answer = self.socket.request(method, params)
        self.assertFalse(answer["ok"], answer)
        self.assertEqual(answer["error"]["code"], "INVALID_REQUEST")
        self.assertIn(words, answer["error"]["message"])

    def test_empty(self) -> None:
        """As recorded from either release."""
        self.assertEqual(self.call("cron.list", {"includeDisabled": False})["jobs"], [])
        old = self.memory.websocket()
        old.connect(("operator.admin",), protocol=3)
        self.assertEqual(old.request("cron.list", {"includeDisabled": False})["payload"], {"jobs": []})

    def test_shapes(self) -> None:
        """A job as clients of protocol 4 know it, and as those of 3 do."""
        made = self.call("cron.add", EVENT)
        self.assertEqual(
            made,
            {
                "id": made["id"],
                "name": "tea",
                "enabled": True,
                "schedule": {"kind": "at", "at": "2030-01-01T00:00:00.000Z"},
                "payload": {"kind": "systemEvent", "text": "Tea!"},
                "sessionTarget": "main",
                "wakeMode": "now",
                "createdAtMs": NOW,
                "updatedAtMs": NOW,
                "state": {"nextRunAtMs": 1_893_456_000_000},
                "nextRunAtMs": 1_893_456_000_000,
                "status": "idle",
                "effectiveAgentId": "main",
                "configRevision": made["configRevision"],
            },
        )
        old = self.memory.websocket()
        old.connect(("operator.admin",), protocol=3)
        (row,) = old.request("cron.list", {})["payload"]["jobs"]
        self.assertEqual(row["schedule"], {"kind": "at", "atMs": 1_893_456_000_000})
        self.assertEqual(set(made) - set(row), {"nextRunAtMs", "status", "effectiveAgentId", "configRevision"})

    def test_list(self) -> None:
        """Disabled ones only when asked for; by agent, by words, by page."""
        for number, fields in enumerate(({}, {"enabled": False}, {"agentId": "beta", "description": "Brief"})):
            self.call("cron.add", {**TURN, "name": f"job {number}", **fields})

        def names(**params: Any) -> list[str]:
            return [job["name"] for job in self.call("cron.list", params)["jobs"]]

        self.assertEqual(names(), ["job 0", "job 2"])
        self.assertEqual(names(includeDisabled=True), ["job 0", "job 2", "job 1"])
        self.assertEqual(names(enabled="disabled"), ["job 1"])
        self.assertEqual((names(agentId="Beta"), names(agentId="main")), (["job 2"], ["job 0"]))
        self.assertEqual(names(query="brief"), ["job 2"])
        self.assertEqual(names(enabled="all", sortBy="name", sortDir="desc"), ["job 2", "job 1", "job 0"])
        self.assertEqual(names(sortBy="updatedAtMs"), ["job 0", "job 2"])
        before = self.call("cron.list")["snapshotRevision"]
        self.assertEqual(self.call("cron.list", {"limit": 1})["snapshotRevision"], before)
        self.assertNotEqual(self.call("cron.list", {"includeDisabled": True})["snapshotRevision"], before)
        (short, *_) = self.call("cron.list", {"compact": True, "includeDeliveryPreviews": False})["jobs"]
        self.assertNotIn("payload", short)
        page = self.call("cron.list", {"limit": 1, "offset": 1, "enabled": "all"})
        self.assertEqual([job["name"] for job in page["jobs"]], ["job 2"])
        self.assertEqual((page["total"], page["hasMore"], page["nextOffset"]), (3, True, 2))

    def test_update(self) -> None:
        """By either name of the id; only what is named changes."""
        made = self.call("cron.add", TURN)
        changed = self.call(
            "cron.update", {"jobId": made["id"], "patch": {"schedule": {"kind": "every", "everyMs": 5000}}}
        )
        self.assertEqual((changed["name"], changed["nextRunAtMs"]), ("news", NOW + 5000))
        changed = self.call("cron.update", {"id": made["id"], "patch": {"enabled": False}})
        self.assertNotIn("nextRunAtMs", changed["state"])

    def test_get(self) -> None:
        """One job, by either name of its id."""
        made = self.call("cron.add", EVENT)
        self.assertEqual(self.call("cron.get", {"id": made["id"]}), made)
        self.assertEqual(self.call("cron.get", {"jobId": made["id"]}), made)
        self.refused("cron.get", {"id": "nope"}, "unknown cron job id: nope")

    def test_changed_meanwhile(self) -> None:
        """Who has read a job changes what was read, or nothing. That it has run does not matter."""
        made = self.call("cron.add", EVENT)
        self.call("cron.run", {"id": made["id"]})
        self.memory.advance(1)
        read = self.call("cron.get", {"id": made["id"]})
        self.assertNotEqual(read["state"], made["state"])
        self.assertEqual(read["configRevision"], made["configRevision"])
        asked = {"id": made["id"], "expectedConfigRevision": made["configRevision"]}
        changed = self.call("cron.update", {**asked, "patch": {"name": "coffee"}})
        self.assertNotEqual(changed["configRevision"], made["configRevision"])
        answer = self.socket.request("cron.update", {**asked, "patch": {"name": "cocoa"}})
        self.assertEqual(
            answer["error"]["details"],
            {
                "code": "CRON_JOB_CHANGED",
                "expectedConfigRevision": made["configRevision"],
                "actualConfigRevision": changed["configRevision"],
            },
        )
        self.assertEqual(self.call("cron.get", {"id": made["id"]})["name"], "coffee")

    def test_remove(self) -> None:
        """Once."""
        made = self.call("cron.add", TURN)
        self.assertEqual(self.call("cron.remove", {"id": made["id"]}), {"ok": True, "removed": True})
        self.assertEqual(self.call("cron.remove", {"id": made["id"]}), {"ok": True, "removed": False})
        self.assertEqual(self.actions(made["id"]), ["added", "removed"])

    def test_run(self) -> None:
        """Now, or if it is due."""
        made = self.call("cron.add", {**TURN, "enabled": False})
        self.assertEqual(self.call("cron.run", {"id": made["id"], "mode": "due"})["reason"], "not-due")
        self.assertEqual(self.call("cron.run", {"id": made["id"], "mode": "if-enabled"})["reason"], "disabled")
        self.assertEqual(self.call("cron.run", {"id": made["id"]}), {"ok": True, "ran": True})
        self.assertEqual(len(self.memory.model.calls), 1)
        self.assertEqual(self.call("cron.list", {"enabled": "all"})["jobs"][0]["status"], "running")

    def test_status(self) -> None:
        """The path is for administrators."""
        self.call("cron.add", TURN)
        found = self.call("cron.status")
        self.assertEqual((found["enabled"], found["jobs"], found["nextWakeAtMs"]), (True, 1, NOW + 60_000))
        self.assertTrue(found["storePath"].endswith("cron/jobs.json"))
        reader = self.memory.websocket()
        reader.connect(("operator.read",))
        self.assertNotIn("storePath", reader.request("cron.status")["payload"])

    def test_scopes(self) -> None:
        """Reading is for readers, the rest for administrators."""
        made = self.call("cron.add", TURN)
        socket = self.memory.websocket()
        socket.connect(("operator.read", "operator.write"))
        for method, params in (("cron.list", {}), ("cron.status", {}), ("cron.runs", {"id": made["id"]})):
            self.assertTrue(socket.request(method, params)["ok"], method)
        for method in ("cron.add", "cron.update", "cron.remove", "cron.run"):
            answer = socket.request(method, {"id": made["id"]})
            self.assertEqual(answer["error"]["message"], "missing scope: operator.admin", method)

    def test_refused(self) -> None:
        """What does not fit the published shapes, or makes no sense, by the name of its property."""
        for change, words in (
            ({"name": ""}, "name"),
            ({"extra": 1}, "extra"),
            ({"schedule": {"kind": "on-exit", "command": "x"}}, "kind"),
            ({"schedule": {"kind": "every"}}, "everyMs"),
            ({"schedule": {"kind": "every", "everyMs": 1}}, "schedule.everyMs"),
            ({"schedule": {"kind": "cron", "expr": "nonsense"}}, "schedule.expr"),
            ({"sessionTarget": "elsewhere"}, "sessionTarget"),
            ({"wakeMode": "later"}, "wakeMode"),
            ({"payload": {"kind": "agentTurn", "message": "x", "whom": "me"}}, "whom"),
            ({"payload": {"kind": "systemEvent", "text": "x"}}, "payload.kind"),
            ({"delivery": {"mode": "webhook"}}, "delivery"),
            ({"agentId": "nobody"}, "agentId"),
        ):
            self.refused("cron.add", {**TURN, **change}, words)
        self.assertEqual(self.call("cron.list", {"enabled": "all"})["jobs"], [])
        self.refused("cron.update", {"id": "nope", "patch": {}}, "unknown cron job id")
        self.refused("cron.run", {"id": "nope"}, "unknown cron job id")
        self.refused("cron.remove", {}, "id or jobId")
        self.refused("cron.remove", {"id": "a", "jobId": "a"}, "id or jobId")
        self.refused("cron.runs", {"id": "../x"}, "unknown cron job id")
        self.refused("cron.runs", {"id": "x", "limit": 5001}, "limit")

    def test_too_late(self) -> None:
        """A time that can not be told is refused, and nothing of it stays."""
        for schedule in ({"kind": "at", "atMs": 8_640_000_000_000_000}, {"kind": "every", "everyMs": 8e15}):
            self.refused("cron.add", {**EVENT, "schedule": schedule}, "lies after the year 9999")
        self.assertEqual(self.call("cron.list", {"includeDisabled": True})["jobs"], [])

    def test_no_delivery(self) -> None:
        """Clients of today say that nothing is to be delivered."""
        self.call("cron.add", {**TURN, "delivery": {"mode": "none"}})

    def test_events(self) -> None:
        """Who may read is told."""
        reader, stranger = self.memory.websocket(), self.memory.websocket()
        reader.connect(("operator.read",))
        stranger.connect(("operator.approvals",))
        made = self.call("cron.add", TURN)
        self.memory.model.say("Nothing.")
        self.memory.advance(60)
        finished = reader.events("cron")[-1]["payload"]
        self.assertEqual(
            {key: finished[key] for key in ("jobId", "action", "status", "summary")},
            {"jobId": made["id"], "action": "finished", "status": "ok", "summary": "Nothing."},
        )
        self.assertEqual(stranger.events("cron"), [])

    def test_file(self) -> None:
        """The jobs are where C{cron.status} says."""
        made = self.call("cron.add", TURN)
        path = Path(self.call("cron.status")["storePath"])
        self.assertEqual([job["id"] for job in json.loads(path.read_text())["jobs"]], [made["id"]])


class BoundedTests(Case):
    """Keys that may not know of all agents and sessions."""

    config = {
        "gateway": {
            "auth": {
                "keys": [{"label": "k", "hash": hash_of("k-secret"), "agents": ["main"], "scopes": ["operator.admin"]}]
            }
        }
    }

    def test_nothing(self) -> None:
        """They get none of it: a job works in an agent's main session."""
        socket = self.memory.websocket()
        socket.connect(("operator.admin",), token="k-secret")
        made = self.call("cron.add", TURN)
        params: dict[str, Any] = {
            "cron.add": TURN,
            "cron.list": {},
            "cron.status": {},
            "cron.update": {"id": made["id"], "patch": {}},
            "cron.remove": {"id": made["id"]},
            "cron.run": {"id": made["id"]},
            "cron.runs": {"id": made["id"]},
            "wake": {"mode": "now", "text": "x"},
            "system-event": {"text": "x"},
            "last-heartbeat": {},
            "set-heartbeats": {"enabled": False},
        }
        for method, given in params.items():
            answer = socket.request(method, given)
            self.assertEqual(answer["error"]["message"], "missing scope: operator.admin", method)
        self.assertEqual(socket.events("cron"), [])
        self.assertEqual(socket.request("status")["payload"]["queuedSystemEvents"], [])
