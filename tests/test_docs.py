# -*- test-case-name: tests.test_docs -*-
"""The code in the documentation runs."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path
from typing import Any

from twisted.application.service import IServiceCollection
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from openclaw_tx import Gateway
from openclaw_tx.config import json5
from openclaw_tx.config.load import from_mapping
from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.ids import new_uuid
from openclaw_tx.sessions.lifecycle import inline_parts
from openclaw_tx.testing import MemoryGateway, ScriptedModel

DOCS = Path(__file__).parent.parent / "docs"


def blocks(page: str) -> list[str]:
    """The Python blocks of a page."""
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)


class ReadmeTests(SynchronousTestCase):
    """README.md."""

    def test_configuration(self) -> None:
        """The configuration it shows is one, and does what it says."""
        text = (DOCS.parent / "README.md").read_text("utf-8")
        (block,) = re.findall(r"```json5\n(.*?)```", text, re.DOTALL)
        config = from_mapping(json5.loads(block), {}, Path(self.mktemp())).config
        self.assertEqual(config.agents.defaults.model, "ollama/qwen3")
        self.assertEqual([agent.id for agent in config.agents.entries], ["main", "beta"])

    def test_links(self) -> None:
        """What it points to is there, and so is what the pages point to."""
        for page in (DOCS.parent / "README.md", DOCS.parent / "SECURITY.md", *DOCS.glob("*.md")):
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
                self.assertTrue((page.parent / target).exists(), f"{page.name}: {target}")


class TestingPageTests(SynchronousTestCase):
    """docs/testing.md."""

    def test_cases_pass(self) -> None:
        """Every test shown on the page passes."""
        namespace: dict[str, Any] = {}
        for block in blocks("testing.md"):
            exec(block, namespace)
        cases = [
            value
            for value in namespace.values()
            if isinstance(value, type) and issubclass(value, SynchronousTestCase) and value is not SynchronousTestCase
        ]
        ran = 0
        for case in cases:
            for name in dir(case):
                if name.startswith("test_"):
                    result = case(name).defaultTestResult()
                    case(name).run(result)
                    self.assertEqual([text for _, text in (*result.errors, *result.failures)], [])
                    ran += 1
        self.assertEqual(ran, 8)


class ChannelsPageTests(SynchronousTestCase):
    """docs/channels.md."""

    def test_configurations(self) -> None:
        """What it shows is a configuration, each on its own."""
        text = (DOCS / "channels.md").read_text("utf-8")
        shown = re.findall(r"```json5\n(.*?)```", text, re.DOTALL)
        self.assertEqual(len(shown), 2)
        environment = {"SUPPORT_SECRET": "a-secret-for-webhooks"}
        base = {"agents": {"list": [{"id": "main"}, {"id": "ops"}, {"id": "beta"}]}}
        for block in shown:
            loaded = from_mapping({**base, **json5.loads(block)}, environment, Path(self.mktemp()))
            self.assertEqual(loaded.warnings, ())

    def test_channel(self) -> None:
        """The channel of one's own works in a gateway, both ways."""
        namespace: dict[str, Any] = {"print": lambda text: said.append(text)}
        said: list[str] = []
        (block,) = blocks("channels.md")
        exec(block, namespace)
        console = namespace["Console"]()
        memory = MemoryGateway(channels=[console])
        self.addCleanup(memory.close)
        memory.model.say("Hi.")
        self.successResultOf(Deferred.fromCoroutine(console.heard(1, "Hello.")))
        memory.advance(1)
        self.assertEqual(said, ["Hi."])


class EmbeddingPageTests(TestCase):
    """docs/embedding.md."""

    def setUp(self) -> None:
        """Run the page's blocks in a directory of their own."""
        directory = self.mktemp()
        os.makedirs(directory)
        before = os.getcwd()
        os.chdir(directory)
        self.addCleanup(os.chdir, before)
        self.page: dict[str, Any] = {}
        for block in blocks("embedding.md"):
            exec(block, self.page)

    def test_application(self) -> None:
        """The gateway is a service of the application, its tree is mounted, and building it opened nothing."""
        self.assertIn(self.page["gateway"], list(IServiceCollection(self.page["application"])))
        self.assertIs(self.page["root"].children[b"agents"], self.page["gateway"].resource())
        self.assertEqual(self.page["gateway"].agents()[0].id, "support")
        self.assertEqual(reactor.getReaders(), [found for found in reactor.getReaders() if "Port" not in repr(found)])  # type: ignore[attr-defined]

    def test_running_and_watching(self) -> None:
        """C{run_agent}'s Deferred fires with the result; a subscriber sees the text."""
        printed: list[Any] = []
        self.page["print"] = lambda *values: printed.append(values)
        memory = MemoryGateway({"agents": {"list": [{"id": "support"}]}})
        self.addCleanup(memory.close)
        memory.model.say("Hello!")
        stop = self.page["watch"](memory.gateway)
        self.successResultOf(self.page["greet"](memory.gateway))
        stop()
        self.assertEqual([values[-1] for values in printed[:1]], ["Hello!"])
        self.assertEqual(printed[-1][:2], ("ok", "Hello!"))

    def test_tool(self) -> None:
        """A tool of one's own is offered to the model, called, and its result read."""
        model = ScriptedModel()
        memory = MemoryGateway(model=model, tools=[self.page["StockLevel"]()])
        self.addCleanup(memory.close)
        model.call_tool("stock_level", {"article": "bolt"})
        model.say("Three.")
        self.successResultOf(memory.gateway.run_agent("How many bolts?"))
        self.assertIn("stock_level", [tool.name for tool in model.requests[0].tools])
        self.assertEqual(model.requests[1].messages[-1].text, "bolt: 3 in stock")

    def test_model(self) -> None:
        """The model of one's own answers, with what was said."""
        clock = MemoryReactorClock()
        self.page["Gateway"] = partial(
            Gateway, store=inline_parts(clock.seconds, new_uuid), in_thread=in_reactor_thread
        )
        gateway = self.page["with_a_parrot"](clock, self.mktemp())
        gateway.startService()
        result = self.successResultOf(gateway.run_agent("Polly wants a cracker."))
        self.assertEqual(result.text.split(), ["Polly", "wants", "a", "cracker."])
        self.successResultOf(gateway.stopService())


class McpPageTests(SynchronousTestCase):
    """docs/mcp.md."""

    def test_configuration(self) -> None:
        """The configuration it shows is one, of a program and an address."""
        (block,) = re.findall(r"```json5\n(.*?)```", (DOCS / "mcp.md").read_text("utf-8"), re.DOTALL)
        servers = from_mapping(json5.loads(block), {"TRACKER_TOKEN": "t"}, Path(self.mktemp())).config.mcp.servers
        self.assertEqual(servers["files"].command, "npx")
        self.assertEqual(servers["tracker"].headers, {"Authorization": "Bearer t"})
