# -*- test-case-name: tests.tools.test_child_environment -*-
"""The environment of commands: nothing that loads code into a program, and no secrets (spec 7.3). Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from openclaw_tx.tools.safe_bins import words

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_VARIABLES = 128
MAX_BYTES = 32 * 1024
"""Most that a model may set, names and values together."""

_LOADERS = re.compile(
    r"(LD_|DYLD_|PYTHON|PERL|RUBY|BASH_|BASHOPTS|SHELLOPTS|NODE_|GIT_|GCONV_|JAVA_TOOL|_JAVA|JDK_JAVA|LUA_|"
    r"COMPlus_|DOTNET_STARTUP|GLIBC_TUNABLES|MALLOC_|PHP_INI|PHPRC|NPM_CONFIG_|GEM_|BUNDLE_|R_PROFILE|"
    r"R_ENVIRON|CLASSPATH|OPENSSL_|SSLKEYLOGFILE|TERMINFO|LOCPATH|NLSPATH|LESSOPEN|LESSCLOSE|ZDOTDIR|"
    r"RUSTC|CARGO_BUILD_|MAKEFLAGS|GREP_OPTIONS|TAR_OPTIONS|RSYNC_RSH|SSH_ASKPASS|SUDO_)",
    re.IGNORECASE,
)
"""Beginnings of names by which the loader, a shell, an interpreter or another program is told to run something."""

_NEVER = words("ENV IFS PS4 PROMPT_COMMAND CDPATH GLOBIGNORE FPATH EDITOR VISUAL PAGER MANPAGER BROWSER HOSTALIASES")

_SECRET = re.compile(
    r"(OPENCLAW_|CLAWDBOT_).*|.*(API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|TOKEN|SECRET|PASSW(OR)?D|PASSPHRASE|CREDENTIAL)S?"
    r"(_.*)?|.*_(PAT|DSN|AUTH)|.*_AUTH_.*|.*_KEYS?|(DATABASE|REDIS|MONGO|POSTGRES|AMQP).*_(URL|URI)|PGPASSFILE|.*_PASS",
    re.IGNORECASE,
)
"""Names of what commands have no business to know."""


class BadVariable(Exception):
    """A variable that a model may not set. The text is a sentence for it."""


def is_dropped(name: str) -> bool:
    """Whether a variable never reaches a command."""
    return (
        _NAME.fullmatch(name) is None
        or name.upper() in _NEVER
        or _LOADERS.match(name) is not None
        or _SECRET.fullmatch(name) is not None
    )


def child_environment(
    inherited: Mapping[str, str], wanted: Mapping[str, Any], prepend: Sequence[str], home: str = ""
) -> dict[str, str]:
    """
    @param inherited: the gateway's own.
    @param wanted: what the model sets.
    @param prepend: directories that go before C{PATH}.
    @param home: stands for C{~} in C{prepend}.
    @raise BadVariable: a variable that the model may not set, or too many.
    """
    found = {name: value for name, value in inherited.items() if not is_dropped(name) and "\0" not in value}
    if len(wanted) > MAX_VARIABLES:
        raise BadVariable(f"env has more than {MAX_VARIABLES} variables.")
    size = 0
    for name, value in wanted.items():
        if name.upper() == "PATH":
            raise BadVariable("env.PATH can not be set: programs are looked for where the gateway does.")
        if is_dropped(name):
            raise BadVariable(f"env.{name[:64]} can not be set: it may change which code a program runs, or is secret.")
        if not isinstance(value, str) or "\0" in value:
            raise BadVariable(f"env.{name[:64]} must be a text without NUL.")
        size += len(name) + len(value.encode("utf-8", "surrogatepass"))
        found[name] = value
    if size > MAX_BYTES:
        raise BadVariable(f"env is larger than {MAX_BYTES} bytes.")
    found["PATH"] = os.pathsep.join(search_path(inherited.get("PATH", ""), prepend, home))
    return found


def search_path(path: str, prepend: Sequence[str], home: str = "") -> list[str]:
    """The directories of C{PATH}: absolute ones only, so that no file of the working directory poses as a program."""
    ahead = [home + entry[1:] if home and (entry == "~" or entry.startswith("~/")) else entry for entry in prepend]
    places = [*ahead, *(path or os.defpath).split(os.pathsep)]
    return list(dict.fromkeys(place for place in places if place.startswith("/") and "\0" not in place))


__all__ = ["BadVariable", "child_environment", "is_dropped", "search_path"]
