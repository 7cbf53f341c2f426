# -*- test-case-name: tests.wire.test_trace -*-
"""W3C Trace Context."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.wire.trace import Trace, child, parse_trace, trace_header, trace_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"
UNIQUE = "11111111-2222-4333-8444-555555555555"


class ParseTests(SynchronousTestCase):
    """L{parse_trace}: the examples and rules of section 3.2."""

    def test_good(self) -> None:
        """The specification's own example, and what it says it means."""
        self.assertEqual(parse_trace(GOOD), Trace(TRACE, SPAN, "01"))
        self.assertEqual(str(parse_trace(GOOD)), GOOD)

    def test_flags(self) -> None:
        """Sampled and random are kept, flags that nobody knows are not."""
        for flags, kept in (("00", "00"), ("01", "01"), ("03", "03"), ("ff", "03"), ("08", "00")):
            trace = parse_trace(f"00-{TRACE}-{SPAN}-{flags}")
            assert trace is not None
            self.assertEqual(trace.flags, kept)

    def test_version_to_come(self) -> None:
        """Its first four fields are read, whatever follows."""
        for text in (f"01-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what-comes"):
            self.assertEqual(parse_trace(text), Trace(TRACE, SPAN, "01"))

    def test_bad(self) -> None:
        """Everything else is not one."""
        for text in (
            "",
            "00",
            f"ff-{TRACE}-{SPAN}-01",
            f"00-{TRACE.upper()}-{SPAN}-01",
            f"00-{'0' * 32}-{SPAN}-01",
            f"00-{TRACE}-{'0' * 16}-01",
            f"00-{TRACE[:-1]}-{SPAN}-01",
            f"00-{TRACE}-{SPAN}x-01",
            f"00-{TRACE}-{SPAN}-1",
            f"00-{TRACE}-{SPAN}-0g",
            f"{GOOD}-more",
            f"{GOOD}\n",
            f" {GOOD}",
            f"01-{TRACE}-{SPAN}-01.more",
            f"01-{TRACE}-{SPAN}-01-{'x' * 100}",
            "\N{FULLWIDTH DIGIT ZERO}0" + GOOD[2:],
        ):
            self.assertIsNone(parse_trace(text), text)


class HeaderTests(SynchronousTestCase):
    """L{trace_header}, L{child} and L{trace_id}."""

    def test_lines(self) -> None:
        """One line is the header; none or several are none; a huge one is not even looked at."""
        self.assertEqual(trace_header([f" {GOOD} ".encode()]), GOOD)
        for lines in (None, [], [GOOD.encode(), GOOD.encode()], [b"x" * 1000]):
            self.assertEqual(trace_header(lines), "")

    def test_child(self) -> None:
        """A new span in the same trace."""
        self.assertEqual(child(GOOD, UNIQUE), f"00-{TRACE}-8444555555555555-01")

    def test_unsampled_stays_unsampled(self) -> None:
        """Whether to record is the caller's decision."""
        self.assertEqual(child(f"00-{TRACE}-{SPAN}-00", UNIQUE)[-2:], "00")

    def test_new(self) -> None:
        """Without a usable parent a trace begins."""
        for parent in ("", "rubbish", f"00-{'0' * 32}-{SPAN}-01"):
            self.assertEqual(child(parent, UNIQUE), "00-11111111222243338444555555555555-8444555555555555-01")
            self.assertIsNotNone(parse_trace(child(parent, UNIQUE)))

    def test_trace_id(self) -> None:
        """For logs."""
        self.assertEqual((trace_id(GOOD), trace_id("rubbish")), (TRACE, ""))
