# -*- test-case-name: tests.fuzz.test_methods -*-
"""Every method of the WebSocket surface, in any order and with any params that its type takes: the owner of a gateway
can make it do things, not make it fail."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import OPERATOR_SCOPES
from openclaw_tx.testing import MemoryGateway
from tests.fuzz.limits import examples
from tests.fuzz.material import nearly, of_type

WORDS = [
    "main", "beta", "agent:main:main", "agent:beta:desk", "global", "", "x" * 600, "../../etc/passwd", "IDENTITY.md",
    "r1", "gateway.port", "gateway.auth", "{}", '{"gateway": {"port": 5}}', "{ agents: { list: [{ id: 'main' }] } }",
    "webhook:desk", "/stop", "/new", "hi", "openclaw/main", "off", "* * * * *", "5m", "2030-01-01T00:00:00Z",
    "00000000-0000-4000-8000-000000000001", "\u2028", "\0", "é" * 70,
]  # fmt: skip
SCOPES = sorted(OPERATOR_SCOPES)


class MethodTests(SynchronousTestCase):
    """A few calls on a gateway of their own, in each example."""

    def test_any_calls(self) -> None:
        """Each has an answer, which is never C{internal error}; nothing is logged, nothing is left at work."""
        memory = MemoryGateway(as_file=True)
        methods = {each.name: each for each in memory.gateway._house.websockets.registry.all()}
        memory.close()
        params = {name: of_type(inspect.type_info(each.params), WORDS) for name, each in methods.items()}
        self.assertGreater(len(params), 80)

        @examples(20)
        @given(st.data())
        def calls(data: st.DataObject) -> None:
            names = data.draw(st.lists(st.sampled_from(sorted(params)), min_size=1, max_size=12))
            self.check([(name, data.draw(params[name])) for name in names], data.draw(st.sampled_from([3, 4])))

        calls()

    def check(self, calls: list[tuple[str, Any]], protocol: int) -> None:
        """Make the calls, one after the other."""
        memory = MemoryGateway({"agents": {"defaults": {"workspace": self.mktemp()}}}, as_file=True)
        for _ in range(3):
            memory.model.say("ok")
        try:
            client = memory.websocket()
            client.connect(scopes=SCOPES, protocol=protocol)
            for name, params in calls:
                if client.closed:
                    self.assertIn(client.closed[0], (4001, 1012), (calls, client.closed))  # it changed its own secret
                    break
                before = len(client.frames)
                client.send({"type": "req", "id": name, "method": name, "params": params})
                memory.advance(0.01)
                answers = [each for each in client.frames[before:] if each["type"] == "res" and each["id"] == name]
                for answer in answers:
                    if not answer["ok"]:
                        self.assertNotEqual(answer["error"]["message"], "internal error", (name, params))
                self.assertEqual(self.flushLoggedErrors(), [], (name, params))
        finally:
            memory.close()
        self.assertEqual(self.flushLoggedErrors(), [], calls)

    @examples(20)
    @given(st.data(), nearly({"key": "agent:main:main", "sessionKey": "main", "message": "hi", "limit": 5, "id": "x"}))
    def test_any_params(self, data: st.DataObject, params: Any) -> None:
        """Params of another method's, or of nobody's."""
        name = data.draw(st.sampled_from(["agent", "chat.send", "chat.history", "sessions.patch", "cron.add", "send"]))
        self.check([(name, params)], 4)
