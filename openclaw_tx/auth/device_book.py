# -*- test-case-name: tests.auth.test_device_book -*-
"""The tables of paired and waiting devices, and how they reach the disk.

The tables in memory are what counts; L{PairingFiles} follows. Files are written in a thread, one write at a time and
always the newest state, so that no older one can land last. Whoever hands out what must not be forgotten (an approval,
a token, a revocation) waits for L{DeviceBook.saved} before saying so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import msgspec

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.auth.pairing_records import PairedDevice, PairingFiles, PairingRequest, Snapshot
from openclaw_tx.deferreds import Gate, InThread, spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.listeners import Listeners

REQUEST_SECONDS = 300.0
"""How long a request waits for somebody's word."""
MAX_PAIRED = 512
"""Devices; more are not paired until one is removed."""
MAX_PENDING = 64
MAX_PENDING_PER_ADDRESS = 8
"""Requests that wait; beyond it a device is refused without one."""


class Resolved(NamedTuple):
    """A request was answered."""

    request: PairingRequest
    decision: Literal["approved", "rejected"]


class Removed(NamedTuple):
    """A device is gone."""

    device_id: str


News = PairingRequest | Resolved | Removed


class DeviceBook:
    """All devices of one gateway."""

    def __init__(self, files: PairingFiles, clock: IReactorTime, in_thread: InThread) -> None:
        self._files = files
        self._clock = clock
        self._in_thread = in_thread
        self._log = Logger()
        self._listeners: Listeners[News] = Listeners(self._log, "devices")
        kept = files.read()
        self._paired = dict(list(kept.paired.items())[:MAX_PAIRED])
        self._pending = dict(list(kept.pending.items())[:MAX_PENDING])
        self._version = self._saved = self._needed = 0
        self._writing: Gate | None = None

    # -- what is in it

    def get(self, device_id: str) -> PairedDevice | None:
        """A paired device."""
        return self._paired.get(device_id)

    def known(self, device_id: str) -> PairedDevice:
        """
        @raise GatewayError: C{invalid_request}: it is not paired.
        """
        device = self._paired.get(device_id)
        if device is None:
            raise GatewayError("invalid_request", "unknown deviceId", param="deviceId")
        return device

    def paired(self) -> Sequence[PairedDevice]:
        """All of them, the newest first."""
        return sorted(self._paired.values(), key=lambda device: -device.approved_at_ms)

    def pending(self) -> Sequence[PairingRequest]:
        """Requests that wait, the newest first."""
        self._expire()
        return sorted(self._pending.values(), key=lambda request: -request.ts)

    def request(self, request_id: str) -> PairingRequest:
        """
        @raise GatewayError: C{invalid_request}: there is none.
        """
        self._expire()
        found = self._pending.get(request_id)
        if found is None:
            raise GatewayError("invalid_request", "unknown requestId", param="requestId")
        return found

    @property
    def full(self) -> bool:
        """No more devices are paired."""
        return len(self._paired) >= MAX_PAIRED

    def takes_request(self, address: str) -> bool:
        """Whether one more request may wait, from this address."""
        waiting = self.pending()
        from_there = sum(request.remote_ip == address for request in waiting)
        return len(waiting) < MAX_PENDING and from_there < MAX_PENDING_PER_ADDRESS

    # -- changes

    def put(self, device: PairedDevice) -> PairedDevice:
        """Add a device, or replace it."""
        self._paired[device.device_id] = device
        self._changed()
        return device

    def replace(self, device: PairedDevice, **changes: object) -> PairedDevice:
        """Change fields of a device."""
        return self.put(msgspec.structs.replace(device, **changes))

    def seen(self, device: PairedDevice) -> PairedDevice:
        """It has come again; written with the next change, or at the end."""
        seen = self._paired[device.device_id] = msgspec.structs.replace(device, last_seen_at_ms=self.now_ms())
        self._version += 1
        return seen

    def drop(self, device_id: str) -> None:
        """Forget a device."""
        del self._paired[device_id]
        self._changed()

    def ask(self, request: PairingRequest) -> None:
        """Let a request wait."""
        self._pending[request.request_id] = request
        self._changed()

    def answered(self, request: PairingRequest) -> None:
        """A request waits no longer."""
        self._pending.pop(request.request_id, None)
        self._changed()

    def subscribe(self, listener: Callable[[News], None]) -> None:
        """Tell C{listener} of every change from now on."""
        self._listeners.subscribe(listener)

    def tell(self, news: News) -> None:
        """Tell all listeners."""
        self._listeners.tell(news)

    def now_ms(self) -> int:
        """The time, in ms since 1970."""
        return int(self._clock.seconds() * 1000)

    # -- on disk

    async def saved(self) -> None:
        """Wait until all that was changed so far is on disk, but for when devices were last seen.

        @raise GatewayError: C{storage_unavailable}: it could not be written.
        """
        wanted = self._needed
        if self._saved < wanted and self._writing is None:
            self._write()  # the last one failed
        while self._saved < wanted and self._writing is not None:
            await self._writing.wait()
        if self._saved < wanted:
            raise GatewayError("storage_unavailable", "The list of devices can not be written.")

    async def close(self) -> None:
        """Write what is not yet written."""
        if self._saved < self._version and self._writing is None:
            self._write()
        while self._writing is not None:
            await self._writing.wait()

    def _changed(self) -> None:
        self._version += 1
        self._needed = self._version
        if self._writing is None:
            self._write()

    def _write(self) -> None:
        self._writing = Gate()
        spawn(self._write_out(self._writing), self._log, "writing devices")

    async def _write_out(self, gate: Gate) -> None:
        version, snapshot = self._version, Snapshot(dict(self._paired), dict(self._pending))
        try:
            await self._in_thread(self._files.write, snapshot)
            self._saved = version
        except CancelledError:
            raise
        except Exception:
            self._log.failure("the list of devices can not be written")
        finally:
            self._writing = None
            if self._saved == version < self._version:
                self._write()
            gate.open()

    def _expire(self) -> None:
        oldest = self.now_ms() - REQUEST_SECONDS * 1000
        for request in [one for one in self._pending.values() if one.ts <= oldest]:
            del self._pending[request.request_id]
            self._version += 1


__all__ = ["DeviceBook", "News", "Removed", "Resolved"]
