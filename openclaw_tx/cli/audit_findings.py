# -*- test-case-name: tests.cli.test_audit -*-
"""What an audit finds, in OpenClaw's form."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

Severity = Literal["critical", "warn", "info"]
ORDER: tuple[Severity, ...] = ("critical", "warn", "info")


class Chmod(NamedTuple):
    """A repair that takes nothing away but other people's access."""

    path: Path
    mode: int


class Finding(NamedTuple):
    """One of them."""

    check_id: str
    """OpenClaw's name for it, so that what is made for its reports reads ours."""
    severity: Severity
    title: str
    detail: str
    remediation: str = ""
    fix: Chmod | None = None
    """What C{--fix} does."""

    def as_json(self) -> dict[str, Any]:
        """With OpenClaw's keys."""
        found = {"checkId": self.check_id, "severity": self.severity, "title": self.title, "detail": self.detail}
        return found | ({"remediation": self.remediation} if self.remediation else {})


def summary(findings: Iterable[Finding]) -> dict[str, int]:
    """How many there are of each severity."""
    severities = [each.severity for each in findings]
    return {severity: severities.count(severity) for severity in ORDER}


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first."""
    return sorted(findings, key=lambda each: ORDER.index(each.severity))


__all__ = ["Chmod", "Finding", "Severity", "ordered", "summary"]
