# -*- test-case-name: tests.test_tap -*-
# mypy: allow-untyped-calls
"""C{twistd openclaw}: options, then configuration, then the service."""

from __future__ import annotations

import gc
import os
import platform
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from twisted.application.service import MultiService
from twisted.application.service import Service as TwistedService
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, Logger, globalLogPublisher, textFileLogObserver
from twisted.python import usage
from twisted.python.components import Componentized
from twisted.python.logfile import LogFile

from openclaw_tx.errors import ConfigError
from openclaw_tx.steady import keep_steady
from openclaw_tx.values import Entry, RunEnded
from openclaw_tx.wire.trace import trace_id

if TYPE_CHECKING:
    from openclaw_tx.config.load import Loaded
    from openclaw_tx.gateway import Gateway
    from openclaw_tx.interfaces import Run
    from openclaw_tx.log_file import DayLog

SHOWN_MODELS = 8
"""Models named in the line that the start logs."""


class Options(usage.Options):
    """Options of C{twistd openclaw} and C{twist openclaw}."""

    synopsis = "[options]"
    longdesc = (
        "Serves your agents on one port: an OpenAI-compatible HTTP API (POST /v1/chat/completions) and the OpenClaw "
        "Gateway WebSocket protocol. Run `openclaw-tx setup` once to write a configuration with a token of your own."
    )
    optParameters = [
        ["config", "c", None, "Configuration file [default: $OPENCLAW_CONFIG_PATH or openclaw.json in state-dir]"],
        ["state-dir", None, None, "Directory for sessions and models [default: $OPENCLAW_STATE_DIR or ~/.openclaw]"],
        ["port", "p", None, "TCP port [default: $OPENCLAW_GATEWAY_PORT, gateway.port, or 18789]"],
        [
            "token",
            None,
            None,
            "Shared secret that clients must send. Other users can see it in the process list: prefer "
            "$OPENCLAW_GATEWAY_TOKEN or gateway.auth.token",
        ],
        ["password", None, None, "The same for auth mode password"],
        ["auth", None, None, "Auth mode: token, password, none or trusted-proxy [default: gateway.auth.mode]"],
        ["bind", None, None, "Addresses to listen on: loopback, lan, tailnet, auto or custom [default: gateway.bind]"],
    ]
    optFlags = [["verbose", "v", "Log each HTTP request and each run"]]

    def __init__(self) -> None:
        super().__init__()
        self["endpoints"] = []

    def opt_endpoint(self, description: str) -> None:
        """
        Listen here instead of on bind and port; may be given several times. A Twisted endpoint: tcp:PORT:interface=IP,
        ssl:PORT:privateKey=KEY.pem:certKey=CERT.pem, unix:/PATH, systemd:domain=INET:name=NAME.
        """
        self["endpoints"].append(description)

    opt_e = opt_endpoint

    def postOptions(self) -> None:
        """
        @raise usage.UsageError: the port is not one.
        """
        text = self["port"]
        if text is None:
            return
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
            raise usage.UsageError(f"--port takes a number from 1 to 65535, not {text!r}")
        self["port"] = int(text)

    @property
    def overrides(self) -> dict[str, Any]:
        """Settings of the command line, in the form of the configuration file."""
        auth = {name: self[name] for name in ("token", "password") if self[name] is not None}
        if self["auth"] is not None or len(auth) == 1:
            auth["mode"] = self["auth"] or next(iter(auth))
        gateway = {name: value for name, value in (("auth", auth), ("bind", self["bind"])) if value}
        return {"gateway": gateway} if gateway else {}


def makeService(options: Options, reactor: Any = None, environ: Mapping[str, str] | None = None) -> MultiService:
    """The gateway as a service that listens.

    @raise SystemExit: with one line that says what is wrong and where.
    """
    if reactor is None:
        from twisted.internet import reactor
    try:
        return _service(options, reactor, dict(os.environ if environ is None else environ))
    except ConfigError as error:
        raise SystemExit(f"openclaw: {error}") from None


def _service(options: Options, reactor: Any, environ: Mapping[str, str]) -> MultiService:
    from openclaw_tx.auth.startup import check_startup, startup_warnings
    from openclaw_tx.config.load import load, port
    from openclaw_tx.config.watching import ConfigWatcher
    from openclaw_tx.gateway import Gateway
    from openclaw_tx.plugins import installed_channels, installed_tools
    from openclaw_tx.web.listener import Listener, behind_tls

    def loader() -> Loaded:
        return load(
            environ,
            config=options["config"],
            state_dir=options["state-dir"],
            overrides=options.overrides,
            check=check_startup,
        )

    log = Logger(namespace="openclaw_tx")
    loaded = loader()
    startup = [f"{path}: {text}" for path, text in startup_warnings(loaded.config, loaded.environment)]
    for warning in (*loaded.warnings, *startup):
        log.warn("{text}", text=warning)
    if loaded.config.gateway.mode == "remote":
        raise ConfigError([("gateway.mode", "is remote: this configuration is for clients of another gateway")])
    number = port(loaded.config, loaded.environment, options["port"])
    file = log_file(loaded, reactor)
    plugins = [installed_tools(reactor)] if loaded.config.tools.plugins else []
    path, verbose = lambda: file.path if file is not None else None, bool(options["verbose"])
    channels = installed_channels(reactor) if loaded.config.channels.plugins else []
    gateway = Gateway(reactor, loaded, tool_sources=plugins, access_log=verbose, log_file=path, channels=channels)
    site = gateway.site()
    if verbose:
        gateway.subscribe(lambda run, entries: log_end(log, run, entries[-1]))
    observer = log_observer(options.parent, lambda: gateway.settings.loaded, reactor, log)
    top = Service(lambda: log.info("{line}", line=summary(gateway)), observer)
    reactor.callWhenRunning(end_cleanly, reactor, log)
    reactor.callWhenRunning(freeze)
    reactor.callWhenRunning(keep_steady, reactor)
    wanted = [(text, True) for text in options["endpoints"]] or addresses(loaded.config, number)
    factory = site if options["endpoints"] else behind_tls(site, loaded, reactor, platform.node())
    check_endpoints(options["endpoints"], loaded.config)
    # Stopped in this order: the ports first, so that nobody new gets in, then the gateway.
    for description, required in wanted:
        try:
            Listener(reactor, description, factory, required=required).setServiceParent(top)
        except ValueError as error:
            raise ConfigError([(f"--endpoint {description}", str(error))]) from None
    ConfigWatcher(gateway.settings, loader, reactor).setServiceParent(top)
    gateway.setServiceParent(top)
    if file is not None:
        FileLogging(file, lambda: gateway.settings.loaded).setServiceParent(top)
    return top


def end_cleanly(reactor: Any, log: Logger) -> None:
    """Make SIGTERM an ordinary end: drain, then exit with code 0. Twisted would end itself by the signal again, which
    supervisors take for a failure. A second SIGTERM does not wait."""

    def asked(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        reactor.callFromThread(stop)

    def stop() -> None:
        log.info("SIGTERM: taking no new work, letting runs finish")
        reactor.stop()

    signal.signal(signal.SIGTERM, asked)


def freeze() -> None:
    """Take what was imported out of the garbage collector's sight: looking through it again and again costs an eighth
    of the CPU under load, and pauses of 60 ms. Most of what a request makes is gone with its last reference, so the
    collector looks seldom: at its usual pace it takes a seventh of the CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def log_observer(
    runner: usage.Options | None, settings: Callable[[], Loaded], reactor: Any, log: Logger
) -> ILogObserver | None:
    """Put C{logging.level}, C{logging.consoleStyle} and the removal of secrets in front of the runner's log.

    @param runner: options of C{twistd} or C{twist}; None = something else runs this, and logs as it likes.
    @return: what C{twistd} must be given to write its log with; None = nothing. C{twist} takes it from its options.
    """
    from openclaw_tx.logs import Sieve, json_observer

    logging = settings().config.logging
    as_json = logging.console_style == "json"
    if runner is None:
        return None
    if "fileLogObserverFactory" in runner:
        factory = json_observer if as_json else runner["fileLogObserverFactory"]
        runner["fileLogObserverFactory"] = lambda file: Sieve(factory(file), settings)
        return None
    if runner.get("logger") or runner.get("syslog"):
        if as_json or logging.level != "info":
            log.warn("logging.level and logging.consoleStyle are not used with --logger and --syslog")
        return None
    path = runner.get("logfile") or ("" if runner.get("nodaemon") else "twistd.log")
    if path in ("", "-"):
        stream: Any = sys.stdout
    else:
        stream = LogFile.fromFullPath(path)
        if signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL:  # as twistd does
            signal.signal(signal.SIGUSR1, lambda number, frame: reactor.callFromThread(stream.rotate))
    return Sieve((json_observer if as_json else textFileLogObserver)(stream), settings)


def log_file(loaded: Loaded, reactor: Any) -> DayLog | None:
    """The gateway's own log file; None when C{logging.file} says off."""
    from openclaw_tx.log_file import DayLog, pattern

    logging = loaded.config.logging
    where = pattern(logging.file, loaded.state_dir)
    return DayLog(where, lambda: logging.max_file_bytes, reactor.seconds) if where is not None else None


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


def addresses(config: Any, port: int) -> list[tuple[str, bool]]:
    """Endpoint strings for C{gateway.bind}, each with whether it must be had."""
    gateway = config.gateway
    if gateway.bind == "custom":
        host = gateway.custom_bind_host
        kind = "tcp6" if ":" in host else "tcp"
        return [(f"{kind}:{port}:interface={_quoted(host)}", True)]
    if gateway.bind in ("lan", "tailnet"):
        return [(f"tcp:{port}", True)]
    return [(f"tcp:{port}:interface=127.0.0.1", True), (f"tcp6:{port}:interface={_quoted('::1')}", False)]


def check_endpoints(descriptions: Sequence[str], config: Any) -> None:
    """Without a secret only this machine may connect.

    @raise ConfigError: an endpoint is open to other machines in auth mode none.
    """
    if config.gateway.auth.mode != "none":
        return
    private = ("unix:", "interface=127.0.0.1", f"interface={_quoted('::1')}", "interface=localhost")
    for description in descriptions:
        if not any(text in description for text in private):
            issue = "gateway.auth.mode none is for loopback only; name an interface or set a token"
            raise ConfigError([(f"--endpoint {description}", issue)])


def _quoted(text: str) -> str:
    return text.replace(":", "\\:")


class Service(MultiService):
    """Everything that runs, from ports to sessions. A port that can not be had ends the program with one line."""

    def __init__(self, started: Callable[[], None], observer: ILogObserver | None = None) -> None:
        """
        @param observer: writes the log of an application that this service is put into.
        """
        super().__init__()
        self._started = started
        self._observer = observer

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
        """Close the ports, then drain the gateway."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self.running = False
        for service in list(self):
            stopped = service.stopService()
            if stopped is not None:
                await stopped

    def _or_exit(self, start: Callable[[], None]) -> None:
        from openclaw_tx.web.listener import CannotListen

        try:
            start()
        except CannotListen as error:
            raise SystemExit(f"openclaw: {error}") from None
