# -*- test-case-name: tests.fuzz.test_connection -*-
"""A connection of the WebSocket surface, pushed by its client, its clock and its operator, against a model of four
states."""

from __future__ import annotations

import json

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import ADMIN, READ
from openclaw_tx.ws.connection import CREDENTIALS_CHANGED, MAX_IN_FLIGHT, State
from tests.fuzz.limits import run
from tests.fuzz.material import documents
from tests.fuzz.test_requests import FRAME
from tests.ws.fakes import TOKEN
from tests.ws.harness import connect_params
from tests.ws.identity import Identity
from tests.ws.test_connection import Kit

REMOTE = "192.0.2.9"
RARELY = st.integers(0, 4).map(lambda number: number == 4)
"""What ends a connection comes seldom enough for it to live first."""
SECRETS = [TOKEN, TOKEN, TOKEN, "guess", None]


class Client(RuleBasedStateMachine):
    """The model: who is let in, what waits, and how it ended."""

    def __init__(self) -> None:
        super().__init__()
        self.state = "awaiting"
        self.events = 0
        self.asked = 0
        self.wanted = False
        self.early: list[str] = []
        self.declared: set[str] = set()

    @initialize(
        address=st.sampled_from(["127.0.0.1", REMOTE]), delay=st.sampled_from([0.0, 0.0, 5.0]), at_once=st.booleans()
    )
    def open(self, address: str, delay: float, at_once: bool) -> None:
        """The upgrade is done; it may take its time to look at a secret."""
        self.kit = Kit(address)
        self.kit.authenticator.delay = delay
        self.local = address == "127.0.0.1"
        if at_once:
            self.connect(TOKEN, [ADMIN], 3, 4, False)

    def teardown(self) -> None:
        """Nothing is left at work once the transport is gone."""
        if hasattr(self, "kit"):
            self.kit.connection.lost()
            self.kit.clock.advance(30)
            assert self.kit.connection.state is State.CLOSED
            assert not self.kit.listing.ready
            assert not self.kit.connection._in_flight

    # -- what the client does

    @precondition(lambda self: self.state == "awaiting")
    @rule(
        secret=st.sampled_from(SECRETS),
        scopes=st.lists(st.sampled_from([ADMIN, READ, "operator.write", "operator.nonsense"]), max_size=3),
        oldest=st.sampled_from([1, 3, 3, 4, 5]),
        newest=st.sampled_from([1, 3, 4, 4, 5]),
        device=st.booleans(),
    )
    def connect(self, secret: str | None, scopes: list[str], oldest: int, newest: int, device: bool) -> None:
        """It says who it is."""
        auth = {"token": secret} if secret is not None else {}
        params = connect_params(minProtocol=oldest, maxProtocol=newest, scopes=scopes, auth=auth)
        if device:
            params = Identity().sign(params, "nonce", int(self.kit.clock.seconds() * 1000))
        before = len(self.kit.link.frames)
        self.kit.ask("connect", params, "hello")
        self.kit.clock.advance(0)
        spoken = oldest <= 4 and newest >= 3 and oldest <= newest
        good = secret == TOKEN and spoken and (not device or self.local)
        self.wanted, self.declared = good, set(scopes) or {ADMIN}  # the January release takes none for all
        if self.kit.connection.state is State.AUTHENTICATING:
            assert self.kit.authenticator.delay
            self.state = "authenticating"
            return
        (answer,) = self.kit.link.frames[before:]
        assert answer["ok"] is good, (answer, secret, oldest, newest, device, self.local)
        self.decided()

    @precondition(lambda self: self.state == "awaiting")
    @rule(scopes=st.sampled_from([[], [ADMIN], [READ]]))
    def come_in(self, scopes: list[str]) -> None:
        """It says all that it has to."""
        self.connect(TOKEN, scopes, 3, 4, False)

    def decided(self) -> None:
        """Somebody is let in, with no more than what they asked for, or is not."""
        self.state = "ready" if self.wanted else "closed"
        if self.wanted:
            held = self.kit.connection.principal.scopes
            assert held <= self.declared | {READ}
            assert self.local or held <= {READ}
        answered = [frame["id"] for frame in self.kit.link.frames if frame.get("id") in self.early]
        assert answered == (self.early if self.wanted else [])

    @precondition(lambda self: self.state == "authenticating")
    @rule()
    def ask_early(self) -> None:
        """It does not wait for the decision; it will have its answer all the same."""
        self.asked += 1
        self.early.append(f"q{self.asked}")
        self.kit.ask("echo", None, self.early[-1])

    @precondition(lambda self: self.state == "authenticating")
    @rule(seconds=st.floats(0.1, 10))
    def wait(self, seconds: float) -> None:
        """The decision that was due; what was said meanwhile is heard after it."""
        self.kit.clock.advance(seconds)
        if self.kit.connection.state is not State.AUTHENTICATING:
            assert (self.kit.connection.state is State.READY) == self.wanted
            self.decided()

    @precondition(lambda self: self.state != "closed")
    @rule(
        data=documents(FRAME, {"type": "req", "id": "1", "method": "echo"}).filter(
            lambda data: TOKEN.encode() not in data
        )
    )
    def say_anything(self, data: bytes) -> None:
        """It says whatever it likes, but for the secret."""
        before = len(self.kit.link.frames)
        self.kit.say(data)
        if self.state == "awaiting":
            assert self.kit.connection.state is not State.READY
            found = self.kit.connection.state
            self.state = {State.AWAITING_CONNECT: "awaiting", State.CLOSED: "closed"}.get(found, "authenticating")
            assert all(not frame.get("ok") for frame in self.kit.link.frames[before:])
        elif self.state == "authenticating":
            assert self.kit.link.frames[before:] == []
            self.state = "closed" if self.kit.connection.state is State.CLOSED else self.state
        else:
            assert len(self.kit.link.frames) - before <= 1

    @precondition(lambda self: self.state == "ready")
    @rule(method=st.sampled_from(["echo", "wait", "status", "connect", "nothing"]), number=st.integers(1, 3))
    def ask(self, method: str, number: int) -> None:
        """It asks; each question has one answer, or waits for it."""
        for _ in range(number):
            self.asked += 1
            waiting = len(self.kit.waiting)
            self.kit.ask(method, None, f"q{self.asked}")
            answers = [frame for frame in self.kit.link.frames if frame.get("id") == f"q{self.asked}"]
            assert len(answers) == (0 if len(self.kit.waiting) > waiting else 1), (method, answers)

    @precondition(lambda self: self.state == "ready" and self.kit.waiting)
    @rule()
    def answer(self) -> None:
        """What waited is done."""
        before = len(self.kit.link.frames)
        self.kit.waiting.pop(0).callback({})
        assert [frame["ok"] for frame in self.kit.link.frames[before:]] == [True]

    @precondition(lambda self: self.state != "closed")
    @rule(luck=RARELY)
    def hang_up(self, luck: bool) -> None:
        """The transport is gone; nothing is said to it any more."""
        if not luck:
            return
        before, waiting = len(self.kit.link.frames), len(self.kit.waiting)
        self.kit.connection.lost()
        assert len(self.kit.link.frames) == before
        assert self.kit.cancelled == waiting
        self.state = "closed"
        self.kit.waiting.clear()

    # -- what others do

    @rule(droppable=st.booleans(), slow=st.booleans())
    def tell(self, droppable: bool, slow: bool) -> None:
        """Something happens; who is not let in hears nothing of it."""
        self.kit.link.slow = slow
        before = len(self.kit.link.frames)
        self.kit.connection.event(b'{"type":"event","event":"tick","payload":{}', droppable)
        heard = self.kit.link.frames[before:]
        if self.state != "ready" or (droppable and slow):
            assert heard == []
        else:
            self.events += 1
            assert [frame["seq"] for frame in heard] == [self.events]

    @precondition(lambda self: self.state == "ready")
    @rule(luck=RARELY)
    def rotate(self, luck: bool) -> None:
        """The secret is another one."""
        if not luck:
            return
        self.kit.authenticator.secret = "another"
        assert not self.kit.connection.is_valid()
        self.kit.connection.close(*CREDENTIALS_CHANGED)
        assert self.kit.link.closed == CREDENTIALS_CHANGED
        self.kit.waiting.clear()
        self.state = "closed"

    @rule(luck=RARELY)
    def overdue(self, luck: bool) -> None:
        """The time for the handshake is over."""
        if not luck:
            return
        self.kit.connection.overdue()
        if self.state in ("awaiting", "authenticating"):
            assert self.kit.link.closed is not None
            self.state = "closed"

    # -- what holds at any time

    @invariant()
    def same(self) -> None:
        """It stands where the model stands, is listed while it is ready, and keeps within its bound."""
        if not hasattr(self, "kit"):
            return
        expected: dict[str, State] = {
            "awaiting": State.AWAITING_CONNECT,
            "authenticating": State.AUTHENTICATING,
            "ready": State.READY,
            "closed": State.CLOSED,
        }
        assert self.kit.connection.state is expected[self.state]
        assert bool(self.kit.listing.ready) == (self.state == "ready")
        assert len(self.kit.connection._in_flight or ()) <= MAX_IN_FLIGHT
        assert TOKEN not in json.dumps(self.kit.link.frames)


class ModelTests(SynchronousTestCase):
    """Runs the model."""

    def test_connection(self) -> None:
        """No order of things lets anybody in who is not, loses an answer, or leaves work behind."""
        run(Client, 100)
        self.assertEqual(self.flushLoggedErrors(), [])
