# -*- test-case-name: tests.cli.test_ports -*-
"""Who listens on a TCP port of this machine, as far as Linux tells."""

from __future__ import annotations

import errno
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

LISTEN = "0A"
"""State of a listening socket in C{/proc/net/tcp}."""

PROC = Path("/proc")
KILL_SECONDS = 5.0
"""How long a process may take to end by itself."""
PAUSE_SECONDS = 0.1
"""Between two looks whether it has."""


class Listener(NamedTuple):
    """A process that listens."""

    pid: int
    command: str
    """Name of its program."""
    command_line: str

    def as_json(self, port: int) -> dict[str, Any]:
        """As OpenClaw's C{gateway status --json} has it."""
        return {
            "pid": self.pid,
            "command": self.command,
            "commandLine": self.command_line,
            "address": f"127.0.0.1:{port}",
        }


def is_busy(host: str, port: int) -> bool:
    """Whether somebody listens at an address of this machine.

    @raise OSError: it is no address of this machine, or may not be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Twisted listens
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise
    return False


def listeners(port: int, proc: Path = PROC) -> list[Listener]:
    """The processes that listen on a port and may be looked at; none where there is no C{/proc}."""
    inodes = set(_inodes(port, proc))
    found = []
    if inodes:
        for entry in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name)):
            if inodes.intersection(_sockets(entry)):
                found.append(Listener(int(entry.name), _text(entry / "comm"), _text(entry / "cmdline")))
    return found


def end_listeners(
    port: int,
    kill: Callable[[int, int], None] = os.kill,
    sleep: Callable[[float], None] = time.sleep,
    look: Callable[[int], list[Listener]] = listeners,
) -> list[Listener]:
    """End whoever listens on a port: asked first, killed after L{KILL_SECONDS}.

    @return: who was ended.
    @raise OSError: it belongs to somebody else.
    """
    found = look(port)
    for listener in found:
        kill(listener.pid, signal.SIGTERM)
    looks = int(KILL_SECONDS / PAUSE_SECONDS)
    while found and look(port) and looks:
        sleep(PAUSE_SECONDS)
        looks -= 1
    for listener in look(port) if found else ():
        kill(listener.pid, signal.SIGKILL)
    return found


def _inodes(port: int, proc: Path) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / name).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 9 and fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield f"socket:[{fields[9]}]"


def _sockets(process: Path) -> Iterator[str]:
    try:
        for entry in os.scandir(process / "fd"):
            yield os.readlink(entry.path)
    except OSError:
        return  # somebody else's, or gone


def _text(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


__all__ = ["Listener", "end_listeners", "is_busy", "listeners"]
