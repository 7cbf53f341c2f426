# -*- test-case-name: tests.agents.test_registry -*-
"""Who answers: configured agents and their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.agents.registry import ConfiguredAgents, models_of
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_agents import ModelChoice
from openclaw_tx.interfaces import Agents
from openclaw_tx.values import Agent, ModelInfo, RunRequest, TextPart, ToolSpec, UserMessage


def config(**agents: Any) -> Config:
    """A configuration with this C{agents} section, as the file would give it."""
    return msgspec.convert({"agents": agents}, Config)


def registry(configuration: Config, **environment: str) -> ConfiguredAgents:
    """A registry in the home /home/ann."""
    return ConfiguredAgents(
        lambda: configuration, "/home/ann/.openclaw", {"HOME": "/home/ann", **environment}, lambda: "local/small"
    )


class DefaultAgentTests(SynchronousTestCase):
    """Which agent is the default one."""

    def test_main_when_none_is_configured(self) -> None:
        """An empty configuration has one agent, main, with every default."""
        agents: Agents = registry(Config())
        self.assertEqual(
            agents.all(),
            (
                Agent(
                    id="main",
                    name="main",
                    workspace="/home/ann/.openclaw/workspace",
                    models=("local/small",),
                    is_default=True,
                    timeout_s=600.0,
                    skill_directories=("/home/ann/.openclaw/workspace/skills", "/home/ann/.openclaw/skills"),
                ),
            ),
        )
        self.assertEqual(agents.default_id, "main")

    def test_first_entry(self) -> None:
        """Without a mark the first entry is the default one, even if another is called main."""
        agents = registry(config(list=[{"id": "beta"}, {"id": "main"}]))
        self.assertEqual(agents.default_id, "beta")
        self.assertEqual([agent.id for agent in agents.all()], ["beta", "main"])
        self.assertEqual([agent.is_default for agent in agents.all()], [True, False])

    def test_marked_entry(self) -> None:
        """The first entry marked default wins, and there is only one default."""
        agents = registry(config(list=[{"id": "a"}, {"id": "b", "default": True}, {"id": "c", "default": True}]))
        self.assertEqual(agents.default_id, "b")
        self.assertEqual([agent.is_default for agent in agents.all()], [False, True, False])

    def test_unknown_agent(self) -> None:
        """An id nobody configured is None; ids are not guessed at."""
        agents = registry(config(list=[{"id": "beta"}]))
        self.assertIsNone(agents.get("main"))
        self.assertIsNone(agents.get("BETA"))
        self.assertIsNotNone(agents.get("beta"))

    def test_same_id_twice(self) -> None:
        """The first of two entries with one id counts."""
        agents = registry(config(list=[{"id": "a", "name": "First"}, {"id": "a", "name": "Second"}]))
        self.assertEqual([agent.name for agent in agents.all()], ["First"])

    def test_names(self) -> None:
        """A name is the entry's, else the identity's, else the id."""
        agents = registry(
            config(
                list=[
                    {"id": "a", "name": "Ada", "identity": {"name": "Other"}},
                    {"id": "b", "identity": {"name": "Bea"}},
                    {"id": "c"},
                ]
            )
        )
        self.assertEqual([agent.name for agent in agents.all()], ["Ada", "Bea", "c"])

    def test_timeout(self) -> None:
        """The longest run comes from the defaults; 0 stays 0, which means no limit."""
        self.assertEqual(registry(config(defaults={"timeoutSeconds": 0})).all()[0].timeout_s, 0.0)


class WorkspaceTests(SynchronousTestCase):
    """Where agents work."""

    def workspaces(self, configuration: Config, **environment: str) -> list[str]:
        """The workspace of each agent."""
        return [agent.workspace for agent in registry(configuration, **environment).all()]

    def test_defaults(self) -> None:
        """The default agent has the plain directory, others one with their id."""
        self.assertEqual(
            self.workspaces(config(list=[{"id": "a"}, {"id": "b"}])),
            ["/home/ann/.openclaw/workspace", "/home/ann/.openclaw/workspace-b"],
        )

    def test_own(self) -> None:
        """An agent's own workspace wins and is taken as it is; a relative one is below the state directory."""
        self.assertEqual(
            self.workspaces(config(list=[{"id": "a", "workspace": "~/a/../w"}, {"id": "b", "workspace": "rel"}])),
            ["/home/ann/w", "/home/ann/.openclaw/rel"],
        )

    def test_configured_default(self) -> None:
        """agents.defaults.workspace is the stem of the others too."""
        self.assertEqual(
            self.workspaces(config(defaults={"workspace": "/srv/w"}, list=[{"id": "a"}, {"id": "b"}])),
            ["/srv/w", "/srv/w-b"],
        )

    def test_no_home(self) -> None:
        """Without HOME, ~ is the directory that holds the state directory, never the process owner's home."""
        agents = ConfiguredAgents(Config, "/srv/gw/state", {}, lambda: "")
        self.assertEqual(agents.all()[0].workspace, "/srv/gw/.openclaw/workspace")


class ModelsTests(SynchronousTestCase):
    """Which models an agent tries."""

    def test_fallback_model(self) -> None:
        """Where nobody names a model, the default one is asked for at that moment."""
        refs = iter(["a/1", "b/2"])
        current = [next(refs)]
        agents = ConfiguredAgents(Config, "/s", {}, lambda: current[0])
        self.assertEqual(agents.all()[0].models, ("a/1",))
        current[0] = next(refs)
        self.assertEqual(agents.all()[0].models, ("b/2",))

    def test_no_model_at_all(self) -> None:
        """No provider, no embedded model: the list is empty, which the models room refuses in words."""
        self.assertEqual(models_of("", "", ""), ())

    def test_precedence(self) -> None:
        """A bare ref replaces the primary, an object replaces the fallbacks too."""
        default = ModelChoice(primary="p/default", fallbacks=["p/f1", "p/f2"])
        self.assertEqual(models_of("", default, "x"), ("p/default", "p/f1", "p/f2"))
        self.assertEqual(models_of("p/own", default, "x"), ("p/own", "p/f1", "p/f2"))
        self.assertEqual(models_of(ModelChoice(primary="p/own"), default, "x"), ("p/own",))
        self.assertEqual(models_of(ModelChoice(fallbacks=["p/f9"]), default, "x"), ("p/default", "p/f9"))
        self.assertEqual(models_of("", "p/only", "x"), ("p/only",))

    def test_own_object_is_default(self) -> None:
        """An entry without a model has all of the defaults' choice, though its field is an empty string."""
        agents = registry(
            config(defaults={"model": {"primary": "p/a", "fallbacks": ["p/b"]}}, list=[{"id": "a"}, {"id": "b"}])
        )
        self.assertEqual([agent.models for agent in agents.all()], [("p/a", "p/b")] * 2)

    @given(st.lists(st.sampled_from(["a/1", "b/2", "c/3"])), st.sampled_from(["", "a/1", "d/4"]))
    def test_each_once(self, fallbacks: list[str], primary: str) -> None:
        """No ref is tried twice, the primary comes first, no ref is empty."""
        refs = models_of(ModelChoice(primary=primary, fallbacks=fallbacks), "", "z/9")
        self.assertEqual(len(refs), len(set(refs)))
        self.assertEqual(refs[0], primary or "z/9")
        self.assertNotIn("", refs)


class ReloadTests(SynchronousTestCase):
    """The registry follows the configuration."""

    def test_new_configuration(self) -> None:
        """A new configuration object is seen at once; the same one is not worked out again."""
        current = [Config()]
        agents = ConfiguredAgents(lambda: current[0], "/s", {}, lambda: "a/1")
        first = agents.all()
        self.assertIs(agents.all(), first)
        current[0] = config(list=[{"id": "new"}])
        self.assertEqual(agents.default_id, "new")
        self.assertIsNone(agents.get("main"))


MODEL = ModelInfo(provider="p", id="m", name="M", context_window=200_000, max_tokens=1)
SMALL = ModelInfo(provider="local", id="smollm2-135m", name="S", context_window=8192, max_tokens=1)
TOOL = ToolSpec(name="session_status", description="Shows the session. And more.", parameters={"type": "object"})


def request(**fields: Any) -> RunRequest:
    """A run of agent main."""
    return RunRequest(
        run_id="r",
        agent_id="main",
        session_key="agent:main:main",
        messages=(UserMessage(content=(TextPart(text="hi"),)),),
        **fields,
    )


class SystemPromptTests(SynchronousTestCase):
    """The prompt as the engine asks for it."""

    def test_small_model_bare(self) -> None:
        """The embedded model without a workspace gets one line, which is what it answers best to."""
        agents = ConfiguredAgents(Config, self.mktemp(), {}, lambda: "")
        self.assertEqual(
            agents.system_prompt(agents.all()[0], request(), SMALL, [TOOL]), "You are a helpful assistant."
        )

    def test_identity(self) -> None:
        """The configured identity is in the first line."""
        agents = registry(
            config(list=[{"id": "a", "identity": {"name": "Ada", "theme": "dry wit", "emoji": "X"}}]), TZ=":Asia/Tokyo"
        )
        prompt = agents.system_prompt(agents.all()[0], request(), MODEL, [TOOL])
        first = prompt.splitlines()[0]
        for word in ("Ada", "dry wit", "X"):
            self.assertIn(word, first)
        self.assertIn("Asia/Tokyo", prompt)

    def test_time_zone_of_the_user(self) -> None:
        """The configured time zone goes before the host's."""
        agents = registry(config(defaults={"userTimezone": "Europe/Paris"}), TZ="Asia/Tokyo")
        prompt = agents.system_prompt(agents.all()[0], request(), MODEL, [])
        self.assertIn("Europe/Paris", prompt)
        self.assertNotIn("Asia/Tokyo", prompt)

    def test_unchanged_prompt_is_the_same_object(self) -> None:
        """The second run of an unchanged agent builds nothing."""
        agents = registry(Config())
        first = agents.system_prompt(agents.all()[0], request(), MODEL, [TOOL])
        self.assertIs(agents.system_prompt(agents.all()[0], request(), MODEL, [TOOL]), first)

    def test_modes(self) -> None:
        """What a run of a sub-agent gets is never everything, and may be less."""
        agents = registry(config(defaults={"models": {"p/m": {"alias": "fast"}}}))
        agent = agents.all()[0]

        def mode(**fields: Any) -> str:
            return agents.prompt_report(agent, request(**fields), MODEL, [TOOL]).mode

        self.assertEqual(mode(), "full")
        self.assertEqual(mode(spawned_by="agent:main:main"), "minimal")
        self.assertEqual(mode(prompt_mode="minimal"), "minimal")
        self.assertEqual(mode(prompt_mode="none"), "none")
        self.assertEqual(mode(prompt_mode="none", spawned_by="agent:main:main"), "none")
        self.assertIn("- fast: p/m", agents.system_prompt(agent, request(), MODEL, [TOOL]))
        self.assertNotIn("fast", agents.system_prompt(agent, request(prompt_mode="minimal"), MODEL, [TOOL]))

    def test_thinking(self) -> None:
        """A level that the run asks for is in the last line."""
        agents = registry(Config())
        prompt = agents.system_prompt(agents.all()[0], request(thinking="low"), MODEL, [TOOL])
        self.assertTrue(prompt.splitlines()[-1].endswith("| thinking=low"))
        self.assertNotIn("thinking", agents.system_prompt(agents.all()[0], request(), MODEL, [TOOL]))

    def test_report_is_of_that_prompt(self) -> None:
        """The report of a run is that of the prompt it got, though a file has changed since; for another it is new."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        (directory / "USER.md").write_text("Ann")
        agents = registry(config(defaults={"workspace": str(directory)}))
        agent = agents.all()[0]
        prompt = agents.system_prompt(agent, request(), MODEL, [TOOL])
        (directory / "USER.md").write_text("Ann and Bob")
        report = agents.prompt_report(agent, request(), MODEL, [TOOL])
        self.assertEqual((report.chars, report.files[4].chars), (len(prompt), 3))
        other = structs.replace(request(), run_id="other")
        self.assertEqual(agents.prompt_report(agent, other, MODEL, [TOOL]).files[4].chars, 11)
        text, report = agents.preview(agent, other, MODEL, [TOOL])
        self.assertEqual(report.chars, len(text))

    def test_workspace_is_made(self) -> None:
        """Before a prompt is made, by the setting of the moment; to look makes nothing."""
        made: list[tuple[str, bool]] = []
        current = [Config(), config(defaults={"skipBootstrap": True})]
        agents = ConfiguredAgents(
            lambda: current[0],
            "/s",
            {},
            lambda: "",
            lambda workspace, *, bare: made.append((workspace, bare)),
        )
        agents.prompt_report(agents.all()[0], request(), MODEL, [TOOL])
        self.assertEqual(made, [])
        workspace = agents.all()[0].workspace
        agents.system_prompt(agents.all()[0], request(), MODEL, [TOOL])
        current.pop(0)
        agents.system_prompt(agents.all()[0], request(), MODEL, [TOOL])
        self.assertEqual(made, [(workspace, False), (workspace, True)])


class SkillTests(SynchronousTestCase):
    """Skills as the configuration has them."""

    def setUp(self) -> None:
        """One skill in each of the three places, and one name in all of them."""
        self.home = Path(self.mktemp()).absolute()
        self.current = Config()
        self.agents = ConfiguredAgents(lambda: self.current, self.home / "state", {"HOME": str(self.home)}, lambda: "")
        for place in ("work/skills", "state/skills", "extra"):
            for name in ("both", place.replace("/", "-")):
                folder = self.home / place / name
                folder.mkdir(parents=True)
                (folder / "SKILL.md").write_text(f"---\ndescription: Of {place}.\n---\n")

    def listed(self, agent: str = "main", tool: str = "read", **sections: Any) -> list[str]:
        """What the prompt of an agent lists, in order."""
        agents = {"defaults": {"workspace": str(self.home / "work")}}
        skills = {"load": {"extraDirs": ["~/extra", "~/none"]}}
        self.current = msgspec.convert({"agents": agents, "skills": skills, **sections}, Config)
        found = self.agents.get(agent)
        assert found is not None
        spec = ToolSpec(name=tool, description="Read.", parameters={})
        text, report = self.agents.preview(found, request(), MODEL, [spec])
        lines = [line for line in text.splitlines() if "SKILL.md)" in line]
        self.assertEqual([skill.chars for skill in report.skills], [len(line) for line in lines])
        for line, skill in zip(lines, report.skills, strict=True):
            self.assertTrue(line.startswith(f"- {skill.name}: Of "), line)
        return [line.split(" Of ")[0][2:-1] + "@" + line.split(" Of ")[1].split(".")[0] for line in lines]

    def test_precedence(self) -> None:
        """The workspace's go before the gateway's, and those before the rest; each name is listed once."""
        self.assertEqual(
            self.listed(),
            [
                "both@work/skills",
                "work-skills@work/skills",
                "state-skills@state/skills",
                "extra@extra",
            ],
        )
        self.assertEqual(self.listed(tool="write"), [])
        agent = self.agents.get("main")
        assert agent is not None
        self.assertEqual(
            agent.skill_directories,
            tuple(str(self.home / place) for place in ("work/skills", "state/skills", "extra", "none")),
        )

    def test_filters(self) -> None:
        """Entries that are off are hidden; an agent's own list goes before that of the defaults; null is all."""
        off = {"entries": {"both": {"enabled": False}, "extra": {"enabled": True}}}
        self.assertEqual(self.listed(skills=off), ["work-skills@work/skills", "state-skills@state/skills"])
        agents: dict[str, Any] = {
            "defaults": {"workspace": str(self.home / "work"), "skills": ["both"]},
            "list": [{"id": "main"}, {"id": "b", "skills": []}, {"id": "c", "skills": ["state-skills", "nope"]}],
        }
        self.assertEqual(self.listed(agents=agents), ["both@work/skills"])
        self.assertEqual(self.listed("b", agents=agents), [])
        self.assertEqual(self.listed("c", agents=agents), ["state-skills@state/skills"])
        agents["list"][0]["skills"] = None
        self.assertEqual(self.listed(agents=agents), ["both@work/skills"])
