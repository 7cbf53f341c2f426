"""Known vulnerabilities of what this package stands on: C{python -m tests.support.dependencies}, for C{make audit}.

pip-audit asks; what is asked about is what a user gets: the package's own requirements with those of C{local} and
C{postgres}, and theirs, in the versions that are installed. What is only for tests is not asked about.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

EXTRAS = ("", "local", "postgres")
SERVICES = ("pypi", "osv")
"""Who is asked, one after the other until one knows."""
SECONDS = 120
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]*)['\"]")


class Verdict(NamedTuple):
    """What came of asking."""

    failed: bool
    """There are known vulnerabilities."""
    lines: list[str]
    """What to say."""
    answered: bool = True


def installed(name: str, extras: tuple[str, ...] = ("",)) -> dict[str, str]:
    """A package and all that it requires, as far as it is installed: name -> version."""
    found: dict[str, str] = {}
    waiting = [(name, extras)]
    while waiting:
        name, extras = waiting.pop()
        try:
            here = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        key = re.sub(r"[-_.]+", "-", here.metadata["Name"]).lower()
        if key not in found:
            found[key] = here.version
            waiting += [(each, ("", "tls")) for each in required(here, extras)]
    return found


def required(here: metadata.Distribution, extras: tuple[str, ...]) -> Iterator[str]:
    """Names that a package requires, of itself and for these extras; for any platform, since more asked is no harm."""
    for line in here.requires or ():
        extra, name = _EXTRA.search(line), _NAME.match(line)
        if name is not None and (extra[1] if extra is not None else "") in extras:
            yield name[0]


def verdict(service: str, answer: str, complaint: str) -> Verdict:
    """What pip-audit said.

    @param answer: its JSON, or anything if it failed.
    @param complaint: its standard error.
    """
    try:
        rows: list[dict[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = next((line for line in reversed(complaint.splitlines()) if line.strip()), "it said nothing")
        return Verdict(False, [f"{service} could not be asked: {reason.strip()[:300]}"], answered=False)
    bad = [row for row in rows if row.get("vulns")]
    unknown = sorted(row["name"] for row in rows if "skip_reason" in row)
    lines = [
        f"{row['name']} {row['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for row in bad
        for flaw in row["vulns"]
    ]
    if not rows or len(unknown) == len(rows):
        return Verdict(False, [f"{service} could not be asked: it knows none of {len(rows)} packages"], answered=False)
    if unknown:
        lines.append(f"{service} could not be asked about {', '.join(unknown)}")
    lines.append(f"{service}: {len(rows) - len(unknown)} packages, {len(bad)} with known vulnerabilities")
    return Verdict(bool(bad), lines)


def ask(service: str, packages: dict[str, str]) -> Verdict:
    """Have pip-audit ask a service."""
    with tempfile.TemporaryDirectory() as directory:
        pinned = Path(directory, "requirements.txt")
        pinned.write_text("".join(f"{name}=={version}\n" for name, version in sorted(packages.items())))
        words = ["--requirement", str(pinned), "--no-deps", "--disable-pip", "--progress-spinner", "off"]
        command = [sys.executable, "-m", "pip_audit", *words, "--format", "json", "--vulnerability-service", service]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return verdict(service, "", f"no answer within {SECONDS} s")
    return verdict(service, ended.stdout, ended.stderr)


def main() -> int:
    """Ask until somebody knows.

    @return: 1 when there are known vulnerabilities. That nobody could be asked is said, and is no failure.
    """
    packages = installed("openclaw-tx", EXTRAS)
    packages.pop("openclaw-tx", None)
    for service in SERVICES:
        found = ask(service, packages)
        print("\n".join(found.lines))
        if found.answered:
            return int(found.failed)
    print(f"audit: could not ask about {len(packages)} packages; nothing is known of them, good or bad")
    return 0


if __name__ == "__main__":
    sys.exit(main())
