# -*- test-case-name: tests.test_repeats -*-
"""What comes of a key that a WebSocket client uses again: over the whole gateway."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import WRITE
from openclaw_tx.runs.ended import KEEP_SECONDS
from openclaw_tx.testing import MemoryGateway

KEY = "agent:main:main"


class Repeats(SynchronousTestCase):
    """A gateway and a client."""

    def setUp(self) -> None:
        self.gateway = MemoryGateway()
        self.addCleanup(self.gateway.close)
        self.model = self.gateway.model
        self.client = self.gateway.websocket()
        self.client.connect(scopes=("operator.admin",))

    def agent(self, key: str) -> Any:
        """The last answer to C{agent}."""
        self.client.request("agent", {"message": "hi", "sessionKey": KEY, "idempotencyKey": key})
        return self.client.response(f"r{self.client._number}")

    def send(self, message: str, key: str, **more: Any) -> Any:
        """The answer to C{chat.send}."""
        return self.client.request("chat.send", {"sessionKey": KEY, "message": message, "idempotencyKey": key, **more})

    def status(self, message: str, key: str, **more: Any) -> str:
        """The status that C{chat.send} answers."""
        answer = self.send(message, key, **more)
        self.assertTrue(answer["ok"], answer)
        status: str = answer["payload"]["status"]
        return status

    def wait(self, key: str, timeout_ms: int = 0) -> Any:
        """The answer to C{agent.wait}."""
        return self.client.request("agent.wait", {"runId": key, "timeoutMs": timeout_ms})["payload"]

    def later(self) -> None:
        """The engine has forgotten what ended: the ledger is asked, as after a restart."""
        self.gateway.advance(KEEP_SECONDS + 1)
        self.gateway.advance(1)
        self.assertEqual(len(self.gateway.gateway.engine._ended._runs), 0)

    def asked(self) -> list[str]:
        """What the model was asked last, call by call."""
        return [request.messages[-1].text for request in self.model.requests]


class RetryTests(Repeats):
    """An error that says that it may be tried again means it."""

    def test_provider(self) -> None:
        """A provider that failed before a word was said is asked again, at once and from the ledger."""
        for forget in (lambda: None, self.later):
            self.model.fail("provider_timeout")
            failed = self.agent("k")
            self.assertEqual((failed["ok"], failed["error"]["retryable"]), (False, True))
            self.assertEqual(self.wait("k")["status"], "error")
            forget()
        self.model.say("there")
        answer = self.agent("k")
        self.assertEqual(answer["payload"]["result"]["payloads"][0]["text"], "there")
        self.assertEqual(len(self.model.calls), 3)
        self.assertEqual((self.agent("k")["payload"]["status"], len(self.model.calls)), ("ok", 3))

    def test_chat(self) -> None:
        """The same for C{chat.send}, whose clients are told by events."""
        self.model.fail("provider_timeout")
        self.assertEqual(self.status("hi", "k"), "started")
        self.model.say("there")
        self.assertEqual(self.status("hi", "k"), "started")
        self.assertEqual(self.status("hi", "k"), "ok")
        self.gateway.flush()
        states = [event["payload"]["state"] for event in self.client.events("chat")]
        self.assertEqual((states[0], states[-1], len(self.model.calls)), ("error", "final", 2))

    def test_store(self) -> None:
        """What could not begin because the store was away begins when it is there again."""
        database = self.gateway.gateway._house.sessions._jobs._database  # type: ignore[attr-defined]
        driver = database.connect().driver
        driver.execute("PRAGMA query_only = 1")
        failed = self.agent("k")
        self.assertEqual((failed["error"]["retryable"], len(self.model.calls)), (True, 0))
        driver.execute("PRAGMA query_only = 0")
        self.gateway.advance(3)
        self.model.say("there")
        self.assertEqual(self.agent("k")["payload"]["status"], "ok")

    def test_something_came_of_it(self) -> None:
        """Once text was told, or where the error is final, the key keeps its answer."""
        self.client.request("agent", {"message": "hi", "sessionKey": KEY, "idempotencyKey": "told"})
        self.model.calls[0].text("half an ans")
        self.model.calls[0].fail("provider_error")
        self.gateway.flush()
        self.model.fail("provider_rejected")
        self.agent("final")
        for key in ("told", "final"):
            self.assertFalse(self.agent(key)["ok"])
            self.later()
            self.assertFalse(self.agent(key)["ok"])
        self.assertEqual(len(self.model.calls), 2)

    def test_other_params(self) -> None:
        """Another request under the key is refused as ever."""
        self.model.fail("provider_timeout")
        self.status("hi", "k")
        self.assertIn("used before", self.send("other", "k")["error"]["message"])

    def test_counted(self) -> None:
        """A limit on runs counts each time that one is started."""
        entered: list[str] = []
        quotas = self.gateway.gateway._house.quotas
        self.patch(quotas, "request", lambda principal: entered.append(principal.id))
        for _ in range(2):
            self.model.fail("provider_timeout")
            self.agent("k")
        self.assertEqual(len(entered), 2)


class MergedTests(Repeats):
    """Messages that wait are repeated, waited for, merged, steered into a run, and taken back."""

    def setUp(self) -> None:
        super().setUp()
        self.status("first", "k1")

    def finish(self, text: str = "ok") -> None:
        """The newest model call says something and ends."""
        self.model.calls[-1].text(text)
        self.model.calls[-1].finish()
        self.gateway.flush()

    def merge(self) -> None:
        """Two messages wait and make one turn, which is at work."""
        self.status("delete the file", "kA")
        self.status("and tell me", "kB")
        self.finish()
        self.gateway.advance(1)
        self.assertEqual(len(self.model.calls), 2)
        self.assertIn("delete the file", self.asked()[-1])

    def test_merged(self) -> None:
        """In flight while it waits and while the turn is at work, then ok: from memory and from the ledger."""
        self.assertEqual(self.status("delete the file", "kA"), "started")
        self.assertEqual(self.status("delete the file", "kA"), "in_flight")
        self.assertEqual(self.wait("kA"), {"runId": "kA", "status": "timeout", "timeoutPhase": "queue"})
        self.merge()
        self.assertEqual(self.status("delete the file", "kA"), "in_flight")
        self.assertEqual(self.wait("kA")["status"], "timeout")
        self.finish("done")
        for _ in range(2):
            self.assertEqual(self.status("delete the file", "kA"), "ok")
            self.assertEqual(self.wait("kA")["status"], "ok")
            self.assertIn("used before", self.send("something else", "kA")["error"]["message"])
            self.later()
        self.gateway.advance(5)
        self.assertEqual(len(self.model.calls), 2)

    def test_waited_for(self) -> None:
        """Who began to wait while it was in line hears of the end of the run that it is merged into."""
        self.status("delete the file", "kA")
        self.status("and tell me", "kB")
        self.client.send({"type": "req", "id": "w", "method": "agent.wait", "params": {"runId": "kA"}})
        self.finish()
        self.gateway.advance(1)
        self.finish("done")
        self.assertEqual(self.client.response("w")["payload"]["status"], "ok")

    def test_merged_into_an_abort(self) -> None:
        """Aborted with the turn: a repeat starts nothing, as with any run."""
        self.merge()
        aborted = self.client.request("chat.abort", {"sessionKey": KEY, "runId": "kA"})["payload"]
        self.assertEqual(aborted, {"ok": True, "aborted": True, "runIds": ["kA"]})
        self.assertTrue(self.model.calls[-1].cancelled)
        for _ in range(2):
            self.assertEqual(self.status("delete the file", "kA"), "ok")
            self.assertEqual(self.wait("kA")["stopReason"], "rpc")
            self.later()
        self.gateway.advance(5)
        self.assertEqual(len(self.model.calls), 2)

    def test_merged_into_a_failure(self) -> None:
        """The turn's error is that of all its messages. One that may be tried again leaves their keys free."""
        self.merge()
        self.model.calls[-1].fail("provider_rejected")
        self.gateway.flush()
        self.assertFalse(self.send("delete the file", "kA")["ok"])
        self.status("delete the file", "kC")
        self.status("and tell me", "kD")
        self.model.calls[-1].fail("provider_timeout")
        self.gateway.advance(1)
        self.model.calls[-1].fail("provider_timeout")
        self.gateway.advance(1)
        number = len(self.model.calls)
        self.model.say("done")
        self.assertEqual(self.status("delete the file", "kC"), "started")
        self.assertEqual((len(self.model.calls), self.asked()[-1]), (number + 1, "delete the file"))
        self.assertEqual(self.status("delete the file", "kC"), "ok")

    def test_merged_over_http(self) -> None:
        """It is a run of its own to whoever asks, and its end is that of the turn."""
        self.merge()
        found = self.gateway.get("/v1/runs/kA").json()
        self.finish("done")
        ended = [self.gateway.get("/v1/runs/kA").json()]
        events = self.gateway.get("/v1/runs/kA/events").text()
        self.later()
        ended.append(self.gateway.get("/v1/runs/kA").json())
        self.assertEqual(found["status"], "running")
        self.assertEqual({row["status"] for row in ended}, {"ok"})
        self.assertIn("event: run.completed", events)

    def test_steered(self) -> None:
        """A message that the run at work has read is not read again: in flight, then ok."""
        self.assertEqual(self.status("be brief", "kS", queueMode="steer"), "started")
        self.assertEqual(self.status("be brief", "kS", queueMode="steer"), "in_flight")
        self.assertEqual(self.wait("kS")["status"], "timeout")
        self.finish()
        self.finish("brief")
        for _ in range(2):
            self.assertEqual(self.status("be brief", "kS", queueMode="steer"), "ok")
            self.assertEqual(self.wait("kS")["status"], "ok")
            self.later()
        self.assertEqual(len(self.model.calls), 2)
        rows = self.client.request("chat.history", {"sessionKey": KEY})["payload"]["messages"]
        self.assertIn("kS:user", [row.get("idempotencyKey") for row in rows])

    def test_steered_and_lost(self) -> None:
        """A second after it was taken in, the ledger knows of it: a crash ends it as it ends the run."""
        self.status("be brief", "kS", queueMode="steer")
        self.gateway.advance(1)
        self.gateway.advance(1)
        house = self.gateway.gateway._house
        stored = self.successResultOf(Deferred.fromCoroutine(house.sessions.get_run("kS")))
        assert stored is not None
        self.assertEqual((stored.status, stored.session_key), ("running", KEY))

    def test_taken_back(self) -> None:
        """C{chat.abort} takes a waiting message out of the queue by its run id; it never runs, and others do."""
        self.status("delete the file", "kA")
        self.status("and tell me", "kB")
        other = self.client.request("chat.abort", {"sessionKey": "other", "runId": "kA"})
        self.assertIn("does not match", other["error"]["message"])
        self.client.send({"type": "req", "id": "w", "method": "agent.wait", "params": {"runId": "kA"}})
        answer = self.client.request("chat.abort", {"sessionKey": KEY, "runId": "kA"})["payload"]
        self.assertEqual(answer, {"ok": True, "aborted": True, "runIds": ["kA"]})
        waited = self.client.response("w")["payload"]
        self.assertEqual((waited["status"], waited["stopReason"]), ("error", "rpc"))
        self.gateway.flush()
        told = [row["payload"] for row in self.client.events("chat") if row["payload"]["runId"] == "kA"]
        self.assertEqual([(row["state"], row["stopReason"]) for row in told], [("aborted", "rpc")])
        self.assertEqual(self.status("delete the file", "kA"), "ok")
        self.finish()
        self.gateway.advance(1)
        self.finish()
        self.gateway.advance(5)
        self.assertEqual(self.asked(), ["first", "and tell me"])

    def test_the_last_one_taken_back(self) -> None:
        """Then nothing waits any more."""
        self.status("delete the file", "kA")
        self.client.request("chat.abort", {"sessionKey": KEY, "runId": "kA"})
        self.finish()
        self.gateway.advance(5)
        self.assertEqual(self.asked(), ["first"])
        self.model.say("next")
        self.status("next", "kN")
        self.assertEqual(self.asked()[-1], "next")

    def test_taken_back_by_others(self) -> None:
        """Somebody else's waiting message takes an administrator, as somebody else's run does."""
        flow = self.gateway.gateway._house.desk.flow
        self.status("delete the file", "kA")
        message = flow.known.waiting("kA")
        assert message is not None
        flow.known.leave(message)
        flow.known.wait(replace(message, principal=replace(message.principal, id="key:alice")))
        client = self.gateway.websocket()
        client.connect(scopes=(WRITE,))
        answer = client.request("chat.abort", {"sessionKey": KEY, "runId": "kA"})
        self.assertEqual(answer["error"]["message"], "missing scope: operator.admin")
        self.assertIsNotNone(flow.known.waiting("kA"))

    def test_stopped(self) -> None:
        """All that waits is forgotten by C{chat.abort}: what is repeated then starts nothing."""
        self.status("delete the file", "kA")
        self.client.request("chat.abort", {"sessionKey": KEY})
        self.assertEqual(self.status("delete the file", "kA"), "ok")
        self.assertEqual(self.wait("kA")["stopReason"], "rpc")
        self.gateway.advance(5)
        self.assertEqual(self.asked(), ["first"])
        self.assertIn("used before", self.send("something else", "kA")["error"]["message"])

    def test_left_out(self) -> None:
        """What had to make room keeps its error where the next turn tells of it; else its key is free."""
        for drop in ("summarize", "old"):
            self.client.request("sessions.patch", {"key": KEY, "queueCap": 1, "queueDrop": drop})
            self.status("delete the file", f"{drop}-A")
            self.status("and tell me", f"{drop}-B")
            answer = self.send("delete the file", f"{drop}-A")
            self.assertEqual(answer["ok"], drop == "old")
            if drop == "summarize":
                self.assertIn("left out", answer["error"]["message"])
                self.assertNotIn("retryable", answer["error"])
