# -*- test-case-name: tests.auth.test_configured -*-
"""The configuration of an embedded gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import openclaw_tx
from openclaw_tx.auth.configured import configured, load_config
from openclaw_tx.config.load import from_mapping
from openclaw_tx.errors import ConfigError

SETTINGS = {"gateway": {"auth": {"token": "a-secret"}}}


class LoadConfigTests(SynchronousTestCase):
    """L{openclaw_tx.load_config}."""

    def setUp(self) -> None:
        """A file."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.file = self.directory / "agents.json5"
        self.environ = {"HOME": str(self.directory), "SECRET": "a-secret"}

    def test_file(self) -> None:
        """It is read, with secrets of the environment, and the state goes where one says."""
        self.assertIs(openclaw_tx.load_config, load_config)
        self.file.write_text('{gateway: {auth: {token: "${SECRET}"}}}')
        loaded = load_config(self.environ, config=self.file, state_dir=self.directory / "state")
        self.assertEqual(loaded.config.gateway.auth.token, "a-secret")
        self.assertEqual(loaded.state_dir, self.directory / "state")

    def test_checked(self) -> None:
        """One that nobody could use is refused, as that of C{twistd openclaw} is."""
        self.file.write_text("{}")
        error = self.assertRaises(ConfigError, load_config, self.environ, config=str(self.file))
        self.assertIn("needs a secret", str(error))

    def test_path_first(self) -> None:
        """A path in the place of the environment is told as such."""
        wrong: Any = str(self.file)
        self.assertIn("config=", str(self.assertRaises(TypeError, load_config, wrong)))


class ConfiguredTests(SynchronousTestCase):
    """L{configured}."""

    def test_settings(self) -> None:
        """Settings go where one says, or to a fresh directory."""
        place = self.mktemp()
        self.assertEqual(configured(SETTINGS, None, None, lambda: place).state_dir, Path(place))
        self.assertEqual(configured(SETTINGS, "there", None, self.mktemp).state_dir, Path("there"))
        self.assertRaises(ConfigError, configured, None, None, None, self.mktemp)

    def test_loaded(self) -> None:
        """What was loaded has its directory; to name another one is a mistake that would be found too late."""
        loaded = from_mapping(SETTINGS, {}, Path("here"))
        for same in (None, "here", Path("here").absolute()):
            self.assertIs(configured(loaded, same, None, self.mktemp), loaded)
        error = self.assertRaises(ConfigError, configured, loaded, "there", None, self.mktemp)
        self.assertIn("loaded for here", str(error))
