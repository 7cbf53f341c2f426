# -*- test-case-name: tests.auth.test_pairing -*-
"""Which devices are let in."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import ADMIN, OPERATOR_SCOPES, PAIRING, READ, WRITE
from openclaw_tx.auth.device_book import MAX_PENDING_PER_ADDRESS, DeviceBook, News, Removed, Resolved
from openclaw_tx.auth.pairing import Claim, Pairing, PairingRequired, covers
from openclaw_tx.auth.pairing_records import NodeSurface, PairedDevice, PairingRequest, public_row
from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Principal
from tests.auth.doubles import MemoryFiles


def principal(*scopes: str, device_id: str = "") -> Principal:
    """Somebody with these scopes."""
    return Principal(id="p", method="token", scopes=frozenset(scopes), device_id=device_id)


OWNER = principal(*OPERATOR_SCOPES)


def claim(*scopes: str, device: str = "d1", role: str = "operator", key: str = "k", ip: str = "192.0.2.1") -> Claim:
    """What a device asks for."""
    return Claim(device, key, role, scopes, "name", "linux", "Linux", "cli", "cli", ip)


class PairingCase(SynchronousTestCase):
    """Rooms of a test."""

    def setUp(self) -> None:
        self.build()

    def build(self) -> None:
        self.clock = Clock()
        self.clock.advance(1)
        self.book = DeviceBook(MemoryFiles(), self.clock, in_reactor_thread)  # type: ignore[arg-type]
        numbers = count(1)
        self.pairing = Pairing(self.book, lambda: f"r{next(numbers)}")
        self.news: list[News] = []
        self.book.subscribe(self.news.append)

    def asked(self, wanted: Claim) -> PairingRequired:
        return self.assertRaises(PairingRequired, self.pairing.admit, wanted, silent=False)


class RecordTests(SynchronousTestCase):
    """What is known of devices."""

    def test_surface_covers(self) -> None:
        """Whatever a node offers beyond what was approved is new; a permission that is off offers nothing."""
        approved = NodeSurface(caps=("camera",), commands=("snap", "ping"), permissions={"photos": True, "mail": False})
        self.assertTrue(approved.covers(approved))
        self.assertTrue(approved.covers(NodeSurface()))
        self.assertTrue(approved.covers(NodeSurface(commands=("ping",), permissions={"calls": False})))
        for more in (
            NodeSurface(caps=("camera", "screen")),
            NodeSurface(commands=("run",)),
            NodeSurface(permissions={"mail": True}),
            NodeSurface(permissions={"calls": True}),
        ):
            self.assertFalse(approved.covers(more), more)
        self.assertFalse(NodeSurface().covers(approved))

    def test_row(self) -> None:
        """Clients are told the first of a device's roles as its role; one without any is an operator."""
        for roles, role in ((("node", "operator"), "node"), ((), "operator")):
            row = public_row(PairedDevice(device_id="d", public_key="k", roles=roles))
            self.assertEqual((row["role"], row["roles"]), (role, list(roles)))


class AdmitTests(PairingCase):
    """Being let in."""

    def test_silent(self) -> None:
        """Unasked for, a device is paired at once, and operators are told so."""
        device = self.pairing.admit(claim(READ, "operator.nonsense"), silent=True)
        self.assertEqual((device.roles, device.scopes, device.approved_via), (("operator",), (READ,), "silent"))
        (news,) = self.news
        assert isinstance(news, Resolved)
        self.assertEqual((news.decision, news.request.device_id), ("approved", "d1"))

    def test_known(self) -> None:
        """A device that asks for no more than it was approved for is let in from anywhere, and noted as seen."""
        self.pairing.admit(claim(WRITE), silent=True)
        self.clock.advance(9)
        device = self.pairing.admit(claim(READ), silent=False)
        self.assertEqual((device.scopes, device.last_seen_at_ms), ((WRITE,), 10_000))

    def test_asked(self) -> None:
        """Else it waits, under the same request while it asks for the same."""
        first, again = self.asked(claim(WRITE)), self.asked(claim(READ, WRITE))
        assert first.request is not None and again.request is not None
        self.assertEqual((first.reason, first.known), ("not-paired", None))
        self.assertEqual(first.request.request_id, self.news[0].request_id)  # type: ignore[union-attr]
        self.assertNotEqual(again.request.request_id, first.request.request_id, "READ is more than WRITE alone")
        self.assertEqual(self.asked(claim(READ)).request, again.request)
        self.assertEqual([type(one) for one in self.news], [PairingRequest, Resolved, PairingRequest])
        self.assertEqual(len(self.book.pending()), 1)

    def test_upgrades(self) -> None:
        """A known device that asks for more says what it has."""
        self.pairing.admit(claim(READ), silent=True)
        more = self.asked(claim(ADMIN))
        self.assertEqual((more.reason, more.known and more.known.scopes), ("scope-upgrade", (READ,)))
        self.assertEqual(self.asked(claim(role="node")).reason, "role-upgrade")
        self.assertEqual(self.asked(claim(READ, key="other")).reason, "not-paired")
        self.clock.advance(1)
        both = self.pairing.admit(claim(role="node"), silent=True)
        self.assertEqual((both.roles, both.scopes), (("operator", "node"), (READ,)))
        self.assertEqual((both.created_at_ms, both.approved_at_ms, both.last_seen_at_ms), (1000, 2000, 2000))

    def test_other_key(self) -> None:
        """Under another key nothing of the old device is kept."""
        self.pairing.admit(claim(ADMIN), silent=True)
        device = self.pairing.admit(claim(READ, key="other"), silent=True)
        self.assertEqual((device.public_key, device.scopes, device.tokens), ("other", (READ,), {}))

    def test_too_many(self) -> None:
        """Beyond the bounds nothing waits, and nobody is told."""
        for number in range(MAX_PENDING_PER_ADDRESS):
            self.asked(claim(device=f"d{number}"))
        self.assertIsNone(self.asked(claim(device="one too many")).request)
        self.assertEqual(len(self.news), MAX_PENDING_PER_ADDRESS)
        self.assertIsNotNone(self.asked(claim(device="other", ip="192.0.2.2")).request)

    @given(
        st.lists(st.tuples(st.lists(st.sampled_from(sorted(OPERATOR_SCOPES)), max_size=3), st.booleans()), max_size=6)
    )
    def test_never_more_than_approved(self, steps: list[tuple[list[str], bool]]) -> None:
        """Whatever a device asks for, it is let in without a question only for what was approved before."""
        self.build()
        approved: set[str] = set()
        for scopes, approve in steps:
            try:
                self.pairing.admit(claim(*scopes), silent=False)
                self.assertTrue(all(covers(approved, scope) for scope in scopes))
            except PairingRequired as error:
                assert error.request is not None
                if approve:
                    self.pairing.approve(error.request.request_id, OWNER)
                    approved.update(error.request.scopes)


class ApproveTests(PairingCase):
    """What operators do."""

    def ask(self, *scopes: str, role: str = "operator") -> str:
        error = self.asked(claim(*scopes, role=role))
        assert error.request is not None
        return error.request.request_id

    def test_approve(self) -> None:
        """The device is let in from then on; the request is gone."""
        request_id = self.ask(WRITE)
        device = self.pairing.approve(request_id, principal(PAIRING, WRITE))
        self.assertEqual((device.approved_via, self.book.pending()), ("operator", []))
        self.assertEqual(self.pairing.admit(claim(WRITE), silent=False).device_id, "d1")
        self.assertRaises(GatewayError, self.pairing.approve, request_id, OWNER)

    def test_nobody_gives_what_they_do_not_hold(self) -> None:
        """Scopes beyond one's own, other roles, and other devices than one's own take an administrator."""
        for wanted, who, message in [
            (claim(ADMIN), principal(PAIRING, WRITE), "missing scope: operator.admin"),
            (claim(READ), principal(PAIRING, READ, device_id="d2"), "device pairing approval denied"),
            (claim(role="node"), principal(PAIRING), "device pairing approval denied"),
        ]:
            request = self.asked(wanted).request
            assert request is not None
            error = self.assertRaises(GatewayError, self.pairing.approve, request.request_id, who)
            self.assertEqual(str(error), message)
        self.assertEqual(self.book.paired(), [])

    def test_reject(self) -> None:
        """It is not let in, and may ask again."""
        request_id = self.ask(READ)
        self.assertRaises(GatewayError, self.pairing.reject, request_id, principal(PAIRING, device_id="d2"))
        self.assertEqual(self.pairing.reject(request_id, principal(PAIRING)).device_id, "d1")
        self.assertEqual((self.book.pending(), self.book.paired()), ([], []))
        self.assertNotEqual(self.ask(READ), request_id)

    def test_remove(self) -> None:
        """It is forgotten, and asks anew."""
        self.pairing.admit(claim(READ), silent=True)
        self.assertRaises(GatewayError, self.pairing.remove, "d1", principal(PAIRING, device_id="d2"))
        self.pairing.remove("d1", principal(PAIRING, device_id="d1"))
        self.assertEqual(self.news[-1], Removed("d1"))
        self.assertEqual(self.asked(claim(READ)).reason, "not-paired")
        self.assertRaises(GatewayError, self.pairing.remove, "d1", OWNER)

    def test_rename(self) -> None:
        """A name for people."""
        self.pairing.admit(claim(READ), silent=True)
        self.assertEqual(self.pairing.rename("d1", "desk", OWNER).display_name, "desk")
        self.assertRaises(GatewayError, self.pairing.rename, "d1", "x", principal(PAIRING, device_id="d2"))
