"""Every message survives the bus."""

from __future__ import annotations

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.tally import Measured
from openclaw_tx.values import (
    Entry,
    Principal,
    RunEnded,
    RunResult,
    RunState,
    TextDelta,
    ToolProgress,
    ToolResult,
    ToolSpec,
    ToolStarted,
    Usage,
)
from openclaw_tx.workers import messages

ANA = Principal(id="key:ana", method="key", scopes=frozenset({"operator.write"}), agents=("main",))
RESULT = RunResult(
    run_id="r",
    session_key="s",
    agent_id="main",
    status="error",
    payloads=("hello",),
    error=GatewayError("run_failed", "no", details={"a": [1]}).info,
)
ENTRIES = (
    Entry(seq=1, ts_ms=5, event=ToolStarted(call_id="c", name="n", arguments={"a": None})),
    Entry(seq=2, ts_ms=5, event=TextDelta(text="\u00e9\U0001f600")),
    Entry(seq=3, ts_ms=6, event=RunEnded(result=RESULT)),
)

FROM_RELAY: list[messages.FromRelay] = [
    messages.Join(key=b"\x00\xff", worker=3, pid=7),
    messages.Visit(key=b"k", host="::1", port=1, own_host="127.0.0.1", own_port=2, secure=True),
    messages.Ask(number=1, token="t", password=None, address="1.2.3.4", headers=(("host", "x"),)),
    messages.Began(
        run_id="r",
        agent_id="main",
        session_key="s",
        channel="webchat",
        stream=True,
        traceparent="",
        principal=ANA,
        queued_at_ms=1,
    ),
    messages.Told(run_id="r", entries=ENTRIES, verbose=True, reasoning="stream"),
    messages.Ended(run_id="r", seq=3, ts_ms=6, result=RESULT),
    messages.Kept(number=1, entries=ENTRIES[:1]),
    messages.State(number=1, state=RunState(run_id="r", session_key="s", agent_id="main", status="running")),
    messages.State(number=1, state=None),
    messages.Call(
        number=1,
        name="n",
        arguments={"a": [1, {"b": None}]},
        agent_id="main",
        session_key="s",
        run_id="r",
        model="a/b",
        usage=Usage(prompt_tokens=1),
        principal=ANA,
        call_id="c",
        channel="webchat",
    ),
    messages.Recall(number=1),
    messages.Counted(readings={"n": Measured(values=((("a", "b"), 1.5),), passing=True)}),
    messages.Done(),
]

FROM_CHIEF: list[messages.FromChief] = [
    messages.Verdict(number=1, principal=ANA),
    messages.Verdict(number=1, error=GatewayError("invalid_api_key", "no", retry_after=1.5).info),
    messages.Listen(on=True),
    messages.Abort(run_id="r", reason="rpc"),
    messages.Look(number=1, run_id="r"),
    messages.Follow(number=1, run_id="r", after=3),
    messages.Unfollow(number=1),
    messages.Reported(number=1, event=ToolProgress(call_id="c", name="n", text="half")),
    messages.Returned(number=1, result=ToolResult(text="t", details={"a": 1}, is_error=True)),
    messages.Returned(number=1, failure="no"),
    messages.Offered(specs=(ToolSpec(name="n", description="d", parameters={"type": "object"}),)),
]


class MessagesTests(SynchronousTestCase):
    """L{openclaw_tx.workers.messages}."""

    def test_round_trip(self) -> None:
        """What is decoded is what was encoded."""
        for spoken in FROM_RELAY:
            self.assertEqual(messages.relay_message(messages.encoded(spoken)), spoken)
        for answered in FROM_CHIEF:
            self.assertEqual(messages.chief_message(messages.encoded(answered)), answered)

    def test_all_are_here(self) -> None:
        """The lists above have every kind."""
        self.assertEqual({type(each) for each in FROM_RELAY}, set(messages.FromRelay.__args__))
        self.assertEqual({type(each) for each in FROM_CHIEF}, set(messages.FromChief.__args__))

    def test_nonsense(self) -> None:
        """What is no message is refused."""
        for data in (b"", b"\xc1", b"{}", messages.encoded(messages.Recall(number=1))[:-1]):
            self.assertRaises(msgspec.MsgspecError, messages.relay_message, data)
        self.assertRaises(msgspec.MsgspecError, messages.chief_message, messages.encoded(messages.Done()))
