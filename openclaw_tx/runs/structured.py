# -*- test-case-name: tests.runs.test_structured -*-
"""Answers that must be JSON (C{response_format}): are they, and what the model is told when they are not. Pure.

Every answer is checked here, also one of a provider that says it holds models to the format: many only try.
"""

from __future__ import annotations

from typing import Any

import msgspec

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Sampling, Value
from openclaw_tx.wire.json_schema import Unchecked, complaints
from openclaw_tx.wire.json_schema_words import named
from openclaw_tx.wire.large_json import is_too_deep

FENCE = "```"
"""Opens and closes a code fence."""


class Verdict(Value, frozen=True):
    """What became of one answer."""

    text: str
    """The answer, freed of a code fence around it."""
    complaint: str = ""
    """Why it will not do, a clause or more; "" = it will."""


class AnswerFormat(Value, frozen=True):
    """What an answer must be."""

    schema: dict[str, Any] | None
    """None = any JSON object."""

    def instruction(self) -> str:
        """For models whose provider does not hold them to it, and for those that missed it."""
        if self.schema is None:
            return "Answer with one JSON object and nothing else: no other text, no code fence."
        schema = msgspec.json.encode(self.schema).decode()
        return (
            "Answer with one JSON value and nothing else: no other text, no code fence. "
            f"It must match this JSON Schema:\n{schema}"
        )

    def judge(self, text: str) -> Verdict:
        """Check an answer."""
        text = _unfenced(text)
        return Verdict(text=text, complaint=self._complaint(text))

    def correction(self, verdict: Verdict) -> str:
        """What the model is told about an answer that will not do."""
        return f"That answer can not be used: {verdict.complaint}. {self.instruction()}"

    def _complaint(self, text: str) -> str:
        if not text.strip():
            return "it is empty"
        try:
            if is_too_deep(text.encode("utf-8")):
                raise RecursionError
            value = msgspec.json.decode(text)
            if self.schema is None:
                return "" if isinstance(value, dict) else f"it must be a JSON object, not {named(value)}"
            return "; ".join(complaints(value, self.schema))
        except (msgspec.DecodeError, UnicodeError) as error:
            return f"it is not valid JSON ({error})"
        except RecursionError:
            return "it is nested too deeply"
        except Unchecked as error:
            return str(error)


def format_of(sampling: Sampling) -> AnswerFormat | None:
    """What the client asked for; None = any text will do."""
    asked = sampling.response_format
    if asked is None or asked.get("type") == "text":
        return None
    if asked.get("type") == "json_object":
        return AnswerFormat(schema=None)
    return AnswerFormat(schema=asked["json_schema"].get("schema") or {})


def _unfenced(text: str) -> str:
    """What is inside a code fence around all of C{text}; without one, C{text} itself.

    A regular expression would look at white space without end, which models that have to write JSON are given to, from
    every place in it again.
    """
    opening, _, rest = text.strip().partition("\n")
    inside, line_break, closing = rest.rpartition("\n")
    language = opening.strip().removeprefix(FENCE)
    fenced = opening.startswith(FENCE) and (not language or (language.isascii() and language.isalpha()))
    return inside if fenced and line_break and closing.strip() == FENCE else text


def unmet(verdict: Verdict) -> GatewayError:
    """C{structured_output_failed}, saying what is wrong with the last answer, but not the answer itself."""
    return GatewayError(
        "structured_output_failed",
        f"The model's answer does not match `response_format`: {verdict.complaint[:500]}.",
        param="response_format",
    )


__all__ = ["AnswerFormat", "Verdict", "format_of", "unmet"]
