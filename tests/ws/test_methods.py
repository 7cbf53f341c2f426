# -*- test-case-name: tests.ws.test_methods -*-
"""The registry of methods: one place that authorises, decodes, answers."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import READ, authorise
from openclaw_tx.deferreds import spawn
from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.values import Principal
from openclaw_tx.wire.frames import NonEmpty, decode_request, encode
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Declined, Method, Methods


class Named(Params, frozen=True):
    """Params with one name."""

    name: NonEmpty = "x"


class MemoryCaller:
    """A connection that keeps its answers."""

    role = "operator"

    def __init__(self, protocol: int = 4, scopes: frozenset[str] = frozenset({READ})) -> None:
        self.protocol = protocol
        self.principal = Principal(id="p", method="token", scopes=scopes)
        self.frames: list[Any] = []

    def send(self, frame: bytes) -> None:
        self.frames.append(json.loads(frame))


class MethodsTests(SynchronousTestCase):
    """L{Methods.serve}."""

    def setUp(self) -> None:
        self.decoded: list[Any] = []
        self.result: Any = {"ok": 1}
        self.methods = Methods([[Method("status", "status", Named, self.handle)]], authorise)

    async def handle(self, call: Call[Named]) -> Any:
        self.decoded.append(call.params)
        if isinstance(self.result, Exception):
            raise self.result
        if callable(self.result):
            return self.result(call)
        return await self.result if isinstance(self.result, Deferred) else self.result

    def serve(self, caller: MemoryCaller, params: Any = None, method: str = "status") -> Deferred[Any]:
        frame = {"type": "req", "id": "1", "method": method}
        if params is not None:
            frame["params"] = params
        return spawn(self.methods.serve(caller, decode_request(encode(frame))), Logger(), "test")

    def error(self, params: Any = None, method: str = "status", **kind: Any) -> Any:
        caller = MemoryCaller(**kind)
        self.serve(caller, params, method)
        (frame,) = caller.frames
        self.assertFalse(frame["ok"])
        return frame["error"]

    def test_answer(self) -> None:
        """Params are decoded, the payload comes back under the id."""
        caller = MemoryCaller()
        self.serve(caller, {"name": "n"})
        self.assertEqual(caller.frames, [{"type": "res", "id": "1", "ok": True, "payload": {"ok": 1}}])
        self.assertEqual(self.decoded, [Named(name="n")])

    def test_missing_scope(self) -> None:
        """Without the scope nothing is even decoded; each protocol says it in its own way."""
        error = self.error({"bad": 1}, scopes=frozenset())
        self.assertEqual((error["code"], error["message"]), ("FORBIDDEN", "missing scope: operator.read"))
        self.assertEqual(error["details"]["missingScope"], "operator.read")
        error = self.error(scopes=frozenset(), protocol=3)
        self.assertEqual(error, {"code": "INVALID_REQUEST", "message": "missing scope: operator.read"})
        self.assertEqual(self.decoded, [])

    def test_unknown(self) -> None:
        """An unknown method is named."""
        self.assertEqual(self.error(method="zz"), {"code": "INVALID_REQUEST", "message": "unknown method: zz"})

    def test_bad_params(self) -> None:
        """Params are refused with the method's name and the property's."""
        error = self.error({"name": ""})
        self.assertEqual(error["message"], "invalid status params: at /name: must NOT have fewer than 1 characters")

    def test_gateway_error(self) -> None:
        """A refusal of the handler is told with all it knows."""
        self.result = GatewayError("queue_full", "full", retry_after=2)
        self.assertEqual(
            self.error(),
            {"code": "UNAVAILABLE", "message": "full", "retryable": True, "retryAfterMs": 2000},
        )

    def test_bug(self) -> None:
        """Anything else is logged once and told in neutral words."""
        self.result = ZeroDivisionError("secret")
        self.assertEqual(self.error(), {"code": "UNAVAILABLE", "message": "internal error"})
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_unencodable_answer(self) -> None:
        """An answer that is no JSON is a bug like any other."""
        self.result = {"x": object()}
        self.assertEqual(self.error()["message"], "internal error")
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_two_answers(self) -> None:
        """A handler may answer ahead of the final answer, under the same id."""

        def twice(call: Call[Named]) -> Any:
            call.respond({"first": True})
            return {"last": True}

        self.result = twice
        caller = MemoryCaller()
        self.serve(caller)
        self.assertEqual(
            [(frame["id"], frame["payload"]) for frame in caller.frames],
            [
                ("1", {"first": True}),
                ("1", {"last": True}),
            ],
        )

    def test_declined(self) -> None:
        """A no with a payload."""
        self.result = Declined({"status": "error"}, ErrorInfo(code="run_failed", message="broken"))
        caller = MemoryCaller()
        self.serve(caller)
        self.assertEqual(caller.frames[0]["payload"], {"status": "error"})
        self.assertEqual(caller.frames[0]["error"], {"code": "UNAVAILABLE", "message": "broken"})

    def test_cancelled(self) -> None:
        """A cancelled request answers nothing and logs nothing."""
        self.result = Deferred()
        caller = MemoryCaller()
        self.serve(caller).cancel()
        self.assertEqual((caller.frames, self.flushLoggedErrors()), ([], []))

    def test_twice_registered(self) -> None:
        """Two methods of one name are a programming error."""
        method = Method("a", "status", Named, self.handle)
        self.assertRaises(ValueError, Methods, [[method], [method]], authorise)
