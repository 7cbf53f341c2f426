"""What the tests of the configuration share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.startup import check_startup
from openclaw_tx.config.load import Loaded, load
from openclaw_tx.errors import ConfigError


class Home(SynchronousTestCase):
    """A home directory of its own for each test, with a state directory in it."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp()).absolute()
        self.state = self.home / ".openclaw"
        self.state.mkdir(parents=True)
        self.cwd = self.home / "cwd"
        self.cwd.mkdir()
        self.environ: dict[str, str] = {"HOME": str(self.home)}
        self.file = self.state / "openclaw.json"

    def write(self, text: str | bytes, name: str = "openclaw.json") -> Path:
        """Put a file into the state directory."""
        path = self.state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def load(self, text: str | None = None, **options: Any) -> Loaded:
        """Load, from C{text} if given."""
        if text is not None:
            self.write(text)
        return load(self.environ, cwd=self.cwd, **options)

    def load_to_serve(self, text: str | None = None) -> Loaded:
        """Load as whoever is about to listen does."""
        return self.load(text, check=check_startup)

    def issues(self, text: str, **options: Any) -> dict[str, str]:
        """Path -> message of everything that is wrong with C{text}."""
        error = self.assertRaises(ConfigError, self.load, text, **options)
        assert isinstance(error, ConfigError)
        return dict(error.issues)


def environment(**variables: str) -> Mapping[str, str]:
    """An environment of just these variables."""
    return variables
