# -*- test-case-name: tests.agents.test_prompt -*-
"""The system prompt: what is in it, in which order, within which bounds."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.agents.prompt import (
    CHARS_PER_TOKEN,
    HEARTBEAT_TOKEN,
    MAX_PROMPTS,
    SHARE,
    SILENT_TOKEN,
    Persona,
    PromptInput,
    Prompts,
    full_prompt,
    host_timezone,
    summary,
)
from openclaw_tx.agents.workspace import WorkspaceFile
from openclaw_tx.values import Agent

AGENT = Agent(id="main", name="main", workspace="/nowhere/at/all", models=("p/m",), is_default=True, timeout_s=0)
GIVEN = PromptInput(
    agent=AGENT,
    persona=Persona("", "", ""),
    model="p/m",
    context_window=200_000,
    channel="webchat",
    timezone="Europe/Paris",
    tools=(("session_status", "Show the session. Details follow."), ("Read", "Read a file.")),
    file_chars=20_000,
    total_chars=60_000,
)


def headings(prompt: str) -> list[str]:
    """The headings of a prompt, in order."""
    return [line.lstrip("# ") for line in prompt.splitlines() if line.startswith("#")]


class FullPromptTests(SynchronousTestCase):
    """Models with room."""

    def setUp(self) -> None:
        """An agent with a workspace."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.given = GIVEN._replace(agent=Agent(**{**AGENT_FIELDS, "workspace": str(self.directory)}))
        self.prompts = Prompts()

    def test_order(self) -> None:
        """Sections come in the documented order; the client's instructions come last, after the agent's own rules."""
        (self.directory / "AGENTS.md").write_text("OWN RULE")
        prompt = self.prompts.get(self.given, "CLIENT RULE")
        self.assertEqual(
            [heading for heading in headings(prompt) if not heading.endswith(".md")],
            [
                "Tooling",
                "Workspace",
                "Date and time",
                "Project Context",
                "Silent replies",
                "Heartbeats",
                "Runtime",
                "Instructions of this conversation",
            ],
        )
        self.assertLess(prompt.index("OWN RULE"), prompt.index("CLIENT RULE"))
        self.assertTrue(prompt.endswith("CLIENT RULE"))

    def test_no_client_instructions(self) -> None:
        """Without any, or with blank ones, their heading is not there."""
        self.assertNotIn("Instructions of this", self.prompts.get(self.given, " \n"))

    def test_tools(self) -> None:
        """Each tool has one line, its name as it is, only the first sentence."""
        prompt = self.prompts.get(self.given, "")
        self.assertIn("\n- session_status: Show the session.\n- Read: Read a file.\n", prompt)
        self.assertNotIn("Details follow", prompt)

    def test_no_tools(self) -> None:
        """An agent without tools is told so and is not sent to session_status."""
        prompt = self.prompts.get(self.given._replace(tools=()), "")
        self.assertIn("You have no tools", prompt)
        self.assertNotIn("session_status", prompt)

    def test_tokens(self) -> None:
        """Both tokens are literal."""
        prompt = self.prompts.get(self.given, "")
        self.assertIn(SILENT_TOKEN, prompt)
        self.assertIn(HEARTBEAT_TOKEN, prompt)

    def test_soul(self) -> None:
        """SOUL.md brings its instruction, an absent one does not."""
        self.assertNotIn("take on its persona", self.prompts.get(self.given, ""))
        (self.directory / "SOUL.md").write_text("You are blunt.")
        self.assertIn("take on its persona", self.prompts.get(self.given, ""))

    def test_missing_and_empty(self) -> None:
        """A missing file leaves a marker with its path, an empty one leaves nothing, a refused one says why."""
        (self.directory / "USER.md").write_text("\n")
        (self.directory / "TOOLS.md").mkdir()
        prompt = self.prompts.get(self.given, "")
        self.assertIn(f"## AGENTS.md\n(Missing; expected at {self.directory}/AGENTS.md)", prompt)
        self.assertNotIn("## USER.md", prompt)
        self.assertIn("## TOOLS.md\n(Not shown: refused: it is not a regular file.)", prompt)

    def test_no_workspace(self) -> None:
        """Without a directory there is no Project Context at all."""
        self.assertNotIn("Project Context", self.prompts.get(GIVEN, ""))

    def test_file_limit(self) -> None:
        """One long file is cut to its own limit."""
        (self.directory / "AGENTS.md").write_text("x" * 5000)
        prompt = self.prompts.get(self.given._replace(file_chars=1000), "")
        self.assertEqual(prompt.count("x" * 700), 1)
        self.assertLess(prompt.count("x"), 1000)
        self.assertIn("4100 characters left out", prompt)

    def test_total_limit(self) -> None:
        """All files together keep the total: the one that crosses it is cut, later ones are left out."""
        for name, letter in (("AGENTS.md", "q"), ("SOUL.md", "Z"), ("USER.md", "J")):
            (self.directory / name).write_text(letter * 1000)
        prompt = self.prompts.get(self.given._replace(total_chars=1500), "")
        self.assertEqual(prompt.count("q" * 1000), 1)
        self.assertIn("Z" * 300, prompt)
        self.assertNotIn("Z" * 400, prompt)
        self.assertNotIn("JJ", prompt)

    def test_change_is_seen(self) -> None:
        """An edited file is in the next prompt; the unchanged prompt is the same object."""
        (self.directory / "AGENTS.md").write_text("old")
        first = self.prompts.get(self.given, "")
        self.assertIs(self.prompts.get(self.given, ""), first)
        (self.directory / "AGENTS.md").write_text("newer")
        self.assertIn("newer", self.prompts.get(self.given, ""))

    def test_inputs_count(self) -> None:
        """Each input has its own prompt."""
        seen = {
            self.prompts.get(given, "")
            for given in (
                self.given,
                self.given._replace(model="p/other"),
                self.given._replace(channel="cli"),
                self.given._replace(tools=()),
                self.given._replace(timezone="UTC"),
                self.given._replace(persona=Persona("Ada", "", "")),
            )
        }
        self.assertEqual(len(seen), 6)

    def test_cache_is_bounded(self) -> None:
        """More variants than the cache holds push out the oldest, and only that."""
        first = self.prompts.get(self.given, "")
        for number in range(MAX_PROMPTS):
            self.prompts.get(self.given._replace(model=f"p/{number}"), "")
        again = self.prompts.get(self.given, "")
        self.assertEqual(again, first)
        self.assertIsNot(again, first)


AGENT_FIELDS = {name: getattr(AGENT, name) for name in AGENT.__struct_fields__}


class WindowTests(SynchronousTestCase):
    """Models with little room."""

    def files(self, size: int) -> tuple[WorkspaceFile, ...]:
        """Two files of a workspace and one that is missing."""
        return (
            WorkspaceFile("AGENTS.md", "/w/AGENTS.md", "a" * size, ""),
            WorkspaceFile("SOUL.md", "/w/SOUL.md", "b" * size, ""),
            WorkspaceFile("USER.md", "/w/USER.md", "", "missing"),
        )

    def test_drop_order(self) -> None:
        """As room shrinks, sections go in the documented order and the identity line stays."""
        whole = full_prompt(GIVEN, (), 10_000)
        order = ["Heartbeats", "Silent replies", "Runtime", "Date and time", "Tooling", "Workspace"]
        gone: list[str] = []
        for budget in range(len(whole), 0, -1):
            prompt = full_prompt(GIVEN, (), budget)
            gone += [name for name in order if name not in headings(prompt) and name not in gone]
            self.assertTrue(prompt.startswith("You are a personal assistant"))
        self.assertEqual(gone, order)

    @settings(max_examples=50, deadline=None)
    @given(st.integers(8193, 60_000), st.integers(0, 30_000))
    def test_quarter_of_the_window(self, window: int, size: int) -> None:
        """What is ours stays within a quarter of the window."""
        budget = window * CHARS_PER_TOKEN // SHARE
        prompt = full_prompt(GIVEN, self.files(size), budget)
        self.assertLessEqual(len(prompt), budget)

    def test_files_outlive_sections(self) -> None:
        """The workspace files are cut only after every optional section has gone."""
        prompt = full_prompt(GIVEN, self.files(3000), 3000)
        self.assertEqual([name for name in headings(prompt) if not name.endswith(".md")], ["Project Context"])
        self.assertIn("aaa", prompt)
        self.assertLessEqual(len(prompt), 3000)

    def test_short(self) -> None:
        """A small model gets identity, the files there are, and the client's instructions, in that order."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        (directory / "AGENTS.md").write_text("Speak of tea.")
        given = GIVEN._replace(
            agent=Agent(**{**AGENT_FIELDS, "workspace": str(directory)}),
            persona=Persona("Ada", "", ""),
            context_window=8192,
        )
        self.assertEqual(
            Prompts().get(given, "Be brief."), "You are Ada, a helpful assistant.\n\nSpeak of tea.\n\nBe brief."
        )

    def test_short_is_bounded(self) -> None:
        """Large files do not fill a small window."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        for name in ("AGENTS.md", "SOUL.md"):
            (directory / name).write_text("x" * 50_000)
        given = GIVEN._replace(agent=Agent(**{**AGENT_FIELDS, "workspace": str(directory)}), context_window=2048)
        self.assertLessEqual(len(Prompts().get(given, "")), 2048 * CHARS_PER_TOKEN // SHARE)

    def test_client_instructions_are_never_cut(self) -> None:
        """Long instructions of a client push out our own optional parts, not themselves."""
        extra = "e" * 9000
        prompt = Prompts().get(GIVEN._replace(context_window=9000), extra)
        self.assertTrue(prompt.startswith("You are a personal assistant"))
        self.assertTrue(prompt.endswith(extra))
        self.assertNotIn("Heartbeats", prompt)


class PieceTests(SynchronousTestCase):
    """Small pieces."""

    def test_summary(self) -> None:
        """One line, one sentence, bounded; a dot within a word ends nothing."""
        self.assertEqual(summary("Reads e.g.x files\n  of v1.2. Then stops."), "Reads e.g.x files of v1.2.")
        self.assertEqual(len(summary("y" * 500)), 160)
        self.assertEqual(summary(""), "")

    def test_host_timezone(self) -> None:
        """TZ by name, TZ by file, and something for a host that says nothing."""
        self.assertEqual(host_timezone({"TZ": "Asia/Tokyo"}), "Asia/Tokyo")
        self.assertEqual(host_timezone({"TZ": ":Asia/Tokyo"}), "Asia/Tokyo")
        self.assertEqual(host_timezone({"TZ": "/nowhere/zoneinfo/Asia/Tokyo"}), "Asia/Tokyo")
        self.assertEqual(host_timezone({"TZ": "/nowhere/else"}), "UTC")
        self.assertNotEqual(host_timezone({}), "")
