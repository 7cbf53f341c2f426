# -*- test-case-name: tests.models.test_choices -*-
"""Which models may be used."""

from __future__ import annotations

from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.models.choices import Choices


def choices(**defaults: Any) -> Choices:
    """What C{agents.defaults} comes to."""
    agents = {"defaults": defaults, "list": [{"id": "main"}, {"id": "beta", "model": "own/primary"}]}
    return Choices(msgspec.convert({"agents": agents}, Config))


class AllowTests(SynchronousTestCase):
    """L{Choices.allows}."""

    def allowed(self, found: Choices, *refs: str) -> list[str]:
        """Those of the refs that may be used."""
        return [ref for ref in refs if found.allows(ref)]

    def test_everything(self) -> None:
        """Without a list all may."""
        self.assertTrue(choices().allows("any/thing"))

    def test_keys(self) -> None:
        """The keys of C{models}, and every primary."""
        found = choices(models={"A/x": {}}, model={"primary": "b/y", "fallbacks": ["c/z"]})
        self.assertEqual(self.allowed(found, "a/x", "b/y", "own/primary", "c/z"), ["a/x", "b/y", "own/primary"])

    def test_policy(self) -> None:
        """C{modelPolicy.allow} takes the place of the keys; C{*} is any characters, nothing else is special."""
        found = choices(
            models={"a/x": {"alias": "short"}, "q/q": {}},
            modelPolicy={"allow": ["OpenAI/gpt-4*", "*/qwen*:free", "Short", "b/[ab].c"]},
        )
        self.assertEqual(
            self.allowed(
                found,
                "openai/gpt-4o",
                "openai/gpt-4",
                "openai/gpt-3",
                "openrouter/qwen/qwen3:free",
                "openrouter/qwen3",
                "a/x",
                "b/[ab].c",
                "b/axc",
                "q/q",
                "own/primary",
            ),
            ["openai/gpt-4o", "openai/gpt-4", "openrouter/qwen/qwen3:free", "a/x", "b/[ab].c", "own/primary"],
        )
        self.assertTrue(choices(modelPolicy={"allow": ["*"]}).allows("any/thing"))

    def test_aliases(self) -> None:
        """Found in any case, shown as they are written."""
        found = choices(models={"Z.AI/glm": {"alias": "Glm"}})
        self.assertEqual((found.resolve(" gLM "), found.aliases), ("zai/glm", {"zai/glm": "Glm"}))
        self.assertEqual((found.resolve("A/B/c"), found.resolve("bare")), ("a/B/c", "bare"))

    def test_problems(self) -> None:
        """Odd parameters are told with their path."""
        found = choices(models={"a/x": {"params": {"zoom": 1}}})
        self.assertEqual(found.problems[0][0], "agents.defaults.models.a/x.params")
        self.assertEqual(found.params, {})
