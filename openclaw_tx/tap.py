# -*- test-case-name: tests.test_tap -*-
# mypy: allow-untyped-calls
"""C{twistd openclaw}: options, then configuration, then the service."""

from __future__ import annotations

import os
import platform
import signal
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from twisted.application.service import MultiService
from twisted.internet.interfaces import IReactorFDSet, IReactorProcess, IReactorSocket, IReactorUNIX
from twisted.internet.protocol import Factory
from twisted.logger import ILogObserver, Logger, textFileLogObserver
from twisted.python import usage
from twisted.python.logfile import LogFile

from openclaw_tx import service
from openclaw_tx.errors import ConfigError
from openclaw_tx.steady import keep_steady

if TYPE_CHECKING:
    from openclaw_tx.config.load import Loaded

SHARED_ENDPOINTS = ("tcp", "tcp6", "unix", "systemd")
"""Kinds of endpoints whose sockets can be shared."""

MAX_WORKERS = 64
"""Most processes that C{--workers} starts."""


class Workers(Factory):
    """Serves nobody itself: workers accept from the port that it stands for."""

    noisy = False


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
        [
            "workers",
            "w",
            None,
            "Processes that serve, or auto for one on each core: runs without a session are spread over them, see "
            "docs/workers.md [default: 1, everything in one process]",
        ],
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
        @raise usage.UsageError: the port is not one, or the number of workers.
        """
        self["port"] = _number("--port takes a number from 1 to 65535", self["port"], 65535)
        if self["workers"] == "auto":
            self["workers"] = min(MAX_WORKERS, len(os.sched_getaffinity(0)))
        else:
            self["workers"] = _number(
                f"--workers takes a number from 1 to {MAX_WORKERS}, or auto", self["workers"], MAX_WORKERS
            )

    @property
    def overrides(self) -> dict[str, Any]:
        """Settings of the command line, in the form of the configuration file."""
        auth = {name: self[name] for name in ("token", "password") if self[name] is not None}
        if self["auth"] is not None or len(auth) == 1:
            auth["mode"] = self["auth"] or next(iter(auth))
        gateway = {name: value for name, value in (("auth", auth), ("bind", self["bind"])) if value}
        return {"gateway": gateway} if gateway else {}

    @property
    def workers(self) -> int:
        """How many processes serve."""
        return self["workers"] or 1

    @property
    def start(self) -> service.Start:
        """What the command line says, for whichever process serves."""
        return service.Start(
            config=self["config"],
            state_dir=self["state-dir"],
            port=self["port"],
            overrides=self.overrides,
            endpoints=tuple(self["endpoints"]),
            verbose=bool(self["verbose"]),
            cwd=os.getcwd(),
        )


def _number(rule: str, text: str | None, most: int) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise usage.UsageError(f"{rule}, not {text!r}")
    return int(text)


def makeService(options: Options, reactor: Any = None, environ: Mapping[str, str] | None = None) -> MultiService:
    """The gateway as a service that listens.

    @raise SystemExit: with one line that says what is wrong and where.
    """
    if reactor is None:
        from twisted.internet import reactor
    try:
        return _service(options, reactor, dict(os.environ if environ is None else environ))
    except ConfigError as error:
        raise SystemExit(f"openclaw: {error.told}") from None


def _service(options: Options, reactor: Any, environ: Mapping[str, str]) -> MultiService:
    from openclaw_tx.config.watching import ConfigWatcher
    from openclaw_tx.web.listener import Listener, behind_tls

    log = Logger(namespace="openclaw_tx")
    start = options.start
    read = service.loader(start, environ)
    loaded = service.checked(read, log)
    if options.workers > 1:
        return _crew(options, reactor, environ, loaded, log)
    wanted = service.wanted(start, loaded)
    file = service.log_file(loaded, reactor, lambda: gateway.settings.loaded)
    gateway = service.build_gateway(start, reactor, loaded, log, file)
    site = gateway.site()
    observer = log_observer(options.parent, lambda: gateway.settings.loaded, reactor, log)
    top = service.Service(lambda: log.info("{line}", line=service.summary(gateway)), observer, gateway.drain)
    reactor.callWhenRunning(service.end_cleanly, reactor, log, gateway.engine.hurry)
    reactor.callWhenRunning(service.freeze)
    reactor.callWhenRunning(keep_steady, reactor)
    factory = site if start.endpoints else behind_tls(site, loaded, reactor, platform.node())
    # Stopped in this order, once nothing is under way: the ports first, so that nobody new gets in, then the gateway.
    for description, required in wanted:
        try:
            Listener(reactor, description, factory, required=required).setServiceParent(top)
        except ValueError as error:
            raise ConfigError([(f"--endpoint {description}", str(error))]) from None
    ConfigWatcher(gateway.settings, read, reactor).setServiceParent(top)
    gateway.setServiceParent(top)
    if file is not None:
        service.FileLogging(file, lambda: gateway.settings.loaded).setServiceParent(top)
    return top


def _crew(options: Options, reactor: Any, environ: Mapping[str, str], loaded: Loaded, log: Logger) -> MultiService:
    """The parent of several processes: it has the ports, and serves nothing."""
    from openclaw_tx.config.settings import Settings
    from openclaw_tx.config.watching import ConfigWatcher
    from openclaw_tx.web.listener import Listener, behind_tls
    from openclaw_tx.workers.parent import Parent, end_badly

    for interface in (IReactorSocket, IReactorFDSet, IReactorProcess, IReactorUNIX):
        if not interface.providedBy(reactor):
            raise ConfigError([("--workers", f"needs a reactor that provides {interface.__name__}; this one does not")])
    start = options.start
    settings = Settings(loaded)
    observer = log_observer(options.parent, lambda: settings.loaded, reactor, log)
    top = service.Service(
        lambda: log.info("{count} workers", count=options.workers), observer, lambda: parent.drained()
    )
    ports: list[Listener] = []
    for description, required in service.wanted(start, loaded):
        if description.partition(":")[0] not in SHARED_ENDPOINTS:
            issue = f"only {', '.join(SHARED_ENDPOINTS)} can be shared by workers; for TLS there is gateway.tls"
            raise ConfigError([(f"--endpoint {description}", issue)])
        try:
            port = Listener(reactor, description, Workers(), required=required, accepts=False)
        except ValueError as error:
            raise ConfigError([(f"--endpoint {description}", str(error))]) from None
        port.setServiceParent(top)
        ports.append(port)
    if not start.endpoints:
        behind_tls(None, loaded, reactor, platform.node())  # a certificate is made once, not by each worker

    def failed(why: str) -> None:
        log.critical("{why}", why=why)
        reactor.addSystemEventTrigger("after", "shutdown", end_badly)
        reactor.stop()

    told = msgspec.to_builtins(start)
    parent = Parent(reactor, ports, told, options.workers, settings, environ, failed)
    parent.setServiceParent(top)
    reactor.callWhenRunning(service.end_cleanly, reactor, log, parent.hurry)
    ConfigWatcher(settings, service.loader(start, environ), reactor).setServiceParent(top)
    file = service.log_file(loaded, reactor, lambda: settings.loaded)
    if file is not None:
        service.FileLogging(file, lambda: settings.loaded).setServiceParent(top)
    return top


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
