# -*- test-case-name: tests.cli.test_edit -*-
"""Edits of the configuration file by verbs: the outcome is checked as a whole before it takes the file's place.

A file of plain JSON is written anew. One with comments, or of several files, would lose what makes it worth having: it is left
alone, and whoever asked is told what to write there by hand.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.output import json_text
from openclaw_tx.cli.place import config_problem
from openclaw_tx.errors import ConfigError

if TYPE_CHECKING:
    from openclaw_tx.cli.place import Place

Change = Callable[[dict[str, Any]], None]
"""Changes what the file says, in place."""


class Edited(NamedTuple):
    """What was written."""

    path: Path
    backup: Path | None
    """The file as it was; None = there was none."""


def edit_config(place: Place, change: Change, by_hand: str) -> Edited:
    """Change the configuration file.

    @param by_hand: what to do in its place, for a file that can not be written.
    @raise CommandError: the file is more than plain JSON, or can not be used afterwards, or can not be written.
    """
    path = Path(os.path.realpath(place.locate().config))
    before = read_plain(path, by_hand)
    data: dict[str, Any] = json.loads(before) if before is not None else {}
    change(data)
    text = f"{json_text(data)}\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = _beside(path, text)
        try:
            _check(place, fresh, path)
            backup = path.with_name(f"{path.name}.bak") if before is not None else None
            if backup is not None and before is not None:
                os.replace(_beside(path, before), backup)
                fresh.chmod(path.stat().st_mode & 0o777)
            os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise CommandError(f"{error.filename or path}: {error.strerror}") from None
    return Edited(path, backup)


def read_plain(path: Path, by_hand: str) -> str | None:
    """The text of a file that can be written anew without a loss; None when there is none.

    @raise CommandError: it would lose something.
    """
    try:
        text = path.read_text("utf-8")
        data = json.loads(text)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise CommandError(f"{path} is not plain JSON, and rewriting it would lose its comments; {by_hand}") from None
    if not isinstance(data, dict):
        raise CommandError(f"{path}: must be an object")
    if '"$include"' in text:
        raise CommandError(f"{path} includes other files; {by_hand}")
    return text


def _beside(path: Path, text: str) -> Path:
    """A new file in the same directory, for its owner only."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def _check(place: Place, fresh: Path, path: Path) -> None:
    """
    @raise CommandError: the configuration could not be used.
    """
    from openclaw_tx.config.load import load

    state_dir = str(place.locate().state_dir)
    try:
        load(place.environ, config=str(fresh), state_dir=state_dir, profile=place.profile)
    except ConfigError as error:
        raise CommandError(config_problem(error).replace(str(fresh), str(path))) from None


__all__ = ["Change", "Edited", "edit_config", "read_plain"]
