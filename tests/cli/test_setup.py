# -*- test-case-name: tests.cli.test_setup -*-
"""The first configuration."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from click.testing import CliRunner, Result

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.methods import resolve_secret
from openclaw_tx.cli.main import main
from openclaw_tx.config.load import load
from tests.cli.doubles import NO_SECRETS


class SetupTests(SynchronousTestCase):
    """Running C{openclaw-tx setup} in an empty home."""

    def setUp(self) -> None:
        """An empty home."""
        self.home = Path(self.mktemp()).absolute()
        self.home.mkdir()
        self.path = self.home / ".openclaw" / "openclaw.json"

    def invoke(self, *arguments: str, stdin: str = "") -> Result:
        """Run the command line."""
        return CliRunner().invoke(main, arguments, input=stdin, env={**NO_SECRETS, "HOME": str(self.home)})

    def mode(self, path: Path) -> int:
        """Permission bits."""
        return stat.S_IMODE(path.stat().st_mode)

    def test_writes(self) -> None:
        """A configuration that loads: token mode, 43 characters of token, local mode, endpoint on, private."""
        result = self.invoke("setup", "--yes")
        self.assertEqual(result.exit_code, 0, result.output)
        loaded = load({"HOME": str(self.home)}, cwd=self.home)
        secret = resolve_secret(loaded.config, {})
        self.assertEqual((secret.mode, len(secret.token or "")), ("token", 43))
        self.assertEqual(loaded.config.gateway.mode, "local")
        self.assertTrue(loaded.config.gateway.http.endpoints.chat_completions.enabled)
        self.assertEqual((self.mode(self.path), self.mode(self.path.parent)), (0o600, 0o700))
        self.assertEqual(loaded.warnings, ())

    def test_private_in_spite_of_umask(self) -> None:
        """A generous umask opens nothing."""
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.invoke("setup", "--yes")
        self.assertEqual((self.mode(self.path), self.mode(self.path.parent)), (0o600, 0o700))

    def test_token_is_not_printed(self) -> None:
        """The token is in the file and nowhere else; each setup has its own; C{token} prints it."""
        result = self.invoke("setup", "--yes")
        token = json.loads(self.path.read_text())["gateway"]["auth"]["token"]
        self.assertNotIn(token, result.output)
        self.assertEqual(self.invoke("token").stdout, f"{token}\n")
        self.invoke("setup", "--yes", "--force")
        self.assertNotEqual(json.loads(self.path.read_text())["gateway"]["auth"]["token"], token)

    def test_next_steps(self) -> None:
        """What was written and the commands to go on with, the curl line among them."""
        output = self.invoke("setup", "--yes", "--port", "4000").stdout
        self.assertIn(f"Wrote {self.path}", output)
        for line in ("twistd -n openclaw\n", "http://127.0.0.1:4000/v1/chat/completions", "$(openclaw-tx token)"):
            self.assertIn(line, output)
        self.assertEqual(json.loads(self.path.read_text())["gateway"]["port"], 4000)

    def test_next_steps_elsewhere(self) -> None:
        """Options that led here are repeated in the commands."""
        file = self.home / "my dir" / "gw.json"
        output = self.invoke("--config", str(file), "setup", "--yes").stdout
        self.assertTrue(file.exists())
        self.assertIn(f"twistd -n openclaw --config '{file}'", output)
        self.assertIn(f"openclaw-tx --config '{file}' token", output)
        output = self.invoke("--profile", "work", "setup", "--yes").stdout
        self.assertTrue((self.home / ".openclaw-work" / "openclaw.json").exists())
        self.assertIn("OPENCLAW_PROFILE=work twistd -n openclaw", output)
        self.assertIn("openclaw-tx --profile work token", output)

    def test_asks(self) -> None:
        """Without --yes it asks; no, and no answer at all, write nothing."""
        for stdin in ("n\n", ""):
            result = self.invoke("setup", stdin=stdin)
            self.assertEqual(result.exit_code, 1)
            self.assertFalse(self.path.exists())
        self.assertEqual(self.invoke("setup", stdin="\n").exit_code, 0)
        self.assertTrue(self.path.exists())

    def test_does_not_overwrite(self) -> None:
        """What is there stays, even a broken link; the way out is named."""
        self.path.parent.mkdir()
        self.path.write_text("mine")
        result = self.invoke("setup", "--yes")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("--force", result.stderr)
        self.assertEqual(self.path.read_text(), "mine")
        self.path.unlink()
        self.path.symlink_to("nowhere")
        self.assertEqual(self.invoke("setup", "--yes").exit_code, 1)

    def test_force_keeps_the_old_file(self) -> None:
        """--force moves the old file aside, and never over an older backup."""
        self.path.parent.mkdir()
        for text in ("first", "second"):
            self.path.write_text(text)
            self.assertEqual(self.invoke("setup", "--yes", "--force").exit_code, 0)
        self.assertEqual(self.path.with_name("openclaw.json.bak").read_text(), "first")
        self.assertEqual(self.path.with_name("openclaw.json.bak.2").read_text(), "second")
        self.assertIn("token", self.path.read_text())

    def test_if_missing(self) -> None:
        """For scripts: an existing configuration is fine, a missing one is written."""
        self.assertEqual(self.invoke("setup", "--yes", "--if-missing").exit_code, 0)
        before = self.path.read_text()
        self.assertEqual(self.invoke("setup", "--yes", "--if-missing").exit_code, 0)
        self.assertEqual(self.path.read_text(), before)

    def test_directory_can_not_be_made(self) -> None:
        """A file where the directory should be: one line, no traceback."""
        self.path.parent.write_text("in the way")
        result = self.invoke("setup", "--yes")
        self.assertEqual(result.exit_code, 1)
        self.assertIn(str(self.path.parent), result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1)

    def test_bad_options(self) -> None:
        """A port out of range, a profile that is a path, no home."""
        self.assertEqual(self.invoke("setup", "--yes", "--port", "0").exit_code, 2)
        self.assertIn("profile", self.invoke("--profile", "../x", "setup", "--yes").stderr)
        result = CliRunner().invoke(main, ["setup", "--yes"], env={**NO_SECRETS, "HOME": ""})
        self.assertEqual(result.exit_code, 1)
        self.assertIn("HOME", result.stderr)
