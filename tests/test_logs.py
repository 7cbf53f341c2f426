# -*- test-case-name: tests.test_logs -*-
"""What the process writes of itself: how much, in which form, and never a secret."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec

from twisted.application.service import Application
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import (
    ILogObserver,
    Logger,
    LogLevel,
    LogPublisher,
    eventAsText,
    globalLogPublisher,
    jsonFileLogObserver,
    textFileLogObserver,
)
from twisted.python import usage
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.load import Loaded, from_mapping
from openclaw_tx.logs import HIDDEN, Sieve, json_line, json_observer, known_secrets
from openclaw_tx.service import Service
from openclaw_tx.tap import log_observer
from openclaw_tx.testing import MemoryGateway

TOKEN = "gateway-token-7f3a"
PROVIDER_KEY = "provider-key-91bd"
HEADER_KEY = "header-key-44c0-long"
ENVIRONMENT_KEY = "environment-key-0e5d"
URL_PASSWORD = "url-password-8812"
CONFIG: dict[str, Any] = {
    "gateway": {"auth": {"mode": "token", "token": TOKEN}},
    "models": {
        "mode": "replace",
        "providers": {
            "openai": {
                "baseUrl": "http://127.0.0.1:9/v1",
                "apiKey": PROVIDER_KEY,
                "headers": {"X-Tenant": HEADER_KEY, "X-Mode": "fast"},
                "models": [{"id": "m"}],
            }
        },
    },
    "tools": {"web": {"search": {"searxng": {"baseUrl": f"https://me:{URL_PASSWORD}@search"}}}},
}
SECRETS = (TOKEN, PROVIDER_KEY, HEADER_KEY, ENVIRONMENT_KEY, URL_PASSWORD)


def loaded(**changes: Any) -> Loaded:
    """The configuration with all those secrets."""
    return from_mapping({**CONFIG, **changes}, {"OTHER_API_KEY": ENVIRONMENT_KEY, "HOME": "/home/me"}, Path("/state"))


class SecretsTests(SynchronousTestCase):
    """L{known_secrets}."""

    def test_all_kinds(self) -> None:
        """Keys, tokens, long headers, variables, passwords in URLs; what is no secret stays out."""
        found = known_secrets(loaded())
        self.assertEqual(sorted(found), sorted(SECRETS))
        self.assertEqual(found, sorted(found, key=len, reverse=True))

    def test_scheme(self) -> None:
        """Of C{Bearer x}, C{x} is a secret by itself."""
        provider = {**CONFIG["models"]["providers"]["openai"], "headers": {"Authorization": "Bearer alone-aa11"}}
        found = known_secrets(loaded(models={"mode": "replace", "providers": {"openai": provider}}))
        self.assertIn("alone-aa11", found)

    def test_short_ones(self) -> None:
        """A placeholder for a server that wants any key is no secret; a short password of the gateway's own is."""
        providers = {name: {"baseUrl": "http://h/v1", "apiKey": name, "models": []} for name in ("ollama", "k")}
        config = {"models": {"providers": providers}, "gateway": {"auth": {"mode": "password", "password": "hunt2"}}}
        environment = {"VLLM_API_KEY": "none", "LONG_API_KEY": "long-one", "OPENCLAW_GATEWAY_TOKEN": "tok12"}
        found = known_secrets(from_mapping(config, environment, Path("/state")))
        self.assertEqual(found, ["long-one", *sorted(("hunt2", "tok12"), key=found.index)])


class SieveTests(SynchronousTestCase):
    """L{Sieve} before an observer."""

    def setUp(self) -> None:
        """A log that ends in a sieve."""
        self.loaded = loaded()
        self.seen = EventLoggingObserver()
        self.sieve = Sieve(self.seen, lambda: self.loaded)
        self.log = Logger("openclaw_tx.some.room", observer=self.sieve)

    def texts(self) -> list[str]:
        """What would be written."""
        return [eventAsText(event, includeTimestamp=False, includeSystem=False) for event in self.seen]

    def test_levels(self) -> None:
        """Each level lets through itself and what is worse; the next event goes by a changed one."""
        expected = {"trace": 5, "debug": 5, "info": 4, "warn": 3, "error": 2, "fatal": 1, "silent": 0}
        for level, count in expected.items():
            self.loaded = loaded(logging={"level": level})
            before = len(self.seen)
            for severity in LogLevel.iterconstants():
                self.log.emit(severity, "something")
            self.assertEqual(len(self.seen) - before, count, level)

    def test_level_is_for_our_events(self) -> None:
        """Twisted's lines are its own business, and so are those of a package that only begins like ours."""
        self.loaded = loaded(logging={"level": "silent"})
        for namespace in ("twisted.web", "openclaw_txx", ""):
            Logger(namespace or "x", observer=self.sieve).debug("heard")
        Logger("openclaw_tx", observer=self.sieve).critical("not heard")
        self.assertEqual(self.texts(), ["heard"] * 3)

    def test_untouched(self) -> None:
        """An event without secrets stays as it was, format and all."""
        self.log.info("{count} runs of {agent}", count=3, agent="main")
        event = self.seen[0]
        self.assertEqual((event["log_format"], event["count"], event["agent"]), ("{count} runs of {agent}", 3, "main"))

    def test_known_secrets(self) -> None:
        """In a value, in the format, inside an object: they are taken out, and so from the fields."""
        for secret in SECRETS:
            self.log.info("with {value}", value=f"<{secret}>")
            self.log.info(f"in the format {secret}")
            self.log.info("in an object {thing!r}", thing={"deep": [secret]})
        self.assertEqual([text for text in self.texts() if any(secret in text for secret in SECRETS)], [])
        self.assertEqual(self.texts()[:2], [f"with <{HIDDEN}>", f"in the format {HIDDEN}"])
        self.assertIn(f"'deep': ['{HIDDEN}']", self.texts()[2])
        self.assertEqual(self.seen[0]["value"], f"<{HIDDEN}>")

    def test_names(self) -> None:
        """What stands under the name of a secret is one, known or not; so is the value of an Authorization header."""
        self.log.info("{token} {api_key} {authorization}", token="unheard-of", api_key="one", authorization=["x y"])
        self.log.info("Authorization: Bearer unheard-of, basic dXNlcjpw")
        self.assertEqual(
            self.texts(),
            [f"{HIDDEN} {HIDDEN} {HIDDEN}", f"Authorization: Bearer {HIDDEN}, basic {HIDDEN}"],
        )

    def test_objects(self) -> None:
        """An object stays what it is, unless it shows a secret in one way or another."""

        class Shy:
            def __str__(self) -> str:
                return "shy"

            def __repr__(self) -> str:
                return f"<Shy {TOKEN}>"

        harmless = ["x"]
        self.log.info("of {thing} and {error}", thing=harmless, error=ValueError(f"refused {PROVIDER_KEY}"))
        self.log.info("of {thing!r}", thing=Shy())
        self.assertIs(self.seen[0]["thing"], harmless)
        self.assertEqual(self.seen[0]["error"], f"refused {HIDDEN}")
        self.assertEqual(self.texts(), [f"of ['x'] and refused {HIDDEN}", "of 'shy'"])

    def test_failures(self) -> None:
        """A traceback with a secret in it is written without; one without stays a failure, for whoever reads events."""
        for message in (f"refused {PROVIDER_KEY}", "refused"):
            try:
                raise ValueError(message)
            except ValueError:
                self.log.failure("it failed")
        first, second = self.texts()
        self.assertIn("it failed\n", first)
        self.assertIn(f"ValueError: refused {HIDDEN}", first)
        self.assertIn("Traceback", first)
        self.assertNotIn(PROVIDER_KEY, str(self.seen[0]))
        self.assertIsInstance(self.seen[1]["log_failure"], Failure)
        self.assertIn("builtins.ValueError: refused", second)

    def test_rotation(self) -> None:
        """After a change the new secret is the one to hide."""
        self.log.info("first-new-secret")
        self.loaded = loaded(gateway={"auth": {"mode": "token", "token": "first-new-secret"}})
        self.log.info("first-new-secret")
        self.assertEqual(self.texts(), ["first-new-secret", HIDDEN])

    def test_foreign_events(self) -> None:
        """A secret is one in anybody's line."""
        Logger("twisted.internet.defer", observer=self.sieve).error("Unhandled: {text}", text=TOKEN)
        self.assertEqual(self.texts(), [f"Unhandled: {HIDDEN}"])


class JsonTests(SynchronousTestCase):
    """L{json_line}."""

    def test_record(self) -> None:
        """One line: time, level, namespace, message, and the event's own fields as they are."""
        line = json_line(
            {
                "log_time": 1_700_000_000.25,
                "log_level": LogLevel.warn,
                "log_namespace": "openclaw_tx.runs.engine",
                "log_format": "run {run} took {ms} ms",
                "log_source": object(),
                "run": "r\n1",
                "ms": 12,
                "ok": True,
                "thing": Path("/x"),
                "message": (),
                "isError": 0,
            }
        )
        self.assertEqual(line.count("\n"), 1)
        self.assertEqual(
            json.loads(line),
            {
                "time": "2023-11-14T22:13:20.250Z",
                "level": "warn",
                "namespace": "openclaw_tx.runs.engine",
                "message": "run r\n1 took 12 ms",
                "run": "r\n1",
                "ms": 12,
                "ok": True,
                "thing": "/x",
            },
        )

    def test_failure(self) -> None:
        """Type, message and traceback."""
        seen = EventLoggingObserver()
        try:
            raise ValueError("it broke")
        except ValueError:
            Logger("x", observer=seen).failure("run {run} failed", run="r1")
        record = json.loads(json_line(seen[0]))
        self.assertEqual((record["level"], record["message"], record["run"]), ("fatal", "run r1 failed", "r1"))
        self.assertEqual((record["error"]["type"], record["error"]["message"]), ("ValueError", "it broke"))
        self.assertIn("Traceback", record["error"]["traceback"])

    def test_whatever_comes(self) -> None:
        """No event makes it fail, or write more than a line of bounded length."""

        class Broken:
            def __str__(self) -> str:
                raise ValueError("no")

        for event in (
            {},
            {"log_format": "{missing}"},
            {"log_format": "x", "value": Broken()},
            {"log_format": "{value}", "value": "\ud800\u2028\x00"},
            {"log_format": "{value}", "value": "x" * 1_000_000},
            {"log_level": None, "log_namespace": None, "log_time": None},
            {"log_format": "{value}", "value": float("nan"), "more": -float("inf"), "count": 10**5000},
        ):
            line = json_line(event)
            self.assertTrue(line.endswith("\n"))
            self.assertEqual(len(line.splitlines()), 1)
            self.assertLess(len(line), 40_000)
            self.assertTrue(line.isascii())
            msgspec.json.decode(line)  # as strict as readers of logs are, and what the chief reads workers' lines with


class RunnerTests(SynchronousTestCase):
    """L{log_observer}: where the sieve goes."""

    def setUp(self) -> None:
        """A configuration, and what is warned of."""
        self.loaded = loaded()
        self.warned = EventLoggingObserver()
        self.reactor: Any = None

    def observer(self, runner: Any) -> Any:
        """What twistd is given."""
        return log_observer(runner, lambda: self.loaded, self.reactor, Logger("openclaw_tx", observer=self.warned))

    def options(self, **values: Any) -> usage.Options:
        """Options of a runner."""
        options = usage.Options()
        options.update(values)
        return options

    def test_nobody(self) -> None:
        """Who makes the service in another way logs in another way."""
        self.assertIsNone(self.observer(None))

    def test_twistd_takes_it(self) -> None:
        """In the application it is where twistd looks for who writes the log; elsewhere it changes nothing."""
        observer = self.observer(self.options(nodaemon=True, logfile=None, logger=None))
        service = Service(lambda: None, observer)
        application: Any = Application("x")
        service.setServiceParent(application)
        self.assertIs(application.getComponent(ILogObserver), observer)
        plain: Any = Application("y")
        Service(lambda: None).setServiceParent(plain)
        self.assertIsNone(plain.getComponent(ILogObserver, None))

    def test_twistd_text_and_json(self) -> None:
        """On the console, as C{logging.consoleStyle} says."""
        for style, begin in (("pretty", ""), ("json", "{")):
            self.loaded = loaded(logging={"consoleStyle": style})
            stream = io.StringIO()
            self.patch(sys, "stdout", stream)
            observer = self.observer(self.options(nodaemon=True, logfile="-", logger=None))
            Logger("openclaw_tx", observer=observer).info("said {token}", token=TOKEN)
            self.assertIn(f"said {HIDDEN}", stream.getvalue())
            self.assertTrue(stream.getvalue().startswith(begin))
            self.assertEqual(stream.getvalue().count("\n"), 1)

    def test_twistd_file(self) -> None:
        """With --logfile, into that file; SIGUSR1 rotates it as ever."""

        class Reactor:
            def __init__(self) -> None:
                self.called: list[Any] = []

            def callFromThread(self, function: Any) -> None:
                self.called.append(function)

        self.reactor = Reactor()
        before = signal.getsignal(signal.SIGUSR1)
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        path = Path(self.mktemp()).absolute()
        observer = self.observer(self.options(logfile=str(path), logger=None))
        Logger("openclaw_tx", observer=observer).info("said {token}", token=TOKEN)
        self.assertIn(f"said {HIDDEN}", path.read_text())
        os.kill(os.getpid(), signal.SIGUSR1)
        self.reactor.called[0]()
        self.assertTrue(Path(f"{path}.1").exists())

    def test_other_loggers_of_twistd(self) -> None:
        """--logger and --syslog are left alone; what then is not in force is said once."""
        for name in ("logger", "syslog"):
            self.assertIsNone(self.observer(self.options(**{name: object(), "nodaemon": True})))
        self.assertEqual(len(self.warned), 0)
        self.loaded = loaded(logging={"consoleStyle": "json"})
        self.assertIsNone(self.observer(self.options(syslog=True)))
        self.assertEqual([event["log_level"] for event in self.warned], [LogLevel.warn])

    def test_twist(self) -> None:
        """twist takes who writes from its options, in its own formats or in ours."""
        for style, factory, begin in (
            ("pretty", textFileLogObserver, ""),
            ("pretty", jsonFileLogObserver, "\x1e{"),
            ("json", textFileLogObserver, "{"),
        ):
            self.loaded = loaded(logging={"consoleStyle": style})
            options = self.options(fileLogObserverFactory=factory)
            self.assertIsNone(self.observer(options))
            stream = io.StringIO()
            Logger("openclaw_tx", observer=options["fileLogObserverFactory"](stream)).info("said {token}", token=TOKEN)
            self.assertTrue(stream.getvalue().startswith(begin))
            self.assertIn(HIDDEN, stream.getvalue())
            self.assertNotIn(TOKEN, stream.getvalue())


class ConversationTests(SynchronousTestCase):
    """A whole conversation, with every secret there is, through every log."""

    def test_no_secret_is_logged(self) -> None:
        """Right and wrong secrets on both surfaces, a provider that fails with the key in its words, a programming
        error, the access log: no secret is in any event of our own words, even before the sieve, and none at all is
        written after it."""
        wrong, socket_secret = "wrong-secret-a1b2", "socket-secret-c3d4"
        memory = MemoryGateway(
            {
                "gateway": {"auth": {"token": TOKEN}},
                "logging": {"accessLog": True, "level": "trace"},
                "models": {"providers": CONFIG["models"]["providers"]},
            },
            environment={"OTHER_API_KEY": ENVIRONMENT_KEY},
        )
        raw, text, lines = EventLoggingObserver(), io.StringIO(), io.StringIO()
        settings = memory.gateway.settings
        publisher = LogPublisher(
            raw,
            Sieve(textFileLogObserver(text), lambda: settings.loaded),
            Sieve(json_observer(lines), lambda: settings.loaded),
        )
        globalLogPublisher.addObserver(publisher)
        self.addCleanup(globalLogPublisher.removeObserver, publisher)
        body = {"model": "openclaw", "messages": [{"role": "user", "content": "hi"}]}
        memory.model.say("pong")
        memory.post("/v1/chat/completions", body, token=TOKEN)
        memory.get(f"/v1/models?token={wrong}", token=wrong)
        memory.post("/v1/chat/completions", b"{", token=TOKEN)
        memory.model.fail("provider_auth", f"Incorrect API key provided: {PROVIDER_KEY}")
        memory.post("/v1/chat/completions", {**body, "stream": True}, token=TOKEN)
        memory.post("/v1/chat/completions", body, token=TOKEN, headers={"x-openclaw-model": "openai/m"})
        memory.advance(60, steps=60)
        socket = memory.websocket()
        self.assertRaises(AssertionError, socket.connect, token=socket_secret)
        memory.advance(10, steps=10)
        socket = memory.websocket()
        socket.connect(token=TOKEN)
        memory.model.say("pong")
        socket.request("agent", {"message": "hi", "idempotencyKey": "one"})
        socket.send("{")
        memory.post("/v1/chat/completions", body, token=TOKEN)
        memory.model.calls[-1].done.errback(ValueError(f"a bug that shows Bearer {PROVIDER_KEY}"))
        memory.flush()
        memory.gateway.reload({**memory.config, "logging": {"level": "debug"}})
        memory.close()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        everything = (*SECRETS[:4], wrong, socket_secret)
        for event in raw:
            shown = repr({key: value for key, value in event.items() if key not in ("log_logger", "log_source")})
            if "log_failure" not in event and "code" not in event:  # a bug's and a provider's own words
                self.assertEqual([secret for secret in everything if secret in shown], [], event.get("log_format"))
        for written in (text.getvalue(), lines.getvalue()):
            self.assertEqual([secret for secret in everything if secret in written], [])
            self.assertIn(f"a bug that shows Bearer {HIDDEN}", written)
        records = [json.loads(line) for line in lines.getvalue().splitlines()]
        access = [record for record in records if record.get("path") == "/v1/models"]
        self.assertEqual(
            [(record["method"], record["status"], record["ms"], bool(record["request"])) for record in access],
            [("GET", 401, 1000, True)],
        )
