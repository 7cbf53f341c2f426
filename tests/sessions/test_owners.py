# -*- test-case-name: tests.sessions.test_owners -*-
"""Which processes live, by their locks."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.sessions.owners import LockedOwners
from tests.sessions.helpers import scratch


class LockedOwnersTests(SynchronousTestCase):
    """L{LockedOwners} of several names in one directory."""

    def setUp(self) -> None:
        """A directory that is yet to be made."""
        self.directory = os.path.join(scratch(self), "owners")

    def owner(self, name: str) -> LockedOwners:
        """One more process, released when the test ends."""
        owners = LockedOwners(self.directory, name)
        self.addCleanup(owners.release)
        return owners

    def kill(self, owners: LockedOwners) -> None:
        """What the system does when a process dies."""
        assert owners._held is not None
        os.close(owners._held)
        owners._held = None

    def test_living(self) -> None:
        """Both see that both live; showing it twice does no harm."""
        a, b = self.owner("a"), self.owner("b")
        for owners in (a, b, a):
            owners.acquire()
        self.assertEqual([a.lives("a"), a.lives("b"), b.lives("a"), b.lives("c")], [True, True, True, False])
        self.assertEqual(os.stat(self.directory).st_mode & 0o777, 0o700)

    def test_killed(self) -> None:
        """Its lock is gone, and so is its file once somebody asked."""
        a, b = self.owner("a"), self.owner("b")
        a.acquire()
        b.acquire()
        self.kill(a)
        self.assertFalse(b.lives("a"))
        self.assertFalse(b.lives("a"))
        self.assertEqual(os.listdir(self.directory), ["b.lock"])

    def test_released(self) -> None:
        """One that is done leaves nothing behind."""
        a, b = self.owner("a"), self.owner("b")
        a.acquire()
        b.acquire()
        a.release()
        a.release()
        self.assertFalse(b.lives("a"))
        self.assertEqual(os.listdir(self.directory), ["b.lock"])

    def test_dead_files_are_swept(self) -> None:
        """Files of killed processes do not pile up."""
        for number in range(3):
            dead = self.owner(f"dead{number}")
            dead.acquire()
            self.kill(dead)
        self.owner("a").acquire()
        self.assertEqual(os.listdir(self.directory), ["a.lock"])

    def test_strange_names(self) -> None:
        """A name from the database never leads out of the directory."""
        self.owner("a").acquire()
        outside = os.path.join(self.directory, "..", "x.lock")
        with open(outside, "w"):
            pass
        self.assertFalse(self.owner("b").lives("../x"))
        self.assertFalse(self.owner("b").lives(""))
        self.assertTrue(os.path.exists(outside))
