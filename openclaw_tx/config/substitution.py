# -*- test-case-name: tests.config.test_substitution -*-
"""C{${NAME}} in the configuration's strings, and C{{source: "env", id: "NAME"}} in their place (spec 5.2, D23)."""

from __future__ import annotations

import re
from typing import Any

from openclaw_tx.config.environment import Environment
from openclaw_tx.config.paths import Issues, Path, render

_REFERENCE = re.compile(r"\$(\$?)\{([A-Z_][A-Z0-9_]*)\}")
_SECRET_REF = {"source", "provider", "id"}


def substitute(value: Any, environment: Environment, issues: Issues, path: Path = ()) -> Any:
    """C{value} with every reference replaced.

    C{$${NAME}} stands for the text C{${NAME}}. Keys are left alone, and so is what is not quite a reference
    (C{${lower}}, C{$NAME}). A variable that is missing or empty adds to C{issues}.

    @param value: plain JSON, of bounded depth.
    @param path: where it is, for the issues.
    """
    if isinstance(value, str):
        return _text(value, environment, issues, path)
    if isinstance(value, list):
        return [substitute(item, environment, issues, (*path, index)) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if "source" in value and "id" in value and value.keys() <= _SECRET_REF:
        return _secret(value, environment, issues, path)
    return {key: substitute(item, environment, issues, (*path, key)) for key, item in value.items()}


def _text(text: str, environment: Environment, issues: Issues, path: Path) -> str:
    if "${" not in text:
        return text

    def replace(reference: re.Match[str]) -> str:
        escaped, name = reference.groups()
        return f"${{{name}}}" if escaped else _lookup(name, environment, issues, path)

    return _REFERENCE.sub(replace, text)


def _secret(reference: dict[str, Any], environment: Environment, issues: Issues, path: Path) -> str:
    if reference["source"] != "env" or not isinstance(reference["id"], str):
        issues.append((render(path), 'of secret references only {source: "env", id: "NAME"} is understood'))
        return ""
    return _lookup(reference["id"], environment, issues, path)


def _lookup(name: str, environment: Environment, issues: Issues, path: Path) -> str:
    value = environment.get(name, "")
    if not value:
        state = "empty" if name in environment else "not set"
        issues.append((render(path), f"the environment variable {name} is {state}"))
    return value
