# -*- test-case-name: tests.ws.rpc.test_asks -*-
"""How what people write is kept."""

from __future__ import annotations

import sys
import unicodedata

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.ws.rpc.asks import MAX_MARKS, clean, composed


class CleanTests(SynchronousTestCase):
    """L{clean} and L{composed}."""

    def test_controls(self) -> None:
        """Of all control characters line breaks and tabs are left."""
        every = "".join(char for char in map(chr, range(1, sys.maxunicode + 1)) if unicodedata.category(char) == "Cc")
        self.assertEqual(clean("chat.send", every), "\t\n\r")
        self.assertEqual(clean("chat.send", "a\u200db\u00ad"), "a\u200db\u00ad")

    def test_composed(self) -> None:
        """NFC, as far as a letter has as many marks as any script needs."""
        marks = "\u0301\u0323" * (MAX_MARKS // 2)
        for text in ("plain", "e\u0301", "\u1100\u1161\u11a8", f"o{marks}", f"\u0f73{marks[1:]}", "\u0344x", "\u212b"):
            self.assertEqual(composed(text), unicodedata.normalize("NFC", text))

    def test_towers_of_marks(self) -> None:
        """A letter below very many marks stays as it is, and takes no longer than other text: put in order, these would
        take hours."""
        for pair in ("\u0301\u0323", "\u0f73", "\u0323\u0f81"):
            tower = "o" + pair * 1_000_000
            self.assertEqual(clean("chat.send", f"e\u0301{tower}e\u0301"), f"é{tower}é")

    def test_every_mark_is_known(self) -> None:
        """There is no other character that begins with a mark once it is taken apart, in this version of Unicode."""
        for char in map(chr, range(0x80, sys.maxunicode + 1)):
            if unicodedata.combining(unicodedata.normalize("NFD", char)[0]):
                self.assertEqual(composed(f"o{char * (MAX_MARKS + 1)}"), f"o{char * (MAX_MARKS + 1)}")
