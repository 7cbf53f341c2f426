# -*- test-case-name: tests.wire.test_openai_chat_fields -*-
"""What is done with each field of a chat completions request: docs/http.md and C{/v1/capabilities} show this table.

A field is in it if OpenAI's API reference has it, or if it is ours. Fields that are in no row are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

How = Literal["used", "forwarded", "ignored", "refused"]


class Handling(NamedTuple):
    """One row."""

    how: How
    """used = the gateway acts on it; forwarded = checked and passed to the model, where its provider knows the field;
    ignored = it has no effect and is not an error; refused = 400 C{unsupported_parameter}, since the answer would not
    be what was asked for."""
    note: str = ""
    """Limits, and values that are let pass."""


CHAT_FIELDS: Mapping[str, Handling] = {
    "model": Handling("used", "names the agent; echoed; at most 256 characters"),
    "messages": Handling("used"),
    "stream": Handling("used"),
    "stream_options.include_usage": Handling("used", "a usage chunk at the end"),
    "stream_options.continuous_usage_stats": Handling("used", "the usage so far on every chunk"),
    "stream_options.openclaw_events": Handling("used", "an `openclaw` object beside the choices: tools and reasoning"),
    "stream_options.include_obfuscation": Handling("ignored"),
    "user": Handling("used", "selects the session"),
    "tools": Handling("used", "function tools, at most 128; a call of one ends the run"),
    "tool_choice": Handling("used", "auto, none, required or one function; verified"),
    "response_format": Handling("used", "text, json_object or json_schema; the answer is checked"),
    "max_completion_tokens": Handling("forwarded", "above 0; comes before max_tokens"),
    "max_tokens": Handling("forwarded", "above 0"),
    "temperature": Handling("forwarded", "0 to 2"),
    "top_p": Handling("forwarded", "0 to 1"),
    "frequency_penalty": Handling("forwarded", "-2 to 2"),
    "presence_penalty": Handling("forwarded", "-2 to 2"),
    "seed": Handling("forwarded", "an integer of 64 bits"),
    "stop": Handling("forwarded", "a text, or at most 4"),
    "parallel_tool_calls": Handling("forwarded"),
    "reasoning_effort": Handling("forwarded", "one of none, minimal, low, medium, high, xhigh, max, in lower case"),
    "metadata": Handling("ignored"),
    "store": Handling("ignored", "nothing is kept for later retrieval"),
    "service_tier": Handling("ignored"),
    "verbosity": Handling("ignored"),
    "prediction": Handling("ignored", "it only makes some models faster"),
    "safety_identifier": Handling("ignored"),
    "prompt_cache_key": Handling("ignored"),
    "prompt_cache_retention": Handling("ignored"),
    "n": Handling("refused", "other than 1"),
    "logprobs": Handling("refused", "other than false"),
    "top_logprobs": Handling("refused", "other than 0"),
    "logit_bias": Handling("refused", "other than empty"),
    "modalities": Handling("refused", 'other than ["text"]'),
    "audio": Handling("refused"),
    "web_search_options": Handling("refused"),
    "functions": Handling("refused", "use tools"),
    "function_call": Handling("refused", "use tool_choice"),
}
"""Field, with the object it is in -> what is done with it. C{null} is as good as absent in all of them."""

__all__ = ["CHAT_FIELDS", "Handling", "How"]
