"""The base of all values, and who asks."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all values here: immutable, keyword-only."""


class Plain(Value, frozen=True, gc=False):
    """Base of values that hold nothing but data, and so never a way back to themselves: the garbage collector need not
    look at them. There are many, as runs are remembered for a while with all that they told."""


class Principal(Value, frozen=True):
    """Who is asking and what the credential allows. Scopes come from the credential, never from the request."""

    id: str
    """Stable name for limits and logs: C{shared-secret}, C{local}, C{none}, C{proxy:<user>}, C{key:<label>},
    C{device:<id>}."""
    method: Literal["token", "password", "none", "trusted-proxy", "local", "key", "device-token"]
    scopes: frozenset[str]
    """Operator scopes, e.g. C{operator.write}; C{operator.admin} implies all."""
    ip: str = ""
    """Client address after proxy attribution, for logs."""
    credential: str = ""
    """Digest of the secret that was accepted, to notice its rotation; never the secret."""
    agents: tuple[str, ...] = ()
    """Agents it may use and see, the first its default; empty = all."""
    session_prefix: str = ""
    """What the names of its sessions begin with, in lower case; "" = any."""
    device_id: str = ""
    """The paired device it uses; "" = none."""
    device_role: str = ""
    """The role of that device's token, when that is what it came with."""


class Credentials(Value, frozen=True):
    """What a client offered; C{Authorization: Bearer x} offers C{x} as both."""

    token: str | None = None
    password: str | None = None
    device_token: str | None = None
    """A token offered as a device's; C{token} may be one as well."""
    device_id: str = ""
    """A device whose key the client has proved; "" = none."""
    role: str = "operator"
    """The role asked for."""
    scopes: tuple[str, ...] = ()
    """The scopes asked for; a device's token may be bound to fewer."""
    any_device: bool = False
    """C{token} may be that of any operator's device, unproved: good for reading only."""

    def __repr__(self) -> str:
        return "Credentials(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class Target(Value, frozen=True):
    """What an action is aimed at; only the parts that apply are set."""

    agent_id: str | None = None
    session_key: str | None = None
    owner_id: str | None = None
    """L{Principal.id} that started the run aimed at."""
