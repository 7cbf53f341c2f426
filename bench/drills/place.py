"""Where a drill takes place: a gateway process of its own, the scripted model server, and seeded randomness."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.task import deferLater

from bench.drills.seams import Seams
from openclaw_tx.config.files import merge
from tests.e2e.processes import Child, GatewayProcess, configuration, spawn, start_upstream


class Broken(AssertionError):
    """Something that is promised did not hold."""


class DrilledGateway(GatewayProcess):
    """A gateway process behind L{bench.drills.seams}."""

    def __init__(self, directory: Path, config: dict[str, Any]) -> None:
        super().__init__(directory, config)
        self.seams = Seams(directory / "seams")

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.directory / "state"

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self.child is not None and self.child.transport is not None
        pid: int = self.child.transport.pid  # type: ignore[attr-defined]
        return pid

    @property
    def log(self) -> str:
        """What the present process has said."""
        assert self.child is not None
        return self.child.output

    def spawn(self, *arguments: str, environment: dict[str, str] | None = None) -> Child:
        """Start without waiting."""
        return spawn(
            [
                *("-m", "bench.drills.seams", str(self.seams.path), "--log-level=info", "openclaw"),
                *("--config", str(self.config_path), "--state-dir", str(self.state), "--port", str(self.port)),
                *arguments,
            ],
            {"HOME": str(self.directory), **(environment or {})},
        )


class Place:
    """What a drill is given.

    @ivar random: its only randomness.
    @ivar figures: what it has measured, in order.
    @ivar reactor: the reactor.
    """

    def __init__(self, reactor: Any, seed: str) -> None:
        """
        @param seed: of the randomness.
        """
        self.reactor = reactor
        self.random = Random(seed)
        self.figures: dict[str, object] = {}
        self.directory = Path(tempfile.mkdtemp(prefix="openclaw-drill-"))
        self._children: list[Child] = []
        self._gateways: list[DrilledGateway] = []
        self._cleanups: list[Callable[[], object]] = []
        self._trigger: Any = reactor.addSystemEventTrigger("during", "shutdown", self._abandon)

    @property
    def abandoned(self) -> bool:
        """Whether somebody wants all this to end."""
        return self._trigger is None

    async def gateway(self, config: dict[str, Any] | None = None, *, start: bool = True) -> DrilledGateway:
        """A gateway in front of a scripted model server.

        @param config: laid over L{configuration}.
        """
        child, url = await start_upstream("--keep", "200")
        self._children.append(child)
        directory = self.directory / f"gateway-{len(self._gateways)}"
        directory.mkdir(mode=0o700)
        made = DrilledGateway(directory, merge(configuration(url), config or {}))
        self._gateways.append(made)
        if start:
            await made.start()
        return made

    def spawn(self, arguments: list[str]) -> Child:
        """Another Python process, which ends with this place."""
        child = spawn(arguments)
        self._children.append(child)
        return child

    def expect(self, condition: object, what: str) -> None:
        """
        @param what: what is wrong when C{condition} is false.
        @raise Broken: it is.
        """
        if not condition:
            raise Broken(what)

    def quiet(self, gateway: DrilledGateway) -> None:
        """
        @raise Broken: the gateway has logged an unforeseen error.
        """
        for word in ("Traceback", "Unhandled"):
            at = gateway.log.find(word)
            self.expect(at < 0, f"the log has an unforeseen error: ...{gateway.log[max(0, at - 300) : at + 1500]}")

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await deferLater(self.reactor, seconds)

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = 10.0) -> float:
        """Wait for something; C{condition} may give a coroutine.

        @return: seconds that it took.
        @raise Broken: it did not happen in time.
        """
        began = self.reactor.seconds()
        while True:
            found = condition()
            if hasattr(found, "send"):
                found = await found
            took: float = self.reactor.seconds() - began
            if found:
                return took
            if took > seconds:
                raise Broken(f"{what}: not within {seconds:g} s")
            await self.sleep(0.02)

    def afterwards(self, cleanup: Callable[[], object]) -> None:
        """Call this when all processes have ended, the last one first."""
        self._cleanups.append(cleanup)

    async def close(self) -> None:
        """End every process that is left, and remove the directory."""
        if self.abandoned:
            return
        self.reactor.removeSystemEventTrigger(self._trigger)
        for child in self._living:
            await child.stop("KILL")
        self._tidy()

    # -- inside

    @property
    def _living(self) -> list[Child]:
        gateways = [made.child for made in self._gateways if made.child is not None]
        return [child for child in (*gateways, *self._children) if child.code is None]

    def _abandon(self) -> None:
        """The drill is interrupted: leave nothing behind all the same."""
        self._trigger = None
        for child in self._living:
            transport: Any = child.transport
            transport.signalProcess("KILL")
            os.waitid(os.P_PID, transport.pid, os.WEXITED | os.WNOWAIT)
        self._tidy()

    def _tidy(self) -> None:
        for cleanup in reversed(self._cleanups):
            cleanup()
        shutil.rmtree(self.directory, ignore_errors=True)


def is_root() -> bool:
    """Whether this process may mount file systems."""
    return os.geteuid() == 0
