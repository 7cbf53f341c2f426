# -*- test-case-name: tests.ws.rpc.test_approvals -*-
"""C{exec.approval.*} over real connections."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.gateway import START
from openclaw_tx.testing.websocket import MemoryWebSocket
from openclaw_tx.values import Approval
from tests.support.approvals import KEYS

NOW = int(START * 1000)
APPROVALS = ["operator.approvals"]


class ApprovalMethodsTests(SynchronousTestCase):
    """The whole gateway, with several clients."""

    def setUp(self) -> None:
        self.memory = MemoryGateway(KEYS)
        self.addCleanup(self.memory.close)
        self.approvals = self.memory.gateway._house.approvals

    def client(self, scopes: list[str] = APPROVALS, token: str | None = None, protocol: int = 4) -> MemoryWebSocket:
        """A client that was let in."""
        client = self.memory.websocket()
        client.connect(scopes=scopes, token=token, protocol=protocol)
        self.addCleanup(client.close)
        return client

    def ask(self, id: str = "q", owner: str = "shared-secret", **fields: Any) -> Deferred[Any]:
        """Something a tool asks."""
        asked = Approval(
            id=id,
            command="rm x",
            created_at_ms=NOW,
            expires_at_ms=NOW + 120_000,
            agent_id="main",
            session_key="agent:main:main",
            run_id="r1",
            owner_id=owner,
            **fields,
        )
        answer = Deferred.fromCoroutine(self.approvals.ask(asked))
        self.memory.flush()
        return answer

    def error(self, answer: dict[str, Any]) -> tuple[str, str]:
        """Code and text of a refusal."""
        return answer["error"]["code"], answer["error"]["message"]

    def test_events_and_answer(self) -> None:
        """Those who may answer hear of the question and of its end; others do not."""
        client, reader = self.client(), self.client(["operator.read", "operator.write"])
        answer = self.ask()
        (event,) = client.events("exec.approval.requested")
        self.assertEqual(event["payload"]["id"], "q")
        self.assertEqual(event["payload"]["request"]["command"], "rm x")
        self.assertEqual(client.request("exec.approval.list")["payload"], [event["payload"]])
        self.assertEqual(
            client.request("exec.approval.get", {"id": "q"})["payload"],
            {
                "id": "q",
                "commandText": "rm x",
                "commandPreview": None,
                "allowedDecisions": ["allow-once", "allow-always", "deny"],
                "host": "gateway",
                "nodeId": None,
                "agentId": "main",
                "expiresAtMs": NOW + 120_000,
            },
        )
        self.memory.advance(1)
        resolved = client.request("exec.approval.resolve", {"id": "q", "decision": "allow-once"})
        self.assertEqual(resolved["payload"], {"ok": True})
        self.assertEqual(self.successResultOf(answer), "allow-once")
        (event,) = client.events("exec.approval.resolved")
        request = event["payload"].pop("request")
        self.assertEqual(request["command"], "rm x")
        self.assertEqual(
            event["payload"], {"id": "q", "decision": "allow-once", "resolvedBy": "shared-secret", "ts": NOW + 1000}
        )
        self.assertEqual(reader.events("exec.approval.requested"), [])
        self.assertEqual(reader.events("exec.approval.resolved"), [])
        self.assertEqual(client.request("exec.approval.list")["payload"], [])

    def test_expired(self) -> None:
        """Nobody answered: that is told, and it is too late."""
        client = self.client()
        answer = self.ask()
        self.memory.advance(121, 10)
        self.assertIsNone(self.successResultOf(answer))
        (event,) = client.events("exec.approval.resolved")
        self.assertEqual((event["payload"]["decision"], event["payload"]["expired"]), ("deny", True))
        self.assertEqual(event["payload"]["resolvedBy"], None)
        self.assertEqual(
            self.error(client.request("exec.approval.resolve", {"id": "q", "decision": "deny"})),
            ("APPROVAL_NOT_FOUND", "unknown or expired approval id"),
        )

    def test_bad_answers(self) -> None:
        """Unknown questions, unknown answers, impossible ones; the question still waits."""
        client, old = self.client(), self.client(protocol=3)
        answer = self.ask(can_always=False)
        unknown = client.request("exec.approval.resolve", {"id": "other", "decision": "deny"})
        self.assertEqual(self.error(unknown)[0], "APPROVAL_NOT_FOUND")
        self.assertEqual(unknown["error"]["details"], {"reason": "APPROVAL_NOT_FOUND"})
        unknown = old.request("exec.approval.resolve", {"id": "other", "decision": "deny"})
        self.assertEqual(self.error(unknown), ("INVALID_REQUEST", "unknown or expired approval id"))
        self.assertEqual(self.error(client.request("exec.approval.get", {"id": "other"}))[0], "APPROVAL_NOT_FOUND")
        for decision in ("yes", "allow-always"):
            found = client.request("exec.approval.resolve", {"id": "q", "decision": decision})
            self.assertEqual(self.error(found)[0], "INVALID_REQUEST")
        self.assertNoResult(answer)
        client.request("exec.approval.resolve", {"id": "q", "decision": "deny"})
        self.assertEqual(self.successResultOf(answer), "deny")

    def test_keys(self) -> None:
        """A key sees the questions of its own runs only; those of others are not there."""
        ada, bob, owner = self.client([], "ada"), self.client([], "bob"), self.client()
        answer = self.ask(owner="key:ada")
        self.assertEqual(len(ada.events("exec.approval.requested")), 1)
        self.assertEqual(bob.events("exec.approval.requested"), [])
        self.assertEqual(len(owner.events("exec.approval.requested")), 1)
        self.assertEqual(bob.request("exec.approval.list")["payload"], [])
        for method, params in (
            ("exec.approval.get", {"id": "q"}),
            ("exec.approval.resolve", {"id": "q", "decision": "allow-once"}),
        ):
            self.assertEqual(self.error(bob.request(method, params))[0], "APPROVAL_NOT_FOUND")
        self.assertNoResult(answer)
        self.assertTrue(ada.request("exec.approval.resolve", {"id": "q", "decision": "deny"})["ok"])
        self.assertEqual(self.successResultOf(answer), "deny")
        self.assertEqual(bob.events("exec.approval.resolved"), [])

    def test_scopes(self) -> None:
        """Reading and writing are not enough."""
        client = self.client(["operator.read", "operator.write"])
        for method, params in (
            ("exec.approval.list", {}),
            ("exec.approval.get", {"id": "q"}),
            ("exec.approval.resolve", {"id": "q", "decision": "deny"}),
            ("exec.approval.request", {"command": "x"}),
        ):
            self.assertEqual(
                self.error(client.request(method, params)), ("FORBIDDEN", "missing scope: operator.approvals")
            )

    def test_request(self) -> None:
        """A client's own question: answered when somebody decides; null when nobody does."""
        asking, answering = self.client(), self.client()
        for decision in ("allow-once", None):
            asking.send(
                {
                    "type": "req",
                    "id": f"ask-{decision}",
                    "method": "exec.approval.request",
                    "params": {"command": "make", "cwd": "/w", "agentId": "main", "env": {"A": "b"}, "timeoutMs": 5000},
                }
            )
            asked = answering.events("exec.approval.requested")[-1]["payload"]
            self.assertEqual(asked["request"]["envKeys"], ["A"])
            if decision is None:
                self.memory.advance(5.1)
            else:
                answering.request("exec.approval.resolve", {"id": asked["id"], "decision": decision})
            self.memory.flush()
            answer = asking.response(f"ask-{decision}")
            self.assertEqual(
                answer["payload"],
                {
                    "id": asked["id"],
                    "decision": decision,
                    "createdAtMs": asked["createdAtMs"],
                    "expiresAtMs": asked["createdAtMs"] + 5000,
                },
            )

    def test_two_phases(self) -> None:
        """The id at once, the decision later."""
        client = self.client()
        first = client.request("exec.approval.request", {"command": "x", "id": "mine", "twoPhase": True})
        self.assertEqual((first["payload"]["status"], first["payload"]["id"]), ("accepted", "mine"))
        again = client.request("exec.approval.request", {"command": "x", "id": "mine", "twoPhase": True})
        self.assertEqual(self.error(again), ("INVALID_REQUEST", "approval id already pending"))
        client.request("exec.approval.resolve", {"id": "mine", "decision": "deny"})
        self.assertEqual(client.response("r2")["payload"]["decision"], "deny")

    def test_bad_requests(self) -> None:
        """Nodes, unknown agents, unknown properties."""
        client = self.client()
        for params in (
            {},
            {"command": ""},
            {"command": "x", "host": "node"},
            {"command": "x", "agentId": "nobody"},
            {"command": "x", "nodeId": "n"},
            {"command": "x", "timeoutMs": 0},
        ):
            self.assertEqual(self.error(client.request("exec.approval.request", params))[0], "INVALID_REQUEST")
        self.assertEqual(self.approvals.pending(), [])

    def test_asker_leaves(self) -> None:
        """It takes its question back."""
        asking, watching = self.client(), self.client()
        asking.send({"type": "req", "id": "a", "method": "exec.approval.request", "params": {"command": "x"}})
        self.assertEqual(len(self.approvals.pending()), 1)
        asking.close()
        self.memory.flush()
        self.assertEqual(self.approvals.pending(), [])
        self.assertEqual(watching.events("exec.approval.resolved")[0]["payload"]["decision"], "deny")
