# -*- test-case-name: tests.cli.test_models_status -*-
"""C{openclaw-tx models status}, C{aliases}, C{fallbacks}, and what C{list} knows of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.main import main
from tests.cli.doubles import NO_SECRETS
from tests.models.test_profiles import SECRET, file, key, token

CONFIG: dict[str, Any] = {
    "models": {
        "mode": "replace",
        "providers": {
            "openai": {"baseUrl": "https://h/v1", "models": [{"id": "big"}, {"id": "small"}, {"id": "odd"}]},
            "vllm": {"baseUrl": "http://h/v1", "models": [{"id": "q"}]},
        },
    },
    "agents": {
        "defaults": {
            "model": {"primary": "openai/big", "fallbacks": ["Short", "vllm/q"]},
            "imageModel": "openai/big",
            "models": {"openai/small": {"alias": "short"}, "vllm/q": {}},
        },
        "list": [{"id": "main"}, {"id": "beta", "model": {"primary": "vllm/q"}}],
    },
}


class StatusTests(SynchronousTestCase):
    """Commands over a configuration with two providers."""

    def setUp(self) -> None:
        """A home with it."""
        self.home = Path(self.mktemp()).absolute()
        self.state = self.home / ".openclaw"
        self.state.mkdir(parents=True)
        self.configure(CONFIG)

    def configure(self, config: dict[str, Any]) -> None:
        """Write it."""
        (self.state / "openclaw.json").write_text(json.dumps(config))

    def profiles(self, raw: bytes, mode: int = 0o600) -> None:
        """Write the default agent's profiles."""
        path = self.state / "agents" / "main" / "agent" / "auth-profiles.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
        path.chmod(mode)

    def invoke(self, *arguments: str, code: int = 0, **environment: str) -> Result:
        """Run C{models ...}; no secret is ever printed."""
        variables = {**NO_SECRETS, "OPENAI_API_KEY": None, "VLLM_API_KEY": None, "COLUMNS": "200"}
        result = CliRunner().invoke(
            main, ["models", *arguments], env={**variables, "HOME": str(self.home), **environment}
        )
        self.assertEqual(result.exit_code, code, result.output)
        self.assertNotIn(SECRET, result.output)
        return result

    def told(self, *arguments: str, **environment: str) -> Any:
        """Its JSON."""
        return json.loads(self.invoke(*arguments, "--json", **environment).stdout)

    def test_json(self) -> None:
        """Everything for programs."""
        found = self.told("status", OPENAI_API_KEY=SECRET)
        self.assertEqual(
            found,
            {
                "agent": "main",
                "defaultModel": "openai/big",
                "fallbacks": ["Short", "vllm/q"],
                "imageModel": "openai/big",
                "imageFallbacks": [],
                "aliases": {"short": "openai/small"},
                "allowed": ["openai/small", "vllm/q"],
                "auth": {
                    "providers": [
                        {"provider": "openai", "source": "env:OPENAI_API_KEY", "inUse": True},
                        {"provider": "vllm", "source": "none", "inUse": True},
                    ],
                    "problems": [],
                },
            },
        )
        self.assertEqual(self.told("status", "--agent", "beta")["defaultModel"], "vllm/q")

    def test_text(self) -> None:
        """Everything for people."""
        self.profiles(file(openai__work=key(), openai__web={"type": "oauth", "provider": "openai"}), 0o644)
        result = self.invoke("status")
        self.assertIn("model      openai/big   (agent main)", result.stdout)
        self.assertIn("* openai: profiles: openai:work (api_key, ok)", result.stdout)
        self.assertIn("* vllm: no key needed", result.stdout)
        self.assertIn("chmod 600", result.stderr)
        self.assertIn("openai:web (oauth is not used here)", result.stderr)
        self.assertEqual(self.invoke("status", "--plain").stdout, "openai/big\n")

    def test_check(self) -> None:
        """1 for what is missing or has expired, with the provider; the status is printed all the same."""
        result = self.invoke("status", "--check", code=1)
        self.assertIn("! openai: no key", result.stdout)
        self.assertIn("openai (no key)", result.stderr)
        self.invoke("status", "--check", "--agent", "beta", code=1)  # the model for images
        self.invoke("status", "--check", OPENAI_API_KEY=SECRET)
        self.profiles(file(a=key()))
        self.invoke("status", "--check")
        self.profiles(file(a=key(), b=token(expires=1000)))
        self.assertIn("openai (b expired)", self.invoke("status", "--check", code=1).stderr)

    def test_broken_profiles(self) -> None:
        """They are told, without what is in them."""
        self.profiles(f'{{"{SECRET}"'.encode())
        self.assertIn("auth-profiles.json: is not JSON", self.invoke("status").stderr)

    def test_unknown_agent(self) -> None:
        """It is refused by name."""
        self.assertIn("'gamma'", self.invoke("status", "--agent", "gamma", code=1).stderr)

    def test_aliases(self) -> None:
        """In three forms, and none at all."""
        self.assertEqual(self.invoke("aliases").stdout, "short -> openai/small\n")
        self.assertEqual(self.invoke("aliases", "--plain").stdout, "short openai/small\n")
        self.assertEqual(self.told("aliases"), {"aliases": {"short": "openai/small"}})
        self.configure({})
        self.assertEqual(self.invoke("aliases").stderr, "No aliases are configured.\n")

    def test_fallbacks(self) -> None:
        """In their order."""
        self.assertEqual(self.invoke("fallbacks").stdout, "1. Short\n2. vllm/q\n")
        self.assertEqual(self.invoke("fallbacks", "--plain").stdout, "Short\nvllm/q\n")
        self.assertEqual(self.told("fallbacks", "--agent", "beta"), {"fallbacks": []})
        self.assertEqual(self.invoke("fallbacks", "--agent", "beta").stderr, "No fallbacks are configured.\n")

    def test_list(self) -> None:
        """The default, fallbacks, aliases, what lacks a key, and with --all what may not be used."""
        rows = {row["ref"]: row for row in self.told("list", "--all")["models"]}
        self.assertEqual(
            {
                ref: (row["default"], row.get("fallback"), row.get("alias"), row.get("missing"))
                for ref, row in rows.items()
            },
            {
                "openai/big": (True, None, None, "no key (OPENAI_API_KEY)"),
                "openai/small": (False, 1, "short", "no key (OPENAI_API_KEY)"),
                "openai/odd": (False, None, None, "not allowed"),
                "vllm/q": (False, 2, None, None),
            },
        )
        self.assertEqual(self.invoke("list", "--plain", "--provider", "OpenAI").stdout, "openai/big\nopenai/small\n")
        self.profiles(file(a=key()))
        self.assertNotIn("missing", self.told("list")["models"][0])
        self.assertRegex(self.invoke("list").stdout, r"1\s+openai/small\s+small\s+200000\s+short")
