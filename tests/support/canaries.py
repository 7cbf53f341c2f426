"""A secret of its own in every place of the configuration that may hold one, so that each can be told wherever it turns
up."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import inspect

from openclaw_tx.config.redact import names_secret
from openclaw_tx.config.schema import Config

PARENTS = ("headers", "vars", "env")
"""Objects that may hold secrets under any name."""
NO_SECRET = {"gateway.http.cors.allowCredentials"}
"""Keys that only sound like it."""
SERVER = Path(__file__).parents[1] / "e2e" / "mcp_server.py"


def secret_keys() -> set[str]:
    """Every key of the schema that may hold a secret, C{*} for any name and C{[]} for any place."""
    return set(_found(inspect.type_info(Config), (), ()))


def _found(kind: inspect.Type, path: tuple[str, ...], above: tuple[Any, ...]) -> Iterator[str]:
    if isinstance(kind, inspect.StructType):
        if kind.cls in above:
            return
        for field in kind.fields:
            place = (*path, field.encode_name)
            name = ".".join(place).replace(".[]", "[]")
            if (names_secret(field.encode_name) or field.encode_name in PARENTS) and name not in NO_SECRET:
                yield name
            yield from _found(field.type, place, (*above, kind.cls))
    elif isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _found(each, path, above)
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
        yield from _found(kind.item_type, (*path, "[]"), above)
    elif isinstance(kind, inspect.DictType):
        yield from _found(kind.value_type, (*path, "*"), above)


class Canaries:
    """Makes them and looks for them.

    @ivar planted: secret -> where it stands.
    """

    def __init__(self) -> None:
        self.planted: dict[str, str] = {}

    def __call__(self, place: str) -> str:
        """A secret for a place; the same one each time."""
        word = re.sub(r"\W+", "-", place)
        secret = f"canary-{word}-{hashlib.sha256(place.encode()).hexdigest()[:20]}"
        self.planted[secret] = place
        return secret

    def found_in(self, text: str | bytes) -> list[str]:
        """Where the secrets stand that are in a text, whole or but for their beginning."""
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        return sorted(place for secret, place in self.planted.items() if secret[-20:].encode() in data)

    def configuration(self, upstream: str, leaky: str) -> dict[str, Any]:
        """A configuration with one in every place.

        @param upstream: base URL of a provider that works.
        @param leaky: base URL of one that says everything back that it was told.
        """
        served: Mapping[str, Any] = {
            "apiKey": self("models.providers.*.apiKey"),
            "headers": {"X-Tenant": self("models.providers.*.headers")},
            "models": [{"id": "m", "headers": {"X-Model": self("models.providers.*.models[].headers")}}],
        }
        return {
            "env": {"vars": {"OTHER_API_KEY": self("env.vars")}, "FLAT_SECRET": self("env")},
            "gateway": {
                "auth": {
                    "mode": "token",
                    "token": self("gateway.auth.token"),
                    "password": self("gateway.auth.password"),
                    "keys": [{"label": "k", "hash": f"sha256:{self.hash_of('gateway.auth.keys[].hash')}"}],
                },
                "remote": {"token": self("gateway.remote.token"), "password": self("gateway.remote.password")},
                "http": {"endpoints": {"chatCompletions": {"enabled": True}, "responses": {"enabled": True}}},
                "shutdownGraceSeconds": 1,
            },
            "agents": {
                "defaults": {"model": "stub/m", "skipBootstrap": True},
                "list": [{"id": "main"}, {"id": "beta", "model": "leaky/m"}],
            },
            "models": {
                "mode": "replace",
                "providers": {"stub": {"baseUrl": upstream, **served}, "leaky": {"baseUrl": leaky, **served}},
            },
            "tools": {
                "exec": {"security": "full", "ask": "off"},
                "web": {
                    "search": {
                        "apiKey": self("tools.web.search.apiKey"),
                        "perplexity": {"apiKey": self("tools.web.search.perplexity.apiKey")},
                    }
                },
            },
            "mcp": {
                "servers": {
                    "local": {
                        "command": sys.executable,
                        "args": [str(SERVER)],
                        "env": {"MCP_SECRET": self("mcp.servers.*.env")},
                    },
                    "far": {"url": f"{leaky}/mcp", "headers": {"Authorization": self("mcp.servers.*.headers")}},
                }
            },
            "hooks": {"enabled": True, "token": self("hooks.token")},
            "channels": {
                "webhook": {
                    "desk": {
                        "secret": self("channels.webhook.*.secret"),
                        "outSecret": self("channels.webhook.*.outSecret"),
                        "outUrl": f"{leaky}/out",
                        "allowLoopback": True,
                    }
                }
            },
            "logging": {"level": "trace", "accessLog": True},
        }

    def hash_of(self, place: str) -> str:
        """The digest of a key, which is planted as well."""
        digest = hashlib.sha256(self(f"the key of {place}").encode()).hexdigest()
        self.planted[digest] = place
        return digest


__all__ = ["Canaries", "secret_keys"]
