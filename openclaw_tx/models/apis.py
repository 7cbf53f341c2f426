# -*- test-case-name: tests.models.test_apis -*-
"""The APIs that providers are spoken to in, and what each of them can do (spec 6.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from hyperlink import DecodedURL

from openclaw_tx.models import anthropic, google, ollama, openai, responses
from openclaw_tx.models.provider import Codec
from openclaw_tx.models.setup import Abilities, ModelSetup
from openclaw_tx.values import Sampling


class Api(NamedTuple):
    """How to speak one API."""

    codec: Callable[[ModelSetup], Codec]
    headers: Callable[[str, bool | None], dict[str, str]]
    """From a key ("" = none), and whether it is to go as a bearer token (None = as usual), to what every call bears."""
    abilities: Abilities
    embeddings: Callable[[DecodedURL], DecodedURL] | None = None
    """From the base URL to that of OpenAI's embeddings; None = it has none."""
    holds_format: Callable[[str], bool] | None = None
    """Whether a model is held to C{response_format} in an agent's run, with tools; None = as the abilities say."""

    def holds(self, model: str) -> bool:
        """Whether a model's answers are held to C{response_format} whatever else is asked."""
        return self.abilities.response_format == "always" if self.holds_format is None else self.holds_format(model)


APIS: Mapping[str, Api] = {
    "openai-completions": Api(openai.completions, openai.bearer, openai.COMPLETIONS, openai.embeddings_url),
    "openai-responses": Api(responses.responses, openai.bearer, responses.ABILITIES, openai.embeddings_url),
    "anthropic-messages": Api(anthropic.messages, anthropic.key_headers, anthropic.ABILITIES),
    "google-generative-ai": Api(
        google.generate_content, google.key_headers, google.ABILITIES, google.embeddings_url, google.holds_with_tools
    ),
    "ollama": Api(ollama.chat, openai.bearer, ollama.ABILITIES, ollama.embeddings_url),
}
"""Name in the configuration -> API."""


def apis() -> Mapping[str, Abilities]:
    """What each API can do, for tables."""
    return {name: api.abilities for name, api in APIS.items()}


def table() -> str:
    """The same in Markdown, a column for each API, as docs/models.md has it."""
    rows: list[tuple[str, Callable[[Abilities], str]]] = [
        ("parameters left out", _left_out),
        ("`tool_choice` held to", lambda it: ", ".join(it.tool_choice)),
        ("images of tool results", lambda it: "inside the result" if it.result_images else "in a message after it"),
        ("thinking", lambda it: it.thinking or "no"),
        ("thinking goes back", lambda it: "yes" if it.thinking_kept else "no"),
        ("said for the prompt cache", lambda it: it.prompt_cache or "nothing"),
        ("`response_format` held to", lambda it: it.response_format or "never: asked for in words"),
        ("embeddings", lambda it: "yes" if it.embeddings else "no"),
    ]
    lines = [["", *(f"`{name}`" for name in APIS)], ["---"] * (len(APIS) + 1)]
    lines += [[title, *(tell(abilities) for abilities in apis().values())] for title, tell in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _left_out(abilities: Abilities) -> str:
    missing = (name for name in Sampling.__struct_fields__ if name not in abilities.sampling)
    return ", ".join(name for name in missing if name != "response_format") or "none"


__all__ = ["APIS", "Api", "apis", "table"]
