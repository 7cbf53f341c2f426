# -*- test-case-name: tests.chat.test_flow -*-
"""L{openclaw_tx.chat.flow} over an engine whose runs the test ends."""

from __future__ import annotations

from typing import Any

import msgspec

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.chat.flow import ChatFlow
from openclaw_tx.chat.values import ChatMessage, Notice
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import ImagePart, Part, Principal, RunRequest, SessionSettings, TextPart, UserMessage
from tests.ws.fakes import Engine, FakeRun

KEY = "agent:main:main"
OWNER = Principal(id="shared-secret", method="token", scopes=frozenset({"operator.admin"}))
ALICE = Principal(id="key:alice", method="key", scopes=frozenset({"operator.write"}))


class FlowTests(SynchronousTestCase):
    """L{ChatFlow}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.engine = Engine(self.clock)
        self.config = Config()
        engine: Any = self.engine
        self.flow = ChatFlow(engine, lambda: self.config, self.clock)
        self.notices: list[Notice] = []
        self.flow.subscribe(self.notices.append)
        self.settings = SessionSettings()

    def tearDown(self) -> None:
        self.flow.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def queue(self, **options: Any) -> None:
        """Set C{messages.queue}."""
        self.config = msgspec.convert({"messages": {"queue": options}}, Config)

    def send(
        self, text: str, run_id: str = "", principal: Principal = OWNER, mode: str = "", *parts: Part, key: str = KEY
    ) -> None:
        """A client sends a message."""
        said = UserMessage(content=(TextPart(text=text), *parts))
        request = RunRequest(
            run_id=run_id or text, agent_id="main", session_key=key, messages=(said,), channel="webchat"
        )
        message = ChatMessage(request=request, text=text, principal=principal, queue_mode=mode)
        self.flow.send(message, self.settings)

    def started(self) -> list[tuple[str, str]]:
        """Run id and text of what was started."""
        return [(run.request.run_id, run.request.messages[0].text) for run in self.engine.runs.values()]

    def end(self, run_id: str) -> None:
        """A run ends well."""
        self.engine.runs[run_id].end()

    def told(self) -> list[tuple[str, str, str]]:
        """Run id, state and reason of the notices so far."""
        return [(notice.run_id, notice.state, notice.reason) for notice in self.notices]

    def test_idle(self) -> None:
        """With nothing at work a message is a run at once."""
        self.send("one")
        self.assertEqual(self.started(), [("one", "one")])

    def test_collect(self) -> None:
        """What comes while the agent is at work makes one turn, some time after its end; all senders see an end."""
        self.send("one")
        self.send("two")
        self.clock.advance(5)
        self.send("three")
        self.assertEqual(len(self.started()), 1)
        self.assertIsNotNone(self.flow.known.waiting("two"))
        self.end("one")
        self.clock.advance(0.9)
        self.assertEqual(len(self.started()), 1)
        self.clock.advance(0.1)
        run_id, text = self.started()[1]
        self.assertEqual(run_id, "three")
        self.assertIn("two", text)
        self.assertIn("three", text)
        self.assertEqual(self.told(), [("two", "final", "")])
        self.assertIsNone(self.flow.known.waiting("two"))

    def test_debounce(self) -> None:
        """Each message puts the turn off."""
        self.send("one")
        self.send("two")
        self.end("one")
        self.clock.advance(0.6)
        self.send("three")
        self.clock.advance(0.6)
        self.assertEqual(len(self.started()), 1)
        self.clock.advance(0.4)
        self.assertEqual(len(self.started()), 2)

    def test_others_messages(self) -> None:
        """Messages of different people are not merged: each runs as its own."""
        self.queue(debounceMs=0)
        self.send("one")
        self.send("two")
        self.send("three", principal=ALICE)
        self.end("one")
        self.clock.advance(0)
        self.end("two")
        self.clock.advance(0)
        self.assertEqual([run.principal.id for run in self.engine.runs.values()][1:], [OWNER.id, ALICE.id])

    def test_image(self) -> None:
        """A message with more than text makes a turn of its own, whole."""
        self.queue(debounceMs=0)
        self.send("one")
        self.send("two")
        self.send("look", "", OWNER, "", ImagePart(data="x", mime_type="image/png"))
        self.end("one")
        self.clock.advance(0)
        self.end("two")
        self.clock.advance(0)
        said = self.engine.runs["look"].request.messages[0]
        assert isinstance(said, UserMessage)
        self.assertEqual(len(said.content), 2)

    def test_followup(self) -> None:
        """A turn each, in order, without a pause."""
        self.queue(mode="followup")
        for text in ("one", "two", "three"):
            self.send(text)
        self.end("one")
        self.clock.advance(0)
        self.assertEqual(self.started()[1:], [("two", "two")])
        self.end("two")
        self.clock.advance(0)
        self.assertEqual(self.started()[2:], [("three", "three")])
        self.assertEqual(self.told(), [])

    def test_interrupt(self) -> None:
        """The newest message wins: the run is aborted, what waits is forgotten."""
        self.send("one")
        self.send("two")
        self.send("three", mode="interrupt")
        self.assertEqual(self.engine.runs["one"].reasons, ["interrupt"])
        self.assertEqual(self.told(), [("two", "aborted", "interrupt")])
        self.assertEqual(self.started()[-1], ("three", "three"))

    def test_interrupt_of_others(self) -> None:
        """Somebody else's run takes an admin to abort; the message waits in line behind it."""
        self.send("one")
        self.send("two", principal=ALICE, mode="interrupt")
        self.assertEqual(self.engine.runs["one"].reasons, [])
        self.assertEqual(self.started()[-1], ("two", "two"))

    def test_steer(self) -> None:
        """The run at work reads it; its sender sees an end."""
        self.send("one")
        run: FakeRun = self.engine.runs["one"]
        run.steerable = True
        self.send("two", mode="steer")
        self.assertEqual(run.steered, ["two"])
        self.assertEqual(self.told(), [("two", "final", "")])
        self.assertEqual(len(self.started()), 1)

    def test_steer_too_late(self) -> None:
        """A run that reads no more leaves it to a turn of its own."""
        self.send("one")
        self.send("two", mode="steer")
        self.end("one")
        self.clock.advance(0)
        self.assertEqual(self.started()[-1], ("two", "two"))

    def test_modes(self) -> None:
        """The message's own mode, the session's, the channel's, the configuration's, in this order."""
        self.queue(mode="followup", byChannel={"sms": "collect"}, debounceMsByChannel={"sms": 7})
        self.assertEqual(self.flow.options("webchat", None), ("followup", 1000, 20, "summarize"))
        self.assertEqual(self.flow.options("sms", None)[:2], ("collect", 7))
        session = SessionSettings(queue_mode="steer", queue_debounce_ms=0, queue_cap=3, queue_drop="new")
        self.assertEqual(self.flow.options("sms", session), ("steer", 0, 3, "new"))
        self.assertEqual(self.flow.options("sms", session, "interrupt").mode, "interrupt")
        self.assertEqual(self.flow.options("x", SessionSettings(queue_mode="nope")).mode, "followup")

    def test_dropped(self) -> None:
        """Who had to make room is told."""
        self.queue(cap=1, debounceMs=0)
        for text in ("one", "two", "three"):
            self.send(text)
        [(run_id, state, reason)] = self.told()
        self.assertEqual((run_id, state), ("two", "error"))
        self.assertIn("left out", reason)

    def test_full(self) -> None:
        """With C{drop} new the newest is refused."""
        self.queue(cap=1, drop="new")
        self.send("one")
        self.send("two")
        error = self.assertRaises(GatewayError, self.send, "three")
        self.assertEqual(error.info.code, "queue_full")

    def test_not_admitted(self) -> None:
        """A turn that the engine refuses is told to all whose messages it was made of; the next one is tried."""
        self.queue(debounceMs=0)
        self.send("one")
        self.send("two")
        self.send("three")
        self.engine.refuse = GatewayError("rate_limit_exceeded", "Too much.")
        self.end("one")
        self.clock.advance(0)
        self.assertEqual(self.told(), [("two", "error", "Too much."), ("three", "error", "Too much.")])
        self.engine.refuse = None
        self.send("four")
        self.assertEqual(self.started()[-1], ("four", "four"))

    def test_sessions_are_apart(self) -> None:
        """What waits in one session does not keep another one."""
        self.send("one")
        self.send("two")
        self.send("other", key="agent:main:other")
        self.assertEqual(self.started()[-1], ("other", "other"))

    def test_forget(self) -> None:
        """Stopped: nothing of it is said to the agent."""
        self.send("one")
        self.send("two")
        self.assertEqual(self.flow.forget(KEY, "stop"), ["two"])
        self.end("one")
        self.clock.advance(10)
        self.assertEqual(len(self.started()), 1)
        self.assertEqual(self.told(), [("two", "aborted", "stop")])

    def test_forget_of_others(self) -> None:
        """Somebody else's waiting messages stay, but for an administrator."""
        self.send("one")
        self.send("two")
        self.send("three", principal=ALICE)
        self.assertEqual(self.flow.forget(KEY, "stop", ALICE), ["three"])
        self.assertEqual(self.flow.waiting(KEY), 1)
        self.send("four", principal=ALICE, mode="interrupt")
        self.assertEqual(self.flow.waiting(KEY), 1)
        self.send("five", principal=ALICE)
        self.assertEqual(self.flow.forget(KEY, "stop", OWNER), ["two", "five"])
        self.assertEqual(self.told()[-1], ("five", "aborted", "stop"))

    def test_close(self) -> None:
        """At shutdown what waits gets in line, merged as ever and without a pause, and nobody is taken."""
        self.send("one")
        self.send("two")
        self.send("three")
        self.send("four", principal=ALICE)
        self.send("other", key="agent:main:other")
        self.flow.close()
        self.assertEqual([run_id for run_id, _ in self.started()], ["one", "other", "three", "four"])
        self.assertIn("two", self.started()[2][1])
        self.assertEqual(self.told(), [("two", "final", "")])
        error = self.assertRaises(GatewayError, self.send, "three")
        self.assertEqual(error.info.code, "gateway_draining")

    def test_close_without_room(self) -> None:
        """Who does not get in line is told that it was aborted, and why."""
        self.send("one")
        self.send("two")
        self.send("three")
        self.engine.refuse = GatewayError("queue_full", "Too many runs.")
        self.flow.close()
        self.assertEqual(self.told(), [("two", "aborted", "shutdown"), ("three", "aborted", "shutdown")])
