# -*- test-case-name: tests.config.test_live,tests.ws.rpc.test_config -*-
"""The configuration file of a running gateway, changed from within it: written and applied in one go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from twisted.internet.defer import Deferred, DeferredLock, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from openclaw_tx.config.editing import Candidate, Editor, Original, Stale
from openclaw_tx.config.merging import differences
from openclaw_tx.config.reload import ReloadPlan
from openclaw_tx.config.settings import Settings
from openclaw_tx.config.watching import apply
from openclaw_tx.deferreds import InThread
from openclaw_tx.errors import ConfigError, GatewayError, NotWritten
from openclaw_tx.values.value import Value

Change = Callable[[Editor, Original], Candidate | None]
"""Makes the file that is to be written, None = it may stay as it is. Runs in a thread; raises L{ConfigError},
L{Stale} or L{GatewayError}."""

TOLD = 3
"""Issues that the text of an error names; all of them are in its details."""


class Written(Value, frozen=True):
    """What came of a change."""

    candidate: Candidate
    changed: tuple[str, ...]
    """Paths in the file."""
    hot: tuple[str, ...]
    """What of it takes effect now."""
    restart: tuple[str, ...]
    """What of it takes effect when the gateway starts again."""


class LiveConfig:
    """One for each gateway; changes are made one after the other."""

    def __init__(self, settings: Settings, in_thread: InThread, log: Logger | None = None) -> None:
        self._settings = settings
        self._in_thread = in_thread
        self._lock = DeferredLock()
        self._log = log or Logger()

    @property
    def has_file(self) -> bool:
        """There is, or may be, a file to write; otherwise the program that embeds the gateway gives the settings."""
        return self._settings.loaded.again is not None

    @property
    def applied_hash(self) -> str:
        """Hash of the file that the gateway goes by, as far as that needs no restart."""
        return self._settings.loaded.hash

    @property
    def places(self) -> tuple[str, str]:
        """The file and the state directory."""
        return str(self._settings.loaded.path), str(self._settings.loaded.state_dir)

    async def original(self) -> Original:
        """The file as it stands.

        @raise GatewayError: it can not be read.
        """
        try:
            return await self._in_thread(self._editor().read)
        except ConfigError as error:
            raise refusal(error) from None

    async def change(self, change: Change) -> Written | None:
        """Change the file and go by it, all of it or nothing. Once it was begun it is done, also when nobody waits for
        it any more: a thread can not be stopped, and the next change is made of what it leaves.

        @return: None = there was nothing to change.
        @raise GatewayError: the outcome could not be used, the file is another by now, or it can not be written.
        """
        editor = self._editor()

        def work() -> Candidate | None:
            candidate = change(editor, editor.read())
            if candidate is not None:
                editor.write(candidate)
            return candidate

        try:
            await self._lock.acquire()
            return await self._begun(work)
        except Stale as error:
            raise GatewayError("invalid_request", str(error)) from None
        except NotWritten as error:
            self._log.warn("{error}", error=str(error))
            text = f"the configuration can not be written: {error.reason}"
            raise GatewayError("storage_unavailable", text) from None
        except ConfigError as error:
            raise refusal(error) from None

    def _begun(self, work: Callable[[], Candidate | None]) -> Deferred[Written | None]:
        """Do it, and let the next one do theirs.

        @return: fires with what came of it; cancelling it just stops waiting.
        """
        waiting: Deferred[Written | None] = Deferred()

        def done(outcome: Written | Failure | None) -> None:
            self._lock.release()
            if not waiting.called:
                waiting.callback(cast("Written | None", outcome))
            elif isinstance(outcome, Failure):
                reason = outcome.getErrorMessage()
                self._log.warn("a change of the configuration failed when its client had left: {reason}", reason=reason)

        job = maybeDeferred(self._in_thread, work)
        job.addCallback(lambda candidate: None if candidate is None else self._apply(candidate)).addBoth(done)
        return waiting

    def _apply(self, candidate: Candidate) -> Written:
        changed = tuple(differences(candidate.original.parsed, candidate.parsed))
        try:
            plan = apply(self._settings, candidate.loaded, self._log)
        except ConfigError as error:
            # Written and good, but not to be had without a restart: half of it would not do.
            self._log.warn("the configuration was written; restart the gateway to apply it: {why}", why=str(error))
            plan = None
        plan = plan or ReloadPlan(restart=changed)
        return Written(candidate=candidate, changed=changed, hot=plan.hot, restart=plan.restart)

    def _editor(self) -> Editor:
        loaded = self._settings.loaded
        if loaded.again is None:
            raise GatewayError("invalid_request", "this gateway's configuration is given by the program that embeds it")
        return Editor(Path(loaded.path), loaded.again)


def refusal(error: ConfigError, what: str = "invalid config") -> GatewayError:
    """A L{ConfigError} for a client: the first issues in words, all in C{details.issues}."""
    told = [f"{path}: {message}" if path else message for path, message in error.issues[:TOLD]]
    more = len(error.issues) - TOLD
    text = f"{what}: {'; '.join(told)}" + (f" (+{more} more)" if more > 0 else "")
    issues = [{"path": path, "message": message} for path, message in error.issues]
    return GatewayError("invalid_request", text, details={"issues": issues})


__all__ = ["Change", "LiveConfig", "Written", "refusal"]
