"""SIGKILL at random moments of mixed runs."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

from twisted.internet.defer import Deferred, DeferredList

from bench.drills.clients import RUNS, Answer, Client
from bench.drills.place import DrilledGateway, Place
from bench.proc import waited_seconds
from openclaw_tx.cli.errors import CommandError
from tests.e2e.processes import KILLED, websocket
from tests.e2e.watching import Watcher

RUNS_AT_ONCE = 10
SESSIONS = [f"agent:main:drill-{number}" for number in range(5)]
READY_SECONDS = 2.0
ENDED = ("ok", "error", "aborted", "interrupted")
KINDS = ("stateless", "stateless stream", "session", "session stream", "tool", "run", "websocket")


class Told:
    """One run, and what its client has been told of it.

    @ivar answered: the client has the whole answer.
    @ivar begun: the client knows that it was at work. One that waited for its place may be unknown afterwards, unless
        it came by C{POST /v1/runs}: with the same idempotency key it is begun anew.
    @ivar run_id: "" = the client does not know it.
    """

    def __init__(self, number: int, kind: str, session: str) -> None:
        self.number = number
        self.kind = kind
        self.session = "" if kind.startswith("stateless") else session
        self.answered = False
        self.begun = False
        self.run_id = ""
        self.text = ""
        self.watcher: Watcher | None = None

    @property
    def name(self) -> str:
        """The first word of its message."""
        return f"run-{self.number}."

    def __repr__(self) -> str:
        return f"{self.name} ({self.kind}, {self.session or 'no session'}, {self.run_id or 'id not told'})"


class Killer:
    """Starts runs, kills the gateway, and compares what clients were told with what is there afterwards."""

    def __init__(self, place: Place, gateway: DrilledGateway) -> None:
        self.place = place
        self.gateway = gateway
        self.client = Client(place.reactor, gateway)
        self.told: list[Told] = []
        self.starts: list[float] = []
        self.cut = 0

    def message(self, told: Told) -> str:
        """What is said; the model's answer names the run in every piece."""
        random = self.place.random
        pieces = json.dumps([f"<{told.number}.{n}>" for n in range(random.randint(1, 12))], separators=(",", ":"))
        words = f"{told.name} [[pieces={pieces} delay={random.choice((0, 0.02, 0.1, 0.2))}"
        if told.kind == "tool":
            arguments = {"path": f"{told.number}.txt", "content": f"run-{told.number}"}
            words += f" tool=write args={json.dumps(arguments, separators=(',', ':'))}"
        return words + "]]"

    async def ask(self, told: Told) -> None:
        """Be the client of a run until it ends, one way or the other."""
        if told.kind == "websocket":
            return await self._over_websocket(told)
        if told.kind == "run":
            return await self._watched(told)
        answer = Answer()
        try:
            await self.client.chat(
                self.message(told), session=told.session, stream="stream" in told.kind, answer=answer
            )
        finally:
            told.run_id, told.text, told.answered = answer.run_id, answer.text, answer.ended
            told.begun = bool(answer.text)
        return None

    async def _over_websocket(self, told: Told) -> None:
        def heard(name: str, payload: Any) -> None:
            told.begun = told.begun or (name == "agent" and payload["runId"] == told.run_id)

        def accepted(_: str, payload: Any) -> None:
            told.run_id = payload["runId"]

        try:
            client = await websocket(self.gateway, heard)
        except CommandError:
            return

        request = {"message": self.message(told), "sessionKey": told.session, "idempotencyKey": f"key-{told.number}"}
        try:
            final = await client.call("agent", request, 60, accepted)
            told.text = final["result"]["payloads"][0]["text"]
            told.answered = final["status"] == "ok"
        except CommandError:
            pass
        client.cut()

    async def _watched(self, told: Told) -> None:
        body = {"message": self.message(told), "session": told.session}
        answer = await self.client.ask("POST", RUNS, body)
        if answer.status != 202:
            return
        told.run_id, told.begun = answer.json["id"], True
        told.watcher = Watcher(self.gateway, told.run_id)
        if await told.watcher.watch():
            told.answered, told.text = True, self._said(told.watcher)

    async def round(self, count: int) -> None:
        """Start runs, kill, start again, and look."""
        place, random = self.place, self.place.random
        began = [Told(len(self.told) + n, random.choice(KINDS), random.choice(SESSIONS)) for n in range(count)]
        self.told += began
        asking = [Deferred.fromCoroutine(self.ask(told)) for told in began]
        await place.sleep(random.uniform(0.0, 1.2))
        place.expect(await self.gateway.stop("KILL") == KILLED, "it did not die of SIGKILL")
        place.quiet(self.gateway)
        for well, result in await DeferredList(asking, consumeErrors=True):
            place.expect(well, f"a client failed: {result}")
        self.cut += sum(not told.answered for told in began)
        since = place.reactor.seconds()
        await self.gateway.start()
        await place.until(self.client.ready, "ready", 10)
        # Without what other processes of a busy machine have taken.
        self.starts.append(place.reactor.seconds() - since - waited_seconds(self.gateway.pid))
        await place.until(lambda: self._live() == 0, "every run of the dead process has a terminal state", 5)
        self._check_database()
        for told in began:
            await self._check_run(told)
        await self._check_transcripts()

    # -- what must be so

    def _query(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(self.gateway.state / "gateway" / "openclaw.sqlite", timeout=5)) as database:
            return database.execute(sql).fetchall()

    def _live(self) -> int:
        [(live,)] = self._query("SELECT count(*) FROM runs WHERE status IN ('queued', 'running')")
        return int(live)

    def _check_database(self) -> None:
        self.place.expect(self._query("PRAGMA integrity_check") == [("ok",)], "the database is damaged")
        self.place.expect(self._query("PRAGMA foreign_key_check") == [], "rows point at nothing")

    async def _check_run(self, told: Told) -> None:
        """What was told stays true, and a run that has an id has an end; of stateless runs nothing need be known."""
        expect = self.place.expect
        if not told.run_id:
            return
        answer = await self.client.run(told.run_id)
        if not told.session:
            expect(answer.status == 404 or answer.json["status"] == "interrupted", f"{told}: {answer.body!r}")
            return
        if answer.status == 404 and not told.begun:
            return
        expect(answer.status == 200, f"{told} is not known any more: {answer.status} {answer.body!r}")
        run = answer.json
        expect(run["status"] in ENDED, f"{told} has no end: {run['status']}")
        if told.answered:
            expect(run["status"] == "ok", f"{told} was answered, and now is {run['status']}")
            expect(run["text"] == told.text, f"{told} was told {told.text!r}, and now is {run['text']!r}")
        if told.watcher is not None:
            await self._check_events(told, told.watcher, run)

    async def _check_events(self, told: Told, watcher: Watcher, run: dict[str, Any]) -> None:
        expect = self.place.expect
        if not told.answered:
            expect(await watcher.watch(), f"{told}: the events could not be resumed")
        seqs = [event["seq"] for event in watcher.found]
        expect(seqs == list(range(1, len(seqs) + 1)), f"{told}: events {seqs}")
        kinds = [event["type"] for event in watcher.found]
        ends = [kind for kind in kinds if kind.startswith("run.") and kind != "run.started"]
        expect(ends == kinds[-1:], f"{told}: ends {ends}, the last event is {kinds[-1:]}")
        expect(self._said(watcher) == run["text"], f"{told}: events say {self._said(watcher)!r}, not {run['text']!r}")

    @staticmethod
    def _said(watcher: Watcher) -> str:
        return "".join(event["text"] for event in watcher.found if event["type"] == "message.delta")

    async def _check_transcripts(self) -> None:
        """Each turn is there once or not at all, whole, in the order of questions and answers."""
        client = await websocket(self.gateway)
        for session in SESSIONS:
            history = await client.call("chat.history", {"sessionKey": session, "limit": 1000}, 30)
            self._check_transcript(session, history["messages"])
        await client.close()

    def _check_transcript(self, session: str, messages: list[Any]) -> None:
        expect = self.place.expect
        turns: dict[str, str] = {}
        asked = ""
        for message in messages:
            text = "".join(part.get("text", "") for part in message["content"] if part.get("type") == "text")
            if message["role"] == "user":
                asked = text.partition(" ")[0]
                expect(asked not in turns, f"{session}: {asked} is there twice")
                turns[asked] = ""
            elif message["role"] == "assistant":
                expect(asked, f"{session}: an answer without a question: {text!r}")
                turns[asked] += text
        for told in self.told:
            if told.session != session:
                expect(told.name not in turns, f"{session}: has {told}")
            elif told.answered:
                expect(told.name in turns, f"{session}: lost {told}")
                expect(turns[told.name] == told.text, f"{session}: {told} says {turns.get(told.name)!r}")

    async def check_export(self) -> int:
        """No half line: everything can be read as the files of OpenClaw."""
        out = self.place.directory / "out"
        paths = ["--config", str(self.gateway.config_path), "--state-dir", str(self.gateway.state)]
        child = self.place.spawn(["-m", "openclaw_tx.cli", *paths, "sessions", "export", "--out", str(out)])
        code = await child.ended
        self.place.expect(code == 0, f"sessions export: {child.output}")
        lines = [line for path in sorted(out.rglob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
        for line in lines:
            json.loads(line)
        return len(lines)


async def kill(place: Place, rounds: int = 10, ready_seconds: float = READY_SECONDS) -> None:
    """Each round starts ten runs of all kinds and kills the gateway within 1.2 seconds.

    @param ready_seconds: longest time from a start to being ready.
    """
    gateway = await place.gateway({"agents": {"defaults": {"maxConcurrent": 6}}})
    killer = Killer(place, gateway)
    for _ in range(rounds):
        await killer.round(RUNS_AT_ONCE)
    for session in SESSIONS:
        answer = await killer.client.chat("after all [[reply=on]]", session=session)
        place.expect(answer.text == "on", f"{session} does not go on: {answer.body!r}")
    lines = await killer.check_export()
    place.expect(await gateway.stop() == 0, "exit code of SIGTERM")
    place.figures |= {
        "runs": len(killer.told),
        "cut off": killer.cut,
        "answered": sum(told.answered for told in killer.told),
        "kinds": len({told.kind for told in killer.told}),
        "transcript lines": lines,
        "ready after, s, median": f"{sorted(killer.starts)[len(killer.starts) // 2]:.2f}",
        "ready after, s, at most": f"{max(killer.starts):.2f}",
    }
    place.expect(max(killer.starts) <= ready_seconds, f"ready only after {max(killer.starts):.2f} s")


__all__ = ["kill"]
