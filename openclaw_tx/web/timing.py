# -*- test-case-name: tests.web.test_timing -*-
"""C{Server-Timing} (W3C): where the time of a run went, for whoever looks at an answer's headers."""

from __future__ import annotations

from openclaw_tx.interfaces import RunTimes
from openclaw_tx.web.exchange import Exchange


def server_timing(times: RunTimes) -> str:
    """What is known so far, in milliseconds: C{queue} for a place, C{prep} until the model was called, C{ttft} from
    admission to the first text, C{total} from admission to the end. What did not happen yet is left out."""
    spans = (
        ("queue", times.queued, times.started),
        ("prep", times.started, times.called),
        ("ttft", times.queued, times.first_text),
        ("total", times.queued, times.ended),
    )
    return ", ".join(f"{name};dur={max(0.0, to - since) * 1000:.1f}" for name, since, to in spans if since and to)


def show_timing(exchange: Exchange, times: RunTimes) -> None:
    """Set the header, if anything is known."""
    value = server_timing(times)
    if value:
        exchange.set_header("Server-Timing", value)


def show_total(exchange: Exchange) -> None:
    """Set the header for what is no run: C{total}, since the request came."""
    exchange.set_header("Server-Timing", f"total;dur={exchange.milliseconds:.1f}")


__all__ = ["server_timing", "show_timing", "show_total"]
