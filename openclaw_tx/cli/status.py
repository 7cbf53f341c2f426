# -*- test-case-name: tests.cli.test_status -*-
"""C{openclaw-tx status}: everything at a glance.

Keys are those of OpenClaw's C{status --json}, without those of channels, plugins, nodes and updates.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import click

from openclaw_tx._version import __version__
from openclaw_tx.cli.output import count, echo_json, json_option, key_values, plain, table
from openclaw_tx.cli.place import Place, here
from openclaw_tx.cli.probe import Probe, probe
from openclaw_tx.cli.remote import remote_options, timeout_option
from openclaw_tx.cli.sessions import age

if TYPE_CHECKING:
    from openclaw_tx.cli.audit_findings import Finding
    from openclaw_tx.config.load import Loaded

RECENT = 10


@click.command()
@click.option("--all", "everything", is_flag=True, help="Everything that can be told, to be shared; never a secret.")
@click.option("--deep", is_flag=True, help="Have the gateway look at its health anew, and audit the set-up.")
@json_option
@timeout_option(10_000)
@remote_options
@here
def status(place: Place, /, everything: bool, deep: bool, as_json: bool, timeout: int, **remote: str | None) -> None:
    """Show agents, sessions, models and the gateway at a glance."""
    loaded = place.load()
    methods = ("status", "health") if deep or everything else ("status",)
    found = probe(place, remote, timeout, methods, {"health": {"probe": deep}})
    audit: list[Finding] | None = None
    if deep or everything:
        from openclaw_tx.cli.audit import audited

        audit = audited(loaded)
    report = status_report(loaded, found, remote.get("url"), audit)
    if as_json:
        echo_json(report)
    else:
        show(place, report, everything)


def status_report(loaded: Loaded, found: Probe, url: str | None, audit: list[Finding] | None = None) -> dict[str, Any]:
    """What C{status --json} prints: the gateway's own words first, then what this side knows."""
    from openclaw_tx.cli.gateway_status import network_report

    told = found.answers.get("status")
    gateway = loaded.config.gateway
    network = network_report(loaded, url)
    report: dict[str, Any] = dict(told) if isinstance(told, dict) else {"runtimeVersion": None}
    system = platform.uname()
    report |= {
        "cliVersion": __version__,
        "os": {
            "platform": system.system.lower(),
            "arch": system.machine,
            "release": system.release,
            "label": f"{system.system.lower()} {system.release} ({system.machine})",
        },
        "gateway": {
            "mode": gateway.mode or "local",
            "url": url or network["gateway"]["probeUrl"],
            "urlSource": "option" if url else "config" if gateway.mode == "remote" else "local loopback",
            "misconfigured": gateway.mode == "remote" and not (url or gateway.remote.url),
            "reachable": found.ok,
            "connectLatencyMs": found.connect_ms,
            "self": None,
            "error": found.error or found.errors.get("status"),
            "authWarning": None if found.ok else found.error,
        },
        "gatewayService": {"installed": False, "loadState": {"status": "not-loaded"}},
        "agents": agents_report(loaded, report),
    }
    if "health" in found.answers:
        report["health"] = found.answers["health"]
    if audit is not None:
        from openclaw_tx.cli.audit_findings import summary

        report["securityAudit"] = {"summary": summary(audit), "findings": [each.as_json() for each in audit]}
    return report


def agents_report(loaded: Loaded, told: dict[str, Any]) -> dict[str, Any]:
    """The agents, with what the gateway counted for each."""
    from openclaw_tx.cli.models_status import agents_of

    sessions = told.get("sessions") or {}
    counts = {row.get("agentId"): row for row in sessions.get("byAgent", ())}
    agents = agents_of(loaded)
    rows = [
        {
            "id": agent.id,
            "workspaceDir": agent.workspace,
            "model": agent.models[0] if agent.models else None,
            "sessionsPath": counts.get(agent.id, {}).get("path"),
            "sessionsCount": counts.get(agent.id, {}).get("count"),
        }
        for agent in agents
    ]
    default = next(agent.id for agent in agents if agent.is_default)
    return {"defaultId": default, "agents": rows, "totalSessions": sessions.get("count")}


def show(place: Place, report: dict[str, Any], everything: bool) -> None:
    """The report for people."""
    gateway, agents = report["gateway"], report["agents"]
    reach = f"reachable {gateway['connectLatencyMs']}ms" if gateway["reachable"] else f"unreachable: {gateway['error']}"
    pairs: dict[str, object] = {
        "OS": report["os"]["label"],
        "Version": f"gateway {report['runtimeVersion'] or '?'} · command {report['cliVersion']}",
        "Gateway": f"{gateway['mode']} · {gateway['url']} · {reach}",
        "Agents": f"{len(agents['agents'])} · default {agents['defaultId']}",
    }
    sessions, runs = report.get("sessions"), report.get("runs")
    if sessions:
        default = sessions.get("defaults", {}).get("model")
        pairs["Sessions"] = f"{sessions.get('count')} stored · default {default or '?'}"
    if runs:
        pairs["Runs"] = f"{runs.get('running')} running · {runs.get('queued')} waiting"
    if "health" in report:
        pairs["Health"] = "ok" if report["health"].get("ok") else "not well"
    audit = report.get("securityAudit")
    if audit:
        counts = audit["summary"]
        pairs["Security audit"] = f"{counts['critical']} critical · {counts['warn']} warn · {counts['info']} info"
    else:
        pairs["Security audit"] = "not made; see openclaw-tx security audit"
    key_values(pairs)
    console = place.console()
    click.echo("\nAgents")
    rows = [
        (
            row["id"],
            row["model"] or "",
            "" if row["sessionsCount"] is None else row["sessionsCount"],
            row["workspaceDir"],
        )
        for row in agents["agents"]
    ]
    table(console, ("agent", "model", "sessions", "workspace"), rows, right=("sessions",))
    recent = (sessions or {}).get("recent", ())[:RECENT]
    if recent:
        click.echo("\nSessions")
        cells = [(row.get("key"), age(row.get("age") or 0), row.get("model") or "") for row in recent]
        table(console, ("key", "age", "model"), cells)
    for finding in audit["findings"] if audit and everything else ():
        click.echo(f"{finding['severity']}: {finding['checkId']}: {plain(finding['title'])}")
    if not gateway["reachable"]:
        hidden = count(len(agents["agents"]), "agent")
        click.echo(f"The gateway does not answer; {hidden} as configured. `openclaw-tx doctor` looks why.", err=True)


__all__ = ["status"]
