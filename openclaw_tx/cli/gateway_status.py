# -*- test-case-name: tests.cli.test_gateway_status -*-
"""C{openclaw-tx gateway status} and C{probe}: what is set up, what listens, and how it answers.

Keys are those of OpenClaw's C{--json}, without those of things that are not here: services of the system's manager,
plugins, remote desktops, discovery in the local network.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from openclaw_tx._version import __version__
from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.output import echo_json, json_option, key_values, plain
from openclaw_tx.cli.place import Place, here
from openclaw_tx.cli.probe import METHODS, Probe, probe
from openclaw_tx.cli.remote import remote_options, timeout_option

if TYPE_CHECKING:
    from openclaw_tx.config.load import Loaded

NOTES = {
    "loopback": "Loopback-only gateway; only local clients can connect.",
    "custom": "Listens on gateway.customBindHost only.",
    "tailnet": "Listens on loopback and on this machine's address in its tailnet.",
}
LAN_NOTE = "Listens on every interface; other machines can connect."
READ_REFUSED = "missing scope: operator.read"


@click.command()
@click.option("--no-probe", is_flag=True, help="Do not connect.")
@click.option("--require-rpc", is_flag=True, help="Exit with 1 when the gateway does not answer.")
@click.option("--deep", is_flag=True, help="Ask for its health, too.")
@json_option
@timeout_option(10_000)
@remote_options
@here
def status(
    place: Place, /, no_probe: bool, require_rpc: bool, deep: bool, as_json: bool, timeout: int, **remote: str | None
) -> None:
    """Show how the gateway is set up, who listens on its port, and whether it answers."""
    loaded, problem = loaded_or_problem(place)
    found = None if no_probe or loaded is None else probe(place, remote, timeout, ("health",) if deep else ())
    report = status_report(place, loaded, problem, found, remote.get("url"))
    if as_json:
        echo_json(report)
    else:
        show_status(report)
    if require_rpc and not (found is not None and found.ok):
        raise SystemExit(1)


def loaded_or_problem(place: Place) -> tuple[Loaded | None, str]:
    """The configuration, or why there is none."""
    try:
        return place.load(), ""
    except CommandError as error:
        return None, error.message


def status_report(
    place: Place, loaded: Loaded | None, problem: str, found: Probe | None, url: str | None
) -> dict[str, Any]:
    """What C{gateway status --json} prints."""
    path = loaded.path if loaded is not None else place.locate().config
    config: dict[str, Any] = {"path": str(path), "exists": path.exists(), "valid": loaded is not None}
    if problem:
        config["issues"] = problem.splitlines()[1:] or [problem]
    report: dict[str, Any] = {
        "cli": {"version": __version__, "entrypoint": sys.argv[0]},
        "logFile": log_path(loaded) if loaded is not None else None,
        "service": {
            "label": "none: run by `openclaw-tx gateway run`, `twistd`, or a supervisor of yours",
            "loaded": False,
            "loadState": {"status": "not-loaded"},
            "runtime": {"status": "unknown"},
        },
        "config": {"cli": config},
    }
    if loaded is not None:
        report |= network_report(loaded, url)
    if found is not None and loaded is not None:
        report["rpc"] = rpc_report(found, url or report["gateway"]["probeUrl"])
        if found.ok:
            report["gateway"]["version"] = found.server["version"]
        if "health" in found.answers:
            report["health"] = found.answers["health"]
    return report


def network_report(loaded: Loaded, url: str | None) -> dict[str, Any]:
    """Where it listens, and who is there."""
    from openclaw_tx.cli.ports import is_busy, listeners
    from openclaw_tx.config.load import PORT_VARIABLE, port

    gateway = loaded.config.gateway
    number = port(loaded.config, loaded.environment)
    host = gateway.custom_bind_host if gateway.bind == "custom" else "127.0.0.1"
    place = f"{f'[{host}]' if ':' in host else host}:{number}"
    scheme = "wss" if gateway.tls.enabled else "ws"
    try:
        busy = is_busy(host, number)
    except OSError:
        busy = False
    there = listeners(number)
    named = loaded.environment.get(PORT_VARIABLE, "").strip() == str(number)
    return {
        "gateway": {
            "bindMode": gateway.bind,
            "bindHost": "0.0.0.0" if gateway.bind == "lan" else host,
            "port": number,
            "portSource": PORT_VARIABLE if named else "config" if number == gateway.port else "default",
            "probeUrl": url or (gateway.mode == "remote" and gateway.remote.url) or f"{scheme}://{place}",
            "controlUiLinks": {"httpUrl": f"{scheme.replace('ws', 'http')}://{place}/", "wsUrl": f"{scheme}://{place}"},
            "probeNote": NOTES.get(gateway.bind, LAN_NOTE if gateway.bind == "lan" else NOTES["loopback"]),
        },
        "port": {
            "port": number,
            "status": "busy" if busy else "free",
            "listeners": [each.as_json(number) for each in there],
            "hints": ["Another process is listening on this port."] if busy else [],
        },
    }


def rpc_report(found: Probe, url: str) -> dict[str, Any]:
    """How it answered."""
    if not found.ok:
        return {"ok": False, "kind": "connect", "capability": found.capability, "error": found.error, "url": url}
    return {
        "ok": True,
        "kind": "connect",
        "capability": found.capability,
        "auth": found.auth,
        "server": found.server,
        "version": found.server["version"],
        "url": url,
    }


def log_path(loaded: Loaded) -> str | None:
    """The log file that a gateway writes today; None = none is configured."""
    from openclaw_tx.log_file import DayLog, pattern

    logging = loaded.config.logging
    where = pattern(logging.file, loaded.state_dir)
    return str(DayLog(where, lambda: logging.max_file_bytes, time.time).path) if where is not None else None


def show_status(report: Mapping[str, Any]) -> None:
    """The report for people."""
    config = report["config"]["cli"]
    state = "" if config["valid"] else " (can not be used)"
    pairs: dict[str, object] = {
        "Config": f"{config['path']}{state if config['exists'] else ' (does not exist: defaults)'}",
        "File logs": report["logFile"] or "off",
    }
    gateway, port, rpc = report.get("gateway"), report.get("port"), report.get("rpc")
    if gateway is not None and port is not None:
        pairs["Gateway"] = (
            f"bind={gateway['bindMode']} ({gateway['bindHost']}), port={gateway['port']} ({gateway['portSource']})"
        )
        pairs["Probe target"] = gateway["probeUrl"]
        pairs["Probe note"] = gateway["probeNote"]
        who = ", ".join(f"{each['command']}, process {each['pid']}" for each in port["listeners"])
        pairs["Port"] = f"{port['status']}{f' ({who})' if who else ''}"
    pairs["CLI version"] = report["cli"]["version"]
    if rpc is not None:
        if rpc["ok"]:
            pairs["Gateway version"] = rpc["version"]
        pairs["Connectivity probe"] = "ok" if rpc["ok"] else f"failed: {rpc['error']}"
        pairs["Capability"] = rpc["capability"].replace("_", "-")
    if "health" in report:
        pairs["Health"] = "ok" if report["health"].get("ok") else "not well"
    key_values(pairs)
    for issue in config.get("issues", ()):
        click.echo(plain(issue), err=True)


@click.command("probe")
@json_option
@timeout_option(3000)
@remote_options
@here
def probe_verb(place: Place, /, as_json: bool, timeout: int, **remote: str | None) -> None:
    """Connect to the gateway and see what it lets this machine do. The exit code is 1 when it can not be reached."""
    started = time.time()
    loaded = place.load()
    found = probe(place, remote, timeout, METHODS)
    report = probe_report(loaded, found, remote.get("url"), timeout, started)
    if as_json:
        echo_json(report)
    else:
        show_probe(report)
    if not found.ok:
        raise SystemExit(1)


def probe_report(
    loaded: Loaded, found: Probe, url: str | None, timeout_ms: int, started: float, now: float | None = None
) -> dict[str, Any]:
    """What C{gateway probe --json} prints."""
    from openclaw_tx.config.load import port

    local = f"ws://127.0.0.1:{port(loaded.config, loaded.environment)}"
    name = "explicit" if url else "localLoopback"
    limited = READ_REFUSED in found.errors.values()
    warnings: list[dict[str, Any]] = []
    if limited:
        told = "the gateway lets this client in, but not read: what it tells is not whole"
        warnings.append({"code": "probe_scope_limited", "message": told, "targetIds": [name]})
    if not found.ok:
        warnings.append({"code": "probe_failed", "message": found.error, "targetIds": [name]})
    target = {
        "id": name,
        "kind": name,
        "url": url or local,
        "active": True,
        "connect": {
            "ok": found.ok,
            "rpcOk": found.ok and not found.errors,
            "scopeLimited": limited,
            "latencyMs": found.connect_ms,
            "error": found.error or next(iter(found.errors.values()), None),
            "close": None,
        },
        "auth": found.auth,
        "server": found.server,
        "health": found.answers.get("health"),
        "summary": found.answers.get("status"),
        "presence": found.answers.get("system-presence"),
    }
    return {
        "ok": found.ok,
        "degraded": found.ok and bool(found.errors),
        "capability": found.capability,
        "ts": int(started * 1000),
        "durationMs": int(((time.time() if now is None else now) - started) * 1000),
        "timeoutMs": timeout_ms,
        "primaryTargetId": name if found.ok else None,
        "warnings": warnings,
        "network": {"localLoopbackUrl": local},
        "targets": [target],
    }


def show_probe(report: Mapping[str, Any]) -> None:
    """The report for people."""
    (target,) = report["targets"]
    connect = target["connect"]
    told = f"ok ({connect['latencyMs']}ms)" if connect["ok"] else f"failed: {connect['error']}"
    reads = "ok" if connect["rpcOk"] else f"limited: {connect['error']}" if connect["ok"] else "-"
    key_values(
        {
            "Reachable": "yes" if report["ok"] else "no",
            "Capability": report["capability"].replace("_", "-"),
            "Probe budget": f"{report['timeoutMs']}ms",
            "Target": target["url"],
            "Connect": told,
            "Read probe": reads,
        }
    )
    for warning in report["warnings"]:
        click.echo(f"warning: {plain(str(warning['message']))}", err=True)


__all__ = ["probe_verb", "status"]
