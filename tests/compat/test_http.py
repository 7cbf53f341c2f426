# -*- test-case-name: tests.compat.test_http -*-
"""Every recorded HTTP case that concerns our routes, played to the real gateway with a real provider behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.compat.differences import DIFFERENCES, OUT_OF_SCOPE
from tests.compat.replay import CASES, JAN, NOW, Player, differences

DOCS = Path(__file__).parent.parent.parent / "docs" / "compatibility.md"
HEAD = ["| what differs | where | why |", "|---|---|---|"]


def section(name: str) -> Iterator[str]:
    """Lines of one section of docs/compatibility.md."""
    inside = False
    for line in DOCS.read_text("utf-8").splitlines():
        if line.startswith("## "):
            inside = line == f"## {name}"
        elif inside:
            yield line


class ReplayTests(SynchronousTestCase):
    """Compared in status, headers that matter, bodies, events, and what the model was asked."""

    def setUp(self) -> None:
        """Play everything."""
        player = Player()
        self.addCleanup(player.close)
        self.found: dict[tuple[str, str], list[str]] = {}
        for case in CASES:
            for release, wanted in case["answers"].items():
                self.found[release, case["name"]] = differences(wanted, player.play(case, release), release)

    def test_every_case(self) -> None:
        """Each case is answered as recorded, but for listed differences; and each listed difference is one."""
        unlisted: list[tuple[str, str, str]] = []
        shown: dict[tuple[int, str], set[str]] = defaultdict(set)
        for (release, name), labels in self.found.items():
            for label in labels:
                rows = [number for number, row in enumerate(DIFFERENCES) if row.covers(release, name, label)]
                if not rows:
                    unlisted.append((release, name, label))
                for number in rows:
                    shown[number, release].add(name)
        self.assertEqual(unlisted, [])
        stale: list[tuple[str, str, list[str]]] = []
        for number, row in enumerate(DIFFERENCES):
            for release in (NOW, JAN):
                names = {name for played, name in self.found if played == release}
                left = row.stale(release, shown[number, release], names)
                if left:
                    stale.append((row.what, release, left))
        self.assertEqual(stale, [])

    def test_enough_is_the_same(self) -> None:
        """The bulk of the newer release's cases differs in nothing but the general rows; were it otherwise, the
        comparison would have become blind."""
        general = {"header Cache-Control: no-cache -> no-cache, no-transform"}
        plain = "header Content-Type: text/plain; charset=utf-8 -> application/json; charset=utf-8"
        same = [key for key, labels in self.found.items() if key[0] == NOW and not set(labels) - general - {plain}]
        self.assertGreater(len(same), 180)
        self.assertEqual(len(self.found), 479)


class TableTests(SynchronousTestCase):
    """The documentation tells the same."""

    def test_differences(self) -> None:
        """docs/compatibility.md has the rows of L{DIFFERENCES}, in order."""
        rows = [line for line in section("HTTP") if line.startswith("| ")]
        self.assertEqual(rows[:1], HEAD[:1])
        self.assertEqual(rows[1:], [str(row) for row in DIFFERENCES])

    def test_out_of_scope(self) -> None:
        """What is not served yet is named with its recordings, and nothing of it is played."""
        text = " ".join(section("HTTP"))
        for route, names in OUT_OF_SCOPE.items():
            self.assertIn(route, text)
            for name in names.split():
                self.assertIn(f"`{name}`", text)
