# -*- test-case-name: tests.ws.rpc.test_finding -*-
"""Sessions that are named by the links of the Control UI: L{openclaw_tx.ws.rpc.finding}, through a whole gateway."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.ws.rpc.finding import slug_of, uuid_of
from tests.sessions.helpers import user
from tests.ws.rpc.test_sessions import SessionsCase

ONE = "agent:main:explicit:12345678-9abc-4def-8123-456789abcdef"
TWO = "agent:main:explicit:12345678-0000-4def-8123-456789abcdef"
THIRD = "agent:beta:explicit:aaaaaaaa-9abc-4def-8123-456789abcdef"


class LinkTests(SessionsCase):
    """C{shortId}, C{slugHint} and C{reference}."""

    def setUp(self) -> None:
        """Two sessions whose links begin alike, and one of another agent."""
        super().setUp()
        self.add(ONE, user("one"), label="Fix the door")
        self.memory.advance(1)
        self.add(TWO, user("two"))
        self.add(THIRD, user("three"), label="Beta's")
        self.add("agent:main:12345678", user("no link leads here"))

    def test_short_id(self) -> None:
        """As much of it as makes it the only one, in any case."""
        found = {"ok": True, "key": ONE, "agentId": "main", "displayName": "Fix the door"}
        self.assertEqual(self.call("sessions.resolve", shortId="123456789ABC"), found)
        self.assertEqual(self.call("sessions.resolve", shortId="123456789abc4def8123456789abcdef"), found)
        self.assertEqual(
            self.call("sessions.resolve", shortId="123456780000"), {"ok": True, "key": TWO, "agentId": "main"}
        )

    def test_several(self) -> None:
        """The client lets its user choose, unless the slug tells."""
        choice = self.call("sessions.resolve", shortId="12345678")
        self.assertFalse(choice["ok"])
        self.assertEqual([one["key"] for one in choice["candidates"]], [TWO, ONE])
        found = self.call("sessions.resolve", shortId="12345678", slugHint="fix-the-door")
        self.assertEqual((found["ok"], found["key"]), (True, ONE))
        self.assertFalse(self.call("sessions.resolve", shortId="12345678", slugHint="other")["ok"])

    def test_missing(self) -> None:
        """None fits: of this agent, or for this client."""
        self.assertEqual(self.call("sessions.resolve", shortId="ffffffff", allowMissing=True), {"ok": False})
        self.assertIn("No session found: ffffffff", self.refusal("sessions.resolve", shortId="ffffffff")[1])
        asked = {"shortId": "aaaaaaaa", "allowMissing": True}
        self.assertTrue(self.call("sessions.resolve", **asked)["ok"])
        self.assertFalse(self.call("sessions.resolve", **asked, agentId="main")["ok"])
        self.assertFalse(self.call("sessions.resolve", self.holder("acme"), **asked)["ok"])

    def test_reference(self) -> None:
        """By key; else by what it is called, if it is one that links lead to."""
        found = self.call("sessions.resolve", reference={"key": ONE, "slug": "whatever"})
        self.assertEqual((found["key"], found["displayName"]), (ONE, "Fix the door"))
        asked = {"reference": {"key": "agent:main:fix-the-door", "slug": "fix-the-door"}, "allowMissing": True}
        self.assertEqual(self.call("sessions.resolve", **asked)["key"], ONE)
        self.assertFalse(self.call("sessions.resolve", **asked, agentId="beta")["ok"])
        self.add("agent:main:named", user("hi"), label="Plain name")
        asked = {"reference": {"key": "agent:main:nope", "slug": "plain-name"}, "allowMissing": True}
        self.assertFalse(self.call("sessions.resolve", **asked)["ok"])
        self.assertIn("No session found: x", self.refusal("sessions.resolve", reference={"key": "x"})[1])

    def test_refused(self) -> None:
        """What names nothing, or too much."""
        for params, said in (
            ({"shortId": "1234567"}, "at /shortId"),
            ({"shortId": "1234567g"}, "at /shortId"),
            ({"slugHint": "x", "key": "main"}, "slugHint requires shortId"),
            ({"shortId": "12345678", "key": "main"}, "exactly one of"),
        ):
            self.assertIn(said, self.refusal("sessions.resolve", **params)[1])

    def test_startup(self) -> None:
        """A link shows its conversation in one request."""
        page = self.call("chat.startup", shortId="123456789abc", agentId="main", limit=5)
        self.assertEqual((page["sessionKey"], page["resolution"]["key"]), (ONE, ONE))
        self.assertEqual(page["messages"][0]["content"][0]["text"], "one")
        self.assertEqual(page["sessionInfo"]["key"], ONE)
        choice = self.call("chat.startup", shortId="12345678", agentId="main")
        self.assertEqual(list(choice), ["resolution"])
        self.assertEqual(len(choice["resolution"]["candidates"]), 2)
        self.assertEqual(self.call("chat.startup", shortId="ffffffff"), {"resolution": {"ok": False}})
        self.assertNotIn("resolution", self.call("chat.startup", sessionKey=ONE))
        for params, said in (
            ({}, "exactly one of sessionKey and shortId"),
            ({"sessionKey": ONE, "shortId": "12345678"}, "exactly one of"),
            ({"sessionKey": ONE, "slugHint": "x"}, "slugHint requires shortId"),
            ({"shortId": "?"}, "at /shortId"),
        ):
            self.assertIn(said, self.refusal("chat.startup", **params)[1])


class NameTests(SynchronousTestCase):
    """Parts of links."""

    def test_slugs(self) -> None:
        """Nothing at the end of one could be a short id."""
        for name, slug in (
            ("Fix the door", "fix-the-door"),
            ("  Ünïcode & more! ", "n-code-more"),
            ("build 12345678", "build"),
            ("deadbeef", ""),
            ("x" * 60, "x" * 48),
            ("", ""),
        ):
            self.assertEqual(slug_of(name), slug)

    def test_uuids(self) -> None:
        """Only of keys that end with one."""
        self.assertEqual(uuid_of(ONE), "123456789abc4def8123456789abcdef")
        self.assertEqual(uuid_of("agent:main:main"), "")
        self.assertEqual(uuid_of("global"), "")
