# -*- test-case-name: tests.cli.test_gateway_status -*-
"""One look at a gateway: whether it answers, how fast, and what it lets us do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.remote import ADMIN_SCOPES

if TYPE_CHECKING:
    from openclaw_tx.cli.client import GatewayClient
    from openclaw_tx.cli.place import Place

METHODS = ("health", "status", "system-presence")
"""What a whole probe asks."""


class Probe(NamedTuple):
    """What was found."""

    hello: Mapping[str, Any] = {}
    """The gateway's greeting; empty when it did not answer."""
    connect_ms: int | None = None
    answers: Mapping[str, Any] = {}
    """Method -> its payload."""
    errors: Mapping[str, str] = {}
    """Method -> why it was refused."""
    error: str | None = None
    """Why there is no connection."""

    @property
    def ok(self) -> bool:
        """It let us in."""
        return self.error is None

    @property
    def auth(self) -> Mapping[str, Any]:
        """Role, scopes, and what they come to."""
        auth = self.hello.get("auth") or {}
        scopes = [str(scope) for scope in auth.get("scopes", ())]
        return {"role": auth.get("role", "operator"), "scopes": scopes, "capability": self.capability}

    @property
    def capability(self) -> str:
        """In OpenClaw's words, what may be done there."""
        if not self.ok:
            return "pairing_pending" if "pairing required" in (self.error or "") else "unknown"
        scopes = (self.hello.get("auth") or {}).get("scopes", ())
        for scope, word in (
            ("operator.admin", "admin_capable"),
            ("operator.write", "write_capable"),
            ("operator.read", "read_only"),
        ):
            if scope in scopes:
                return word
        return "connected_no_operator_scope"

    @property
    def server(self) -> Mapping[str, Any]:
        """Version and connection id."""
        server = self.hello.get("server") or {}
        return {"version": server.get("version"), "connId": server.get("connId")}


def probe(
    place: Place,
    remote: Mapping[str, str | None],
    timeout_ms: int,
    methods: tuple[str, ...] = (),
    params: Mapping[str, Mapping[str, Any]] | None = None,
) -> Probe:
    """Look at a gateway; one that does not answer is an outcome, not an error.

    @param methods: what to ask it.
    @param params: method -> what to ask it with.
    """

    async def work(client: GatewayClient) -> Probe:
        answers: dict[str, Any] = {}
        errors: dict[str, str] = {}
        offered = (client.hello.get("features") or {}).get("methods")
        for method in methods:
            if offered is not None and method not in offered:
                continue  # this gateway has no such thing to tell
            try:
                answers[method] = await client.call(method, (params or {}).get(method, {}), timeout_ms / 1000)
            except CommandError as error:
                errors[method] = error.message
        return Probe(client.hello, client.connect_ms, answers, errors)

    try:
        return place.talk(remote, work, ADMIN_SCOPES, timeout_ms / 1000)
    except CommandError as error:
        return Probe(error=error.message)


__all__ = ["METHODS", "Probe", "probe"]
