# -*- test-case-name: tests.auth.test_actions -*-
"""The one authoriser, and what a WebSocket client may be granted."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth import GatewayAuthenticator
from openclaw_tx.auth.actions import (
    ACTIONS,
    ADMIN,
    APPROVALS,
    OPERATOR_SCOPES,
    PAIRING,
    READ,
    WRITE,
    authorise,
    granted,
    sufficient,
)
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Authenticator, Authoriser
from openclaw_tx.values import Principal, Target

AUTHORISER: Authoriser = authorise
AUTHENTICATOR: type[Authenticator] = GatewayAuthenticator

SCOPES = st.sets(st.sampled_from([*sorted(OPERATOR_SCOPES), "operator.root", "*", ""]))


def principal(*scopes: str, id: str = "shared-secret") -> Principal:
    """Somebody with these scopes."""
    return Principal(id=id, method="token", scopes=frozenset(scopes))


def may(who: Principal, action: str, target: Target | None = None) -> bool:
    """The authoriser's verdict."""
    try:
        authorise(who, action) if target is None else authorise(who, action, target)
    except GatewayError as error:
        assert error.info.code == "insufficient_scope"
        return False
    return True


class AuthoriseTests(SynchronousTestCase):
    """Action by scope."""

    def test_matrix(self) -> None:
        """Every action under every set of scopes: one suffices, admin always does, nothing else counts."""
        for action, rule in ACTIONS.items():
            for count in range(len(OPERATOR_SCOPES) + 1):
                for scopes in combinations(sorted(OPERATOR_SCOPES), count):
                    expected = (
                        rule.scope is None
                        or ADMIN in scopes
                        or rule.scope in scopes
                        or (rule.scope == READ and WRITE in scopes)
                    )
                    self.assertEqual(may(principal(*scopes), action), expected, (action, scopes))

    def test_expected_scopes(self) -> None:
        """What the protocol's table says of the actions there are."""
        by_scope = {
            scope: {name for name, rule in ACTIONS.items() if rule.scope == scope} for scope in (None, READ, WRITE)
        }
        self.assertEqual(by_scope[None], {"connect", "health", "node.invoke.result", "node.event"})
        running = {"chat.completions", "responses.create", "embeddings", "tools.invoke", "runs.create", "agent"}
        self.assertEqual(
            by_scope[WRITE],
            running
            | {
                "agent.wait",
                "channels.receive",
                "send",
                "runs.cancel",
                "sessions.create",
                "sessions.patch",
                "node.invoke",
                "wake",
            },
        )
        self.assertEqual({name for name, rule in ACTIONS.items() if rule.metered}, running)
        asked = {name for name, rule in ACTIONS.items() if rule.scope == APPROVALS}
        self.assertEqual(asked, {"approvals.request", "approvals.list", "approvals.resolve"})
        pairing = {name for name, rule in ACTIONS.items() if rule.scope == PAIRING}
        self.assertEqual(
            {name.rpartition(".")[0] for name in pairing}, {"device.pair", "device.token", "node.pair", "node"}
        )
        rest = set(ACTIONS) - by_scope[None] - by_scope[WRITE] - by_scope[READ] - asked - pairing
        changes = {"sessions.configure", "sessions.reset", "sessions.delete", "sessions.compact", "chat.inject"}
        owner = {
            "config.set",
            "agents.configure",
            "cron.add",
            "cron.update",
            "cron.remove",
            "cron.run",
            "system-event",
            "set-heartbeats",
            "skills.update",
        }
        self.assertEqual(rest, changes | owner | {"models.override", "exec.approvals.get", "exec.approvals.set"})

    def test_error(self) -> None:
        """The refusal names the scope in the words that clients match on, and says nothing else."""
        error = self.assertRaises(GatewayError, authorise, principal(READ), "chat.completions")
        self.assertEqual((str(error), error.info.kind.status), ("missing scope: operator.write", 403))
        self.assertEqual((error.info.kind.type, error.info.kind.ws), ("forbidden", "FORBIDDEN"))
        self.assertEqual(
            error.info.details,
            {"code": "MISSING_SCOPE", "missingScope": "operator.write", "requiredScopes": ["operator.write"]},
        )

    def test_unknown_action(self) -> None:
        """An action that nobody entered into the table is a programming error, for admins too."""
        self.assertRaises(KeyError, authorise, principal(ADMIN), "config.nope")

    def test_owned_runs(self) -> None:
        """A run is cancelled by who started it, or by an admin; write scope alone does not reach others' runs."""
        ada = principal(WRITE, id="proxy:ada")
        self.assertTrue(may(ada, "runs.cancel", Target(owner_id="proxy:ada")))
        self.assertFalse(may(ada, "runs.cancel", Target(owner_id="proxy:bob")))
        self.assertFalse(may(ada, "runs.cancel", Target(session_key="agent:main:main")), "owner unknown")
        self.assertTrue(may(principal(ADMIN), "runs.cancel", Target(owner_id="proxy:bob")))
        self.assertTrue(may(principal(READ, id="proxy:ada"), "runs.read", Target(owner_id="proxy:bob")))

    def test_docs(self) -> None:
        """Every row says what it is for."""
        for name, rule in ACTIONS.items():
            self.assertTrue(rule.doc.endswith("."), name)


class KeyTests(SynchronousTestCase):
    """The bounds of a key: what lies out of them is not there."""

    def told(self, who: Principal, action: str, **target: str) -> str:
        """The code of the refusal; "" = it may."""
        try:
            authorise(who, action, Target(**target))
        except GatewayError as error:
            return error.info.code
        return ""

    def key(self, *scopes: str, agents: tuple[str, ...] = (), prefix: str = "") -> Principal:
        """A key's holder."""
        scopes = scopes or (READ, WRITE)
        return Principal(id="key:ada", method="key", scopes=frozenset(scopes), agents=agents, session_prefix=prefix)

    def test_runs(self) -> None:
        """Its own; those of others are not there, but for an administrator. Where the owner is not known nobody else's
        run is touched."""
        for action in ("runs.read", "runs.cancel"):
            self.assertEqual(self.told(self.key(), action, owner_id="key:ada"), "", action)
            self.assertEqual(self.told(self.key(), action, owner_id="key:bob"), "run_not_found", action)
            self.assertEqual(self.told(self.key(ADMIN), action, owner_id="key:bob"), "", action)
        self.assertEqual(self.told(self.key(), "runs.cancel", agent_id="main"), "run_not_found")
        self.assertEqual(self.told(self.key(), "runs.read", agent_id="main"), "")

    def test_agents(self) -> None:
        """Others do not exist, as runs do not that belong to them, whoever started those."""
        key = self.key(agents=("main",))
        self.assertEqual(self.told(key, "agent", agent_id="main"), "")
        self.assertEqual(self.told(key, "agent", agent_id="beta"), "invalid_request")
        self.assertEqual(self.told(key, "runs.read", agent_id="beta", owner_id="key:ada"), "run_not_found")
        self.assertEqual(self.told(self.key(), "agent", agent_id="beta"), "")
        admin = self.key(ADMIN, agents=("main",))
        self.assertEqual(self.told(admin, "runs.read", agent_id="beta", owner_id="key:bob"), "run_not_found")

    def test_sessions(self) -> None:
        """Those of its prefix, in any agent; and what is its own wherever it is."""
        key = self.key(prefix="team:")
        for name, code in (
            ("agent:main:team:a", ""),
            ("AGENT:main:Team:a", ""),
            ("agent:beta:team:", ""),
            ("agent:main:other", "session_not_found"),
            ("agent:main:xteam:a", "session_not_found"),
            ("agent:team:", "session_not_found"),
            ("agent:team:x", "session_not_found"),
            ("team:a", "session_not_found"),
            ("channel:main:team:a", "session_not_found"),
        ):
            self.assertEqual(self.told(key, "sessions.list", session_key=name), code, name)
            self.assertEqual(self.told(self.key(), "sessions.list", session_key=name), "", name)
        self.assertEqual(self.told(key, "runs.read", session_key="agent:main:other", owner_id="key:ada"), "")
        admin = self.key(ADMIN, prefix="team:")
        for owner, code in (("key:ada", ""), ("key:bob", "run_not_found")):
            self.assertEqual(self.told(admin, "runs.read", session_key="agent:main:other", owner_id=owner), code)

    def test_only_keys(self) -> None:
        """Other principals have no such bounds."""
        ada = Principal(id="x", method="token", scopes=frozenset({READ}), agents=("main",), session_prefix="team:")
        self.assertEqual(self.told(ada, "sessions.list", agent_id="beta", session_key="agent:beta:other"), "")


class GrantedTests(SynchronousTestCase):
    """D12: what a client without a device gets."""

    def test_local_program_gets_what_it_asks(self) -> None:
        """On this machine the requested scopes are kept, unknown ones dropped, and nothing added."""
        full = principal(*OPERATOR_SCOPES)
        asked = [ADMIN, READ, "operator.root"]
        self.assertEqual(granted(full, asked, local_direct=True, has_origin=False), {ADMIN, READ})
        for nothing in (None, []):
            self.assertEqual(granted(full, nothing, local_direct=True, has_origin=False), frozenset())

    def test_everybody_else_reads_at_most(self) -> None:
        """Distant clients and pages get read, whatever they declare; never admin by default."""
        full = principal(*OPERATOR_SCOPES)
        for local, origin in [(False, False), (False, True), (True, True)]:
            for asked in ([ADMIN], [WRITE, READ], [READ]):
                self.assertEqual(granted(full, asked, local_direct=local, has_origin=origin), {READ})
            for asked in (None, [], ["operator.pairing"]):
                self.assertEqual(granted(full, asked, local_direct=local, has_origin=origin), frozenset())

    def test_credential_bounds(self) -> None:
        """A narrow credential gives no more than it implies."""
        reader = principal(READ)
        self.assertEqual(granted(reader, [ADMIN, WRITE, READ], local_direct=True, has_origin=False), {READ})
        self.assertEqual(granted(principal(WRITE), [READ], local_direct=True, has_origin=False), {READ})
        self.assertEqual(granted(principal(), [READ], local_direct=False, has_origin=False), frozenset())

    @given(
        held=SCOPES,
        asked=st.none() | st.lists(st.text() | st.sampled_from(sorted(OPERATOR_SCOPES))),
        local=...,
        origin=...,
    )
    def test_never_more_than_held(self, held: set[str], asked: list[str] | None, local: bool, origin: bool) -> None:
        """GHSA-rqpp-rjj8-7wv8: whatever a client declares, no action opens that its credential does not open."""
        who = principal(*held)
        scopes = granted(who, asked, local_direct=local, has_origin=origin)
        self.assertLessEqual(scopes, OPERATOR_SCOPES)
        for scope in scopes:
            self.assertFalse(who.scopes.isdisjoint(sufficient(scope)))
            self.assertFalse(frozenset(asked or ()).isdisjoint(sufficient(scope)), "nobody gets what he did not ask")
        for action in ACTIONS:
            if may(principal(*scopes), action):
                self.assertTrue(may(who, action), action)
        if origin or not local:
            self.assertLessEqual(scopes, {READ})
