# -*- test-case-name: tests.cli.test_audit -*-
"""C{openclaw-tx security audit}: what of a set-up is dangerous, in OpenClaw's form."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from openclaw_tx.cli.audit_findings import Finding, ordered, summary
from openclaw_tx.cli.output import echo_json, json_option, plain
from openclaw_tx.cli.place import Place, here
from openclaw_tx.cli.remote import remote_options, timeout_option

COLOURS = {"critical": "red", "warn": "yellow", "info": "cyan"}


@click.group()
def security() -> None:
    """Look for what is dangerous."""


@security.command()
@click.option("--deep", is_flag=True, help="Connect to the gateway, too.")
@click.option("--fix", is_flag=True, help="Take access to files away from others first.")
@json_option
@timeout_option(5000)
@remote_options
@here
def audit(place: Place, /, deep: bool, fix: bool, as_json: bool, timeout: int, **remote: str | None) -> None:
    """Look at the configuration, and at who may read and change what the gateway keeps."""
    from openclaw_tx.cli.audit import audited

    loaded = place.load()
    findings = audited(loaded)
    actions = repaired(findings) if fix else []
    if fix:
        findings = audited(loaded)
    probed: dict[str, Any] | None = None
    if deep:
        from openclaw_tx.cli.probe import probe

        found = probe(place, remote, timeout)
        probed = {"attempted": True, "ok": found.ok, "error": found.error, "close": None}
        if not found.ok:
            detail = str(found.error)
            findings = ordered([*findings, Finding("gateway.probe_failed", "warn", "No gateway answers", detail)])
    report = report_of(findings, int(time.time() * 1000), probed)
    if as_json:
        echo_json(
            {"fix": {"ok": all(each["ok"] for each in actions), "actions": actions}, "report": report}
            if fix
            else report
        )
        return
    show(place, findings, actions)


def report_of(findings: Sequence[Finding], now_ms: int, probed: dict[str, Any] | None) -> dict[str, Any]:
    """What C{--json} prints."""
    report = {"ts": now_ms, "summary": summary(findings), "findings": [each.as_json() for each in findings]}
    return report | ({"deep": {"gateway": probed}} if probed is not None else {})


def repaired(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Do what is safe.

    @return: what was done, each as OpenClaw tells it.
    """
    actions = []
    for fix in dict.fromkeys(each.fix for each in findings if each.fix is not None):
        action: dict[str, Any] = {"kind": "chmod", "path": str(fix.path), "mode": f"{fix.mode:04o}", "ok": True}
        try:
            fix.path.chmod(fix.mode)
        except OSError as error:
            action |= {"ok": False, "error": error.strerror}
        actions.append(action)
    return actions


def show(place: Place, findings: Sequence[Finding], actions: Sequence[dict[str, Any]]) -> None:
    """The report for people."""
    from rich.text import Text

    console = place.console()
    for action in actions:
        told = "" if action["ok"] else f": {action['error']}"
        done = "chmod" if action["ok"] else "can not chmod"
        console.print(Text(plain(f"{done} {action['mode']} {action['path']}{told}")))
    counts = summary(findings)
    console.print(Text(", ".join(f"{number} {severity}" for severity, number in counts.items())))
    for each in findings:
        line = Text(f"\n{each.severity}", COLOURS[each.severity])
        line.append(f" {each.check_id}: {each.title}", "default")
        console.print(line)
        console.print(Text(f"  {plain(each.detail)}"))
        if each.remediation:
            console.print(Text(f"  do: {plain(each.remediation)}"))


__all__ = ["security"]
