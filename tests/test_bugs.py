# -*- test-case-name: tests.test_bugs -*-
"""Bugs that come back in every gateway, by number, as far as they need the whole house.

The others stand beside what they are about: see C{grep -rn "test_t[0-9]" tests}.
"""

from __future__ import annotations

import gc
import random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.run import AgentRun
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.web.exchange import Exchange

CHAT = "/v1/chat/completions"


def ask(text: str = "hi", **fields: Any) -> dict[str, Any]:
    """A chat request."""
    return {"messages": [{"role": "user", "content": text}], **fields}


class BugTests(SynchronousTestCase):
    """On a whole gateway in memory."""

    def setUp(self) -> None:
        """Start it."""
        self.memory = MemoryGateway()
        self.addCleanup(self.memory.close)
        self.model = self.memory.model

    def test_t29_answer_longer_than_the_client_waits(self) -> None:
        """A run that takes longer than SDKs wait (600 s) is started with 202 and fetched later; nothing is sent to keep
        the first request open."""
        self.memory.gateway.reload({**self.memory.config, "agents": {"defaults": {"timeoutSeconds": 3600}}})
        response = self.memory.post("/v1/runs", {"message": "think hard"})
        self.memory.advance(1)
        self.assertEqual(response.code, 202)
        run_id = response.json()["id"]
        self.memory.advance(1200, steps=20)
        self.assertEqual(self.memory.get(f"/v1/runs/{run_id}").json()["status"], "running")
        self.model.calls[0].text("42")
        self.model.calls[0].finish()
        self.memory.advance(1)
        done = self.memory.get(f"/v1/runs/{run_id}").json()
        self.assertEqual((done["status"], done["text"]), ("ok", "42"))

    def test_t02_silence_in_the_queue(self) -> None:
        """A stream that waits behind another run of its session has its status and its pings all the same, and then
        its answer."""
        self.memory.post(CHAT, ask("first", user="alice"))
        waiting = self.memory.post(CHAT, ask("second", user="alice", stream=True))
        self.memory.advance(50, steps=50)
        self.assertEqual((waiting.code, len(self.model.calls)), (200, 1))
        self.assertEqual(waiting.body.count(b": ping\n"), 3)
        for call in range(2):
            self.model.calls[call].text("done")
            self.model.calls[call].finish()
            self.memory.flush()
        self.assertTrue(waiting.body.endswith(b"data: [DONE]\n\n"))

    def test_t39_three_callers_one_session(self) -> None:
        """All get their answers, in order, and each call of the model knows of those before it."""
        responses = [self.memory.post(CHAT, ask(f"question {number}", user="alice")) for number in range(3)]
        other = self.memory.post(CHAT, ask(user="bob"))
        self.assertEqual(len(self.model.calls), 2)
        for number in range(4):
            call = self.model.calls[number]
            call.text(f"answer to {call.request.messages[-1].text}")  # type: ignore[union-attr]
            call.finish()
            self.memory.flush()
        answers = [response.json()["choices"][0]["message"]["content"] for response in (*responses, other)]
        self.assertEqual(answers, [*(f"answer to question {number}" for number in range(3)), "answer to hi"])
        lengths = sorted(len(request.messages) for request in self.model.requests)
        self.assertEqual(lengths, [1, 1, 3, 5])

    def test_t39_refusal_is_named(self) -> None:
        """Beyond the bound a caller is told so, with when to come back, and loses nothing."""
        config = {**self.memory.config, "agents": {"defaults": {"model": self.model.ref, "maxQueuedPerSession": 1}}}
        self.memory.gateway.reload(config)
        first, second, third = (self.memory.post(CHAT, ask(str(number), user="alice")) for number in range(3))
        self.assertEqual((third.code, third.json()["error"]["code"]), (429, "queue_full"))
        self.assertIn("retry-after", third.headers)
        for number in range(2):
            self.model.calls[number].text("x")
            self.model.calls[number].finish()
            self.memory.flush()
        self.assertEqual([first.code, second.code], [200, 200])

    def test_t44_connect_and_cancel_at_random(self) -> None:
        """However clients come and go, nothing is left of them: no run, no timer, no object."""
        dice = random.Random(44)
        self.round(dice, 30)
        before = self.census()
        self.round(dice, 150)
        self.assertEqual(list(self.memory.gateway.engine.live()), [])
        self.assertEqual(self.census(), before)

    def round(self, dice: random.Random, number: int) -> None:
        """So many requests, each left at a point of chance or served to its end."""
        for _ in range(number):
            fields: dict[str, Any] = {"stream": dice.random() < 0.7}
            if dice.random() < 0.3:
                fields["user"] = f"user-{dice.randrange(5)}"
            calls = len(self.model.calls)
            response = self.memory.post(CHAT, ask(**fields))
            fate = dice.randrange(4)
            if fate and len(self.model.calls) > calls:
                self.model.calls[-1].text("some", " words")
                self.memory.flush()
            if fate == 1:
                self.memory.advance(dice.random() * 20)
            if fate == 2 and len(self.model.calls) > calls:
                self.model.calls[-1].finish()
                self.memory.flush()
            response.disconnect()
            self.memory.flush()
        self.model.calls.clear()
        # What has ended is remembered for ten minutes, and no longer.
        self.memory.advance(700, steps=3)

    def census(self) -> tuple[int, int, int]:
        """Live runs' objects, exchanges and delayed calls."""
        gc.collect()
        objects = gc.get_objects()
        runs = sum(isinstance(found, AgentRun) for found in objects)
        exchanges = sum(isinstance(found, Exchange) for found in objects)
        return runs, exchanges, len(self.memory.clock.getDelayedCalls())
