# -*- test-case-name: tests.sessions.test_crash -*-
"""A process that does turns until it is killed; run by L{tests.sessions.test_crash}.

For each line on standard input it forks a child that works on the store. The child writes its process id, then the id
of each run: with a plus when it was begun, without one when it was committed. When it is dead, the parent writes an
empty line.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.internet.defer import Deferred

from tests.sessions.helpers import Stores, answer, ended, live, user

KEYS = [f"agent:main:s{number}" for number in range(3)]


def archives_of(path: str) -> str:
    """Where the archives of a database are."""
    return f"{path}.archives"


def say(text: str) -> None:
    """One line, at once."""
    os.write(1, f"{text}\n".encode())


def do(call: Any) -> Any:
    """The result of a coroutine that ends at once."""
    results: list[Any] = []
    Deferred.fromCoroutine(call).addCallbacks(results.append, lambda failure: failure.printTraceback())
    return results[0]


def work(path: str, number: int) -> None:
    """Turn after turn, on several sessions, each as long as a few pages."""
    say(str(os.getpid()))
    store = Stores(path, archives_of(path)).store(busy_ms=2000)
    do(store.open())
    for turn in range(10_000):
        key, run_id = KEYS[turn % len(KEYS)], f"r{number}-{turn}"
        begun = do(store.begin(live(run_id, key), [user(f"ask {run_id} " + "x" * 3000)]))
        say(f"+{run_id}")
        do(store.checkpoint([live(run_id, key, partial=f"part {run_id}")], []))
        added = [*begun.added, answer(f"say {run_id} " + "y" * 9000)]
        do(store.commit(ended(run_id, key), added, model_provider="", model="", context_tokens=None))
        say(run_id)
        if turn % 4 == 3:
            do(store.reset(key) if turn % 8 == 3 else store.delete(key))


def main(path: str) -> None:
    """One child after the other."""
    for number, _ in enumerate(sys.stdin):
        child = os.fork()
        if child == 0:
            try:
                work(path, number)
            finally:
                os._exit(1)
        os.waitpid(child, 0)
        say("")


if __name__ == "__main__":
    main(sys.argv[1])
