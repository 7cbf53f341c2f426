# -*- test-case-name: tests.wire.test_pieces -*-
"""L{openclaw_tx.wire.pieces}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.wire.pieces import AT_ONCE, Pieces


class PiecesTests(SynchronousTestCase):
    """L{Pieces}."""

    def test_text(self) -> None:
        """Nothing is lost and nothing doubled, however many there are."""
        pieces, said = Pieces(), ""
        for number in range(3 * AT_ONCE + 5):
            pieces.grow(f"{number} ")
            said += f"{number} "
            if number % 100 == 0:
                self.assertEqual(pieces.text, said)
        self.assertEqual(pieces.text, said)

    def test_few(self) -> None:
        """Many pieces are few in the end."""
        pieces = Pieces()
        for _ in range(100 * AT_ONCE):
            pieces.grow("word")
        self.assertEqual((len(pieces), len(pieces.text)), (100, 400 * AT_ONCE))

    def test_clear(self) -> None:
        """It can be begun anew."""
        pieces = Pieces()
        for _ in range(2):
            for _ in range(AT_ONCE):
                pieces.grow("a")
            self.assertEqual((len(pieces), pieces.text), (1, "a" * AT_ONCE))
            pieces.clear()
            self.assertEqual(pieces.text, "")
