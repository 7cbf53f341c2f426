# -*- test-case-name: tests.ws.rpc.test_nodes -*-
"""C{node.*}: approval, lists, and commands there and back."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import PAIRING, READ, WRITE
from openclaw_tx.ws.nodes import MAX_INVOCATIONS, REQUEST_MS
from tests.ws.harness import House, Line
from tests.ws.identity import Identity

CLIENT = {"id": "node-host", "version": "1", "platform": "linux", "mode": "node", "deviceFamily": "Linux"}


class NodeCase(SynchronousTestCase):
    """A node and an operator."""

    def setUp(self) -> None:
        self.house = House()
        self.identity = Identity()
        self.node_id = self.identity.id
        self.owner = self.house.ready()

    def tearDown(self) -> None:
        self.house.close()

    def node(self, *commands: str, address: str = "127.0.0.1", **changes: Any) -> Line:
        """A node that is let in; from elsewhere with the token that it got here."""
        params = {"role": "node", "scopes": [], "client": CLIENT, "caps": ["x"], "commands": list(commands), **changes}
        line = self.house.open(address)
        answer = line.connect(self.identity, **params)
        self.assertTrue(answer["ok"], answer)
        self.token = answer["payload"]["auth"]["deviceToken"]
        return line

    def far_node(self, *commands: str) -> Line:
        """A node elsewhere that is paired, with nothing approved of what it offers."""
        self.node().client.transport.loseConnection()
        self.house.flush()
        self.house.book.replace(self.house.book.known(self.node_id), node=None)
        return self.node(*commands, address="192.0.2.9", auth={"deviceToken": self.token})

    def invoke(self, command: str = "ping", **more: Any) -> str:
        params = {"nodeId": self.node_id, "command": command, "idempotencyKey": "k", **more}
        return self.owner.ask("node.invoke", params)

    def error(self, request_id: str) -> Any:
        (answer,) = self.owner.answers(request_id)
        return answer["error"]


class ApprovalTests(NodeCase):
    """What of a node may be used."""

    def test_on_this_machine(self) -> None:
        """Approved unasked; it is listed with what it offers."""
        self.node("ping", permissions={"camera": True}, pathEnv="/bin")
        (row,) = self.owner.call("node.list")["payload"]["nodes"]
        now = self.house.book.now_ms()
        self.assertEqual(
            row,
            {
                "nodeId": self.node_id,
                "platform": "linux",
                "deviceFamily": "Linux",
                "clientId": "node-host",
                "clientMode": "node",
                "version": "1",
                "pathEnv": "/bin",
                "caps": ["x"],
                "commands": ["ping"],
                "permissions": {"camera": True},
                "approvalState": "approved",
                "lastSeenAtMs": now,
                "approvedAtMs": now,
                "paired": True,
                "connected": True,
            },
        )
        self.assertEqual(self.owner.call("node.describe", {"nodeId": self.node_id})["payload"], {"ts": now, **row})
        self.assertEqual(self.owner.call("node.pair.list")["payload"], {"pending": [], "paired": [row]})

    def test_from_elsewhere(self) -> None:
        """Somebody has to approve it; commands take an administrator."""
        node = self.far_node("ping")
        (event,) = self.owner.events("node.pair.requested")
        request = event["payload"]
        self.assertEqual((request["nodeId"], request["commands"]), (self.node_id, ["ping"]))
        self.assertEqual(request["requiredApproveScopes"], ["operator.pairing", "operator.admin"])
        (row,) = self.owner.call("node.list")["payload"]["nodes"]
        self.assertEqual((row["commands"], row["approvalState"]), ([], "pending-approval"))
        self.assertEqual(row["pendingDeclaredCommands"], ["ping"])
        self.assertEqual(self.error(self.invoke())["details"]["reason"], "not approved")
        params = {"requestId": request["requestId"]}
        some = self.house.ready(scopes=[PAIRING])
        self.assertEqual(some.call("node.pair.approve", params)["error"]["code"], "FORBIDDEN")
        self.assertEqual(self.owner.call("node.pair.approve", params)["payload"]["node"]["commands"], ["ping"])
        self.assertEqual(self.owner.events("node.pair.resolved")[-1]["payload"]["decision"], "approved")
        self.invoke()
        self.assertEqual(len(node.events("node.invoke.request")), 1)

    def test_time_over(self) -> None:
        """A request that nobody answered in five minutes waits no more; whoever wants the node then, asks anew."""
        self.far_node("ping")
        (first,) = self.owner.call("node.pair.list")["payload"]["pending"]
        self.house.clock.advance(REQUEST_MS / 1000 + 1)
        (row,) = self.owner.call("node.list")["payload"]["nodes"]
        self.assertNotIn("pendingRequestId", row)
        self.assertEqual(self.error(self.invoke())["details"]["reason"], "not approved")
        asked = [event["payload"]["requestId"] for event in self.owner.events("node.pair.requested")]
        self.assertEqual(len(asked), 2)
        (second,) = self.owner.call("node.pair.list")["payload"]["pending"]
        self.assertEqual([first["requestId"], second["requestId"]], asked)

    def test_reject(self) -> None:
        """It may be asked about again."""
        self.far_node("ping")
        (request,) = self.owner.call("node.pair.list")["payload"]["pending"]
        params = {"requestId": request["requestId"]}
        self.assertEqual(self.owner.call("node.pair.reject", params)["payload"]["nodeId"], self.node_id)
        self.assertEqual(self.owner.call("node.pair.list")["payload"]["pending"], [])
        asked = self.owner.call("node.pair.request", {"nodeId": self.node_id})["payload"]
        self.assertEqual((asked["status"], asked["created"], asked["request"]["commands"]), ("pending", True, ["ping"]))
        again = self.owner.call("node.pair.request", {"nodeId": self.node_id})["payload"]
        self.assertEqual((again["created"], again["request"]), (False, asked["request"]))
        self.house.advance(300)
        self.assertEqual(self.owner.call("node.pair.list")["payload"]["pending"], [])

    def test_remove(self) -> None:
        """What was approved is taken back at once."""
        self.node("ping")
        self.owner.call("node.pair.remove", {"nodeId": self.node_id})
        self.assertEqual(self.error(self.invoke())["details"]["reason"], "not approved")

    def test_more_than_approved(self) -> None:
        """A node that offers more later is asked about; what was approved stays usable."""
        self.node("ping").client.transport.loseConnection()
        self.house.flush()
        node = self.node("ping", "format", address="192.0.2.9", auth={"deviceToken": self.token})
        self.assertEqual(self.error(self.invoke("format"))["details"]["reason"], "not approved")
        self.invoke()
        self.assertEqual([event["payload"]["command"] for event in node.events("node.invoke.request")], ["ping"])

    def test_verify(self) -> None:
        """The token of a node, and no other."""
        self.node()
        for token, ok in [(self.token, True), ("other", False)]:
            answer = self.owner.call("node.pair.verify", {"nodeId": self.node_id, "token": token})["payload"]
            self.assertEqual((answer["ok"], "node" in answer), (ok, ok))

    def test_rename(self) -> None:
        """A name for people."""
        self.node()
        self.owner.call("node.rename", {"nodeId": self.node_id, "displayName": " Shed "})
        self.assertEqual(self.owner.call("node.list")["payload"]["nodes"][0]["displayName"], "Shed")

    def test_keys_with_bounds(self) -> None:
        """They get none of it, whatever a node offers and whether or not it is there."""
        self.far_node()
        (request,) = self.owner.call("node.pair.list")["payload"]["pending"]
        self.house.authenticator.prefix = "team:"
        bounded = self.house.ready()
        for method, params in [
            ("node.pair.approve", {"requestId": request["requestId"]}),
            ("node.pair.approve", {"requestId": "nobody"}),
            ("node.pair.reject", {"requestId": "nobody"}),
            ("node.rename", {"nodeId": "nobody", "displayName": "x"}),
            ("node.describe", {"nodeId": "nobody"}),
        ]:
            self.assertEqual(bounded.call(method, params)["error"]["code"], "FORBIDDEN", method)
        self.assertEqual(len(self.owner.call("node.pair.list")["payload"]["pending"]), 1)

    def test_refusals(self) -> None:
        """Operators are no nodes, and what is not there is not there."""
        self.house.ready(Identity(2))
        for method, params in [
            ("node.describe", {"nodeId": Identity(2).id}),
            ("node.rename", {"nodeId": "nobody", "displayName": "x"}),
            ("node.pair.request", {"nodeId": "nobody"}),
            ("node.pair.remove", {"nodeId": "nobody"}),
            ("node.pair.approve", {"requestId": "nobody"}),
            ("node.pair.reject", {"requestId": "nobody"}),
            ("node.invoke", {"nodeId": "nobody", "command": "x", "idempotencyKey": "k"}),
            ("node.invoke.result", {"id": "1", "nodeId": "nobody", "ok": True}),
        ]:
            self.assertEqual(self.owner.call(method, params)["error"]["code"], "INVALID_REQUEST", method)
        self.assertEqual(self.owner.call("node.list")["payload"]["nodes"], [])
        reader = self.house.ready(scopes=[READ])
        self.assertEqual(reader.call("node.pair.list")["error"]["code"], "FORBIDDEN")
        self.house.authenticator.prefix = "team:"
        bounded = self.house.ready(scopes=[READ, WRITE])
        self.assertEqual(bounded.call("node.list")["error"]["code"], "FORBIDDEN")


class InvokeTests(NodeCase):
    """Commands."""

    def setUp(self) -> None:
        super().setUp()
        self.line = self.node("ping")

    def request(self) -> Any:
        return self.line.events("node.invoke.request")[-1]["payload"]

    def answer(self, **result: Any) -> Any:
        return self.line.call("node.invoke.result", {"id": self.request()["id"], "nodeId": self.node_id, **result})

    def test_there_and_back(self) -> None:
        """The node gets the command, the caller what came of it."""
        asked = self.invoke(params={"a": [1]}, timeoutMs=5000)
        request = self.request()
        self.assertEqual(
            {name: value for name, value in request.items() if name != "id"},
            {
                "nodeId": self.node_id,
                "command": "ping",
                "paramsJSON": '{"a":[1]}',
                "timeoutMs": 5000,
                "idempotencyKey": "k",
            },
        )
        self.assertEqual(self.owner.answers(asked), [])
        self.assertEqual(self.answer(ok=True, payloadJSON='{"pong":1}')["payload"], {"ok": True})
        (told,) = self.owner.answers(asked)
        self.assertEqual(
            told["payload"],
            {
                "ok": True,
                "nodeId": self.node_id,
                "command": "ping",
                "payload": {"pong": 1},
                "payloadJSON": '{"pong":1}',
            },
        )
        self.assertEqual(self.answer(ok=True)["payload"], {"ok": True, "ignored": True})

    def test_odd_answers(self) -> None:
        """A text that is no JSON, or nested too deeply to be written again, is told as the text that it is."""
        for text in ("", "{", "[" * 200 + "]" * 200, "[" * 5000):
            asked = self.invoke()
            self.assertEqual(self.answer(ok=True, payloadJSON=text)["payload"], {"ok": True})
            (told,) = self.owner.answers(asked)
            self.assertEqual((told["ok"], told["payload"]["payload"]), (True, None), text[:9])

    def test_no_params(self) -> None:
        """Nothing is made up."""
        asked = self.invoke()
        self.assertNotIn("paramsJSON", self.request())
        self.answer(ok=True)
        (told,) = self.owner.answers(asked)
        self.assertEqual((told["payload"]["payload"], told["payload"]["payloadJSON"]), (None, None))

    def test_node_fails(self) -> None:
        """What it failed with is passed on."""
        asked = self.invoke()
        self.answer(ok=False, error={"code": "NO_CAMERA", "message": "there is none"})
        error = self.error(asked)
        self.assertEqual((error["code"], error["message"]), ("UNAVAILABLE", "NO_CAMERA: there is none"))
        self.assertEqual(error["details"]["nodeError"], {"code": "NO_CAMERA", "message": "there is none"})

    def test_timeout(self) -> None:
        """A node that does not answer in time is not waited for."""
        asked = self.invoke(timeoutMs=5000)
        self.house.advance(4.9)
        self.assertEqual(self.owner.answers(asked), [])
        self.house.advance(0.1)
        error = self.error(asked)
        self.assertEqual((error["message"], error["details"]["code"]), ("node invoke timed out", "TIMEOUT"))
        self.assertEqual(self.answer(ok=True)["payload"], {"ok": True, "ignored": True})

    def test_node_leaves(self) -> None:
        """Whoever waits for it is told, and later callers too."""
        asked = self.invoke()
        self.line.client.transport.loseConnection()
        self.house.flush()
        self.assertEqual(self.error(asked)["details"]["nodeError"]["message"], "node disconnected")
        error = self.error(self.invoke())
        self.assertEqual((error["code"], error["message"]), ("UNAVAILABLE", "node not connected"))
        self.assertEqual((error["details"]["code"], error["retryable"]), ("NOT_CONNECTED", True))

    def test_caller_leaves(self) -> None:
        """Nobody waits any more; the node's answer is no error."""
        self.invoke()
        self.owner.client.transport.loseConnection()
        self.house.flush()
        self.assertEqual(self.answer(ok=True)["payload"], {"ok": True, "ignored": True})

    def test_not_offered(self) -> None:
        """Commands that it does not know are not sent."""
        error = self.error(self.invoke("format"))
        self.assertEqual(
            (error["code"], error["details"]["reason"]), ("INVALID_REQUEST", "command not declared by node")
        )
        self.assertEqual(self.line.events("node.invoke.request"), [])

    def test_another_node(self) -> None:
        """A node speaks for itself only, and answers what it was asked."""
        asked = self.invoke()
        other = self.house.open()
        self.assertTrue(other.connect(Identity(2), role="node", scopes=[])["ok"])
        params = {"id": self.request()["id"], "nodeId": self.node_id, "ok": True}
        self.assertEqual(other.call("node.invoke.result", params)["error"]["message"], "nodeId mismatch")
        params["nodeId"] = Identity(2).id
        self.assertEqual(other.call("node.invoke.result", params)["payload"], {"ok": True, "ignored": True})
        self.assertEqual(self.owner.answers(asked), [])

    def test_busy(self) -> None:
        """So many at a time."""
        for _ in range(MAX_INVOCATIONS):
            self.invoke()
        error = self.error(self.invoke())
        self.assertEqual((error["details"]["code"], error["retryable"]), ("BUSY", True))
        self.answer(ok=True)
        self.assertEqual(self.owner.answers(self.invoke()), [])

    def test_events(self) -> None:
        """That it is alive is noted; other news is heard, and the node is told that nothing is done about it."""
        self.house.advance(60)
        alive = self.line.call("node.event", {"event": "node.presence.alive", "payloadJSON": json.dumps({})})
        self.assertEqual(alive["payload"], {"ok": True, "event": "node.presence.alive", "handled": True})
        self.assertEqual(self.house.book.known(self.node_id).last_seen_at_ms, self.house.book.now_ms())
        other = self.line.call("node.event", {"event": "voice.transcript"})["payload"]
        self.assertEqual((other["handled"], other["reason"]), (False, "unsupported_event"))
