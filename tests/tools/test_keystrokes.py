# -*- test-case-name: tests.tools.test_keystrokes -*-
"""Names of keys."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.keystrokes import bytes_of, keys_of


class KeysTests(SynchronousTestCase):
    """What a terminal sends."""

    def test_names(self) -> None:
        """Named keys, control, meta, characters."""
        self.assertEqual(
            keys_of(["Enter", "C-c", "^D", "M-x", "Up", "a", "é", "F5", "S-Tab"]),
            b"\r\x03\x04\x1bx\x1b[Aa\xc3\xa9\x1b[15~\x1b[Z",
        )
        self.assertEqual(keys_of(["C-[", "C-?", "C-Space", "M-Enter", "M-C-c", "^"]), b"\x1b\x7f\0\x1b\r\x1b\x03^")

    def test_unknown(self) -> None:
        """A sentence that names it."""
        for name in ("Enterr", "C-", "C-xx", "M-", "", "F13"):
            self.assertIn("key", str(self.assertRaises(ValueError, keys_of, [name])))

    def test_hex(self) -> None:
        """Bytes by number."""
        self.assertEqual(bytes_of(["1b", "0x41", " a "]), b"\x1bA\n")
        for bad in ("100", "g", "", "-1", "0x"):
            self.assertRaises(ValueError, bytes_of, [bad])
