"""Whole turns of an agent with tools: a gateway in memory, asked over HTTP or over the WebSocket."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.files import merge
from openclaw_tx.testing import MemoryGateway, MemoryResponse, MemoryWebSocket
from openclaw_tx.values import AssistantMessage, Fetched, FetchLimits, Message, ToolResultMessage
from tests.support.processes import Process, Processes

CHAT = "/v1/chat/completions"
KEY = "agent:main:work"
SESSION = {"x-openclaw-session-key": KEY}
NOBODY = 100_000_000
"""No system has processes of such numbers, so that a signal reaches nobody."""


class Machine(MemoryReactorClock, Processes):  # type: ignore[misc]
    """A reactor with time, a network and processes, all of them the test's."""

    def __init__(self) -> None:
        MemoryReactorClock.__init__(self)  # type: ignore[no-untyped-call]
        Processes.__init__(self, NOBODY)


class Page:
    """Implements L{openclaw_tx.interfaces.Fetcher}: the same page everywhere.

    @ivar asked: URLs.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def fetch(self, url: str, limits: FetchLimits, headers: Mapping[str, str] | None = None) -> Fetched:
        """It."""
        self.asked.append(url)
        return Fetched(url=url, status=200, content_type="text/html", body=b"<h1>Tides</h1><p>High at noon.</p>")


class Scenario(SynchronousTestCase):
    """A gateway whose agent C{main} has a workspace and may run every command.

    @cvar config: laid over it.
    """

    config: Mapping[str, Any] = {}

    def setUp(self) -> None:
        """Build it."""
        self.outside = Path(self.mktemp()).absolute()
        self.workspace = self.outside / "workspace"
        self.workspace.mkdir(parents=True)
        self.machine = Machine()
        self.pages = Page()
        self.memory = self.build()
        self.addCleanup(self.memory.close)
        self.model = self.memory.model

    def build(self, **parts: Any) -> MemoryGateway:
        """The gateway."""
        base: dict[str, Any] = {
            "agents": {"defaults": {"workspace": str(self.workspace), "skipBootstrap": True}},
            "tools": {"exec": {"security": "full", "ask": "off"}},
        }
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.outside)}
        parts = {"fetcher": self.pages, "environment": environment, "clock": self.machine, **parts}
        return MemoryGateway(merge(base, dict(self.config)), **parts)

    def configure(self, **changes: Any) -> None:
        """Change the configuration while the gateway is at work."""
        self.memory.config = merge(self.memory.config, changes)
        self.memory.gateway.reload(self.memory.config)

    # -- ways to ask

    def post(self, text: str, **fields: Any) -> MemoryResponse:
        """A chat completion in the session."""
        body = {"model": "openclaw", "messages": [{"role": "user", "content": text}], **fields}
        answer = self.memory.post(CHAT, body, headers=SESSION)
        self.memory.flush()
        return answer

    def websocket(self, *scopes: str) -> MemoryWebSocket:
        """A client that is let in.

        @param scopes: those of an operator unless given.
        """
        client = self.memory.websocket()
        client.connect(scopes=scopes or ("operator.read", "operator.write"))
        return client

    # -- what there is to see

    def result(self, number: int = -1) -> ToolResultMessage:
        """What the model was told of a tool call, in its newest request."""
        results = [each for each in self.model.requests[-1].messages if isinstance(each, ToolResultMessage)]
        return results[number]

    def transcript(self, key: str = KEY) -> Sequence[Message]:
        """All that is stored of a session."""
        sessions = self.memory.gateway._house.sessions
        return self.successResultOf(Deferred.fromCoroutine(sessions.transcript(key, 10_000)))

    def run_of(self, run_id: str) -> dict[str, Any]:
        """The run as C{/v1/runs} shows it."""
        return cast("dict[str, Any]", self.memory.get(f"/v1/runs/{run_id}").json())

    def events_of(self, run_id: str, *types: str) -> list[dict[str, Any]]:
        """Its events of these types."""
        stream = self.memory.get(f"/v1/runs/{run_id}/events")
        self.memory.advance(0.2)
        return [event for event in stream.events() if event["type"] in types]

    @property
    def process(self) -> Process:
        """The newest one spawned."""
        return self.machine.spawned[-1]

    def assert_whole(self, key: str = KEY) -> None:
        """Every call in the transcript is followed by its results, in order."""
        messages = list(self.transcript(key))
        open_calls: list[str] = []
        for message in messages:
            if isinstance(message, ToolResultMessage):
                self.assertTrue(open_calls, messages)
                self.assertEqual(message.tool_call_id, open_calls.pop(0))
            else:
                self.assertEqual(open_calls, [], messages)
                if isinstance(message, AssistantMessage):
                    open_calls = [call.id for call in message.tool_calls]
        self.assertEqual(open_calls, [], messages)

    def assert_goes_on(self) -> None:
        """The session's next turn works, and its transcript is whole."""
        self.model.say("Here again.")
        answer = self.post("And now?")
        self.assertEqual(answer.json()["choices"][0]["message"]["content"], "Here again.")
        self.assert_whole()


class Http:
    """A run that a chat completion has started."""

    def __init__(self, case: Scenario, text: str) -> None:
        self._case = case
        self._answer = case.post(text, stream=True)

    @property
    def run_id(self) -> str:
        """Of the run."""
        return self._answer.headers["x-openclaw-run-id"]

    @property
    def text(self) -> str:
        """What the client has read.

        @raise AssertionError: the stream is not at its end.
        """
        events = self._answer.events()
        assert events and events[-1] == "[DONE]", self._answer.text()
        return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in events[:-1] if chunk["choices"])

    @property
    def ended(self) -> bool:
        """The stream is over, whichever way."""
        return self._answer.finished or self._answer.failure is not None

    def hang_up(self) -> None:
        """As a client that closes its window."""
        self._answer.disconnect()


class WebSocket:
    """A run that the method C{agent} has started."""

    def __init__(self, case: Scenario, text: str) -> None:
        self._client = case.websocket("operator.read", "operator.write", "operator.admin")
        key = f"key-{len(case.model.calls)}"
        params = {"message": text, "sessionKey": KEY, "idempotencyKey": key}
        answer = self._client.request("agent", params)
        assert answer["ok"], answer
        self._request = answer["id"]
        self.run_id: str = answer["payload"]["runId"]

    @property
    def text(self) -> str:
        """What the client has read.

        @raise AssertionError: the run is not at its end.
        """
        final = self._client.response(self._request)["payload"]
        assert final["status"] == "ok", json.dumps(final)
        return "\n\n".join(each["text"] for each in final["result"]["payloads"])


__all__ = ["CHAT", "KEY", "SESSION", "Http", "Machine", "Page", "Scenario", "WebSocket"]
