# -*- test-case-name: tests.test_repeats -*-
"""What comes of a key that a WebSocket client uses again: over the whole gateway."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

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
