# -*- test-case-name: tests.models.test_pool -*-
"""Providers, once for each key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_models import LocalModel, ProviderDefinition
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import ModelProvider, OnEvents
from openclaw_tx.models.pool import MAX_BUILT, Entry, Remote, follow
from openclaw_tx.models.profiles import Credential
from openclaw_tx.values import ModelInfo, ModelReply, ModelRequest
from tests.models.memory import start

DEFINITION = msgspec.convert({"baseUrl": "http://h/v1", "models": [{"id": "m"}]}, ProviderDefinition)
LOG = Logger()


class Made:
    """A provider that only knows what it was made of."""

    def __init__(self, *recipe: Any) -> None:
        self.recipe = recipe
        self.closed = 0

    def models(self) -> Sequence[ModelInfo]:
        """None."""
        return []

    async def stream(self, model: str, request: ModelRequest, on_events: OnEvents) -> ModelReply:
        """Never called."""
        raise NotImplementedError

    async def close(self) -> None:
        """Counted."""
        self.closed += 1


class Factory:
    """Makes and remembers them."""

    def __init__(self) -> None:
        self.made: list[Made] = []

    def remote(self, provider: str, definition: ProviderDefinition, key: str) -> ModelProvider:
        """One that remembers the key and what it is."""
        if key == "bad":
            raise ValueError("no such key")
        self.made.append(Made(provider, definition.auth, key))
        return self.made[-1]

    def local(self, settings: LocalModel) -> ModelProvider:
        """The embedded one."""
        self.made.append(Made(settings))
        return self.made[-1]


def profile(secret: str, **more: Any) -> Credential:
    """A key from a profile."""
    return Credential(provider="p", secret=secret, profile=f"p:{secret}", **more)


@contextmanager
def lent(entry: Entry, credential: Credential) -> Iterator[ModelProvider]:
    """A provider for one call."""
    entry.hold()
    built = entry.lend(credential)
    try:
        yield built.provider
    finally:
        entry.give_back(built)
        entry.release()


class EntryTests(SynchronousTestCase):
    """L{Entry}."""

    def setUp(self) -> None:
        self.factory = Factory()
        self.entry = Entry("p", Remote(DEFINITION, "own"), self.factory, LOG)

    def used(self, credential: Credential) -> Made:
        """The provider that a call with this key gets."""
        with lent(self.entry, credential) as provider:
            assert isinstance(provider, Made)
            return provider

    def test_one_for_each_key(self) -> None:
        """Built when it is first needed, with the kind of its key, and kept."""
        self.assertEqual([each.recipe for each in self.factory.made], [("p", "api-key", "own")])
        self.assertIs(self.used(self.entry.own), self.factory.made[0])
        self.assertIs(self.used(profile("own")), self.factory.made[0])
        self.assertEqual(self.used(profile("own", kind="token")).recipe, ("p", "token", "own"))
        self.assertEqual(self.used(profile("k")).recipe, ("p", "api-key", "k"))
        self.assertIs(self.used(profile("k")), self.factory.made[2])

    def test_bound(self) -> None:
        """The one unused for the longest time is closed, one at work when it is done."""
        with lent(self.entry, profile("0")) as busy:
            for number in range(1, MAX_BUILT + 2):
                self.used(profile(str(number)))
            closed = [each.recipe[2] for each in self.factory.made if each.closed]
            self.assertEqual(closed, ["1"])
            assert isinstance(busy, Made)
            self.assertEqual(busy.closed, 0)
        self.assertEqual(busy.closed, 1)
        self.successResultOf(start(self.entry.close()))
        self.assertEqual({each.closed for each in self.factory.made}, {1})

    def test_unusable_key(self) -> None:
        """It is that key's failure."""
        error = self.assertRaises(GatewayError, self.used, profile("bad"))
        self.assertEqual((error.info.code, str(error)), ("provider_auth", "p: no such key"))

    def test_retired(self) -> None:
        """It closes when nobody holds it any more, once."""
        self.entry.hold()
        self.used(profile("k"))
        self.entry.retire()
        self.used(profile("k"))
        self.assertEqual([each.closed for each in self.factory.made], [0, 0])
        self.entry.release()
        self.assertEqual([each.closed for each in self.factory.made], [1, 1])

    def test_others_have_no_keys(self) -> None:
        """The embedded model and the embedder's own are what they are."""
        own = Made()
        for recipe in (LocalModel(), own):
            entry = Entry("x", recipe, self.factory, LOG)
            with lent(entry, profile("k")) as provider:
                self.assertIs(provider, entry.provider)
            self.assertFalse(entry.is_configured or entry.needs_key)
        self.assertTrue(self.entry.is_configured)

    def test_no_secret_in_text_forms(self) -> None:
        """The recipe does not show the key."""
        self.assertNotIn("own", repr(self.entry.recipe) + str(self.entry.recipe))


class FollowTests(SynchronousTestCase):
    """L{follow}."""

    def test_only_what_changed(self) -> None:
        """What is the same stays, what left is retired, what can not be built is left out."""
        factory = Factory()
        before = follow({}, {name: Remote(DEFINITION, name) for name in ("a", "b", "bad")}, factory, LOG)
        self.assertEqual(list(before), ["a", "b"])
        after = follow(before, {"c": LocalModel(), "a": Remote(DEFINITION, "a")}, factory, LOG)
        self.assertEqual(list(after), ["c", "a"])
        self.assertIs(after["a"], before["a"])
        self.assertEqual([each.closed for each in factory.made], [0, 1, 0])
