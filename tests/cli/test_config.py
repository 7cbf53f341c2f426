# -*- test-case-name: tests.cli.test_config -*-
"""C{openclaw-tx config} and C{openclaw-tx token}."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.main import main
from tests.cli.doubles import NO_SECRETS


class ConfigTestCase(SynchronousTestCase):
    """A home with a state directory."""

    def setUp(self) -> None:
        """An empty state directory."""
        self.home = Path(self.mktemp()).absolute()
        self.path = self.home / ".openclaw" / "openclaw.json"
        self.path.parent.mkdir(parents=True)

    def invoke(self, *arguments: str, **environment: str) -> Result:
        """Run the command line."""
        return CliRunner().invoke(main, arguments, env={**NO_SECRETS, "HOME": str(self.home), **environment})


class CheckTests(ConfigTestCase):
    """config check."""

    def test_fine(self) -> None:
        """A good file, JSON5 and all, with warnings on standard error."""
        self.path.write_text("{gateway: {auth: {mode: 'none'}}, channels: {telegram: {}}, }")
        result = self.invoke("config", "check")
        self.assertEqual((result.exit_code, result.stdout), (0, f"{self.path} is fine.\n"))
        self.assertIn("warning: ", result.stderr)
        self.assertIn("channels", result.stderr)

    def test_missing(self) -> None:
        """No file is no error."""
        result = self.invoke("config", "check")
        self.assertEqual(result.exit_code, 0)
        self.assertIn("openclaw-tx setup", result.stdout)

    def test_issues(self) -> None:
        """Every issue has a line with its path; the exit code is 1; no value of a secret is shown."""
        self.path.write_text('{"gateway": {"port": "x", "nope": 1, "auth": {"token": 123456}}}')
        result = self.invoke("config", "check")
        self.assertEqual((result.exit_code, result.stdout), (1, ""))
        for path in ("gateway.port", "gateway.nope", "gateway.auth.token"):
            self.assertIn(f"\n  {path}: ", result.stderr)
        self.assertNotIn("123456", result.stderr)

    def test_broken(self) -> None:
        """Broken JSON5, a directory, bytes that are no text: one clear message, no traceback."""
        self.path.write_text("{")
        self.assertEqual(self.invoke("config", "check").exit_code, 1)
        self.path.write_bytes(b"\xff\xfe")
        self.assertEqual(self.invoke("config", "check").exit_code, 1)
        self.path.unlink()
        self.path.mkdir()
        result = self.invoke("--config", str(self.path), "config", "check")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("Error: the configuration can not be used", result.stderr)
        self.assertNotIn("Traceback", result.output)


class PathTests(ConfigTestCase):
    """config path."""

    def test_places(self) -> None:
        """The default, the variable, the option; the file need not exist."""
        self.assertEqual(self.invoke("config", "path").stdout, f"{self.path}\n")
        self.assertEqual(self.invoke("config", "path", OPENCLAW_CONFIG_PATH="/x/y.json").stdout, "/x/y.json\n")
        self.assertEqual(self.invoke("--config", "/z.json", "config", "path").stdout, "/z.json\n")
        self.assertEqual(self.invoke("--state-dir", "/s", "config", "path").stdout, "/s/openclaw.json\n")

    def test_broken_file(self) -> None:
        """The path of a broken file is printed all the same: somebody wants to mend it."""
        self.path.write_text("{")
        self.assertEqual(self.invoke("config", "path").exit_code, 0)


class TokenTests(ConfigTestCase):
    """token."""

    def test_sources(self) -> None:
        """The secret in force: configured, else from the environment, of the mode in force."""
        self.assertEqual(self.invoke("token", OPENCLAW_GATEWAY_TOKEN="from-environment").stdout, "from-environment\n")
        self.path.write_text('{"gateway": {"auth": {"password": "a-password"}}}')
        self.assertEqual(self.invoke("token").stdout, "a-password\n")

    def test_none(self) -> None:
        """No secret: exit code 1, nothing on standard output, what to do."""
        result = self.invoke("token")
        self.assertEqual((result.exit_code, result.stdout), (1, ""))
        self.assertIn("openclaw-tx setup", result.stderr)
        self.path.write_text('{"gateway": {"auth": {"mode": "none"}}}')
        self.assertIn("there is no shared secret", self.invoke("token").stderr)
