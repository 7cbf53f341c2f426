# -*- test-case-name: tests.config.test_environment -*-
"""L{openclaw_tx.config.environment}: where things live, C{.env} files, the C{env} block."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from openclaw_tx.config.environment import (
    Location,
    absolute,
    env_block,
    expand_home,
    fill,
    locate,
    modernise,
    parse_dotenv,
    read_dotenv,
)
from openclaw_tx.errors import ConfigError
from tests.config.support import Home


class LocateTests(Home):
    """L{locate}."""

    def find(self, **options: Any) -> Location:
        """With this test's environment."""
        return locate(modernise(self.environ)[0], self.cwd, **options)

    def test_default(self) -> None:
        """C{~/.openclaw/openclaw.json}, there or not."""
        self.state.rmdir()
        self.assertEqual(self.find(), Location(state_dir=self.state, config=self.file))

    def test_state_dir_precedence(self) -> None:
        """Option, variable, its old name, profile; C{~} and relative paths are resolved."""
        self.environ["OPENCLAW_PROFILE"] = "work"
        self.assertEqual(self.find().state_dir, self.home / ".openclaw-work")
        self.environ["CLAWDBOT_STATE_DIR"] = "~/old"
        self.assertEqual(self.find().state_dir, self.home / "old")
        self.environ["OPENCLAW_STATE_DIR"] = "rel/../new"
        self.assertEqual(self.find().state_dir, self.cwd / "new")
        self.assertEqual(self.find(state_dir="/opt/x").state_dir.as_posix(), "/opt/x")
        self.assertEqual(self.find(state_dir="/opt/x").config.as_posix(), "/opt/x/openclaw.json")

    def test_blank_variables_do_not_count(self) -> None:
        """A variable set to nothing is as good as none."""
        self.environ.update(OPENCLAW_STATE_DIR=" ", OPENCLAW_CONFIG_PATH="", OPENCLAW_PROFILE=" ")
        self.assertEqual(self.find(), Location(state_dir=self.state, config=self.file))

    def test_legacy_state_dirs(self) -> None:
        """An existing directory of a former name is used only while there is none of today's."""
        (self.home / ".moltbot").mkdir()
        self.assertEqual(self.find().state_dir, self.state)
        self.state.rmdir()
        self.assertEqual(self.find().state_dir, self.home / ".moltbot")
        (self.home / ".clawdbot").mkdir()
        self.assertEqual(self.find().state_dir, self.home / ".clawdbot")

    def test_profile(self) -> None:
        """The option wins over the variable, C{default} means none, and a path is no name."""
        self.environ["OPENCLAW_PROFILE"] = "work"
        self.assertEqual(self.find(profile="dev").state_dir, self.home / ".openclaw-dev")
        self.assertEqual(self.find(profile="dev").profile, "dev")
        self.assertEqual(self.find(profile="Default").state_dir, self.state)
        for name in ("../x", "a/b", "-x", "x" * 65, "a b"):
            self.assertRaises(ConfigError, self.find, profile=name)

    def test_config_precedence(self) -> None:
        """Option, variable, its old name, then the state directory."""
        self.environ["CLAWDBOT_CONFIG_PATH"] = "~/old.json"
        self.assertEqual(self.find().config, self.home / "old.json")
        self.environ["OPENCLAW_CONFIG_PATH"] = "~/new.json"
        self.assertEqual(self.find().config, self.home / "new.json")
        self.assertEqual(self.find(config="own.json").config, self.cwd / "own.json")
        self.assertEqual(self.find().state_dir, self.state)

    def test_legacy_config_names(self) -> None:
        """An existing file of a former name is used only while there is none of today's."""
        for name in ("moldbot.json", "moltbot.json", "clawdbot.json", "openclaw.json"):
            path = self.write("{}", name)
            self.assertEqual(self.find().config, path)

    def test_no_home(self) -> None:
        """Without HOME the state directory must be named."""
        error = self.assertRaises(ConfigError, locate, {}, self.cwd)
        self.assertIn("HOME is not set", str(error))
        self.assertEqual(locate({"USERPROFILE": "/u"}, self.cwd).state_dir.as_posix(), "/u/.openclaw")
        self.assertEqual(locate({}, self.cwd, state_dir="/x").state_dir.as_posix(), "/x")

    def test_not_to_be_looked_into(self) -> None:
        """A directory about which the system says nothing is an issue, not an accident. As root only names that are too
        long for it show that."""
        long = "x" * 300
        for environ, options in (
            ({"HOME": f"/{long}"}, {}),
            ({"HOME": "/h"}, {"state_dir": f"/{long}"}),
            ({"HOME": "/h", "OPENCLAW_STATE_DIR": long}, {}),
        ):
            error = self.assertRaises(ConfigError, locate, environ, self.cwd, **options)
            self.assertIn("can not look for /", str(error))
            self.assertIn("File name too long", str(error))


class PathTests(Home):
    """C{~} and relative paths."""

    def test_expand_home(self) -> None:
        """Only a leading C{~} of one's own is a home."""
        home = {"HOME": "/h"}
        for path, expected in (("~", "/h"), ("~/a", "/h/a"), ("~x/a", "~x/a"), ("a/~", "a/~"), ("/a", "/a")):
            self.assertEqual(expand_home(path, home), expected)

    def test_absolute(self) -> None:
        """Relative paths start at the working directory; C{..} is resolved."""
        self.assertEqual(absolute("a/../b", {}, self.cwd), self.cwd / "b")
        self.assertEqual(absolute("~/b", self.environ, self.cwd), self.home / "b")


class TwinTests(Home):
    """L{modernise}."""

    def test_twins(self) -> None:
        """Old names fill in for new ones, each with a warning that holds no value; a new one wins in silence."""
        old = {"CLAWDBOT_GATEWAY_TOKEN": "s3cret", "CLAWDBOT_GATEWAY_PORT": "1", "OPENCLAW_GATEWAY_PORT": "2"}
        modern, warnings = modernise(old)
        self.assertEqual((modern["OPENCLAW_GATEWAY_TOKEN"], modern["OPENCLAW_GATEWAY_PORT"]), ("s3cret", "2"))
        self.assertEqual(warnings, ["CLAWDBOT_GATEWAY_TOKEN is deprecated, use OPENCLAW_GATEWAY_TOKEN"])
        self.assertEqual(modernise({"CLAWDBOT_OTHER": "x"}), ({"CLAWDBOT_OTHER": "x"}, []))


class DotenvTests(Home):
    """C{.env} files."""

    def test_forms(self) -> None:
        """Every way to write an assignment."""
        text = """
            # comment
            A=1
            export B = two words  # comment
            C='as $is \\n' # comment
            D="a\\nb \\"c\\" #d"
            E=
            F=a#b
            G=http://x/?y=z
            H=""
        """
        values, bad = parse_dotenv(text)
        expected = {
            "A": "1",
            "B": "two words",
            "C": "as $is \\n",
            "D": 'a\nb "c" #d',
            "E": "",
            "F": "a#b",
            "G": "http://x/?y=z",
            "H": "",
        }
        self.assertEqual((values, bad), (expected, []))

    def test_bad_lines(self) -> None:
        """Lines that are no assignment are counted out, the rest is read."""
        self.assertEqual(parse_dotenv("A=1\nnonsense\n2B=x\nC='open\nD=4"), ({"A": "1", "D": "4"}, [2, 3, 4]))

    def test_first_file_wins(self) -> None:
        """The file of the working directory comes before that of the state directory; a missing one is fine."""
        first, second = self.cwd / ".env", self.state / ".env"
        second.write_text("A=state\nB=state\n")
        self.assertEqual(read_dotenv([first, second])[0], {"A": "state", "B": "state"})
        first.write_text("A=cwd\n")
        self.assertEqual(read_dotenv([first, second]), ({"A": "cwd", "B": "state"}, []))

    def test_foreign_files(self) -> None:
        """A file that is no text, too large, or odd in a line is a warning without its content; a directory is none."""
        path = self.cwd / ".env"
        for content, words in ((b"\xff=1", "not UTF-8"), (b"A=" + b"x" * 300_000, "larger"), (b"hunter2", "line 1")):
            path.write_bytes(content)
            values, warnings = read_dotenv([path])
            self.assertEqual(values, {})
            self.assertEqual(len(warnings), 1)
            self.assertIn(words, warnings[0])
            self.assertNotIn("hunter2", warnings[0])
        path.unlink()
        path.mkdir()
        self.assertEqual(read_dotenv([path]), ({}, []))

    def test_fill(self) -> None:
        """What is there is never overridden, and the result can not be changed."""
        filled = fill({"A": "1"}, {"A": "2", "B": "3"})
        self.assertEqual(dict(filled), {"A": "1", "B": "3"})
        self.assertNotIsInstance(filled, MutableMapping)


class EnvBlockTests(Home):
    """L{env_block}."""

    def test_vars_and_flat_keys(self) -> None:
        """Both give variables, C{vars} wins, and the flat ones end up in C{vars}."""
        data: dict[str, Any] = {"env": {"A": "flat", "B": "flat", "vars": {"B": "vars"}, "shellEnv": {}}}
        self.assertEqual(env_block(data), ({"A": "flat", "B": "vars"}, []))
        self.assertEqual(data, {"env": {"vars": {"A": "flat", "B": "vars"}, "shellEnv": {}}})

    def test_bad_names(self) -> None:
        """A name no variable can have is an issue."""
        issues = env_block({"env": {"vars": {"A B": "x", "1": "y", "ok_1": "z"}}})[1]
        self.assertEqual([path for path, _ in issues], ['env.vars["A B"]', "env.vars.1"])

    def test_wrong_shapes(self) -> None:
        """What is not as it should be is left for the strict decode."""
        for data in ({}, {"env": 5}, {"env": {"vars": 5, "A": "x"}}, {"env": {"vars": "text"}}):
            before = repr(data)
            self.assertEqual(env_block(data)[0], {})
            self.assertEqual(repr(data), before)
