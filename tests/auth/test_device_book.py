# -*- test-case-name: tests.auth.test_device_book -*-
"""The tables of devices, and how they reach the disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.device_book import MAX_PENDING, MAX_PENDING_PER_ADDRESS, REQUEST_SECONDS, DeviceBook
from openclaw_tx.auth.pairing_records import DeviceToken, PairedDevice, PairingFiles, PairingRequest, Snapshot, digest
from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.errors import GatewayError
from tests.auth.doubles import MemoryFiles

DEVICE = PairedDevice(device_id="d1", public_key="k", roles=("operator",), scopes=("operator.read",))


def request(number: int, ip: str = "") -> PairingRequest:
    """One that waits."""
    return PairingRequest(request_id=f"r{number}", device_id=f"d{number}", public_key="k", remote_ip=ip, ts=1000)


class FilesTests(SynchronousTestCase):
    """The two files."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()) / "devices"
        self.files = PairingFiles(self.directory)

    def test_round_trip(self) -> None:
        """What was written is read again; nobody else may read it."""
        token = DeviceToken(hash=digest("secret"), scopes=("operator.read",), created_at_ms=5)
        written = Snapshot(
            {"d1": PairedDevice(device_id="d1", public_key="k", tokens={"operator": token})}, {"r1": request(1)}
        )
        self.files.write(written)
        self.assertEqual(self.files.read(), written)
        self.assertEqual(sorted(os.listdir(self.directory)), ["paired.json", "pending.json"])
        for name in os.listdir(self.directory):
            self.assertEqual((self.directory / name).stat().st_mode & 0o777, 0o600)
        self.assertNotIn("secret", (self.directory / "paired.json").read_text())

    def test_nothing_there(self) -> None:
        """No files are no devices."""
        self.assertEqual(self.files.read(), Snapshot({}, {}))

    def test_january(self) -> None:
        """The file of the January release: its tokens are digested while reading, revoked ones are dropped."""
        self.directory.mkdir(parents=True)
        row = {
            "deviceId": "d1",
            "publicKey": "k",
            "role": "operator",
            "roles": ["operator"],
            "scopes": ["operator.admin"],
            "tokens": {
                "operator": {"token": "0123", "role": "operator", "scopes": ["operator.admin"], "createdAtMs": 3},
                "node": {"token": "4567", "role": "node", "scopes": [], "createdAtMs": 3, "revokedAtMs": 4},
            },
            "createdAtMs": 1,
            "approvedAtMs": 2,
        }
        (self.directory / "paired.json").write_text(json.dumps({"d1": row, "d2": {"deviceId": 7}, "d3": 8}))
        found = self.files.read().paired
        self.assertEqual(list(found), ["d1"])
        token = DeviceToken(hash=digest("0123"), scopes=("operator.admin",), created_at_ms=3)
        self.assertEqual(found["d1"].tokens, {"operator": token})

    def test_broken(self) -> None:
        """A file that is no JSON is kept aside, and is no end of the world."""
        self.directory.mkdir(parents=True)
        (self.directory / "paired.json").write_text("{")
        self.assertEqual(self.files.read().paired, {})
        self.assertEqual((self.directory / "paired.json.broken").read_text(), "{")

    def test_failed_write(self) -> None:
        """A write that fails leaves nothing half done."""
        (self.directory / "paired.json").mkdir(parents=True)
        self.assertRaises(OSError, self.files.write, Snapshot({"d1": DEVICE}, {}))
        self.assertEqual(os.listdir(self.directory), ["paired.json"])


class BookTests(SynchronousTestCase):
    """The tables."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1)
        self.files = MemoryFiles()
        self.book = DeviceBook(self.files, self.clock, in_reactor_thread)  # type: ignore[arg-type]

    def saved(self) -> None:
        self.successResultOf(Deferred.fromCoroutine(self.book.saved()))

    def test_written(self) -> None:
        """Every change is written; another book reads it."""
        self.book.put(DEVICE)
        self.book.ask(request(1))
        self.saved()
        again = DeviceBook(self.files, self.clock, in_reactor_thread)  # type: ignore[arg-type]
        self.assertEqual((again.paired(), again.pending()), (self.book.paired(), self.book.pending()))
        self.book.drop("d1")
        self.assertEqual(self.files.snapshot.paired, {})
        self.assertRaises(GatewayError, self.book.known, "d1")

    def test_last_seen_waits(self) -> None:
        """That a device has come again is written with the next change, or at the end."""
        self.book.put(DEVICE)
        self.clock.advance(9)
        self.book.seen(DEVICE)
        self.saved()
        self.assertEqual(len(self.files.written), 1)
        self.successResultOf(Deferred.fromCoroutine(self.book.close()))
        self.assertEqual(self.files.snapshot.paired["d1"].last_seen_at_ms, 10_000)

    def test_expiry(self) -> None:
        """A request waits five minutes."""
        self.book.ask(request(1))
        self.clock.advance(REQUEST_SECONDS - 1)
        self.assertEqual(self.book.request("r1"), request(1))
        self.clock.advance(1)
        self.assertEqual(self.book.pending(), [])
        self.assertRaises(GatewayError, self.book.request, "r1")

    def test_bounds(self) -> None:
        """So many wait, from one address and in all."""
        for number in range(MAX_PENDING_PER_ADDRESS):
            self.assertTrue(self.book.takes_request("a"))
            self.book.ask(request(number, "a"))
        self.assertFalse(self.book.takes_request("a"))
        for number in range(MAX_PENDING_PER_ADDRESS, MAX_PENDING):
            self.assertTrue(self.book.takes_request(f"a{number}"))
            self.book.ask(request(number, f"a{number}"))
        self.assertFalse(self.book.takes_request("b"))

    def test_failure(self) -> None:
        """Whoever needs a change on disk is told that it is not, whatever keeps it from there: a full disk, or no
        memory for a thread. It is tried again."""
        for number, broken in enumerate((OSError("no space left"), MemoryError("can't start new thread"))):
            self.files.broken = broken
            self.book.put(msgspec.structs.replace(DEVICE, device_id=f"d{number}"))
            self.failureResultOf(Deferred.fromCoroutine(self.book.saved()), GatewayError)
            self.files.broken = None
            self.saved()
            self.assertIn(f"d{number}", self.files.snapshot.paired)
            self.assertEqual(len(self.flushLoggedErrors(type(broken))), 2)


class OrderTests(SynchronousTestCase):
    """Writes in a thread."""

    def setUp(self) -> None:
        self.threads: list[tuple[Deferred[Any], Any, Any]] = []
        self.files = MemoryFiles()
        self.book = DeviceBook(self.files, Clock(), self.thread)  # type: ignore[arg-type]

    def thread(self, function: Any, *arguments: Any) -> Deferred[Any]:
        deferred: Deferred[Any] = Deferred()
        self.threads.append((deferred, function, arguments))
        return deferred

    def finish(self) -> None:
        deferred, function, arguments = self.threads.pop(0)
        deferred.callback(function(*arguments))

    def test_one_at_a_time(self) -> None:
        """While one write is under way changes are gathered; the next has them all; each waiter waits for its own."""
        self.book.put(DEVICE)
        first = Deferred.fromCoroutine(self.book.saved())
        self.book.ask(request(1))
        self.book.ask(request(2))
        second = Deferred.fromCoroutine(self.book.saved())
        self.assertEqual(len(self.threads), 1)
        self.finish()
        self.successResultOf(first)
        self.assertNoResult(second)
        self.finish()
        self.successResultOf(second)
        self.assertEqual([len(snapshot.pending) for snapshot in self.files.written], [0, 2])
        self.assertEqual(self.threads, [])

    def test_waiter_leaves(self) -> None:
        """A waiter that goes away does not stop the write."""
        self.book.put(DEVICE)
        waiter = Deferred.fromCoroutine(self.book.saved())
        waiter.addErrback(lambda _: None)
        waiter.cancel()
        self.finish()
        self.assertEqual(len(self.files.written), 1)

    def test_close(self) -> None:
        """Closing waits for what is under way."""
        self.book.put(DEVICE)
        self.book.ask(request(1))
        closed = Deferred.fromCoroutine(self.book.close())
        self.finish()
        self.assertNoResult(closed)
        self.finish()
        self.successResultOf(closed)
