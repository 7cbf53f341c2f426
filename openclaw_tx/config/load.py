# -*- test-case-name: tests.config.test_load -*-
"""The whole way from files and environment to a L{Config} (spec 5.1, 5.2)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import structs

from openclaw_tx.config import environment as env
from openclaw_tx.config import files, foreign, json5, rules
from openclaw_tx.config.decode import decode
from openclaw_tx.config.environment import Environment
from openclaw_tx.config.paths import Issues, render
from openclaw_tx.config.schema import Config
from openclaw_tx.config.substitution import substitute
from openclaw_tx.errors import ConfigError
from openclaw_tx.values.value import Value

Check = Callable[[Config, Environment], Issues]
"""Finds what is wrong with a configuration in an environment."""


def nothing_else(config: Config, environment: Environment) -> Issues:
    """The L{Check} of whoever only reads the configuration."""
    return []


PORT_VARIABLE = "OPENCLAW_GATEWAY_PORT"


class Loaded(Value, frozen=True):
    """A configuration and where it came from."""

    config: Config
    path: Path
    """The configuration file."""
    state_dir: Path
    environment: Environment
    """The process environment, completed by C{.env} files and C{env.vars}; frozen."""
    outer_environment: Environment = MappingProxyType({})
    """The same without C{env.vars}: what to use with the next configuration."""
    warnings: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    """Every file that has a say, there or not: the configuration, its includes, the C{.env} files."""
    hash: str = ""
    """SHA-256 of the configuration file's bytes, in hex."""
    exists: bool = False
    profile: str = ""
    check: Check = nothing_else
    """What the configuration was held against besides its own rules."""
    again: Callable[[bytes | None], Loaded] | None = None
    """Loads it again the same way, the file taken to hold these bytes (None = what it holds); raises L{ConfigError}.
    None = there is no file behind it."""

    def __repr__(self) -> str:
        return f"Loaded(path={str(self.path)!r}, ...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("path", str(self.path))]


def load(
    environ: Environment,
    *,
    cwd: Path | None = None,
    config: str | None = None,
    state_dir: str | None = None,
    profile: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    check: Check = nothing_else,
    raw: bytes | None = None,
) -> Loaded:
    """Read the configuration. A file that is not there means defaults.

    @param environ: the process environment.
    @param cwd: where relative paths start and the first C{.env} lies; None = the working directory.
    @param config: C{--config}: the file.
    @param state_dir: C{--state-dir}.
    @param profile: C{--profile}.
    @param overrides: settings from the command line, in the form of the file, laid over it at every load; e.g.
        C{{"gateway": {"auth": {"token": "..."}}}}.
    @param check: what else must be right; whoever serves passes L{openclaw_tx.auth.startup.check_startup}.
    @param raw: what the file is taken to hold, to see whether it could; None = what it holds.
    @raise ConfigError: with every issue that could be found; its C{files} are those to look at again.
    """
    cwd = Path(os.getcwd()) if cwd is None else cwd

    def again(raw: bytes | None) -> Loaded:
        return load(
            environ,
            cwd=cwd,
            config=config,
            state_dir=state_dir,
            profile=profile,
            overrides=overrides,
            check=check,
            raw=raw,
        )

    process = env.modernise(environ)[0]
    location = env.locate(process, cwd, config=config, state_dir=state_dir, profile=profile)
    dotenv_paths = list(dict.fromkeys([cwd / ".env", location.state_dir / ".env"]))
    dotenv, warnings = env.read_dotenv(dotenv_paths)
    environment, deprecated = env.modernise(env.fill(environ, dotenv))
    warnings += deprecated
    warnings += [f"{name} in a .env file is not used" for name in env.PLACES if name in dotenv and name not in process]
    watched: list[Path] = [location.config, *dotenv_paths]
    source = ""
    try:
        document = _read(location.config, raw)
        if document is None:
            if config or process.get("OPENCLAW_CONFIG_PATH"):
                source = f"{location.config} does not exist"
                warnings.append(f"{source}: defaults are used")
            data: dict[str, Any] = {}
        else:
            source = str(location.config)
            data = document.data
            watched = list(dict.fromkeys([*watched, *document.files]))
        return _build(
            data,
            environment,
            warnings,
            overrides or {},
            cwd,
            Loaded(
                config=Config(),
                path=location.config,
                state_dir=location.state_dir,
                environment=environment,
                files=tuple(watched),
                hash=document.digest if document else hashlib.sha256(b"").hexdigest(),
                exists=document is not None,
                profile=location.profile,
                check=check,
                again=again,
            ),
        )
    except ConfigError as error:
        error.files = tuple(dict.fromkeys([*watched, *error.files]))
        error.source = source
        raise


def from_mapping(
    data: Mapping[str, Any], environment: Environment, state_dir: Path, *, check: Check = nothing_else
) -> Loaded:
    """A configuration without a file, for embedders: the same keys, the same rules, but no C{$include} and no C{.env}.

    @param data: plain objects as in the file; not changed.
    @param environment: what C{${NAME}} and secrets may come from.
    @param state_dir: absolute; also the start of relative paths, and home of the default workspace.
    @param check: as for L{load}.
    @raise ConfigError: with every issue that could be found.
    """
    modern, warnings = env.modernise(environment)
    try:
        # A copy in plain JSON types, bounded in depth like a file.
        plain = json5.loads(msgspec.json.encode(dict(data)).decode())
    except (TypeError, UnicodeError, OverflowError, RecursionError, json5.Json5Error):
        raise ConfigError([("", "is nested too deep, or holds what JSON can not express")]) from None
    agents = plain.setdefault("agents", {})
    defaults = agents.setdefault("defaults", {}) if isinstance(agents, dict) else None
    if isinstance(defaults, dict):
        defaults.setdefault("workspace", str(state_dir / "workspace"))
    base = Loaded(
        config=Config(), path=state_dir / env.CONFIG_NAME, state_dir=state_dir, environment=modern, check=check
    )
    return _build(plain, modern, warnings, {}, state_dir, base)


def port(config: Config, environment: Environment, option: int | None = None) -> int:
    """The TCP port: C{--port}, C{OPENCLAW_GATEWAY_PORT} (ignored unless it is a port), C{gateway.port}."""
    if option is not None:
        return option
    text = environment.get(PORT_VARIABLE, "").strip()
    if text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535:
        return int(text)
    return config.gateway.port


def _read(path: Path, raw: bytes | None) -> files.Document | None:
    """The file's document; None when there is no such file."""
    raw = files.raw_of(path) if raw is None else raw
    return files.read(path, raw) if raw is not None else None


def _build(
    data: dict[str, Any],
    environ: Environment,
    warnings: list[str],
    overrides: Mapping[str, Any],
    cwd: Path,
    base: Loaded,
) -> Loaded:
    """From the merged files to the configuration, collecting issues on the way."""
    variables, issues = env.env_block(data)
    environment = env.fill(environ, substitute(variables, env.fill(environ, {}), issues, ("env", "vars")))
    origins = _agents_list(data, issues)
    ignored = foreign.prune(data, issues)
    if ignored:
        warnings = [*warnings, f"not used by this gateway and ignored: {', '.join(ignored)}"]
    data = files.merge(substitute(data, environment, issues), dict(overrides))
    try:
        config = decode(data)
    except ConfigError as error:
        _add(issues, error.issues)
    else:
        config = _expand(config, environment, cwd, base.profile if not _names_workspace(data) else "")
        _add(issues, rules.check(config))
        _add(issues, base.check(config, environment))
    if issues:
        raise ConfigError([(_as_written(path, origins), message) for path, message in issues])
    return structs.replace(
        base,
        config=config,
        environment=environment,
        outer_environment=env.fill(environ, {}),
        warnings=tuple(warnings),
    )


def _agents_list(data: dict[str, Any], issues: Issues) -> dict[str, str]:
    """Bring C{agents.entries} (a map by id) into C{agents.list} (D30).

    @return: rendered path of each such item in the list -> the path it came from.
    """
    section = data.get("agents")
    entries = section.get("entries") if isinstance(section, dict) else None
    if not isinstance(section, dict) or not isinstance(entries, dict):
        return {}
    del section["entries"]
    agents = section.setdefault("list", [])
    if not isinstance(agents, list):
        return {}
    origins = {}
    for name, entry in entries.items():
        place = render(("agents", "entries", name))
        if not isinstance(entry, dict):
            issues.append((place, "expected object"))
            continue
        if entry.get("id", name) != name:
            issues.append((f"{place}.id", "differs from the key"))
        origins[render(("agents", "list", len(agents)))] = place
        agents.append({**entry, "id": name})
    return origins


def _names_workspace(data: dict[str, Any]) -> bool:
    agents = data.get("agents", {})
    return "workspace" in agents.get("defaults", {})


def _expand(config: Config, environment: Environment, cwd: Path, profile: str) -> Config:
    """Make every path absolute; a profile moves the default workspace."""

    def path(text: str) -> str:
        return str(env.absolute(text, environment, cwd)) if text else ""

    agents, models, logging, skills = config.agents, config.models, config.logging, config.skills
    control_ui, tls, cron = config.gateway.control_ui, config.gateway.tls, config.cron
    tls_paths = {name: path(getattr(tls, name)) for name in ("cert_path", "key_path", "ca_path")}
    extra_dirs = [path(text) for text in skills.load.extra_dirs if text]
    workspace = agents.defaults.workspace + (f"-{profile}" if profile else "")
    return structs.replace(
        config,
        gateway=structs.replace(
            config.gateway,
            control_ui=structs.replace(control_ui, root=path(control_ui.root)),
            tls=structs.replace(tls, **tls_paths),
        ),
        agents=structs.replace(
            agents,
            defaults=structs.replace(agents.defaults, workspace=path(workspace)),
            entries=[structs.replace(agent, workspace=path(agent.workspace)) for agent in agents.entries],
        ),
        models=structs.replace(models, local=structs.replace(models.local, path=path(models.local.path))),
        logging=structs.replace(logging, file=logging.file if logging.file == "off" else path(logging.file)),
        skills=structs.replace(skills, load=structs.replace(skills.load, extra_dirs=extra_dirs)),
        cron=structs.replace(cron, store=path(cron.store)),
    )


def _add(issues: Issues, more: Issues) -> None:
    """Append what concerns places that had no issue yet: a later stage stumbles over what an earlier one reported."""
    known = {path for path, _ in issues}
    issues.extend(issue for issue in more if issue[0] not in known)


def _as_written(path: str, origins: dict[str, str]) -> str:
    """The path under the name it has in the file."""
    prefix = path[: path.find("]") + 1]
    return origins[prefix] + path[len(prefix) :] if prefix in origins else path


__all__ = ["Loaded", "from_mapping", "load", "nothing_else", "port"]
