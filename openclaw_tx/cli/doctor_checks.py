# -*- test-case-name: tests.cli.test_doctor -*-
"""What C{openclaw-tx doctor} looks at (spec 8). Each check tells what is wrong, and how it could be repaired."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.config.replacing import make_directory

if TYPE_CHECKING:
    from openclaw_tx.cli.place import Place
    from openclaw_tx.config.load import Loaded

REACH_SECONDS = 3.0
"""Longest wait for whoever has our port."""

TOKEN_BYTES = 32


class Ill(NamedTuple):
    """Something that is not as it should be."""

    check_id: str
    severity: Literal["info", "warning", "error"]
    message: str
    path: str = ""
    hint: str = ""
    """What a person can do."""
    repair: Callable[[], str] | None = None
    """Does what is safe, and says what it did; None = nothing is."""

    def as_json(self) -> dict[str, Any]:
        """With OpenClaw's keys."""
        found = {"checkId": self.check_id, "severity": self.severity, "message": self.message}
        more = {"path": self.path, "fixHint": self.hint}
        return found | {key: value for key, value in more.items() if value} | {"fixable": self.repair is not None}


Check = Callable[["Place", "Loaded"], Iterator[Ill]]
"""Looks at one thing."""


# -- the configuration


def config(place: Place) -> Iterator[Ill]:
    """It can be read, and says nothing that nobody understands. Comes before all else: it needs no L{Loaded}."""
    from openclaw_tx.cli.config import editor_of, original_of

    original = original_of(editor_of(place))
    for path, message in original.issues:
        repair = None
        if original.readable and message.startswith("unknown key"):
            repair = _remover(place, path)
        yield Ill("config.invalid", "error", message, path or str(original.path), "correct it by hand", repair)
    if original.exists and not original.issues and original.loaded is not None:
        for warning in original.loaded.warnings:
            yield Ill("config.warning", "info", warning)


def _remover(place: Place, path: str) -> Callable[[], str]:
    def remove() -> str:
        from openclaw_tx.cli.config import editor_of, original_of
        from openclaw_tx.config.editing import Stale
        from openclaw_tx.config.merging import parse_path, without
        from openclaw_tx.errors import ConfigError

        editor = editor_of(place)
        original = original_of(editor)
        data: Any = original.parsed
        try:
            # All unknown keys at once: with one of them left the outcome could not be used.
            for other, message in original.issues:
                if message.startswith("unknown key"):
                    data = without(data, parse_path(other))
            editor.write(editor.changed(original, data))
        except (LookupError, ValueError):
            raise CommandError(f"{path} is not in {original.path} itself: an included file has it") from None
        except Stale as error:
            raise CommandError(str(error)) from None
        except ConfigError as error:
            raise CommandError("; ".join(text for _, text in error.issues)) from None
        return f"took unknown keys out of {original.path}; the old file is {original.path.name}.bak"

    return remove


def mode(place: Place, loaded: Loaded) -> Iterator[Ill]:
    """Somebody has set it up."""
    if not loaded.exists:
        hint = "openclaw-tx setup"
        yield Ill("config.missing", "warning", f"{loaded.path} does not exist: defaults apply", str(loaded.path), hint)
    elif loaded.config.gateway.mode is None:
        message = "gateway.mode is not set: `openclaw-tx gateway run` does not start without it"
        repair = _setter(place, "mode", "local")
        yield Ill("gateway.mode_unset", "warning", message, "gateway.mode", "set it to local", repair)


def auth(place: Place, loaded: Loaded) -> Iterator[Ill]:
    """Clients are asked for a secret that is one."""
    from openclaw_tx.auth.methods import resolve_secret
    from openclaw_tx.auth.startup import check_startup, startup_warnings

    secret = resolve_secret(loaded.config, loaded.environment)
    missing = secret.mode == "token" and secret.token is None
    for path, message in check_startup(loaded.config, loaded.environment):
        repair = _new_token(place) if missing and loaded.exists and path == "gateway.auth.token" else None
        yield Ill("gateway.auth", "error", f"the gateway does not start: {message}", path, "", repair)
    for path, message in startup_warnings(loaded.config, loaded.environment):
        yield Ill("gateway.auth", "warning", message, path)


def _setter(place: Place, key: str, value: Any) -> Callable[[], str]:
    def put() -> str:
        from openclaw_tx.cli.edit import edit_config

        edit_config(place, lambda data: data.setdefault("gateway", {}).update({key: value}))
        return f"set gateway.{key}"

    return put


def _new_token(place: Place) -> Callable[[], str]:
    def make() -> str:
        import secrets

        from openclaw_tx.cli.edit import edit_config

        token = secrets.token_urlsafe(TOKEN_BYTES)

        def put(data: dict[str, Any]) -> None:
            data.setdefault("gateway", {}).setdefault("auth", {}).update({"mode": "token", "token": token})

        edit_config(place, put)
        return "made a token; `openclaw-tx token` prints it"

    return make


def dangers(place: Place, loaded: Loaded) -> Iterator[Ill]:
    """What the audit calls critical; files among it can be repaired."""
    from openclaw_tx.cli.audit import audited
    from openclaw_tx.cli.security import repaired

    for each in audited(loaded):
        # What concerns the secret and the state directory has a check of its own here.
        known = each.check_id in ("gateway.bind_no_auth", "gateway.loopback_no_auth", "gateway.token_placeholder_value")
        if each.severity != "critical" or known or each.check_id.startswith("fs.state_dir"):
            continue
        repair = None
        if each.fix is not None:

            def repair(finding: Any = each) -> str:
                (action,) = repaired([finding])
                if not action["ok"]:
                    raise CommandError(f"{action['path']}: {action['error']}")
                return f"chmod {action['mode']} {action['path']}"

        yield Ill(each.check_id, "warning", f"{each.title}: {each.detail}", "", each.remediation, repair)


# -- this machine


def port(place: Place, loaded: Loaded) -> Iterator[Ill]:
    """The port is free, or a gateway has it."""
    from openclaw_tx.cli.ports import is_busy, listeners
    from openclaw_tx.config.load import port as port_of

    gateway = loaded.config.gateway
    host = gateway.custom_bind_host if gateway.bind == "custom" else "127.0.0.1"
    number = port_of(loaded.config, loaded.environment)
    try:
        busy = is_busy(host, number)
    except OSError as error:
        message = f"can not listen on {host} port {number}: {error.strerror}"
        yield Ill("gateway.port", "error", message, "gateway.port")
        return
    if not busy:
        return
    who = ", ".join(f"{each.command}, process {each.pid}" for each in listeners(number))
    if is_gateway(host, number, gateway.tls.enabled):
        yield Ill("gateway.port", "info", f"a gateway runs on port {number}{f' ({who})' if who else ''}")
    else:
        message = f"port {number} is taken{f' by {who}' if who else ''}, and that is no gateway"
        yield Ill("gateway.port", "error", message, "gateway.port", "stop it, or set another gateway.port")


def is_gateway(host: str, number: int, tls: bool) -> bool:
    """Whether what listens there answers like a gateway. It is told nothing, so its certificate is not looked at."""
    import http.client
    import ssl

    connection: http.client.HTTPConnection
    if tls:
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, number, timeout=REACH_SECONDS, context=anybody)
    else:
        connection = http.client.HTTPConnection(host, number, timeout=REACH_SECONDS)
    try:
        connection.request("GET", "/healthz")
        answer = json.loads(connection.getresponse().read(4096))
        return isinstance(answer, dict) and "ok" in answer
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()


def state_dir(place: Place, loaded: Loaded) -> Iterator[Ill]:
    """It is there, can be written to, and is nobody else's business."""
    path = Path(loaded.state_dir)
    if not path.exists():

        def make() -> str:
            make_directory(path)
            return f"made {path}"

        yield Ill("state.missing", "info", f"{path} does not exist; the gateway makes it", str(path), "", make)
        return
    if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
        yield Ill(
            "state.not_writable", "error", f"{path} can not be written to", str(path), "make it the gateway's own"
        )
        return
    others = path.stat().st_mode & 0o077
    if others:

        def close() -> str:
            path.chmod(0o700)
            return f"chmod 700 {path}"

        severity: Literal["warning", "error"] = "error" if others & 0o022 else "warning"
        message = f"others may {'write into' if others & 0o022 else 'read'} {path}"
        yield Ill("state.permissions", severity, message, str(path), f"chmod 700 {path}", close)


def store(place: Place, loaded: Loaded) -> Iterator[Ill]:
    """The databases are sound, and no process that is gone is taken for one that works."""
    from openclaw_tx.cli.session_store import database_of
    from openclaw_tx.sessions.copies import Unsound, problems

    try:
        path = database_of(loaded)
    except CommandError as error:
        yield Ill("store.memory", "info", error.message, "session.store")
        return
    memories = sorted(Path(loaded.state_dir).glob("memory/*.sqlite"))
    for database in (path, *memories):
        if not database.exists():
            continue
        try:
            found = problems(database)
        except Unsound as error:
            found = [str(error)]
        hint = "restore a backup: openclaw-tx backup restore" if database == path else "delete it; it is made anew"
        for problem in found:
            yield Ill("store.integrity", "error", problem, str(database), hint)
    stale = list(stale_locks(Path(f"{path}.owners")))
    if stale:

        def remove() -> str:
            for lock in stale_locks(Path(f"{path}.owners")):
                lock.unlink(missing_ok=True)
            return f"removed {len(stale)} locks of processes that are gone"

        message = f"{len(stale)} processes that used the store were cut off; their runs end as failed"
        yield Ill("store.stale_locks", "info", message, str(path), "", remove)


def stale_locks(directory: Path) -> Iterator[Path]:
    """Locks that nobody holds."""
    for path in sorted(directory.glob("*.lock")):
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        finally:
            os.close(handle)
        yield path


def workspaces(place: Place, loaded: Loaded) -> Iterator[Ill]:
    """Agents can work."""
    from openclaw_tx.agents.workspace import STANDARD
    from openclaw_tx.cli.models_status import agents_of

    for agent in agents_of(loaded):
        path = Path(agent.workspace)
        if not path.exists():
            message = f"the workspace of agent {agent.id} is not there yet; its first run makes it"
            yield Ill("workspace.missing", "info", message, str(path))
        elif not path.is_dir() or not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            message = f"the workspace of agent {agent.id} can not be used"
            yield Ill("workspace.not_usable", "error", message, str(path), "make it the gateway's own")
        else:
            names = [name for name in STANDARD if (path / name).exists() and not os.access(path / name, os.R_OK)]
            for name in names:
                yield Ill("workspace.not_readable", "warning", f"{name} can not be read", str(path / name))


LOCAL_CHECKS: tuple[Check, ...] = (mode, auth, dangers, port, state_dir, store, workspaces)

__all__ = ["LOCAL_CHECKS", "Check", "Ill", "config"]
