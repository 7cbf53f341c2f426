# -*- test-case-name: tests.test_vendors -*-
"""The whole gateway, with each vendor's API behind it: an agent's turn with thinking and a tool of its own."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.models.apis import APIS
from tests.support.house import House

SECRET = "s3cret"
SEALED = {
    "anthropic-messages": '"signed-0"',
    "openai-responses": '"sealed-0"',
    "google-generative-ai": '"signed"',
}
"""What the scripted vendors sign or encrypt their thinking with."""


class VendorTests(SynchronousTestCase):
    """Through HTTP, engine and store to the vendor, and back."""

    def house(self, api: str) -> House:
        """A gateway whose model speaks C{api}."""
        vendor = {"baseUrl": "http://127.0.0.1:9", "api": api, "models": [{"id": "m", "reasoning": True}]}
        house = House(
            {
                "gateway": {"auth": {"token": SECRET}},
                "models": {"providers": {"vendor": vendor}},
                "agents": {"defaults": {"model": "vendor/m"}},
            }
        )
        self.addCleanup(house.close)
        return house

    def ask(self, house: House, text: str, **fields: Any) -> Any:
        """The message that a chat comes to."""
        body = {"messages": [{"role": "user", "content": text}], "reasoning_effort": "low", **fields}
        client = house.post(body, {"Authorization": f"Bearer {SECRET}"})
        house.advance(1)
        [response] = client.responses
        self.assertEqual(response.status, 200, response.body)
        return json.loads(response.body)

    def test_turns(self) -> None:
        """The tool's result reaches the model, and the model's sealed thinking comes back to it: within the round of
        tools, and out of the store in the next turn. The client sees none of it."""
        for api in APIS:
            house = self.house(api)
            answer = self.ask(house, "[[think=1 tool=session_status args={}]]", user="alice")
            said = answer["choices"][0]["message"]["content"]
            self.assertTrue(said.startswith("tool said: "), (api, said))
            self.assertEqual(answer["usage"]["prompt_tokens"], 22, api)
            second = self.ask(house, "[[reply=bye]]", user="alice")
            self.assertEqual(second["choices"][0]["message"]["content"], "bye")
            first, *later = (json.dumps(exchange.body) for exchange in house.exchanges)
            self.assertEqual(len(later), 2)
            for sent in later:
                if api in SEALED:
                    self.assertIn(SEALED[api], sent, api)
                    self.assertNotIn(SEALED[api], first)
            self.assertNotIn("signed", json.dumps([answer, second]))

    def test_stream(self) -> None:
        """Each delta of the vendor is a chunk for the client."""
        for api in APIS:
            house = self.house(api)
            body = {"messages": [{"role": "user", "content": "[[chunks=3 delay=0.1]]"}], "stream": True}
            client = house.post(body, {"Authorization": f"Bearer {SECRET}"})
            house.advance(2)
            [response] = client.responses
            chunks = [json.loads(line[6:]) for line in response.body.split(b"\n") if line.startswith(b"data: {")]
            deltas = [choice["delta"].get("content") for chunk in chunks for choice in chunk["choices"]]
            self.assertEqual([delta for delta in deltas if delta], ["c1", " c2", " c3"], api)

    def test_hanging_up(self) -> None:
        """A client that leaves ends the vendor's work."""
        for api in APIS:
            house = self.house(api)
            body = {"messages": [{"role": "user", "content": "[[chunks=9 delay=1]]"}], "stream": True}
            client = house.post(body, {"Authorization": f"Bearer {SECRET}"})
            house.advance(2.5)
            client.reset()
            house.advance(1)
            self.assertEqual(house.exchanges[-1].outcome, "hung up", api)
