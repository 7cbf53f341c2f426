"""What tests of C{/v1/runs} share: a gateway on a file of its own, a crash, and a reader of event streams."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.files import merge
from openclaw_tx.runs.durable import FLUSH_SECONDS
from openclaw_tx.testing import MemoryGateway, MemoryResponse, ModelCall

CHAT = "/v1/chat/completions"
RUNS = "/v1/runs"
HELLO = {"messages": [{"role": "user", "content": "hi"}]}


class RunsCase(SynchronousTestCase):
    """A gateway whose store outlives it; it must stop clean."""

    config: dict[str, Any] = {}

    def setUp(self) -> None:
        """Start it."""
        directory = tempfile.mkdtemp(prefix="openclaw-runs-")
        self.addCleanup(shutil.rmtree, directory)
        self.path = os.path.join(directory, "1.sqlite")
        self.memory = self.gateway()

    def gateway(self) -> MemoryGateway:
        """A gateway on the store."""
        store = {"session": {"store": f"sqlite:///{self.path}"}}
        memory = MemoryGateway(merge(self.config, store))
        self.addCleanup(memory.close)
        return memory

    @property
    def model(self) -> Any:
        """The gateway's model."""
        return self.memory.model

    @property
    def call(self) -> ModelCall:
        """The newest call of the model."""
        call: ModelCall = self.model.calls[-1]
        return call

    def crash(self) -> None:
        """Go on with a new gateway, which finds what was on the disk at this moment and nothing else."""
        before, self.path = self.path, self.path.replace(".sqlite", "x.sqlite")
        for suffix in ("", "-wal"):
            if os.path.exists(before + suffix):
                shutil.copy(before + suffix, self.path + suffix)
        database = sqlite3.connect(self.path)
        with database:
            database.execute("UPDATE runs SET owner = 'dead'")
        database.close()
        self.memory = self.gateway()

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        database = sqlite3.connect(self.path)
        (number,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
        database.close()
        return int(number)

    # -- requests

    def chat(self, headers: Mapping[str, str] | None = None, **fields: Any) -> MemoryResponse:
        """A chat request."""
        return self.memory.post(CHAT, {**HELLO, **fields}, headers=headers)

    def start(self, headers: Mapping[str, str] | None = None, **fields: Any) -> MemoryResponse:
        """Start a run."""
        return self.memory.post(RUNS, {"message": "hi", **fields}, headers=headers)

    def run_id(self, **fields: Any) -> str:
        """Start a run; its id."""
        started: str = self.start(**fields).json()["id"]
        return started

    def read(self, run_id: str) -> Any:
        """The run object."""
        return self.memory.get(f"{RUNS}/{run_id}").json()

    def watch(self, run_id: str, after: int | None = None, **headers: str) -> MemoryResponse:
        """Its events."""
        resume = {} if after is None else {"Last-Event-ID": str(after)}
        return self.memory.get(f"{RUNS}/{run_id}/events", headers={**resume, **headers})

    def live(self) -> str:
        """Id of the only live run."""
        [run] = self.memory.gateway.engine.live()
        return run.request.run_id

    def answer(self, *pieces: str) -> None:
        """The model says it and ends."""
        self.call.text(*pieces)
        self.call.finish()
        self.flush()

    def flush(self) -> None:
        """Time for what is written in groups."""
        self.memory.advance(FLUSH_SECONDS)

    def forget(self) -> None:
        """Time for the engine to forget runs that have ended."""
        self.memory.advance(601)
        self.memory.advance(1)

    def refusal(self, response: MemoryResponse) -> tuple[int, str, str | None]:
        """Status, code and C{x-should-retry}."""
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}, error
        return response.code, error["code"], response.headers.get("x-should-retry")


def events(body: bytes) -> list[dict[str, Any]]:
    """The events that are whole, read as WHATWG says: comments do not count."""
    found = []
    for block in body.decode("utf-8").split("\n\n")[:-1]:
        fields = [line.partition(": ") for line in block.split("\n") if not line.startswith(":")]
        values = {name: value for name, _, value in fields}
        data = json.loads(values["data"])
        if "id" in values:
            assert (data["seq"], data["type"]) == (int(values["id"]), values["event"]), block
        found.append(data)
    return found


def seqs(response: MemoryResponse) -> list[int]:
    """Numbers of the events that came."""
    return [event["seq"] for event in events(response.body)]


def texts(found: list[dict[str, Any]]) -> str:
    """What they say."""
    return "".join(event["text"] for event in found if event["type"] == "message.delta")


__all__ = ["CHAT", "HELLO", "RUNS", "RunsCase", "events", "seqs", "texts"]
