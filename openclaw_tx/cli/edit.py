# -*- test-case-name: tests.cli.test_edit -*-
"""Edits of the configuration file by verbs: comments stay, the outcome is checked as a whole, the old file is kept."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.place import config_problem
from openclaw_tx.errors import ConfigError

if TYPE_CHECKING:
    from openclaw_tx.cli.place import Place
    from openclaw_tx.config.editing import Candidate

Change = Callable[[dict[str, Any]], None]
"""Changes in place what the file says itself, without its includes."""


def edit_config(place: Place, change: Change, accept: Callable[[Candidate], None] = lambda candidate: None) -> None:
    """Change the configuration file.

    @param accept: looks at the outcome before it is written, and may raise.
    @raise CommandError: the file can not be used, now or then, or can not be written.
    """
    from openclaw_tx.cli.config import editor_of, original_of, problem
    from openclaw_tx.config.editing import Stale

    editor = editor_of(place)
    original = original_of(editor)
    if original.exists and not original.readable:
        raise problem(original)
    data = deepcopy(original.parsed)
    change(data)
    try:
        candidate = editor.changed(original, data)
        accept(candidate)
        editor.write(candidate)
    except Stale:
        raise CommandError(f"{original.path} was changed meanwhile; try again") from None
    except ConfigError as error:
        raise CommandError(config_problem(error)) from None


__all__ = ["Change", "edit_config"]
