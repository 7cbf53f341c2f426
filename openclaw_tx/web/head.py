# -*- test-case-name: tests.web.test_head -*-
"""What the head of a request must look like, beyond what Twisted asks: one that two readers could read differently
is refused (RFC 9110, 7.2; RFC 9112, 3.2, 6.1, 11.2). No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)([/?][\x21-\x7e]*)?", re.IGNORECASE)
_ORIGIN = re.compile(rb"/[\x21-\x7e]*")
_AUTHORITY = re.compile(
    rb"[A-Za-z0-9._~%!$&'()*+;=-]*(:[0-9]{0,5})?|\[[0-9A-Fa-f:.]+(%25[A-Za-z0-9._~-]+)?\](:[0-9]{0,5})?"
)


def origin_form(method: bytes, target: bytes) -> tuple[bytes, bytes | None] | None:
    """A request's target as path and query.

    @return: it, and the authority that takes the place of C{Host} (None = C{Host} counts); None = the target is none
        that a server has to know.
    """
    if _ORIGIN.fullmatch(target):
        return target, None
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None and absolute[1] and _AUTHORITY.fullmatch(absolute[1]):
        rest = absolute[2] or b"/"
        return rest if rest.startswith(b"/") else b"/" + rest, absolute[1]
    if target == b"*" and method == b"OPTIONS":
        return target, None
    return None


def is_well_framed(version: bytes, hosts: Sequence[bytes], encodings: Sequence[bytes]) -> bool:
    """Whether there is one C{Host} that can be one, and nothing but C{chunked} that a body is wrapped in.

    @param version: as in the request line, e.g. C{HTTP/1.1}.
    @param hosts: values of C{Host}.
    @param encodings: values of C{Transfer-Encoding}.
    """
    if len(hosts) > 1 or (not hosts and version == b"HTTP/1.1"):
        return False
    if hosts and not _AUTHORITY.fullmatch(hosts[0]):
        return False
    return not encodings or (version == b"HTTP/1.1" and [each.lower() for each in encodings] == [b"chunked"])


__all__ = ["is_well_framed", "origin_form"]
