# -*- test-case-name: tests.ws.rpc -*-
"""Sessions with runs, over real connections with the real engine."""

from __future__ import annotations

from openclaw_tx.values import CompactionMessage
from tests.ws.rpc.test_sessions import SessionsCase

KEY = "agent:main:work"


class RunCase(SessionsCase):
    """With runs."""

    def send(self, message: str, key: str = KEY, run_id: str = "") -> None:
        """Start a run."""
        params = {"sessionKey": key, "message": message, "idempotencyKey": run_id or f"run-{message}"}
        self.call("chat.send", **params)

    def say(self, message: str, key: str = KEY) -> None:
        """A whole turn."""
        self.send(message, key)
        self.answer(f"re {message}")

    def answer(self, text: str) -> None:
        """The model answers."""
        call = self.memory.model.calls[-1]
        call.text(text)
        call.finish()
        self.memory.flush()

    def texts(self, key: str = KEY) -> list[str]:
        """What the transcript says; marks in brackets."""
        return [
            f"[{each.summary} {each.kept}]" if isinstance(each, CompactionMessage) else each.text
            for each in self.do(self.store.transcript(key, 100))
        ]
