# -*- test-case-name: tests.cli.test_local -*-
"""C{openclaw-tx agent --local} on a real gateway in memory."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.agent import Turn
from openclaw_tx.cli.answer import Answer
from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.local import run_here
from openclaw_tx.config.load import Loaded, from_mapping
from openclaw_tx.errors import GatewayError
from openclaw_tx.gateway import Gateway
from openclaw_tx.sessions.lifecycle import inline_parts
from openclaw_tx.testing import ScriptedModel


class LocalTests(SynchronousTestCase):
    """One turn in this process."""

    def setUp(self) -> None:
        """A scripted model behind a gateway that is made anew for each turn, as the command does."""
        self.reactor: Any = MemoryReactorClock()
        self.model = ScriptedModel()
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.is_broken = False
        self.written: list[str] = []
        self.notes: list[str] = []
        self.ids = (f"id-{number}" for number in itertools.count())
        self.gateways: list[Gateway] = []
        config = {
            "agents": {"defaults": {"model": self.model.ref, "workspace": str(self.directory / "none")}},
            "gateway": {"auth": {"mode": "none"}},
        }
        self.loaded = from_mapping(config, {"HOME": str(self.directory)}, self.directory)

    def tearDown(self) -> None:
        """Nothing listens, no timer is left, every gateway was closed."""
        self.assertEqual(self.reactor.tcpServers, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual([gateway.running for gateway in self.gateways], [0] * len(self.gateways))

    def build(self, reactor: Any, loaded: Loaded) -> Gateway:
        """A gateway on the scripted model."""
        gateway = Gateway(
            reactor,
            loaded,
            models={self.model.provider: self.model},
            store=inline_parts(reactor.seconds, lambda: next(self.ids)),
            new_id=lambda: next(self.ids),
        )
        self.gateways.append(gateway)
        return gateway

    def begin(self, as_json: bool = False, **options: Any) -> Deferred[None]:
        """Run a turn."""
        given: dict[str, Any] = {"agent_id": None, "session_key": None, "timeout": None, "wait": None, **options}
        answer = None if as_json else Answer(self.write, self.notes.append, is_terminal=False)
        turn = Turn(
            message="Hi", answer=answer, new_id=lambda: f"run-{next(self.ids)}", echo=self.written.append, **given
        )
        return Deferred.fromCoroutine(run_here(self.reactor, self.loaded, turn, self.build))

    def write(self, text: str) -> None:
        """Standard output, unless nobody reads it any more."""
        if self.is_broken:
            raise BrokenPipeError(32, "Broken pipe")
        self.written.append(text)

    def shown(self) -> str:
        """Standard output so far."""
        return "".join(self.written)

    def test_streams(self) -> None:
        """Pieces are written as they come; the gateway is closed at the end."""
        over = self.begin()
        self.assertNoResult(over)
        self.model.calls[0].text("Hel")
        self.reactor.advance(0)
        self.assertEqual(self.shown(), "Hel")
        self.model.calls[0].text("lo")
        self.model.calls[0].finish()
        self.reactor.advance(0)
        self.successResultOf(over)
        self.assertEqual(self.shown(), "Hello\n")

    def test_tool(self) -> None:
        """A real tool: noted, and its result goes back to the model."""
        self.model.call_tool("session_status", {}, text="Let me see.")
        self.model.say("All is well.")
        self.successResultOf(self.begin())
        self.assertEqual((self.shown(), self.notes), ("Let me see.\n\nAll is well.\n", ["[session_status]"]))

    def test_remembers(self) -> None:
        """The next turn knows this one: same session, same store."""
        self.model.say("one")
        self.successResultOf(self.begin())
        self.model.say("two")
        self.successResultOf(self.begin())
        self.assertEqual([message.text for message in self.model.requests[1].messages], ["Hi", "one", "Hi"])

    def test_json(self) -> None:
        """--json is the payload that a gateway's final answer carries."""
        self.model.say("one")
        self.successResultOf(self.begin(as_json=True))
        payload = json.loads(self.shown())
        self.assertEqual(
            (payload["status"], payload["result"]["payloads"]), ("ok", [{"text": "one", "mediaUrl": None}])
        )

    def test_failure(self) -> None:
        """A failed run is its message; what was said stays."""
        self.model.fail("provider_rejected", "the model said no", after="Hal")
        error = self.failureResultOf(self.begin(), CommandError).value
        self.assertEqual(error.message, "the model said no")
        self.assertEqual(self.shown(), "Hal\n")

    def test_unknown_agent(self) -> None:
        """An agent that is not there is refused before anything runs."""
        self.failureResultOf(self.begin(agent_id="nobody"), GatewayError)
        self.assertEqual(self.model.calls, [])

    def test_ctrl_c(self) -> None:
        """A cancelled turn aborts the model call and closes the gateway."""
        over = self.begin()
        over.cancel()
        self.reactor.advance(0)
        self.failureResultOf(over, CancelledError)
        self.assertTrue(self.model.calls[0].cancelled)

    def test_closed_pipe(self) -> None:
        """When nobody reads our output any more the run is aborted, and the gateway closed."""
        over = self.begin()
        self.model.calls[0].text("Hello")
        self.reactor.advance(0)
        self.is_broken = True
        self.model.calls[0].text(" there")
        self.reactor.advance(0)
        self.failureResultOf(over, BrokenPipeError)
        self.assertTrue(self.model.calls[0].cancelled)
        self.assertEqual(self.shown(), "Hello")
