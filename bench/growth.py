"""Cost of growth: what a request costs with ten, a thousand and a hundred thousand stored sessions, and what a turn
costs after ten, a hundred and a thousand others of its conversation.

The stores are filled beforehand by the sessions' own code, without a gateway. Each number of sessions has a gateway of
its own, and they are measured in turn. Each measured turn is the next one of a conversation that nothing else was said
in, so that none of them is longer than it should be.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from bench import load
from bench.gateway import gateway
from bench.servers import OUT, Target
from bench.workloads import WORKLOADS, Workload
from openclaw_tx.sessions import entries
from openclaw_tx.sessions.database import SqliteDatabase
from openclaw_tx.sessions.keys import openai_user_key
from openclaw_tx.sessions.owners import SoleOwner
from openclaw_tx.values import AssistantMessage, Message, SessionEntry, TextPart, Usage, UserMessage

SESSIONS = (10, 1_000, 100_000)
TURNS = {10: 128, 100: 128, 1_000: 24}
"""Turns of a conversation -> how many such conversations one measurement takes the next turn of."""

AGENT = "one"
"""The agent whose answers are one chunk."""

Row = dict[str, float]


class Conversation(NamedTuple):
    """A session to begin with."""

    user: str
    turns: int


def crowd(count: int) -> Iterator[Conversation]:
    """So many sessions of one turn."""
    return (Conversation(f"somebody-{number}", 1) for number in range(count))


def talks(rounds: int) -> Iterator[Conversation]:
    """Conversations of every length, as many as the rounds take."""
    for turns, answers in TURNS.items():
        for number in range(rounds):
            yield from (Conversation(f"{turns}-{number}-{answer:08}", turns) for answer in range(answers))


def fill(path: Path, conversations: Iterable[Conversation]) -> None:
    """Make a store that holds conversations."""
    for old in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        old.unlink(missing_ok=True)
    database = SqliteDatabase(str(path), SoleOwner("bench"), seconds=time.time, report=print)
    connection, now_ms = database.connect(), int(time.time() * 1000)
    connection.execute("BEGIN IMMEDIATE")
    for number, (user, turns) in enumerate(conversations):
        entry = SessionEntry(
            key=openai_user_key(AGENT, user),
            agent_id=AGENT,
            session_id=f"bench-{number}",
            created_at_ms=now_ms - number,
            updated_at_ms=now_ms - number,
            interacted_at_ms=now_ms - number,
        )
        entries.add(connection, entry)
        entries.append(connection, entry, 0, [message for _ in range(turns) for message in _turn(now_ms)])
    connection.execute("COMMIT")
    database.close()


def _turn(now_ms: int) -> tuple[Message, Message]:
    """What the gateway stores of one request of the benchmark."""
    answer = AssistantMessage(
        text="@T0123456789abcdef and so on, 32", provider="stub", model="bench", usage=Usage(9, 1), timestamp_ms=now_ms
    )
    return UserMessage(content=(TextPart("Say hello."),), timestamp_ms=now_ms), answer


def sessions(stack: ExitStack, stub_port: int, rounds: int, pace: float) -> list[Row]:
    """A request that makes a session, among few and many others: C{sessions.<number>.cpu_us_request} of each round."""
    targets = {}
    for count in SESSIONS:
        store = OUT / f"sessions-{count}.sqlite"
        fill(store, crowd(count))
        targets[count] = _started(stack, stub_port, store)
    workload = WORKLOADS["session"]
    for target in targets.values():
        load.measure(target, workload, 0.5)
    return [
        {
            f"sessions.{count}.cpu_us_request": load.measure(target, workload, workload.seconds * pace)[
                "cpu_us_request"
            ]
            for count, target in targets.items()
        }
        for _ in range(rounds)
    ]


def turns(stack: ExitStack, stub_port: int, rounds: int) -> list[Row]:
    """The next turn of short and long conversations: C{turns.<number>.cpu_us_request} of each round."""
    store = OUT / "turns.sqlite"
    fill(store, talks(rounds))
    target = _started(stack, stub_port, store)
    load.measure(target, WORKLOADS["session"], 0.5)
    rows: list[Row] = []
    for number in range(rounds):
        rows.append({})
        for count, answers in TURNS.items():
            user = f"{count}-{number}-########"
            workload = Workload(AGENT, WORKLOADS[AGENT].model, 1, connections=8, user=user, answers=answers)
            row: dict[str, Any] = load.measure(target, workload, 30)
            rows[-1][f"turns.{count}.cpu_us_request"] = row["cpu_us_request"]
    return rows


def _started(stack: ExitStack, stub_port: int, store: Path) -> Target:
    """A gateway over a copy of a store, which is no longer needed then."""
    target = gateway(stack, stub_port, 1, store)
    store.unlink()
    return target
