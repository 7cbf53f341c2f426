# -*- test-case-name: tests.test_bench -*-
"""The table of budgets that `make bench` fills in: what is compared with what, and when a run fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bench import budgets, report
from bench.gateway import OURS
from bench.workloads import ONCE, WORKLOADS


def run(partial: bool = False, **figures: dict[str, float]) -> dict[str, Any]:
    """Results of a run: figures by target."""
    return {"circumstances": "Here.", "missing": {}, "partial": partial, "figures": {"direct": {}, **figures}}


def row(results: dict[str, Any], label: str) -> list[str]:
    """What the table says of a budget: measured, met, aim met."""
    (found,) = (line for line in budgets.lines(results) if line[1].startswith(label))
    return found[4:]


class BudgetTests(SynchronousTestCase):
    """Figures in, verdicts out."""

    def test_within_and_beyond(self) -> None:
        """A limit itself is within; an aim is told apart from what must be."""
        for calls, told in ((6.04, ["6.0", "yes", "no"]), (6.1, ["6.1", "**no**", "no"]), (3.0, ["3", "yes", "yes"])):
            results = run(openclaw_tx={"calls.chunk": calls})
            self.assertEqual(row(results, "system calls"), told)

    def test_only_gates_fail_a_run(self) -> None:
        """Every missed budget is told; system calls alone, which are exact, decide."""
        results = run(openclaw_tx={"calls.chunk": 7.0, "start.seconds": 2.0})
        self.assertEqual(len(budgets.missed(results)), 3)  # the start counts twice: to OpenClaw's, too
        (gate,) = budgets.missed(results, gates=True)
        self.assertIn("budget 4 is missed", gate)
        self.assertEqual(budgets.missed(run(openclaw_tx={"calls.chunk": 6.0}), gates=True), [])

    def test_compared_with_peers_of_the_run(self) -> None:
        """Ratios are of figures of one run; a peer that is not there leaves its row empty."""
        results = run(openclaw_tx={"one.cpu_us_request": 300.0}, aiohttp={"one.cpu_us_request": 200.0})
        self.assertEqual(row(results, "CPU of a streamed request to aiohttp's"), ["1.50x", "**no**", "no"])
        self.assertEqual(row(results, "CPU of a streamed request to nginx's")[0], "not measured")

    def test_ratios_of_rounds(self) -> None:
        """A slow minute of the machine meets both parts of a ratio: it is taken in each round, then their median."""
        one, session = "one.cpu_us_request", "session.cpu_us_request"
        own = [{one: 100.0, session: 150.0}, {one: 900.0, session: 1800.0}, {one: 100.0, session: 140.0}]
        peer = [{one: 50.0}, {one: 600.0}, {}]
        found = budgets.ratios({OURS: own, "aiohttp": peer})
        self.assertEqual(found, {f"{one}.to.aiohttp": 1.75, f"{session}.to.{one}": 1.5})
        results = run(openclaw_tx={one: 100.0, session: 150.0, **found}, aiohttp={one: 325.0})
        self.assertEqual(row(results, "CPU of a streamed request to aiohttp's")[0], "1.75x")
        self.assertEqual(row(results, "CPU of a run with a stored session")[0], "1.50x")

    def test_openclaw_by_reference_or_live(self) -> None:
        """An installation that was measured replaces the figures of record; what costs less is better."""
        ours = {"one.cpu_us_request": 385.0}
        self.assertEqual(row(run(openclaw_tx=ours), "CPU of a run,"), ["1,000x", "yes", "yes"])
        live = run(openclaw_tx=ours, openclaw={"one.cpu_us_request": 77_000.0})
        self.assertEqual(row(live, "CPU of a run,"), ["200x", "**no**", "no"])

    def test_growth(self) -> None:
        """Sessions: the dearest over the cheapest. Turns: what one costs among many, over what it costs among few."""
        sessions = {"sessions.10.cpu_us_request": 100.0, "sessions.1000.cpu_us_request": 90.0}
        self.assertEqual(row(run(openclaw_tx=sessions), "CPU of a request, 10")[0], "not measured")
        sessions["sessions.100000.cpu_us_request"] = 135.0
        self.assertEqual(row(run(openclaw_tx=sessions), "CPU of a request, 10")[:2], ["1.50x", "**no**"])
        turns = {"turns.10.cpu_us_request": 110.0, "turns.100.cpu_us_request": 200.0}
        turns["turns.1000.cpu_us_request"] = 1100.0
        self.assertEqual(row(run(openclaw_tx=turns), "CPU of a turn of history")[:2], ["1x", "yes"])

    def test_rows_of_others(self) -> None:
        """What another measurement puts into the figures is shown."""
        figures = {"ws.event_us": 18.0, "ws.kib": 5.0, "ws.idle_share": 0.0004, "ws.longest_turn_ms": 12.0}
        rows = [line for line in budgets.lines(run(openclaw_tx=figures)) if line[0] == "9"]
        self.assertEqual([line[4] for line in rows], ["18 µs", "5 KiB", "0.0004", "12 ms"])

    def test_every_figure_can_be_had(self) -> None:
        """What a budget needs can be asked for; WebSocket events are measured elsewhere."""
        needs = {name for budget in budgets.BUDGETS for name in budget.needs}
        self.assertEqual(needs - {*WORKLOADS, *ONCE}, set())

    def test_a_part_shows_its_rows_alone(self) -> None:
        """A whole run shows empty rows as well."""
        figures = {"calls.chunk": 3.0}
        self.assertEqual(len(budgets.lines(run(partial=True, openclaw_tx=figures))), 1)
        self.assertEqual(len(budgets.lines(run(openclaw_tx=figures))), len(budgets.BUDGETS))

    def test_summary(self) -> None:
        """OpenClaw's figures are those of record, or those of the same run; what was not measured is a dash."""
        results = run(openclaw_tx={"one.cpu_us_request": 850.0}, nginx={"one.cpu_us_request": 25.0})
        self.assertEqual(self.cells(report.summary_table(results)), ["0.85", "385.00", "0.03", "-"])
        results["figures"]["openclaw"] = {"one.cpu_us_request": 340_000.0}
        self.assertEqual(self.cells(report.summary_table(results)), ["0.85", "340.00", "0.03", "-"])

    def cells(self, table: str) -> list[str]:
        """Those of the first line."""
        return [cell.strip() for cell in table.splitlines()[4].split("|")[2:-1]]

    def test_into_a_document(self) -> None:
        """Each table goes between its markers, and nowhere else."""
        path = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.write("before\n<!-- budgets:begin -->\nold\n<!-- budgets:end -->\nafter\n")
        report.put_into(Path(path), run(**{OURS: {"calls.chunk": 3.0}}))
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertTrue(text.startswith("before\n<!-- budgets:begin -->\nHere.\n"))
        self.assertTrue(text.endswith("<!-- budgets:end -->\nafter\n"))
        self.assertNotIn("old", text)
