# -*- test-case-name: tests.web.test_head -*-
"""Targets, hosts and encodings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.web.head import is_well_framed, origin_form


class TargetTests(SynchronousTestCase):
    """L{origin_form}."""

    def test_forms(self) -> None:
        """Origin, absolute and asterisk form, and none of the others (RFC 9112, 3.2)."""
        for target, found in (
            (b"/", (b"/", None)),
            (b"/a?b=c", (b"/a?b=c", None)),
            (b"http://h", (b"/", b"h")),
            (b"HTTPS://h:1/a?b", (b"/a?b", b"h:1")),
            (b"http://h?a", (b"/?a", b"h")),
            (b"http://[::1]:5/a", (b"/a", b"[::1]:5")),
            (b"http://a@h/", None),
            (b"http:///a", None),
            (b"http://h/\x80", None),
            (b"h:443", None),
            (b"a", None),
            (b"*", None),
            (b"", None),
        ):
            self.assertEqual(origin_form(b"GET", target), found, target)
        self.assertEqual(origin_form(b"OPTIONS", b"*"), (b"*", None))

    @given(st.binary(max_size=40))
    def test_any_bytes(self, target: bytes) -> None:
        """A path begins with a slash and is printable."""
        found = origin_form(b"GET", target)
        if found is not None:
            self.assertTrue(found[0].startswith(b"/"))
            self.assertTrue(all(32 < byte < 127 for byte in found[0]))


class FramingTests(SynchronousTestCase):
    """L{is_well_framed}."""

    def test_hosts(self) -> None:
        """One, in HTTP/1.0 also none."""
        for hosts, well in (
            ([b"a"], True),
            ([b""], True),
            ([b"a.b:80"], True),
            ([b"a:"], True),
            ([b"[fe80::1%25eth0]:1"], True),
            ([b"a_b-c.d"], True),
            ([b"a", b"a"], False),
            ([b"a b"], False),
            ([b"a,b"], False),
            ([b"a/b"], False),
            ([b"a@b"], False),
            ([b"a:b"], False),
            ([b"[a"], False),
            ([b"caf\xe9"], False),
        ):
            for version in (b"HTTP/1.1", b"HTTP/1.0"):
                self.assertEqual(is_well_framed(version, hosts, []), well, hosts)
        self.assertEqual([is_well_framed(b"HTTP/1." + each, [], []) for each in (b"1", b"0")], [False, True])

    def test_encodings(self) -> None:
        """Chunked alone, and not in HTTP/1.0."""
        for encodings, well in (
            ([], True),
            ([b"Chunked"], True),
            ([b"identity"], False),
            ([b"gzip, chunked"], False),
            ([b"chunked", b"chunked"], False),
        ):
            self.assertEqual(is_well_framed(b"HTTP/1.1", [b"a"], encodings), well, encodings)
        self.assertFalse(is_well_framed(b"HTTP/1.0", [b"a"], [b"chunked"]))
