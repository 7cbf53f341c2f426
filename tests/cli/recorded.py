"""Keys of the JSON that OpenClaw 2026.9.6 prints, as recorded from its command line; C{a.b} is C{b} within C{a}.

Beside each: what this command line leaves out, since there is no such thing here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


GATEWAY_STATUS = words(
    """
    cli.version cli.entrypoint logFile service.label service.loaded service.loadState.status
    service.runtime.status config.cli.path config.cli.exists config.cli.valid gateway.bindMode
    gateway.bindHost gateway.port gateway.portSource gateway.probeUrl gateway.controlUiLinks.httpUrl
    gateway.controlUiLinks.wsUrl gateway.probeNote gateway.version port.port port.status port.listeners
    port.hints rpc.ok rpc.kind rpc.capability rpc.auth.role rpc.auth.scopes rpc.auth.capability
    rpc.server.version rpc.server.connId rpc.version rpc.url service.inspectionReason
    service.systemdInstallation.kind service.loadedText service.notLoadedText service.targetRole
    service.command service.runtime.inspectionReason service.runtime.detail
    service.runtime.inspectionFailure.code service.runtime.inspectionFailure.detail service.configAudit.ok
    service.configAudit.issues config.daemon.path config.daemon.exists config.daemon.valid hostDesktop.enabled
    hostDesktop.state hostDesktop.port rpc.server.buildId extraServices pluginVersionDrift.gatewayVersion
    pluginVersionDrift.drifts
    """
)
GATEWAY_STATUS_LEFT_OUT = ("service.", "config.daemon.", "hostDesktop.", "extraServices", "pluginVersionDrift.")
"""Services of the system's manager, remote desktops, plugins."""

GATEWAY_PROBE = words(
    """
    ok degraded capability ts durationMs timeoutMs primaryTargetId warnings network.localLoopbackUrl
    network.localTailnetUrl network.tailnetIPv4 discovery.timeoutMs discovery.count discovery.beacons targets
    targets.id targets.kind targets.url targets.active targets.tunnel targets.connect.ok targets.connect.rpcOk
    targets.connect.scopeLimited targets.connect.latencyMs targets.connect.error targets.connect.close
    targets.auth.role targets.auth.scopes targets.auth.capability targets.server.version
    targets.server.buildId targets.server.connId targets.self targets.config targets.health targets.summary
    targets.presence
    """
)
GATEWAY_PROBE_LEFT_OUT = ("network.localTailnetUrl", "network.tailnetIPv4", "discovery.", "targets.tunnel")
"""Tailscale, discovery in the local network, tunnels."""

BUILD = ("rpc.server.buildId", "targets.server.buildId", "targets.self", "targets.config")
"""What only OpenClaw's gateway tells of itself."""

AGENTS_LIST = words(
    """
    id workspace agentDir model bindings isDefault
    """
)

STATUS_GATEWAY = words(
    """
    mode url urlSource misconfigured reachable connectLatencyMs self error authWarning
    """
)
STATUS_OS = words(
    """
    platform arch release label
    """
)
STATUS = words(
    """
    runtimeVersion heartbeat channelSummary queuedSystemEvents sessions os gateway agents
    """
)


def keys(value: Any, path: str = "") -> Iterator[str]:
    """Every path to something that is no object; of a list the paths within its objects, and its own."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from keys(inner, f"{path}.{key}" if path else key)
        return
    if path:
        yield path
    for inner in value if isinstance(value, list) else ():
        if isinstance(inner, dict):
            yield from keys(inner, path)
