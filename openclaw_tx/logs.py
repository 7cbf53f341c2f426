# -*- test-case-name: tests.test_logs -*-
"""What the process writes of itself: how much, in which form, and never a secret.

Rooms log with Twisted's C{Logger} and know nothing of this. Who writes the log of a process is its runner's business
(C{twistd}, C{twist}, an embedding application); L{Sieve} stands in front of whatever that is. L{openclaw_tx.tap} puts
it there; docs/operations.md says how an application of your own does.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from msgspec import to_builtins

from twisted.logger import FileLogObserver, ILogObserver, LogEvent, LogLevel, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

from openclaw_tx.config.load import Loaded
from openclaw_tx.config.redact import names_secret, secrets_in

HIDDEN = "[redacted]"
"""Stands for a secret."""

SHORTEST = 4
"""Characters below which a secret of the gateway's own is not looked for: it would be found in every word."""

SHORTEST_KEY = 8
"""The same for keys of others. Servers that want any key at all are given words like C{ollama}, which stand in the
names of providers and models as well. A password of the gateway is a secret although it is short."""

MAX_VALUE = 8192
"""Characters of one value in a JSON line."""

_NAMESPACE = "openclaw_tx"
_LEVELS: Mapping[str, Any] = {
    "silent": None,
    "fatal": LogLevel.critical,
    "error": LogLevel.error,
    "warn": LogLevel.warn,
    "info": LogLevel.info,
    "debug": LogLevel.debug,
    "trace": LogLevel.debug,
}
_NAMES = {level: name for name, level in _LEVELS.items() if level is not None and name != "trace"}
_LEGACY = frozenset({"message", "time", "system", "isError", "format", "failure", "why", "logLevel"})
"""What events of C{twisted.python.log} carry besides."""
_CREDENTIAL = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{4,}", re.IGNORECASE)
"""RFC 6750 and RFC 7617 in a piece of text, whoever they belong to."""


class Redactor:
    """Takes secrets out of text: those that the configuration and the environment of the moment hold, and whatever
    looks like the value of an C{Authorization} header."""

    def __init__(self, settings: Callable[[], Loaded]) -> None:
        """
        @param settings: the configuration of the moment; another object after each change.
        """
        self._settings = settings
        self._loaded: Loaded | None = None
        self._known: re.Pattern[str] | None = None

    def __call__(self, text: str) -> str:
        """C{text} with L{HIDDEN} for every secret in it."""
        loaded = self._settings()
        if loaded is not self._loaded:
            self._loaded = loaded
            secrets = known_secrets(loaded)
            self._known = re.compile("|".join(map(re.escape, secrets))) if secrets else None
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        return _CREDENTIAL.sub(rf"\1 {HIDDEN}", text)


def known_secrets(loaded: Loaded) -> list[str]:
    """Secrets of a configuration and its environment, longest first."""
    named = {name: value for name, value in loaded.environment.items() if names_secret(name)}
    found = {*secrets_in(to_builtins(loaded.config)), *named.values()}
    own = {*secrets_in(to_builtins(loaded.config.gateway))}
    own.update(value for name, value in named.items() if name.startswith("OPENCLAW_"))
    words = _words(own, SHORTEST) | _words(found, SHORTEST_KEY)
    return sorted(words, key=len, reverse=True)


def _words(secrets: Iterable[str], shortest: int) -> set[str]:
    """Secrets as they may stand in a text."""
    words = {word for secret in secrets for word in (secret, secret.strip(), secret.rpartition(" ")[2])}
    return {word for word in words if len(word) >= shortest}


@implementer(ILogObserver)
class Sieve:
    """An observer before an observer: keeps back what is below C{logging.level}, and takes out secrets.

    The level is for the gateway's own events; a secret is one in anybody's.
    """

    def __init__(self, target: Callable[[LogEvent], None], settings: Callable[[], Loaded]) -> None:
        """
        @param target: who writes.
        """
        self._target = target
        self._settings = settings
        self._redact = Redactor(settings)

    def __call__(self, event: LogEvent) -> None:
        """Hand on, if at all."""
        if self._passes(event):
            self._target(self.clean(event))

    def clean(self, event: LogEvent) -> LogEvent:
        """A copy of C{event} without secrets; with the same words where there were none."""
        clean = {key: self._value(key, value) for key, value in event.items() if key != "log_flattened"}
        text = formatEvent(clean)
        safe = self._redact(text)
        failure = event.get("log_failure")
        trace = failure.getTraceback() if isinstance(failure, Failure) else ""
        safe_trace = self._redact(trace)
        if safe_trace != trace:
            del clean["log_failure"]
            clean.pop("failure", None)
            safe = f"{safe}\n{safe_trace}"
        if safe != text:
            clean["log_format"], clean["log_text"] = "{log_text}", safe
        return clean

    def _passes(self, event: LogEvent) -> bool:
        namespace = event.get("log_namespace") or ""
        if namespace != _NAMESPACE and not namespace.startswith(f"{_NAMESPACE}."):
            return True
        least = _LEVELS[self._settings().config.logging.level]
        level = event.get("log_level")
        return least is not None and (level is None or level >= least)

    def _value(self, key: str, value: Any) -> Any:
        if key.startswith("log_"):
            return value
        if value is None or isinstance(value, bool | int | float | Failure):
            return value
        if names_secret(key):
            return HIDDEN if value else value
        if isinstance(value, str):
            return self._redact(value)
        # An object stays one, unless what it shows of itself holds a secret.
        shown = f"{_shown(value)}\n{_shown(value, repr)}"
        return value if self._redact(shown) == shown else self._redact(_shown(value))


def json_observer(stream: TextIO) -> FileLogObserver:
    """Writes one JSON object a line."""
    return FileLogObserver(stream, json_line)


def json_line(event: LogEvent) -> str:
    """An event as one line of JSON: C{time} (RFC 3339), C{level}, C{namespace}, C{message}, the event's own fields, and
    C{error} with type, message and traceback of a failure."""
    level = event.get("log_level")
    record: dict[str, Any] = {
        "time": _time(event.get("log_time")),
        "level": _NAMES.get(level, "info") if level is not None else "info",
        "namespace": event.get("log_namespace") or "",
        "message": _cut(formatEvent(event)),
    }
    for key, value in event.items():
        if not key.startswith("log_") and key not in _LEGACY:
            record.setdefault(key, _plain(value))
    failure = event.get("log_failure")
    if isinstance(failure, Failure):
        record["error"] = {
            "type": getattr(failure.type, "__qualname__", str(failure.type)),
            "message": _cut(failure.getErrorMessage()),
            "traceback": _cut(failure.getTraceback()),
        }
    return json.dumps(record) + "\n"


def _time(seconds: float | None) -> str:
    when = datetime.fromtimestamp(seconds or 0.0, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    """What JSON has for it in every reader; anything else is shown as text."""
    if value is None or isinstance(value, bool):
        return value
    if (isinstance(value, int) and value.bit_length() < 64) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _cut(_shown(value))


def _shown(value: Any, how: Callable[[Any], str] = str) -> str:
    try:
        return how(value)
    except Exception:
        return "(can not be shown)"


def _cut(text: str) -> str:
    text = text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}..."
    # Halves of characters are no text: most that read JSON refuse the whole line for one.
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


__all__ = ["HIDDEN", "Redactor", "Sieve", "json_line", "json_observer", "known_secrets"]
