"""JSON that is written out once."""

from __future__ import annotations

from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.wire.encoded import MAX_BYTES, MAX_KEPT, Encoded


class EncodedTests(SynchronousTestCase):
    """L{Encoded}."""

    def setUp(self) -> None:
        self.encoded = Encoded()
        self.shaped: list[Any] = []

    def of(self, value: Any) -> bytes:
        """Its JSON."""

        def shape(value: Any) -> Any:
            self.shaped.append(value)
            return {"is": value}

        return msgspec.json.encode([self.encoded.of(value, shape)])

    def test_once(self) -> None:
        """The same object is shaped once; an equal one is another."""
        value = ("a", 'ü"')
        for _ in range(3):
            self.assertEqual(msgspec.json.decode(self.of(value)), [{"is": ["a", 'ü"']}])
        self.assertEqual(len(self.shaped), 1)
        self.of((*value,))
        self.assertEqual(len(self.shaped), 2)

    def test_bound(self) -> None:
        """The one unused for longest is forgotten."""
        values = [(number,) for number in range(MAX_KEPT + 1)]
        for value in values[:-1]:
            self.of(value)
        self.of(values[0])
        self.of(values[-1])
        before = len(self.shaped)
        self.of(values[0])
        self.assertEqual(len(self.shaped), before)
        self.of(values[1])
        self.assertEqual(len(self.shaped), before + 1)

    def test_large(self) -> None:
        """What is large is not held."""
        value = ("x" * MAX_BYTES,)
        self.of(value)
        self.of(value)
        self.assertEqual(len(self.shaped), 2)
