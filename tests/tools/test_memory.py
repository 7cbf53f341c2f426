# -*- test-case-name: tests.tools.test_memory -*-
"""The memory tools, alone and in a gateway."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import ConcurrentTool, ConditionalTool, Embedder
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.tools.builtin.memory_get import MAX_CHARS, MemoryGet
from openclaw_tx.tools.builtin.memory_search import MemorySearchTool
from openclaw_tx.tools.memory import EMBED_AT_ONCE, EMBED_MOST, Memory
from openclaw_tx.tools.schema import decode_arguments
from openclaw_tx.values import Embeddings, ToolResult, Usage
from tests.tools.doubles import Context, result_of

AXES = ("cat", "pet", "port", "tax")


class AxisEmbedder:
    """Embeds a text as how often it holds each of a few words; a cat is a pet as well.

    @ivar batches: texts of each call.
    @ivar failures: errors to raise, one a call; None = none.
    """

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.agents: list[str] = []
        self.failures: list[GatewayError | None] = []
        self.model = "m"

    async def embed(
        self, texts: Sequence[str], dimensions: int | None = None, *, agent_id: str = "", model: str = ""
    ) -> Embeddings:
        """See L{openclaw_tx.interfaces.Embedder.embed}."""
        self.batches.append(list(texts))
        self.agents.append(agent_id)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        vectors = tuple(self._vector(text.lower()) for text in texts)
        return Embeddings(vectors=vectors, usage=Usage(), provider="p", model=self.model)

    def _vector(self, text: str) -> tuple[float, ...]:
        counts = [float(text.count(word)) for word in AXES]
        counts[1] += counts[0]
        return (*counts, 0.01)


class MemoryCase(SynchronousTestCase):
    """Tools over a workspace."""

    def setUp(self) -> None:
        """An empty one."""
        base = Path(self.mktemp()).resolve()
        self.workspace, self.state = base / "workspace", base / "state"
        self.config = Config()
        self.embedder = AxisEmbedder()
        seam: Embedder = self.embedder
        memory = Memory(lambda: self.config, seam, in_reactor_thread, self.state, dict)
        self.search_tool, self.get_tool = MemorySearchTool(memory), MemoryGet(memory)
        self.context: Any = Context()
        self.context.agent = msgspec.structs.replace(self.context.agent, workspace=str(self.workspace))

    def configure(self, own: dict[str, Any] | None = None, **shared: Any) -> None:
        """Set C{memorySearch} of the defaults, and of the agent."""
        agents = {"defaults": {"memorySearch": shared}, "list": [{"id": "main", "memorySearch": own or {}}]}
        self.config = msgspec.convert({"agents": agents}, Config)

    def write(self, name: str, text: str) -> None:
        """A file in the workspace."""
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def call(self, tool: Any, **arguments: Any) -> ToolResult:
        """Call a tool as a model does."""
        return result_of(self, tool.call(decode_arguments(tool, json.dumps(arguments)), self.context))

    def search(self, query: str, **arguments: Any) -> dict[str, Any]:
        """What a search tells the model."""
        result = self.call(self.search_tool, query=query, **arguments)
        self.assertFalse(result.is_error, result.text)
        self.assertEqual(json.loads(result.text), result.details)
        found: dict[str, Any] = result.details
        return found

    def paths(self, query: str, **arguments: Any) -> list[str]:
        """Paths of what is found, best first."""
        return [found["path"] for found in self.search(query, **arguments)["results"]]


class SearchTests(MemoryCase):
    """C{memory_search} by words."""

    def test_result(self) -> None:
        """Where, how good, and what it says; nothing else without need."""
        self.write("memory/2026-01-01.md", "# New Year\n\nThe gateway port is 18789.\n")
        self.assertEqual(
            self.search("which port has the gateway"),
            {
                "results": [
                    {
                        "path": "memory/2026-01-01.md",
                        "startLine": 1,
                        "endLine": 4,
                        "score": self.search("which port has the gateway")["results"][0]["score"],
                        "snippet": "# New Year\n\nThe gateway port is 18789.\n",
                        "source": "memory",
                    }
                ]
            },
        )
        self.assertEqual(self.embedder.batches, [])

    def test_nothing(self) -> None:
        """No memory, or nothing in it, is no error."""
        self.assertEqual(self.search("x"), {"results": []})
        self.write("MEMORY.md", "y")
        self.assertEqual(self.search("x"), {"results": []})

    def test_follows_the_files(self) -> None:
        """What was written a moment ago is found, what was taken out is not."""
        self.write("MEMORY.md", "The cat is called Mia.")
        self.assertEqual(self.paths("Mia"), ["MEMORY.md"])
        self.write("MEMORY.md", "The cat is called Tom.")
        self.assertEqual((self.paths("Mia"), self.paths("Tom")), ([], ["MEMORY.md"]))
        (self.workspace / "MEMORY.md").unlink()
        self.assertEqual(self.paths("Tom"), [])

    def test_numbers(self) -> None:
        """So many results, so good: as asked, else as configured, for the agent before the defaults."""
        for number in range(9):
            self.write(f"memory/{number}.md", "alpha " + "beta " * number)
        self.assertEqual(len(self.paths("alpha")), 6)
        self.assertEqual(len(self.paths("alpha", maxResults=2)), 2)
        self.configure(query={"maxResults": 4})
        self.assertEqual(len(self.paths("alpha")), 4)
        self.configure({"query": {"maxResults": 3, "minScore": 0.99}})
        self.assertEqual(self.paths("alpha"), ["memory/0.md"])
        self.assertEqual(len(self.paths("alpha", minScore=0)), 3)

    def test_extra_paths(self) -> None:
        """Are searched as well, and say so; the agent's on top of the defaults'."""
        outside = Path(self.mktemp()).resolve()
        outside.mkdir()
        (outside / "x.md").write_text("alpha outside")
        self.write("notes/n.md", "alpha inside")
        self.configure({"extraPaths": ["notes"]}, extraPaths=[str(outside)])
        found = self.search("alpha")["results"]
        self.assertEqual(
            {row["path"]: row["source"] for row in found}, {"notes/n.md": "extra", f"{outside}/x.md": "extra"}
        )
        self.assertEqual(self.call(self.get_tool, path=f"{outside}/x.md").text, "alpha outside")

    def test_left_out(self) -> None:
        """Files that are too large are told of."""
        self.write("memory/large.md", "x" * 2_000_000)
        self.assertIn("1 memory files", self.search("x")["notes"][0])

    def test_index_is_the_agents(self) -> None:
        """One file for each agent below the state directory."""
        self.write("MEMORY.md", "alpha")
        self.search("alpha")
        self.assertEqual(os.listdir(self.state / "memory"), ["main.sqlite"])

    def test_index_unusable(self) -> None:
        """Is an error result in words."""
        self.state.mkdir(parents=True)
        (self.state / "memory").write_text("")
        result = self.call(self.search_tool, query="x")
        self.assertTrue(result.is_error)
        self.assertIn("can not be searched", result.text)

    def test_offered(self) -> None:
        """Both, unless they are switched off, for one agent or for all; and they only look."""
        for tool in (self.search_tool, self.get_tool):
            assert isinstance(tool, ConditionalTool) and isinstance(tool, ConcurrentTool)
            self.assertTrue(tool.concurrent)
            for own, shared, expected in (
                (None, True, True),
                (None, False, False),
                (True, False, True),
                (False, True, False),
            ):
                self.configure({} if own is None else {"enabled": own}, enabled=shared)
                self.assertEqual(tool.offered(self.context.agent, "p/m"), expected)


class MeaningTests(MemoryCase):
    """C{memory_search} by words and meaning."""

    def setUp(self) -> None:
        """Three notes."""
        super().setUp()
        self.configure(model="m")
        for name, text in (("a", "Our pet is a cat"), ("b", "The tax is due"), ("c", "The port is 18789")):
            self.write(f"memory/{name}.md", text)

    def test_meaning(self) -> None:
        """A note without one of the words is found by what it means."""
        found = self.search("cats")
        self.assertEqual((found["results"][0]["path"], found["model"]), ("memory/a.md", "p/m"))
        self.assertNotIn("notes", found)
        self.assertEqual(set(self.embedder.agents), {"main"})

    def test_score(self) -> None:
        """Seven tenths meaning, three tenths words."""
        (best, *_) = self.search("tax")["results"]
        self.assertAlmostEqual(best["score"], 0.7 + 0.3, 2)
        (best, *_) = self.search("taxation")["results"]
        self.assertEqual(best["path"], "memory/b.md")
        self.assertAlmostEqual(best["score"], 0.7, 2)

    def test_once(self) -> None:
        """Only what is new is embedded, in batches; the question every time."""
        self.search("cat")
        self.assertEqual([len(batch) for batch in self.embedder.batches], [1, 3])
        self.search("port")
        self.write("memory/a.md", "Our pet is a dog")
        self.search("pet")
        self.assertEqual([len(batch) for batch in self.embedder.batches], [1, 3, 1, 1, 1])
        self.assertEqual(self.embedder.batches[-1], ["Our pet is a dog"])
        self.embedder.model = "other"
        self.search("pet")
        self.assertEqual(len(self.embedder.batches[-1]), 3)

    def test_many(self) -> None:
        """So many a search, so many a call; it says what is left, and goes on with it the next time."""
        for number in range(EMBED_MOST):
            self.write(f"memory/n{number}.md", f"note {number}")
        self.assertEqual(self.search("cat")["notes"], ["3 pieces are found by words only"])
        self.assertEqual({len(batch) for batch in self.embedder.batches[1:]}, {EMBED_AT_ONCE})
        self.assertNotIn("notes", self.search("cat"))

    def test_question_fails(self) -> None:
        """Then the words count alone, and the model is told."""
        self.embedder.failures = [GatewayError("provider_auth", "No key.")]
        found = self.search("tax cat")
        self.assertEqual(found["notes"], ["Searched by words only: No key."])
        self.assertEqual(sorted(row["path"] for row in found["results"]), ["memory/a.md", "memory/b.md"])
        self.assertNotIn("model", found)

    def test_notes_fail(self) -> None:
        """What is embedded counts, the rest is found by its words."""
        self.search("cat")
        self.write("memory/d.md", "A port in Spain")
        self.embedder.failures = [None, GatewayError("provider_overloaded", "Busy.")]
        found = self.search("spain cat")
        self.assertEqual(found["notes"], ["1 pieces are found by words only: Busy."])
        self.assertEqual({row["path"] for row in found["results"]} >= {"memory/a.md", "memory/d.md"}, True)

    def test_cancel(self) -> None:
        """An aborted run ends the call of the embedding model."""
        cancelled: list[object] = []

        async def embed(texts: Sequence[str], dimensions: int | None = None, **names: str) -> Embeddings:
            return await Deferred(cancelled.append)

        self.embedder.embed = embed  # type: ignore[method-assign,assignment]
        work = Deferred.fromCoroutine(self.search_tool.call({"query": "cat"}, self.context))
        self.assertNoResult(work)
        work.cancel()
        self.failureResultOf(work, CancelledError)
        self.assertEqual(len(cancelled), 1)

    def test_switched_off(self) -> None:
        """An embedding model that is there for something else is not asked."""
        self.configure(model="m", vectors=False)
        self.search("cat")
        self.assertEqual(self.embedder.batches, [])


class GetTests(MemoryCase):
    """C{memory_get}."""

    def get(self, path: str = "MEMORY.md", **arguments: Any) -> ToolResult:
        """Read."""
        return self.call(self.get_tool, path=path, **arguments)

    def test_all(self) -> None:
        """A file as it is."""
        self.write("MEMORY.md", "one\ntwo\n\nfour\n")
        result = self.get()
        self.assertEqual(result.text, "one\ntwo\n\nfour")
        self.assertEqual(result.details, {"path": "MEMORY.md", "from": 1, "to": 4, "totalLines": 4, "truncated": False})

    def test_lines(self) -> None:
        """Some of it says where it goes on."""
        self.write("MEMORY.md", "\n".join(f"line {number}" for number in range(1, 11)))
        result = self.get(**{"from": 3, "lines": 2})
        self.assertEqual(result.text, "line 3\nline 4\n[lines 3 to 4 of 10; more with from=5]")
        self.assertEqual(self.get(**{"from": 10}).text, "line 10")
        self.assertEqual(self.get(lines=99).details["to"], 10)
        self.assertEqual(self.get(**{"from": 11}).text, "[there are 10 lines]")
        self.write("MEMORY.md", "")
        self.assertEqual(self.get().text, "[there are 0 lines]")

    def test_same_lines(self) -> None:
        """Lines are those that a search counts: characters that look like the end of one are none."""
        odd = "form\x0cfeed\x0bnext\x85 one\u2028two\u2029three\x1cfour\rfive\r\n"
        self.write("MEMORY.md", odd + "filler\n" * 300 + "The port is 18789.\n")
        [found] = [row for row in self.search("port")["results"] if "18789" in row["snippet"]]
        lines = found["endLine"] - found["startLine"]
        self.assertIn("18789", self.get(**{"from": found["startLine"], "lines": lines}).text)
        self.assertEqual(self.get(lines=1).text.split("\n[")[0], odd.removesuffix("\r\n"))
        self.assertEqual(self.get().details["totalLines"], 302)

    def test_cut(self) -> None:
        """No more than a result may hold, and it says where it goes on; a line too long is cut."""
        self.write("MEMORY.md", ("x" * 999 + "\n") * 60)
        result = self.get()
        self.assertLess(len(result.text), MAX_CHARS + 100)
        self.assertTrue(result.text.endswith("[lines 1 to 50 of 60; more with from=51]"))
        self.assertTrue(result.details["truncated"])
        self.write("MEMORY.md", "y" * (MAX_CHARS + 5))
        self.assertTrue(self.get().text.endswith("y [cut: 5 more characters]"))

    def test_refused(self) -> None:
        """What is no memory file, and what is not there, each in words that hold no more than the path."""
        self.write("AGENTS.md", "secret")
        self.write("memory/a.md", "x")
        os.symlink(self.workspace / "AGENTS.md", self.workspace / "memory" / "link.md")
        for path in (
            "AGENTS.md",
            "memory/../AGENTS.md",
            "/etc/passwd",
            "memory/link.md",
            "memory/none.md",
            "memory/a.md/b.md",
        ):
            result = self.get(path)
            self.assertTrue(result.is_error, path)
            self.assertNotIn("secret", result.text)
            self.assertNotIn(str(self.workspace), result.text)
        self.assertEqual(self.get("memory/none.md").text, "memory/none.md can not be read: No such file or directory.")


class GatewayTests(SynchronousTestCase):
    """A whole run: the model looks something up."""

    def ask(self, gateway: MemoryGateway, text: str) -> str:
        """One turn; the answer."""
        response = gateway.post(
            "/v1/chat/completions", {"model": "openclaw", "messages": [{"role": "user", "content": text}]}
        )
        self.assertEqual(response.code, 200, response.body)
        answer: str = response.json()["choices"][0]["message"]["content"]
        return answer

    def test_two_turns(self) -> None:
        """It searches, reads, answers; when the file has changed it finds the new fact."""
        workspace = Path(self.mktemp()).resolve()
        (workspace / "memory").mkdir(parents=True)
        note = workspace / "memory" / "2026-01-01.md"
        gateway = MemoryGateway({"agents": {"defaults": {"workspace": str(workspace)}}})
        self.addCleanup(gateway.close)
        for fact in ("The garage code is 4711.", "The garage code is 0815 since March."):
            note.write_text(f"# Notes\n\n{fact}\n")
            gateway.model.call_tool("memory_search", {"query": "what is the garage code"})
            gateway.model.call_tool("memory_get", {"path": "memory/2026-01-01.md", "from": 3, "lines": 1})
            gateway.model.say("Found.")
            self.assertEqual(self.ask(gateway, "garage code?"), "Found.")
            searched, got = gateway.model.requests[-2].messages[-1], gateway.model.requests[-1].messages[-1]
            self.assertIn(fact, json.loads(searched.text)["results"][0]["snippet"])
            self.assertEqual(got.text, fact)

    def test_switched_off(self) -> None:
        """The model is not offered the tools of an agent without memory."""
        config = {"agents": {"list": [{"id": "main", "memorySearch": {"enabled": False}}, {"id": "beta"}]}}
        gateway = MemoryGateway(config)
        self.addCleanup(gateway.close)
        for model, expected in (("openclaw:main", False), ("openclaw:beta", True)):
            gateway.model.say("Hello.")
            gateway.post("/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": "hi"}]})
            offered = {spec.name for spec in gateway.model.requests[-1].tools}
            self.assertEqual({"memory_search", "memory_get"} <= offered, expected, model)
            self.assertTrue({"web_fetch", "web_search"} <= offered)
