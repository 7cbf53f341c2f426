# -*- test-case-name: tests.cli.test_doctor -*-
"""Checks of C{openclaw-tx doctor} that concern models, and the list of all checks."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from openclaw_tx.cli.doctor_checks import LOCAL_CHECKS, Check, Ill

if TYPE_CHECKING:
    from openclaw_tx.cli.place import Place
    from openclaw_tx.config.load import Loaded

REACH_SECONDS = 3.0
"""Longest wait for a provider's port."""


def models(place: Place, loaded: Loaded) -> Iterator[Ill]:
    """What agents use can answer, as far as one can tell without asking."""
    from openclaw_tx.cli.models import missing
    from openclaw_tx.cli.models_status import agents_of, keys_and_problems, registry_of
    from openclaw_tx.errors import GatewayError
    from openclaw_tx.models.refs import LOCAL

    registry = registry_of(loaded)
    told: set[str] = set()
    for agent in agents_of(loaded):
        keys, problems = keys_and_problems(loaded, agent)
        for problem in problems:
            if problem not in told:
                yield Ill("models.profiles", "warning", problem)
        told.update(problems)
        for key in keys:
            if key.trouble and key.provider not in told:
                told.add(key.provider)
                hint = "openclaw-tx models status shows where keys come from"
                yield Ill("models.key", "error", f"provider {key.provider}: {key.trouble}", key.provider, hint)
        for ref in agent.models:
            try:
                provider = registry.info(ref).provider
            except GatewayError as error:
                yield Ill("models.unknown", "error", f"agent {agent.id}: {error.info.message}", ref)
                continue
            lacks = missing(LOCAL, loaded, None) if provider == LOCAL and LOCAL not in told else ""
            if lacks:
                told.add(LOCAL)
                yield Ill("models.embedded", "error", f"the embedded model can not answer: {lacks}", ref)


def reach(place: Place, loaded: Loaded) -> Iterator[Ill]:
    """Providers can be reached: a connection to each of their ports."""
    for name, provider in loaded.config.models.providers.items():
        url = urlsplit(provider.base_url)
        if not url.hostname:
            continue
        number = url.port or (443 if url.scheme == "https" else 80)
        try:
            socket.create_connection((url.hostname, number), REACH_SECONDS).close()
        except OSError as error:
            message = f"provider {name} can not be reached: {error.strerror or error}"
            yield Ill("models.reach", "error", message, f"models.providers.{name}.baseUrl")


CHECKS: tuple[Check, ...] = (*LOCAL_CHECKS, models)
"""All that stay on this machine."""

DEEP: tuple[Check, ...] = (reach,)
"""All that do not."""

__all__ = ["CHECKS", "DEEP"]
