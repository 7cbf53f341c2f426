# -*- test-case-name: tests.test_dependencies -*-
"""C{make audit}: what is asked about, and what is made of the answers."""

from __future__ import annotations

import json
from configparser import ConfigParser
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.dependencies import EXTRAS, installed, verdict

GOOD = {"name": "treq", "version": "26.7.0", "vulns": []}
BAD = {**GOOD, "name": "old", "vulns": [{"id": "PYSEC-2030-1", "fix_versions": ["2"], "aliases": []}]}
SKIPPED = {"name": "private", "skip_reason": "not found"}


def answer(*rows: object) -> str:
    """What pip-audit prints."""
    return json.dumps({"dependencies": rows, "fixes": []})


class AuditTests(SynchronousTestCase):
    """Asking for known vulnerabilities."""

    def test_packages(self) -> None:
        """All that setup.cfg names for users is asked about, and what that needs; nothing that is for tests only."""
        parser = ConfigParser()
        parser.read(Path(__file__).parents[1] / "setup.cfg")
        names = {
            line.split()[0].split("[")[0].lower() for line in parser["options"]["install_requires"].split("\n") if line
        }
        found = installed("openclaw-tx", EXTRAS)
        self.assertEqual(names - set(found), set())
        self.assertIn("cffi", found)  # of cryptography
        self.assertIn("service-identity", found)  # of Twisted[tls]
        self.assertNotIn("hypothesis", found)
        self.assertEqual(installed("no-such-package"), {})

    def test_vulnerable(self) -> None:
        """A known vulnerability fails, with what fixes it."""
        found = verdict("pypi", answer(GOOD, BAD), "")
        self.assertEqual((found.failed, found.answered), (True, True))
        self.assertEqual(found.lines[0], "old 26.7.0: PYSEC-2030-1, fixed in 2")

    def test_good(self) -> None:
        """None passes; what nobody knows is named."""
        found = verdict("pypi", answer(GOOD, SKIPPED), "")
        self.assertEqual((found.failed, found.answered), (False, True))
        self.assertIn("could not be asked about private", found.lines[0])

    def test_nobody_to_ask(self) -> None:
        """Without a network it passes, and says that it could not ask."""
        for text, complaint in (
            ("", "Traceback\nrequests.exceptions.ConnectionError: no route"),
            (answer(SKIPPED), ""),
            (answer(), ""),
            ("{}", ""),
            ("", ""),
        ):
            found = verdict("pypi", text, complaint)
            self.assertEqual((found.failed, found.answered), (False, False))
            self.assertIn("could not be asked", found.lines[0])
