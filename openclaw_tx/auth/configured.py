# -*- test-case-name: tests.auth.test_configured -*-
"""The configuration of a gateway that is embedded, checked as that of one that serves by itself is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from openclaw_tx.auth.startup import check_startup
from openclaw_tx.config.environment import Environment
from openclaw_tx.config.load import Loaded, from_mapping, load
from openclaw_tx.errors import ConfigError


def load_config(
    environ: Environment,
    *,
    config: str | Path | None = None,
    state_dir: str | Path | None = None,
    profile: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Loaded:
    """Read a configuration file, for L{openclaw_tx.Gateway}. A file that is not there means defaults.

    @param environ: the process environment, C{os.environ}: it may say where the file and the state directory are, and
        has the secrets that the file names.
    @param config: the file; None = C{OPENCLAW_CONFIG_PATH}, or C{openclaw.json} in the state directory.
    @param state_dir: where sessions and models are kept; None = C{OPENCLAW_STATE_DIR}, or C{~/.openclaw}.
    @param profile: use C{~/.openclaw-<profile>}.
    @param overrides: settings laid over the file, in its form.
    @raise ConfigError: it can not be used, for every reason that could be found.
    """
    if not isinstance(environ, Mapping):
        raise TypeError("environ comes first, such as os.environ; the file is config=")
    return load(
        environ,
        config=None if config is None else str(config),
        state_dir=None if state_dir is None else str(state_dir),
        profile=profile,
        overrides=overrides,
        check=check_startup,
    )


def configured(
    config: Loaded | Mapping[str, Any] | None,
    state_dir: str | Path | None,
    environment: Environment | None,
    fresh: Callable[[], str],
) -> Loaded:
    """What an embedder's arguments come to.

    @param environment: counts only with settings that were not loaded.
    @param fresh: makes a state directory where nobody names one.
    @raise ConfigError: it can not be used; or it was loaded for another state directory.
    """
    if not isinstance(config, Loaded):
        directory = Path(state_dir if state_dir is not None else fresh())
        return from_mapping(config or {}, environment or {}, directory, check=check_startup)
    if state_dir is not None and os.path.realpath(state_dir) != os.path.realpath(config.state_dir):
        issue = f"the configuration was loaded for {config.state_dir}; say it there: load_config(..., state_dir=...)"
        raise ConfigError([("state_dir", issue)])
    return config


__all__ = ["configured", "load_config"]
