"""A gateway process whose clock can be set, that can be told to have no rights, and that tells what it holds.

C{python -m bench.drills.seams DIRECTORY ARGUMENTS} is C{twist ARGUMENTS}. In C{DIRECTORY} the driver and the process
meet: C{clock} holds seconds to add to the time of day, C{counts} is written at each SIGUSR2, and if there is a file
C{unprivileged}, permissions hold for root as for anybody.
"""

from __future__ import annotations

import ctypes
import gc
import json
import mmap
import os
import re
import signal
import struct
import sys
import tempfile
import time
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

IN_USE, TAKEN = "KiB in use by Python", "KiB that Python has taken for it"
_SECONDS = struct.Struct("d")
_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_OVERRIDES = (1, 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: what lets root pass by permissions."""


class Seams:
    """The driver's side."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700)
        (path / "clock").write_bytes(_SECONDS.pack(0.0))

    def set_clock(self, offset: float) -> None:
        """From now on the process believes that it is so many seconds later than it is."""
        with (self.path / "clock").open("r+b") as file:
            file.write(_SECONDS.pack(offset))

    def drop_rights(self) -> None:
        """The next process is subject to permissions, even if root runs it."""
        (self.path / "unprivileged").touch()

    def ask_counts(self, pid: int) -> None:
        """Have the process write down what it holds; see L{counts}."""
        (self.path / "counts").unlink(missing_ok=True)
        os.kill(pid, signal.SIGUSR2)

    def counts(self) -> dict[str, int] | None:
        """How many delayed calls, descriptors and objects of each class the process has, and L{allocated}; None = not
        yet told."""
        try:
            told: dict[str, int] = json.loads((self.path / "counts").read_text())
        except (OSError, ValueError):
            return None
        return told


_IN_USE = re.compile(rb"^# bytes in allocated blocks += +([0-9,]+)$", re.M)
_TAKEN = re.compile(rb"^[0-9]+ arenas \* [0-9]+ bytes/arena += +([0-9,]+)$", re.M)


def allocated() -> dict[str, int]:
    """What Python's own allocator says of itself, in KiB: what it has handed out, and what it has taken from the system
    for that. It tells nobody but standard error."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as told:
        os.dup2(told.fileno(), 2)
        try:
            sys._debugmallocstats()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        told.seek(0)
        text = told.read()
    figures = {IN_USE: _IN_USE.search(text), TAKEN: _TAKEN.search(text)}
    return {name: int(found[1].replace(b",", b"")) // 1024 for name, found in figures.items() if found}


def held(reactor: Any) -> dict[str, int]:
    """What this process holds. References to what is gone count for nothing: until Python 3.12 a connection of sqlite3
    keeps one for each of its cursors, and throws them away 200 at a time."""
    gc.collect()
    memory = allocated()
    objects = Counter(
        f"{type(thing).__module__}.{type(thing).__qualname__}"
        for thing in gc.get_objects()
        if type(thing) is not type and not (type(thing) is weakref.ref and thing() is None)
    )
    ours = {name: count for name, count in objects.items() if name.startswith(("openclaw_tx.", "twisted."))}
    return {
        "delayed calls": len(reactor.getDelayedCalls()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "selectables": len(reactor.getReaders()) + len(reactor.getWriters()),
        "objects": sum(objects.values()),
        **memory,
        **dict(sorted(ours.items())),
    }


def main(path: Path, arguments: list[str]) -> None:
    """Be the gateway. Does not return."""
    if (path / "unprivileged").exists() and os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        (path / "unprivileged").unlink()
        for number in _OVERRIDES:
            libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
        os.execv(sys.executable, [sys.executable, "-m", "bench.drills.seams", str(path), *arguments])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # it does not outlive the driver
    _own_clock(path / "clock")
    from twisted.application.twist._twist import Twist
    from twisted.internet import reactor

    def tell() -> None:
        (path / "counts.new").write_text(json.dumps(held(reactor)))
        (path / "counts.new").rename(path / "counts")

    any_reactor: Any = reactor
    signal.signal(signal.SIGUSR2, lambda number, frame: any_reactor.callFromThread(tell))
    Twist.main(["twist", *arguments])


def _own_clock(path: Path) -> None:
    """Before anybody has taken C{time.time} for their own."""
    with path.open("r+b") as file:
        offset = mmap.mmap(file.fileno(), _SECONDS.size)
    genuine = time.time
    time.time = lambda: genuine() + float(_SECONDS.unpack(offset[:])[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
