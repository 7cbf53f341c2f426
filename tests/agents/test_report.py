# -*- test-case-name: tests.agents.test_report -*-
"""What the tools of a prompt come to."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.agents.prompt import Prompts
from openclaw_tx.agents.report import MAX_TOOLS, ToolSizes, report, size
from openclaw_tx.values import PromptTool, ToolSpec
from tests.agents.test_prompt import GIVEN


def tool(name: str, **properties: Any) -> ToolSpec:
    """A tool with these parameters."""
    return ToolSpec(name=name, description="Does.", parameters={"type": "object", "properties": properties})


class ToolSizeTests(SynchronousTestCase):
    """L{ToolSizes}."""

    def test_size(self) -> None:
        """Characters, not bytes, of description and schema, and the number of parameters."""
        self.assertEqual(
            size(tool("f", a={"description": "é"}, b={})),
            PromptTool(
                name="f",
                summary_chars=5,
                schema_chars=len('{"type":"object","properties":{"a":{"description":"é"},"b":{}}}'),
                properties=2,
            ),
        )
        odd = ToolSpec(name="f", description="", parameters={"properties": []})
        self.assertEqual(size(odd).properties, 0)

    def test_own_are_remembered(self) -> None:
        """An agent's own tools are measured once, a client's each time and not kept."""
        sizes, own, client = ToolSizes(), tool("own"), tool("client")
        first = sizes.of([own, client], [client])
        again = sizes.of([own, client], [client])
        self.assertEqual(first, again)
        self.assertIs(first[0], again[0])
        self.assertIsNot(first[1], again[1])

    def test_bounded(self) -> None:
        """However many tools come by, so many are kept; one that was used lately stays."""
        sizes, own = ToolSizes(), tool("own")
        (first,) = sizes.of([own], [])
        for number in range(MAX_TOOLS + 10):
            sizes.of([tool(f"t{number}")], [])
            self.assertIs(sizes.of([own], [])[0], first)
        self.assertEqual(len(sizes._known), MAX_TOOLS)


class ReportTests(SynchronousTestCase):
    """L{report}."""

    def test_totals(self) -> None:
        """Characters, the estimate of tokens, the share of the window."""
        prompt = Prompts().get(GIVEN, " Be brief. ")
        found = report(GIVEN, " Be brief. ", prompt, (size(tool("abc")),))
        self.assertEqual((found.chars, found.extra_chars), (len(prompt.text), len("Be brief.")))
        told = len(prompt.text) + len("abc") + len("Does.") + found.schema_chars
        self.assertEqual(found.tokens, (told + 3) // 4)
        self.assertAlmostEqual(found.share, found.tokens / 200_000)
        self.assertEqual(report(GIVEN._replace(context_window=0), "", prompt, ()).share, 0.0)
