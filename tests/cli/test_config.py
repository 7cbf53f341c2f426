# -*- test-case-name: tests.cli.test_config -*-
"""C{openclaw-tx config} and C{openclaw-tx token}."""

from __future__ import annotations

import json
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


FILE = """\
{
  // who may use it
  gateway: { auth: { mode: "token", token: "a-secret-of-mine" }, port: 18789 },
  agents: { list: [{ id: "main" }, { id: "beta", name: "B" }] },
}
"""


class EditTests(ConfigTestCase):
    """config get, set, unset, file, validate and schema."""

    def setUp(self) -> None:
        """A file with a comment."""
        super().setUp()
        self.path.write_text(FILE)

    def said(self) -> str:
        """What the file says."""
        return self.path.read_text("utf-8")

    def test_get(self) -> None:
        """Scalars as they are, the rest as JSON; no secrets; what is not set is exit code 1."""
        for path, expected in {
            "gateway.port": "18789\n",
            "gateway.auth.mode": "token\n",
            "gateway.auth.token": "__OPENCLAW_REDACTED__\n",
            "agents.list[1].name": "B\n",
            'agents["list"][0]': '{\n  "id": "main"\n}\n',
        }.items():
            result = self.invoke("config", "get", path)
            self.assertEqual((result.exit_code, result.stdout), (0, expected))
        self.assertEqual(self.invoke("config", "get", "gateway.auth.mode", "--json").stdout, '"token"\n')
        self.assertEqual(self.invoke("config", "get", "gateway.bind").exit_code, 1)
        self.assertEqual(self.invoke("config", "get", "agents.list[7]").exit_code, 1)
        self.assertEqual(self.invoke("config", "get", "..").exit_code, 1)

    def test_set(self) -> None:
        """JSON5 where it is some, else a text; comments stay, the old file is beside it."""
        result = self.invoke("config", "set", "gateway.port", "19000")
        self.assertEqual((result.exit_code, result.stdout), (0, ""))
        self.assertIn("starts again", result.stderr)
        self.assertEqual(self.said(), FILE.replace("18789", "19000"))
        self.assertEqual(self.path.with_name("openclaw.json.bak").read_text(), FILE)
        self.invoke("config", "set", "agents.list[1].name", "Beta the second")
        self.invoke("config", "set", "agents.defaults.model", "{primary: 'a/b', fallbacks: ['c/d']}")
        self.assertEqual(self.invoke("config", "get", "agents.list[1].name").stdout, "Beta the second\n")
        self.assertEqual(self.invoke("config", "get", "agents.defaults.model.fallbacks[0]").stdout, "c/d\n")
        self.assertIn("// who may use it", self.said())

    def test_set_checks(self) -> None:
        """The whole file is checked before it is written; a marker is no secret."""
        for path, value in {
            "gateway.port": "x",
            "gateway.nope": "1",
            "agents.list[9].id": "x",
            "gateway.port.x": "1",
            "env.vars.A": "__OPENCLAW_REDACTED__",
        }.items():
            result = self.invoke("config", "set", path, value)
            self.assertEqual((result.exit_code, result.stdout), (1, ""), path)
        self.assertEqual(self.invoke("config", "set", "agents.list[0].name", "a b", "--strict-json").exit_code, 1)
        self.assertEqual(self.said(), FILE)

    def test_dry_run(self) -> None:
        """Nothing is written."""
        self.assertIn("could be", self.invoke("config", "set", "gateway.port", "1", "--dry-run").stderr)
        self.assertEqual(self.invoke("config", "set", "gateway.port", "x", "--dry-run").exit_code, 1)
        self.assertEqual(self.said(), FILE)

    def test_first(self) -> None:
        """A file that is not there is made, for its owner only."""
        self.path.unlink()
        self.assertEqual(self.invoke("config", "set", "gateway.port", "1").exit_code, 0)
        self.assertEqual(self.said(), '{\n  "gateway": {\n    "port": 1\n  }\n}\n')
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    def test_link(self) -> None:
        """A link stays one; what it leads to is written."""
        real = self.home / "real.json"
        self.path.rename(real)
        self.path.symlink_to(real)
        self.invoke("config", "set", "gateway.port", "1")
        self.assertTrue(self.path.is_symlink())
        self.assertIn("port: 1 ", real.read_text())

    def test_unset(self) -> None:
        """A key, an item."""
        self.assertEqual(self.invoke("config", "unset", "gateway.port").exit_code, 0)
        self.assertEqual(self.invoke("config", "unset", "agents.list[1]").exit_code, 0)
        self.assertEqual(self.invoke("config", "get", "agents.list").stdout, '[\n  {\n    "id": "main"\n  }\n]\n')
        again = self.invoke("config", "unset", "gateway.port")
        self.assertEqual(again.exit_code, 1)
        self.assertIn("gateway.port is not set in ", again.output)
        self.assertIn("// who may use it", self.said())

    def test_file(self) -> None:
        """Where it is."""
        self.assertEqual(self.invoke("config", "file").stdout, f"{self.path}\n")

    def test_validate(self) -> None:
        """For programs, too."""
        result = self.invoke("config", "validate", "--json")
        self.assertEqual((result.exit_code, json.loads(result.stdout)["valid"]), (0, True))
        self.path.write_text('{gateway: {port: "x"}}')
        result = self.invoke("config", "validate", "--json")
        self.assertEqual(result.exit_code, 1)
        self.assertEqual(json.loads(result.stdout)["issues"][0]["path"], "gateway.port")

    def test_schema(self) -> None:
        """JSON Schema."""
        found = json.loads(self.invoke("config", "schema").stdout)
        self.assertEqual(found["properties"]["gateway"]["properties"]["port"]["type"], "integer")
