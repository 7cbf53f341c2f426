# -*- test-case-name: tests.agents.test_prompt -*-
"""The system prompt: what is in it, in which order, within which bounds."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.agents.prompt import (
    CHARS_PER_TOKEN,
    DROP_ORDER,
    HEARTBEAT_TOKEN,
    MAX_KEPT_EXTRA,
    MAX_PROMPTS,
    SHARE,
    SILENT_TOKEN,
    Persona,
    PromptInput,
    Prompts,
    full_prompt,
    host_timezone,
)
from openclaw_tx.agents.sections import memory, summary
from openclaw_tx.agents.skills import Skill, SkillFilter
from openclaw_tx.agents.workspace import WorkspaceFile, templates
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

    def text(self, given: PromptInput, extra: str = "") -> str:
        """The prompt that is given now."""
        return self.prompts.get(given, extra).text

    def test_order(self) -> None:
        """Sections come in the documented order; the client's instructions come last, after the agent's own rules."""
        (self.directory / "AGENTS.md").write_text("OWN RULE")
        prompt = self.text(self.given, "CLIENT RULE")
        self.assertEqual(
            [heading for heading in headings(prompt) if not heading.endswith(".md")],
            [
                "Tooling",
                "Calling tools",
                "Workspace",
                "Date and time",
                "Workspace files",
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
        self.assertNotIn("Instructions of this", self.text(self.given, " \n"))

    def test_tools(self) -> None:
        """Each tool has one line, its name as it is, only the first sentence."""
        prompt = self.text(self.given)
        self.assertIn("\n- session_status: Show the session.\n- Read: Read a file.\n", prompt)
        self.assertNotIn("Details follow", prompt)

    def test_no_tools(self) -> None:
        """An agent without tools is told so and is not sent to session_status."""
        prompt = self.text(self.given._replace(tools=()))
        self.assertIn("You have no tools", prompt)
        self.assertNotIn("session_status", prompt)

    def test_tokens(self) -> None:
        """Both tokens are literal."""
        prompt = self.text(self.given)
        self.assertIn(SILENT_TOKEN, prompt)
        self.assertIn(HEARTBEAT_TOKEN, prompt)

    def test_soul(self) -> None:
        """SOUL.md brings its instruction, an absent one does not."""
        self.assertNotIn("take on its persona", self.text(self.given))
        (self.directory / "SOUL.md").write_text("You are blunt.")
        self.assertIn("take on its persona", self.text(self.given))

    def test_missing_and_empty(self) -> None:
        """A missing file leaves a marker with its path, an empty one leaves nothing, a refused one says why."""
        (self.directory / "USER.md").write_text("\n")
        (self.directory / "TOOLS.md").mkdir()
        prompt = self.text(self.given)
        self.assertIn(f"## AGENTS.md\n(Missing; expected at {self.directory}/AGENTS.md)", prompt)
        self.assertNotIn("## USER.md", prompt)
        self.assertIn("## TOOLS.md\n(Not shown: refused: it is not a regular file.)", prompt)

    def test_no_workspace(self) -> None:
        """Without a directory there is no Project Context at all."""
        self.assertNotIn("Project Context", self.text(GIVEN))

    def test_file_limit(self) -> None:
        """One long file is cut to its own limit."""
        (self.directory / "AGENTS.md").write_text("x" * 5000)
        prompt = self.text(self.given._replace(file_chars=1000))
        self.assertEqual(prompt.count("x" * 700), 1)
        self.assertLess(prompt.count("x"), 1000)
        self.assertIn("4100 characters left out", prompt)

    def test_total_limit(self) -> None:
        """All files together keep the total: the one that crosses it is cut, later ones are left out."""
        for name, letter in (("AGENTS.md", "q"), ("SOUL.md", "Z"), ("USER.md", "J")):
            (self.directory / name).write_text(letter * 1000)
        prompt = self.text(self.given._replace(total_chars=1500))
        self.assertEqual(prompt.count("q" * 1000), 1)
        self.assertIn("Z" * 300, prompt)
        self.assertNotIn("Z" * 400, prompt)
        self.assertNotIn("JJ", prompt)

    def test_change_is_seen(self) -> None:
        """An edited file is in the next prompt; the unchanged prompt is the same object."""
        (self.directory / "AGENTS.md").write_text("old")
        first = self.text(self.given)
        self.assertIs(self.text(self.given), first)
        (self.directory / "AGENTS.md").write_text("newer")
        self.assertIn("newer", self.text(self.given))

    def test_inputs_count(self) -> None:
        """Each input has its own prompt."""
        seen = {
            self.text(given)
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
        first = self.text(self.given)
        for number in range(MAX_PROMPTS):
            self.text(self.given._replace(model=f"p/{number}"))
        again = self.text(self.given)
        self.assertEqual(again, first)
        self.assertIsNot(again, first)

    def test_conditional_sections(self) -> None:
        """What depends on tools or settings is there with them only, and each stands in its place."""
        self.given = self.given._replace(
            tools=(
                *GIVEN.tools[:1],
                ("exec", "Run a command."),
                ("read", "Read a file."),
                ("memory_search", "Search."),
                ("memory_get", "Get."),
            ),
            aliases=(("fast", "openai/gpt-4o-mini"),),
            agent=Agent(**{**AGENT_FIELDS, "workspace": str(self.directory), "skill_directories": (self.skill(),)}),
            thinking="high",
        )
        prompt = self.text(self.given)
        self.assertEqual(
            [heading for heading in headings(prompt) if not heading.endswith(".md")],
            [
                "Tooling",
                "Calling tools",
                "Command line",
                "Skills",
                "Memory recall",
                "Model aliases",
                "Workspace",
                "Date and time",
                "Workspace files",
                "Project Context",
                "Silent replies",
                "Heartbeats",
                "Runtime",
            ],
        )
        self.assertIn("\n- fast: openai/gpt-4o-mini\n", prompt)
        self.assertIn(f"\n- weather: Tells the weather. ({self.directory}/s/weather/SKILL.md)\n", prompt)
        self.assertTrue(prompt.endswith(" | thinking=high"))
        bare = self.text(self.given._replace(tools=(), aliases=(), thinking=""))
        for absent in ("Calling tools", "Command line", "Skills", "Memory recall", "Model aliases", "thinking="):
            self.assertNotIn(absent, bare)

    def skill(self) -> str:
        """A directory with one skill."""
        (self.directory / "s" / "weather").mkdir(parents=True)
        (self.directory / "s" / "weather" / "SKILL.md").write_text("---\ndescription: Tells the weather.\n---\n")
        return str(self.directory / "s")

    def test_skills_need_read(self) -> None:
        """An agent that can not read files is not told of any to read; one that may not have a skill is not either."""
        agent = Agent(**{**AGENT_FIELDS, "workspace": str(self.directory), "skill_directories": (self.skill(),)})
        given = self.given._replace(agent=agent, tools=(("write", "Write."),))
        self.assertNotIn("weather", self.text(given))
        given = given._replace(tools=(("read", "Read."),))
        self.assertIn("weather", self.text(given))
        self.assertNotIn("weather", self.text(given._replace(skills=SkillFilter(only=()))))

    def test_skills_beside_the_files(self) -> None:
        """A workspace may be a directory of skills as well."""
        self.skill()
        directory = str(self.directory / "s")
        agent = Agent(**{**AGENT_FIELDS, "workspace": directory, "skill_directories": (directory,)})
        tools = (*GIVEN.tools, ("read", "Read a file."))
        prompt = Prompts(lambda: 1000.0).get(GIVEN._replace(agent=agent, tools=tools), "").text
        self.assertIn("- weather: Tells the weather.", prompt)

    def test_many_skills(self) -> None:
        """A list that is too long says how many are missing."""
        skills = [Skill(f"s{number}", "d" * 1000, "/p") for number in range(40)]
        prompt = full_prompt(self.given._replace(tools=(("read", ""),)), (), skills, 200_000)
        self.assertLess(sum(skill.chars for skill in prompt.skills), 30_000)
        self.assertIn(f"({40 - len(prompt.skills)} more are not listed.)", prompt.text)
        prompt = full_prompt(
            self.given._replace(tools=(("read", ""),)),
            (),
            [Skill(f"s{number}", "d", "/p") for number in range(151)],
            200_000,
        )
        self.assertIn("\n(1 more are not listed.)\n", prompt.text)

    def test_same_object(self) -> None:
        """Same inputs, same string object, with instructions of a client and without; a file that was only touched, or
        written again as it was, changes nothing."""
        path = self.directory / "AGENTS.md"
        path.write_text("Rule.")
        for extra in ("", "Be brief."):
            first = self.text(self.given, extra)
            self.assertIs(self.text(self.given, extra), first)
            os.utime(path, ns=(1, 1))
            self.assertIs(self.text(self.given, extra), first)
            path.unlink()
            path.write_text("Rule.")
            self.assertIs(self.text(self.given, extra), first)
            path.write_text("Other rule.")
            self.assertIn("Other rule.", self.text(self.given, extra))
            path.write_text("Rule.")
            self.assertEqual(self.text(self.given, extra), first)

    def test_long_instructions_are_not_kept(self) -> None:
        """Instructions of a megabyte do not stay in memory; the prompt is the same all the same."""
        extra = "e" * (MAX_KEPT_EXTRA + 1)
        first = self.text(self.given, extra)
        self.assertEqual(self.text(self.given, extra), first)
        self.assertIsNot(self.text(self.given, extra), first)

    def test_forgotten_workspace(self) -> None:
        """A workspace that fell out of the cache is read anew, not taken for what it was."""
        (self.directory / "AGENTS.md").write_text("old")
        self.text(self.given)
        for number in range(MAX_PROMPTS):
            self.prompts._files(f"/nowhere/{number}")
        (self.directory / "AGENTS.md").write_text("new")
        self.assertIn("new", self.text(self.given))

    def test_bootstrap_gone(self) -> None:
        """A BOOTSTRAP.md that is gone has been followed: nobody is told that it is missing."""
        prompt = self.prompts.get(self.given, "")
        self.assertNotIn("BOOTSTRAP", prompt.text)
        self.assertEqual((prompt.files[-1].name, prompt.files[-1].state), ("BOOTSTRAP.md", "missing"))

    def test_parts(self) -> None:
        """Each part is counted: sections as they stand, files as they fared."""
        (self.directory / "AGENTS.md").write_text("a" * 3000)
        (self.directory / "SOUL.md").write_text("s" * 500)
        (self.directory / "TOOLS.md").mkdir()
        (self.directory / "IDENTITY.md").write_text("i" * 900)
        (self.directory / "USER.md").write_text("")
        (self.directory / "HEARTBEAT.md").write_text("# a comment\n")
        prompt = self.prompts.get(self.given._replace(file_chars=1000, total_chars=1700), "Be brief.")
        self.assertEqual(prompt.mode, "full")
        self.assertEqual(sum(s.chars + 2 for s in prompt.sections) - 2, len(prompt.text))
        self.assertEqual(prompt.sections[-1].chars, len("## Instructions of this conversation\nBe brief."))
        states = {file.name: (file.state, file.raw_chars) for file in prompt.files}
        self.assertEqual(
            states,
            {
                "AGENTS.md": ("cut", 3000),
                "SOUL.md": ("whole", 500),
                "TOOLS.md": ("refused", 0),
                "IDENTITY.md": ("left_out", 900),
                "USER.md": ("empty", 0),
                "HEARTBEAT.md": ("empty", 0),
                "BOOTSTRAP.md": ("missing", 0),
            },
        )
        shown = {file.name: file.chars for file in prompt.files}
        self.assertEqual(shown["SOUL.md"], 500)
        self.assertTrue(900 < shown["AGENTS.md"] < 1000)
        self.assertEqual(shown["IDENTITY.md"], 0)


class ModeTests(SynchronousTestCase):
    """Sub-agents, and runs that want next to nothing."""

    def setUp(self) -> None:
        """An agent with everything there is."""
        self.directory = Path(self.mktemp()).absolute()
        (self.directory / "skills" / "weather").mkdir(parents=True)
        (self.directory / "skills" / "weather" / "SKILL.md").write_text("---\ndescription: Tells the weather.\n---\n")
        for name in templates():
            (self.directory / name).write_text(f"text of {name}")
        agent = Agent(
            **{
                **AGENT_FIELDS,
                "workspace": str(self.directory),
                "skill_directories": (str(self.directory / "skills"),),
            }
        )
        self.given = GIVEN._replace(
            agent=agent,
            persona=Persona("Ada", "dry wit", "X"),
            tools=(("read", "Read."), ("memory_search", "Search.")),
            aliases=(("fast", "p/m"),),
        )

    def test_minimal(self) -> None:
        """A sub-agent gets tools, workspace, date, runtime, AGENTS.md and TOOLS.md, and its instructions."""
        prompt = Prompts().get(self.given._replace(mode="minimal"), "Count the files.")
        self.assertEqual(
            [section.name for section in prompt.sections],
            [
                "identity",
                "tooling",
                "style",
                "workspace",
                "date",
                "note",
                "context",
                "runtime",
                "instructions",
            ],
        )
        self.assertEqual([file.name for file in prompt.files], ["AGENTS.md", "TOOLS.md"])
        for absent in ("Ada", "weather", "fast", SILENT_TOKEN, HEARTBEAT_TOKEN, "SOUL.md", "Memory recall"):
            self.assertNotIn(absent, prompt.text)
        self.assertTrue(prompt.text.endswith("Count the files."))

    def test_none(self) -> None:
        """The identity line alone; instructions that the request brings are still its own."""
        prompt = Prompts().get(self.given._replace(mode="none"), "")
        self.assertEqual(
            prompt.text,
            "You are Ada, a personal assistant at work in an OpenClaw gateway. Your manner: dry wit. Your emoji: X.",
        )
        self.assertEqual((prompt.mode, prompt.files), ("none", ()))
        self.assertTrue(Prompts().get(self.given._replace(mode="none"), "Be brief.").text.endswith("Be brief."))

    def test_minimal_in_a_small_window(self) -> None:
        """A sub-agent on a small model gets no more of the workspace than on a large one."""
        prompt = Prompts().get(self.given._replace(mode="minimal", context_window=8192), "")
        self.assertEqual(prompt.text, "You are a helpful assistant.\n\ntext of AGENTS.md\n\ntext of TOOLS.md")
        self.assertEqual(prompt.mode, "short")


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
        given = GIVEN._replace(
            tools=(*GIVEN.tools, ("read", "Read."), ("exec", "Run."), ("memory_get", "Get.")),
            aliases=(("fast", "p/m"),),
        )
        skills = [Skill("weather", "Tells the weather.", "/s/weather/SKILL.md")]
        whole = full_prompt(given, self.files(10), skills, 10_000)
        self.assertEqual(whole.left_out, ())
        gone: list[str] = []
        for budget in range(len(whole.text), 300, -1):
            prompt = full_prompt(given, self.files(10), skills, budget)
            names = {section.name for section in prompt.sections}
            gone += [name for name in DROP_ORDER if name not in names and name not in gone]
            self.assertEqual(prompt.left_out[: len(DROP_ORDER)], tuple(gone))
            self.assertTrue(prompt.text.startswith("You are a personal assistant"))
            self.assertEqual(bool(prompt.skills), "skills" in names)
        self.assertEqual(tuple(gone), DROP_ORDER)

    @settings(max_examples=50, deadline=None)
    @given(st.integers(8193, 60_000), st.integers(0, 30_000))
    def test_quarter_of_the_window(self, window: int, size: int) -> None:
        """What is ours stays within a quarter of the window."""
        budget = window * CHARS_PER_TOKEN // SHARE
        prompt = full_prompt(GIVEN, self.files(size), (), budget)
        self.assertLessEqual(len(prompt.text), budget)

    def test_files_outlive_sections(self) -> None:
        """The workspace files are cut only after every optional section has gone."""
        prompt = full_prompt(GIVEN, self.files(3000), (), 3000).text
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
            Prompts().get(given, "Be brief.").text, "You are Ada, a helpful assistant.\n\nSpeak of tea.\n\nBe brief."
        )

    def test_short_without_templates(self) -> None:
        """What nobody has written anything into is no burden for a small model; what somebody has is there."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        for name, text in templates().items():
            (directory / name).write_text(text)
        given = GIVEN._replace(agent=Agent(**{**AGENT_FIELDS, "workspace": str(directory)}), context_window=8192)
        prompts = Prompts()
        untouched = prompts.get(given, "")
        self.assertEqual(untouched.text, "You are a helpful assistant.")
        self.assertEqual({file.state for file in untouched.files}, {"left_out", "empty"})
        (directory / "USER.md").write_text("Ann.")
        self.assertEqual(prompts.get(given, "").text, "You are a helpful assistant.\n\nAnn.")

    def test_short_is_bounded(self) -> None:
        """Large files do not fill a small window."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        for name in ("AGENTS.md", "SOUL.md"):
            (directory / name).write_text("x" * 50_000)
        given = GIVEN._replace(agent=Agent(**{**AGENT_FIELDS, "workspace": str(directory)}), context_window=2048)
        self.assertLessEqual(len(Prompts().get(given, "").text), 2048 * CHARS_PER_TOKEN // SHARE)

    def test_client_instructions_are_never_cut(self) -> None:
        """Long instructions of a client push out our own optional parts, not themselves."""
        extra = "e" * 9000
        prompt = Prompts().get(GIVEN._replace(context_window=9000), extra).text
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

    def test_memory(self) -> None:
        """The section speaks of just those tools that there are."""
        self.assertEqual(memory({"read"}), "")
        self.assertNotIn("memory_get", memory({"memory_search"}))
        self.assertNotIn("memory_search", memory({"memory_get"}))
        both = memory({"memory_get", "memory_search"})
        self.assertLess(both.index("memory_search"), both.index("memory_get"))

    def test_host_timezone(self) -> None:
        """TZ by name, TZ by file, and something for a host that says nothing."""
        self.assertEqual(host_timezone({"TZ": "Asia/Tokyo"}), "Asia/Tokyo")
        self.assertEqual(host_timezone({"TZ": ":Asia/Tokyo"}), "Asia/Tokyo")
        self.assertEqual(host_timezone({"TZ": "/nowhere/zoneinfo/Asia/Tokyo"}), "Asia/Tokyo")
        self.assertEqual(host_timezone({"TZ": "/nowhere/else"}), "UTC")
        self.assertNotEqual(host_timezone({}), "")
