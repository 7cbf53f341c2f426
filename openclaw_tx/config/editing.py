# -*- test-case-name: tests.ws.rpc.test_config -*-
"""The configuration file, changed by a program: read, changed, checked as a whole, and only then written.

What C{openclaw-tx config} and the methods C{config.*} share. Nothing here minds the reactor: it all may block, so it
belongs into a thread or a command.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import field, structs

from openclaw_tx.config import files, json5
from openclaw_tx.config.load import Loaded
from openclaw_tx.config.paths import Issues
from openclaw_tx.config.redact import redact, restore, secrets_in
from openclaw_tx.config.replacing import replace_file
from openclaw_tx.config.rewriting import in_comments, plain, rewrite
from openclaw_tx.errors import ConfigError, NotWritten
from openclaw_tx.values.value import Value

READ_ONLY = "OPENCLAW_CONFIG_READONLY"
"""Variable that, set to 1 or true, keeps everybody from writing the file."""
LONG_ENOUGH = 8
"""Characters of a secret that is looked for in comments, too."""

Again = Callable[[bytes | None], Loaded]
"""L{Loaded.again}: how the file would load, holding these bytes."""


class Stale(Exception):
    """The file is not what the change was made for; the text is for whoever asked."""


class Original(Value, frozen=True):
    """The file as it stands."""

    path: Path
    exists: bool
    raw: bytes
    hash: str
    """SHA-256 of its bytes, in hex."""
    parsed: dict[str, Any] = field(default_factory=dict)
    """What it says itself; empty when it can not be read."""
    expanded: dict[str, Any] = field(default_factory=dict)
    """The same with its includes."""
    files: tuple[Path, ...] = ()
    issues: tuple[tuple[str, str], ...] = ()
    """Why it can not be used; empty = it can."""
    loaded: Loaded | None = None
    """What comes of it; None when it can not be used."""

    @property
    def text(self) -> str:
        """Its text; "" when it is none."""
        try:
            return self.raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            return ""

    @property
    def readable(self) -> bool:
        """It is JSON5, so that its secrets can be told from the rest."""
        return self.exists and (bool(self.parsed) or not self.issues)

    def shown(self, comments: bool) -> str | None:
        """Its text without its secrets, in comments too; None when they can not be found in it. Read again, it says
        what L{redact} makes of C{parsed}, so that it can be written back.

        @param comments: keep what is not a value.
        """
        if not self.readable:
            return None
        if not comments:
            return plain(redact(self.parsed)) + "\n"
        text = rewrite(self.text, self.parsed, redact(self.parsed))
        secrets = sorted({each for each in secrets_in(self.parsed) if len(each) >= LONG_ENOUGH}, key=len, reverse=True)
        if not secrets:
            return text
        known = re.compile("|".join(map(re.escape, secrets)))
        return in_comments(text, lambda comment: known.sub("***", comment))


class Candidate(Value, frozen=True):
    """What the file would be; it can be used."""

    original: Original
    raw: bytes
    parsed: dict[str, Any]
    loaded: Loaded

    @property
    def hash(self) -> str:
        """SHA-256 of its bytes, in hex."""
        return hashlib.sha256(self.raw).hexdigest()


class Editor:
    """Changes one configuration file."""

    def __init__(self, path: Path, again: Again) -> None:
        self._path = path
        self._again = again

    def read(self) -> Original:
        """The file of the moment; one that can not be used comes with its issues.

        @raise ConfigError: there is something that can not be read.
        """
        raw = files.raw_of(self._path)
        if raw is None:
            loaded, issues = self._loaded(None)
            digest = hashlib.sha256(b"").hexdigest()
            return Original(path=self._path, exists=False, raw=b"", hash=digest, issues=issues, loaded=loaded)
        digest = hashlib.sha256(raw).hexdigest()
        loaded, issues = self._loaded(raw)
        found = Original(path=self._path, exists=True, raw=raw, hash=digest, issues=issues, loaded=loaded)
        try:
            parsed = files.parse(raw)
            if not isinstance(parsed, dict):
                return found
        except json5.Json5Error:
            return found
        try:
            document = files.read(self._path, raw)
        except ConfigError:
            return structs.replace(found, parsed=parsed, expanded=parsed)
        return structs.replace(found, parsed=parsed, expanded=document.data, files=document.files)

    def replaced(self, original: Original, text: str) -> Candidate:
        """The file with another text. Where that has the marker of a redacted secret, the old value stays (D29).

        @raise ConfigError: the text can not be used.
        """
        try:
            parsed = files.parse(text.encode("utf-8"))
        except (json5.Json5Error, UnicodeEncodeError) as error:
            raise ConfigError([("", str(error))]) from None
        if not isinstance(parsed, dict):
            raise ConfigError([("", "must be an object")])
        whole = self._restored(parsed, original)
        return self._candidate(original, rewrite(text, parsed, whole), whole)

    def changed(self, original: Original, parsed: dict[str, Any]) -> Candidate:
        """The file saying something else, its comments kept.

        @param parsed: what it is to say itself, without includes.
        @raise ConfigError: it says something that can not be used, now or then.
        """
        if original.exists and not original.readable:
            raise ConfigError([*original.issues])
        whole = self._restored(parsed, original)
        text = rewrite(original.text, original.parsed, whole) if original.exists else plain(whole) + "\n"
        return self._candidate(original, text, whole)

    def write(self, candidate: Candidate) -> None:
        """Put it in place of the file, at once and for its owner only; the old file stays beside it as C{.bak}.

        @raise ConfigError: it must not be written.
        @raise NotWritten: it can not be written, e.g. since the disk is full.
        @raise Stale: somebody else was faster.
        """
        variable = candidate.loaded.outer_environment.get(READ_ONLY, "")
        if variable.strip().lower() in ("1", "true", "yes", "on"):
            raise ConfigError([("", f"{READ_ONLY} is set: the configuration is not written")])
        path = Path(os.path.realpath(self._path))
        try:
            before = path.read_bytes() if candidate.original.exists else None
            if before is not None and before != candidate.original.raw:
                raise Stale("config changed since last load; re-run config.get and retry")
            if before is None and path.exists():
                raise Stale("config base hash required; re-run config.get and retry")
            if before is not None:
                replace_file(path.with_name(f"{path.name}.bak"), before)
            replace_file(path, candidate.raw)
        except OSError as error:
            raise NotWritten(path, error.strerror or str(error)) from None

    def _restored(self, parsed: dict[str, Any], original: Original) -> dict[str, Any]:
        issues: Issues = []
        whole: dict[str, Any] = restore(parsed, original.expanded, issues)
        if issues:
            raise ConfigError(issues)
        return whole

    def _candidate(self, original: Original, text: str, parsed: dict[str, Any]) -> Candidate:
        try:
            raw = text.encode("utf-8")
        except UnicodeEncodeError:
            raise ConfigError([("", "a lone surrogate is not text")]) from None
        return Candidate(original=original, raw=raw, parsed=parsed, loaded=self._again(raw))

    def _loaded(self, raw: bytes | None) -> tuple[Loaded | None, tuple[tuple[str, str], ...]]:
        try:
            return self._again(raw), ()
        except ConfigError as error:
            return None, tuple(error.issues)


def current(original: Original, base_hash: str | None) -> None:
    """Let a change go on if it was made for the file as it stands.

    @param base_hash: of the file that it was made for; needed once there is one.
    @raise Stale: it was not.
    """
    if original.exists and not base_hash:
        raise Stale("config base hash required; re-run config.get and retry")
    if original.exists and base_hash != original.hash:
        raise Stale("config changed since last load; re-run config.get and retry")


__all__ = ["READ_ONLY", "Candidate", "Editor", "Original", "Stale", "current"]
