# -*- test-case-name: tests.config.test_settings -*-
"""L{openclaw_tx.config.settings}."""

from __future__ import annotations

from twisted.logger import Logger

from openclaw_tx.config.reload import ReloadPlan
from openclaw_tx.config.schema import Config
from openclaw_tx.config.settings import Settings
from openclaw_tx.errors import ConfigError
from tests.config.support import Home


class SettingsTests(Home):
    """L{Settings}."""

    def setUp(self) -> None:
        super().setUp()
        self.events: list[dict[str, object]] = []
        self.settings = Settings(self.load("{}"), Logger(observer=self.events.append))
        self.heard: list[tuple[Config, Config, ReloadPlan]] = []

    def hear(self, old: Config, new: Config, changes: ReloadPlan) -> None:
        """A listener."""
        self.heard.append((old, new, changes))

    def test_of_the_moment(self) -> None:
        """What it shows is the last configuration, by every name it has."""
        self.assertIs(self.settings(), self.settings.current)
        self.assertEqual(self.settings.state_dir, self.state)
        self.environ["X"] = "1"
        self.settings.replace(self.load("{agents: {list: [{id: 'a'}]}}"))
        self.assertEqual(self.settings().agents.entries[0].id, "a")
        self.assertEqual(self.settings.environment["X"], "1")
        self.assertIs(self.settings.loaded.config, self.settings.current)

    def test_listeners(self) -> None:
        """They hear old, new and difference when all is in place, in order, until they unsubscribe."""
        seen = []
        stop = self.settings.subscribe(self.hear)
        self.settings.subscribe(lambda old, new, changes: seen.append(self.settings.current is new))
        before = self.settings.current
        changes = self.settings.replace(self.load("{tools: {deny: ['x']}}"))
        self.assertEqual(self.heard, [(before, self.settings.current, changes)])
        self.assertEqual(seen, [True])
        stop()
        stop()
        self.settings.replace(self.load("{}"))
        self.assertEqual((len(self.heard), len(seen)), (1, 2))

    def test_unsubscribe_while_told(self) -> None:
        """A listener may leave from within."""
        stops = [self.settings.subscribe(lambda *_: stops[0]())]
        self.settings.subscribe(self.hear)
        self.settings.replace(self.load("{tools: {deny: ['x']}}"))
        self.assertEqual(len(self.heard), 1)

    def test_nothing_new(self) -> None:
        """Nobody is bothered when nothing takes effect."""
        self.settings.subscribe(self.hear)
        self.assertEqual(self.settings.replace(self.load("{ /* other bytes */ }")).changed, ())
        self.assertEqual(self.settings.replace(self.load("{gateway: {port: 5}}")).restart, ("gateway.port",))
        self.assertEqual(self.heard, [])

    def test_variable_changed(self) -> None:
        """A secret that changed in the environment alone is a change."""
        self.settings.subscribe(self.hear)
        (self.state / ".env").write_text("OPENCLAW_GATEWAY_TOKEN=new\n")
        self.assertEqual(self.settings.replace(self.load()).hot, ("env.OPENCLAW_GATEWAY_TOKEN",))
        self.assertEqual(len(self.heard), 1)

    def test_restart_is_held_back(self) -> None:
        """The running gateway keeps its port, and the need of a restart is told again each time until it is gone."""
        text = "{gateway: {port: 5, auth: {token: '%s'}}}"
        for token in ("a-token", "b-token"):
            self.assertEqual(self.settings.replace(self.load(text % token)).restart, ("gateway.port",))
            self.assertEqual((self.settings().gateway.port, self.settings().gateway.auth.token), (18789, token))
        self.assertEqual(self.settings.replace(self.load("{}")).restart, ())

    def test_unsafe_remainder(self) -> None:
        """Dropping the secret and the public bind in one edit must not leave the public bind without a secret."""
        settings = Settings(self.load_to_serve("{gateway: {bind: 'lan', auth: {token: 'a-token'}}}"))
        settings.subscribe(self.hear)
        loaded = self.load_to_serve("{gateway: {bind: 'loopback', auth: {mode: 'none'}}}")
        error = self.assertRaises(ConfigError, settings.replace, loaded)
        self.assertIn("needs a restart", str(error))
        self.assertEqual((settings().gateway.bind, settings().gateway.auth.token), ("lan", "a-token"))
        self.assertEqual(self.heard, [])

    def test_failing_listener(self) -> None:
        """One that fails is logged and keeps nobody else from hearing."""

        def broken(old: Config, new: Config, changes: ReloadPlan) -> None:
            raise RuntimeError("oops")

        self.settings.subscribe(broken)
        self.settings.subscribe(self.hear)
        self.settings.replace(self.load("{tools: {deny: ['x']}}"))
        self.assertEqual(len(self.heard), 1)
        self.assertEqual([str(event["log_failure"].value) for event in self.events], ["oops"])  # type: ignore[attr-defined]
