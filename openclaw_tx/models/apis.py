# -*- test-case-name: tests.models.test_apis -*-
"""The APIs that providers are spoken to in, and what each of them can do (spec 6.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from hyperlink import DecodedURL

from openclaw_tx.models import anthropic, openai
from openclaw_tx.models.provider import Codec
from openclaw_tx.models.setup import Abilities, ModelSetup


class Api(NamedTuple):
    """How to speak one API."""

    codec: Callable[[ModelSetup], Codec]
    headers: Callable[[str, bool | None], dict[str, str]]
    """From a key ("" = none), and whether it is to go as a bearer token (None = as usual), to what every call bears."""
    abilities: Abilities
    embeddings: Callable[[DecodedURL], DecodedURL] | None = None
    """From the base URL to that of OpenAI's embeddings; None = it has none."""


APIS: Mapping[str, Api] = {
    "openai-completions": Api(
        openai.completions, openai.bearer, openai.COMPLETIONS, lambda base: base.child("embeddings")
    ),
    "anthropic-messages": Api(anthropic.messages, anthropic.key_headers, anthropic.ABILITIES),
}
"""Name in the configuration -> API."""


def apis() -> Mapping[str, Abilities]:
    """What each API can do, for tables."""
    return {name: api.abilities for name, api in APIS.items()}


__all__ = ["APIS", "Api", "apis"]
