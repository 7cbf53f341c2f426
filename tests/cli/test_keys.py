# -*- test-case-name: tests.cli.test_keys -*-
"""C{openclaw-tx keys}."""

from __future__ import annotations

import json
from typing import Any

from openclaw_tx.auth.keys import hash_of
from openclaw_tx.config.load import load
from tests.cli.test_config import ConfigTestCase

FIRST = {"gateway": {"auth": {"mode": "token", "token": "the-owner"}}}


class NewTests(ConfigTestCase):
    """keys new."""

    def setUp(self) -> None:
        """A plain configuration."""
        super().setUp()
        self.path.write_text(json.dumps(FIRST))
        self.path.chmod(0o600)

    def written(self) -> list[dict[str, Any]]:
        """The keys in the file."""
        return list(json.loads(self.path.read_text())["gateway"]["auth"].get("keys", []))

    def test_printed(self) -> None:
        """The key alone is on standard output; the snippet holds its hash and not itself; the file is untouched."""
        result = self.invoke("keys", "new", "--label", "laptop", "--rpm", "60", "--agents", "main, beta")
        self.assertEqual(result.exit_code, 0, result.stderr)
        key = result.stdout.strip()
        self.assertRegex(key, r"^octx_[A-Za-z0-9_-]{43}$")
        self.assertNotIn(key, result.stderr)
        start, end = result.stderr.index("{"), result.stderr.rindex("}") + 1
        self.assertEqual(
            json.loads(result.stderr[start:end]),
            {"label": "laptop", "hash": hash_of(key), "agents": ["main", "beta"], "rpm": 60},
        )
        self.assertEqual(self.written(), [])
        self.assertNotEqual(key, self.invoke("keys", "new", "--label", "laptop").stdout.strip())

    def test_written(self) -> None:
        """With --write the file holds it, still loads, and keeps its access rights; the rest of it stays."""
        for label in ("one", "two"):
            result = self.invoke(
                "keys", "new", "--label", label, "--write", "--expires", "2099-01-01", "--scopes", "operator.read"
            )
            self.assertEqual(result.exit_code, 0, result.stderr)
            self.assertEqual(self.written()[-1]["hash"], hash_of(result.stdout.strip()))
        self.assertEqual([key["label"] for key in self.written()], ["one", "two"])
        self.assertEqual(json.loads(self.path.read_text())["gateway"]["auth"]["token"], "the-owner")
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(
            sorted(path.name for path in self.path.parent.iterdir()), ["openclaw.json", "openclaw.json.bak"]
        )
        loaded = load({"HOME": str(self.home)}, cwd=self.home)
        self.assertEqual(loaded.config.gateway.auth.keys[1].scopes, ["operator.read"])

    def test_refused(self) -> None:
        """What could not be used is not made: no key on standard output, nothing written, exit code 1."""
        self.invoke("keys", "new", "--label", "taken", "--write")
        before = self.path.read_text()
        for options, words in (
            (["--label", "taken"], "another key"),
            (["--label", "Not A Name"], "no such key"),
            (["--label", "cron"], "choose another"),
            (["--label", "openai-user"], "choose another"),
            (["--label", "x", "--scopes", "operator.root"], "operator.root"),
            (["--label", "x", "--agents", "No Agent"], "no such key"),
            (["--label", "x", "--expires", "soon"], "ISO 8601"),
            (["--label", "x", "--session-prefix", "agent:beta:"], "sessionPrefix"),
        ):
            result = self.invoke("keys", "new", "--write", *options)
            self.assertEqual((result.exit_code, result.stdout), (1, ""), options)
            self.assertIn(words, result.stderr, options)
        self.assertEqual(self.path.read_text(), before)
        self.assertEqual(self.invoke("keys", "new", "--label", "x", "--rpm", "0").exit_code, 2)

    def test_files_kept(self) -> None:
        """Comments and includes stay; where there is no file, none is made."""
        for text in ("{gateway: {auth: {token: 'the-owner'}}} // mine", '{"$include": "other.json"} // mine'):
            self.path.write_text(text)
            (self.path.parent / "other.json").write_text(json.dumps(FIRST))
            result = self.invoke("keys", "new", "--label", "x", "--write")
            self.assertEqual(result.exit_code, 0, result.stderr)
            self.assertIn("// mine", self.path.read_text())
            self.assertIn('"label": "x"', self.path.read_text())
        self.path.unlink()
        result = self.invoke("keys", "new", "--label", "x", "--write", OPENCLAW_GATEWAY_TOKEN="t")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("setup", result.stderr)

    def test_mode_without_keys(self) -> None:
        """Where nobody is asked for a secret, a key would restrict nobody."""
        self.path.write_text('{"gateway": {"auth": {"mode": "none"}}}')
        result = self.invoke("keys", "new", "--label", "x")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("gateway.auth.keys", result.stderr)


class ListTests(ConfigTestCase):
    """keys list."""

    def test_none(self) -> None:
        """No keys: a hint, and an empty list as JSON."""
        result = self.invoke("keys", "list")
        self.assertEqual((result.exit_code, result.stdout), (0, ""))
        self.assertIn("keys new", result.stderr)
        self.assertEqual(json.loads(self.invoke("keys", "list", "--json").stdout), {"keys": []})

    def test_some(self) -> None:
        """Label, rights and limits; what expired is marked; no hash."""
        self.path.write_text(json.dumps(FIRST))
        self.invoke("keys", "new", "--label", "old", "--write", "--expires", "2001-01-01", "--tpm", "9")
        self.invoke("keys", "new", "--label", "admin", "--write", "--scopes", "operator.admin")
        listed = json.loads(self.invoke("keys", "list", "--json").stdout)["keys"]
        self.assertEqual([row["label"] for row in listed], ["old", "admin"])
        self.assertEqual([row["expired"] for row in listed], [True, False])
        self.assertEqual([row["sessionPrefix"] for row in listed], ["old:", ""])
        self.assertEqual(listed[0]["limits"], {"tpm": 9})
        table = self.invoke("keys", "list", COLUMNS="200").stdout
        for text in ("old", "2001-01-01 (expired)", "tpm 9", "operator.admin", "never", "old:*"):
            self.assertIn(text, table)
        self.assertNotIn("sha256", table)
