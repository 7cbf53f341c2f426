# -*- test-case-name: tests.ws.rpc.test_config -*-
"""C{config.*}: the configuration file, read without its secrets, changed as a whole or in parts (spec 2.10, D29).

Who may read may read it, redacted; changing takes C{operator.admin}, for the file names programs to run and gives out
scopes (GHSA-g55j-c2v4-pjcg, GHSA-cwj3-vqpp-pmxr).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.actions import ADMIN, may, missing_scope
from openclaw_tx.auth.sight import is_bounded
from openclaw_tx.config import files, hints, json5
from openclaw_tx.config.editing import Candidate, Editor, Original, current
from openclaw_tx.config.live import LiveConfig, Written
from openclaw_tx.config.merging import Lossy, check_lists, merge_patch
from openclaw_tx.config.programs import new_program
from openclaw_tx.config.redact import redact, restore
from openclaw_tx.config.rewriting import same
from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import InThread
from openclaw_tx.errors import ConfigError, GatewayError
from openclaw_tx.values import Principal
from openclaw_tx.wire.frames import Natural, NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method


class ConfigGetParams(Params, frozen=True):
    """Params of C{config.get} and C{config.schema}: none."""


class LookupParams(Params, frozen=True):
    """Params of C{config.schema.lookup}."""

    path: Annotated[str, Meta(min_length=1, max_length=1024, pattern=r"^[A-Za-z0-9_./\[\]\-*]+$")]
    """E.g. C{agents.list[].tools}."""


class ConfigSetParams(Params, frozen=True):
    """Params of C{config.set}."""

    raw: NonEmpty
    """The whole file, JSON5."""
    base_hash: NonEmpty | None = None
    """C{hash} of the C{config.get} that the change was made from; needed once there is a file."""


class DeliveryContext(Params, frozen=True):
    """Where a client would like to hear of a restart. There is no restart by itself."""

    channel: str = ""
    to: str = ""
    account_id: str = ""
    thread_id: str | int | float = ""


class ConfigApplyParams(ConfigSetParams, frozen=True):
    """Params of C{config.apply}. What belongs to a restart has no effect: the gateway does not restart by itself."""

    session_key: str = ""
    delivery_context: DeliveryContext | None = None
    note: str = ""
    restart_delay_ms: Natural = 0


class ConfigPatchParams(ConfigApplyParams, frozen=True):
    """Params of C{config.patch}; C{raw} is a merge patch (RFC 7396)."""

    replace_paths: Annotated[list[NonEmpty], Meta(max_length=256)] = []
    """Lists that may lose items."""


class ConfigMethods:
    """The family of the configuration."""

    def __init__(
        self, live: LiveConfig, settings: Callable[[], Config], in_thread: InThread, clock: IReactorTime
    ) -> None:
        """
        @param settings: what the gateway goes by.
        """
        self._live = live
        self._settings = settings
        self._in_thread = in_thread
        self._clock = clock
        self._shape: hints.Shape | None = None

    def methods(self) -> Sequence[Method]:
        """The family's entries; without a file those that only read."""
        reading = [
            Method("config.get", "config.get", ConfigGetParams, self.get),
            Method("config.schema", "config.schema", ConfigGetParams, self.schema),
            Method("config.schema.lookup", "config.schema", LookupParams, self.lookup),
        ]
        if not self._live.has_file:
            return reading
        return [
            *reading,
            Method("config.set", "config.set", ConfigSetParams, self.set),
            Method("config.patch", "config.set", ConfigPatchParams, self.patch),
            Method("config.apply", "config.set", ConfigApplyParams, self.apply),
        ]

    async def get(self, call: Call[ConfigGetParams]) -> Any:
        """C{{path, exists, raw, parsed, valid, config, runtimeConfig, hash, issues[], warnings[], legacyIssues[],
        sourceConfig, resolved, includedPaths[], appliedConfigHash}}. Secrets are replaced by a marker which, written
        back, means "as it was". C{config} is the file with its includes, C{runtimeConfig} what the gateway goes by,
        defaults filled in. C{appliedConfigHash} is the C{hash} of the file that it goes by. Paths and comments are for
        administrators."""
        _see_all(call.principal)
        settings = msgspec.to_builtins(self._settings())
        if not self._live.has_file:
            return _shown(None, settings, call.principal)
        shown = _shown(await self._live.original(), settings, call.principal)
        return {**shown, "configRevisionHash": shown["hash"], "appliedConfigHash": self._live.applied_hash}

    async def schema(self, call: Call[ConfigGetParams]) -> Any:
        """C{{schema, uiHints, version, generatedAt}}: JSON Schema, and by path label, help and what is a secret."""
        found = await self._known_shape()
        now = datetime.fromtimestamp(self._clock.seconds(), UTC)
        return {
            "schema": found.schema,
            "uiHints": found.hints,
            "version": found.version,
            "generatedAt": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }

    async def lookup(self, call: Call[LookupParams]) -> Any:
        """C{{path, schema, reloadKind, hint?, hintPath?, children[]}} of one place; C{reloadKind} is C{hot} or
        C{restart}."""
        answer = hints.lookup(await self._known_shape(), call.params.path)
        if answer is None:
            raise GatewayError("invalid_request", "config schema path not found", param="path")
        return answer

    async def set(self, call: Call[ConfigSetParams]) -> Any:
        """Replace the file: C{{ok, path, hash, config, changedPaths[], appliedPaths[], restartPaths[],
        requiresRestart}}. It is checked as a whole first, takes effect at once as far as it can, and the old file stays
        beside it as C{.bak}. Programs to run (servers of MCP, C{tools.exec.pathPrepend} and C{safeBins}) can be taken
        out, not named."""
        return await self._replace(call.principal, call.params)

    async def apply(self, call: Call[ConfigApplyParams]) -> Any:
        """As C{config.set}."""
        return await self._replace(call.principal, call.params)

    async def patch(self, call: Call[ConfigPatchParams]) -> Any:
        """Merge a patch into the file, its comments kept; the answer as of C{config.set}, with C{noop} when nothing
        differs. Lists whose items have ids are merged by id; one that would lose items is refused unless
        C{replacePaths} names it. Protocol 3 clients replace lists as they are."""
        may_write(call.principal)
        params = call.params
        try:
            patch = files.parse(params.raw.encode("utf-8", "replace"))
        except json5.Json5Error as error:
            raise GatewayError("invalid_request", f"config.patch raw: {error}", param="raw") from None
        if not isinstance(patch, dict):
            raise GatewayError("invalid_request", "config.patch raw must be an object", param="raw")
        replace = params.replace_paths if call.modern else None

        def change(editor: Editor, original: Original) -> Candidate | None:
            current(original, params.base_hash)
            return self._without_programs(patched(editor, original, patch, replace))

        written = await self._live.change(change)
        if written is None:
            original = await self._live.original()
            return {
                "ok": True,
                "noop": True,
                "path": str(original.path),
                "hash": original.hash,
                "config": redact(original.expanded),
                "changedPaths": [],
            }
        return _answer(written)

    async def _replace(self, principal: Principal, params: ConfigSetParams) -> Any:
        may_write(principal)

        def change(editor: Editor, original: Original) -> Candidate | None:
            current(original, params.base_hash)
            return self._without_programs(editor.replaced(original, params.raw))

        written = await self._live.change(change)
        assert written is not None
        return _answer(written)

    def _without_programs(self, candidate: Candidate | None) -> Candidate | None:
        """The same.

        @raise GatewayError: it names a program that the file did not name. To run something of one's own choice takes
            more than the right to configure: the machine.
        """
        if candidate is not None:
            before = candidate.original.loaded
            place = new_program(before.config if before is not None else self._settings(), candidate.loaded.config)
            if place is not None:
                message = f"{place} names a program to run: change it in the file, or with `openclaw-tx config set`"
                raise GatewayError("invalid_request", message, param="raw")
        return candidate

    async def _known_shape(self) -> hints.Shape:
        if self._shape is None:
            self._shape = await self._in_thread(hints.shape)
        return self._shape


def patched(
    editor: Editor, original: Original, patch: dict[str, Any], replace: Sequence[str] | None
) -> Candidate | None:
    """The file with a patch merged into it; None when it says that already.

    @param replace: lists that may lose items; None = all.
    @raise ConfigError: the outcome could not be used.
    @raise GatewayError: lists would lose items, ids stand twice, or an included file is in the way.
    """
    if original.exists and not original.readable:
        raise ConfigError([*original.issues])
    try:
        merged = merge_patch(original.parsed, patch, replace)
        wanted = merge_patch(original.expanded, patch, replace)
        if replace is not None:
            check_lists(original.expanded, wanted, replace)
    except Lossy as error:
        raise GatewayError(
            "invalid_request",
            f"config.patch would remove entries from array path(s): {', '.join(error.paths)}. Pass replacePaths with "
            "the exact path(s) when this is intentional, or use config.apply for full-config replacement.",
        ) from None
    except ValueError as error:
        raise GatewayError("invalid_request", str(error)) from None
    if same(original.parsed, merged) and same(original.expanded, wanted):
        return None
    candidate = editor.changed(original, merged)
    outcome = files.read(original.path, candidate.raw).data if len(original.files) > 1 else None
    if outcome is not None and not same(outcome, restore(wanted, original.expanded, [])):
        raise GatewayError("invalid_request", "an included file holds what the patch would change; edit that file")
    return candidate


def _see_all(principal: Principal) -> None:
    """The configuration is about everybody: nothing for a key that may only know of its own."""
    if is_bounded(principal):
        raise missing_scope(ADMIN)


def reads_config(principal: Principal) -> bool:
    """Whether it may read the configuration, and so is told that it has changed."""
    return may(principal, "config.get") and not is_bounded(principal)


def may_write(principal: Principal) -> None:
    """A key never makes keys, itself more, or itself longer: whatever its scopes, the file is not for it to change."""
    _see_all(principal)
    if principal.method == "key":
        raise GatewayError("insufficient_scope", "a key can not change the configuration; use the gateway's own secret")


def _shown(original: Original | None, settings: Any, principal: Principal) -> dict[str, Any]:
    admin = ADMIN in principal.scopes
    runtime = redact(settings)
    if original is None:
        return {
            "path": "",
            "exists": False,
            "raw": None,
            "parsed": {},
            "sourceConfig": {},
            "resolved": {},
            "config": {},
            "runtimeConfig": runtime,
            "valid": True,
            "hash": "",
            "issues": [],
            "warnings": [],
            "legacyIssues": [],
            "includedPaths": [],
        }
    whole = redact(original.expanded)
    warnings = original.loaded.warnings if original.loaded is not None else ()

    def named(path: Path) -> str:
        return str(path) if admin else path.name

    return {
        "path": named(original.path),
        "exists": original.exists,
        "raw": original.shown(comments=admin),
        "parsed": redact(original.parsed),
        "sourceConfig": whole,
        "resolved": whole,
        "config": whole,
        "runtimeConfig": runtime,
        "valid": not original.issues,
        "hash": original.hash,
        "issues": [{"path": path, "message": message} for path, message in original.issues],
        "warnings": [{"path": "", "message": text} for text in warnings],
        "legacyIssues": [],
        "includedPaths": [named(path) for path in original.files[1:]],
    }


def _answer(written: Written) -> dict[str, Any]:
    candidate = written.candidate
    return {
        "ok": True,
        "path": str(candidate.original.path),
        "hash": candidate.hash,
        "config": redact(candidate.parsed),
        "changedPaths": list(written.changed),
        "appliedPaths": list(written.hot),
        "restartPaths": list(written.restart),
        "requiresRestart": bool(written.restart),
    }


__all__ = ["ConfigMethods", "may_write", "patched", "reads_config"]
