# -*- test-case-name: tests.sessions.test_sql -*-
"""A store under test, and how it is spoken to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from twisted.internet.defer import Deferred

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Sessions
from openclaw_tx.values import (
    Message,
    SessionEntry,
    StoredRun,
)
from tests.sessions.helpers import KEY, answer, ended, live, user


class SessionStoreCase:
    """What the tests of the seam L{Sessions} have in common. Mixed into a test case that overrides L{make}.

    The store must do its work at once: every Deferred has fired when the call returns.
    """

    successResultOf: Any
    failureResultOf: Any
    assertEqual: Any
    assertIsNone: Any
    assertTrue: Any
    assertFalse: Any

    def make(self) -> Sessions:
        """A new process's store over the test's one database, which is empty at first."""
        raise NotImplementedError

    def setUp(self) -> None:
        """Every test begins with an empty store."""
        self.store = self.make()

    def do(self, call: Any) -> Any:
        """The result of a coroutine that needs nothing more to end."""
        return self.successResultOf(Deferred.fromCoroutine(call))

    def refusal(self, call: Any) -> str:
        """The code of a refused call."""
        error = self.failureResultOf(Deferred.fromCoroutine(call), GatewayError).value
        assert isinstance(error, GatewayError)
        return error.info.code

    def commit(self, run: StoredRun, *added: Message, tokens: int | None = None) -> None:
        """End a turn."""
        self.do(self.store.commit(run, added, model_provider="openai", model="gpt", context_tokens=tokens))

    def turn(self, run_id: str, key: str = KEY, at_ms: int = 2000, said: str = "hello") -> None:
        """A whole turn."""
        begun = self.do(self.store.begin(live(run_id, key), [user(said)]))
        self.commit(ended(run_id, key, at_ms=at_ms), *begun.added, answer(f"answer {run_id}"))

    def texts(self, key: str = KEY) -> list[str]:
        """What a transcript says."""
        return [message.text for message in self.do(self.store.transcript(key, 100))]


def replace_label(label: str) -> Callable[[SessionEntry], SessionEntry]:
    """A patch."""
    return lambda entry: replace(entry, label=label)


__all__ = ["SessionStoreCase", "replace_label"]
