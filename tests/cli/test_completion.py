# -*- test-case-name: tests.cli.test_completion -*-
"""C{openclaw-tx completion}."""

from __future__ import annotations

from click.testing import CliRunner

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.main import main


class CompletionTests(SynchronousTestCase):
    """A script for each shell."""

    def test_scripts(self) -> None:
        """Each asks this program by click's variable."""
        for shell, words in (("bash", "complete -o"), ("zsh", "#compdef openclaw-tx"), ("fish", "complete --")):
            text = CliRunner().invoke(main, ["completion", shell]).stdout
            self.assertIn(words, text)
            self.assertIn(f"_OPENCLAW_TX_COMPLETE={shell}_complete", text)

    def test_answers(self) -> None:
        """What the script asks is answered with verbs."""
        environment = {"_OPENCLAW_TX_COMPLETE": "bash_complete", "COMP_WORDS": "openclaw-tx gat", "COMP_CWORD": "1"}
        result = CliRunner().invoke(main, [], env=environment, prog_name="openclaw-tx")
        self.assertIn("plain,gateway", result.stdout)

    def test_other_shell(self) -> None:
        """Only those three."""
        self.assertEqual(CliRunner().invoke(main, ["completion", "csh"]).exit_code, 2)
