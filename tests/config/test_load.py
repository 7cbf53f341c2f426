# -*- test-case-name: tests.config.test_load -*-
"""L{openclaw_tx.config.load}: the whole way."""

from __future__ import annotations

import hashlib
import time
from collections.abc import MutableMapping
from pathlib import Path

from openclaw_tx.auth.startup import check_startup
from openclaw_tx.config.decode import decode
from openclaw_tx.config.load import Loaded, from_mapping, load, port
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import ConfigError
from tests.config.support import Home

CHAT_ON = "gateway: {http: {endpoints: {chatCompletions: {enabled: true}}}}"


class LoadTests(Home):
    """L{load}."""

    def test_no_file(self) -> None:
        """Without a file the defaults hold, in silence, and the place of the file is known."""
        loaded = self.load()
        self.assertEqual(loaded.config.gateway, Config().gateway)
        self.assertEqual((loaded.exists, loaded.path, loaded.state_dir), (False, self.file, self.state))
        self.assertEqual(loaded.warnings, ())
        self.assertEqual(loaded.files, (self.file, self.cwd / ".env", self.state / ".env"))
        self.assertEqual(loaded.hash, hashlib.sha256(b"").hexdigest())

    def test_named_file_missing(self) -> None:
        """A file that was asked for by name and is not there is worth a warning."""
        [warning] = self.load(config="other.json").warnings
        self.assertIn("other.json does not exist", warning)
        self.environ["OPENCLAW_CONFIG_PATH"] = "/no/such/file.json"
        self.assertIn("/no/such/file.json", self.load().warnings[0])

    def test_file(self) -> None:
        """A file is read, its bytes are hashed, its includes are listed."""
        self.write(f"{{{CHAT_ON}}}", "inc.json5")
        text = "{$include: './inc.json5', gateway: {port: 4000}}"
        loaded = self.load(text)
        self.assertEqual(loaded.config.gateway.port, 4000)
        self.assertTrue(loaded.config.gateway.http.endpoints.chat_completions.enabled)
        self.assertTrue(loaded.exists)
        self.assertEqual(loaded.hash, hashlib.sha256(text.encode()).hexdigest())
        self.assertIn(self.state / "inc.json5", loaded.files)

    def test_unreadable(self) -> None:
        """A configuration that is there and can not be read is an error, not a default."""
        self.file.mkdir()
        error = self.assertRaises(ConfigError, self.load)
        assert isinstance(error, ConfigError)
        self.assertIn("not a regular file", str(error))
        self.assertIn(self.file, error.files)

    def test_environment(self) -> None:
        """Process, working directory, state directory, env block: the first that has a variable; nobody can write."""
        self.environ["A"] = "process"
        (self.cwd / ".env").write_text("A=cwd\nB=cwd\n")
        (self.state / ".env").write_text("A=state\nB=state\nC=state\n")
        loaded = self.load("{env: {A: 'env', B: 'env', C: 'env', D: 'env', E: '<${A}>', vars: {F: '$${A}'}}}")
        found = {name: loaded.environment[name] for name in "ABCDEF"}
        expected = {"A": "process", "B": "cwd", "C": "state", "D": "env", "E": "<process>", "F": "${A}"}
        self.assertEqual(found, expected)
        self.assertNotIsInstance(loaded.environment, MutableMapping)
        self.assertNotIn("B", self.environ)

    def test_substitution_sees_the_env_block(self) -> None:
        """Variables of the env block and of .env files work in the rest of the file."""
        (self.state / ".env").write_text("TOKEN_B=bbb\n")
        loaded = self.load("{env: {vars: {TOKEN_A: 'aaa'}}, gateway: {auth: {token: '${TOKEN_A}${TOKEN_B}'}}}")
        self.assertEqual(loaded.config.gateway.auth.token, "aaabbb")

    def test_missing_variable(self) -> None:
        """One line for the place, and none for what follows from it."""
        self.assertEqual(
            self.issues("{gateway: {auth: {token: '${NOPE}'}}, env: {vars: {X: '${NADA}'}}}"),
            {
                "gateway.auth.token": "the environment variable NOPE is not set",
                "env.vars.X": "the environment variable NADA is not set",
            },
        )

    def test_secret_reference(self) -> None:
        """OpenClaw's object for a secret in a variable works."""
        self.environ["TOK"] = "t-1"
        loaded = self.load("{gateway: {auth: {token: {source: 'env', provider: 'default', id: 'TOK'}}}}")
        self.assertEqual(loaded.config.gateway.auth.token, "t-1")

    def test_dotenv_can_not_move_things(self) -> None:
        """A .env file does not choose where the state lives; it is told so."""
        (self.cwd / ".env").write_text("OPENCLAW_STATE_DIR=/elsewhere\nOPENCLAW_PROFILE=evil\n")
        loaded = self.load()
        self.assertEqual(loaded.state_dir, self.state)
        self.assertEqual(len(loaded.warnings), 2)
        self.assertIn("OPENCLAW_STATE_DIR", loaded.warnings[0])

    def test_old_names(self) -> None:
        """Variables of the former name work with a warning that holds no value."""
        self.environ["CLAWDBOT_GATEWAY_TOKEN"] = "hunter2"
        loaded = self.load()
        self.assertEqual(loaded.environment["OPENCLAW_GATEWAY_TOKEN"], "hunter2")
        self.assertIn("CLAWDBOT_GATEWAY_TOKEN is deprecated", loaded.warnings[0])
        self.assertNotIn("hunter2", str(loaded.warnings))

    def test_agents_entries(self) -> None:
        """The map by id is read like the list, behind it; issues carry the names of the file."""
        loaded = self.load("{agents: {list: [{id: 'a'}], entries: {b: {name: 'B'}, c: {default: true}}}}")
        self.assertEqual([agent.id for agent in loaded.config.agents.entries], ["a", "b", "c"])
        self.assertEqual(
            self.issues("{agents: {entries: {b: {nam: 'B', tools: 5}, c: 5, 'X y': {}}}}"),
            {
                "agents.entries.c": "expected object",
                "agents.entries.b.nam": "unknown key, did you mean name?",
                "agents.entries.b.tools": "expected object, got int",
                'agents.entries["X y"].id': "must match ^[a-z0-9][a-z0-9_-]{0,63}$",
            },
        )

    def test_paths_are_absolute(self) -> None:
        """C{~} and relative paths of the file are resolved, empty ones stay empty."""
        loaded = self.load(
            "{agents: {defaults: {workspace: '~/w'}, list: [{id: 'a', workspace: 'rel'}, {id: 'b'}]},"
            " models: {local: {path: '~/m.gguf'}}, skills: {load: {extraDirs: ['~/s', 'more', '']}},"
            " cron: {store: '~/.openclaw/cron/jobs.json'}, gateway: {tls: {certPath: '~/c.pem', keyPath: 'k.pem'}}}"
        )
        tls = loaded.config.gateway.tls
        self.assertEqual(loaded.config.cron.store, str(self.home / ".openclaw/cron/jobs.json"))
        self.assertEqual(
            (tls.cert_path, tls.key_path, tls.ca_path), (str(self.home / "c.pem"), str(self.cwd / "k.pem"), "")
        )
        agents = loaded.config.agents
        self.assertEqual(agents.defaults.workspace, str(self.home / "w"))
        self.assertEqual([agent.workspace for agent in agents.entries], [str(self.cwd / "rel"), ""])
        self.assertEqual(loaded.config.models.local.path, str(self.home / "m.gguf"))
        self.assertEqual(loaded.config.skills.load.extra_dirs, [str(self.home / "s"), str(self.cwd / "more")])
        default = self.load("{}").config
        self.assertEqual(default.agents.defaults.workspace, str(self.state / "workspace"))
        self.assertEqual((default.models.local.path, default.cron.store, default.gateway.tls.cert_path), ("", "", ""))

    def test_profile_has_its_own_workspace(self) -> None:
        """A profile moves state and default workspace, but not a workspace that was chosen."""
        loaded = self.load(profile="work")
        self.assertEqual((loaded.state_dir, loaded.profile), (self.home / ".openclaw-work", "work"))
        self.assertEqual(loaded.config.agents.defaults.workspace, str(self.state / "workspace-work"))
        path = self.write("{agents: {defaults: {workspace: '/w'}}}", "own.json")
        self.assertEqual(self.load(profile="work", config=str(path)).config.agents.defaults.workspace, "/w")

    def test_overrides(self) -> None:
        """Settings of the command line lie over the file, are not substituted, and are checked like it."""
        over = {"gateway": {"auth": {"token": "${X}"}, "bind": "lan"}}
        loaded = self.load("{gateway: {port: 5, auth: {token: 'file'}}}", overrides=over)
        self.assertEqual(loaded.config.gateway.auth.token, "${X}")
        self.assertEqual((loaded.config.gateway.port, loaded.config.gateway.bind), (5, "lan"))
        self.assertIn("gateway.port", self.issues("{}", overrides={"gateway": {"port": "x"}}))

    def test_all_stages_report(self) -> None:
        """What is foreign, missing, mistyped: one error has it all."""
        issues = self.issues(
            "{routing: {}, gateway: {roles: {x: {}}, port: 'x', auth: {password: '${NOPE}'}}, env: {'A B': 'x'}}"
        )
        self.assertEqual(
            sorted(issues),
            sorted(["routing", "gateway.roles", "gateway.port", "gateway.auth.password", 'env.vars["A B"]']),
        )

    def test_exposed_without_secret(self) -> None:
        """A bind that lets other machines in needs a secret, from wherever."""
        refused = {"check": check_startup}
        self.assertEqual(list(self.issues("{gateway: {bind: 'lan'}}", **refused)), ["gateway.auth.token"])
        self.environ["OPENCLAW_GATEWAY_PASSWORD"] = "p4ss"
        self.load_to_serve("{gateway: {bind: 'lan'}}")
        open_to_all = "{gateway: {bind: 'lan', auth: {mode: 'none'}}}"
        self.assertEqual(list(self.issues(open_to_all, **refused)), ["gateway.auth.mode"])

    def test_own_check(self) -> None:
        """A check of the caller's sees the effective environment, and what it finds is refused."""
        seen = []

        def check(config: Config, environment: object) -> list[tuple[str, str]]:
            seen.append((config.gateway.port, environment))
            return [("x", "not today")]

        self.assertEqual(
            self.issues("{gateway: {bind: 'lan', port: 7}, env: {A: '1'}}", check=check), {"x": "not today"}
        )
        self.assertEqual(seen[0][0], 7)
        self.assertIn("A", str(seen[0][1]))

    def test_failed_load_names_files(self) -> None:
        """Who waits for the fix knows where to look: also at an include and at .env."""
        self.write("{,", "inc.json5")
        error = self.assertRaises(ConfigError, self.load, "{$include: 'inc.json5'}")
        assert isinstance(error, ConfigError)
        self.assertEqual(
            set(error.files), {self.file, self.state / "inc.json5", self.cwd / ".env", self.state / ".env"}
        )

    def test_not_shown(self) -> None:
        """The representation of a load holds no secret."""
        self.environ["SECRET"] = "hunter2"
        self.assertNotIn("hunter2", repr(self.load("{gateway: {auth: {token: 'hunter2'}}}")))

    def test_default_directory(self) -> None:
        """Without a working directory handed in it is the process's own."""
        loaded = load(self.environ)
        self.assertIn(Path.cwd() / ".env", loaded.files)
        self.assertIsInstance(loaded, Loaded)

    def test_fast(self) -> None:
        """A file as large as people write them loads without stopping a reactor for long."""
        providers = ", ".join(
            f"p{index}: {{baseUrl: 'http://h/v1', /* c */ models: [{{id: 'm', name: \"M\"}},],}}"
            for index in range(200)
        )
        self.write(f"// many\n{{models: {{providers: {{{providers}}}}}}}")
        self.load()
        started = time.process_time()
        self.assertEqual(len(self.load().config.models.providers), 200)
        self.assertLess(time.process_time() - started, 0.5)


class FromMappingTests(Home):
    """L{from_mapping}."""

    def test_defaults(self) -> None:
        """Nothing at all is a configuration whose workspace lies below the state directory; HOME is not needed."""
        loaded = from_mapping({}, {}, self.state)
        self.assertEqual(loaded.config.agents.defaults.workspace, str(self.state / "workspace"))
        self.assertEqual((loaded.state_dir, loaded.files, loaded.exists), (self.state, (), False))

    def test_same_rules(self) -> None:
        """Variables, foreign keys, strict types and the check hold as for a file; what came in stays as it was."""
        data = {
            "gateway": {"auth": {"token": "${T}"}},
            "env": {"T": "abc"},
            "channels": {"irc": {}},
            "tools": {"deny": ("x",)},
        }
        before = repr(data)
        loaded = from_mapping(data, {}, self.state)
        self.assertEqual((loaded.config.gateway.auth.token, loaded.config.tools.deny), ("abc", ["x"]))
        self.assertEqual((loaded.environment["T"], dict(loaded.outer_environment)), ("abc", {}))
        self.assertIn("channels", loaded.warnings[0])
        self.assertEqual(repr(data), before)
        for bad in ({"gateway": {"bind": "lan"}}, {"gateway": {"port": "x"}}, {"x": object()}, {"agents": 5}):
            self.assertRaises(ConfigError, from_mapping, bad, {}, self.state, check=check_startup)

    def test_deep(self) -> None:
        """Nesting beyond reason is an error here too."""
        deep: list[object] = []
        for _ in range(10_000):
            deep = [deep]
        self.assertRaises(ConfigError, from_mapping, {"tools": {"deny": deep}}, {}, self.state)


class PortTests(Home):
    """L{port}."""

    def test_precedence(self) -> None:
        """Option, variable, file, default."""
        config = decode({"gateway": {"port": 3}})
        self.assertEqual(port(config, {"OPENCLAW_GATEWAY_PORT": "2"}, 1), 1)
        self.assertEqual(port(config, {"OPENCLAW_GATEWAY_PORT": " 2 "}), 2)
        self.assertEqual(port(config, {}), 3)
        self.assertEqual(port(Config(), {}), 18789)

    def test_bad_variable(self) -> None:
        """What is no port does not count."""
        for text in ("", "x", "0", "-1", "65536", "1.5", "0x10", "1e3", "\u0661", "9" * 5000):
            self.assertEqual(port(Config(), {"OPENCLAW_GATEWAY_PORT": text}), 18789)
