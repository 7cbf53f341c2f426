# -*- test-case-name: tests.ws.test_eager -*-
"""Writes that do not wait for the next turn of the reactor."""

from __future__ import annotations

from typing import Any

from twisted.internet.abstract import FileDescriptor


def write_now(transport: Any, data: bytes) -> None:
    """Hand bytes to the system now, when nothing waits before them; what it does not take is the transport's.

    C{transport.write} keeps them until the reactor has asked the system whether it would take them: three calls of the
    system more. It still does all the rest: order, back-pressure, and telling that the connection is lost.

    That nothing waits shows only in attributes of Twisted's own descriptors. Any other transport just gets a write,
    above all one that wraps a descriptor and passes its attributes on, as that of TLS does.
    """
    if (
        isinstance(transport, FileDescriptor)
        and getattr(transport, "_tempDataLen", None) == 0
        and not transport.dataBuffer
        and transport.connected
        and not transport.disconnecting
        and not getattr(transport, "TLS", False)
    ):
        sent = transport.writeSomeData(data)
        if isinstance(sent, int) and sent > 0:
            if sent == len(data):
                return
            data = data[sent:]
    transport.write(data)


__all__ = ["write_now"]
