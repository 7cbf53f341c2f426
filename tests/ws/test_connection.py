# -*- test-case-name: tests.ws.test_connection -*-
"""The connection machine without a transport: every way through it, and that no input gets past the handshake."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import ADMIN, READ, WRITE, authorise, granted
from openclaw_tx.auth.device_auth import DeviceAuthenticator
from openclaw_tx.config.schema import Config
from openclaw_tx.wire.events import Batch
from openclaw_tx.wire.frames import numbered
from openclaw_tx.ws.connect import ConnectParams, Params
from openclaw_tx.ws.connection import MAX_EARLY_BYTES, MAX_IN_FLIGHT, Connection, Desk, State
from openclaw_tx.ws.handshake import Handshake
from openclaw_tx.ws.methods import Call, Method, Methods
from tests.ws.fakes import TOKEN, Authenticator, FakePeer
from tests.ws.harness import connect_params
from tests.ws.identity import Identity, device_rooms


class Nothing(Params, frozen=True):
    """No params."""


class MemoryLink:
    """Keeps what the machine says."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.closed: tuple[int, str] | None = None
        self.lifted = False
        self.slow = False

    def keeps_up(self, size: int) -> bool:
        return not self.slow

    def send(self, message: bytes) -> None:
        assert self.closed is None, "sent after close"
        self.frames.append(json.loads(message))

    def tell(self, batch: Batch, first: int) -> None:
        assert self.closed is None, "sent after close"
        self.frames += [json.loads(numbered(event.body, seq)) for seq, event in enumerate(batch.events, first)]

    def close(self, code: int, reason: str) -> None:
        assert self.closed is None, "closed twice"
        self.closed = (code, reason)

    def accepted(self) -> None:
        self.lifted = True


class Listing:
    """Notes who joined and left."""

    def __init__(self) -> None:
        self.ready: list[Connection] = []

    def joined(self, connection: Connection) -> None:
        self.ready.append(connection)

    def left(self, connection: Connection) -> None:
        self.ready.remove(connection)


class Kit:
    """A machine and what it stands on."""

    def __init__(self, address: str = "127.0.0.1", **headers: str) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.authenticator = Authenticator(self.clock)
        self.listing = Listing()
        self.link = MemoryLink()
        self.waiting: list[Deferred[Any]] = []
        self.cancelled = 0
        self.ignored = 0
        methods = Methods(
            [
                [
                    Method("echo", "health", Nothing, self.echo),
                    Method("wait", "health", Nothing, self.wait),
                    Method("status", "status", Nothing, self.echo),
                ]
            ],
            authorise,
        )
        self.hello: Any = lambda connection, params: {"type": "hello-ok", "protocol": connection.protocol}
        self.devices = device_rooms(self.clock)
        guard: Any = self.authenticator
        authenticator = DeviceAuthenticator(guard, self.devices.tokens, Config)

        def now_ms() -> int:
            return int(self.clock.seconds() * 1000)

        desk = Desk(
            authenticator=authenticator,
            handshake=Handshake(authenticator, granted, self.authenticator.is_local_direct, self.devices, now_ms),
            methods=methods,
            hello=lambda connection, params: self.hello(connection, params),
            watch=self.listing,
            now_ms=now_ms,
            new_id=lambda: "nonce",
            ignored=self.ignore,
        )
        self.connection = Connection(desk, self.link, FakePeer(address, **headers), 1)
        self.connection.opened()

    def ignore(self) -> None:
        self.ignored += 1

    async def echo(self, call: Call[Any]) -> Any:
        return {"hi": call.principal.id}

    def _cancel(self, _: Deferred[Any]) -> None:
        self.cancelled += 1

    async def wait(self, call: Call[Any]) -> Any:
        deferred: Deferred[Any] = Deferred(self._cancel)
        self.waiting.append(deferred)
        return await deferred

    def say(self, frame: Any) -> None:
        self.connection.received(frame if isinstance(frame, bytes) else msgspec.json.encode(frame))

    def ask(self, method: str, params: Any = None, id: str = "1") -> None:
        self.say({"type": "req", "id": id, "method": method, **({} if params is None else {"params": params})})

    def connect(self, identity: Identity | None = None, **changes: Any) -> Any:
        params = connect_params(**changes)
        if identity is not None:
            params = identity.sign(params, "nonce", int(self.clock.seconds() * 1000))
        self.ask("connect", params, "hello")
        return self.link.frames[-1]


class HandshakeTests(SynchronousTestCase):
    """Up to hello-ok."""

    def test_challenge(self) -> None:
        """The first thing a client gets is a nonce; the event has no number."""
        self.assertEqual(
            Kit().link.frames,
            [{"type": "event", "event": "connect.challenge", "payload": {"nonce": "nonce", "ts": 1_000_000}}],
        )

    def test_let_in(self) -> None:
        """A good connect makes it ready: hello-ok, the limit lifted, listed."""
        kit = Kit()
        self.assertEqual(kit.connect()["payload"], {"type": "hello-ok", "protocol": 4})
        self.assertEqual(
            (kit.connection.state, kit.link.lifted, kit.listing.ready), (State.READY, True, [kit.connection])
        )

    def test_protocols(self) -> None:
        """The highest protocol that both speak."""
        for low, high, wanted in [(3, 3, 3), (4, 4, 4), (3, 4, 4), (1, 99, 4), (1, 3, 3), (4, 9, 4)]:
            self.assertEqual(Kit().connect(minProtocol=low, maxProtocol=high)["payload"]["protocol"], wanted)
        for low, high in [(1, 2), (5, 9), (4, 3)]:
            kit = Kit()
            answer = kit.connect(minProtocol=low, maxProtocol=high)
            self.assertEqual(answer["error"]["details"]["code"], "PROTOCOL_MISMATCH")
            self.assertEqual(kit.link.closed, (1002, "protocol mismatch"))

    def test_scopes(self) -> None:
        """A program on this machine gets the scopes it asks for; everybody else reads at most; who asks for nothing
        gets nothing, but for the January release's clients, which were administrators then."""
        cases: list[tuple[Kit, dict[str, Any], set[str]]] = [
            (Kit(), {"scopes": [READ, WRITE]}, {READ, WRITE}),
            (Kit(), {"scopes": [READ, "operator.nonsense"]}, {READ}),
            (Kit(), {"scopes": None}, set()),
            (Kit(), {"scopes": None, "minProtocol": 3, "maxProtocol": 3}, {ADMIN}),
            (Kit(), {"scopes": [], "minProtocol": 3, "maxProtocol": 3}, {ADMIN}),
            (Kit("192.0.2.9"), {"scopes": [ADMIN]}, {READ}),
            (Kit("192.0.2.9"), {"scopes": None, "minProtocol": 3, "maxProtocol": 3}, {READ}),
            (Kit(origin="http://localhost"), {"scopes": [ADMIN]}, {READ}),
            (Kit(), {"role": "node", "scopes": [ADMIN], "identity": Identity()}, set()),
        ]
        for kit, changes, wanted in cases:
            self.assertTrue(kit.connect(**changes)["ok"])
            self.assertEqual(kit.connection.principal.scopes, wanted, changes)
            self.assertEqual(set(kit.connection.scopes), wanted)

    def test_refusals(self) -> None:
        """Each failure has its code, text and details, and closes with the same text."""
        cases: list[tuple[dict[str, Any], str, str, str | None]] = [
            ({"role": "boss"}, "INVALID_REQUEST", "invalid role", None),
            ({"zzz": 1}, "INVALID_REQUEST", "invalid connect params: at root: unexpected property 'zzz'", None),
            ({"client": 3}, "INVALID_REQUEST", "invalid connect params: at /client: must be object", None),
            ({"auth": None}, "NOT_PAIRED", "device identity required", "DEVICE_IDENTITY_REQUIRED"),
            ({"auth": {"token": ""}}, "NOT_PAIRED", "device identity required", "DEVICE_IDENTITY_REQUIRED"),
            (
                {"auth": {"deviceToken": "x"}},
                "INVALID_REQUEST",
                "unauthorized: device token mismatch (rotate/reissue device token)",
                "AUTH_DEVICE_TOKEN_MISMATCH",
            ),
            ({"role": "node"}, "NOT_PAIRED", "device identity required", "DEVICE_IDENTITY_REQUIRED"),
            (
                {"auth": {"token": "wrong"}},
                "INVALID_REQUEST",
                "unauthorized: gateway token mismatch (use this gateway's gateway.auth.token or pair the device)",
                "AUTH_TOKEN_MISMATCH",
            ),
        ]
        for changes, code, message, detail in cases:
            kit = Kit()
            kit.connect(**changes)
            kit.clock.advance(1)  # a wrong device token is answered late
            error = kit.link.frames[-1]["error"]
            self.assertEqual((error["code"], error["message"]), (code, message))
            self.assertEqual((error.get("details") or {}).get("code"), detail)
            self.assertEqual(kit.link.closed, (1008, message))
            self.assertEqual(kit.listing.ready, [])

    def test_secret_in_either_field(self) -> None:
        """Token or password, it is the secret that counts."""
        self.assertTrue(Kit().connect(auth={"password": TOKEN})["ok"])
        self.assertTrue(Kit().connect(auth={"token": TOKEN, "password": "other"})["ok"])

    def test_locked_out(self) -> None:
        """A lockout says when to come back."""
        kit = Kit()
        kit.authenticator.locked = 12.5
        error = kit.connect()["error"]
        self.assertEqual((error["retryable"], error["retryAfterMs"]), (True, 13000))
        self.assertEqual(error["details"]["code"], "AUTH_RATE_LIMITED")

    def test_january_words(self) -> None:
        """A client that only speaks protocol 3 gets the words of then, without details."""
        kit = Kit()
        error = kit.connect(minProtocol=3, maxProtocol=3, auth={"token": "wrong"})["error"]
        self.assertEqual(
            error,
            {
                "code": "INVALID_REQUEST",
                "message": "unauthorized: gateway token mismatch "
                "(set gateway.remote.token to match gateway.auth.token)",
            },
        )

    def test_not_a_handshake(self) -> None:
        """What is not a connect request ends it: with an answer if it is a request, without one otherwise."""
        cases: list[tuple[Any, tuple[int, str], int]] = [
            (b"not json", (1000, ""), 0),
            ([1], (1008, "invalid request frame"), 0),
            ({"type": "event", "event": "x"}, (1008, "invalid request frame"), 0),
            (
                {"type": "req", "id": "1", "method": "echo"},
                (1008, "invalid handshake: first request must be connect"),
                1,
            ),
        ]
        for frame, closed, answers in cases:
            kit = Kit()
            kit.say(frame)
            self.assertEqual((kit.link.closed, len(kit.link.frames) - 1), (closed, answers))
            kit.say({"type": "req", "id": "1", "method": "connect", "params": connect_params()})
            self.assertEqual(len(kit.link.frames) - 1, answers, "it answers nobody after the close")

    def test_overdue(self) -> None:
        """A client that takes too long is hung up on, without a word; one that is in is not."""
        kit = Kit()
        kit.connection.overdue()
        self.assertEqual(kit.link.closed, (1000, ""))
        kit = Kit()
        kit.connect()
        kit.connection.overdue()
        self.assertEqual(kit.link.closed, None)

    def test_bug_is_an_error(self) -> None:
        """An exception on the way is logged once, told in neutral words, and closes with 1011."""
        kit = Kit()
        kit.authenticator.broken = True
        error = kit.connect()["error"]
        self.assertEqual(error, {"code": "UNAVAILABLE", "message": "internal error"})
        self.assertEqual(kit.link.closed, (1011, "internal error"))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class SlowHandshakeTests(SynchronousTestCase):
    """While authentication takes its time."""

    def setUp(self) -> None:
        self.kit = Kit()
        self.kit.authenticator.delay = 2.0
        self.kit.ask("connect", connect_params(), "hello")

    def test_pipelined(self) -> None:
        """Requests that follow at once are held and answered after hello-ok."""
        self.kit.ask("echo", id="2")
        self.kit.say(b"not json")
        self.assertEqual(len(self.kit.link.frames), 1)
        self.kit.clock.advance(2)
        self.assertEqual([frame.get("id") for frame in self.kit.link.frames], [None, "hello", "2"])

    def test_too_much(self) -> None:
        """Only so much is held."""
        self.kit.say(b" " * MAX_EARLY_BYTES)
        self.assertEqual(self.kit.link.closed, None)
        self.kit.say(b" ")
        self.assertEqual(self.kit.link.closed and self.kit.link.closed[0], 1008)
        self.assertEqual(self.kit.clock.getDelayedCalls(), [], "authentication was called off")

    def test_lost(self) -> None:
        """A client that leaves is not waited for."""
        self.kit.connection.lost()
        self.assertEqual(self.kit.clock.getDelayedCalls(), [])
        self.assertEqual((self.kit.listing.ready, len(self.kit.link.frames)), ([], 1))

    def test_overdue(self) -> None:
        """The time for the handshake runs on meanwhile."""
        self.kit.connection.overdue()
        self.assertEqual(self.kit.link.closed, (1000, ""))
        self.assertEqual(self.kit.clock.getDelayedCalls(), [])


class ReadyTests(SynchronousTestCase):
    """After hello-ok."""

    def setUp(self) -> None:
        self.kit = Kit()
        self.kit.connect()
        del self.kit.link.frames[:]

    def test_bad_frames_are_survived(self) -> None:
        """Bad JSON is ignored; a bad frame is answered under its id; the connection stays."""
        self.kit.say(b"\xff\xfe")
        self.kit.say({"type": "req", "id": 7, "method": "echo"})
        self.kit.ask("echo")
        first, second = self.kit.link.frames
        self.assertEqual(first["id"], 7)
        self.assertEqual(
            first["error"], {"code": "INVALID_REQUEST", "message": "invalid request frame: at /id: must be string"}
        )
        self.assertTrue(second["ok"])
        self.assertEqual(self.kit.ignored, 1)

    def test_too_deep(self) -> None:
        """However deep params are, the client hears of it."""
        for depth in (200, 900, 1100, 50_000):
            self.kit.say(
                b'{"type":"req","id":"%d","method":"echo","params":%b%b}' % (depth, b"[" * depth, b"]" * depth)
            )
            answer = self.kit.link.frames[-1]
            self.assertEqual((answer["id"], answer["error"]["code"]), (str(depth), "INVALID_REQUEST"))
            self.assertIn("nested too deeply", answer["error"]["message"])
        self.assertEqual((self.kit.link.closed, self.kit.ignored), (None, 0))

    def test_second_connect(self) -> None:
        """One handshake is enough."""
        error = self.kit.connect()["error"]
        self.assertEqual(error["message"], "connect is only valid as the first request")
        self.assertEqual(self.kit.link.closed, None)

    def test_in_flight(self) -> None:
        """So many requests may be at work; more are refused as retryable; a finished one makes room."""
        for number in range(MAX_IN_FLIGHT):
            self.kit.ask("wait", id=f"w{number}")
        self.kit.ask("echo", id="over")
        self.assertEqual(self.kit.link.frames[-1]["error"]["code"], "UNAVAILABLE")
        self.assertTrue(self.kit.link.frames[-1]["error"]["retryable"])
        self.kit.waiting[0].callback({"done": True})
        self.kit.ask("echo", id="again")
        self.assertEqual([frame["id"] for frame in self.kit.link.frames], ["over", "w0", "again"])
        self.kit.connection.lost()

    def test_lost(self) -> None:
        """With the client goes all that waits for its sake, and nothing is sent any more."""
        self.kit.ask("wait")
        self.kit.connection.lost()
        self.kit.connection.lost()
        self.assertEqual((self.kit.cancelled, self.kit.listing.ready), (1, []))
        self.kit.connection.event(b'{"type":"event"')
        self.kit.ask("echo")
        self.assertEqual(self.kit.link.frames, [])

    def test_numbers_have_no_holes(self) -> None:
        """An event that is skipped for a slow client takes no number; one that must come is sent all the same."""
        body = b'{"type":"event","event":"x"'
        self.kit.connection.event(body, droppable=True)
        self.kit.link.slow = True
        self.kit.connection.event(body, droppable=True)
        self.kit.connection.event(body)
        self.kit.link.slow = False
        self.kit.connection.event(body, droppable=True)
        self.assertEqual([frame["seq"] for frame in self.kit.link.frames], [1, 2, 3])

    def test_rotated_secret(self) -> None:
        """A request under a secret that is no longer good closes the connection unanswered."""
        self.kit.authenticator.secret = "new"
        self.kit.ask("echo")
        self.assertEqual((self.kit.link.closed, self.kit.link.frames), ((4001, "gateway credentials changed"), []))

    def test_node(self) -> None:
        """A node can call nothing."""
        kit = Kit()
        kit.connect(Identity(), role="node")
        kit.ask("echo")
        self.assertEqual(kit.link.frames[-1]["error"]["message"], "unauthorized role: node")


def _frames() -> st.SearchStrategy[bytes]:
    """Frames that are nearly right."""
    values = st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.sampled_from([TOKEN, "operator"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    )
    params = st.dictionaries(st.sampled_from([*connect_params(), "device", "zz"]), values, max_size=4).map(
        lambda changes: {**connect_params(), **changes}
    )
    frame = st.fixed_dictionaries(
        {
            "type": st.sampled_from(["req", "req", "req", "res"]),
            "id": st.sampled_from(["1", "2", 3]),
            "method": st.sampled_from(["connect", "connect", "echo", "status", ""]),
        },
        optional={"params": params | values},
    ).map(msgspec.json.encode)
    return frame | st.binary(max_size=20)


class FuzzTests(SynchronousTestCase):
    """Any input."""

    @settings(max_examples=200, deadline=None)
    @given(st.lists(_frames(), max_size=6))
    def test_nothing_before_connect(self, frames: list[bytes]) -> None:
        """No sequence of messages raises, and until a connect was accepted nothing is said but the challenge and one
        refusal before the close."""
        kit = Kit()
        for frame in frames:
            kit.say(frame)
            accepted = any(frame.get("payload", {}).get("type") == "hello-ok" for frame in kit.link.frames)
            self.assertEqual(accepted, bool(kit.listing.ready) or kit.link.lifted)
            if not accepted:
                answers = kit.link.frames[1:]
                self.assertLessEqual(len(answers), 1)
                self.assertTrue(all(not answer["ok"] for answer in answers))
                self.assertEqual(bool(answers) and kit.link.closed is None, False)
        kit.connection.lost()
        self.assertEqual(self.flushLoggedErrors(), [])


class UnusedTests(SynchronousTestCase):
    """What the machine keeps quiet about."""

    def test_auth_is_not_shown(self) -> None:
        """A secret does not get into logs with the params that hold it."""
        params = msgspec.convert(connect_params(), ConnectParams)
        self.assertNotIn(TOKEN, repr(params))
        self.assertNotIn(TOKEN, repr(params.credentials()))

    def test_unknown_method(self) -> None:
        """Named, but not at any length."""
        kit = Kit()
        kit.connect()
        kit.ask("x" * 500)
        self.assertEqual(kit.link.frames[-1]["error"]["message"], f"unknown method: {'x' * 100}")
