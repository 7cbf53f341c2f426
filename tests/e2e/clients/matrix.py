"""Which clients, which versions, and what each of them must see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from openclaw_tx.models.retry import RetryPolicy

CAPABILITIES: Mapping[str, Any] = {
    "plain": "pong",
    "stream": "c1 c2 c3 c4 c5",
    "tools": "tool said: sunny",
    "structured": {"name": "Oslo", "people": 700000},
    "cancel": 3,
    "refused": "provider_rejected",
    "final": "empty_response",
    "retried": "provider_overloaded",
}
"""Capability -> what the client must have seen of it."""

ATTEMPTS: Mapping[str, int] = {"refused": 1, "final": 1, "retried": RetryPolicy().attempts}
"""Capability that fails -> how often the gateway itself asks the provider in one run."""

SDK_TRIES: Mapping[str, int] = {"refused": 1, "final": 1, "retried": 3}
"""Capability that fails -> how often OpenAI's SDKs try: C{final} is a 502 with C{x-should-retry: false}."""


class Client(NamedTuple):
    """A row of the matrix."""

    name: str
    """As in docs/clients.md; its environment is C{.clients/NAME}."""
    title: str
    script: str
    """In C{scripts/}; C{.mjs} is for Node."""
    packages: tuple[str, ...]
    """Pinned. For Node, see L{NODE_PACKAGES}."""
    lacks: tuple[str, ...] = ()
    """Capabilities that it does not have."""
    tries: Mapping[str, int] = SDK_TRIES
    seen: Mapping[str, Any] = {}
    """Where it sees something else than others, and rightly so."""

    @property
    def node(self) -> bool:
        """Whether it needs Node."""
        return self.script.endswith(".mjs")


NODE_PACKAGES: Mapping[str, str] = {
    "@ai-sdk/openai": "4.0.118",
    "@ai-sdk/openai-compatible": "3.0.92",
    "ai": "7.0.173",
    "openai": "7.57.0",
    "zod": "4.6.7",
}
"""All in one folder."""

BY_STATUS: Mapping[str, int] = {**SDK_TRIES, "final": 3}
"""Tries of clients that go by the status alone."""

CLIENTS = (
    Client("openai", "OpenAI Python", "openai_python.py", ("openai==3.54.0",)),
    Client("openai-node", "OpenAI Node", "openai_node.mjs", ("openai",)),
    Client("langchain", "LangChain", "langchain.py", ("langchain-openai==1.7.0", "langchain-core==1.7.2")),
    Client("pydantic-ai", "pydantic-ai", "pydantic_ai_agent.py", ("pydantic-ai-slim[openai]==2.68.0",)),
    Client(
        "llamaindex",
        "LlamaIndex",
        "llamaindex.py",
        ("llama-index-llms-openai-like==0.8.1",),
        # It tries three times around the SDK, which it lets try four times.
        tries={**SDK_TRIES, "final": 3, "retried": 12},
    ),
    Client("litellm", "LiteLLM", "litellm_client.py", ("litellm==1.106.2", "mcp==2.3.0")),
    Client("ai-sdk", "Vercel AI SDK", "ai_sdk.mjs", ("ai", "@ai-sdk/openai-compatible"), tries=BY_STATUS),
    Client("ai-sdk-openai", "Vercel AI SDK, openai", "ai_sdk.mjs", ("ai", "@ai-sdk/openai"), tries=BY_STATUS),
    Client(
        "instructor",
        "instructor",
        "instructor_client.py",
        ("instructor==1.17.0",),
        lacks=("plain", "tools", "cancel", "final"),
        seen={"stream": {"name": "Oslo", "people": 700000}},
    ),
)
