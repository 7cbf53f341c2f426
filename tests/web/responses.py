"""The Responses API of the whole gateway in memory, as its tests ask it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openai.types.responses import Response as OpenAIResponse

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.http import MemoryResponse
from openclaw_tx.values import AssistantMessage, ToolResultMessage, UserMessage

PATH = "/v1/responses"


def said(messages: Any) -> list[str]:
    """The conversation in short."""
    short = {UserMessage: "u", AssistantMessage: "a", ToolResultMessage: "t"}
    return [f"{short[type(message)]}:{message.text}" for message in messages]


def reference(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item of a response by its id alone."""
    return {"type": "item_reference", "id": item["id"]}


class Case(SynchronousTestCase):
    """The whole gateway in memory, with both endpoints on."""

    config: dict[str, Any] = {"gateway": {"http": {"endpoints": {"responses": {"enabled": True}}}}}

    def setUp(self) -> None:
        """Start it."""
        self.memory = MemoryGateway(self.config)
        self.addCleanup(self.memory.close)
        self.model = self.memory.model

    def ask(self, text: Any = "hi", headers: dict[str, str] | None = None, **fields: Any) -> MemoryResponse:
        """A request."""
        return self.memory.post(PATH, {"model": "openclaw", "input": text, **fields}, headers=headers)

    def answered(self, answer: str, text: Any = "hi", headers: dict[str, str] | None = None, **fields: Any) -> Any:
        """A request and its response object."""
        self.model.say(answer)
        response = self.ask(text, headers, **fields)
        self.assertEqual(response.code, 200, response.text())
        found = response.json()
        OpenAIResponse.model_validate(found, strict=True)
        return found

    def keys(self) -> list[str]:
        """Keys of the stored sessions."""
        client = self.memory.websocket()
        client.connect()
        rows = client.request("sessions.list")["payload"]["sessions"]
        client.close()
        return sorted(row["key"] for row in rows)

    def refused(self, status: int, param: str | None, **fields: Any) -> Any:
        """It is refused, and no model is asked."""
        before = len(self.model.calls)
        response = self.ask(**fields)
        error = response.json()["error"]
        self.assertEqual((response.code, error["param"]), (status, param), error)
        self.assertEqual(set(error), {"message", "type", "param", "code"})
        self.assertEqual(len(self.model.calls), before)
        return error
