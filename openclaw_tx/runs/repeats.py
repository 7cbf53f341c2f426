# -*- test-case-name: tests.runs.test_repeats -*-
"""Notices a model that calls tools again and again in vain (C{tools.loopDetection}). Pure.

Three forms of it: the same call with the same result over and over; asking a background process how it is, with
whatever bounds, and getting the same answer; and two such calls in turns. A call that has another result than before
begins anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from openclaw_tx.config.schema_tools import LoopDetection

Verdict = Literal["go", "refuse", "stop"]

_ASKING = {"process": (frozenset({"poll", "log", "list"}), ("action", "sessionId"))}
"""Tools that only ask how something is: by which actions, and which arguments tell one question from another."""


class _Call(NamedTuple):
    asked: bytes
    got: bytes


class Repeats:
    """The calls of one run."""

    __slots__ = ("_calls", "_limits")

    def __init__(self, limits: LoopDetection) -> None:
        self._limits = limits
        self._calls: list[_Call] = []

    def before(self, tool: str, arguments: Mapping[str, Any] | str) -> Verdict:
        """Whether a call may be made, should it have the result of those like it.

        @param arguments: as decoded, or the text of what could not be.
        """
        if not self._limits.enabled:
            return "go"
        number = self._alike(_asked(tool, arguments)) + 1
        if number >= self._limits.global_circuit_breaker_threshold:
            return "stop"
        return "refuse" if number >= self._limits.critical_threshold else "go"

    def after(self, tool: str, arguments: Mapping[str, Any] | str, result: str) -> str:
        """Note the result of a call.

        @return: what the model is to be told with it; "" = nothing.
        """
        if not self._limits.enabled:
            return ""
        asked, got = _asked(tool, arguments), _digest(result.encode("utf-8", "surrogatepass"))
        self._calls.append(_Call(asked, got))
        del self._calls[: -self._limits.history_size]
        number = self._alike(asked)
        if number < self._limits.warning_threshold:
            return ""
        return (
            f"[Note: this is call {number} of {tool} in a row that brings nothing new. Do something else, or answer "
            "with what you have.]"
        )

    def refused(self, tool: str, arguments: Mapping[str, Any] | str) -> str:
        """Note that a call was refused: that is nothing new either.

        @return: what the model is told instead of a result.
        """
        asked = _asked(tool, arguments)
        number = self._alike(asked) + 1
        self._calls.append(_Call(asked, self._last_result(asked)))
        return (
            f"Not done: {tool} was called {number} times without anything new coming of it. Do something else, or "
            "answer with what you have."
        )

    def _alike(self, asked: bytes) -> int:
        """How many calls there were like this one, with one and the same result."""
        return max(self._repeated(asked), self._in_turns(asked))

    def _repeated(self, asked: bytes) -> int:
        """The same call with the same result, whatever was called in between."""
        last, number = self._last_result(asked), 0
        for call in reversed(self._calls):
            if call.asked == asked:
                if call.got != last:
                    break
                number += 1
        return number

    def _in_turns(self, asked: bytes) -> int:
        """Length of the end of the history in which two calls alternate, each with its one result."""
        calls = list(self._calls)
        if len(calls) < 2:
            return 0
        # The call asked about may be the last one, or the one to come.
        pair = (calls[-1], calls[-2])
        if pair[0].asked == pair[1].asked or asked not in (pair[0].asked, pair[1].asked):
            return 0
        number = 0
        for call in reversed(calls):
            if call != pair[number % 2]:
                break
            number += 1
        # Both must have come twice, or the other one is just what was called in between.
        return number if number > 3 else 0

    def _last_result(self, asked: bytes) -> bytes:
        return next((call.got for call in reversed(self._calls) if call.asked == asked), b"")


def _asked(tool: str, arguments: Mapping[str, Any] | str) -> bytes:
    """A digest that calls have in common which ask the same."""
    if isinstance(arguments, str):
        return _digest(f"{tool}\0{arguments}".encode("utf-8", "surrogatepass"))
    actions, telling = _ASKING.get(tool, (frozenset(), ()))
    action = arguments.get("action")
    if isinstance(action, str) and action in actions:
        arguments = {name: arguments.get(name) for name in telling}
    return _digest(tool.encode() + b"\0" + msgspec.json.encode(dict(arguments), order="sorted"))


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


__all__ = ["Repeats", "Verdict"]
