# -*- test-case-name: tests.test_tap -*-
"""The twistd plugin: options, start-up checks, ports, and the line it logs."""

from __future__ import annotations

import gc
import json
import os
import signal
from pathlib import Path
from queue import Queue
from typing import Any

from twisted.application.service import IServiceMaker
from twisted.application.service import Service as TwistedService
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorFDSet, IReactorProcess, IReactorSocket, IReactorUNIX
from twisted.internet.testing import EventLoggingObserver, MemoryReactorClock
from twisted.logger import Logger, formatEvent, globalLogPublisher
from twisted.plugin import getPlugins
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python import usage
from twisted.scripts._twistd_unix import UnixApplicationRunner
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from openclaw_tx.config.holding import FILE, Holding
from openclaw_tx.config.load import from_mapping
from openclaw_tx.service import Service, Start, loader, log_file
from openclaw_tx.tap import Options, makeService
from tests.test_signals import keep_signals

SECRET = "a-secret-nobody-logs"


class Reactor(MemoryReactorClock):
    """A reactor whose ports may be busy."""

    busy: frozenset[str] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.from_threads: Queue[Any] = Queue()

    def callFromThread(self, function: Any, *args: Any, **kwargs: Any) -> None:
        """When the test says so, in its own thread."""
        self.from_threads.put(lambda: function(*args, **kwargs))

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        """Refuse busy interfaces."""
        if interface in self.busy:
            raise CannotListenError(interface, port, OSError(98, "Address already in use"))
        return super().listenTCP(port, factory, backlog, interface)


class HeldPort:
    """A port of L{SharingReactor}."""

    reading = True

    def stopReading(self) -> None:
        """Accept nobody."""
        self.reading = False

    def getHost(self) -> None:
        """Somewhere."""


@implementer(IReactorSocket, IReactorFDSet, IReactorProcess, IReactorUNIX)
class SharingReactor(Reactor):
    """A reactor that says that it can share its ports."""

    def __init__(self) -> None:
        super().__init__()
        self.ports: list[HeldPort] = []

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        """A port that tells whether it accepts."""
        super().listenTCP(port, factory, backlog, interface)
        self.ports.append(HeldPort())
        return self.ports[-1]


class ServiceTests(SynchronousTestCase):
    """L{Service}."""

    def test_order_of_the_end(self) -> None:
        """The ports stay open for as long as something is under way; then all stops, one after the other."""
        stopped: list[str] = []

        class Part(TwistedService):
            """Says when it is stopped."""

            def stopService(self) -> None:
                """Note it."""
                super().stopService()  # type: ignore[no-untyped-call]
                stopped.append(str(self.name))

        drained: Deferred[None] = Deferred()

        async def drain() -> None:
            await drained

        for given in (drain, None):
            top = Service(lambda: None, drain=given)
            for name in ("port", "gateway"):
                part = Part()
                part.setName(name)  # type: ignore[no-untyped-call]
                part.setServiceParent(top)  # type: ignore[no-untyped-call]
            top.startService()
            ending = top.stopService()
            if given is not None:
                self.assertEqual((stopped, ending.called), ([], False))
                drained.callback(None)
            self.successResultOf(ending)
            self.assertEqual(stopped, ["port", "gateway"])
            stopped.clear()

    def test_directory_of_the_start(self) -> None:
        """Relative paths and C{.env} are those of the directory that the process was started in, at every load:
        C{twistd --rundir} goes elsewhere after the first, and directories of old releases are removed."""
        home, start, run = (Path(self.mktemp()).absolute() for _ in range(3))
        for directory in (home, start, run):
            directory.mkdir()
        (home / "openclaw.json").write_text('{"agents": {"defaults": {"workspace": "here"}}}', "utf-8")
        (start / ".env").write_text(f"OPENCLAW_GATEWAY_TOKEN={SECRET}", "utf-8")
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(start)
        read = loader(Start(state_dir=str(home)), {"HOME": str(home)})
        first = read()
        os.chdir(run)
        run.rmdir()
        again = read()
        self.assertEqual(again.config.agents.defaults.workspace, str(start / "here"))
        self.assertEqual((again.config, again.environment), (first.config, first.environment))

    def test_log_file_of_the_moment(self) -> None:
        """An edit of C{logging.maxFileBytes} counts for the file that is open."""
        path = Path(self.mktemp()).absolute()
        mapping = {"logging": {"file": str(path)}}
        loaded = [from_mapping(mapping, {}, path.parent)]
        file = log_file(loaded[0], MemoryReactorClock(), lambda: loaded[0])
        assert file is not None
        self.addCleanup(file.close)
        event = {"log_namespace": "openclaw_tx", "log_format": "x" * 8000}
        for _ in range(9):
            file(event)
        self.assertFalse(os.path.exists(f"{path}.1"))
        loaded[0] = from_mapping({"logging": {**mapping["logging"], "maxFileBytes": 65_536}}, {}, path.parent)
        file(event)
        self.assertTrue(os.path.exists(f"{path}.1"))


class TapTests(SynchronousTestCase):
    """C{makeService} on a reactor in memory."""

    def setUp(self) -> None:
        """A configuration file and everything that is logged."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.reactor: Any = Reactor()
        self.observer = EventLoggingObserver()
        globalLogPublisher.addObserver(self.observer)
        self.addCleanup(globalLogPublisher.removeObserver, self.observer)
        self.write({"gateway": {"auth": {"token": SECRET}}, "models": {"mode": "replace"}})

    def write(self, config: Any) -> None:
        """The configuration file."""
        text = config if isinstance(config, str) else json.dumps(config)
        (self.directory / "openclaw.json").write_text(text, "utf-8")

    def make(self, *arguments: str, **environ: str) -> Any:
        """What twistd makes of a command line."""
        options = Options()
        options.parseOptions(["--state-dir", str(self.directory), *arguments])
        return makeService(options, self.reactor, {"HOME": str(self.directory), **environ})

    def refused(self, *arguments: str, **environ: str) -> str:
        """The one line of a start that fails."""
        error = self.assertRaises(SystemExit, self.make, *arguments, **environ)
        assert isinstance(error.code, str)
        self.assertNotIn("\n", error.code)
        self.assertNotIn(SECRET, error.code)
        return error.code

    def listening(self) -> list[tuple[int, str]]:
        """Ports that are open, with their interfaces."""
        return [(port, interface) for port, _, _, interface in self.reactor.tcpServers]

    def test_plugin(self) -> None:
        """twistd finds the plugin, and finding it imports nothing of the gateway."""
        found = [plugin for plugin in getPlugins(IServiceMaker) if plugin.tapname == "openclaw"]
        self.assertEqual([plugin.module for plugin in found], ["openclaw_tx.tap"])

    def test_help(self) -> None:
        """The help names every option and says what a stranger must know."""
        text = str(Options())
        for word in ("--config", "--state-dir", "--port", "--endpoint", "--token", "--password", "--verbose"):
            self.assertIn(word, text)
        self.assertIn("openclaw-tx setup", text)

    def test_bind_and_auth(self) -> None:
        """--bind and --auth come before the file, and are checked like it."""
        service = self.make("--bind", "lan", "--port", "4000")
        service.privilegedStartService()
        self.assertEqual(self.listening(), [(4000, "")])
        self.assertIn("none is possible only on loopback", self.refused("--bind", "lan", "--auth", "none"))
        self.assertIn("gateway.bind", self.refused("--bind", "nowhere"))
        self.assertIn("gateway.auth.password", self.refused("--auth", "password"))

    def test_default_addresses(self) -> None:
        """Without options it listens on loopback, both families, port 18789."""
        service = self.make()
        service.privilegedStartService()
        self.assertEqual(self.listening(), [(18789, "127.0.0.1"), (18789, "::1")])

    def test_started_once(self) -> None:
        """The privileged and the ordinary start open each port once; twist has only the ordinary one."""
        service = self.make("--port", "4000")
        service.privilegedStartService()
        service.startService()
        self.assertEqual(self.listening(), [(4000, "127.0.0.1"), (4000, "::1")])
        self.stop(service)

    def stop(self, service: Any) -> None:
        """Stop it and see that nothing is left."""
        stopping = service.stopService()
        while not stopping.called:
            # What comes next is the store's own thread closing the database.
            self.reactor.from_threads.get(timeout=30)()
        self.successResultOf(stopping)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_port_precedence(self) -> None:
        """--port, then the environment, then the configuration."""
        self.write({"gateway": {"auth": {"token": SECRET}, "port": 1111}, "models": {"mode": "replace"}})
        for arguments, environ, expected in (
            ((), {}, 1111),
            ((), {"OPENCLAW_GATEWAY_PORT": "2222"}, 2222),
            (("--port", "3333"), {"OPENCLAW_GATEWAY_PORT": "2222"}, 3333),
        ):
            self.reactor = Reactor()
            self.make(*arguments, **environ).privilegedStartService()
            self.assertEqual(self.listening()[0][0], expected)

    def test_endpoints(self) -> None:
        """Endpoint strings replace bind and port."""
        self.make("--endpoint", "tcp:1:interface=127.0.0.1", "--endpoint", "tcp:2").privilegedStartService()
        self.assertEqual(self.listening(), [(1, "127.0.0.1"), (2, "")])

    def test_workers(self) -> None:
        """With several workers this process has the ports and serves nobody; with one, all is as without."""
        self.make("--workers", "1").privilegedStartService()
        self.assertEqual([type(each[1]).__name__ for each in self.reactor.tcpServers], ["GatewaySite"] * 2)
        self.reactor = SharingReactor()
        top = self.make("--workers", "3", "--port", "4000")
        top.privilegedStartService()
        self.assertEqual([type(each[1]).__name__ for each in self.reactor.tcpServers], ["Workers"] * 2)
        self.assertEqual([port.reading for port in self.reactor.ports], [False, False])
        (parent,) = (service for service in top if service.name == "workers")
        self.assertEqual(parent._count, 3)
        self.assertNotIn(SECRET, str(parent._start))

    def test_workers_that_can_not_be(self) -> None:
        """A number that is none, a reactor that can not, an endpoint that can not be shared."""
        for text in ("0", "65", "many", "-1"):
            error = self.assertRaises(usage.UsageError, self.make, "--workers", text)
            self.assertIn("--workers takes a number from 1 to 64, or auto", str(error))
        self.assertIn("needs a reactor that provides IReactorProcess", self.refused("--workers", "2"))
        self.reactor = SharingReactor()
        for endpoint in ("ssl:1:privateKey=x:certKey=x", "haproxy:tcp:1"):
            self.assertIn("can be shared by workers", self.refused("--workers", "2", "--endpoint", endpoint))
        options = Options()
        options.parseOptions(["--workers", "auto"])
        self.assertTrue(1 <= options.workers <= 64)

    def test_tls(self) -> None:
        """C{gateway.tls} puts TLS in front of the configured ports, and tells the fingerprint; endpoints are left
        alone; a certificate that can not be used is one line."""
        gateway: dict[str, Any] = {"auth": {"token": SECRET}, "tls": {"enabled": True}}
        self.write({"gateway": gateway, "models": {"mode": "replace"}})
        self.make().privilegedStartService()
        self.assertEqual({type(factory) for _, factory, _, _ in self.reactor.tcpServers}, {TLSMemoryBIOFactory})
        self.assertIn("fingerprint sha256:", "".join(formatEvent(event) for event in self.observer))
        self.reactor = Reactor()
        self.make("--endpoint", "tcp:1:interface=127.0.0.1").privilegedStartService()
        self.assertNotEqual({type(factory) for _, factory, _, _ in self.reactor.tcpServers}, {TLSMemoryBIOFactory})
        for tls, key in [
            ({"certPath": "/nowhere", "keyPath": "/nowhere"}, "certPath"),
            ({"certPath": "/x"}, "keyPath"),
        ]:
            gateway["tls"] = {"enabled": True, **tls}
            self.write({"gateway": gateway})
            self.assertIn(f"gateway.tls.{key}", self.refused())

    def test_busy_port(self) -> None:
        """A busy port is one line and an exit, whichever start finds it."""
        self.reactor.busy = frozenset({"127.0.0.1"})
        for start in ("privilegedStartService", "startService"):
            error = self.assertRaises(SystemExit, getattr(self.make(), start))
            self.assertIn("18789", str(error.code))
            self.assertIn("in use", str(error.code))

    def test_busy_port_of_a_daemon(self) -> None:
        """The process that waits for its daemon is told of a busy port, else it waits for good; the PID file goes."""
        self.reactor.busy = frozenset({"127.0.0.1"})
        told, status = os.pipe()
        self.addCleanup(os.close, told)
        os.set_blocking(told, False)
        pidfile = self.directory / "twistd.pid"
        pidfile.write_text("1")
        runner: Any = UnixApplicationRunner({"statusPipe": status, "pidfile": str(pidfile)})  # type: ignore[no-untyped-call]
        runner.application = self.make()
        runner.startApplication = lambda application: application.privilegedStartService()
        self.assertRaises(SystemExit, runner.postApplication)
        self.assertIn("can not listen on tcp:18789", os.read(told, 100).decode("ascii"))
        self.assertFalse(pidfile.exists())

    def test_second_gateway(self) -> None:
        """A state directory that another gateway is at work on is one line and an exit, too; what one that was killed
        has left keeps nobody out."""
        first = Holding(self.directory, Logger())
        first.take()
        service = self.make()
        service.privilegedStartService()
        error = self.assertRaises(SystemExit, service.startService)
        who = f"another gateway, process {os.getpid()}, is at work on {self.directory}"
        self.assertEqual(error.code, f"openclaw: {who}; stop it, or use another state directory")
        first.release()
        (self.directory / FILE).write_text("1")
        service = self.make()
        service.startService()
        self.addCleanup(service.stopService)

    def test_no_ipv6(self) -> None:
        """Loopback without IPv6 is fine."""
        self.reactor.busy = frozenset({"::1"})
        self.make().privilegedStartService()
        self.assertEqual(self.listening(), [(18789, "127.0.0.1")])

    def test_bad_options(self) -> None:
        """Options that can not be are told as such."""
        for arguments in (["--port", "x"], ["--port", "70000"], ["--nope"]):
            self.assertRaises(usage.UsageError, Options().parseOptions, arguments)
        self.assertIn("--endpoint nope", self.refused("--endpoint", "nope"))

    def test_unreadable_configuration(self) -> None:
        """Broken syntax, unknown keys and a missing secret each give one line that names the place."""
        self.write("{gateway: {port: }")
        self.assertIn("line 1", self.refused())
        self.write({"gateway": {"auth": {"token": SECRET}, "prot": 1}})
        file = self.directory / "openclaw.json"
        self.assertIn(f"openclaw: {file}: gateway.prot: unknown key", self.refused())
        self.write({})
        self.assertIn("OPENCLAW_GATEWAY_TOKEN", self.refused())
        missing = self.refused("--config", str(self.directory / "missing.json"))
        self.assertIn("missing.json does not exist: gateway.auth.token: mode token needs a secret", missing)
        self.assertIn("can not look for /", self.refused("--state-dir", "/" + "x" * 300))

    def test_remote_mode(self) -> None:
        """A configuration for clients is not served."""
        self.write({"gateway": {"mode": "remote", "auth": {"token": SECRET}}})
        self.assertIn("gateway.mode", self.refused())

    def test_secrets_from_options(self) -> None:
        """--token and --password stand in for the configuration, and decide the mode."""
        self.write({"models": {"mode": "replace"}})
        self.make("--token", SECRET).privilegedStartService()
        self.make("--password", SECRET).privilegedStartService()
        self.make(OPENCLAW_GATEWAY_TOKEN=SECRET).privilegedStartService()
        self.assertIn("gateway.auth", self.refused())

    def test_no_authentication(self) -> None:
        """Mode none is for this machine only, also with endpoints."""
        self.write({"gateway": {"auth": {"mode": "none"}}, "models": {"mode": "replace"}})
        self.make("--endpoint", "tcp:1:interface=127.0.0.1").privilegedStartService()
        self.assertIn("loopback", self.refused("--endpoint", "tcp:1"))

    def test_what_is_logged(self) -> None:
        """The start says where it listens, which agents and models, whether the endpoint is on; never a secret."""
        service = self.make("--port", "4000")
        service.startService()
        text = "\n".join(event["log_format"].format(**event) for event in self.observer if event.get("log_format"))
        for word in ("listening on", "4000", "agents: main", "models: none", "chat completions endpoint: off"):
            self.assertIn(word, text)
        self.assertNotIn(SECRET, text)
        self.stop(service)

    def test_sigterm(self) -> None:
        """SIGTERM stops the reactor in the ordinary way; the handler is set only once the reactor runs."""
        keep_signals(self)
        before = signal.getsignal(signal.SIGTERM)
        self.make()
        self.assertIs(signal.getsignal(signal.SIGTERM), before)
        stopped: list[bool] = []
        self.reactor.stop = lambda: stopped.append(True)
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        self.addCleanup(gc.unfreeze)
        for hook, args, kwargs in self.reactor.whenRunningHooks:
            hook(*args, **kwargs)
        self.assertGreater(gc.get_freeze_count(), 0)
        os.kill(os.getpid(), signal.SIGTERM)
        self.reactor.from_threads.get(timeout=30)()
        self.assertEqual(stopped, [True])

    def test_edit(self) -> None:
        """An edit of the file reaches the running gateway; the command line's secret stays in force."""
        self.write({"models": {"mode": "replace"}})
        service = self.make("--token", SECRET)
        service.startService()
        gateway = service.getServiceNamed("gateway")
        self.assertFalse(gateway.settings().gateway.http.endpoints.chat_completions.enabled)
        self.write(
            {
                "gateway": {"http": {"endpoints": {"chatCompletions": {"enabled": True}}}},
                "models": {"mode": "replace"},
            }
        )
        for _ in range(30):
            self.reactor.advance(0.1)
        self.assertTrue(gateway.settings().gateway.http.endpoints.chat_completions.enabled)
        self.assertEqual(gateway.settings().gateway.auth.token, SECRET)
        self.stop(service)
