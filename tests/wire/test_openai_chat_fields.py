# -*- test-case-name: tests.wire.test_openai_chat_fields -*-
"""The table of fields against what the parser really does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Sampling
from openclaw_tx.wire.openai_chat import ChatRequest, parse
from openclaw_tx.wire.openai_chat_fields import CHAT_FIELDS

TOOL = {"type": "function", "function": {"name": "f"}}

SAMPLES: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "other"}],
    "stream": True,
    "stream_options.include_usage": True,
    "stream_options.continuous_usage_stats": True,
    "stream_options.openclaw_events": True,
    "stream_options.include_obfuscation": True,
    "user": "u",
    "tools": [TOOL],
    "tool_choice": "none",
    "response_format": {"type": "json_object"},
    "max_completion_tokens": 5,
    "max_tokens": 5,
    "temperature": 0.5,
    "top_p": 0.5,
    "frequency_penalty": 1,
    "presence_penalty": 1,
    "seed": 1,
    "stop": "x",
    "parallel_tool_calls": True,
    "reasoning_effort": "low",
    "metadata": {"a": "b"},
    "store": True,
    "service_tier": "flex",
    "verbosity": "low",
    "prediction": {"type": "content", "content": "x"},
    "safety_identifier": "x",
    "prompt_cache_key": "x",
    "prompt_cache_retention": "24h",
    "n": 2,
    "logprobs": True,
    "top_logprobs": 3,
    "logit_bias": {"1": 5},
    "modalities": ["audio"],
    "audio": {"voice": "a"},
    "web_search_options": {"a": 1},
    "functions": [{"name": "f"}],
    "function_call": {"name": "f"},
}
"""A value with a meaning for each field."""


def request(name: str = "", value: Any = None) -> ChatRequest:
    """A request that says nothing but one thing."""
    fields: dict[str, Any] = {"messages": [{"role": "user", "content": "x"}]}
    if name:
        outer, _, inner = name.partition(".")
        fields[outer] = {inner: value} if inner else value
    return parse(json.dumps(fields).encode())


class FieldTests(SynchronousTestCase):
    """Every row."""

    def test_every_row(self) -> None:
        """What the table says of a field is what a value with a meaning does."""
        self.assertEqual(set(SAMPLES), set(CHAT_FIELDS))
        plain = request()
        for name, handling in CHAT_FIELDS.items():
            if handling.how == "refused":
                error = self.assertRaises(GatewayError, request, name, SAMPLES[name])
                self.assertEqual((error.info.code, error.info.param), ("unsupported_parameter", name))
                continue
            asked = request(name, SAMPLES[name])
            self.assertEqual(asked == plain, handling.how == "ignored", name)
            if handling.how == "forwarded":
                self.assertNotEqual(asked.sampling, Sampling(), name)

    def test_null(self) -> None:
        """T33: null is as good as absent everywhere."""
        plain = request()
        for name in set(CHAT_FIELDS) - {"messages"}:
            self.assertEqual(request(name, None), plain, name)

    def test_page(self) -> None:
        """docs/http.md has a row for each field, with the same word."""
        page = Path(__file__).parents[2].joinpath("docs", "http.md").read_text("utf-8")
        page = page.partition("## POST /v1/chat/completions")[2].partition("\n## ")[0]
        rows = {}
        for line in page.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("| `") and len(cells) == 3:
                rows.update((name.strip("` "), (cells[1], cells[2])) for name in cells[0].split(","))
        for name, handling in CHAT_FIELDS.items():
            self.assertEqual(rows.get(name), (handling.how, handling.note), name)
