# -*- test-case-name: tests.agents.test_silence -*-
"""Answers to heartbeats that say nothing (spec 3.3). Pure."""

from __future__ import annotations

from openclaw_tx.agents.sections import HEARTBEAT_TOKEN

_MARKUP = "*_`~"
_BLANKS = " \t\r\n"


def heartbeat_text(text: str, ack_max_chars: int) -> str:
    """What of the answer to a heartbeat is worth telling; "" = nothing.

    @param ack_max_chars: so many characters beside C{HEARTBEAT_OK}, which begins or ends the answer, are nothing.
    """
    text = rest = text.strip()
    head = rest.lstrip(f"{_MARKUP}{_BLANKS}>#")
    if head.startswith(HEARTBEAT_TOKEN) and not _wordy(head[len(HEARTBEAT_TOKEN) :][:1]):
        rest = head[len(HEARTBEAT_TOKEN) :].lstrip(f"{_MARKUP}.!").lstrip()
    tail = rest.rstrip(f"{_MARKUP}{_BLANKS}.!")
    if tail.endswith(HEARTBEAT_TOKEN) and not _wordy(tail[: -len(HEARTBEAT_TOKEN)][-1:]):
        rest = tail[: -len(HEARTBEAT_TOKEN)].rstrip(f"{_MARKUP}{_BLANKS}")
    if rest == text:
        return text
    return "" if len(rest) <= ack_max_chars else rest


def _wordy(char: str) -> bool:
    return char.isalnum()


__all__ = ["heartbeat_text"]
