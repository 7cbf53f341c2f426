# -*- test-case-name: tests.config.test_environment -*-
"""Where the configuration lives and what the environment says (spec 5.1).

Nothing here reads C{os.environ}: the environment is a mapping handed in. Where things live is decided by the
process environment alone; C{.env} files come after and can not move them, so that a C{.env} in a directory somebody
else wrote does not choose the state directory.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from openclaw_tx.config.paths import Issues, render
from openclaw_tx.errors import ConfigError
from openclaw_tx.values.value import Value

Environment = Mapping[str, str]

LEGACY_TWINS = ("STATE_DIR", "CONFIG_PATH", "GATEWAY_PORT", "GATEWAY_TOKEN", "GATEWAY_PASSWORD")
"""Variables that are also read with the prefix C{CLAWDBOT_} in place of C{OPENCLAW_} (D22)."""
PLACES = ("OPENCLAW_STATE_DIR", "OPENCLAW_CONFIG_PATH", "OPENCLAW_PROFILE")
"""Variables that only the process environment may set."""
LEGACY_STATE_DIRS = (".clawdbot", ".moltbot", ".moldbot")
CONFIG_NAME = "openclaw.json"
LEGACY_CONFIG_NAMES = ("clawdbot.json", "moltbot.json", "moldbot.json")
MAX_DOTENV_BYTES = 256 * 1024

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_ASSIGNMENT = re.compile(
    r"""\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*
    (?:'([^']*)'|"((?:[^"\\]|\\.)*)"|([^\s\#'"](?:[^\#]|(?<!\s)\#)*)?)\s*(?:\#.*)?""",
    re.X,
)
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP})
_DOUBLE_QUOTED = {"n": "\n", "r": "\r", "t": "\t"}


class Location(Value, frozen=True):
    """Where things live."""

    state_dir: Path
    config: Path
    """The configuration file, which need not exist."""
    profile: str = ""
    """Name of the profile, "" for none."""


def modernise(environ: Environment) -> tuple[dict[str, str], list[str]]:
    """The environment with C{CLAWDBOT_*} twins under their names of today, and a warning for each one used."""
    modern = dict(environ)
    warnings = []
    for suffix in LEGACY_TWINS:
        old, new = f"CLAWDBOT_{suffix}", f"OPENCLAW_{suffix}"
        if modern.get(old, "").strip() and not modern.get(new, "").strip():
            modern[new] = modern[old]
            warnings.append(f"{old} is deprecated, use {new}")
    return modern, warnings


def expand_home(path: str, environ: Environment) -> str:
    """C{path} with a leading C{~} replaced by the environment's HOME.

    @raise ConfigError: HOME is needed and not set.
    """
    if path == "~" or path.startswith("~/"):
        home = environ.get("HOME") or environ.get("USERPROFILE")
        if not home:
            raise ConfigError([("", f"HOME is not set, so {path} can not be found; name the state directory")])
        return home + path[1:]
    return path


def absolute(path: str, environ: Environment, cwd: Path) -> Path:
    """C{path} with C{~} expanded, absolute and without C{..}; symbolic links stay as they are."""
    return Path(os.path.normpath(cwd / expand_home(path, environ)))


def locate(
    environ: Environment,
    cwd: Path,
    *,
    config: str | None = None,
    state_dir: str | None = None,
    profile: str | None = None,
) -> Location:
    """Find state directory and configuration file: option, then variable, then what exists, then the default.

    @param environ: as L{modernise} returns it.
    @raise ConfigError: a profile name that can not be part of a path, HOME is not set, or a directory can not be read.
    """
    name = (profile or environ.get("OPENCLAW_PROFILE", "")).strip()
    if name and not _PROFILE.fullmatch(name):
        raise ConfigError([("", "a profile name holds letters, digits, - and _ only")])
    if name.lower() == "default":
        name = ""
    chosen = state_dir or environ.get("OPENCLAW_STATE_DIR", "").strip()
    if chosen:
        state = absolute(chosen, environ, cwd)
    elif name:
        state = absolute(f"~/.openclaw-{name}", environ, cwd)
    else:
        default = absolute("~/.openclaw", environ, cwd)
        candidates = [default, *(default.parent / legacy for legacy in LEGACY_STATE_DIRS)]
        state = next((found for found in candidates if _has(found, stat.S_ISDIR)), default)
    file = config or environ.get("OPENCLAW_CONFIG_PATH", "").strip()
    if file:
        return Location(state_dir=state, config=absolute(file, environ, cwd), profile=name)
    names = [state / CONFIG_NAME, *(state / legacy for legacy in LEGACY_CONFIG_NAMES)]
    found = next((found for found in names if _has(found, stat.S_ISREG)), names[0])
    return Location(state_dir=state, config=found, profile=name)


def _has(path: Path, kind: Callable[[int], bool]) -> bool:
    """
    @param kind: tells by a mode whether it is what is looked for.
    @raise ConfigError: nobody can tell, e.g. since the directory must not be looked into.
    """
    try:
        return _is(path, kind)
    except OSError as error:
        raise ConfigError([("", f"can not look for {path}: {error.strerror or error}")]) from None


def _is(path: Path, kind: Callable[[int], bool]) -> bool:
    """
    @raise OSError: nobody can tell; the like of C{Path.is_file} takes that for a no since Python 3.14.
    """
    try:
        return kind(path.stat().st_mode)
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise


def parse_dotenv(text: str) -> tuple[dict[str, str], list[int]]:
    """Assignments of a C{.env} text, and the numbers of the lines that are none.

    C{KEY=value}, optional C{export}, single quotes (as is), double quotes (with C{\\n}, C{\\"} ...), C{#} comments.
    """
    values: dict[str, str] = {}
    bad = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _ASSIGNMENT.fullmatch(line)
        if found is None:
            bad.append(number)
            continue
        name, single, double, bare = found.groups()
        if double is not None:
            double = re.sub(r"\\(.)", lambda escape: _DOUBLE_QUOTED.get(escape[1], escape[1]), double)
        values[name] = next((value for value in (single, double) if value is not None), (bare or "").strip())
    return values, bad


def read_dotenv(paths: Sequence[Path]) -> tuple[dict[str, str], list[str]]:
    """Variables of several C{.env} files, the first one to name a variable wins; and warnings.

    A file that is not there is fine; one that can not be read or is no text is a warning, since it may belong to
    something else that happens to live in the current directory.
    """
    values: dict[str, str] = {}
    warnings = []
    for path in paths:
        try:
            if not _is(path, stat.S_ISREG):
                continue
            with path.open("rb") as file:
                raw = file.read(MAX_DOTENV_BYTES + 1)
            if len(raw) > MAX_DOTENV_BYTES:
                warnings.append(f"{path} ignored: larger than {MAX_DOTENV_BYTES // 1024} KiB")
                continue
            found, bad = parse_dotenv(raw.decode("utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            warnings.append(f"{path} ignored: {error.strerror if isinstance(error, OSError) else 'not UTF-8'}")
            continue
        warnings.extend(f"{path} line {number} ignored: not NAME=value" for number in bad)
        values = {**found, **values}
    return values, warnings


def fill(environ: Environment, more: Environment) -> Environment:
    """C{environ}, and of C{more} what it lacks; frozen."""
    return MappingProxyType({**more, **environ})


def env_block(data: dict[str, Any]) -> tuple[dict[str, str], Issues]:
    """The variables of C{env.vars} and of flat keys under C{env}; the flat ones are moved into C{vars}.

    Changes C{data} in place. What is not a string stays where it is, for the strict decode to refuse.
    """
    section = data.get("env")
    if not isinstance(section, dict):
        return {}, []
    inner = section.setdefault("vars", {})
    if not isinstance(inner, dict):
        return {}, []
    for name in [name for name, value in section.items() if isinstance(value, str) and name != "vars"]:
        inner.setdefault(name, section.pop(name))
    issues = [
        (render(("env", "vars", name)), "not a name for a variable") for name in inner if not VARIABLE.fullmatch(name)
    ]
    return {name: value for name, value in inner.items() if isinstance(value, str)}, issues
