# -*- test-case-name: tests.testing.test_gateway -*-
"""The gateway in memory that applications test with; docs/testing.md shows more of it, and is run as well."""

from __future__ import annotations

import gc
import io
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx import Gateway
from openclaw_tx.ids import new_uuid
from openclaw_tx.sessions.lifecycle import inline_parts
from openclaw_tx.testing import TOKEN, MemoryGateway, ScriptedModel
from openclaw_tx.testing.http import SyncBody, body_producer
from openclaw_tx.values import ToolResult, ToolSpec

HELLO = {"messages": [{"role": "user", "content": "hi"}]}
CHAT = "http://any.example/v1/chat/completions"


class ClientTests(SynchronousTestCase):
    """C{MemoryGateway.client}."""

    def setUp(self) -> None:
        """A gateway."""
        self.gateway = MemoryGateway()
        self.addCleanup(self.gateway.close)
        self.secret = {"Authorization": f"Bearer {TOKEN}"}

    def test_json(self) -> None:
        """A body is sent without a turn of the process's reactor, and the answer read."""
        self.gateway.model.say("Hello.")
        asked = self.gateway.client.post(CHAT, json=HELLO, headers=self.secret)
        self.gateway.flush()
        answer = self.successResultOf(asked)
        self.assertEqual(answer.code, 200)
        read = answer.json()
        self.gateway.flush()
        self.assertEqual(self.successResultOf(read)["choices"][0]["message"]["content"], "Hello.")

    def test_stream(self) -> None:
        """An answer is read as it comes."""
        pieces: list[bytes] = []
        asked = self.gateway.client.post(CHAT, json={**HELLO, "stream": True}, headers=self.secret, unbuffered=True)
        self.gateway.flush()
        call = self.gateway.model.calls[0]
        call.text("first")
        self.gateway.flush()
        collected = self.successResultOf(asked).collect(pieces.append)
        self.gateway.flush()
        self.assertIn(b"first", b"".join(pieces))
        call.finish()
        self.gateway.flush()
        self.successResultOf(collected)
        self.assertTrue(b"".join(pieces).endswith(b"data: [DONE]\n\n"))

    def test_bodies(self) -> None:
        """Bytes, text of a form, files, and producers of one's own."""
        for given in (b"a=1", "a=1", io.BytesIO(b"a=1"), SyncBody(b"a=1")):
            body = body_producer(given)
            self.assertEqual(body.length, 3)
        form = self.gateway.client.post(CHAT, data={"a": "1"}, headers=self.secret)
        self.gateway.flush()
        self.assertEqual(self.successResultOf(form).code, 400)


class Endless:
    """A tool that does not end by itself."""

    spec = ToolSpec(name="endless", description="", parameters={"type": "object"})

    async def call(self, arguments: Any, context: Any) -> ToolResult:
        """Wait."""
        await Deferred()
        raise AssertionError("never")


class MistakeTests(SynchronousTestCase):
    """What a test may get wrong."""

    def test_forgotten_tool(self) -> None:
        """A run that is still at work at the end does not keep the gateway, however long it might be waited for."""
        gateway = MemoryGateway({"gateway": {"shutdownGraceSeconds": 300}}, tools=[Endless()])
        gateway.model.call_tool("endless", {})
        answer = gateway.post("/v1/chat/completions", HELLO)
        gateway.close()
        self.assertEqual(answer.code, 503)

    def test_after_a_closed_one(self) -> None:
        """There is nothing to begin with then, and the error says so."""
        gateway = MemoryGateway()
        gateway.close()
        error = self.assertRaises(ValueError, MemoryGateway, after=gateway)
        self.assertIn("not closed yet", str(error))

    def test_unknown_code(self) -> None:
        """A failure that there is not is refused where it is written down."""
        self.assertIn("nope", str(self.assertRaises(ValueError, ScriptedModel().fail, "nope")))


class DirectoryTests(SynchronousTestCase):
    """What is left on the disk."""

    def test_closed(self) -> None:
        """Nothing."""
        gateway = MemoryGateway()
        place = Path(gateway.gateway.settings.state_dir)
        self.assertTrue(place.is_dir())
        gateway.close()
        self.assertFalse(place.exists())

    def test_forgotten(self) -> None:
        """Nothing of one that nobody closed, either."""
        gateway = MemoryGateway()
        place = Path(gateway.gateway.settings.state_dir)
        self.assertTrue(place.is_dir())
        del gateway
        gc.collect()
        self.assertFalse(place.exists())

    def test_no_state_directory(self) -> None:
        """A gateway that is not told where its state goes leaves nothing behind, stopped or not."""
        clock = MemoryReactorClock()
        gateway = Gateway(clock, {"gateway": {"auth": {"token": TOKEN}}}, store=inline_parts(clock.seconds, new_uuid))
        place = gateway.settings.state_dir
        self.assertTrue(place.is_dir())
        del gateway
        gc.collect()
        self.assertFalse(place.exists())
