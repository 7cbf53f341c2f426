# -*- test-case-name: tests.cli.test_main -*-
"""The command line as a whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
from click.testing import CliRunner

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx._version import __version__
from openclaw_tx.cli import reference
from openclaw_tx.cli.main import main
from openclaw_tx.cli.place import DEV_PORT, Place
from tests.cli.doubles import NO_SECRETS

HEAVY = ("twisted.internet", "twisted.web", "autobahn", "treq", "sqlalchemy", "rich")
"""Packages that C{--help} must not pay for."""

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def commands(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    """Every command below C{group} that is not itself a group, by its words."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= commands(command, f"{prefix}{name} ")
        else:
            found[f"{prefix}{name}"] = command
    return found


class MainTests(SynchronousTestCase):
    """Help, version, global options."""

    def test_help(self) -> None:
        """Every verb has help that starts with a sentence and speaks of its arguments; every option has some, too."""
        self.assertEqual(CliRunner().invoke(main, ["--help"]).exit_code, 0)
        for words, command in commands(main).items():
            result = CliRunner().invoke(main, [*words.split(), "--help"])
            self.assertEqual(result.exit_code, 0, words)
            self.assertRegex(command.help or "", r"^[A-Z][^\n]*[.\n]", words)
            for option in command.params:
                said = (
                    option.help
                    if isinstance(option, click.Option)
                    else option.human_readable_name in (command.help or "")
                )
                self.assertTrue(said, f"{words} {option.name}")

    def test_version(self) -> None:
        """The version of the package."""
        self.assertEqual(CliRunner().invoke(main, ["--version"]).stdout, f"openclaw-tx, version {__version__}\n")

    def test_unknown_verb(self) -> None:
        """Exit code 2 and a line that says so."""
        result = CliRunner().invoke(main, ["frobnicate"])
        self.assertEqual(result.exit_code, 2)
        self.assertIn("No such command 'frobnicate'", result.stderr)

    def test_help_is_light(self) -> None:
        """Asking for help imports nothing heavy: a fresh interpreter tells."""
        code = (
            "import sys; from openclaw_tx.cli.main import main\n"
            "try: main(['--help'])\n"
            "except SystemExit: pass\n"
            f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=PAGE.parents[1]
        )
        self.assertTrue(done.stdout.endswith("loaded: []\n"), done.stdout + done.stderr)

    def test_no_colour(self) -> None:
        """Output that goes to no terminal has no colours, and --no-color and NO_COLOR say so for terminals."""

        @click.command()
        @click.pass_obj
        def paint(place: Place) -> None:
            """Print in red."""
            place.console().print("[red]x[/red]")

        main.add_command(paint)
        self.addCleanup(main.commands.pop, "paint")
        self.assertEqual(CliRunner().invoke(main, ["paint"]).stdout, "x\n")
        forced = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
        self.assertIn("\x1b[31m", CliRunner().invoke(main, ["paint"], env=forced, color=True).stdout)
        for arguments, environment in ((["--no-color", "paint"], {}), (["paint"], {"NO_COLOR": "1"})):
            result = CliRunner().invoke(main, arguments, env={**forced, **environment}, color=True)
            self.assertNotIn("\x1b[3", result.stdout)

    def test_page(self) -> None:
        """docs/cli.md has a table of every command and every option, made from the commands themselves."""
        page = PAGE.read_text("utf-8")
        again = "run python -m openclaw_tx.cli.reference docs/cli.md"
        self.assertEqual(page.count(reference.MARK), 1)
        self.assertTrue(page == reference.updated(page), again)
        for words, command in commands(main).items():
            self.assertTrue(command.hidden or f"### openclaw-tx {words}" in page, words)
        for option in main.params:
            self.assertTrue(f"`{option.opts[-1]}" in page, option.name)

    def test_json_before_the_verb(self) -> None:
        """--json before a verb is --json behind it; a verb without it says so."""
        environment = {**NO_SECRETS, "HOME": self.mktemp()}
        for words in (["--json", "sessions"], ["--json", "sessions", "list"], ["sessions", "list", "--json"]):
            result = CliRunner().invoke(main, words, env=environment)
            self.assertEqual(json.loads(result.stdout)["sessions"], [], result.stderr)
        result = CliRunner().invoke(main, ["--json", "token"], env=environment)
        self.assertEqual((result.exit_code, result.stdout), (2, ""))
        self.assertIn("`token` has no --json", result.stderr)

    def test_dev(self) -> None:
        """--dev is the profile dev and another port, unless the environment names one."""
        place = Place(profile="dev", dev=True)
        self.assertEqual(place.environ["OPENCLAW_GATEWAY_PORT"], str(DEV_PORT))
        result = CliRunner().invoke(main, ["--dev", "config", "path"], env={**NO_SECRETS, "HOME": "/nowhere"})
        self.assertEqual(result.stdout, "/nowhere/.openclaw-dev/openclaw.json\n")
        self.assertEqual(CliRunner().invoke(main, ["--dev", "--profile", "x", "token"]).exit_code, 2)
