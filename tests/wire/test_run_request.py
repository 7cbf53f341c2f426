# -*- test-case-name: tests.wire.test_run_request -*-
"""C{POST /v1/runs} as a chat request."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.wire.run_request import parse_run


class RunRequestTests(SynchronousTestCase):
    """L{parse_run}."""

    def chat(self, **fields: Any) -> Any:
        """The chat body."""
        return json.loads(parse_run(json.dumps(fields).encode()).chat)

    def test_message(self) -> None:
        """A text or parts become the one user message."""
        for content in ("hi", [{"type": "text", "text": "hi"}]):
            self.assertEqual(self.chat(message=content), {"messages": [{"role": "user", "content": content}]})

    def test_messages(self) -> None:
        """They, and all else, stay as they are."""
        fields = {"messages": [{"role": "user", "content": "x"}], "tools": [], "temperature": 1, "user": "u"}
        self.assertEqual(self.chat(**fields, message=None), fields)

    def test_agent_and_session(self) -> None:
        """Taken out of the body."""
        ask = parse_run(b'{"agent": " beta ", "session": "s", "message": "x", "stream": false}')
        self.assertEqual((ask.agent, ask.session), ("beta", "s"))
        self.assertEqual(set(json.loads(ask.chat)), {"messages", "stream"})
        self.assertEqual(parse_run(b"").agent, "")

    def test_refused(self) -> None:
        """Each with its field."""
        cases: list[tuple[dict[str, Any], str]] = [
            ({"message": "x", "messages": []}, "message"),
            ({"message": 5}, "message"),
            ({"message": {}}, "message"),
            ({"message": "x", "agent": 5}, "agent"),
            ({"message": "x", "agent": ""}, "agent"),
            ({"message": "x", "session": "a\nb"}, "session"),
            ({"message": "x", "session": []}, "session"),
            ({"message": "x", "stream": True}, "stream"),
            ({"message": "x", "stream": "no"}, "stream"),
        ]
        for fields, param in cases:
            error = self.assertRaises(GatewayError, self.chat, **fields)
            self.assertEqual(error.info.param, param, fields)
        for body in (b"[]", b"{", b'"x"'):
            self.assertRaises(GatewayError, parse_run, body)
