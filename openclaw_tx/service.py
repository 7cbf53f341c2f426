# -*- test-case-name: tests.test_tap -*-
# mypy: allow-untyped-calls
"""What a process of the gateway runs, whoever starts it: from the words of the command line to services.

L{openclaw_tx.tap} runs all of it in one process, or a parent that has workers; L{openclaw_tx.worker} is one of those.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from twisted.application.service import MultiService
from twisted.application.service import Service as TwistedService
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, Logger, globalLogPublisher
from twisted.python.components import Componentized

from openclaw_tx.errors import ConfigError
from openclaw_tx.values import Entry, RunEnded
from openclaw_tx.values.value import Value
from openclaw_tx.wire.trace import trace_id

if TYPE_CHECKING:
    from openclaw_tx.config.load import Loaded
    from openclaw_tx.gateway import Gateway
    from openclaw_tx.interfaces import Run
    from openclaw_tx.log_file import DayLog
    from openclaw_tx.workers.crew import Crew

SHOWN_MODELS = 8
"""Models named in the line that the start logs."""


class Start(Value, frozen=True):
    """What the command line says."""

    config: str | None = None
    """The configuration file."""
    state_dir: str | None = None
    port: int | None = None
    overrides: dict[str, Any] = {}
    """Settings, in the form of the configuration file."""
    endpoints: tuple[str, ...] = ()
    """Twisted endpoints to listen on instead of the configured addresses."""
    verbose: bool = False
    cwd: str = ""
    """Where relative paths start and the first C{.env} lies; "" = the working directory."""


def loader(start: Start, environ: Mapping[str, str]) -> Callable[[], Loaded]:
    """Reads the configuration, each time anew, wherever the process has gone meanwhile (C{twistd --rundir}).

    @return: raises L{ConfigError}.
    """
    from openclaw_tx.auth.startup import check_startup
    from openclaw_tx.config.load import load

    cwd = Path(start.cwd or os.getcwd())

    def read() -> Loaded:
        return load(
            environ,
            cwd=cwd,
            config=start.config,
            state_dir=start.state_dir,
            overrides=start.overrides,
            check=check_startup,
        )

    return read


def checked(read: Callable[[], Loaded], log: Logger) -> Loaded:
    """The configuration to start with; what is odd about it is logged.

    @raise ConfigError: it can not be used.
    """
    from openclaw_tx.auth.startup import startup_warnings

    loaded = read()
    startup = [f"{path}: {text}" for path, text in startup_warnings(loaded.config, loaded.environment)]
    for warning in (*loaded.warnings, *startup):
        log.warn("{text}", text=warning)
    if loaded.config.gateway.mode == "remote":
        raise ConfigError([("gateway.mode", "is remote: this configuration is for clients of another gateway")])
    return loaded


def wanted(start: Start, loaded: Loaded) -> list[tuple[str, bool]]:
    """Endpoint strings to listen on, each with whether it must be had.

    @raise ConfigError: one of the command line is open to other machines in auth mode none.
    """
    from openclaw_tx.config.load import port
    from openclaw_tx.web.listener import addresses

    number = port(loaded.config, loaded.environment, start.port)
    check_endpoints(start.endpoints, loaded.config)
    return [(text, True) for text in start.endpoints] or addresses(loaded.config, number)


def build_gateway(
    start: Start, reactor: Any, loaded: Loaded, log: Logger, file: DayLog | None, crew: Crew | None = None
) -> Gateway:
    """The gateway with the tools and channels of installed packages.

    @param file: where the process's log is.
    @param crew: the part it has among several processes; None = it is the only one.
    @raise ConfigError: the configuration can not be used.
    """
    from openclaw_tx.gateway import Gateway
    from openclaw_tx.plugins import installed_channels, installed_tools

    alone = crew is None or crew.is_chief
    plugins = [installed_tools(reactor)] if loaded.config.tools.plugins and alone else []
    channels = installed_channels(reactor) if loaded.config.channels.plugins and alone else []
    gateway = Gateway(
        reactor,
        loaded,
        tool_sources=plugins,
        access_log=start.verbose,
        log_file=lambda: file.path if file is not None else None,
        automation=alone,
        channels=channels,
        crew=crew,
    )
    gateway.setName("gateway")
    if start.verbose:
        gateway.subscribe(lambda run, entries: log_end(log, run, entries[-1]))
    return gateway


def end_cleanly(reactor: Any, log: Logger, hurry: Callable[[], None]) -> None:
    """Make signals an ordinary end: drain, then exit with code 0. Twisted would end itself by SIGTERM again, which
    supervisors take for a failure, and a terminal that is closed (SIGHUP) would just cut everybody off. A second signal
    does not wait for runs, a third one for nothing. C{nohup}, and whoever has a handler of his own, keep theirs.

    @param hurry: have runs that are waited for end now.
    """
    interrupt = signal.getsignal(signal.SIGINT)
    times = 0

    def asked(number: int, frame: FrameType | None) -> None:
        nonlocal times
        times += 1
        if times == 1 and number == signal.SIGINT and callable(interrupt):
            interrupt(number, frame)  # Twisted's own, which tells the shell of it at the end
        else:
            reactor.callFromThread(stop if times == 1 else again, signal.Signals(number).name)
        if times > 1:
            for each in handled:
                signal.signal(each, signal.SIG_DFL)

    def stop(name: str) -> None:
        log.info("{name}: taking no new work, letting runs finish", name=name)
        reactor.stop()

    def again(name: str) -> None:
        log.info("{name} again: not waiting for runs", name=name)
        hurry()

    def restart(number: int, frame: FrameType | None) -> None:
        reactor.callFromThread(log.info, "SIGUSR1: nothing to do, the configuration is followed as it changes")

    handled = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        handled.append(signal.SIGHUP)
    if signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:  # else it rotates twistd's log file
        signal.signal(signal.SIGUSR1, restart)
    for each in handled:
        signal.signal(each, asked)


def freeze() -> None:
    """Take what was imported out of the garbage collector's sight: looking through it again and again costs an eighth
    of the CPU under load, and pauses of 60 ms. Most of what a request makes is gone with its last reference, so the
    collector looks seldom, at 100,000 objects at most but for its oldest ones, of which there are millions when
    thousands of streams are open: at its usual pace it takes a seventh of the CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 80)


def log_file(loaded: Loaded, reactor: Any, settings: Callable[[], Loaded]) -> DayLog | None:
    """The gateway's own log file; None when C{logging.file} says off.

    @param loaded: what the process starts with.
    @param settings: the configuration of the moment; asked with the first line that is written.
    """
    from openclaw_tx.log_file import DayLog, pattern

    where = pattern(loaded.config.logging.file, loaded.state_dir)
    if where is None:
        return None
    return DayLog(where, lambda: settings().config.logging.max_file_bytes, reactor.seconds)


class FileLogging(TwistedService):
    """Has what the process logs written to a file too, from start to stop; without secrets."""

    def __init__(self, file: DayLog, settings: Callable[[], Loaded]) -> None:
        from openclaw_tx.logs import Sieve

        self._file = file
        self._observer = Sieve(file, settings)

    def startService(self) -> None:
        """Begin to write."""
        super().startService()
        globalLogPublisher.addObserver(self._observer)

    def stopService(self) -> None:
        """Write no more."""
        super().stopService()
        globalLogPublisher.removeObserver(self._observer)
        self._file.close()


def summary(gateway: Gateway) -> str:
    """One line on what is served; never a secret."""
    models = [model.ref for model in gateway.models()]
    chat = gateway.settings().gateway.http.endpoints.chat_completions.enabled
    switch = "on" if chat else "off (gateway.http.endpoints.chatCompletions.enabled)"
    agents = ", ".join(f"{agent.id} ({agent.models[0]})" for agent in gateway.agents())
    shown = ", ".join(models[:SHOWN_MODELS]) + (
        f" and {len(models) - SHOWN_MODELS} more" if models[SHOWN_MODELS:] else ""
    )
    return f"agents: {agents}; models: {shown or 'none'}; chat completions endpoint: {switch}"


def log_end(log: Logger, run: Run, entry: Entry) -> None:
    """One line for a run that ended."""
    if isinstance(entry.event, RunEnded):
        result = entry.event.result
        log.info(
            "run {run} agent={agent} session={session} {status} {code} {ms} ms {model}",
            run=result.run_id,
            agent=result.agent_id,
            session=result.session_key,
            status=result.status,
            code=result.error.code if result.error is not None else "",
            ms=result.ended_at_ms - result.queued_at_ms,
            model=f"{result.provider}/{result.model}" if result.model else "",
            trace=trace_id(run.request.traceparent),
        )


def check_endpoints(descriptions: Sequence[str], config: Any) -> None:
    """Without a secret only this machine may connect.

    @raise ConfigError: an endpoint is open to other machines in auth mode none.
    """
    if config.gateway.auth.mode != "none":
        return
    private = ("unix:", "interface=127.0.0.1", r"interface=\:\:1", "interface=localhost")
    for description in descriptions:
        if not any(text in description for text in private):
            issue = "gateway.auth.mode none is for loopback only; name an interface or set a token"
            raise ConfigError([(f"--endpoint {description}", issue)])


class CannotStart(SystemExit, Exception):
    """One line says why, and the program ends with exit code 1.

    It is an C{Exception} besides: of no others does C{twistd} tell the process that waits for its daemon. That would
    wait for good, and the PID file would stay.
    """


class Service(MultiService):
    """Everything that runs, from ports to sessions. A port or a state directory that can not be had ends the
    program with one line."""

    def __init__(
        self,
        started: Callable[[], None],
        observer: ILogObserver | None = None,
        drain: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """
        @param observer: writes the log of an application that this service is put into.
        @param drain: what must be over before the ports are closed; None = nothing.
        """
        super().__init__()
        self._started = started
        self._observer = observer
        self._drain = drain

    def setServiceParent(self, parent: Any) -> None:
        """C{twistd} asks its application who writes the log, after it has put the service there."""
        super().setServiceParent(parent)
        if self._observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._observer)

    def privilegedStartService(self) -> None:
        """Listen."""
        self._or_exit(super().privilegedStartService)

    def startService(self) -> None:
        """Start, and say what runs."""
        self._or_exit(super().startService)
        self._started()

    def stopService(self) -> Deferred[None]:
        """Let end what is under way, while who comes is told so; then close the ports, then all the rest."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self.running = False
        if self._drain is not None:
            await self._drain()
        for service in list(self):
            stopped = service.stopService()
            if stopped is not None:
                await stopped

    def _or_exit(self, start: Callable[[], None]) -> None:
        from openclaw_tx.web.listener import CannotListen

        try:
            start()
        except (CannotListen, ConfigError) as error:
            raise CannotStart(f"openclaw: {error}") from None
