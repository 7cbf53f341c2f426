# -*- test-case-name: tests.config.test_reload -*-
"""What an edit of the configuration changes, and whether that needs a restart (spec 5.3). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from openclaw_tx.config.paths import Path, render
from openclaw_tx.config.schema import Config
from openclaw_tx.values.value import Value

Effect = Literal["hot", "restart"]

EFFECTS: dict[str, Effect] = {
    "": "restart",
    "env": "hot",
    "env.OPENCLAW_GATEWAY_PORT": "restart",
    "gateway": "restart",
    "gateway.auth": "hot",
    "gateway.trustedProxies": "hot",
    "gateway.allowRealIpFallback": "hot",
    "gateway.controlUi": "hot",
    "gateway.http": "hot",
    "gateway.tools": "hot",
    "gateway.reload": "hot",
    "gateway.remote": "hot",
    "gateway.tickIntervalMs": "hot",
    "gateway.shutdownGraceSeconds": "hot",
    "gateway.maxConnections": "hot",
    "gateway.maxConnectionsPerAddress": "hot",
    "agents": "hot",
    "models": "hot",
    "session": "hot",
    "session.store": "restart",
    "tools": "hot",
    "tools.plugins": "restart",
    "auth": "hot",
    "mcp": "hot",
    "skills": "hot",
    "messages": "hot",
    "commands": "hot",
    "cron": "hot",
    "cron.store": "restart",
    "hooks": "hot",
    "channels": "hot",
    "channels.plugins": "restart",
    "bindings": "hot",
    "logging": "hot",
    "logging.consoleStyle": "restart",
    "logging.file": "restart",
}
"""Path -> what a change below it needs; the longest path that fits decides."""


class ReloadPlan(Value, frozen=True):
    """What changed, by path; never values."""

    hot: tuple[str, ...] = ()
    """Takes effect at once."""
    restart: tuple[str, ...] = ()
    """Takes effect when the gateway starts again; until then the old value holds."""

    @property
    def changed(self) -> tuple[str, ...]:
        """All of it."""
        return (*self.hot, *self.restart)


def plan(old: Config, new: Config, variables: Iterable[str] = ()) -> ReloadPlan:
    """Compare two configurations.

    @param variables: names of environment variables that changed too.
    """
    paths = [*_differences(msgspec.to_builtins(old), msgspec.to_builtins(new), ())]
    paths += [("env", name) for name in sorted(variables) if ("env", "vars", name) not in paths]
    return ReloadPlan(
        hot=tuple(render(path) for path in paths if effect(path) == "hot"),
        restart=tuple(render(path) for path in paths if effect(path) == "restart"),
    )


def hold_back(old: Config, new: Config) -> Config:
    """C{new}, but with the old value of all that needs a restart: what a running gateway may go by."""
    before, after = msgspec.to_builtins(old), msgspec.to_builtins(new)
    for path in list(_differences(before, after, ())):
        if effect(path) == "restart":
            _copy(before, after, path)
    return msgspec.convert(after, Config)


def effect(path: Path) -> Effect:
    """What a change at C{path} needs."""
    for length in range(len(path), 0, -1):
        name = render(path[:length])
        if name in EFFECTS:
            return EFFECTS[name]
    return EFFECTS[""]


def _differences(old: Any, new: Any, path: Path) -> Iterator[Path]:
    """Paths at which two plain objects differ; a list is compared as a whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            if key in old and key in new:
                yield from _differences(old[key], new[key], (*path, key))
            else:
                yield (*path, key)
    elif old != new:
        yield path


def _copy(source: Any, target: Any, path: Path) -> None:
    *parents, last = path
    for part in parents:
        source, target = source[part], target[part]
    if last in source:
        target[last] = source[last]
    else:
        del target[last]
